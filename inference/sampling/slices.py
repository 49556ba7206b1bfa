"""Slice sampling of many numbers at once.

References:
    Neal (2003), Slice sampling, doi:10.1214/aos/1056562461 (section 4: an interval of fixed width at a random
    position, shrunk on rejection as in figure 5).
"""

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["slice_sample"]

_MOST_SHRINKAGES = 200


def slice_sample(
    log_density: Callable[..., np.ndarray],
    start: np.ndarray,
    width: np.ndarray,
    rng: np.random.Generator,
    fixed: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """One update of every element of an array, each by its own density.

    Args:
        log_density: called with values, shape ``(n,)``, and with the rows of ``fixed`` for the same n elements; returns
            the log densities of these elements up to constants, in nats, shape ``(n,)``.
        start: current values, any shape.
        width: width of the initial interval, same shape; about six standard deviations works well, and any width is
            valid.
        rng: source of random numbers.
        fixed: what the densities depend on, each of shape ``(*shape of start, ...)``.

    Returns:
        New values, same shape.
    """
    now, width = start.ravel(), width.ravel()
    fixed = [values.reshape(now.size, *values.shape[start.ndim :]) for values in fixed]
    level = log_density(now, *fixed) - rng.exponential(size=now.size)
    low = now - width * rng.random(now.size)
    high = low + width
    drawn, left = now.copy(), np.arange(now.size)
    for _ in range(_MOST_SHRINKAGES):
        value = low + (high - low) * rng.random(left.size)
        rejected = np.flatnonzero(~(log_density(value, *fixed) >= level))
        drawn[left] = value
        if not rejected.size:
            break
        below = value < now
        low, high = np.where(below, value, low), np.where(below, high, value)
        # take is several times faster than a mask for arrays of this size
        left = left[rejected]
        now, level, low, high, *fixed = (part.take(rejected, axis=0) for part in (now, level, low, high, *fixed))
    else:
        drawn[left] = now
    return drawn.reshape(start.shape)
