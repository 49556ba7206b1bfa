"""Time of one fit by stage: imports, reading, rates, EM, mode, curvature, sampling, assembling the draws, checks.

    python -m benchmarks.stages LOG.parquet --personas 3 --cache FOLDER

Run it twice with the same cache folder: the first run includes compilation, the second only tracing and loading. Wall
and processor seconds of a stage exclude those of the stages inside it. JAX's seconds of tracing, lowering, compiling
and loading from the cache are part of the stages and also reported separately.
"""

import argparse
import functools
import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["Stages", "main"]

_WATCHED = (
    "simulacra.inference.fit:prepare",
    "simulacra.inference.fit:fit_rates",
    "simulacra.inference.sampling.sample:em_starts",
    "simulacra.inference.sampling.sample:_density_at_mode",
    "simulacra.inference.sampling.laplace:find_mode",
    "simulacra.inference.sampling.collapsed:CollapsedDensity.arrow",
    "simulacra.inference.sampling.sample:_warm_up",
    "simulacra.inference.sampling.sample:_sample_hmc",
    "simulacra.inference.sampling.sample:constrain",
    "simulacra.inference.fit:relabel",
    "simulacra.inference.fit:build_tree",
    "simulacra.inference.posterior:_posterior_predictive",
    "simulacra.inference.fit:convergence",
    "simulacra.inference.fit:check_sampling",
    "simulacra.inference.fit:misfit",
)


class Stages:
    """Seconds by stage; the time of a stage inside another is subtracted from the outer one."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._open: list[list[float]] = []

    def timed(self, name: str, function: Callable) -> Callable:
        """The function, with its time recorded under a name."""

        @functools.wraps(function)
        def inner(*args, **kwargs):
            self._open.append([0.0, 0.0])
            began = time.perf_counter(), time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - began[0], time.process_time() - began[1]
                nested = self._open.pop()
                for table, whole, within in zip((self.wall, self.cpu), spent, nested, strict=True):
                    table[name] = table.get(name, 0.0) + whole - within
                if self._open:
                    self._open[-1] = [before + now for before, now in zip(self._open[-1], spent, strict=True)]

        return inner

    def watch(self, path: str) -> None:
        """Time a function in the module that calls it, ``module:name``; names that no longer exist are skipped."""
        module_name, _, names = path.partition(":")
        *outer, name = names.split(".")
        owner = functools.reduce(getattr, outer, importlib.import_module(module_name))
        if hasattr(owner, name):
            title = path.removeprefix("simulacra.").replace(":", ".")
            setattr(owner, name, self.timed(title, getattr(owner, name)))


def _watch_jax(seconds: dict[str, float]) -> None:
    import jax

    def listen(event: str, duration: float, **_: object) -> None:
        if event.startswith(("/jax/core/compile", "/jax/compilation_cache")):
            name = event.rsplit("/", 1)[1]
            seconds[name] = seconds.get(name, 0.0) + duration

    jax.monitoring.register_event_duration_secs_listener(listen)


def _run(log: Path, personas: int, stages: Stages, seconds: dict[str, float]) -> None:
    """Import, read and fit, each as a stage."""

    def load() -> None:
        for name in ("benchmarks.logs", "simulacra.inference"):
            importlib.import_module(name)

    stages.timed("imports", load)()
    from benchmarks.logs import bench_model, read_log
    from simulacra.inference import fit

    for path in _WATCHED:
        stages.watch(path)
    _watch_jax(seconds)
    read = stages.timed("read_completions", read_log)(log)
    stages.timed("rest of the fit", fit)(bench_model(personas), read, progress_bar=False)


def main() -> None:
    """Fit once and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--personas", type=int, choices=(3, 5), default=3)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    os.environ["SIMULACRA_CACHE_DIR"] = str(arguments.cache)
    stages, seconds = Stages(), {}
    _run(arguments.log, arguments.personas, stages, seconds)
    table = Table(title="Time by stage")
    for column in ("stage", "wall s", "processor s"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for name, wall in stages.wall.items():
        table.add_row(name, f"{wall:.2f}", f"{stages.cpu[name]:.2f}")
    table.add_section()
    table.add_row("sum", f"{sum(stages.wall.values()):.2f}", f"{sum(stages.cpu.values()):.2f}")
    table.add_section()
    for name, spent in sorted(seconds.items()):
        table.add_row(f"of which JAX: {name}", f"{spent:.2f}", "")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
