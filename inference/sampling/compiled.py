"""The density of :mod:`~simulacra.inference.sampling.problem` compiled by JAX, for texts fitted with their calibration.

The gradient is automatic. The preconditioner is dense: the Hessian, with directions in which it is nearly flat or not
concave cut at the width of the prior.

References:
    Neal (2011), MCMC using Hamiltonian dynamics, arXiv:1206.1901, section 5.4.1 (preconditioning by a linear map).
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import linalg

from simulacra.inference.sampling.arrow import Arrow, dense_arrow
from simulacra.inference.sampling.problem import Chart, Problem, log_density
from simulacra.inference.sampling.space import Given

__all__ = ["CompiledDensity"]

_TANGENTS = 256  # columns of the Hessian computed at once: bounds memory


@jax.jit
def _hessian(problem: Problem, chart: Chart, vector: jax.Array) -> jax.Array:
    gradient = jax.grad(lambda point: log_density(problem, chart, point))
    _, push = jax.linearize(gradient, vector)
    return jax.lax.map(push, jnp.eye(vector.size), batch_size=_TANGENTS)


_value_and_gradient = jax.jit(jax.vmap(jax.value_and_grad(log_density, argnums=2), in_axes=(None, None, 0)))


class CompiledDensity:
    """Log posterior density of any problem in a chart.

    There is one program for every number of points. Problem and chart are arguments of the program, which therefore
    serves all charts, and other logs of the same size.
    """

    given: Given | None = None

    def __init__(self, problem: Problem, chart: Chart) -> None:
        self.problem, self.chart = problem, chart
        with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature; the setting belongs to a thread)
            self._arguments = jax.tree.map(jnp.asarray, (problem, chart))

    def value_and_gradient(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log density, nats, shape ``(point,)``, and gradient, shape ``(point, D)``, at points ``(point, D)``."""
        with jax.enable_x64(True):  # noqa: FBT003
            value, gradient = _value_and_gradient(*self._arguments, points)
            return np.array(value), np.array(gradient)

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """The gradient alone, shape ``(point, D)``, for which there is no faster program."""
        return self.value_and_gradient(points)[1]

    def arrow(self, points: np.ndarray) -> Arrow:
        """The preconditioner of the curvature averaged over points ``(n, D)``, a dense map."""
        with jax.enable_x64(True):  # noqa: FBT003
            hessians = [np.asarray(_hessian(*self._arguments, jnp.asarray(point))) for point in points]
            curvature = -np.mean(hessians, axis=0)
        return dense_arrow(_inverse_root(curvature, self._prior_spread()), self.problem.num_personas - 1)

    def _prior_spread(self) -> np.ndarray:
        """Approximate prior standard deviation of every coordinate, which bounds the length of directions."""
        prior, shared = self.problem.prior, self.problem.shared.shape[1]
        gammas = [1 / np.sqrt(np.maximum(table, 1.0)) for table in prior.concentrations]
        emissions = np.hstack([np.zeros((self.problem.num_personas, 0)), *gammas]).ravel()
        latents = np.broadcast_to(np.sqrt(self.chart.reference), self.chart.noncentring.shape)
        parts = (prior.calibration_spread, prior.scale_spread, latents[:, :shared].ravel(), latents[:, shared:].ravel())
        return np.concatenate([emissions, *parts])


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
