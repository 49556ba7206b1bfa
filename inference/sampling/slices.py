"""Slice sampling of many numbers at once.

How an interval shrinks does not depend on the density: if a value is rejected, the interval ends there. So several
values are drawn ahead, as if each were rejected, the density is evaluated at all of them in one call, and the first
that lies in the slice is kept. For small arrays a call costs much more than its numbers.

References:
    Neal (2003), Slice sampling, doi:10.1214/aos/1056562461 (section 4: an interval of fixed width at a random
    position, shrunk on rejection as in figure 5).
"""

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["slice_sample"]

_MOST_CALLS = 200
_AHEAD = 6
"""Most values of an element in a call of the density."""
_LARGE = 8192
"""Numbers from which a call costs what its numbers cost."""


def slice_sample(
    log_density: Callable[..., np.ndarray],
    start: np.ndarray,
    width: np.ndarray,
    rng: np.random.Generator,
    fixed: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """One update of every element of an array, each by its own density.

    Args:
        log_density: called with values, shape ``(..., n)``, and with the rows of ``fixed`` for the same n elements;
            returns the log densities of these elements up to constants, in nats, shape ``(..., n)``.
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
    of_element = max(part.size for part in (now, *fixed)) // now.size
    level = log_density(now, *fixed) - rng.exponential(size=now.size)
    low = now - width * rng.random(now.size)
    high = low + width
    drawn, left = now.copy(), np.arange(now.size)
    for _ in range(_MOST_CALLS):
        ahead = min(_AHEAD, 1 + _LARGE // (of_element * left.size))
        values = rng.random((ahead, left.size))
        for value in values:
            value *= high - low
            value += low
            below = value < now
            low, high = np.where(below, value, low), np.where(below, high, value)
        inside = log_density(values, *fixed) >= level
        first = inside.argmax(axis=0), np.arange(left.size)
        drawn[left] = values[first]
        (rejected,) = np.nonzero(~inside[first])
        if not rejected.size:
            break
        # take is several times faster than a mask for arrays of this size
        left = left[rejected]
        now, level, low, high, *fixed = (part.take(rejected, axis=0) for part in (now, level, low, high, *fixed))
    else:
        drawn[left] = now
    return drawn.reshape(start.shape)
