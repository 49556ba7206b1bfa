"""Growth of a fit with the number of conditions: the mixtures of the benchmark log, repeated with effects of their own.

    python -m benchmarks.growth [--conditions 14,50,100,300] [--questions 50] [--completions 50] [--personas 3]
        [--json out.json]

Every log is fitted once, with the defaults of the package, in a separate process that reads it from a Parquet file.
Wall and processor seconds include imports and all checks.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.logs import bench_model, bench_truth
from benchmarks.machine import describe_machine
from benchmarks.race import Entry, run_entry, warm_up_disk
from benchmarks.tables import show_growth
from simulacra.data import simulate_log

__all__ = ["main"]

_LIMIT = 3600.0  # seconds


def main() -> None:
    """Fit logs with more and more conditions and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conditions", default="14,50,100,300", help="numbers, separated by commas")
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--completions", type=int, default=50, help="per condition and question")
    parser.add_argument("--personas", type=int, choices=(3, 5), default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    warm_up_disk(["ours"])
    record = {
        "personas": arguments.personas,
        "questions": arguments.questions,
        "machine": describe_machine(),
        "runs": [],
    }
    for conditions in map(int, arguments.conditions.split(",")):
        record["runs"].append(_measure(conditions, arguments))
        print(record["runs"][-1], file=sys.stderr, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(record, indent=1))
    show_growth(record["runs"])


def _measure(conditions: int, arguments: argparse.Namespace) -> dict:
    model = bench_model(arguments.personas)
    truth = bench_truth(model, arguments.questions, conditions=conditions)
    log = simulate_log(model, truth, arguments.completions, seed=0)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        columns = ["condition", "question_id", "completion", *model.measurements]
        log.table[columns].to_parquet(folder / "log.parquet", index=False)
        reports = run_entry(Entry("ours"), folder, personas=arguments.personas, seed=0, limit=_LIMIT, warm=False)
    return {"conditions": conditions, "rows": len(log), "report": reports["cold"]}


if __name__ == "__main__":
    main()
