"""Comparisons over base questions: the table by hand, a planted persona, and what cannot be compared."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulacra.analysis import Comparison, compare, comparison
from simulacra.data import CollapsedLog, collapse, simulate_log
from simulacra.formalism import RESIDUAL, InputError, PersonaMixture, ScoreEmission
from simulacra.inference import Result
from tests.inference.conftest import Simulated

QUESTIONS = ("a", "b", "c", "d", "e", "f")


def by_hand(rng: np.random.Generator) -> Comparison:
    """Two models on six questions in two formats and three folds; ``better`` gains 10 nats on every question."""
    rows = []
    for score in ("adapted", "plain"):
        for question in QUESTIONS:
            for form in ("", "_json"):
                elpd = -100 + rng.normal()
                cell = ("base", question, f"{question}{form}", 50)
                rows += [(score, "usual", *cell, elpd), (score, "better", *cell, elpd + 5 + 0.1 * rng.normal())]
    columns = ["score", "model", "condition", "base_question", "question_id", "completions", "elpd"]
    noise = pd.DataFrame(
        [
            (fold, score, model, 0.3)
            for fold in range(3)
            for score in ("adapted", "plain")
            for model in ("usual", "better")
        ],
        columns=["fold", "score", "model", "mcse"],
    )
    folds = {question: number % 3 for number, question in enumerate(QUESTIONS)}
    return Comparison(
        pd.DataFrame(rows, columns=columns), noise, "usual", folds, {"usual": 1.01, "better": 1.02}, "abc", 0
    )


def test_the_table_is_a_paired_comparison_over_base_questions(rng: np.random.Generator) -> None:
    found = by_hand(rng)
    table = found.table()
    assert table["score"].tolist() == ["adapted", "adapted", "plain", "plain"]
    assert table["model"].tolist() == ["better", "usual"] * 2
    assert table["verdict"].tolist() == ["supported", "reference"] * 2
    own = found.pointwise[found.pointwise["score"] == "plain"]
    sums = own.pivot_table(index="base_question", columns="model", values="elpd", aggfunc="sum")
    test = stats.ttest_rel(sums["better"], sums["usual"])
    row = table.iloc[2]
    assert row["elpd_diff"] / row["dse"] == pytest.approx(test.statistic)
    assert row["elpd_diff"] == pytest.approx((sums["better"] - sums["usual"]).sum())
    assert row["mcse"] == pytest.approx(0.3 * np.sqrt(6))
    assert row["questions"] == len(QUESTIONS)
    assert row["effective_questions"] == pytest.approx(len(QUESTIONS), abs=0.1)
    assert found.table(against="better")["verdict"].tolist() == ["reference", "rejected"] * 2
    by_format = found.differences("better", by="question_id")
    np.testing.assert_allclose(by_format.sum(), found.differences("better").sum())
    assert str(found.cite("better")).startswith("better minus usual: +60 ± ")
    assert "6 held-out base questions (supported" in found.cite("better")


def test_what_did_not_converge_is_withheld(rng: np.random.Generator) -> None:
    failed = dataclasses.replace(by_hand(rng), r_hat={"usual": 1.01, "better": 1.3})
    table = failed.table()
    better = table[table["model"] == "better"]
    assert better[["elpd", "elpd_diff", "dse", "power"]].isna().all(axis=None)
    assert (better["status"] == "withheld: a fit of 'better' did not converge (R-hat 1.30, required: 1.1)").all()
    assert (table[table["model"] == "usual"]["status"] == "ok").all()
    against_it = failed.table(against="better").set_index("model")
    assert against_it.loc["usual", "elpd"].notna().all()  # its own fits converged
    assert against_it.loc["usual", "elpd_diff"].isna().all()
    assert "60" not in repr(failed)
    for call in (failed.cite, failed.verdict):
        with pytest.raises(InputError, match=r"withheld: a fit of 'better' did not converge"):
            call("better")


def test_names_that_there_are_not(rng: np.random.Generator) -> None:
    found = by_hand(rng)
    for call in (lambda: found.cite("best"), lambda: found.table(against="best"), lambda: found.differences("best")):
        with pytest.raises(InputError, match=r"no model 'best'; expected one of usual, better"):
            call()
    with pytest.raises(InputError, match="by is 'fold'"):
        found.differences("better", by="fold")
    with pytest.raises(InputError, match="score is 'waic'"):
        found.verdict("better", score="waic")


def without(model: PersonaMixture, name: str) -> PersonaMixture:
    return model.with_personas([persona for persona in model.personas if persona.name != name])


def alike(model: PersonaMixture) -> PersonaMixture:
    """The same model, but with the same weights in all conditions."""
    return PersonaMixture(model.personas, emissions=model.emissions, weights="(1 | question_id)")


def test_folds_are_predicted_by_fits_without_them(
    simulated: Simulated, fitted: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fit is the shared one here; fits of folds are those of the slow study below and of the page."""
    asked: list[tuple[PersonaMixture, set[str]]] = []

    def refit(model: PersonaMixture, counts: CollapsedLog, _: object) -> Result:
        asked.append((model, set(counts.questions)))
        return fitted

    monkeypatch.setattr(comparison, "refit", refit)
    models = {"usual": simulated.model, "alike": alike(simulated.model)}
    found = compare(models, simulated.log, num_folds=2, num_samples=300)
    assert [model for model, _ in asked] == [*models.values()] * 2
    for fold, (_, questions) in zip([0, 0, 1, 1], asked, strict=True):
        assert questions == {question for question, own in found.folds.items() if own != fold}
    assert len(found.pointwise) == 2 * 2 * 12
    assert found.pointwise["completions"].unique().tolist() == [40]
    assert (found.differences("alike") == 0).all(axis=None)  # the halves are the same for all models
    assert (found.mcse["mcse"] < 1).all()
    own = found.pointwise[found.pointwise["model"] == "usual"]
    adapted, plain = (own.loc[own["score"] == score, "elpd"].sum() for score in ("adapted", "plain"))
    truth = simulated.truth
    components = truth.probabilities[0][:, :, None] * truth.probabilities[1][:, None, :]
    mixed = np.einsum("ck,kij->cij", truth.weights, components)
    best = 40 * (mixed * np.log(mixed)).sum()  # what the true model scores, on average
    assert best - 60 < adapted < best + 60
    assert best - 60 < plain < best + 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_persona_that_was_planted_is_needed(simulated: Simulated, seed: int) -> None:
    """A third persona is in every tenth completion; a fourth is in none."""
    log = simulate_log(simulated.model, simulated.truth, 40, seed=seed)
    models = {
        "three": simulated.model,
        "two": without(simulated.model, "incoherent"),
        "four": simulated.model.with_personas([*simulated.model.personas, RESIDUAL]),
        "alike": alike(simulated.model),
    }
    found = compare(models, log, num_folds=4)
    assert (found.differences("two").sum() < -4).all()  # four questions seldom decide: the quantile of t is 3.2
    assert found.verdict("two").verdict != "supported"
    assert found.verdict("four").verdict != "supported"
    assert found.differences("alike")["plain"].sum() < 0


def test_what_cannot_be_compared(simulated: Simulated) -> None:
    model, log = simulated.model, simulated.log
    other = PersonaMixture(model.personas, emissions=[ScoreEmission("aligned", ["<30", "<70"]), *model.emissions[1:]])
    two = {"three": model, "two": without(model, "incoherent")}
    short = log.select(question_id=["q1", "q2", "q3"])
    table = log.table[(log.table["condition"] != "bad") | (log.table["question_id"] == "q1")]
    single = dataclasses.replace(log, table=table)
    for models, source, settings, message in (
        ({"three": model}, log, {}, "1 model(s); expected two or more"),
        ({"three": model, "same": without(model, "")}, log, {}, "'same' and 'three' predict the same"),
        ({"three": model, "coarse": other}, log, {}, "other measurements, or other categories"),
        (two, log, {"against": "four"}, "no model 'four'; expected one of three, two"),
        (two, log, {"num_folds": 1}, "num_folds is 1; expected 2 or more"),
        (two, short, {}, "the log has 3 base question(s); expected at least 4"),
        (two, single, {}, "'bad' was asked the questions of one fold only"),
        (two, collapse(log, model.emissions[:1]), {}, "The counts are of aligned"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            compare(models, source, **settings)
