"""The calibration of log-likelihoods of texts by references: its posterior given the references alone, and its check.

τ, b and ρ are few, so their posterior is sampled without chains: importance sampling from a multivariate t distribution
at the mode, which is moved to the moments of its own draws a few times. The Pareto k of the weights says whether the
draws can be trusted.

A *cut* fit uses these draws as they are: rows do not inform them. A *joint* fit starts from the mode. Its check
compares the references' log posterior density at the fitted τ and b with the best there is, as a likelihood ratio test
would: references that are outvoted by rows are much less likely than under a calibration of their own.

References:
    Plummer (2015), Cuts in Bayesian graphical models, doi:10.1007/s11222-014-9503-z; Alexandari, Kundaje & Shrikumar
    (2020), arXiv:1901.06852 (bias-corrected temperature scaling); Cappe et al. (2008), Adaptive importance sampling in
    general mixture classes, doi:10.1007/s11222-008-9059-x; Vehtari et al. (2024), Pareto smoothed importance sampling,
    arXiv:1507.02646.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy import optimize, special

from simulacra.formalism.arrays import Array
from simulacra.formalism.density_ratios import (
    Texts,
    points_density_ratios,
    pooled_weights,
    references_log_likelihood,
)
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.prior import Prior, calibrated, normal_log_density
from simulacra.formalism.simplex import ilr_basis

__all__ = ["Calibration", "calibrate", "calibration_statistics", "sample_calibration"]

_DRAWS = 10_000
_ROUNDS = 4
_FREEDOM = 7.0  # of the t distribution
_BATCH = 128


class Calibration(NamedTuple):
    """The mode of the posterior given the references, and quantities derived from it.

    Attributes:
        point: the mode, coordinates as in :class:`~simulacra.formalism.prior.Prior`, shape ``(c,)``.
        covariance: the inverse of the information there, shape ``(c, c)``.
        temperature: τ.
        offset: b, shape ``(K,)``; ``None`` without references.
        purity: ρ, shape ``(K,)``; ``None`` without references.
        ratios: density ratios of every point, shape ``(K, Q)``.
        common: weights of the best common mixture, shape ``(K,)``.
    """

    point: np.ndarray
    covariance: np.ndarray
    temperature: np.ndarray
    offset: np.ndarray | None
    purity: np.ndarray | None
    ratios: np.ndarray
    common: np.ndarray


def calibrate(texts: Texts, prior: Prior) -> Calibration:
    """Maximum a posteriori calibration given the references; without references, the prior mode."""
    references = _references(texts)
    point = _climb(functools.partial(_value_and_gradient, references, prior), np.asarray(prior.calibration_location))
    covariance = np.linalg.inv(-np.asarray(_hessian(references, prior, jnp.asarray(point))))
    temperature, offset, purity = map(np.asarray, calibrated(point, texts.num_personas))
    ratios = points_density_ratios(texts, jnp.asarray(temperature), jnp.asarray(offset))
    common = np.asarray(_pooled_weights(ratios, jnp.asarray(texts.total * texts.scored)))
    found = Calibration(point, covariance, temperature, offset, purity, np.asarray(ratios), common)
    return found if texts.calibrated else found._replace(offset=None, purity=None)


def sample_calibration(
    texts: Texts, prior: Prior, mode: Calibration, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draws from the posterior of the calibration given the references, shape ``(n, c)``, and their Pareto k."""
    references, location, shape = _references(texts), mode.point, mode.covariance
    for _ in range(_ROUNDS - 1):
        points, weights, _pareto_k = _weighted(references, prior, location, shape, rng)
        location = weights @ points
        shape = np.cov(points.T, aweights=weights, ddof=0).reshape(len(location), -1)
    points, weights, pareto_k = _weighted(references, prior, location, shape, rng)
    return points[rng.choice(_DRAWS, size=_DRAWS, p=weights)], pareto_k


def _weighted(
    references: Texts, prior: Prior, location: np.ndarray, shape: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Draws from a t distribution, their smoothed importance weights, which sum to one, and Pareto k."""
    from arviz_stats.base.array import array_stats  # ArviZ takes longer to import than all else here

    scale = np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, size=(_DRAWS, 1)))
    whitened = scale * rng.standard_normal((_DRAWS, len(location)))
    points = location + whitened @ np.linalg.cholesky(shape).T
    log_proposal = -0.5 * (_FREEDOM + len(location)) * np.log1p((whitened**2).sum(axis=1) / _FREEDOM)
    log_ratio = np.asarray(_values(references, prior, jnp.asarray(points))) - log_proposal
    smoothed, pareto_k = array_stats.psislw(-log_ratio)
    return points, special.softmax(smoothed), float(pareto_k)


def calibration_statistics(texts: Texts, prior: Prior, parameters: Parameters, pareto_k: float) -> xr.Dataset:
    """How far the fitted τ and b are from what the references alone support.

    Returns:
        ``likelihood_ratio``, twice the log posterior density of the references at its mode, minus that at the posterior
        means of log τ and b with the best ρ for these, in nats; ``p_value``, its upper tail probability under the
        chi-squared distribution with K degrees of freedom; ``references``, their number; and ``pareto_k``, that of the
        draws of a cut calibration.
    """
    references, size = _references(texts), texts.num_personas
    fitted = np.append(np.log(parameters.temperature).mean(), parameters.offset.mean(axis=(0, 1)) @ ilr_basis(size).T)

    def at_fitted(purity: Array) -> tuple[Array, Array]:
        value, gradient = _value_and_gradient(references, prior, jnp.concatenate([jnp.asarray(fitted), purity]))
        return value, gradient[size:]

    mode = calibrate(texts, prior).point
    best = np.append(fitted, _climb(at_fitted, mode[size:]))
    lost = float(np.subtract(*_values(references, prior, jnp.asarray(np.stack([mode, best])))))
    ratio = 2 * max(lost, 0.0)
    found = {
        "likelihood_ratio": ratio,
        "p_value": special.chdtrc(size, ratio),
        "references": len(texts.reference_total),
    }
    return xr.Dataset({**found, "pareto_k": pareto_k})


def _references(texts: Texts) -> Texts:
    """The references alone, so that programs do not depend on the number of rows."""
    nothing = {name: values[:0] for name, values in texts._asdict().items() if not name.startswith("reference")}
    return texts._replace(**nothing)


def _log_density(references: Texts, prior: Prior, point: Array) -> Array:
    """Log posterior density of the calibration given the references alone, up to a constant, in nats."""
    log_prior = normal_log_density(point, prior.calibration_location, prior.calibration_spread)
    return references_log_likelihood(references, *calibrated(point, references.num_personas)) + log_prior


_value_and_gradient = jax.jit(jax.value_and_grad(_log_density, argnums=2))
_hessian = jax.jit(jax.hessian(_log_density, argnums=2))
_pooled_weights = jax.jit(pooled_weights)


@jax.jit
def _values(references: Texts, prior: Prior, points: Array) -> Array:
    return jax.lax.map(functools.partial(_log_density, references, prior), points, batch_size=_BATCH)


def _climb(value_and_gradient: Callable[..., tuple[Array, Array]], start: np.ndarray) -> np.ndarray:
    """The maximum of a log density, from a start."""

    def negative(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = value_and_gradient(jnp.asarray(point))
        return -float(value), -np.asarray(gradient)

    return np.asarray(optimize.minimize(negative, start, jac=True, method="BFGS").x)
