r"""Meta-regression with one slope through the origin and residual variance, for estimates with a known covariance.

.. math:: \hat y \sim \mathrm{Normal}(λ x, C + σ^2 I)

Given σ, λ is Gaussian; the marginal posterior of σ is one-dimensional and integrated on a grid. Draws are therefore
independent, and convergence need not be checked.

References:
    Higgins, Thompson & Spiegelhalter (2009), A re-evaluation of random-effects meta-analysis,
    doi:10.1111/j.1467-985X.2008.00552.x.
"""

import numpy as np
import scipy  # loads scipy.stats when it is used

__all__ = ["MetaRegression"]

_WIDE = 3.0
_GRID = np.linspace(1e-3, 6.0, 3001)  # in prior standard deviations of σ; not zero, where C may be singular


class MetaRegression:
    """Posterior of λ and σ, for any subset of the groups of estimates.

    The prior of λ is normal with mean zero, which leaves its sign open, and a standard deviation of three times the
    ratio of the lengths of y and x; the prior of σ is half-normal with the root mean square of y as scale. Both
    lengths are computed from the chosen groups, so the other groups have no influence.

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
        """Draws of the common λ and σ of these groups, given by index; each of shape ``(size,)``."""
        strength_scale, discrepancy_scale = self.scales(groups)
        grid = discrepancy_scale * _GRID
        variance, along, seen = self._rotated(groups, grid)
        precision = (along**2 / variance).sum(axis=-1) + strength_scale**-2
        explained = (along * seen / variance).sum(axis=-1) ** 2 / precision
        missed = (seen**2 / variance).sum(axis=-1) - explained
        log_p = -0.5 * (np.log(variance).sum(axis=-1) + np.log(precision) + missed)
        log_p += scipy.stats.halfnorm.logpdf(grid, scale=discrepancy_scale)
        below = scipy.integrate.cumulative_trapezoid(np.exp(log_p - log_p.max()), grid, initial=0)
        discrepancy = np.interp(rng.uniform(0, below[-1], size), below, grid)
        return self.sample_strength(groups, discrepancy, strength_scale, rng), discrepancy

    def sample_strength(
        self, groups: np.ndarray, discrepancy: np.ndarray, scale: float, rng: np.random.Generator
    ) -> np.ndarray:
        """One draw of λ of these groups, given by index, per value of σ, with this prior scale; shape ``(size,)``."""
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
