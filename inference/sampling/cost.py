"""What sampling will cost, known before the chains run: seconds from the time of a gradient, memory from sizes.

The number of gradients in an iteration varies little between posteriors, because their coordinates are preconditioned:
14 to 23 on the logs that were tried. Their time depends on the log and on the machine, so it is measured.
"""

import os
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from simulacra.inference.sampling import hmc
from simulacra.inference.sampling.device import described
from simulacra.inference.sampling.space import Space
from simulacra.inference.sampling.trajectory import mover

__all__ = ["Cost", "expected_cost"]

_GRADIENTS = 20
"""Gradients in an iteration."""

_STEP = 0.1
"""Size of the steps that are measured, short enough for all posteriors."""

_AFTERWARDS = 1.25
"""Seconds of a fit for every second of its chains: the preconditioner, what is derived from draws, and the checks."""

_TIMINGS = 3
"""Their median is not that of the first, in which a program is compiled."""

_BYTES_AT_LEAST, _BYTES_OF_CELL, _BYTES_OF_LATENT = 5e8, 24, 8
"""Largest memory of a process: without draws, for every draw and cell, and for every draw, cell and coordinate."""

_BYTES_OF_TEXT = 8 * 30
"""For every text and persona: the density ratios at the draws of the calibration that are kept."""


class Cost(NamedTuple):
    """Expected cost of sampling.

    Attributes:
        seconds: wall time, within a factor of about two.
        memory: largest memory of the process, bytes; most of it draws and what is derived from them.
        device: the device on which trajectories are computed: ``"cpu"``, or the name of a GPU.
    """

    seconds: float
    memory: float
    device: str


def expected_cost(space: Space, states: Sequence[hmc.State], *, num_iterations: int, num_draws: int) -> Cost:
    """Measure a trajectory of one ensemble of chains, and multiply.

    Args:
        space: the whitened posterior.
        states: states of the ensembles of chains, which run on different cores.
        num_iterations: iterations of every chain, warm-up included.
        num_draws: draws of all chains that are kept.
    """
    timings, move, first = [], mover(space), states[0]
    for _ in range(_TIMINGS):
        begun = time.perf_counter()
        with np.errstate(all="ignore"):  # as where chains run
            move(first.whitened, np.zeros_like(first.whitened), first.gradient, _STEP, _GRADIENTS)
        timings.append(time.perf_counter() - begun)
    rounds = -(-len(states) // (os.cpu_count() or 1))
    problem = space.density.problem
    each = _BYTES_OF_CELL + _BYTES_OF_LATENT * (problem.num_personas - 1)
    rows = 0 if problem.texts is None else len(problem.texts.cell)
    return Cost(
        seconds=_AFTERWARDS * num_iterations * rounds * statistics.median(timings),
        memory=_BYTES_AT_LEAST + each * num_draws * len(problem.own) + _BYTES_OF_TEXT * rows * problem.num_personas,
        device=described(space.device),
    )
