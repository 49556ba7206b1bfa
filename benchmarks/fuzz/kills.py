"""Processes that are killed at random moments, and writers that finish at the same time: no result may be lost.

Run with ``python -m benchmarks.fuzz.kills RESULT LOG [--score WORDS] [--moments 30] [--rounds 200] [--seed 0]``.
``RESULT`` is the output folder of a fit, which is copied, ``LOG`` the words of ``simulacra fit`` and ``WORDS`` those of
``simulacra score``, both without ``--out``. Killed are a process that only writes result folders, ``simulacra fit
--checkpoint``, ``simulacra report`` and ``simulacra score``. After every kill, what was to be written must be whole,
old or new. The command is then started again, and so on; one that ends by itself must have written what an
uninterrupted one writes. Finally two writers at a time write into one folder: every result must be in the folder that
its writer names, or have been replaced by a writer that had seen it.

A command is killed after two thirds of its time on average: thirty moments of a fit of 20 s take seven minutes. Moments
of several runs with ``--only fit --signals SIGINT --moments 10 --seed 1``, and so on, count as those of one.
"""

import argparse
import collections
import contextlib
import functools
import json
import math
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from simulacra.cli.folder import reserve_folder, write_result_folder
from simulacra.inference import Result

_SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
_RANDOM = random.Random(0)
_UNTIL = [math.inf]
_COMMAND = (
    sys.executable,
    "-c",
    "import sys\n"
    "from simulacra.cli.__main__ import main\n"
    "if sys.argv[1] == 'fit':\n"
    "    try:\n"
    "        from simulacra.inference import chain_store\n"
    "    except KeyboardInterrupt:\n"
    "        sys.exit(130)\n"
    "    chain_store._INTERVAL = 0.2  # these fits are short\n"
    "main()",
)


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


def write(result: Result, out: Path, name: str) -> tuple[Path, str]:
    """Write a result folder that says who wrote it; returns where it is, and who had written what it may replace."""
    page = "x" * 100_000
    reserved, replaced = reserve_folder(out), writer_of(out)
    written = write_result_folder(
        reserved, result, {}, {"by": name}, lambda folder: (folder / "report.html").write_text(page)
    )
    return written[0].parent, replaced


def writer_of(out: Path) -> str:
    """Who wrote a result folder; empty if it does not exist."""
    try:
        return json.loads((out / "summary.json").read_text())["by"]
    except FileNotFoundError:
        return ""


def kill_writer(result: Result, out: Path, number: signal.Signals, delay: float) -> str:
    """Kill a process that writes again and again; returns what became of the folder."""

    def forever() -> None:
        while True:
            write(result, out, "killed")

    child = in_child(forever)
    time.sleep(delay)
    os.kill(child, number)
    os.waitpid(child, 0)
    return state(out)


class Ended(NamedTuple):
    """How a command ended: its exit status, how long a signal took to end it, and what it said."""

    code: int
    took: float
    said: str

    @property
    def itself(self) -> bool:
        """Whether it ran to its end."""
        return self.code in (0, 3)


def kill_command(words: Sequence[str], number: signal.Signals, delay: float) -> Ended:
    """Kill a command, unless it ends before."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen((*_COMMAND, *words), **pipes) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            said = process.communicate(timeout=delay)[1]
            return Ended(process.returncode, 0.0, said)
        process.send_signal(number)
        sent = time.perf_counter()
        said = process.communicate()[1]
        return Ended(process.returncode, time.perf_counter() - sent, said)


def kill_until_it_ends(
    words: Sequence[str], check: Callable[[], str], same: Callable[[], bool], number: signal.Signals, delay: float
) -> str:
    """Kill a command once; returns what was found, and whether it is right if the command ended by itself."""
    ended = kill_command(words, number, delay)
    found = check()
    if not ended.itself and ended.code not in (-number, 128 + number):
        found += f", FAILED with {ended.code}: {ended.said[-300:]}"
    if number == signal.SIGINT and not ended.itself:
        found += ", with a traceback" if "Traceback" in ended.said else f", in {math.ceil(ended.took)} s"
    if ended.itself:
        resumed = "resumed and " if "Resuming from" in ended.said else ""
        found += f", {resumed}ended with the {'same' if same() else 'DIFFERENT'} result"
    return found


def state(out: Path) -> str:
    """Whether the folder holds a whole result."""
    try:
        Result.load(out)
    except ValueError as error:
        return f"LOST: {error}"
    page = out / "report.html"
    return "whole" if not page.exists() or page.read_text().rstrip().endswith(("</html>", "x")) else "HALF A REPORT"


def same_draws(out: Path, draws: xr.DataTree) -> bool:
    """Whether all arrays of a result are those of another."""
    found = Result.load(out).tree
    return all(found[name].to_dataset().equals(own.to_dataset()) for name, own in draws.children.items())


def kill_often(
    name: str, folder: Path, most: float, moments: int, kill: Callable[[signal.Signals, float], str]
) -> None:
    """Kill at random moments with every signal, and print what was found."""
    for number in _SIGNALS:
        found = collections.Counter[str]()
        for _ in range(moments):
            if time.monotonic() < _UNTIL[0]:
                found[kill(number, _RANDOM.uniform(0, most))] += 1
        left = sum(path.name.startswith(".simulacra-") for path in folder.rglob("*"))
        print(f"{name}, {number.name} within {most:.1f} s: {dict(found)}; temporary folders: {left}", flush=True)


def timed(words: Sequence[str]) -> float:
    """Seconds that a command takes if nobody kills it."""
    start = time.perf_counter()
    ended = subprocess.run((*_COMMAND, *words), capture_output=True, check=False, text=True)
    if ended.returncode not in (0, 3):
        raise SystemExit(ended.stderr)
    return time.perf_counter() - start


def race(result: Result, folder: Path, rounds: int) -> dict[str, int]:
    """Two writers into one folder, as often as ``rounds`` each.

    Results in the folder are a chain: none may be replaced twice, and only the last is not replaced.
    """
    out = folder / "out"

    def work(name: str) -> None:
        with (folder / f"{name}.txt").open("w") as said:
            for number in range(rounds):
                place, replaced = write(result, out, f"{name}{number}.")
                said.write(f"{place}\t{name}{number}.\t{replaced}\n")

    children = [in_child(lambda name=name: work(name)) for name in "ab"]
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    said = [line.split("\t") for name in "ab" for line in (folder / f"{name}.txt").read_text().splitlines()]
    aside = [(Path(place), name) for place, name, _ in said if Path(place) != out]
    chain = [(name, replaced) for place, name, replaced in said if Path(place) == out]
    unseen = len(chain) - len({replaced for _, replaced in chain})
    ends = {name for name, _ in chain} - {replaced for _, replaced in chain}
    lost = unseen + (ends != {writer_of(out)}) + sum(name != writer_of(place) for place, name in aside)
    return {"written": len(said), "of these next to the folder": len(aside), "LOST": lost, "WRITERS FAILED": failed}


def kill_writers(result: Path, moments: int, folder: Path) -> None:
    """Kill a process that only writes."""
    shutil.copytree(result, folder / "out")
    kill_often("writing", folder, 1.0, moments, functools.partial(kill_writer, Result.load(result), folder / "out"))


def kill_fits(log: str, moments: int, folder: Path) -> None:
    """Kill ``simulacra fit``; every fit that ends has the draws of the first."""
    out = folder / "out"
    words = ("fit", *shlex.split(log), "--out", str(out), "--checkpoint")
    timed(words)  # the programs that it compiles are kept on disk
    most = 1.2 * timed(words)  # so that some end, after having been killed
    same = functools.partial(same_draws, out, Result.load(out).tree)
    kill = functools.partial(kill_until_it_ends, words, functools.partial(state, out), same)
    kill_often("fit", folder, most, moments, kill)


def kill_reports(result: Path, moments: int, folder: Path) -> None:
    """Kill ``simulacra report``; every page that is found is whole."""
    out = folder / "out"
    shutil.copytree(result, out)
    words = ("report", str(out))
    most = timed(words)
    page = (out / "report.html").read_bytes()

    def same() -> bool:
        return (out / "report.html").read_bytes() == page

    kill = functools.partial(kill_until_it_ends, words, functools.partial(state, out), same)
    kill_often("report", folder, most, moments, kill)


def kill_scores(given: str, moments: int, folder: Path) -> None:
    """Kill ``simulacra score``; every file that is found has the bytes of the first."""
    out = folder / "scored.parquet"
    words = ("score", *shlex.split(given), "--out", str(out))
    most = timed(words)
    scored = out.read_bytes()

    def check() -> str:
        return "whole" if not out.exists() or out.read_bytes() == scored else "HALF A FILE"

    def kill(number: signal.Signals, delay: float) -> str:
        out.unlink(missing_ok=True)  # a file that is there is not made again
        return kill_until_it_ends(words, check, out.exists, number, delay)

    kill_often("score", folder, most, moments, kill)


def main() -> None:
    """Kill, race, and print what became of the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("log", metavar="LOG")
    parser.add_argument("--score")
    parser.add_argument("--moments", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=math.inf, help="nothing more is killed after this time")
    parser.add_argument("--only", nargs="+", choices=["writing", "fit", "report", "score", "race"])
    parser.add_argument("--signals", nargs="+", choices=[number.name for number in _SIGNALS])
    arguments = parser.parse_args()
    _RANDOM.seed(arguments.seed)
    _UNTIL[0] = time.monotonic() + arguments.seconds
    if arguments.signals:
        _SIGNALS[:] = [signal.Signals[name] for name in arguments.signals]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background processes ignore it
    warnings.simplefilter("ignore")
    result, moments = arguments.result, arguments.moments
    steps: dict[str, Callable[[Path], object]] = {
        "writing": functools.partial(kill_writers, result, moments),
        "fit": functools.partial(kill_fits, arguments.log, moments),
        "report": functools.partial(kill_reports, result, moments),
        "race": lambda folder: print(f"two writers: {race(Result.load(result), folder, arguments.rounds)}", flush=True),
    }
    if arguments.score:
        steps["score"] = functools.partial(kill_scores, arguments.score, moments)
    for name, step in steps.items():
        if not arguments.only or name in arguments.only:
            with tempfile.TemporaryDirectory() as place:
                step(Path(place).resolve())


if __name__ == "__main__":
    main()
