"""Chains run in ensembles, with one thread per ensemble.

Several chains cost little more than one if arrays are small, because NumPy then spends its time between operations.
Threads would only wait for each other there: Python's global lock changes hands at every operation. Small problems
therefore have one ensemble of all chains, which runs in the thread of the caller. In large ones every operation takes
long enough for threads to run at the same time, and ensembles have two chains. Ensembles share only the space; each
adapts its own step size and has its own random numbers, so the draws do not depend on the number of cores. On a GPU
there is one ensemble, because all chains together take it little more time than one.
"""

import concurrent.futures
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from simulacra.inference.sampling import hmc
from simulacra.inference.sampling.journal import Journal, continued, digest
from simulacra.inference.sampling.space import Space

__all__ = ["begin", "run"]

_LARGE = 2_000_000
"""Entries of the largest array of one chain, persona by cell by pattern or by text, from which ensembles have two.

With half as many, two threads take a quarter longer than one.
"""


def begin(space: Space, whitened: np.ndarray, steps: Sequence[float]) -> list[hmc.State]:
    """Initial states of all ensembles at whitened positions ``(chain, D)``; ensembles take ``steps`` in turn."""
    problem = space.density.problem
    points = problem.counts.size if problem.texts is None else len(problem.texts.cell)
    large = space.device is None and points * problem.num_personas > _LARGE
    size = 2 if large else len(whitened)
    parts = [whitened[start : start + size] for start in range(0, len(whitened), size)]
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
    transform: Callable[[np.ndarray], Any] | None = None,
    journal: Journal | None = None,
) -> tuple[list[hmc.State], hmc.Draws]:
    """Run every ensemble for ``num_steps`` iterations, rounded up to whole blocks.

    Args:
        space: the whitened posterior.
        states: states of the ensembles.
        seed: seed of the random numbers; every ensemble has its own.
        num_steps: number of iterations.
        adapt: whether to adapt step sizes.
        target: target acceptance rate of the adaptation.
        progress: called with the number of iterations by the first ensemble after each of its blocks.
        transform: what is kept of the positions of a block, shape ``(iteration, chain, D)``; a tree of arrays with
            the same leading axes.
        journal: what an earlier process has done of this run is not done again.

    Returns:
        The final states, and the draws of all chains, shapes ``(chain, iteration)``.
    """
    how: dict[str, Any] = {"num_steps": num_steps, "adapt": adapt, "target": target}
    name = "" if journal is None else digest(space, states, seed, **how)
    kept, ended = _Kept(states, -(-num_steps // hmc.BLOCK) * hmc.BLOCK), threading.Event()

    def check() -> None:
        if ended.is_set():
            raise concurrent.futures.CancelledError

    def work(index: int) -> hmc.State:
        state, rng = states[index], np.random.default_rng([*seed, index])
        blocks = continued(journal, name, index, space, state, rng, **how, check=check)
        for number, (moved, draws) in enumerate(blocks):
            state = moved
            kept.keep(index, number, draws if transform is None else draws._replace(position=transform(draws.position)))
            if index == 0:
                progress(hmc.BLOCK)
        return state

    if len(states) == 1:
        done = [work(0)]
    else:
        with concurrent.futures.ThreadPoolExecutor(len(states)) as pool:
            try:
                futures = [pool.submit(work, index) for index in range(len(states))]
                concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
                done = [future.result() for future in futures if future.done()]
            finally:  # if one failed, or the caller was interrupted, the others end before their next iteration
                ended.set()
    return done, kept.draws


class _Kept:
    """The draws of all ensembles, in arrays ``(chain, iteration, ...)`` that exist once: they may fill the memory."""

    def __init__(self, states: Sequence[hmc.State], iterations: int) -> None:
        ends = np.cumsum([0, *(len(state.whitened) for state in states)])
        self._chains = [slice(*pair) for pair in itertools.pairwise(ends)]
        self._shape = int(ends[-1]), iterations
        self._lock = threading.Lock()
        self.draws: Any = None

    def keep(self, ensemble: int, block: int, draws: hmc.Draws) -> None:
        """Keep a block of an ensemble, arrays ``(iteration, chain, ...)``."""
        with self._lock:
            if self.draws is None:
                self.draws = jax.tree.map(self._empty, draws)
        place = self._chains[ensemble], slice(block * hmc.BLOCK, (block + 1) * hmc.BLOCK)
        for whole, part in zip(*map(jax.tree.leaves, (self.draws, draws)), strict=True):
            whole[place] = part.swapaxes(0, 1)

    def _empty(self, part: np.ndarray) -> np.ndarray:
        return np.empty((*self._shape, *part.shape[2:]), part.dtype)
