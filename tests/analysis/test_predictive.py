"""Prediction of questions that were not fitted."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from simulacra.analysis import predict_rates
from simulacra.data import read_completions
from simulacra.formalism import Outcome
from simulacra.inference import Result


@pytest.fixture
def passed(fitted: Result) -> Result:
    """The fitted result, as if every check had passed."""
    return dataclasses.replace(fitted, checks=())


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
