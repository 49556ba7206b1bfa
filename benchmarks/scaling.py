"""How time and memory grow with the log: the benchmark log times 1, 10, 100 and 1000, in Parquet.

    python -m benchmarks.scaling [--factors 1,10,100,1000] [--quick] [--json out.json]

Every size is written in chunks of rows drawn from the log of the race, then scanned, collapsed and fitted in a process
of its own. Time and peak memory of collapsing are taken before the fit starts, imports not counted in the time; the
compilation cache is filled beforehand, so the fit's time is that of sampling. Files are deleted afterwards.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import describe_machine
from benchmarks.tables import show_scaling

__all__ = ["main", "write_enlarged"]

CHUNK = 1_000_000


def write_enlarged(source: Path, target: Path, factor: int, *, seed: int = 0) -> int:
    """Write ``factor`` times as many rows as ``source`` has, drawn from it with replacement; returns their number."""
    table = pq.read_table(source)
    total = table.num_rows * factor
    if factor == 1:
        pq.write_table(table, target)
        return total
    rng = np.random.default_rng(seed)
    with pq.ParquetWriter(target, table.schema) as writer:
        for start in range(0, total, CHUNK):
            chosen = rng.integers(table.num_rows, size=min(CHUNK, total - start))
            chunk = table.take(pa.array(chosen))
            texts = pa.array([f"simulated completion {start + row}" for row in range(len(chosen))])
            writer.write_table(chunk.set_column(chunk.schema.get_field_index("completion"), "completion", texts))
    return total


def main() -> None:
    """Measure every size and print ratios to the smallest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", type=_numbers, default=[1, 10, 100, 1000])
    parser.add_argument("--quick", action="store_true", help="times 1 and 10 only")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    factors = [1, 10] if arguments.quick else arguments.factors
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        subprocess.run([sys.executable, "-m", "benchmarks.logs", text], check=True)
        runs = [_measure(folder, factor) for factor in factors]
    show_scaling(runs)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "runs": runs}, indent=1))


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _measure(folder: Path, factor: int) -> dict:
    """One size; run twice, so that the second finds its programs compiled, and the second is kept."""
    enlarged, out = folder / "enlarged.parquet", folder / "report.json"
    rows = write_enlarged(folder / "log.parquet", enlarged, factor)
    command = [sys.executable, "-m", "benchmarks.collapsing", str(enlarged), str(out)]
    environment = {**os.environ, "SIMULACRA_CACHE_DIR": str(folder / "cache")}
    for _ in range(2):
        subprocess.run(command, env=environment, check=True)
    report = {"factor": factor, "rows": rows, "file_mb": enlarged.stat().st_size / 2**20, **json.loads(out.read_text())}
    report["load"] = os.getloadavg()[0]
    enlarged.unlink()
    print(f"{rows:,} rows: {report}", file=sys.stderr, flush=True)
    return report


if __name__ == "__main__":
    main()
