"""Processes that are killed at random moments, and writers that finish at the same time: no result may be lost.

Run with ``python -m benchmarks.fuzz.kills RESULT LOG [--moments 30] [--commands 30] [--rounds 200]``; ``RESULT`` is the
output folder of a fit, which is copied, and ``LOG`` what ``simulacra fit`` reads. Killed are a process that only writes
result folders, ``simulacra fit`` and ``simulacra report``. After every kill, the folder must hold the old or the new
result, whole. Then two writers at a time write into one folder: every result must be in the folder that its
writer names, or have been replaced by a writer that had seen it.
"""

import argparse
import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from simulacra.cli.folder import reserve_folder, write_result_folder
from simulacra.inference import Result

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_COMMAND = (sys.executable, "-m", "simulacra.cli.app")


def in_child(work: Callable[[], object]) -> int:
    """Do work in a copy of this process; returns its id."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def write(result: Result, out: Path, name: str) -> Path:
    """Write a result folder that says who wrote it; returns where it is."""
    page = "x" * 100_000
    return write_result_folder(
        reserve_folder(out), result, {}, {"by": name}, lambda folder: (folder / "report.html").write_text(page)
    )[0].parent


def kill_writer(result: Result, out: Path, number: signal.Signals, delay: float) -> None:
    """Kill a process that writes again and again."""

    def forever() -> None:
        while True:
            write(result, out, "killed")

    child = in_child(forever)
    time.sleep(delay)
    os.kill(child, number)
    os.waitpid(child, 0)


def kill_command(command: Sequence[str], number: signal.Signals, delay: float) -> None:
    """Kill a command, unless it ends before."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        process.send_signal(number)


def state(out: Path) -> str:
    """Whether the folder holds a whole result."""
    try:
        Result.load(out)
    except ValueError as error:
        return f"LOST: {error}"
    return "whole"


def kill_often(name: str, out: Path, most: float, moments: int, kill: Callable[[signal.Signals, float], None]) -> None:
    """Kill at random moments with every signal, and print what became of the folder."""
    rng = random.Random(0)
    for number in _SIGNALS:
        ends: collections.Counter[str] = collections.Counter()
        for _ in range(moments):
            kill(number, rng.uniform(0, most))
            ends[state(out)] += 1
        left = sum(path.name.startswith(".simulacra-") for path in out.parent.iterdir())
        print(f"{name}, {number.name} within {most:.1f} s: {dict(ends)}; temporary folders: {left}", flush=True)


def race(result: Result, folder: Path, rounds: int) -> dict[str, int]:
    """Two writers into one folder, as often as ``rounds`` each."""
    out = folder / "out"

    def work(name: str) -> None:
        with (folder / f"{name}.txt").open("w") as said:
            for number in range(rounds):
                said.write(f"{write(result, out, f'{name}{number}.')}\t{name}{number}.\n")

    children = [in_child(lambda name=name: work(name)) for name in "ab"]
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    said = [line.split("\t") for name in "ab" for line in (folder / f"{name}.txt").read_text().splitlines()]
    aside = [(Path(place), name) for place, name in said if Path(place) != out]
    lost = sum(name not in (place / "summary.json").read_text() for place, name in aside)
    return {"written": len(said), "of these next to the folder": len(aside), "LOST": lost, "WRITERS FAILED": failed}


def main() -> None:
    """Kill, race, and print what became of the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("--moments", type=int, default=30)
    parser.add_argument("--commands", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    result, log = Result.load(arguments.result), arguments.log.resolve()
    with tempfile.TemporaryDirectory() as place:
        print(f"two writers: {race(result, Path(place).resolve(), arguments.rounds)}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        out = Path(place).resolve() / "out"
        shutil.copytree(arguments.result, out)
        kill_often("writing", out, 1.0, arguments.moments, lambda *how: kill_writer(result, out, *how))
        for words in (("fit", str(log), "--out", str(out), "--num-samples", "200"), ("report", str(out))):
            command, start = (*_COMMAND, *words, "--quiet"), time.perf_counter()
            subprocess.run(command, capture_output=True, check=False)
            most = time.perf_counter() - start
            kill_often(
                f"simulacra {words[0]}", out, most, arguments.commands, lambda *how, c=command: kill_command(c, *how)
            )


if __name__ == "__main__":
    main()
