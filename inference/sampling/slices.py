"""Slice sampling of many numbers at once.

References:
    Neal (2003), Slice sampling, doi:10.1214/aos/1056562461 (section 4: an interval of fixed width at a random
    position, shrunk on rejection as in figure 5).
"""

from collections.abc import Callable

import numpy as np

__all__ = ["slice_sample"]

_MOST_SHRINKAGES = 200


def slice_sample(
    log_density: Callable[[np.ndarray], np.ndarray], start: np.ndarray, width: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """One update of every element of an array, each by its own density.

    Args:
        log_density: log densities of the elements up to constants, in nats, of the same shape as its argument.
        start: current values, any shape.
        width: width of the initial interval, same shape; about six standard deviations works well, and any width is
            valid.
        rng: source of random numbers.

    Returns:
        New values, same shape.
    """
    level = log_density(start) - rng.exponential(size=start.shape)
    low = start - width * rng.random(start.shape)
    high = low + width
    value = low + width * rng.random(start.shape)
    rejected = np.ones(start.shape, dtype=bool)
    for _ in range(_MOST_SHRINKAGES):
        rejected = ~(log_density(value) >= level)
        if not rejected.any():
            return value
        below = value < start
        low = np.where(rejected & below, value, low)
        high = np.where(rejected & ~below, value, high)
        value = np.where(rejected, low + (high - low) * rng.random(start.shape), value)
    return np.where(rejected, start, value)
