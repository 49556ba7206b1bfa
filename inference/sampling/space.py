"""The whitened space in which chains move: a density, and coordinates in which it is close to standard normal.

The density of a *cut* posterior is conditional on some coordinates, φ, which have a posterior of their own. Chains do
not move them. Before every iteration φ is drawn anew and the other coordinates move along, by their linear regression
on φ in the warm-up, which is part of the preconditioner.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from simulacra.formalism.arrays import namespace
from simulacra.inference.sampling.arrow import Arrow
from simulacra.inference.sampling.problem import Chart, Problem

__all__ = ["Density", "Given", "Space"]


class Given(NamedTuple):
    """Coordinates φ that a density is conditional on.

    Attributes:
        where: their place in the vector.
        draws: independent draws from their own posterior, shape ``(n, c)``.
    """

    where: slice
    draws: np.ndarray

    @property
    def scale(self) -> np.ndarray:
        """Standard deviations, shape ``(c,)``; the unit of whitened given coordinates."""
        return self.draws.std(axis=0)


@runtime_checkable
class Density(Protocol):
    """A log posterior density in a chart, for several points at once."""

    problem: Problem
    chart: Chart
    given: Given | None

    def value_and_gradient(self, points: Any) -> tuple[Any, Any]:
        """Log density, nats, shape ``(point,)``, and gradient, shape ``(point, D)``, at points ``(point, D)``."""
        ...

    def gradient(self, points: Any) -> Any:
        """The gradient alone, shape ``(point, D)``."""
        ...

    def arrow(self, points: np.ndarray) -> Arrow:
        """The preconditioner of the information averaged over points ``(n, D)``."""
        ...


class Space(NamedTuple):
    """A whitened space: a point u represents centre + T u, with T the preconditioner.

    Draws do not depend on the accuracy of T: the density is evaluated at the point that the map gives, and this value
    decides on acceptance.

    Attributes:
        density: the density in the chart.
        centre: the point u = 0, shape ``(D,)``.
        arrow: T.
        device: the device of JAX on which trajectories are computed; None is the processor, with NumPy.
    """

    density: Density
    centre: Any
    arrow: Arrow
    device: Any = None

    def positions(self, whitened: Any) -> Any:
        """Points of the chart, same shape ``(..., D)``."""
        return self.centre + self.arrow.positions(whitened)

    def whiten(self, positions: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`positions`, same shape ``(..., D)``."""
        return self.arrow.whiten(positions - self.centre)

    def value_and_gradient(self, whitened: Any) -> tuple[Any, Any]:
        """Log density at whitened points ``(chain, D)``, without the constant Jacobian, and its gradient there."""
        value, gradient = self.density.value_and_gradient(self.positions(whitened))
        return value, self.arrow.pull(gradient)

    def gradient(self, whitened: Any) -> Any:
        """The gradient alone, shape ``(chain, D)``."""
        return self.arrow.pull(self.density.gradient(self.positions(whitened)))

    def correction(self, whitened: Any, gradient: Any) -> Any:
        """Gradient of the log density relative to a standard normal one, shape ``(chain, D)``; zero if given."""
        return self._moving(gradient + whitened)

    def rotated(self, whitened: Any, momentum: Any, time: Any) -> tuple[Any, Any]:
        """Points and momenta ``(chain, D)`` after a time under a standard normal density, which rotates them."""
        xp = namespace(whitened)
        cosine, sine = xp.cos(time), xp.sin(time)
        moved, momentum = cosine * whitened + sine * momentum, self._moving(cosine * momentum - sine * whitened)
        if self.density.given is not None:
            moved[:, self.density.given.where] = whitened[:, self.density.given.where]
        return moved, momentum

    def momentum(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Standard normal momenta, shape ``(chain, D)``; those of given coordinates are zero."""
        return self._moving(rng.standard_normal(shape))

    def renewed(self, whitened: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Whitened points with new draws of the given coordinates, same shape ``(chain, D)``."""
        if self.density.given is None:
            return whitened
        where, draws = self.density.given
        chosen = draws[rng.integers(len(draws), size=len(whitened))]
        whitened = whitened.copy()
        whitened[:, where] = (chosen - self.centre[where]) / self.density.given.scale
        return whitened

    def _moving(self, vectors: Any) -> Any:
        if self.density.given is not None:
            vectors[:, self.density.given.where] = 0.0
        return vectors
