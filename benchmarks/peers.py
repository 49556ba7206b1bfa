"""Comparison of the package with alternatives on one simulated log.

    python -m benchmarks.peers [--personas 3|5] [--seeds 5] [--peers ours,pymc] [--quick] [--json out.json]

Every contestant runs in a separate process, cold (empty compilation caches) and warm (a second process with filled
caches), for every seed. Wall time is measured from the start of the process to weights with ESS and R-hat. Slow
contestants run for the first seed only. A peer that fails the thresholds (R-hat <= 1.01, ESS >= 400, no divergences)
with its default settings is run again with more draws, on the first seed, until it passes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.race import Entry, run_entry, warm_up_disk
from benchmarks.tables import show_peers

__all__ = ["main"]

CONTESTANTS = ("ours", "nuts", "pymc", "lowrank", "blackjax", "rowwise", "stepmix")
SLOW = ("lowrank", "blackjax", "rowwise", "stepmix")
LONGER = {
    "ours": (2000, 4000),
    "nuts": (2000,),
    "pymc": (2000, 4000, 8000),
    "lowrank": (2000, 4000),
    "blackjax": (2000,),
    "rowwise": (2000,),
}
"""Draws per chain that are tried if the default fails the thresholds."""

_QUICK = {
    "ours": (200, 200),
    "nuts": (200, 100),
    "pymc": (100, 100),
    "lowrank": (100, 100),
    "blackjax": (100, 100),
    "rowwise": (20, 20),
    "stepmix": (None, 2),
}


def main() -> None:
    """Run the contestants and print ratios."""
    arguments = _arguments()
    entries = [Entry(name, *(_QUICK[name] if arguments.quick else ())) for name in arguments.peers]
    warm_up_disk(arguments.peers)
    record = {"personas": arguments.personas, "quick": arguments.quick, "machine": describe_machine(), "runs": []}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.logs", folder, "--personas", str(arguments.personas)]
        subprocess.run(command + ["--quick"] * arguments.quick, check=True)
        for run in _races(entries, Path(folder), arguments):
            record["runs"].append(run)
            if arguments.json:  # after every run, so that nothing is lost if a long comparison is stopped
                arguments.json.write_text(json.dumps(record, indent=1))
    show_peers(record["runs"], personas=arguments.personas)


def _races(entries: list[Entry], folder: Path, arguments: argparse.Namespace) -> Iterator[dict]:
    """All contestants for every seed, then those that fail the thresholds with more draws, on the first seed."""
    first: dict[Entry, dict] = {}
    for seed in range(arguments.seeds):
        for entry in entries:
            if seed == 0 or entry.name not in SLOW:
                run = _race(entry, folder, arguments, seed)
                first.setdefault(entry, run)
                yield run
    for entry, run in first.items():
        for draws in () if arguments.default_only else LONGER.get(entry.name, ()):
            quality = run.get("warm", {}).get("quality")
            if quality is None or quality["passed"]:
                break
            run = _race(entry._replace(draws=draws), folder, arguments, 0)
            yield run


def _race(entry: Entry, folder: Path, arguments: argparse.Namespace, seed: int) -> dict:
    reports = run_entry(entry, folder, personas=arguments.personas, seed=seed, limit=arguments.limit)
    run = {"contestant": entry.name, "draws": entry.draws, "seed": seed, **reports}
    walls = {name: each.get("wall", each.get("failed")) for name, each in reports.items()}
    print(f"{entry.name} draws={entry.draws or 'default'} seed={seed}: {walls}", file=sys.stderr, flush=True)
    return run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--personas", type=int, choices=(3, 5), default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers", type=lambda text: text.split(","), default=list(CONTESTANTS))
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a run is stopped")
    parser.add_argument("--quick", action="store_true", help="a tenth of the log, few draws, one seed")
    parser.add_argument("--default-only", action="store_true", help="do not run again with more draws")
    parser.add_argument("--json", type=Path, help="file for all reports")
    arguments = parser.parse_args()
    unknown = set(arguments.peers) - set(CONTESTANTS)
    if unknown:
        parser.error(f"unknown contestants {', '.join(sorted(unknown))}; expected some of {', '.join(CONTESTANTS)}")
    if arguments.quick:
        arguments.seeds, arguments.default_only = 1, True
    return arguments


if __name__ == "__main__":
    main()
