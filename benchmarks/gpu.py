"""The same fits on a GPU and on the processor of its machine: trajectories of all chains, and whole fits.

    python -m benchmarks.gpu [--sizes 3:14x8,3:30x50,3:100x50,3:300x50,5:14x8,5:30x50,5:100x50,5:300x50]
        [--fits 3:14x8,...] [--devices cpu,gpu] [--completions 50] [--json out.json]

Sizes are personas, conditions and questions; data are those of ``benchmarks.growth``. A trajectory is that of four
chains with 20 steps, run as ``fit`` runs it: on the processor in one or two threads, on a GPU as one program, whose
compilation is timed separately. Every fit of ``--fits`` (default: all sizes) has a process of its own, with an empty
compilation cache; its times include imports, reading and all checks. Without a GPU, ``--devices cpu`` times the
processor alone.
"""

import argparse
import concurrent.futures
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.logs import bench_model, bench_truth
from benchmarks.machine import describe_machine
from benchmarks.race import Entry, run_entry, warm_up_disk
from benchmarks.tables import show_devices
from simulacra.data import CompletionLog, simulate_log
from simulacra.formalism.parameters import Parameters
from simulacra.inference.prepare import prepare
from simulacra.inference.sampling import ensembles
from simulacra.inference.sampling.collapsed import CollapsedDensity
from simulacra.inference.sampling.problem import make_problem, natural_chart, unconstrain
from simulacra.inference.sampling.space import Space
from simulacra.inference.sampling.trajectory import mover

__all__ = ["main"]

_SIZES = ",".join(f"{personas}:{shape}" for personas in (3, 5) for shape in ("14x8", "30x50", "100x50", "300x50"))
_CHAINS, _STEPS, _REPEATS = 4, 20, 7
_STEP = 0.01
"""Short, because chains do not start where the posterior is; the time does not depend on it."""
_LIMIT = 1800.0  # seconds


class Size(NamedTuple):
    """Numbers of personas, conditions and questions."""

    personas: int
    conditions: int
    questions: int

    @classmethod
    def of(cls, text: str) -> "Size":
        """The size that ``3:14x8`` stands for."""
        personas, shape = text.split(":")
        return cls(int(personas), *map(int, shape.split("x")))


def main() -> None:
    """Time every size on every device, print the table and write the JSON file."""
    arguments = _arguments()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # fits, in other processes, need memory as well
    record: dict = {"machine": describe_machine(), "device": None, "completions": arguments.completions, "runs": []}
    if "gpu" in arguments.devices:
        record["device"] = jax.devices("gpu")[0].device_kind
    warm_up_disk(["ours"])
    for size in dict.fromkeys([*arguments.sizes, *arguments.fits]):
        log = _log(size, arguments.completions)
        run: dict = {**size._asdict(), "rows": len(log)}
        if size in arguments.sizes:
            run |= _trajectories(size, log, arguments.devices)
        if size in arguments.fits:
            run["fits"] = {device: _fit(size, log, device) for device in arguments.devices}
        record["runs"].append(run)
        print(run, file=sys.stderr, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(record, indent=1))
    show_devices(record["runs"], arguments.devices)


def _log(size: Size, completions: int) -> CompletionLog:
    model = bench_model(size.personas)
    truth = bench_truth(model, size.questions, conditions=size.conditions)
    return simulate_log(model, truth, completions, seed=0)


def _space(size: Size, log: CompletionLog) -> Space:
    """The posterior at the archetypes, with half of the latents' variance non-centred."""
    prepared = prepare(bench_model(size.personas), log)
    problem = make_problem(prepared.model, prepared.design, prepared.patterns, prepared.counts)
    chart = natural_chart(problem, [np.full(table.shape, 30.0) for table in problem.prior.concentrations])
    chart = chart._replace(noncentring=np.full_like(chart.noncentring, 0.5))
    emissions = tuple(table / table.sum(axis=1, keepdims=True) for table in prepared.model.concentrations)
    latents = np.zeros((len(prepared.design.latents), size.personas - 1))
    centre = unconstrain(problem, chart, Parameters(emissions, latents, np.exp(prepared.design.scale_location)))
    density = CollapsedDensity(problem, chart)
    return Space(density, centre, density.arrow(centre[None]))


def _trajectories(size: Size, log: CompletionLog, devices: list[str]) -> dict:
    """Dimension of the posterior, and milliseconds of one gradient of all chains in a trajectory on every device."""
    with threadpool_limits(limits=1, user_api="blas"):
        space = _space(size, log)
        timed = {}
        for device in devices:
            here = space._replace(device=jax.devices("gpu")[0] if device == "gpu" else None)
            timed[device] = _timed(here)
    return {"dimension": len(space.centre), "cells": len(space.density.problem.own), "gradient": timed}


def _timed(space: Space) -> dict[str, float]:
    """Seconds of the first trajectory, and median wall and processor milliseconds of a gradient in the others."""
    rng = np.random.default_rng(0)
    states = ensembles.begin(space, 0.1 * rng.standard_normal((_CHAINS, len(space.centre))), [_STEP])
    move, wall, processor = mover(space), [], []
    with concurrent.futures.ThreadPoolExecutor(len(states)) as pool:
        for _ in range(1 + _REPEATS):
            momenta = [rng.standard_normal(state.whitened.shape) for state in states]
            began = time.perf_counter(), time.process_time()
            list(pool.map(lambda state, own: move(state.whitened, own, state.gradient, _STEP, _STEPS), states, momenta))
            wall.append(time.perf_counter() - began[0])
            processor.append(time.process_time() - began[1])
    wall_ms, processor_ms = (1e3 * statistics.median(spent[1:]) / _STEPS for spent in (wall, processor))
    return {"first_s": wall[0], "wall_ms": wall_ms, "processor_ms": processor_ms}


def _fit(size: Size, log: CompletionLog, device: str) -> dict:
    """The report of a fit in a process of its own; that of the processor sees no GPU."""
    before = os.environ.get("JAX_PLATFORMS")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        columns = ["condition", "question_id", "completion", *bench_model(size.personas).measurements]
        log.table[columns].to_parquet(folder / "log.parquet", index=False)
        try:
            if device == "cpu":
                os.environ["JAX_PLATFORMS"] = "cpu"
            entry = Entry("ours" if device == "cpu" else "gpu")
            return run_entry(entry, folder, personas=size.personas, seed=0, limit=_LIMIT, warm=False)["cold"]
        finally:
            os.environ.pop("JAX_PLATFORMS", None)
            os.environ.update({} if before is None else {"JAX_PLATFORMS": before})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_sizes, default=_sizes(_SIZES), help="of the trajectories; empty for none")
    parser.add_argument("--fits", type=_sizes, help="sizes of the fits; empty for none")
    parser.add_argument("--devices", type=lambda text: text.split(","), default=["cpu", "gpu"])
    parser.add_argument("--completions", type=int, default=50, help="per condition and question")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.fits = arguments.sizes if arguments.fits is None else arguments.fits
    return arguments


def _sizes(text: str) -> list[Size]:
    return [Size.of(part) for part in text.split(",") if part]


if __name__ == "__main__":
    main()
