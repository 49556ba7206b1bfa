"""Shares corrected by labels: known limits, coverage whatever the model says, and labels that contradict a fit."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulacra.analysis import gold_slice
from simulacra.analysis.gold import corrected_share
from simulacra.data import CompletionLog
from simulacra.formalism.errors import InputError
from simulacra.inference import Result
from tests.inference.conftest import Simulated


def test_with_all_labels_the_share_is_theirs_whatever_the_model_says(rng: np.random.Generator) -> None:
    labels, own = (rng.random(300) < 0.3).astype(float), rng.random(300)
    assert corrected_share(own, labels, 0.9).share == pytest.approx(labels.mean())


def test_responsibilities_that_say_nothing_leave_the_t_interval_of_the_labels(rng: np.random.Generator) -> None:
    labels = np.where(np.arange(500) < 80, rng.random(500) < 0.4, np.nan)
    found = corrected_share(np.full(500, 0.9), labels, 0.9)
    known = labels[:80]
    expected = stats.t.interval(0.9, 79, known.mean(), stats.sem(known))
    assert (found.lower, found.upper) == pytest.approx(expected)
    assert found.p_value == pytest.approx(stats.ttest_1samp(known, 0.9).pvalue)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_labels_do_not_make_a_share_certain(value: float) -> None:
    """30 labels of 48 that agree with responsibilities of .0001 leave shares up to 1 − .05^(1/30) = 9.5%."""
    own = np.abs(value - np.linspace(5e-5, 1.5e-4, 48))
    labels = np.where(np.arange(48) < 30, value, np.nan)
    found = corrected_share(own, labels, 0.9)
    width = 1 - 0.05 ** (1 / 30)
    assert (found.lower, found.upper) == pytest.approx((0, width) if value == 0 else (1 - width, 1), abs=1e-9)
    assert found.p_value == 1
    contradicted = corrected_share(1 - own, labels, 0.9)
    assert contradicted.p_value < 1e-6
    assert contradicted.lower <= value <= contradicted.upper


def test_intervals_cover_where_the_model_is_wrong(rng: np.random.Generator) -> None:
    """95% of 1000 intervals: outside 0.95 ± 0.026 with a probability below 0.0002, plus 0.01 for the approximation."""
    covered = 0
    for _ in range(1000):
        true = rng.random(600) < 0.3
        own = np.clip(np.where(true, 0.7, 0.35) + rng.normal(0, 0.1, 600), 0, 1)  # a mean of .46
        labels = np.where(rng.random(600) < 0.2, true, np.nan)
        found = corrected_share(own, labels, 0.95)
        covered += found.lower <= 0.3 <= found.upper
    assert abs(covered / 1000 - 0.95) < 0.036


def test_a_fit_that_labels_contradict(fitted: Result, simulated: Simulated) -> None:
    log: CompletionLog = simulated.log
    likely = fitted.responsibilities(log).idxmax(axis=1)
    some = np.random.default_rng(0).random(len(likely)) < 0.5
    agreed = gold_slice(fitted, log, likely.where(some))
    assert list(agreed["condition"].unique()) == list(log.table["condition"].unique())
    assert (agreed["p_value"] > 0.001).all()
    assert agreed.groupby("condition")["share"].sum().to_numpy() == pytest.approx(1)
    shown = agreed.set_index(["condition", "persona"])["weight"]
    weights = fitted.weights(withhold=False).set_index(["condition", "persona"])["mean"]
    assert shown.dropna().to_numpy() == pytest.approx(weights[shown.dropna().index].to_numpy(), abs=0.01)
    swapped = likely.replace({"aligned": "misaligned", "misaligned": "aligned"})
    contradicted = gold_slice(fitted, log, swapped.where(some)).set_index(["condition", "persona"])
    assert contradicted.loc[("base", "misaligned"), "p_value"] < 1e-6
    few = gold_slice(fitted, log, likely.where(np.arange(len(likely)) < 5))
    assert few["share"].isna().all()
    assert set(few["status"]) == {"withheld: fewer than 20 labels"}


@pytest.mark.parametrize(
    ("labels", "said"), [(["aligned"], "1 labels"), ([None] * 480, "0 are given"), ([1] * 480, "'1' is no")]
)
def test_labels_that_do_not_fit_are_refused(fitted: Result, simulated: Simulated, labels: list, said: str) -> None:
    with pytest.raises(InputError, match=said):
        gold_slice(fitted, simulated.log, pd.Series(labels, dtype=object))
