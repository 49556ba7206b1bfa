"""Runs that continue where an earlier process ended, with the same draws.

A run of ensembles is determined by its initial states, its seed and its settings. What each ensemble has done of it is
kept in a *journal* under a digest of all these. It can therefore be found by the same run only, and continuing from it
gives the draws of a run that was never interrupted, bit for bit.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from simulacra.inference.sampling import hmc
from simulacra.inference.sampling.device import described
from simulacra.inference.sampling.space import Space

__all__ = ["Entry", "Journal", "continued", "digest"]


class Entry(NamedTuple):
    """What an ensemble has done of a run: its state, its random numbers from here on, and its blocks of draws."""

    state: hmc.State
    rng: np.random.Generator
    num_blocks: int
    blocks: Iterator[hmc.Draws]


@runtime_checkable
class Journal(Protocol):
    """Keeps what ensembles have done; called from the threads of all ensembles."""

    def recall(self, run: str, ensemble: int, begin: hmc.State) -> Entry | None:
        """What an ensemble has done of the run with this digest, which it began in state ``begin``."""
        ...

    def record(self, run: str, ensemble: int, state: hmc.State, rng: np.random.Generator, draws: hmc.Draws) -> None:
        """Keep the next block of an ensemble, with the state and the random numbers after it."""
        ...


def digest(
    space: Space, states: Sequence[hmc.State], seed: Sequence[int], *, num_steps: int, adapt: bool, target: float
) -> str:
    """SHA-256, hexadecimal, of everything that determines a run; see :func:`continued`."""
    settings = list(map(int, seed)), int(num_steps), adapt, float(target), described(space.device)
    own = hashlib.sha256(repr(settings).encode())
    for leaf in jax.tree.leaves((list(states), space.centre)):
        own.update(np.asarray(leaf).tobytes())
    return own.hexdigest()


def continued(
    journal: Journal | None,
    run: str,
    ensemble: int,
    space: Space,
    state: hmc.State,
    rng: np.random.Generator,
    *,
    num_steps: int,
    adapt: bool,
    target: float,
    check: Callable[[], object],
) -> Iterator[tuple[hmc.State, hmc.Draws]]:
    """Yield the state and the draws after each block, as :func:`~simulacra.inference.sampling.hmc.run` does.

    The blocks that the journal has come first, then those that are missing, which it is given to keep.
    """
    entry = None if journal is None else journal.recall(run, ensemble, state)
    if entry is not None:
        state, rng, num_blocks, blocks = entry
        for draws in blocks:
            yield state, draws
        num_steps -= num_blocks * hmc.BLOCK
    for moved, draws in hmc.run(space, state, rng, num_steps=num_steps, adapt=adapt, target=target, check=check):
        if journal is not None:
            journal.record(run, ensemble, moved, rng, draws)
        yield moved, draws
