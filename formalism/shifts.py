"""Persona shifts between a condition and the baseline, eq. (8), and the decision rule for claims.

Weights also change for uninteresting reasons, such as a judge's preference for some numbers. An increase or decrease is
therefore claimed only if the *rate* of the outcome leaves a region of practical equivalence (ROPE). An interval that is
much wider than this region leaves it by chance almost as often as it excludes zero, which an 89% interval does in 11%
of comparisons without a difference; a claim therefore also needs a sign that is nearly certain.

References:
    Kruschke (2018), Rejecting or accepting parameter values in Bayesian estimation, doi:10.1177/2515245918771304.
    Lin (1991), Divergence measures based on the Shannon entropy, doi:10.1109/18.61115.
"""

import numbers
from typing import Literal

import numpy as np
from scipy.special import xlogy

from simulacra.formalism.errors import InputError, expect_type

__all__ = ["claim", "jensen_shannon", "log_ratio", "sign_probability", "total_variation"]


def log_ratio(weights: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Shift of the centred log-ratio of every persona, in nats; same shape as ``weights`` ``(..., K)``.

    Symmetric in personas: zero means that a persona kept its weight relative to the geometric mean of all. Do not
    interpret it if a weight is near zero in both conditions, because such ratios are poorly determined by the data.
    """
    moved = np.log(weights) - np.log(baseline)
    return moved - moved.mean(axis=-1, keepdims=True)


def total_variation(weights: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Half the sum of absolute weight differences, in [0, 1]; shape ``(...)``."""
    return np.asarray(0.5 * np.abs(weights - baseline).sum(axis=-1))


def jensen_shannon(weights: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence in nats, in [0, log 2]; shape ``(...)``."""
    middle = 0.5 * (weights + baseline)

    def relative_entropy(p: np.ndarray) -> np.ndarray:
        return np.asarray((xlogy(p, p) - xlogy(p, middle)).sum(axis=-1))

    return np.asarray(0.5 * (relative_entropy(weights) + relative_entropy(baseline)))


def sign_probability(draws: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    """Posterior probability of the more probable sign of a difference, in [0.5, 1].

    Args:
        draws: draws of the difference, of any shape.
        axis: axes of the draws, such as chain and draw.
    """
    return np.asarray(np.maximum((draws > 0).mean(axis=axis), (draws < 0).mean(axis=axis)))


def claim(
    lower: float, upper: float, *, rope: float = 0.01, sure: bool = True
) -> Literal["increase", "decrease", "equivalent", "undecided"]:
    """The claim that the posterior of a rate difference supports.

    Args:
        lower: lower end of the interval, a difference of probabilities.
        upper: upper end.
        rope: half-width of the region of practical equivalence, a probability; 0.01 is one percentage point.
        sure: whether the sign of the difference is certain enough for a claim about its direction.

    ``increase`` means that the interval lies above ``rope``, ``decrease`` that it lies below ``-rope``, both only if
    the sign is certain, and ``equivalent`` that the interval lies within the region.

    Raises:
        InputError: ``rope`` is negative.
    """
    for name, end in (("lower", lower), ("upper", upper)):
        expect_type(end, numbers.Real, name, "claim", expected="a number, an end of an interval")
    expect_type(rope, numbers.Real, "rope", "claim", expected="a number such as 0.01, one percentage point")
    if rope < 0:
        raise InputError(f"claim: rope is {rope}", expected="0 or more", argument="rope")
    if sure and lower > rope:
        return "increase"
    if sure and upper < -rope:
        return "decrease"
    if lower >= -rope and upper <= rope:
        return "equivalent"
    return "undecided"
