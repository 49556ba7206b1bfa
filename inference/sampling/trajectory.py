"""Trajectories of :mod:`~simulacra.inference.sampling.hmc`: kicks by a correction, between rotations.

One writing serves NumPy, and JAX, which compiles a whole trajectory to one program. The number of steps is an argument
of this program, like the space, so that it is compiled once for all stages of a fit.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from simulacra.formalism.arrays import namespace
from simulacra.inference.sampling.device import placed
from simulacra.inference.sampling.space import Space

__all__ = ["Move", "mover", "trajectory"]

Move = Callable[[np.ndarray, np.ndarray, np.ndarray, float, int], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
"""A trajectory in a space: its arguments without the space, and what it returns."""


def trajectory(space: Space, whitened: Any, momentum: Any, gradient: Any, step: Any, num_steps: Any) -> Any:
    """Run a trajectory of every chain, from NumPy or JAX arrays.

    Args:
        space: the whitened posterior.
        whitened: whitened points, shape ``(chain, D)``.
        momentum: momenta, shape ``(chain, D)``.
        gradient: gradient of the log density at the points, shape ``(chain, D)``.
        step: size of a step.
        num_steps: number of steps, at least one.

    Returns:
        Points and momenta at the end, the log density there, shape ``(chain,)``, and its gradient; the others have
        shape ``(chain, D)``.
    """
    momentum = momentum + 0.5 * step * space.correction(whitened, gradient)
    state = space.rotated(whitened, momentum, step)
    whitened, momentum = _advance(space, state, step, num_steps - 1)
    value, gradient = space.value_and_gradient(whitened)
    momentum = momentum + 0.5 * step * space.correction(whitened, gradient)
    return whitened, momentum, value, gradient


def mover(space: Space) -> Move:
    """:func:`trajectory` in a space, in NumPy or as a program on its device; from and to NumPy arrays."""
    if space.device is None:
        return functools.partial(trajectory, space)
    there = placed(space, space.device)

    def move(*arguments: Any) -> Any:
        # As on the processor: float64, without products of reduced precision, and with NumPy's broadcasting.
        with jax.enable_x64(True), jax.default_matmul_precision("highest"), jax.numpy_rank_promotion("allow"):  # noqa: FBT003
            return jax.device_get(_compiled(there, *arguments))

    return move


_compiled = jax.jit(trajectory)


def _advance(space: Space, state: tuple[Any, Any], step: Any, times: Any) -> tuple[Any, Any]:
    """Points and momenta after a number of steps; a loop of the program if it is being compiled."""
    if namespace(state[0]) is jnp:
        return jax.lax.fori_loop(0, times, lambda _, now: _step(space, now, step), state)
    for _ in range(times):
        state = _step(space, state, step)
    return state


def _step(space: Space, state: tuple[Any, Any], step: Any) -> tuple[Any, Any]:
    """A kick and a rotation."""
    whitened, momentum = state
    momentum = momentum + step * space.correction(whitened, space.gradient(whitened))
    return space.rotated(whitened, momentum, step)
