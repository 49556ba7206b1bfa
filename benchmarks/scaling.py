"""Scaling of time and memory with the size of the log: 1, 10, 100 and 1000 times the benchmark log, in Parquet.

    python -m benchmarks.scaling [--factors 1,10,100,1000] [--quick] [--json out.json]

Every size is simulated in chunks from the true values of the benchmark log, then scanned, collapsed and fitted in a
separate process. Time and peak memory of collapsing are recorded before the fit starts, and the time excludes imports.
The compilation cache is filled in advance, so the time of the fit is that of sampling. Files are deleted afterwards.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.logs import SHAPES, bench_model, bench_truth
from benchmarks.machine import describe_machine
from benchmarks.tables import show_scaling
from simulacra.data import simulate_log
from simulacra.data.numerals import grouped

__all__ = ["main", "write_enlarged"]

CHUNK = 40
"""Multiple of the benchmark log that is simulated and written at once: a million rows."""


def write_enlarged(target: Path, factor: int) -> int:
    """Write a log ``factor`` times as large as the benchmark log, with the same true values; returns its rows."""
    model, (questions, completions) = bench_model(3), SHAPES[3]
    truth = bench_truth(model, questions)
    rows, writer = 0, None
    for chunk, start in enumerate(range(0, factor, CHUNK)):
        log = simulate_log(model, truth, completions * min(CHUNK, factor - start), seed=chunk)
        table = log.table[["condition", "question_id", "completion", *model.measurements]]
        table = pa.Table.from_pandas(table.assign(completion=f"{chunk}: " + table["completion"]), preserve_index=False)
        writer = writer or pq.ParquetWriter(target, table.schema)
        writer.write_table(table)
        rows += table.num_rows
    if writer:
        writer.close()
    return rows


def main() -> None:
    """Measure every size and print ratios to the smallest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", type=_numbers, default=[1, 10, 100, 1000])
    parser.add_argument("--quick", action="store_true", help="factors 1 and 10 only")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    factors = [1, 10] if arguments.quick else arguments.factors
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        runs = [_measure(folder, factor) for factor in factors]
    show_scaling(runs)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "runs": runs}, indent=1))


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _measure(folder: Path, factor: int) -> dict:
    """Measure one size; it is run twice, and the second run, which finds all programs compiled, is reported."""
    enlarged, out = folder / "enlarged.parquet", folder / "report.json"
    rows = write_enlarged(enlarged, factor)
    command = [sys.executable, "-m", "benchmarks.collapsing", str(enlarged), str(out)]
    environment = {**os.environ, "SIMULACRA_CACHE_DIR": str(folder / "cache")}
    for _ in range(2):
        subprocess.run(command, env=environment, check=True)
    report = {"factor": factor, "rows": rows, "file_mb": enlarged.stat().st_size / 2**20, **json.loads(out.read_text())}
    report["load"] = os.getloadavg()[0]
    enlarged.unlink()
    print(f"{grouped(rows)} rows: {report}", file=sys.stderr, flush=True)
    return report


if __name__ == "__main__":
    main()
