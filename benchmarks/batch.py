"""A batch that is killed: 50 fits, SIGKILL to all processes in the middle, and the same command again.

``python -m benchmarks.batch [runs] [jobs]`` writes a log to a temporary folder, starts ``simulacra batch``, kills it
and its processes when a fifth of the runs are done, runs the command again, and compares: runs that were done were not
fitted again, every run has a result, and the draws are those of fits that nobody interrupted (of three runs, the ones
that the kill hit among them).
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

from simulacra.data import load_demo
from simulacra.inference import Result

__all__ = ["main"]

_OPTIONS = {"num-samples": 100, "num-warmup": 200, "num-chains": 2}
_COMPARED = 3


def main(runs: int = 50, jobs: int = 2) -> int:
    """Run the comparison; the exit code is 0 if everything holds."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = _write(folder, runs)
        command = [sys.executable, "-m", "simulacra.cli", "batch", "runs.toml", "--out", "out", "--jobs", str(jobs)]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(done := _done(folder, names)) < runs // 5:
            time.sleep(0.05)
        if process.poll() is not None:
            print("the batch ended before it could be killed")
            return 1
        fits = psutil.Process(process.pid).children(recursive=True)
        process.kill()  # SIGKILL, the batch first, so that it starts no further fit
        process.wait()
        for own in fits:
            with contextlib.suppress(psutil.NoSuchProcess):
                own.kill()
        done = _done(folder, names)
        hit = [own for own in names if own not in done and (folder / "out" / f"{own}.checkpoint").exists()]
        print(f"killed with {len(done)} of {runs} runs done and {len(hit)} begun: {', '.join(hit)}")
        before = {own: (folder / "out" / own / "fit.nc").stat().st_mtime_ns for own in done}
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        print(ended.stdout[-600:], ended.stderr[-600:])
        again = [own for own in done if (folder / "out" / own / "fit.nc").stat().st_mtime_ns != before[own]]
        lacking = sorted(set(names) - set(_done(folder, names)))
        rates = pd.read_csv(folder / "out" / "rates.csv")
        other = [own for own in [*hit, *names][:_COMPARED] if not _same_draws(folder, own)]
        print(f"fitted again: {again}; without a result: {lacking}; other draws than an uninterrupted fit: {other}")
        print(f"exit code {ended.returncode}; {rates['run'].nunique()} runs in rates.csv")
        complete = rates["run"].nunique() == runs and ended.returncode in (0, 3)
        return 0 if complete and not (again or lacking or other) else 1


def _write(folder: Path, runs: int) -> list[str]:
    """Logs of two conditions and a file of runs, which differ in the seed; the names of the runs."""
    table = load_demo()[0].table
    rows = table[table["condition"].isin(["base", "narrow"])]
    rows[["condition", "question_id", "completion", "aligned", "coherent"]].to_csv(folder / "log.csv", index=False)
    names = [f"run-{number:02}" for number in range(runs)]
    defaults = "\n".join(f"{name} = {value}" for name, value in _OPTIONS.items())
    text = "".join(f'[runs.{name}]\nlogs = ["log.csv"]\nseed = {number}\n\n' for number, name in enumerate(names))
    (folder / "runs.toml").write_text(f"[defaults]\n{defaults}\n\n{text}")
    return names


def _done(folder: Path, names: list[str]) -> list[str]:
    return [name for name in names if (folder / "out" / name / "summary.json").exists()]


def _same_draws(folder: Path, name: str) -> bool:
    """Whether a run has the draws of a fit of its log that was not interrupted."""
    options = [f"--{option}={value}" for option, value in _OPTIONS.items()]
    seed = f"--seed={int(name.removeprefix('run-'))}"
    command = [sys.executable, "-m", "simulacra.cli", "fit", "log.csv", *options, seed, "--out", f"alone-{name}"]
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    ours, alone = (Result.load(folder / place).posterior for place in (f"out/{name}", f"alone-{name}"))
    return bool(ours.equals(alone))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
