"""A contestant: a process that is given a folder with the log, samples, and writes a report as JSON.

The clock starts when the process is started, so the interpreter, imports and compilation are included. It stops when
the weights of every condition are available with ESS and R-hat.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.quality import Draws, measure

__all__ = ["STARTED", "Clock", "Task", "load_arrays", "peak_rss_mb", "run_contestant"]

STARTED = "BENCHMARK_STARTED"
"""Environment variable with the time at which the process was started, in seconds since the epoch."""


class Task(NamedTuple):
    """The task of a contestant.

    Attributes:
        folder: folder with ``log.parquet`` and ``arrays.npz``.
        personas: number of personas, K.
        seed: random seed of the sampler.
        warmup: warm-up iterations, or None for the default of the contestant.
        draws: draws per chain, or bootstrap repetitions; None for the default of the contestant.
        cache: folder for compiled programs, empty in cold runs.
    """

    folder: Path
    personas: int
    seed: int
    warmup: int | None
    draws: int | None
    cache: Path


class Clock:
    """Wall seconds since the process was started, and processor seconds of all its threads, by phase."""

    def __init__(self) -> None:
        self.start = float(os.environ.get(STARTED, time.time()))
        self.phases: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def mark(self, phase: str) -> None:
        """Record that a phase has ended."""
        self.phases[phase] = time.time() - self.start
        self.cpu[phase] = time.process_time()


def load_arrays(task: Task) -> dict[str, np.ndarray]:
    """The log as arrays."""
    with np.load(task.folder / "arrays.npz") as stored:
        return dict(stored)


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, in MiB.

    On Linux it is read from ``/proc``, because ``getrusage`` includes the memory of the parent process there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return (
            next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 2**10
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def run_contestant(contestant: Callable[[Task, Clock], tuple[Draws | None, dict]]) -> None:
    """Read the task from the command line, run a contestant, write its report.

    Args:
        contestant: returns draws (or None if it does not sample from a posterior) and notes for the report. It may mark
            ``"checked"`` if its result includes diagnostics; otherwise these are computed while the clock runs.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--personas", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warmup", type=int)
    parser.add_argument("--draws", type=int)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    clock = Clock()
    draws, notes = contestant(Task(**arguments), clock)
    quality = measure(draws) if draws is not None else None
    if "checked" not in clock.phases:
        clock.mark("checked")
    report = {
        "wall": clock.phases["checked"],
        "phases": clock.phases,
        "cpu": clock.cpu["checked"],
        "peak_rss_mb": peak_rss_mb(),
        "quality": quality._asdict() if quality else None,
        "notes": notes,
    }
    out.write_text(json.dumps(report))
