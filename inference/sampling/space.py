"""The whitened space in which chains move: a density, and coordinates in which it is close to standard normal."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from simulacra.inference.sampling.arrow import Arrow
from simulacra.inference.sampling.problem import Chart, Problem

__all__ = ["Density", "Space"]


@runtime_checkable
class Density(Protocol):
    """A log posterior density in a chart, for several points at once."""

    problem: Problem
    chart: Chart

    def value_and_gradient(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log density, nats, shape ``(point,)``, and gradient, shape ``(point, D)``, at points ``(point, D)``."""
        ...

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """The gradient alone, shape ``(point, D)``."""
        ...

    def arrow(self, points: np.ndarray) -> Arrow:
        """The preconditioner of the information averaged over points ``(n, D)``."""
        ...


class Space(NamedTuple):
    """A whitened space: a point u represents centre + T u, with T the preconditioner.

    Draws do not depend on the accuracy of T: the density is evaluated at the point that the map gives, and this value
    decides on acceptance.
    """

    density: Density
    centre: np.ndarray
    arrow: Arrow

    def positions(self, whitened: np.ndarray) -> np.ndarray:
        """Points of the chart, same shape ``(..., D)``."""
        return self.centre + self.arrow.positions(whitened)

    def whiten(self, positions: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`positions`, same shape ``(..., D)``."""
        return self.arrow.whiten(positions - self.centre)

    def value_and_gradient(self, whitened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log density at whitened points ``(chain, D)``, without the constant Jacobian, and its gradient there."""
        value, gradient = self.density.value_and_gradient(self.positions(whitened))
        return value, self.arrow.pull(gradient)

    def gradient(self, whitened: np.ndarray) -> np.ndarray:
        """The gradient alone, shape ``(chain, D)``."""
        return self.arrow.pull(self.density.gradient(self.positions(whitened)))
