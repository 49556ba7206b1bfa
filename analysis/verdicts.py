"""Verdicts on a difference of log predictive densities that is a sum over few independent units, such as questions.

The sum of Q differences d_q has the standard error √(Q var d). It is called clear if it is further from zero than the
97.5% quantile of Student's t with Q - 1 degrees of freedom times this, and than 4 nats: with models that predict
almost alike, the distribution of d is so skewed that the standard error is unreliable. A verdict comes with its power,
because a comparison of few questions leaves most differences undecided.

References:
    Sivula et al. (2020), Uncertainty in Bayesian leave-one-out cross-validation based model comparison,
    arXiv:2008.10296 (4 nats); Miller (2024), Adding error bars to evals, arXiv:2411.00640 (questions as the unit);
    Hill (1973), doi:10.2307/1934352 (effective number).
"""

from typing import Literal, NamedTuple

import numpy as np
import scipy  # loads scipy.stats when it is used
from scipy import optimize

__all__ = ["LEVEL", "POWER", "Verdict", "judge"]

LEVEL = 0.95
"""Probability of not calling a difference clear if there is none."""
POWER = 0.8
"""Probability of a verdict that counts as enough to plan with."""
_LEAST = 4.0
_TAIL = 9  # standard errors beyond which a normal density is zero
_MOST_UNITS = 10_000


class Verdict(NamedTuple):
    r"""A difference, nats, and what can be said about it.

    Attributes:
        mean: the sum over units.
        se: its standard error.
        effective: the effective number of units that make up the difference,
            :math:`(\sum |d|)^2 / \sum d^2`, from 1 to Q.
        power: probability that as many units give this verdict, if mean and spread of d are as estimated.
        detectable: the smallest difference for which this probability is :data:`POWER`, nats.
        needed: the number of units for which it is; infinite beyond 10 000.
        verdict: supported, rejected or undecided.
    """

    mean: float
    se: float
    effective: float
    power: float
    detectable: float
    needed: float
    verdict: Literal["supported", "rejected", "undecided"]


def judge(differences: np.ndarray) -> Verdict:
    """The verdict on differences of Q units, nats, shape ``(Q,)``, two or more."""
    units, mean = len(differences), float(differences.sum())
    deviation = float(differences.std(ddof=1))
    error = float(np.sqrt(units)) * deviation
    squares = float((differences**2).sum())
    clear = abs(mean) > max(_quantile(units) * error, _LEAST)
    return Verdict(
        mean=mean,
        se=error,
        effective=float(np.abs(differences).sum()) ** 2 / squares if squares > 0 else np.nan,
        power=_power(abs(mean), error, units),
        detectable=_detectable(error, units),
        needed=_units_for(abs(mean) / units, deviation),
        verdict="undecided" if not clear else "supported" if mean > 0 else "rejected",
    )


def _quantile(units: float | int) -> float:
    """The quantile of Student's t beyond which a difference is clear."""
    return float(scipy.stats.t.ppf((1 + LEVEL) / 2, units - 1))


def _power(mean: float, error: float, units: float | int) -> float:
    r"""Probability of a clear difference in the right direction, if the true one and its standard error are these.

    The estimated difference is normal, and its estimated standard error, whose square times (Q - 1) / error² has a
    chi-squared distribution, is independent of it: the probability that the second is small enough is integrated over
    the differences that exceed 4 nats.
    """
    least, largest = max(_LEAST, mean - _TAIL * error), mean + _TAIL * error
    if error == 0 or least >= largest:
        return float(mean > _LEAST)
    found = np.linspace(least, largest, 2001)
    small = scipy.stats.chi2.cdf((units - 1) * (found / (_quantile(units) * error)) ** 2, units - 1)
    return float(np.trapezoid(scipy.stats.norm.pdf(found, mean, error) * small, found))


def _detectable(error: float, units: int) -> float:
    if error == 0:
        return _LEAST
    bracket = (0, _LEAST + 31 * error)
    return float(optimize.root_scalar(lambda mean: _power(mean, error, units) - POWER, bracket=bracket).root)


def _units_for(each: float, deviation: float) -> float:
    """The number of units with enough power, if their differences have this mean and standard deviation."""

    def lacks(units: float | int) -> float:
        return _power(each * units, deviation * np.sqrt(units), units) - POWER

    if lacks(_MOST_UNITS) < 0:
        return np.inf
    return float(np.ceil(optimize.root_scalar(lacks, bracket=(2, _MOST_UNITS)).root)) if lacks(2) < 0 else 2.0
