"""The posterior of a fit as a log density on a flat vector, in coordinates in which it is close to Gaussian.

A :class:`Problem` contains the data and the prior as arrays, a :class:`Chart` the coordinates. All functions take both
as arguments, so a single compiled program serves all stages of a fit and, through the cache on disk, all processes.

The vector consists of, in this order,

* for every emission, coordinates u of independent gammas G ~ Gamma(α, 1) whose normalised values are the category
  probabilities (a Dirichlet). log G = u - softplus(τ - u)² / 2α: plain logarithms for categories with data; for
  categories without data, the long exponential tail of a log gamma, exp(α log G), becomes Gaussian in u;
* if texts have log-likelihoods, logit τ, and with references the ILR coordinates of the offsets b;
* for every latent of the weights, z = ζ (λ(σ) / λ(σ̂))^(-c/2), partially non-centred: c = 0 is centred, best if the
  data determine ζ; c = 1 is non-centred, best if its scale does;
* log σ of every scale.

References:
    Papaspiliopoulos, Roberts & Sköld (2007), A general framework for the parametrization of hierarchical models,
    doi:10.1214/088342307000000014; Gorinova, Moore & Hoffman (2020), Automatic reparameterisation of probabilistic
    programs, arXiv:1906.03028.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize, special

from simulacra.formalism.arrays import Array, Float, Int
from simulacra.formalism.density_ratios import Texts, texts_log_likelihood
from simulacra.formalism.mixture import PersonaMixture, collapsed_log_likelihood, pattern_log_components
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.prior import (
    Prior,
    calibrated,
    gamma_log_density,
    latent_log_density,
    make_prior,
    normal_log_density,
)
from simulacra.formalism.simplex import ilr_basis, log_weights
from simulacra.formalism.weights import WeightDesign

__all__ = [
    "Chart",
    "Problem",
    "Space",
    "constrain",
    "log_density",
    "make_problem",
    "make_space",
    "natural_chart",
    "unconstrain",
    "whitened_log_density",
]

_MANY = 30.0
"""Number of completions beyond which the fold of a tail moves away from the mode."""


class Problem(NamedTuple):
    """Data and prior of a fit, as arrays.

    ``common_weights`` is the initial value of the search for the best common mixture of texts.
    """

    counts: Float[Array, "cell pattern"]
    patterns: Int[Array, "pattern measurement"]
    prior: Prior
    basis: Float[Array, "cell latent"]
    texts: Texts | None
    common_weights: Float[Array, " persona"] | None

    @property
    def num_personas(self) -> int:
        """K."""
        return self.prior.concentrations[0].shape[0] if self.texts is None else self.texts.num_personas

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Lengths of the three parts of the vector: emissions with their calibration, latents, scales."""
        emissions = sum(table.size for table in self.prior.concentrations) + self.prior.calibration_location.size
        return emissions, self.basis.shape[1] * (self.num_personas - 1), self.prior.multiplicity.shape[1]


class Chart(NamedTuple):
    """Coordinates: τ of every emission, the non-centring exponent c of every latent, and its reference variance."""

    tails: tuple[Float[Array, "persona _"], ...]
    noncentring: Float[Array, "latent coordinate"]
    reference: Float[Array, " latent"]


class Space(NamedTuple):
    """A whitened space in which the posterior is close to standard normal: a point u represents centre + factor u.

    Created by :func:`make_space`. The factor is stored in single precision, with its transpose, because reading it
    dominates the time of a leapfrog step in large fits. Draws are not affected: the density is evaluated in double
    precision at the point that the rounded map gives, and this value decides on acceptance.
    """

    problem: Problem
    chart: Chart
    centre: Float[Array, " dimension"]
    factor: Float[Array, "dimension dimension"]
    factor_transposed: Float[Array, "dimension dimension"]

    def positions(self, whitened: Array) -> Array:
        """Points of the chart, same shape ``(..., D)``."""
        moved = (whitened.astype(self.factor.dtype) @ self.factor_transposed).astype(self.centre.dtype)
        return jnp.broadcast_to(self.centre, moved.shape) + moved

    def pull(self, gradient: Array) -> Array:
        """Gradients at whitened points from gradients in the chart, same shape ``(..., D)``."""
        return (gradient.astype(self.factor.dtype) @ self.factor).astype(gradient.dtype)

    def whiten(self, positions: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`positions`, same shape ``(..., D)``."""
        factor = np.asarray(self.factor, dtype=positions.dtype)
        return np.linalg.solve(factor, (positions - np.asarray(self.centre)).T).T


def make_space(problem: Problem, chart: Chart, centre: np.ndarray, factor: np.ndarray) -> Space:
    """The space in which a point u represents centre + factor u, with a factor of shape ``(D, D)``."""
    single = factor.astype(np.float32)
    transposed = np.ascontiguousarray(single.T)
    return Space(problem, chart, jnp.asarray(centre), jnp.asarray(single), jnp.asarray(transposed))


def make_problem(
    model: PersonaMixture, design: WeightDesign, patterns: np.ndarray, counts: np.ndarray, texts: Texts | None = None
) -> Problem:
    """Collect the arrays of a model, its formula, patterns ``(P, measurements)``, counts ``(C, P)`` and texts."""
    references = texts is not None and texts.calibrated
    return Problem(
        counts=jnp.asarray(counts, dtype=float),
        patterns=jnp.asarray(patterns),
        prior=jax.tree.map(jnp.asarray, make_prior(model, design, references=references)),
        basis=jnp.asarray(design.basis),
        texts=jax.tree.map(jnp.asarray, texts),
        common_weights=None,
    )


def natural_chart(problem: Problem, expected: Sequence[np.ndarray]) -> Chart:
    """Centred coordinates, with every tail folded to the left of the mode that the expected counts imply.

    With few completions, the fold lies just left of the mode. With many, no fold is needed, and one near the mode would
    bend the posterior: completions determine the ratios of the gammas far more precisely than the prior determines
    their total. The fold therefore moves away as counts grow, far enough for the remaining bend to be negligible.

    Args:
        problem: data and prior of the fit.
        expected: expected completions of every persona in each category, shapes ``(K, J)``.
    """
    tails = []
    for table, counts in zip(problem.prior.concentrations, expected, strict=True):
        prior = np.asarray(table)
        posterior = prior + counts
        total = prior.sum(axis=1, keepdims=True)
        mode = np.log(posterior) + np.log(total) - np.log(posterior.sum(axis=1, keepdims=True))
        left = np.minimum(1.0, 3.0 / np.sqrt(posterior)) + 0.5 * np.log1p(counts / _MANY)
        tails.append(jnp.asarray(mode - left))
    shape = (problem.basis.shape[1], problem.num_personas - 1)
    return Chart(tuple(tails), jnp.zeros(shape), jnp.ones(shape[0]))


def _split(problem: Problem, vector: Array) -> tuple[list[Array], Array, Array, Array]:
    emissions, latents, _ = problem.sizes
    tables, start = [], 0
    for table in problem.prior.concentrations:
        tables.append(vector[start : start + table.size].reshape(table.shape))
        start += table.size
    coordinates = vector[emissions : emissions + latents].reshape(problem.basis.shape[1], -1)
    return tables, vector[start:emissions], coordinates, vector[emissions + latents :]


def _log_gamma(u: Array, tail: Array, alpha: Array | np.ndarray) -> Array:
    return u - jax.nn.softplus(tail - u) ** 2 / (2 * alpha)


def _unfold(log_gamma: np.ndarray, tail: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The inverse of :func:`_log_gamma`, which increases in u."""
    far_left = tail - np.sqrt(2 * alpha * np.maximum(tail - log_gamma, 0))

    def gap(u: np.ndarray) -> np.ndarray:
        return u - np.logaddexp(0, tail - u) ** 2 / (2 * alpha) - log_gamma

    def slope(u: np.ndarray) -> np.ndarray:
        return 1 + np.logaddexp(0, tail - u) * special.expit(tail - u) / alpha

    return np.asarray(optimize.newton(gap, np.maximum(log_gamma, far_left), slope, maxiter=200))


def constrain(problem: Problem, chart: Chart, vector: Float[Array, " dimension"]) -> Parameters:
    """Parameters at a point of the chart."""
    tables, calibration, coordinates, log_scales = _split(problem, vector)
    probabilities = tuple(
        jax.nn.softmax(_log_gamma(u, tail, alpha), axis=1)
        for u, tail, alpha in zip(tables, chart.tails, problem.prior.concentrations, strict=True)
    )
    stretch = (problem.prior.variances(jnp.exp(2 * log_scales)) / chart.reference)[:, None] ** (chart.noncentring / 2)
    parameters = Parameters(probabilities, coordinates * stretch, jnp.exp(log_scales))
    if problem.texts is None:
        return parameters
    temperature, offset = calibrated(calibration, problem.num_personas)
    return parameters._replace(temperature=temperature, offset=offset if problem.texts.calibrated else None)


def unconstrain(problem: Problem, chart: Chart, parameters: Parameters) -> np.ndarray:
    """The point of the chart at given parameters, shape ``(D,)``; the total of the gammas is set to its prior mean."""
    parts = []
    for table, tail, alpha in zip(parameters.probabilities, chart.tails, problem.prior.concentrations, strict=True):
        log_gamma = np.log(table) + np.log(np.asarray(alpha).sum(axis=1, keepdims=True))
        parts.append(_unfold(log_gamma.ravel(), np.asarray(tail).ravel(), np.asarray(alpha).ravel()))
    if parameters.temperature is not None:
        parts.append(special.logit(parameters.temperature)[None])
    if parameters.offset is not None:
        parts.append(ilr_basis(problem.num_personas) @ parameters.offset)
    log_scales = np.log(parameters.scales)
    variances = jax.tree.map(np.asarray, problem.prior).variances(np.exp(2 * log_scales))
    stretch = (variances / np.asarray(chart.reference))[:, None] ** (np.asarray(chart.noncentring) / 2)
    return np.concatenate([*parts, (np.asarray(parameters.latents) / stretch).ravel(), log_scales])


def log_density(problem: Problem, chart: Chart, vector: Float[Array, " dimension"]) -> Float[Array, ""]:
    """Log posterior density in the chart, up to a constant: eqs. (1)-(4), the priors, and the Jacobians, in nats."""
    tables, calibration, coordinates, log_scales = _split(problem, vector)
    prior = problem.prior
    log_prior = normal_log_density(calibration, prior.calibration_location, prior.calibration_spread)
    category_log_probs = []
    for u, tail, alpha in zip(tables, chart.tails, prior.concentrations, strict=True):
        log_gamma = _log_gamma(u, tail, alpha)
        slope = 1 + jax.nn.softplus(tail - u) * jax.nn.sigmoid(tail - u) / alpha
        log_prior += (gamma_log_density(log_gamma, alpha) + jnp.log(slope)).sum()
        category_log_probs.append(jax.nn.log_softmax(log_gamma, axis=1))
    variances = prior.variances(jnp.exp(2 * log_scales))[:, None]
    exponent = chart.noncentring
    spread = variances ** (1 - exponent) * chart.reference[:, None] ** exponent
    log_prior += latent_log_density(coordinates, spread).sum()
    log_prior += normal_log_density(log_scales, prior.scale_location, prior.scale_spread)
    latents = coordinates * (variances / chart.reference[:, None]) ** (exponent / 2)
    log_w = log_weights(problem.basis @ latents)
    log_f = pattern_log_components(category_log_probs, problem.patterns, problem.num_personas)
    if problem.texts is None:
        return collapsed_log_likelihood(log_w, log_f, problem.counts) + log_prior
    temperature, offset = calibrated(calibration, problem.num_personas)
    log_likelihood = texts_log_likelihood(problem.texts, log_w, log_f, temperature, offset, problem.common_weights)
    return log_likelihood + log_prior


def whitened_log_density(space: Space, whitened: Float[Array, " dimension"]) -> Float[Array, ""]:
    """:func:`log_density` at a whitened point, in nats, without the constant Jacobian."""
    return log_density(space.problem, space.chart, space.positions(whitened))
