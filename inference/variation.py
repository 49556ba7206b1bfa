"""Total variation between two samples of categories, without the upward bias of noise.

The distance between two observed distributions is positive even if the samples come from the same distribution, and
the more so the smaller the samples and the more categories there are; posterior draws of two distributions are biased
twice. The distance is therefore estimated by inversion of a test: two distributions are moved apart along a line
through their common mean, and at each place replicated samples of the logged sizes are compared with the observation.
A distance is compatible with the data if replicates are neither nearly always farther apart nor nearly always closer
than the samples.

Noise adds more to the distance if few categories differ than if many do, which the data do not show. Half of the draws
use the observed differences as they are, as if all categories differed; the other half shrinks every difference by its
sampling variance, which leaves those that are clear. Intervals thus contain both possibilities.

The result is a confidence distribution, as draws: their quantiles are the ends of confidence intervals, and the mass at
zero is the mid-p-value of the hypothesis that nothing differs. It is exact there, and approximate elsewhere.

References:
    Xie & Singh (2013), Confidence distribution, the frequentist distribution estimator of a parameter,
    doi:10.1111/insr.12000; Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 14 and 16.
"""

import numpy as np

from simulacra.formalism.shifts import total_variation

__all__ = ["sample_variation"]

_PLACES = np.linspace(0.0, 2.0, 17)  # along the line, in units of the observed distance
_REPLICATES = 500
_SHRINKAGE = (0.0, 2.0)  # sampling variances by which squared differences are reduced
_EQUAL = 1e-12  # equal distances differ by rounding


def sample_variation(
    counts: np.ndarray, others: np.ndarray, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draws from the confidence distribution of the total variation between two distributions, in random order.

    Args:
        counts: completions of the first by category, shape ``(P,)``, not all zero.
        others: those of the second, shape ``(P,)``.
        size: number of draws, at least two.
        rng: random generator.

    Returns:
        Draws in [0, 1], shape ``(size,)``, and the mid-p-value of the hypothesis that the distributions are
        equal, a probability.
    """
    draws, p_values = [], []
    for shrinkage, part in zip(_SHRINKAGE, (size - size // 2, size // 2), strict=True):
        levels = (np.arange(part) + 0.5) / part
        distances, below = _compared(counts, others, shrinkage, rng)
        # the confidence that the distance is at most that of a place is the share of replicates farther apart
        draws.append(np.interp(levels, below[::-1], distances[::-1], left=distances[-1], right=0.0))
        p_values.append(1 - below[0])
    return rng.permutation(np.concatenate(draws)), float(np.mean(p_values))


def _compared(
    counts: np.ndarray, others: np.ndarray, shrinkage: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The distance at every place, increasing, and the share of replicates that are closer than the observation."""
    sizes = np.array([counts.sum(), others.sum()])
    mean, shares = (counts + others) / sizes.sum(), np.stack([counts, others]) / sizes[:, None]
    observed = total_variation(*shares)
    difference = _shrunk(shares[0] - shares[1], shrinkage * mean * (1 - mean) * (1 / sizes).sum()) * observed
    toward = np.array([sizes[1], -sizes[0]])[:, None, None] / sizes.sum() * _PLACES[:, None] * difference
    pair = np.maximum(mean + toward, 0)
    pair /= pair.sum(axis=-1, keepdims=True)
    totals = np.maximum(np.round(sizes), 1).astype(int)
    replicates = [
        rng.multinomial(total, own, size=(_REPLICATES, len(_PLACES))) / total
        for total, own in zip(totals, pair, strict=True)
    ]
    replicated = total_variation(*replicates)
    closer = (replicated < observed - _EQUAL).mean(axis=0) + (replicated <= observed + _EQUAL).mean(axis=0)
    return np.maximum.accumulate(total_variation(*pair)), np.minimum.accumulate(closer / 2)


def _shrunk(difference: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """A direction with unit total variation: differences with less of what exceeds their variance, if any does."""
    square = np.maximum(difference**2, np.finfo(float).tiny)
    clear = difference * np.maximum(1 - variance / square, 0)
    up, down = np.maximum(clear, 0), np.maximum(-clear, 0)
    if not (up.any() and down.any()):
        up, down = np.maximum(difference, 0), np.maximum(-difference, 0)
    return up / max(up.sum(), _EQUAL) - down / max(down.sum(), _EQUAL)
