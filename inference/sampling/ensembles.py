"""Chains run in ensembles of two, with one thread per ensemble.

XLA runs a program of small matrices on one core, so threads are needed to use several. Ensembles share only the space;
each adapts its own step size and has its own random keys, so the draws do not depend on the number of cores.
"""

import concurrent.futures
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from simulacra.formalism.arrays import Key
from simulacra.inference.sampling import hmc
from simulacra.inference.sampling.problem import Space

__all__ = ["begin", "run"]

_SIZE = 2


def begin(space: Space, whitened: np.ndarray, steps: Sequence[float]) -> list[hmc.State]:
    """Initial states of all ensembles at whitened positions ``(chain, D)``; ensembles take ``steps`` in turn."""
    parts = [whitened[start : start + _SIZE] for start in range(0, len(whitened), _SIZE)]
    return [hmc.initial_state(space, jnp.asarray(part), steps[i % len(steps)]) for i, part in enumerate(parts)]


def run(
    space: Space,
    states: Sequence[hmc.State],
    key: Key,
    *,
    num_steps: int,
    adapt: bool,
    target: float,
    progress: Callable[[int], None],
) -> tuple[list[hmc.State], hmc.Draws]:
    """Run every ensemble for ``num_steps`` iterations, rounded up to whole blocks.

    Returns:
        The final states, and the draws of all chains, shapes ``(iteration, chain)``. The first ensemble calls
        ``progress(iterations)`` after each of its blocks.
    """

    def work(index: int) -> tuple[hmc.State, list[hmc.Draws]]:
        state, blocks = states[index], []
        with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature; the setting belongs to a thread)
            own = jax.random.fold_in(key, index)
            for moved, draws in hmc.run(space, state, own, num_steps=num_steps, adapt=adapt, target=target):
                state = moved
                blocks.append(draws)
                if index == 0:
                    progress(hmc.BLOCK)
        return state, blocks

    with concurrent.futures.ThreadPoolExecutor(len(states)) as pool:
        done = list(pool.map(work, range(len(states))))
    joined = [np.concatenate([_field(blocks, name) for _, blocks in done], axis=1) for name in hmc.Draws._fields]
    return [state for state, _ in done], hmc.Draws(*joined)


def _field(blocks: Sequence[hmc.Draws], name: str) -> np.ndarray:
    return np.concatenate([getattr(block, name) for block in blocks])
