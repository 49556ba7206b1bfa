"""Damaged log files: what the readers say about very many of them, in which time and memory.

Run with ``python -m benchmarks.fuzz.readers [FORMAT ...] [--inputs 100000] [--whole 0.05] [--seed 0] [--keep FOLDER]``.
Bytes of small files of every format are changed, removed, repeated or replaced by what parsers trip over, up to 1 MiB.
Each must be parsed or refused with an ``InputError``, in 2 processor seconds; the part ``--whole`` of them is also
interpreted, described and counted, and scanned if the format can be scanned, with the same counts or refusal.
"""

import argparse
import collections
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from tests.data.mutants import FORMATS, mutant, parsed, read_whole

_SECONDS = 2.0
_ROOM = 4 << 30  # of addresses, some of which Arrow reserves; the memory in use is printed


class Hang(BaseException):
    """An input that took too long; no reader catches it."""


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang(f"signal {number} after {_SECONDS} s")


def end_of(read: Callable[[Path], str], path: Path) -> str:
    """How a reading ends: what it returns, or where it failed."""
    try:
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        try:
            return read(path)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except (Exception, Hang) as error:
        places = [place for place in traceback.extract_tb(error.__traceback__) if "simulacra" in place.filename]
        where = f"{Path(places[-1].filename).name}:{places[-1].lineno}" if places else "?"
        return f"FAULT {type(error).__name__} at {where}: {str(error)[:120]}"


def attack(kind: str, inputs: int, whole: float, seed: int, keep: Path | None) -> None:
    """Read damaged files of one format, and print how it ended."""
    rng, ends, longest = random.Random(f"{kind} {seed}"), collections.Counter[str](), 0.0
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        for number in range(inputs):
            source, both = mutant(kind, rng), rng.random() < whole
            for read in (parsed, read_whole) if both else (parsed,):
                path = source.write(Path(place))
                began = time.process_time()
                end = end_of(read, path)
                longest = max(longest, time.process_time() - began)
                ends[f"{read.__name__}: {end}"] += 1
                if end.startswith("FAULT") and keep is not None and ends[f"{read.__name__}: {end}"] == 1:
                    shutil.copytree(place, keep / f"{kind}-{seed}-{number}", dirs_exist_ok=True)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    took = time.perf_counter() - start
    print(
        f"{kind}, seed {seed}: {inputs} inputs in {took:.0f} s, at most {longest:.2f} s each, {memory:.2f} GB in all",
        *(f"    {count:7d}  {end}" for end, count in ends.most_common()),
        sep="\n",
        flush=True,
    )


def main() -> None:
    """Attack the readers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=list(FORMATS), metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--whole", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the first input of every fault")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, _hang)
    for kind in arguments.formats:
        mutant(kind, random.Random(0))  # loads the libraries
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM, resource.RLIM_INFINITY))
        attack(kind, arguments.inputs, arguments.whole, arguments.seed, arguments.keep)


if __name__ == "__main__":
    main()
