"""Simulation-based calibration: do posteriors contain what logs were simulated from, as often as they say?

    python -m benchmarks.sbc FOLDER [--models scores,labels,texts,rates,covariates] [--sets N] [--spoil SD] [--json F]

For every data set, parameters are drawn from the prior of a model, a small log is simulated from them and fitted, and
the true value of every quantity is ranked among posterior draws. If the posterior is right, these ranks are uniform.
Each data set is one file in FOLDER, and those that exist are not computed again, so that a run can be interrupted and
continued. Fits whose checks fail are counted and kept: leaving them out would bias the ranks.

Ranks are those among 99 draws, thinned until they are close to independent, and are compared with simultaneous 99%
bands of their ECDF. ``--spoil 0.2`` first shifts all draws by 0.2 posterior standard deviations, which shows what the
comparison notices.

References:
    Talts et al. (2018), Validating Bayesian inference algorithms with simulation-based calibration, arXiv:1804.06788;
    Säilynoja, Bürkner & Vehtari (2022), doi:10.1007/s11222-022-10090-6 (the bands); Modrák et al. (2023),
    doi:10.1214/23-BA1404 (the likelihood as one of the quantities).
"""

import argparse
import collections
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.sbc.models import MODELS
from benchmarks.sbc.ranks import Calibration, calibrate
from simulacra.data.atomic import write_atomically

SETS = {"scores": 200, "labels": 100, "texts": 100, "rates": 100, "covariates": 100}
DRAWS = 99
ALPHA = 0.01


def main() -> None:
    """Simulate and fit the data sets that the folder lacks, and print how true values and posteriors compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=lambda names: names.split(","), default=list(MODELS))
    parser.add_argument("--sets", type=int, help="data sets of every model; default: 200 of scores, 100 of the others")
    parser.add_argument("--spoil", type=float, default=0.0, metavar="SD", help="shift draws by SD standard deviations")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = {}
    for name in arguments.models:
        paths = [arguments.folder / name / f"{number:04}.npz" for number in range(arguments.sets or SETS[name])]
        for number, path in enumerate(track(paths, name, transient=True)):
            if not path.exists():
                compute(path, name, number)
        sets = [dict(np.load(path)) for path in paths]
        found = calibrate(
            np.stack([each["truth"] for each in sets]),
            np.stack([each["draws"] for each in sets]),
            spoil=arguments.spoil,
        )
        failed = collections.Counter(check for each in sets for check in set(each["failed"].tolist()))
        report[name] = {
            "sets": len(sets),
            "with failed checks": sum(len(each["failed"]) > 0 for each in sets),
            "failed": dict(failed.most_common()),
            "median seconds": float(np.median([each["seconds"] for each in sets])),
            "quantities": summarise(found, sets[0]["quantity"]).to_dict("records"),
        }
        show(name, report[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


def compute(path: Path, name: str, number: int) -> None:
    """Simulate and fit one data set, and write true values, thinned draws and the names of failed checks."""
    start = time.perf_counter()
    rng = np.random.default_rng([list(MODELS).index(name), number])
    truth, draws, failed = MODELS[name](rng, number)
    draws = draws.stack(sample=("chain", "draw")).transpose("sample", ...)  # noqa: PD013 (xarray)
    thinned = draws.isel(sample=np.linspace(0, draws.sizes["sample"] - 1, DRAWS).round().astype(int))
    arrays = {
        "quantity": np.repeat(list(map(str, truth)), [truth[each].size for each in truth]),
        "truth": np.concatenate([truth[each].to_numpy().ravel() for each in truth]),
        "draws": np.concatenate([thinned[each].to_numpy().reshape(DRAWS, -1) for each in truth], axis=1),
        "failed": np.array(failed, dtype=str),
        "seconds": np.array(time.perf_counter() - start),
    }
    write_atomically(path, lambda new: np.savez_compressed(new, **arrays))


def summarise(found: Calibration, names: np.ndarray) -> pd.DataFrame:
    """One row per kind of quantity and one for all; ``p`` is the smallest p-value times the number of quantities."""
    rows = []
    for name in [*dict.fromkeys(names.tolist()), "all"]:
        own = (names == name) | (name == "all")
        row = {
            "quantity": name,
            "number": int(own.sum()),
            "outside": int((found.p_value[own] < ALPHA).sum()),
            "p": min(1.0, float(found.p_value[own].min()) * len(names)),
        }
        shares = {"mean rank": found.uniform, **{f"{level:.0%}": each for level, each in found.covered.items()}}
        for column, values in shares.items():
            by_set = values[:, own].mean(axis=1)  # quantities of one data set depend on one another
            row[column] = float(by_set.mean())
            row[f"{column} se"] = float(by_set.std(ddof=1) / np.sqrt(len(by_set)))
        rows.append(row)
    return pd.DataFrame(rows)


def show(name: str, report: dict) -> None:
    """Print the table of one model."""
    sets, incomplete, seconds = report["sets"], report["with failed checks"], report["median seconds"]
    shares = [key for key in report["quantities"][0] if f"{key} se" in report["quantities"][0]]
    table = Table(
        title=f"{name}: {sets} data sets, {seconds:.1f} s each; checks fail in {incomplete} {report['failed'] or ''}",
        caption="outside: of the simultaneous 99% bands; p: smallest, times the number of quantities; coverage in %",
    )
    for column in ("quantity", "number", "outside", "p", *shares):
        table.add_column(column, justify="left" if column == "quantity" else "right")
    for row in report["quantities"]:
        cells = [f"{100 * row[each]:.1f} ± {100 * row[f'{each} se']:.1f}" for each in shares]
        table.add_row(row["quantity"], str(row["number"]), str(row["outside"]), f"{row['p']:.2g}", *cells)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
