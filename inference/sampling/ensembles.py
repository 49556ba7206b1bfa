"""Chains run in ensembles of two, with one thread per ensemble.

NumPy computes with one core, so threads are needed to use several. Ensembles share only the space; each adapts its own
step size and has its own random numbers, so the draws do not depend on the number of cores.
"""

import concurrent.futures
from collections.abc import Callable, Sequence

import numpy as np

from simulacra.inference.sampling import hmc
from simulacra.inference.sampling.space import Space

__all__ = ["begin", "run"]

_SIZE = 2


def begin(space: Space, whitened: np.ndarray, steps: Sequence[float]) -> list[hmc.State]:
    """Initial states of all ensembles at whitened positions ``(chain, D)``; ensembles take ``steps`` in turn."""
    parts = [whitened[start : start + _SIZE] for start in range(0, len(whitened), _SIZE)]
    return [hmc.begin(space, part, steps[index % len(steps)]) for index, part in enumerate(parts)]


def run(
    space: Space,
    states: Sequence[hmc.State],
    seed: Sequence[int],
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
        rng = np.random.default_rng([*seed, index])
        for moved, draws in hmc.run(space, state, rng, num_steps=num_steps, adapt=adapt, target=target):
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
