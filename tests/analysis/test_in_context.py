"""Eq. (6) on simulated answers with known parameters, its likelihood against SciPy's, and variants compared."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from arviz_stats.loo import loo
from numpyro.infer.util import log_density
from scipy import stats
from scipy.special import log_softmax, softmax

from simulacra.analysis import ContextComparison, ContextModel, InContext, compare_in_context, fit_in_context
from simulacra.analysis import context_comparison as comparison
from simulacra.analysis.context_model import _LEAST, ContextSampler, _program
from simulacra.analysis.contexts import Contexts, read_contexts
from simulacra.analysis.in_context import fit_contexts
from simulacra.formalism.simplex import ilr_basis
from simulacra.inference import Thresholds

pytestmark = pytest.mark.long

PERSONAS = ["helper", "villain", "pirate"]
START, TAU, ALPHA, LAPSE, CONCENTRATION, ANSWERS = np.log([0.7, 0.2, 0.1]), 1.2, 0.3, 0.1, 40.0, 20
TALKS, MOST = 30, 3
LENGTHS = {"num_warmup": 200, "num_samples": 300, "num_chains": 2}
SHORT: dict[str, Any] = {**LENGTHS, "thresholds": Thresholds(r_hat=1.05, ess=100)}
TURNS = np.tile(np.arange(MOST + 1), TALKS)
TALK = np.repeat(np.arange(TALKS), MOST + 1)
BOTH, NONE = ContextModel(exponent=True), ContextModel(lapse=False)
SHAPE = {"turns": TURNS, "conversations": TALK}


def simulated(
    temperature: float = TAU, exponent: float = ALPHA, lapse: float = LAPSE, start: np.ndarray = START, seed: int = 5
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Thirty conversations of zero to three turns, each turn worth about two nats."""
    rng = np.random.default_rng(seed)
    turns = np.random.default_rng(1).normal(-8, 2.0, size=(TALKS, MOST, 3))
    so_far = np.concatenate([np.zeros((TALKS, 1, 3)), turns.cumsum(axis=1)], axis=1).reshape(-1, 3)
    strength = temperature * np.maximum(TURNS, 1.0) ** -exponent
    weights = (1 - lapse) * softmax(start + strength[:, None] * so_far, axis=1) + lapse * softmax(start)
    shares = np.stack([rng.dirichlet(CONCENTRATION * row) for row in weights])
    counts = np.stack([rng.multinomial(ANSWERS, row) for row in shares])
    return pd.DataFrame(so_far, columns=PERSONAS), pd.DataFrame(counts, columns=PERSONAS)


def validated(evidence: pd.DataFrame, answers: pd.DataFrame) -> Contexts:
    return read_contexts(evidence, answers, **SHAPE, conditions=None, training=None, call="test")


def test_the_likelihood_is_scipys() -> None:
    evidence, answers = simulated()
    contexts = validated(evidence, answers)
    values = {"coordinates": [[0.4, -0.9]], "temperature": 0.8, "concentration": 7.0, "exponent": 0.2, "lapse": 0.15}
    kept = np.arange(len(TURNS)) < 8
    arrays = (contexts.evidence, contexts.answers, contexts.turns, contexts.condition, kept)
    at = {name: jnp.asarray(own) for name, own in values.items()}
    ours, _ = log_density(_program(BOTH, contexts), tuple(map(jnp.asarray, arrays)), {}, at)
    start = log_softmax(np.array([0.4, -0.9]) @ ilr_basis(3))
    strength = 0.8 * np.maximum(TURNS, 1.0) ** -0.2
    weights = 0.85 * softmax(start + strength[:, None] * evidence.to_numpy(), axis=1) + 0.15 * np.exp(start)
    theirs = sum(
        stats.dirichlet_multinomial.logpmf(row.astype(int), 7.0 * weight + _LEAST, int(row.sum()))
        for row, weight in zip(answers.to_numpy()[:8], weights, strict=False)
    )
    theirs += stats.norm.logpdf([0.4, -0.9, 0.8], scale=3).sum() + stats.lognorm.logpdf(7.0, s=1.5, scale=50)
    theirs += stats.norm.logpdf(0.2) + stats.beta.logpdf(0.15, 1, 9)
    assert float(ours) == pytest.approx(theirs, rel=1e-9)


@pytest.fixture(scope="module")
def compared() -> ContextComparison:
    variants = {"both": BOTH, "none": NONE}
    return compare_in_context(*simulated(), **SHAPE, variants=variants, **SHORT)


@pytest.fixture(scope="module")
def found(compared: ContextComparison) -> InContext:
    return compared.fits["both"]


def estimates(fit: InContext) -> pd.DataFrame:
    return fit.parameters().set_index("parameter")


def check_recovery(fit: InContext, **true: float) -> None:
    assert fit.ok, [str(check) for check in fit.checks if not check.passed]
    table = estimates(fit)
    for name, value in true.items():
        # the interval's half-width is 1.6 standard deviations; 4 of them miss once in 16,000
        half = (table.loc[name, "eti89_ub"] - table.loc[name, "eti89_lb"]) / 2
        assert table.loc[name, "mean"] == pytest.approx(value, abs=2.5 * half), name


def test_turns_that_count_against_what_they_say_are_found() -> None:
    """Columns may come in any order."""
    evidence, answers = simulated(-0.5, 0.0, 0.0)
    fit = fit_in_context(evidence, answers[PERSONAS[::-1]], model=NONE, **SHORT)
    check_recovery(fit, temperature=-0.5)
    assert list(estimates(fit).index) == ["temperature", "concentration"]


def test_known_parameters_are_recovered(found: InContext) -> None:
    check_recovery(found, temperature=TAU, exponent=ALPHA, lapse=LAPSE)
    assert estimates(found).loc["lapse", "eti89_lb"] > 0.03
    _, answers = simulated()
    table = found.table(pd.DataFrame({"turns": TURNS}))
    assert list(table.columns[:3]) == ["turns", "persona", "predicted"]
    np.testing.assert_allclose(table.groupby("turns")[["predicted", "measured"]].sum(), 1, atol=1e-9)
    by_hand = answers[TURNS == 2].sum() / answers[TURNS == 2].to_numpy().sum()
    np.testing.assert_allclose(table.loc[table["turns"] == 2, "measured"], by_hand)
    assert (table["predicted"] - table["measured"]).abs().max() < 0.08


def test_the_variant_that_generated_the_answers_predicts_conversations_best(compared: ContextComparison) -> None:
    table = compared.table()
    assert list(table["variant"]) == ["both", "none"]
    assert table["elpd_diff"].iloc[0] == 0
    by_hand = compared.elpd["none"] - compared.elpd["both"]
    assert table["elpd_diff"].iloc[1] == pytest.approx(by_hand.sum())
    assert table["dse"].iloc[1] == pytest.approx(np.sqrt(TALKS * by_hand.var(ddof=1)))
    assert len(compared.elpd) == TALKS
    assert compared.verdict("both", "none") == "supported"
    assert compared.verdict("none", "both") == "rejected"
    assert compared.verdict("both", "both") == "undecided"


def test_a_conversation_left_out_is_what_importance_sampling_says(
    compared: ContextComparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three conversations are fitted again without themselves, as if their importance weights were unreliable."""
    contexts, fit = validated(*simulated()), compared.fits["none"]
    shapes = loo(fit.tree, pointwise=True).pareto_k.to_numpy()
    monkeypatch.setattr(comparison, "_UNRELIABLE", np.sort(shapes)[-4])
    sampler = ContextSampler(NONE, contexts, **LENGTHS)
    again, refitted = comparison._left_out(fit, sampler, contexts, 0)
    assert refitted == 3
    assert (again != compared.elpd["none"]).sum() == 3
    np.testing.assert_allclose(again, compared.elpd["none"], atol=0.1)


def test_fine_tunes_in_the_same_conversations() -> None:
    """Two models with a shift between them that is known to be two examples of its training evidence."""
    shift = np.array([-1.0, 1.5, -0.5])
    evidence, answers = simulated(exponent=0.0)
    _, tuned = simulated(exponent=0.0, start=START + 2 * shift, seed=6)
    conditions = np.repeat(["base", "tuned"], len(evidence))
    both = {"conditions": conditions, "turns": np.tile(TURNS, 2), "conversations": np.tile(TALK, 2)}
    training = pd.DataFrame([[0.0, 0.0, 0.0], shift], index=["base", "tuned"], columns=PERSONAS)
    tables = (pd.concat([own, other], ignore_index=True) for own, other in ((evidence, evidence), (answers, tuned)))
    variants = {"separate": ContextModel(separate=("temperature", "lapse")), "training": ContextModel(training=True)}
    found = compare_in_context(*tables, **both, training=training, variants=variants, **SHORT)
    check_recovery(found.fits["training"], temperature=TAU, lapse=LAPSE, strength=2.0)
    assert found.verdict("separate", "training") == "undecided"
    apart = found.fits["separate"].parameters().set_index("condition")
    for name, true, near in (("temperature", TAU, 0.3), ("lapse", LAPSE, 0.05)):
        own = apart[apart["parameter"] == name]
        assert list(own.index) == ["base", "tuned"]
        assert (own["eti89_lb"] < true + near).all()
        assert (own["eti89_ub"] > true - near).all()
    strength = found.fits["training"].parameters()
    assert list(strength.loc[strength["parameter"] == "strength", "condition"]) == ["tuned"]


def test_what_did_not_converge_is_withheld(found: InContext, compared: ContextComparison) -> None:
    failed = dataclasses.replace(found, checks=(dataclasses.replace(found.checks[0], passed=False),))
    assert not failed.ok
    assert failed.parameters()["mean"].isna().all()
    table = failed.table(pd.DataFrame({"turns": TURNS}))
    assert table["predicted"].isna().all()
    assert table["measured"].notna().all()
    worse = dataclasses.replace(compared, fits={**compared.fits, "both": failed}).table()
    assert worse.loc[worse["variant"] == "both", "elpd"].isna().all()


def test_errors_say_what_is_wrong(found: InContext, compared: ContextComparison) -> None:
    evidence, answers = simulated()
    with pytest.raises(ValueError, match=r"the same personas as columns .* 120 rows of good, villain, pirate"):
        fit_in_context(evidence, answers.rename(columns={"helper": "good"}))
    with pytest.raises(ValueError, match="context 3 has evidence that is not finite"):
        fit_in_context(evidence.drop(3).reindex(range(120)), answers)
    with pytest.raises(ValueError, match="context 4 has answers that are not counts"):
        fit_in_context(evidence, answers.mul(np.where(np.arange(120) == 4, 0.3, 1), axis=0))
    with pytest.raises(ValueError, match="the same contexts as rows"):
        fit_in_context(evidence, answers[::-1])
    with pytest.raises(ValueError, match="context 5 has no answers"):
        fit_in_context(evidence, answers.drop(5).reindex(range(120), fill_value=0))
    with pytest.raises(ValueError, match="turns has 3 values; expected one for each of 120 contexts"):
        fit_in_context(evidence, answers, turns=[0, 1, 2])
    with pytest.raises(ValueError, match="context 1 has 0 turns; expected a whole number of turns, zero only without"):
        fit_in_context(evidence, answers, turns=np.zeros(120, dtype=int))
    with pytest.raises(ValueError, match="An exponent needs the number of turns"):
        fit_in_context(evidence, answers, model=BOTH)
    with pytest.raises(ValueError, match="needs the evidence of the training sets"):
        fit_in_context(evidence, answers, model=ContextModel(training=True))
    with pytest.raises(ValueError, match=r"training has the rows base .*; expected one row for each of all"):
        fit_in_context(evidence, answers, training=pd.DataFrame([[1.0, 2.0, 3.0]], ["base"], PERSONAS))
    with pytest.raises(ValueError, match="there are 4 conversations; expected at least 8"):
        compare_in_context(evidence, answers, conversations=TURNS)
    with pytest.raises(ValueError, match=r"separate is .'lapse',.; expected a tuple of names among temperature"):
        ContextModel(lapse=False, separate=("lapse",))
    with pytest.raises(ValueError, match="1 variants; expected at least 2"):
        compare_in_context(evidence, answers, conversations=TALK, variants={"none": NONE})
    with pytest.raises(ValueError, match="there is no variant 'lapse'; expected one of both, none"):
        compared.verdict("lapse", "none")
    with pytest.raises(ValueError, match="one row for each of 120 contexts; got 3"):
        found.table(pd.DataFrame({"turns": [0, 1, 2]}))


@pytest.mark.slow
def test_intervals_of_the_parameters_cover() -> None:
    """Forty sets of 30 conversations with other answers: ``docs/validation.md`` has the numbers."""
    true = {"temperature": TAU, "exponent": ALPHA, "lapse": LAPSE}
    covered = dict.fromkeys(true, 0)
    sampler = ContextSampler(BOTH, validated(*simulated()), **LENGTHS)
    for seed in range(40):
        table = estimates(fit_contexts(validated(*simulated(seed=100 + seed)), sampler, seed, SHORT["thresholds"]))
        for name, value in true.items():
            covered[name] += bool(table.loc[name, "eti89_lb"] <= value <= table.loc[name, "eti89_ub"])
    print(f"of 40 sets: {covered}")
    assert all(32 <= number <= 40 for number in covered.values())
