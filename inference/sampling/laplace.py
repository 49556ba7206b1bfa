"""Laplace approximation of the posterior, used to precondition the sampler and never to report results.

A Laplace approximation is a Gaussian centred at a mode of the posterior whose covariance is the inverse of the negative
Hessian of the log density there. As a posterior it is inadequate here: the Pareto k of importance sampling exceeds 1.5
on real logs. As a preconditioner it makes the sampler about ten times faster, because HMC is efficient if all
directions have about the same width.

:func:`find_mode` finds the mode. The joint mode over latents and scales is useless, because it lies at scales close to
zero. Scales are therefore set by an EM algorithm in which the Laplace covariance of the latents gives the E-step
(empirical Bayes). :func:`average_factor` turns curvature into a preconditioner. Curvature varies over the posterior, so
later stages of the warm-up average it over draws, and :func:`stretch` corrects directions in which the draws spread
further than curvature suggests.

References:
    Tierney & Kadane (1986), Accurate approximations for posterior moments and marginal densities,
    doi:10.1080/01621459.1986.10478240; Byrd et al. (1995), L-BFGS-B, doi:10.1137/0916069.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import linalg, optimize

from simulacra.formalism.prior import Prior
from simulacra.inference.sampling.problem import Chart, Problem, log_density

__all__ = ["Mode", "average_factor", "find_mode", "stretch"]

_STRETCH_ABOVE = 1.5
_TANGENTS = 256  # columns of the Hessian computed at once: bounds memory

_value_and_gradient = jax.jit(jax.value_and_grad(log_density, argnums=2))


@jax.jit
def _hessian(problem: Problem, chart: Chart, vector: jax.Array) -> jax.Array:
    gradient = jax.grad(lambda point: log_density(problem, chart, point))
    _, push = jax.linearize(gradient, vector)
    return jax.lax.map(push, jnp.eye(vector.size), batch_size=_TANGENTS)


class Mode(NamedTuple):
    """A mode over emissions and latents at empirical-Bayes scales.

    Attributes:
        vector: the mode, in the chart in which it was found, shape ``(D,)``.
        latent_variances: Laplace variances of the latents, shape ``(L, K - 1)``.
    """

    vector: np.ndarray
    latent_variances: np.ndarray


def find_mode(problem: Problem, chart: Chart, start: np.ndarray, *, num_rounds: int = 5) -> Mode:
    """Alternate L-BFGS on emissions and latents with an EM step for the scales.

    Args:
        problem: data and prior of the fit.
        chart: a centred chart (c = 0, reference variance 1).
        start: initial point in that chart, shape ``(D,)``.
        num_rounds: number of alternations.
    """
    emissions, latents, _ = problem.sizes
    free = emissions + latents
    vector = start.copy()
    variances = np.zeros(())
    prior = jax.tree.map(np.asarray, problem.prior)
    for _ in range(num_rounds):

        def negative(point: np.ndarray, fixed: np.ndarray = vector[free:]) -> tuple[float, np.ndarray]:
            value, gradient = _value_and_gradient(problem, chart, jnp.asarray(np.concatenate([point, fixed])))
            return -float(value), -np.asarray(gradient)[:free]

        found = optimize.minimize(
            negative, vector[:free], jac=True, method="L-BFGS-B", options={"maxiter": 300, "maxcor": 30}
        )
        vector = np.concatenate([found.x, vector[free:]])
        curvature = -np.asarray(_hessian(problem, chart, jnp.asarray(vector)))[:free, :free]
        reference = prior.variances(np.exp(2 * vector[free:]))
        spread = _prior_spread(problem, chart._replace(reference=reference))[:free]
        inverse_root = _inverse_root(curvature, spread)
        variances = (inverse_root[emissions:] ** 2).sum(axis=1).reshape(problem.basis.shape[1], -1)
        second_moments = found.x[emissions:].reshape(variances.shape) ** 2 + variances
        vector[free:] = _fit_scales(prior, second_moments.sum(axis=1), variances.shape[1], vector[free:])
    return Mode(vector, variances)


def _fit_scales(prior: Prior, second_moments: np.ndarray, copies: int, log_scales: np.ndarray) -> np.ndarray:
    """Log scales that maximise the expected log prior of the latents plus the log prior of the scales.

    The Gaussian and log-normal families are assumed; with another prior, only the preconditioner would be worse.
    """

    def negative(point: np.ndarray) -> tuple[float, np.ndarray]:
        squared = np.exp(2 * point)
        variances = prior.variances(squared)
        standardised = (point - prior.scale_location) / prior.scale_spread
        value = 0.5 * (second_moments / variances + copies * np.log(variances)).sum() + 0.5 * (standardised**2).sum()
        slope = 0.5 * (copies / variances - second_moments / variances**2)
        return value, 2 * squared * (slope @ prior.multiplicity) + standardised / prior.scale_spread

    return optimize.minimize(negative, log_scales, jac=True, method="BFGS").x if log_scales.size else log_scales


def average_factor(problem: Problem, chart: Chart, points: np.ndarray) -> np.ndarray:
    """T with T Tᵀ ≈ posterior covariance: the inverse root of the negative Hessian averaged over points.

    Args:
        problem: data and prior of the fit.
        chart: coordinates of the points.
        points: points at which the Hessian is evaluated, shape ``(n, D)``.
    """
    total = np.zeros((points.shape[1],) * 2)
    for point in points:
        total -= np.asarray(_hessian(problem, chart, jnp.asarray(point)))
    return _inverse_root(total / len(points), _prior_spread(problem, chart))


def stretch(factor: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Lengthen the few directions in which draws spread much further than curvature suggests.

    If personas can exchange mass, the posterior is long and bent, and its curvature at any point understates its
    length. A direction is lengthened only if the variance of the draws clearly exceeds the largest that sampling noise
    would produce with this number of draws.

    Args:
        factor: T, shape ``(D, D)``.
        draws: points of the chart, shape ``(n, D)``.

    References:
        Marchenko & Pastur (1967), doi:10.1070/SM1967v001n04ABEH001994 (the upper edge of the noise spectrum).
    """
    whitened = linalg.solve(factor, (draws - draws.mean(axis=0)).T).T
    _, singular, directions = linalg.svd(whitened, full_matrices=False)
    variances = singular**2 / len(draws)
    edge = (1 + np.sqrt(draws.shape[1] / len(draws))) ** 2
    long = variances > _STRETCH_ABOVE * edge
    lengths = np.sqrt(variances[long]) - 1
    return factor + ((factor @ directions[long].T) * lengths) @ directions[long]


def _inverse_root(curvature: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """A square root of the inverse, in which no direction is longer than in the prior.

    The likelihood is not log-concave, so averaged curvature may be nearly zero or negative in some directions; in units
    of the prior spread it is raised to one there.
    """
    scaled = curvature * spread * spread[:, None]
    values, vectors = linalg.eigh(scaled, subset_by_value=(-np.inf, 1.0))
    scaled += (vectors * (1.0 - values)) @ vectors.T
    root = linalg.cholesky(scaled, lower=True)
    return spread[:, None] * linalg.solve_triangular(root, np.eye(len(root)), lower=True).T


def _prior_spread(problem: Problem, chart: Chart) -> np.ndarray:
    """Approximate prior standard deviation of every coordinate, which bounds the length of directions."""
    emissions = [1 / np.sqrt(np.maximum(np.asarray(table), 1.0)).ravel() for table in problem.prior.concentrations]
    reference = np.broadcast_to(np.asarray(chart.reference)[:, None], chart.noncentring.shape)
    calibration = np.asarray(problem.prior.calibration_spread)
    return np.concatenate([*emissions, calibration, np.sqrt(reference).ravel(), np.asarray(problem.prior.scale_spread)])
