"""Hamiltonian Monte Carlo with jittered trajectory lengths, for the chains of an ensemble in one program.

In well preconditioned coordinates all directions have about the same width, so the search for the turning point in each
iteration of NUTS finds what is known in advance. Trajectories of random length around 4 standard deviations mix equally
well with fewer gradients. All chains take the same number of steps, so no chain waits for another.

References:
    Neal (2011), MCMC using Hamiltonian dynamics, arXiv:1206.1901, section 5.4.2 (random trajectory lengths);
    Hoffman & Gelman (2014), arXiv:1111.4246, section 3.2 (dual averaging of the step size).
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from simulacra.formalism.arrays import Array, Key
from simulacra.inference.sampling.problem import Space, log_density

__all__ = ["BLOCK", "Draws", "State", "initial_state", "run"]

BLOCK = 50
"""Iterations of one compiled call; numbers of iterations are rounded up to whole blocks."""

TRAJECTORY = 4.0
"""Mean trajectory length in posterior standard deviations."""

_MAX_STEPS = 64
_DIVERGENCE = 1000.0  # energy error of a divergent trajectory; NumPyro's threshold


class State(NamedTuple):
    """State of all chains of an ensemble, and of its step size adaptation."""

    position: Array
    log_density: Array
    gradient: Array
    log_step: Array
    log_step_average: Array
    error_average: Array
    anchor: Array
    iteration: Array


class Draws(NamedTuple):
    """Draws of one block of iterations, shapes ``(iteration, chain)``, and ``(iteration, chain, D)`` for ``position``.

    ``position`` is in the chart, not whitened. ``energy`` is the negative log joint density of position and momentum.
    Arrays are NumPy arrays outside the compiled program.
    """

    position: Any
    lp: Any
    energy: Any
    acceptance_rate: Any
    n_steps: Any
    step_size: Any
    diverging: Any


def initial_state(space: Space, position: Array, step: float) -> State:
    """Initial state of chains at whitened positions ``(chain, D)``, with an initial step size."""
    value, gradient = _value_and_gradient(space, position)
    log_step = jnp.log(jnp.asarray(step, dtype=position.dtype))
    zero = jnp.zeros_like(log_step)
    return State(position, value, gradient, log_step, log_step, zero, log_step + jnp.log(10.0), zero)


def run(
    space: Space,
    state: State,
    key: Key,
    *,
    num_steps: int,
    adapt: bool,
    target: float,
) -> Iterator[tuple[State, Draws]]:
    """Yield the state and the draws after each block of iterations.

    Args:
        space: the whitened posterior.
        state: state of the chains.
        key: random key, the only source of randomness.
        num_steps: number of iterations, rounded up to whole blocks.
        adapt: whether to adapt the step size.
        target: target acceptance rate of the adaptation.
    """
    for block in range(-(-num_steps // BLOCK)):
        keys = jax.random.split(jax.random.fold_in(key, block), BLOCK)
        state, draws = _run_block(space, state, keys, jnp.asarray(adapt), jnp.asarray(target))
        yield state, jax.tree.map(np.asarray, draws)


@jax.jit
def _value_and_gradient(space: Space, position: Array) -> tuple[Array, Array]:
    density = jax.vmap(functools.partial(log_density, space.problem, space.chart))
    value, pull = jax.vjp(density, space.positions(position))
    return value, space.pull(pull(jnp.ones_like(value))[0])


@jax.jit
def _run_block(space: Space, state: State, keys: Array, adapt: Array, target: Array) -> tuple[State, Draws]:
    evaluate = functools.partial(_value_and_gradient, space)

    def iterate(state: State, key: Array) -> tuple[State, Draws]:
        momentum_key, length_key, accept_key = jax.random.split(key, 3)
        step = jnp.exp(jnp.where(adapt, state.log_step, state.log_step_average))
        momentum = jax.random.normal(momentum_key, state.position.shape, state.position.dtype)
        length = jax.random.uniform(length_key, maxval=2 * TRAJECTORY)
        num_steps = jnp.clip(jnp.ceil(length / step), 1, _MAX_STEPS).astype(int)

        def leapfrog(_: Array | int, moving: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
            position, value, gradient, momentum = moving
            momentum = momentum + 0.5 * step * gradient
            position = position + step * momentum
            value, gradient = evaluate(position)
            return position, value, gradient, momentum + 0.5 * step * gradient

        start = (state.position, state.log_density, state.gradient, momentum)
        *proposal, ended = jax.lax.fori_loop(0, num_steps, leapfrog, start)
        energy = -state.log_density + 0.5 * (momentum**2).sum(axis=1)
        error = -proposal[1] + 0.5 * (ended**2).sum(axis=1) - energy
        error = jnp.where(jnp.isfinite(error), error, jnp.inf)
        acceptance = jnp.exp(-jnp.maximum(error, 0.0))
        accepted = jnp.log(jax.random.uniform(accept_key, error.shape)) < -error
        position, value, gradient = (
            jnp.where(accepted.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            for new, old in zip(proposal, start[:3], strict=True)
        )
        moved = _adapt(
            state._replace(position=position, log_density=value, gradient=gradient), acceptance, adapt, target
        )
        draws = Draws(
            position=space.positions(position),
            lp=value,
            energy=energy,
            acceptance_rate=acceptance,
            n_steps=jnp.broadcast_to(num_steps, error.shape),
            step_size=jnp.broadcast_to(step, error.shape),
            diverging=error > _DIVERGENCE,
        )
        return moved, draws

    return jax.lax.scan(iterate, state, keys)


def _adapt(state: State, acceptance: Array, adapt: Array, target: Array) -> State:
    """One step of dual averaging on the mean acceptance rate of all chains."""
    iteration = state.iteration + 1
    blend = 1 / (iteration + 10)
    error = (1 - blend) * state.error_average + blend * (target - acceptance.mean())
    log_step = state.anchor - jnp.sqrt(iteration) / 0.05 * error
    forget = iteration**-0.75
    average = forget * log_step + (1 - forget) * state.log_step_average
    adapted = state._replace(log_step=log_step, log_step_average=average, error_average=error, iteration=iteration)
    return jax.tree.map(functools.partial(jnp.where, adapt), adapted, state)
