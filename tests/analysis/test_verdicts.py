"""Verdicts: the t test they are, their power, and the number of units that would decide."""

import numpy as np
import pytest
from scipy import stats

from simulacra.analysis.verdicts import LEVEL, POWER, judge


@pytest.mark.parametrize("shift", [0.0, 4.0, 8.0, 16.0])
def test_a_clear_difference_is_significant_in_a_t_test(shift: float, rng: np.random.Generator) -> None:
    for _ in range(5):
        differences = rng.normal(shift, 10, size=8)
        found, test = judge(differences), stats.ttest_1samp(differences, 0)
        clear = test.pvalue < 1 - LEVEL and abs(found.mean) > 4
        assert (found.verdict != "undecided") == clear
        assert found.mean / found.se == pytest.approx(test.statistic)
        assert judge(-differences).verdict == {"supported": "rejected", "rejected": "supported"}.get(
            found.verdict, "undecided"
        )


def test_power_is_how_often_it_is_decided(rng: np.random.Generator) -> None:
    differences = rng.normal(6, 10, size=8)
    found = judge(differences)
    again = rng.normal(differences.mean(), differences.std(ddof=1), size=(4000, 8))
    often = (stats.ttest_1samp(again, 0, axis=1, alternative="greater").pvalue < (1 - LEVEL) / 2).mean()
    assert found.power == pytest.approx(often, abs=4 * np.sqrt(0.25 / 4000))


@pytest.mark.long
def test_power_and_numbers_respect_the_four_nats(rng: np.random.Generator) -> None:
    differences = np.array([1.5, 0.1, 0.9, 0.5, 0.6, 0.7])  # 4.3 ± 1.1
    again = rng.normal(differences.mean(), differences.std(ddof=1), size=(400, 6))
    often = np.mean([judge(own).verdict == "supported" for own in again])
    assert judge(differences).power == pytest.approx(often, abs=4 * np.sqrt(0.25 / 400))
    alike = judge(np.array([0.5, 0.4, 0.6, 0.5, 0.45, 0.55]))  # 3 ± 0.2: clear in a t test, but not 4 nats
    assert (alike.verdict, alike.needed) == ("undecided", 9)
    assert alike.power < 1e-6
    assert alike.detectable > 4


def test_as_many_units_as_are_needed_decide(rng: np.random.Generator) -> None:
    differences = rng.normal(3, 10, size=12)
    found = judge(differences)
    each = abs(differences.mean()) / differences.std(ddof=1)

    def power(units: float) -> float:
        return float(stats.nct.sf(stats.t.ppf((1 + LEVEL) / 2, units - 1), units - 1, each * np.sqrt(units)))

    assert power(found.needed) >= POWER > power(found.needed - 1)
    as_large = differences - differences.mean() + found.detectable / 12
    assert judge(as_large).power == pytest.approx(POWER, abs=1e-6)


def test_without_a_spread_or_a_difference() -> None:
    one = judge(np.array([20.0, 0.0, 0.0, 0.0]))
    assert (one.effective, one.verdict) == (1, "undecided")
    assert judge(np.full(6, 2.0)).effective == pytest.approx(6)
    assert judge(np.full(6, 2.0)).verdict == "supported"
    assert judge(np.full(6, 0.5)).verdict == "undecided"  # less than 4 nats
    none = judge(np.zeros(6))
    assert (none.verdict, none.needed) == ("undecided", np.inf)
