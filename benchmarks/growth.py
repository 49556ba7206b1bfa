"""Growth of a fit with the number of conditions: the mixtures of the benchmark log, repeated with effects of their own.

    python -m benchmarks.growth [--conditions 14,50,100,300] [--questions 50] [--completions 50] [--personas 3]
        [--json out.json] [--figure growth.png]

Every log is fitted once, with the defaults of the package, in a separate process that reads it from a Parquet file.
Wall and processor seconds include imports and all checks. The figure shows them on logarithmic scales, next to growth
in proportion to the number of conditions. Runs that the JSON file has are not repeated.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

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
    parser.add_argument("--figure", type=Path, help="needs matplotlib")
    arguments = parser.parse_args()
    warm_up_disk(["ours"])
    settings = {name: getattr(arguments, name) for name in ("personas", "questions", "completions")}
    record = {**settings, "machine": describe_machine(), "runs": []}
    if arguments.json and arguments.json.exists():
        record = json.loads(arguments.json.read_text())
        if {name: record[name] for name in settings} != settings:
            raise SystemExit(f"{arguments.json} is of other logs")
    known = {run["conditions"] for run in record["runs"]}
    for conditions in map(int, arguments.conditions.split(",")):
        if conditions not in known:
            record["runs"].append(_measure(conditions, arguments))
            print(record["runs"][-1], file=sys.stderr, flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(record, indent=1))
    runs = sorted(record["runs"], key=lambda run: run["conditions"])
    show_growth(runs)
    if arguments.figure:
        _draw(runs, arguments.figure)


def _draw(runs: list[dict], path: Path) -> None:
    import matplotlib.pyplot as plt

    conditions = np.array([run["conditions"] for run in runs])
    figure, axes = plt.subplots(figsize=(4.5, 3), layout="constrained")
    for name, key, marker in (("wall", "wall", "o"), ("processor", "cpu", "s")):
        seconds = np.array([run["report"][key] for run in runs])
        axes.loglog(conditions, seconds, marker=marker, label=name)
    axes.loglog(conditions, seconds[0] * conditions / conditions[0], color="0.6", ls="--", label="in proportion")
    axes.set(xlabel="conditions", ylabel="seconds")
    axes.set_xticks(conditions, [str(number) for number in conditions])
    axes.minorticks_off()
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150, metadata={"Software": None})


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
