"""The posterior of a fit as a log density on a flat vector, in coordinates in which it is close to Gaussian.

A :class:`Problem` contains the data and the prior as arrays, a :class:`Chart` the coordinates. The vector consists of,
in this order,

* for every persona and category, coordinates u of independent gammas G ~ Gamma(α, 1) whose normalised values are the
  category probabilities (a Dirichlet). log G = u - softplus(τ - u)² / 2α: plain logarithms for categories with data;
  for categories without data, the long exponential tail of a log gamma, exp(α log G), becomes Gaussian in u;
* if texts have log-likelihoods, log τ, and with references the ILR coordinates of the offsets b and logit ρ;
* log σ of every scale;
* for every latent of the weights, z = ζ (λ(σ) / λ(σ̂))^(-c/2), partially non-centred: c = 0 is centred, best if the
  data determine ζ; c = 1 is non-centred, best if its scale does. The latents that cells share come first, then those
  of single cells, each in the order (coordinate, latent).

:func:`log_density` is the density in JAX, for any model. For counts,
:mod:`~simulacra.inference.sampling.collapsed` has the same density with its gradient in closed form, and for texts at
given τ and b, in cut posteriors, :mod:`~simulacra.inference.sampling.conditional`.

References:
    Papaspiliopoulos, Roberts & Sköld (2007), A general framework for the parametrization of hierarchical models,
    doi:10.1214/088342307000000014; Gorinova, Moore & Hoffman (2020), Automatic reparameterisation of probabilistic
    programs, arXiv:1906.03028.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize, special

from simulacra.formalism.arrays import Array, Float, Int, namespace
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
from simulacra.formalism.weights import WeightDesign, cell_logits
from simulacra.inference.sampling.coordinates import Layout, split

__all__ = [
    "Chart",
    "Problem",
    "constrain",
    "layout",
    "log_density",
    "make_problem",
    "natural_chart",
    "unconstrain",
]

_MANY = 30.0
"""Number of completions beyond which the fold of a tail moves away from the mode."""


class Problem(NamedTuple):
    """Data and prior of a fit, as arrays.

    ``shared``, ``own`` and ``own_value`` are the parts of A (:class:`~simulacra.formalism.WeightDesign`),
    ``common_weights`` is the initial value of the search for the best common mixture of texts, shape ``(K,)``, or None.
    """

    counts: Float[Array | np.ndarray, "cell pattern"]
    patterns: Int[Array | np.ndarray, "pattern measurement"]
    prior: Prior
    shared: Float[Array | np.ndarray, "cell shared"]
    own: Int[Array | np.ndarray, " cell"]
    own_value: Float[Array | np.ndarray, " cell"]
    texts: Texts | None
    common_weights: Any

    @property
    def num_personas(self) -> int:
        """K, the number of personas."""
        return self.prior.concentrations[0].shape[0] if self.texts is None else self.texts.num_personas

    @property
    def categories(self) -> tuple[int, ...]:
        """Number of categories of every measurement."""
        return tuple(table.shape[1] for table in self.prior.concentrations)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Lengths of the parts of the vector; emissions, calibration, scales, shared latents, and latents of cells."""
        latents, terms = self.prior.multiplicity.shape
        shared, coordinates = self.shared.shape[1], self.num_personas - 1
        emissions, calibration = self.num_personas * sum(self.categories), self.prior.calibration_location.size
        return emissions, calibration, terms, coordinates * shared, coordinates * (latents - shared)


class Chart(NamedTuple):
    """Coordinates: τ of every category, the non-centring exponent c of every latent, and its reference variance.

    The categories of all measurements are concatenated.
    """

    tails: Float[Array | np.ndarray, "persona categories"]
    noncentring: Float[Array | np.ndarray, "coordinate latent"]
    reference: Float[Array | np.ndarray, " latent"]


def make_problem(
    model: PersonaMixture, design: WeightDesign, patterns: np.ndarray, counts: np.ndarray, texts: Texts | None = None
) -> Problem:
    """Collect the arrays of a model, its formula, patterns ``(P, measurements)``, counts ``(C, P)`` and texts."""
    references = texts is not None and texts.calibrated
    return Problem(
        counts=np.asarray(counts, dtype=float),
        patterns=patterns,
        prior=make_prior(model, design, references=references),
        shared=design.shared,
        own=design.own,
        own_value=design.own_value,
        texts=texts,
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
    tails = [np.zeros((problem.num_personas, 0))]
    for table, counts in zip(problem.prior.concentrations, expected, strict=True):
        prior = np.asarray(table)
        posterior = prior + counts
        total = prior.sum(axis=1, keepdims=True)
        mode = np.log(posterior) + np.log(total) - np.log(posterior.sum(axis=1, keepdims=True))
        left = np.minimum(1.0, 3.0 / np.sqrt(posterior)) + 0.5 * np.log1p(counts / _MANY)
        tails.append(mode - left)
    latents = problem.prior.multiplicity.shape[0]
    return Chart(np.hstack(tails), np.zeros((problem.num_personas - 1, latents)), np.ones(latents))


def layout(problem: Problem) -> Layout:
    """Where the parts of the vector of a problem are."""
    sizes, coordinates = problem.sizes, problem.num_personas - 1
    ends = np.cumsum(sizes).tolist()
    shapes = (
        (problem.num_personas, sum(problem.categories)),
        (sizes[1],),
        (sizes[2],),
        *((coordinates, size // coordinates) for size in sizes[3:]),
    )
    return Layout(tuple(slice(end - size, end) for end, size in zip(ends, sizes, strict=True)), shapes)


def _tables(problem: Problem, values: Any) -> list[Any]:
    """Values of all categories by measurement."""
    ends = np.cumsum(problem.categories)
    return [values[..., end - size : end] for end, size in zip(ends, problem.categories, strict=True)]


def _log_gamma(u: Any, tail: Any, alpha: Any) -> Any:
    return u - namespace(u).logaddexp(0.0, tail - u) ** 2 / (2 * alpha)


def _unfold(log_gamma: np.ndarray, tail: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The inverse of :func:`_log_gamma`, which increases in u."""
    far_left = tail - np.sqrt(2 * alpha * np.maximum(tail - log_gamma, 0))

    def gap(u: np.ndarray) -> np.ndarray:
        return u - np.logaddexp(0, tail - u) ** 2 / (2 * alpha) - log_gamma

    def slope(u: np.ndarray) -> np.ndarray:
        return 1 + np.logaddexp(0, tail - u) * special.expit(tail - u) / alpha

    return np.asarray(optimize.newton(gap, np.maximum(log_gamma, far_left), slope, maxiter=200))


def constrain(problem: Problem, chart: Chart, vector: Float[Array | np.ndarray, "*batch dimension"]) -> Parameters:
    """Parameters at points of the chart, NumPy or JAX arrays, with the leading axes of the points."""
    xp, point = namespace(vector), split(layout(problem), vector)
    probabilities = []
    for u, tail, alpha in zip(
        _tables(problem, point.gammas), _tables(problem, chart.tails), problem.prior.concentrations, strict=True
    ):
        log_gamma = _log_gamma(u, tail, alpha)
        gamma = xp.exp(log_gamma - log_gamma.max(axis=-1, keepdims=True))
        probabilities.append(gamma / gamma.sum(axis=-1, keepdims=True))
    scales = xp.exp(point.log_scales)
    stretch = (problem.prior.variances(scales**2) / chart.reference)[..., None, :] ** (chart.noncentring / 2)
    latents = xp.concatenate([point.shared, point.own], axis=-1) * stretch
    parameters = Parameters(tuple(probabilities), latents.swapaxes(-1, -2), scales)
    if problem.texts is None:
        return parameters
    temperature, offset, purity = calibrated(point.calibration, problem.num_personas)
    parameters = parameters._replace(temperature=temperature)
    return parameters._replace(offset=offset, purity=purity) if problem.texts.calibrated else parameters


def unconstrain(problem: Problem, chart: Chart, parameters: Parameters) -> np.ndarray:
    """The point of the chart at given parameters, shape ``(D,)``; the total of the gammas is set to its prior mean."""
    folded = [np.zeros((problem.num_personas, 0))]
    for table, tail, alpha in zip(
        parameters.probabilities, _tables(problem, chart.tails), problem.prior.concentrations, strict=True
    ):
        log_gamma = np.log(table) + np.log(np.asarray(alpha).sum(axis=1, keepdims=True))
        flat = _unfold(log_gamma.ravel(), np.asarray(tail).ravel(), np.asarray(alpha).ravel())
        folded.append(flat.reshape(log_gamma.shape))
    parts = [np.hstack(folded).ravel()]
    if parameters.temperature is not None:
        parts.append(np.log(parameters.temperature)[None])
    if parameters.offset is not None:
        parts += [ilr_basis(problem.num_personas) @ parameters.offset, special.logit(parameters.purity)]
    variances = problem.prior.variances(parameters.scales**2)
    latents = parameters.latents.T / (variances / chart.reference) ** (chart.noncentring / 2)
    shared, own = np.split(latents, [problem.shared.shape[1]], axis=1)
    return np.concatenate([*parts, np.log(parameters.scales), shared.ravel(), own.ravel()])


def log_density(problem: Problem, chart: Chart, vector: Float[Array, " dimension"]) -> Float[Array, ""]:
    """Log posterior density in the chart, up to a constant: eqs. (1)-(4), the priors, and the Jacobians, in nats."""
    calibration, prior = split(layout(problem), vector).calibration, problem.prior
    log_prior, log_w, log_f = _mixture(problem, chart, vector)
    if problem.texts is None:
        return collapsed_log_likelihood(log_w, log_f, jnp.asarray(problem.counts)) + log_prior
    own = calibrated(calibration, problem.num_personas)
    log_prior += normal_log_density(calibration, prior.calibration_location, prior.calibration_spread)
    return texts_log_likelihood(problem.texts, log_w, log_f, *own, problem.common_weights) + log_prior


def _mixture(problem: Problem, chart: Chart, vector: Array) -> tuple[Array, Array, Array]:
    """Log prior of emissions, scales and latents with its Jacobians, log weights of cells, and log f of patterns."""
    point, prior = split(layout(problem), vector), problem.prior
    log_prior = jnp.zeros(())
    category_log_probs = []
    for u, tail, alpha in zip(
        _tables(problem, point.gammas), _tables(problem, chart.tails), prior.concentrations, strict=True
    ):
        log_gamma = _log_gamma(u, tail, alpha)
        slope = 1 + jnp.logaddexp(0.0, tail - u) * jax.nn.sigmoid(tail - u) / alpha
        log_prior += (gamma_log_density(log_gamma, alpha) + jnp.log(slope)).sum()
        category_log_probs.append(jax.nn.log_softmax(log_gamma, axis=1))
    variances = prior.variances(jnp.exp(2 * point.log_scales))[None]
    reference, exponent = jnp.asarray(chart.reference)[None], jnp.asarray(chart.noncentring)
    latents = jnp.concatenate([point.shared, point.own], axis=1)
    log_prior += latent_log_density(latents, variances ** (1 - exponent) * reference**exponent).sum()
    log_prior += normal_log_density(point.log_scales, prior.scale_location, prior.scale_spread)
    latents = latents * (variances / reference) ** (exponent / 2)
    log_w = log_weights(cell_logits(problem.shared, problem.own, problem.own_value, latents.T))
    return log_prior, log_w, pattern_log_components(category_log_probs, problem.patterns, problem.num_personas)
