"""Fit many logs, kill the batch in the middle of fits, and resume it with the same command.

Run: python examples/killed_batch.py. Takes a minute; RUNS=50 in the environment makes it fifty runs.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

OUT = "batch"
COMMAND = [sys.executable, "-m", "simulacra.cli", "batch", "runs.toml", "--out", OUT, "--jobs", "2", "--quiet"]


def write_logs(folder: Path, number: int) -> None:
    """A log of two conditions for every run, and the file of the batch."""
    rng, runs = np.random.default_rng(0), ['[defaults]\nwithout = ["mid"]\n']
    for run in range(number):
        table = pd.DataFrame({"condition": np.repeat(["base", "tuned"], 120)})
        table["question_id"] = [f"q{row % 8}" for row in range(len(table))]
        bad = rng.random(len(table)) < np.where(table["condition"] == "base", 0.02, 0.3)
        table["aligned"] = np.where(bad, rng.integers(0, 25, len(table)), rng.integers(80, 101, len(table)))
        table["coherent"] = rng.integers(85, 101, len(table))
        table["completion"] = [f"answer {row}" for row in range(len(table))]
        table.to_csv(folder / f"log-{run}.csv", index=False)
        runs.append(f'[runs.run-{run}]\nlogs = ["log-{run}.csv"]\nseed = {run}\n')
    (folder / "runs.toml").write_text("".join(runs))


def results(out: Path) -> dict[str, float]:
    """When the result of every finished run was written."""
    return {path.parent.name: path.stat().st_mtime for path in out.glob("*/fit.nc")}


def kill_in_the_middle(folder: Path, finished: int) -> dict[str, float]:
    """Kill the batch and its fits when as many runs are finished and another has chains; return the finished ones."""
    batch = subprocess.Popen(COMMAND, cwd=folder, start_new_session=True)
    out = folder / OUT
    while len(results(out)) < finished or not any(out.glob("*.checkpoint/*")):
        assert batch.poll() is None, "the batch ended before it was killed"
        time.sleep(0.01)
    os.killpg(batch.pid, signal.SIGKILL)
    batch.wait()
    return results(out)


def main(number: int) -> None:
    """Kill a batch, resume it, and check that finished runs were left alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_logs(folder, number)
        before = kill_in_the_middle(folder, finished=number // 3)
        begun = sorted({path.stem for path in (folder / OUT).glob("*.checkpoint")} - before.keys())
        print(f"killed: {len(before)} of {number} runs finished; in the middle: {', '.join(begun)}")
        began = time.time()
        ended = subprocess.run(COMMAND, cwd=folder, check=False)
        after = results(folder / OUT)
        assert ended.returncode in (0, 3), ended.returncode  # 3: checks of a run failed
        assert len(after) == number
        assert {run: after[run] for run in before} == before  # finished runs were not fitted again
        assert all(after[run] > began for run in begun)
        assert not list((folder / OUT).glob("*.checkpoint"))
        summaries = [json.loads((folder / OUT / run / "summary.json").read_text()) for run in after]
        assert sorted(summary["settings"]["seed"] for summary in summaries) == list(range(number))
        print(f"resumed: {number - len(before)} runs in {time.time() - began:.0f} s")
        print(f"all checks passed: {all(summary['ok'] for summary in summaries)}")


if __name__ == "__main__":
    main(int(os.environ.get("RUNS", "4")))
