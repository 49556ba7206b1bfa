"""Prediction of questions that were not fitted, and of values of covariates that were not logged."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from simulacra.analysis import predict, predict_rates
from simulacra.data import Truth, read_completions, simulate_log
from simulacra.formalism import Outcome, PersonaMixture, ScoreEmission, persona_set
from simulacra.formalism.simplex import inverse_ilr
from simulacra.inference import Result, Thresholds, fit


def _renamed(result: Result, log: pd.DataFrame, prefix: str) -> pd.DataFrame:
    return log.assign(question_id=prefix + log["question_id"]).drop(columns=["base_question", "source", "record"])


def test_new_questions_are_less_certain_than_known_ones(passed: Result, simulated) -> None:
    new = read_completions(
        _renamed(passed, simulated.log.table, "new "), measurements=["aligned", "coherent"], contexts=["persona"]
    )
    known, unknown = predict_rates(passed, simulated.log), predict_rates(passed, new)
    width = known["eti89_ub"] - known["eti89_lb"]
    assert list(known["condition"]) == list(passed.conditions)
    assert ((unknown["eti89_ub"] - unknown["eti89_lb"]) > width).all()
    assert ((known["predictive_ub"] - known["predictive_lb"]) >= width - 0.02).all()


def test_known_questions_get_back_their_own_rates(passed: Result, simulated) -> None:
    """Given all logits, nothing is left to draw: prediction and implied rate agree up to Monte Carlo error."""
    predicted = predict_rates(passed, simulated.log, num_draws=1200).set_index("condition")
    implied = passed.rates(withhold=False).set_index("condition")
    np.testing.assert_allclose(predicted["predicted"], implied["implied"].loc[predicted.index], atol=0.005)
    counted = (implied["events"] / implied["total"]).loc[predicted.index]
    np.testing.assert_allclose(predicted["observed"], counted, rtol=1e-12)


def test_a_fit_that_failed_predicts_nothing(passed: Result, simulated) -> None:
    failed = dataclasses.replace(passed.prepared, notes=())
    broken = dataclasses.replace(
        passed, prepared=failed, checks=tuple(dataclasses.replace(c, passed=False) for c in _one_check())
    )
    with pytest.raises(ValueError, match="rates cannot be predicted because this fit failed its checks: divergences"):
        predict_rates(broken, simulated.log)
    unexplained = dataclasses.replace(_one_check()[0], name="unexplained share", passed=False, withholds=("weights",))
    predict_rates(dataclasses.replace(passed, checks=(unexplained,)), simulated.log)  # which does not concern rates


def _one_check() -> list:
    from simulacra.inference import Check

    return [Check("divergences", True, 0.0, 0.0, "all chains", "", ("implied_rates",))]


def test_unknown_conditions_and_missing_outcomes_are_refused(passed: Result, simulated) -> None:
    table = _renamed(passed, simulated.log.table, "").assign(condition="another")
    other = read_completions(table, measurements=["aligned", "coherent"], contexts=["persona"])
    with pytest.raises(ValueError, match="another was not fitted; the fitted conditions are base"):
        predict_rates(passed, other)
    with pytest.raises(ValueError, match="not a bin edge"):
        predict_rates(passed, simulated.log, Outcome("aligned < 33"))


# --- covariates -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dosed() -> Result:
    """Three conditions that differ in a dose and nothing else, each with a trigger and without it."""
    personas = [p for p in persona_set("emergent-misalignment") if p.name in ("aligned", "misaligned")]
    emissions = [ScoreEmission("aligned"), ScoreEmission("coherent")]
    model = PersonaMixture(personas, emissions=emissions, weights="dose * trigger + (1 | question_id)", baseline="d0")
    places = itertools.product([0, 1, 3], ["off", "on"], range(4))
    cells = pd.DataFrame([(f"d{dose}", dose, trigger, f"q{number}") for dose, trigger, number in places])
    cells.columns = ["condition", "dose", "trigger", "question_id"]
    logit = -2.0 + 0.5 * cells["dose"] + 0.8 * (cells["trigger"] == "on")
    bad = (1 / (1 + np.exp(-logit))).to_numpy()
    tables = tuple(alpha / alpha.sum(axis=1, keepdims=True) for alpha in model.concentrations)
    log = simulate_log(model, Truth(cells, np.stack([1 - bad, bad], axis=1), tables), 40, seed=2)
    settings = {"num_warmup": 200, "num_samples": 100, "num_chains": 2, "num_starts": 10, "progress_bar": False}
    result = fit(model, log, thresholds=Thresholds(r_hat=10.0, ess=1), **settings)
    return dataclasses.replace(result, checks=())


_DOSES = pd.DataFrame({"condition": ["d3", "d2", "d2"], "dose": [3, 2, 2], "trigger": ["on", "off", "on"]})


def test_rates_at_values_of_covariates_by_hand(dosed: Result) -> None:
    """On all questions of the fit, equally; a condition that no formula names may be a new one."""
    prediction = predict(dosed, _DOSES, num_draws=200)
    posterior, design = dosed.posterior, dosed.design
    latents = dict(zip(design.latents, np.moveaxis(posterior["latents"].to_numpy()[..., 0], -1, 0), strict=True))
    happens = posterior["outcome_given_persona"].to_numpy()
    rates = []
    for dose, on in ((3, 1), (2, 0), (2, 1)):
        common = latents["Intercept"] + dose * latents["dose"] + on * latents["trigger[on]"]
        common = common + on * dose * latents["dose:trigger[on]"]
        logits = common + np.stack([latents[f"1|question_id[q{number}]"] for number in range(4)])
        weights = inverse_ilr(logits[..., None])
        rates.append((weights * happens).sum(axis=-1).mean(axis=0))
    # Latents are stored in single precision, whose relative error of 6e-8 grows with the sum of several.
    np.testing.assert_allclose(prediction.draws, np.stack(rates, axis=-1), rtol=2e-6)
    table = prediction.rates(ci_prob=0.5)
    assert list(table) == ["condition", "dose", "trigger", "predicted", "eti50_lb", "eti50_ub"]
    assert table["predicted"].to_numpy() == pytest.approx([rate.mean() for rate in rates])
    assert table["eti50_lb"].iloc[1] == pytest.approx(np.quantile(rates[1], 0.25))
    contrast = prediction.contrast("condition=d2, trigger=on", "condition=d2, trigger=off")
    np.testing.assert_allclose(contrast.draws, rates[2] - rates[1], atol=1e-6)
    name = "predicted_rate[d2, dose=2, trigger=on] − predicted_rate[d2, dose=2, trigger=off]"
    assert contrast.name == contrast.cite().key == name
    assert "predicted through the personas for 4 questions (89% ETI" in str(contrast.cite())
    assert "claim" not in contrast.table()
    again = predict(dosed, _DOSES.iloc[1:], num_draws=200).contrast("d2, trigger=on", "d2, trigger=off")
    with pytest.raises(ValueError, match="cannot be subtracted"):
        _ = contrast - again


def test_a_log_with_covariates_is_predicted_by_context(dosed: Result) -> None:
    held_out = dosed.collapsed
    table = predict_rates(dosed, held_out, num_draws=200)
    assert table[["condition", "trigger"]].to_numpy().tolist() == [
        [condition, trigger] for condition in ("d0", "d1", "d3") for trigger in ("off", "on")
    ]
    counted = dosed.rates().set_index(["condition", "trigger"])
    own = table.set_index(["condition", "trigger"])
    assert own[["events", "total"]].equals(counted[["events", "total"]])
    implied = dosed.draws("implied_rates").mean(("chain", "draw")).to_numpy()
    np.testing.assert_allclose(own["predicted"], implied, rtol=2e-6)
    assert own["covered"].dtype == bool
    assert own["covered"].sum() >= 5
    none = predict_rates(dosed, held_out, Outcome("aligned < 30", of="aligned < 30 and aligned >= 90"), num_draws=50)
    assert none["covered"].isna().all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (_DOSES.drop(columns="dose"), r"no values of 'dose'; expected a value of dose, question_id, trigger"),
        (_DOSES.assign(trigger="never"), r"cannot be predicted \(The levels \(never\) in 'trigger'"),
        (_DOSES.assign(dose=[1.0, np.nan, 2.0]), "no values of 'dose'"),
        (
            _DOSES.assign(rank=8),
            r"the table has a column 'rank'; expected one row per cell, with condition and columns",
        ),
        (_DOSES.drop(columns="condition"), "expected one row per cell, with condition"),
        (_DOSES.iloc[:0], "expected one row per cell, with condition"),
    ],
)
def test_what_cannot_be_predicted_is_refused(table: pd.DataFrame, message: str, dosed: Result) -> None:
    with pytest.raises(ValueError, match=message):
        predict(dosed, table)


def test_new_questions_of_a_table_have_effects_of_their_own(dosed: Result) -> None:
    known = predict(dosed, _DOSES).rates()
    new = predict(dosed, _DOSES.merge(pd.DataFrame({"question_id": ["new 1", "new 2"]}), how="cross"))
    assert ((new.rates()["eti89_ub"] - new.rates()["eti89_lb"]) > known["eti89_ub"] - known["eti89_lb"]).all()
    assert new.compared.words == "predicted through the personas for 2 questions"
