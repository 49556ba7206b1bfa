r"""One slope through the origin, and what it leaves over, from estimates with a known covariance.

.. math:: \hat y \sim \mathrm{Normal}(λ x, C + σ^2 I)

Given σ, λ is Gaussian; what is left of the posterior is one-dimensional and is integrated on a grid. So draws are
independent, and there is no chain that could fail to converge.

References:
    Higgins, Thompson & Spiegelhalter (2009), A re-evaluation of random-effects meta-analysis,
    doi:10.1111/j.1467-985X.2008.00552.x.
"""

import numpy as np
from scipy import integrate, stats

__all__ = ["MetaRegression"]

_WIDE = 3.0
_GRID = np.linspace(1e-3, 6.0, 3001)  # in prior standard deviations of σ; not zero, where C may be singular


class MetaRegression:
    """λ and σ of some groups of estimates.

    The prior of λ is Gaussian about zero, its standard deviation three times the ratio of the lengths of y and x, so
    that its sign is open; that of σ half-normal with the root mean square of y. Both lengths are those of the chosen
    groups, so that nothing of the others enters.

    Args:
        draws: posterior draws of y, shape ``(..., group, coordinate)``, leading axes are draws.
        slopes: x, shape ``(group, coordinate)``.
    """

    def __init__(self, draws: np.ndarray, slopes: np.ndarray) -> None:
        flat = draws.reshape(-1, slopes.size)
        self.slopes = slopes
        self.mean = flat.mean(axis=0).reshape(slopes.shape)
        self.covariance = np.cov(flat.T).reshape(*slopes.shape, *slopes.shape)

    def scales(self, groups: np.ndarray) -> tuple[float, float]:
        """Prior standard deviation of λ (y per x) and prior scale of σ (as y); groups by index, ``(groups,)``."""
        length = np.sqrt((self.mean[groups] ** 2).mean())
        return float(_WIDE * length / np.sqrt((self.slopes[groups] ** 2).mean())), float(length)

    def sample(self, groups: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws of λ and σ of these groups together, given by index; each shape ``(size,)``."""
        strength_scale, discrepancy_scale = self.scales(groups)
        grid = discrepancy_scale * _GRID
        variance, along, seen = self._rotated(groups, grid)
        precision = (along**2 / variance).sum(axis=-1) + strength_scale**-2
        explained = (along * seen / variance).sum(axis=-1) ** 2 / precision
        missed = (seen**2 / variance).sum(axis=-1) - explained
        log_p = -0.5 * (np.log(variance).sum(axis=-1) + np.log(precision) + missed)
        log_p += stats.halfnorm.logpdf(grid, scale=discrepancy_scale)
        below = integrate.cumulative_trapezoid(np.exp(log_p - log_p.max()), grid, initial=0)
        discrepancy = np.interp(rng.uniform(0, below[-1], size), below, grid)
        return self.sample_strength(groups, discrepancy, strength_scale, rng), discrepancy

    def sample_strength(
        self, groups: np.ndarray, discrepancy: np.ndarray, scale: float, rng: np.random.Generator
    ) -> np.ndarray:
        """A draw of λ of these groups, given by index, for every σ and with this prior scale; shape ``(size,)``."""
        variance, along, seen = self._rotated(groups, discrepancy)
        precision = (along**2 / variance).sum(axis=-1) + scale**-2
        centre = (along * seen / variance).sum(axis=-1) / precision
        return centre + rng.standard_normal(len(centre)) / np.sqrt(precision)

    def _rotated(self, groups: np.ndarray, discrepancy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variances ``(σ, coordinate)`` along the axes of C, and x and y there."""
        size = len(groups) * self.slopes.shape[1]
        values, vectors = np.linalg.eigh(self.covariance[groups][:, :, groups].reshape(size, size))
        along, seen = (part[groups].ravel() @ vectors for part in (self.slopes, self.mean))
        return np.maximum(values, 0) + discrepancy[:, None] ** 2, along, seen
