"""The density of :mod:`~simulacra.inference.sampling.problem` for counts: value, gradient and Fisher information.

All three are in closed form, for many points at once, so that a fit on the processor compiles nothing. Value and
gradient are computed from NumPy or JAX arrays (:mod:`~simulacra.inference.sampling.device`), the information from NumPy
arrays. With w the weights of a cell, f_z of a pattern, p = Σ_z w_z f_z its probability, n its count and r = n / p,

    ∂/∂log w_z = w_z Σ_patterns r f_z,    ∂/∂log f_z = f_z Σ_cells r w_z,

and the chain rule leads from there to the coordinates. The Fisher information replaces n by its expectation p Σ n. It
is positive definite everywhere, unlike the Hessian, and has the shape of an arrow
(:mod:`~simulacra.inference.sampling.arrow`), because the latent of a single cell affects no other. Sums over cells and
patterns are matrix products: pairs of personas first, then their derivatives.

Arrays have the point as their first and the cell as their last axis. Tests compare value and gradient with JAX's.

References:
    Louis (1982), Finding the observed information matrix when using the EM algorithm,
    doi:10.1111/j.2517-6161.1982.tb01203.x.
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from simulacra.formalism.arrays import namespace
from simulacra.formalism.prior import gamma_log_density, latent_log_density, normal_log_density
from simulacra.formalism.simplex import ilr_basis
from simulacra.formalism.weights import latent_variances
from simulacra.inference.sampling.arrow import Arrow, Precision, factorise, gram, light, through
from simulacra.inference.sampling.coordinates import Layout, split
from simulacra.inference.sampling.problem import Chart, Problem, layout
from simulacra.inference.sampling.space import Given

__all__ = ["CollapsedDensity", "Emissions"]

_IN_CACHE = 200_000
"""Numbers of an array that is read several times in turn."""


class Emissions(NamedTuple):
    """Emissions of personas at points, shapes ``(point, K, categories)``; f of patterns ``(point, K, P)``.

    ``shift`` is the logarithm of a common factor of f of all personas, shape ``(point, P)``.
    """

    fold: Any
    fold_slope: Any
    log_gammas: Any
    gammas: Any
    slope: Any
    probabilities: Any
    components: Any
    shift: Any


class _Latents(NamedTuple):
    """Latents of the weights at points, shapes ``(point, K - 1, L)``; λ has shape ``(point, L)``.

    ``spread`` is the prior variance of the coordinates z, and ζ = stretch z.
    """

    variances: Any
    coordinates: Any
    spread: Any
    stretch: Any
    values: Any


@jax.tree_util.register_pytree_node_class
class CollapsedDensity:
    """Log posterior density of counts in a chart, a tree of arrays.

    Args:
        problem: data and prior of the fit, without texts.
        chart: the coordinates.
    """

    given: Given | None = None

    def __init__(self, problem: Problem, chart: Chart) -> None:
        self.problem, self.chart = problem, chart
        self._exponent = np.asarray(chart.noncentring)
        self._counts = np.ascontiguousarray(problem.counts.T)
        self._counts_single = self._counts.astype(np.float32)
        shared = np.asarray(problem.shared)
        self._by_cell, self._by_pattern = problem.counts.sum(axis=1), problem.counts.sum(axis=0)
        self._contrasts = ilr_basis(problem.num_personas)
        sizes = problem.categories
        self._alpha = np.hstack([np.zeros((problem.num_personas, 0)), *problem.prior.concentrations])
        one_hot = [np.eye(size)[problem.patterns[:, index]] for index, size in enumerate(sizes)]
        self._one_hot = np.hstack([np.zeros((len(problem.patterns), 0)), *one_hot])
        measurement = np.repeat(np.arange(len(sizes)), sizes)
        self._together = np.equal.outer(measurement, measurement).astype(float)
        self._shared, self._shared_transposed = light(shared), light(shared.T)
        cells = np.flatnonzero(problem.own >= 0)
        every = len(cells) == len(problem.own)
        self._cells = None if every else cells
        self._place = None if every else np.where(problem.own >= 0, np.cumsum(problem.own >= 0) - 1, len(cells))
        self._own_value = problem.own_value[cells]

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        """The arrays, and their names: a program then takes a density as its argument, and serves others as well."""
        names = tuple(name for name in vars(self) if name != "_layout")
        return tuple(getattr(self, name) for name in names), names

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], arrays: tuple[Any, ...]) -> "CollapsedDensity":
        """The density of other arrays."""
        density = object.__new__(cls)
        vars(density).update(zip(names, arrays, strict=True))
        return density

    @functools.cached_property
    def _layout(self) -> Layout:
        return layout(self.problem)

    def value_and_gradient(self, points: Any) -> tuple[Any, Any]:
        """Log density, nats, shape ``(point,)``, and gradient, shape ``(point, D)``, at points ``(point, D)``."""
        return self._evaluate(points, value=True)

    def gradient(self, points: Any) -> Any:
        """The gradient alone, shape ``(point, D)``; for counts with sums over patterns and cells in single precision.

        It serves for steps within a trajectory, which stay reversible and preserve volume. The distribution of the
        draws does not depend on its accuracy: the density at the end, in double precision, decides on acceptance.
        """
        return self._evaluate(points, value=False)[1]

    def _evaluate(self, points: Any, *, value: bool) -> tuple[Any, Any]:
        xp, prior, point = namespace(points), self.problem.prior, split(self._layout, points)
        emissions, latents = self._emissions(point.gammas), self._latents(point.log_scales, point.shared, point.own)
        weights = self._weights(latents.values)
        sums = self._of_patterns(point.calibration, emissions.components, weights, value=value)
        by_weight, by_component, log_likelihood = sums
        by_logit = self._contrasts @ (weights * (by_weight - self._by_cell))
        expected = emissions.components * by_component
        by_latent, by_variance = self._by_latents(latents, by_logit)
        by_scale = 2 * xp.exp(2 * point.log_scales) * ((by_variance / latents.variances) @ prior.multiplicity)
        by_scale -= (point.log_scales - prior.scale_location) / prior.scale_spread**2
        of_calibration = xp.zeros_like(point.calibration)  # which is given, or not there
        parts = (self._by_emissions(emissions, expected), of_calibration, by_scale, *by_latent)
        gradient = xp.concatenate([part.reshape(len(points), -1) for part in parts], axis=1)
        if not value:
            return xp.empty(0), gradient
        log_prior = normal_log_density(point.log_scales, prior.scale_location, prior.scale_spread)
        log_prior += latent_log_density(latents.coordinates, latents.spread).sum(axis=(1, 2))
        gammas = gamma_log_density(emissions.log_gammas, self._alpha) + xp.log(emissions.slope)
        log_likelihood += emissions.shift @ self._by_pattern
        return log_likelihood + log_prior + gammas.sum(axis=(1, 2)), gradient

    def _of_patterns(self, calibration: Any, components: Any, weights: Any, *, value: bool) -> tuple[Any, Any, Any]:
        """Sums over patterns f r, shape ``(point, K, C)``, over cells w rᵀ, ``(point, K, P)``, and over both n log p.

        Without ``value``, the last is zero, and the others have single precision. NumPy takes few points at a time,
        whose probabilities stay in the processor's cache.
        """
        del calibration  # there is none
        xp, counts = namespace(weights), self._counts if value else self._counts_single
        components, weights = components.astype(counts.dtype), weights.astype(counts.dtype)
        length = len(weights) if xp is not np else max(_IN_CACHE // counts.size, 1)
        sums = []
        for start in range(0, len(weights), length):
            f, w = components[start : start + length], weights[start : start + length]
            probability = f.swapaxes(1, 2) @ w
            log_likelihood = (counts * xp.log(probability)).sum(axis=(1, 2)) if value else xp.zeros(len(w))
            there = {"out": probability} if xp is np else {}
            if not value:  # 0 / 0 where a pattern that did not occur has a probability below the smallest number
                probability = xp.maximum(probability, np.finfo(counts.dtype).tiny, **there)
            ratio = xp.divide(counts, probability, **there)
            sums.append((f @ ratio, w @ ratio.swapaxes(1, 2), log_likelihood))
        return sums[0] if len(sums) == 1 else tuple(xp.concatenate(parts) for parts in zip(*sums, strict=True))

    def _emissions(self, u: Any) -> Emissions:
        xp, away = namespace(u), self.chart.tails - u
        fold = xp.logaddexp(0.0, away)
        fold_slope = xp.exp(away - fold)
        log_gammas = u - fold**2 / (2 * self._alpha)
        gammas = xp.exp(log_gammas)
        total = gammas @ self._together
        log_components = (log_gammas - xp.log(total)) @ self._one_hot.T
        shift = log_components.max(axis=1)
        return Emissions(
            fold=fold,
            fold_slope=fold_slope,
            log_gammas=log_gammas,
            gammas=gammas,
            slope=1 + fold * fold_slope / self._alpha,
            probabilities=gammas / total,
            components=xp.exp(log_components - shift[:, None]),
            shift=shift,
        )

    def _latents(self, log_scales: Any, shared: Any, own: Any) -> _Latents:
        xp, prior = namespace(log_scales), self.problem.prior
        variances = latent_variances(prior.fixed_variance, prior.multiplicity, xp.exp(2 * log_scales))
        relative = self._exponent * xp.log(variances / self.chart.reference)[:, None]
        coordinates = xp.concatenate([shared, own], axis=-1)
        stretch = xp.exp(relative / 2)
        return _Latents(variances, coordinates, variances[:, None] / stretch**2, stretch, coordinates * stretch)

    def _logits(self, latents: Any) -> Any:
        """η = A ζ of values ``(..., L)``, shape ``(..., C)``."""
        xp, size = namespace(latents), self._shared.shape[1]
        own = self._own_value * latents[..., size:]
        if self._place is not None:  # zero in cells without latents of their own
            own = xp.concatenate([own, xp.zeros_like(latents[..., :1])], axis=-1)[..., self._place]
        return through(self._shared, latents[..., :size]) + own

    def _weights(self, latents: Any) -> Any:
        """Weights of every cell, shape ``(point, K, C)``."""
        log_weights = self._contrasts.T @ self._logits(latents)
        weights = namespace(latents).exp(log_weights - log_weights.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def _by_emissions(self, now: Emissions, expected: Any) -> Any:
        """Derivative with respect to u, given the expected completions of every persona and pattern."""
        of_persona = expected.sum(axis=-1, keepdims=True)
        by_log_gamma = expected @ self._one_hot - of_persona * now.probabilities + self._alpha - now.gammas
        bend = -now.fold_slope * (now.fold_slope + now.fold * (1 - now.fold_slope)) / self._alpha
        return by_log_gamma * now.slope + bend / now.slope

    def _by_latents(self, now: _Latents, by_logit: Any) -> tuple[tuple[Any, Any], Any]:
        """Derivatives with respect to z, shared and own, and to log λ at fixed z, shape ``(point, L)``."""
        xp, size = namespace(by_logit), self._shared.shape[1]
        by_own = self._own(by_logit) * self._own_value
        by_value = xp.concatenate([through(self._shared_transposed, by_logit), by_own], axis=-1)
        relative, exponent = now.coordinates / now.spread, self._exponent
        by_variance = exponent * (by_value * now.values) + (1 - exponent) * (now.coordinates * relative - 1)
        by_coordinate = by_value * now.stretch - relative
        return (by_coordinate[..., :size], by_coordinate[..., size:]), 0.5 * by_variance.sum(axis=1)

    def _own(self, of_cells: Any) -> Any:
        """What belongs to cells with latents of their own, of values ``(..., C)``; not copied if these are all."""
        return of_cells if self._cells is None else of_cells[..., self._cells]

    def arrow(self, points: np.ndarray) -> Arrow:
        """The preconditioner of the Fisher information averaged over points ``(n, D)``.

        The stretch of shared effects is averaged first, so that A is the same for all points.
        """
        point = split(self._layout, points)
        size = point.shared.shape[-1]
        units = self._latents(point.log_scales, point.shared, point.own).stretch[..., :size].mean(axis=0)
        parts = [self._information(each[None]) for each in points]
        own, linear, effects, first, across, of_cells, diagonal = (
            np.sum(each, axis=0) / len(points) for each in zip(*parts, strict=True)
        )
        border = np.block(
            [
                [first, (across * units).reshape(len(first), -1)],
                [(across * units).reshape(len(first), -1).T, gram(self._shared, of_cells, units)],
            ]
        )
        border[np.diag_indices(len(border))] += diagonal
        rows = self._own(np.asarray(self.problem.shared).T).T
        return factorise(Precision(own, linear, effects, border, rows, units))

    def _information(self, points: np.ndarray) -> tuple[np.ndarray, ...]:
        """The parts of the precision at one point, as in :class:`~simulacra.inference.sampling.arrow.Precision`.

        Instead of the border: its block of emissions and scales, the block of these and the sums of effects, shape
        ``(e, k, S)``, the information of the logits of cells, shape ``(k, k, C)``, and the diagonal of the prior.
        """
        prior, point = self.problem.prior, split(self._layout, points)
        emissions, latents = self._emissions(point.gammas), self._latents(point.log_scales, point.shared, point.own)
        weights = self._weights(latents.values)[0]
        of_cells, of_both, of_emissions = self._of_likelihood(point.calibration[0], emissions, weights)
        # ζ depends on scales if it is not centred: derivatives of the logits and, a priori, of log λ.
        variances = latents.variances[0]
        elasticity = 2 * prior.multiplicity.T * np.exp(2 * point.log_scales[0])[:, None] / variances
        moved = self._logits(0.5 * self._exponent * latents.values[0] * elasticity[:, None])
        of_scales = np.einsum("rsc,tsc->trc", of_cells, moved)
        first = np.block(
            [
                [of_emissions, np.einsum("erc,trc->et", of_both, moved)],
                [np.einsum("trc,erc->te", moved, of_both), np.einsum("trc,urc->tu", of_scales, moved)],
            ]
        )
        centred = ((1 - self._exponent) ** 2).sum(axis=0) / 2
        terms = len(elasticity)
        first[-terms:, -terms:] += (elasticity * centred) @ elasticity.T if terms else 0.0
        linear = np.concatenate([of_both, of_scales])
        size, stretch = point.shared.shape[-1], latents.stretch[0]
        scale = self._own_value * stretch[:, size:]
        precision = 1 / latents.spread[0]
        own = self._own(of_cells) * scale * scale[:, None]
        own[np.diag_indices(len(scale))] += precision[:, size:]
        of_prior = (self._of_gammas(emissions), self._of_calibration(), prior.scale_spread**-2.0)
        return (
            own.transpose(2, 0, 1),
            (self._own(linear) * scale).transpose(2, 1, 0),
            (self._own(of_cells) * scale[:, None]).transpose(2, 0, 1),
            first,
            through(self._shared_transposed, linear),
            of_cells,
            np.concatenate([*of_prior, precision[:, :size].ravel()]),
        )

    def _of_calibration(self) -> np.ndarray:
        """The precision of given coordinates, on the diagonal; shape ``(calibration,)``."""
        return np.zeros(0) if self.given is None else self.given.scale**-2.0

    def _of_likelihood(self, calibration: np.ndarray, now: Emissions, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """Fisher information of logits and u: blocks ``(k, k, C)``, ``(e, k, C)`` and of u alone, ``(e, e)``.

        The e coordinates are those of emissions and of the calibration, for which it is zero.
        """
        slope = now.slope[0]
        by_pair, by_category, by_pattern = self._of_pairs(calibration, now, weights)
        contrast = weights * (self._contrasts[:, :, None] - (self._contrasts @ weights)[:, None])  # ∂w/∂η, (k, K, C)
        of_cells = np.einsum("rzc,zyc,syc->rsc", contrast, by_pair, contrast, optimize=True)
        half = np.einsum("ryc,yzc->rzc", contrast, by_pair)
        of_both = np.einsum("ryc,yzjc->zjrc", contrast, by_category)
        of_both -= now.probabilities[0][:, :, None, None] * half.transpose(1, 0, 2)[:, None]
        of_both *= weights[:, None, None] * slope[:, :, None, None]
        centred = (self._one_hot[None] - now.probabilities[0][:, None]) * slope[:, None]  # (K, P, categories)
        of_emissions = np.einsum("zpi,zyp,ypj->ziyj", centred, by_pattern, centred, optimize=True)
        last = (0, calibration.size)
        of_both = np.pad(of_both.reshape(-1, *of_both.shape[2:]), (last, (0, 0), (0, 0)))
        return of_cells, of_both, np.pad(of_emissions.reshape(slope.size, slope.size), last)

    def _of_pairs(self, calibration: np.ndarray, now: Emissions, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """Expected Σ n f_z f_y / p² of pairs of personas by cell, and by category and cell; with w_z w_y, by pattern.

        Shapes ``(K, K, C)``, ``(K, K, categories, C)`` and ``(K, K, P)``.
        """
        del calibration  # there is none
        f = now.components[0] * np.exp(now.shift[0])
        rate = self._by_cell / (f.T @ weights)
        pairs = f[:, None] * f
        by_category = (pairs[:, :, None] * self._one_hot.T) @ rate
        return pairs @ rate, by_category, pairs * ((weights[:, None] * weights) @ rate.T)

    def _of_gammas(self, now: Emissions) -> np.ndarray:
        """Curvature of the log density of the gammas, bounded below by zero, of every u."""
        bend = now.fold_slope * (now.fold_slope + now.fold * (1 - now.fold_slope)) / self._alpha
        return (np.maximum(self._alpha - now.gammas, 0) * bend + now.gammas * now.slope**2)[0].ravel()
