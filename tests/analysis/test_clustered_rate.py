"""Proportions with clustered intervals: Korn and Graubard's definition, and Clopper and Pearson's as its limit."""

import numpy as np
import pytest
from scipy import stats

from simulacra.analysis.clustered_rate import clustered_rate


def _ends(events: list[int], total: list[int], probability: float = 0.89) -> tuple[float, float]:
    return clustered_rate(np.array(events), np.array(total), probability)[2:]


def _korn_graubard(events: np.ndarray, total: np.ndarray, probability: float) -> tuple[float, float]:
    """From the definition: effective size with the t correction, Clopper-Pearson by the F distribution."""
    clusters, rate = len(total), events.sum() / total.sum()
    residuals = (events - rate * total) / total.sum()
    variance = clusters / (clusters - 1) * (residuals**2).sum()
    alpha = 1 - probability
    effective = rate * (1 - rate) / variance
    effective *= (stats.t.ppf(1 - alpha / 2, total.sum() - 1) / stats.t.ppf(1 - alpha / 2, clusters - 1)) ** 2
    effective = min(effective, total.sum())
    x = rate * effective
    lower_f = stats.f.ppf(alpha / 2, 2 * x, 2 * (effective - x + 1))
    upper_f = stats.f.ppf(1 - alpha / 2, 2 * (x + 1), 2 * (effective - x))
    lower = 2 * x * lower_f / (2 * (effective - x + 1) + 2 * x * lower_f)
    upper = 2 * (x + 1) * upper_f / (2 * (effective - x) + 2 * (x + 1) * upper_f)
    return lower, upper


@pytest.mark.parametrize("probability", [0.5, 0.89, 0.95])
def test_intervals_are_those_of_the_definition(probability: float, rng: np.random.Generator) -> None:
    total = rng.integers(5, 40, 6)
    events = rng.binomial(total, rng.uniform(0.1, 0.6, 6))
    found = clustered_rate(events, total, probability)
    assert (found.events, found.total, found.rate) == (events.sum(), total.sum(), events.sum() / total.sum())
    assert found[2:] == pytest.approx(_korn_graubard(events.astype(float), total.astype(float), probability), abs=1e-10)


def _clopper_pearson(events: int, total: int, probability: float = 0.89) -> tuple[float, float]:
    interval = stats.binomtest(events, total).proportion_ci(probability, method="exact")
    return interval.low, interval.high


@pytest.mark.parametrize(("events", "total"), [([0, 0, 0], [10, 20, 5]), ([10, 20, 5], [10, 20, 5])])
def test_without_variance_the_interval_is_clopper_pearson(events: list[int], total: list[int]) -> None:
    assert _ends(events, total) == pytest.approx(_clopper_pearson(sum(events), sum(total)), abs=1e-12)


def test_one_cluster_gives_clopper_pearson() -> None:
    assert _ends([7], [30]) == pytest.approx(_clopper_pearson(7, 30), abs=1e-12)


def test_clusters_that_agree_exactly_give_clopper_pearson() -> None:
    assert _ends([3, 3, 3], [12, 12, 12]) == pytest.approx(_clopper_pearson(9, 36), abs=1e-12)


def test_an_interval_by_hand() -> None:
    """Three questions of 20 with 2, 5 and 11 events.

    p = 18/60 = .3; residuals -4, -1, 5; variance 3/2 · 42/3600 = .0175; n* = .21/.0175 = 12, times (t59/t2)² at 94.5%
    = (1.6241/2.7734...)²; the ends are beta quantiles.
    """
    t59, t2 = stats.t.ppf(0.945, 59), stats.t.ppf(0.945, 2)
    effective = 12 * (t59 / t2) ** 2
    lower = stats.beta.ppf(0.055, 0.3 * effective, 0.7 * effective + 1)
    upper = stats.beta.ppf(0.945, 0.3 * effective + 1, 0.7 * effective)
    assert _ends([2, 5, 11], [20, 20, 20]) == pytest.approx((lower, upper), abs=1e-12)
    assert _ends([2, 5, 11], [20, 20, 20])[0] < _clopper_pearson(18, 60)[0]


def test_nothing_has_no_rate() -> None:
    found = clustered_rate(np.array([0]), np.array([0]), 0.89)
    assert (found.events, found.total) == (0, 0)
    assert all(np.isnan([found.rate, found.lower, found.upper]))
