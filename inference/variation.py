"""Total variation between two samples of categories, without the upward bias of noise.

The distance between two observed distributions is positive even if the samples come from the same distribution, and
the more so the smaller the samples and the more categories there are; posterior draws of two distributions are biased
twice. The distance is therefore estimated by inversion of a test: two distributions are moved along the line on which
the observed pair and their common mean lie, and each place is compared with the observation through replicated samples
of the logged sizes. A distance is compatible with the data if replicates are neither nearly always farther apart nor
nearly always closer than the samples.

The result is a confidence distribution, as draws: their quantiles are the ends of confidence intervals, and the mass at
zero is the one-sided p-value of the hypothesis that nothing differs. The inversion is exact where the distance is zero,
and approximate elsewhere, because the direction of the difference is taken from the data.

References:
    Xie & Singh (2013), Confidence distribution, the frequentist distribution estimator of a parameter,
    doi:10.1111/insr.12000; Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 14 and 16.
"""

import numpy as np

from simulacra.formalism.shifts import total_variation

__all__ = ["sample_variation"]

_PLACES = np.linspace(0.0, 2.0, 17)  # along the line: 0 is the common mean, 1 the observed pair
_REPLICATES = 800


def sample_variation(
    counts: np.ndarray, others: np.ndarray, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draws from the confidence distribution of the total variation between two distributions, in random order.

    Args:
        counts: completions of the first by category, shape ``(P,)``, not all zero.
        others: those of the second, shape ``(P,)``.
        size: number of draws.
        rng: random generator.

    Returns:
        Draws in [0, 1], shape ``(size,)``, and the p-value of the hypothesis that the distributions are equal.
    """
    mean = (counts + others) / (counts + others).sum()
    observed = total_variation(counts / counts.sum(), others / others.sum())
    pair, replicates = [], []
    for own in (counts, others):
        line = np.maximum(mean + _PLACES[:, None] * (own / own.sum() - mean), 0)
        pair.append(line / line.sum(axis=-1, keepdims=True))
        total = max(round(own.sum()), 1)
        replicates.append(rng.multinomial(total, pair[-1], size=(_REPLICATES, len(_PLACES))) / total)
    distances = np.maximum.accumulate(total_variation(*pair))
    replicated = total_variation(*replicates)
    tolerance = 1e-12  # equal distances differ by rounding
    closer = (replicated < observed - tolerance).mean(axis=0)
    at_most = (replicated <= observed + tolerance).mean(axis=0)
    level = np.minimum.accumulate((closer + at_most) / 2)
    quantiles = rng.permutation((np.arange(size) + 0.5) / size)
    draws = np.interp(quantiles, level[::-1], distances[::-1], left=distances[-1], right=0.0)
    return draws, float(1 - closer[0])
