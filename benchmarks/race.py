"""Run contestants in separate processes, first with empty and then with filled compilation caches."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestant import STARTED

__all__ = ["Entry", "run_entry", "warm_up_disk"]


class Entry(NamedTuple):
    """A contestant with its settings.

    Attributes:
        name: module in ``benchmarks.contestants``.
        warmup: warm-up iterations, or None for the default of the contestant.
        draws: draws per chain, or None for the default of the contestant.
    """

    name: str
    warmup: int | None = None
    draws: int | None = None


def run_entry(
    entry: Entry, folder: Path, *, personas: int, seed: int, limit: float, warm: bool = True
) -> dict[str, dict]:
    """Run one contestant cold and, if ``warm``, again.

    Returns:
        Reports ``{"cold": …, "warm": …}``. The report of a run that did not finish contains ``"failed"`` instead of
        results; if the cold run did not finish, there is no warm run.
    """
    with tempfile.TemporaryDirectory() as cache:
        reports = {}
        for temperature in ("cold", "warm")[: 1 + warm]:
            report = _run_once(entry, folder, Path(cache), personas=personas, seed=seed, limit=limit)
            reports[temperature] = {**report, "load": os.getloadavg()[0]}
            if "failed" in report:
                break
        return reports


def _run_once(entry: Entry, folder: Path, cache: Path, *, personas: int, seed: int, limit: float) -> dict:
    out = cache / "report.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"benchmarks.contestants.{entry.name}"]
    given = {"folder": folder, "personas": personas, "seed": seed, "cache": cache, "out": out}
    given |= {name: value for name, value in entry._asdict().items() if name != "name" and value is not None}
    for name, value in given.items():
        command += [f"--{name}", str(value)]
    environment = {**_inherited(), **_caches(cache), STARTED: repr(time.time())}
    try:
        done = subprocess.run(command, env=environment, timeout=limit, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"did not finish in {limit:g} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return {"failed": last}
    return json.loads(out.read_text())


def _inherited() -> dict[str, str]:
    """The environment, in which Python may keep byte code: else every process would compile all of its libraries."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _caches(cache: Path) -> dict[str, str]:
    """Environment variables that set the cache folders of the libraries."""
    return {
        "SIMULACRA_CACHE_DIR": str(cache / "simulacra"),
        "PYTENSOR_FLAGS": f"base_compiledir={cache / 'pytensor'}",
        "NUMBA_CACHE_DIR": str(cache / "numba"),
    }


def warm_up_disk(names: list[str]) -> None:
    """Import the libraries of the contestants, so that byte-compiling and reading from disk do not affect timings."""
    libraries = {
        "ours": "benchmarks.logs, simulacra.inference",
        "nuts": "benchmarks.logs, simulacra.inference",
        "rowwise": "numpyro.infer",
        "pymc": "pymc, nutpie",
        "lowrank": "pymc, nutpie",
        "blackjax": "blackjax, numpyro.infer",
        "stepmix": "stepmix",
    }
    for name in names:
        command = [sys.executable, "-c", f"import {libraries[name]}"]
        subprocess.run(command, check=True, capture_output=True, env=_inherited())
