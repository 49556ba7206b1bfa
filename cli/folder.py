"""The folder that a fit leaves behind: result, report, tables as CSV, summary as JSON; whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from simulacra.inference import Result

__all__ = ["RESULT", "check_folder", "write_folder"]

RESULT = "fit.nc"
_SUMMARY = "summary.json"
_OURS = frozenset(
    {
        RESULT,
        "fit.json",
        _SUMMARY,
        "weights.csv",
        "shifts.csv",
        "rates.csv",
        "contrasts.csv",
        "emissions.csv",
        "truth.csv",
        "report.html",
        "report.md",
    }
)


def check_folder(folder: Path) -> None:
    """Refuse, before anything is computed, a place that cannot be written or holds something else.

    Raises:
        ValueError: a file, a folder with files that are not ours, or one that may not be written.
    """
    remedy = "name another folder with --out"
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is a file; expected a folder to write to; {remedy}.")
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in _OURS) if folder.is_dir() else []
    if strangers or (folder.is_dir() and any(folder.iterdir()) and not (folder / _SUMMARY).is_file()):
        raise ValueError(
            f"{folder}: holds what simulacra did not write ({', '.join(strangers[:3]) or f'no {_SUMMARY}'}) and would "
            f"be replaced; {remedy}, or move it away."
        )
    nearest = next(parent for parent in folder.absolute().parents if parent.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise ValueError(f"{folder}: {nearest} cannot be written to; {remedy}.")


def write_folder(
    folder: Path,
    result: Result,
    tables: Mapping[str, pd.DataFrame],
    summary: Mapping[str, Any],
    report: Callable[[Path], object],
) -> tuple[Path, ...]:
    """Write a result beside its place and then rename, so that no reader ever meets half of it.

    Args:
        folder: where to.
        result: a fit.
        tables: one CSV each.
        summary: in plain JSON types.
        report: writes the report into the folder that it is given.

    Returns:
        The files, in the order to read them.

    Raises:
        ValueError: see :func:`check_folder`.
    """
    check_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        staged = beside / "new"
        staged.mkdir()
        result.save(staged / RESULT)
        for name, table in tables.items():
            table.to_csv(staged / f"{name}.csv", index=False)
        text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
        (staged / _SUMMARY).write_text(text + "\n", encoding="utf-8")
        report(staged)
        if folder.exists():
            folder.rename(beside / "old")
        staged.rename(folder)
    finally:
        if (beside / "old").exists() and not folder.exists():
            (beside / "old").rename(folder)
        shutil.rmtree(beside, ignore_errors=True)
    there = {path.name for path in folder.iterdir()}
    order = ("report.html", "report.md", _SUMMARY, *(f"{name}.csv" for name in tables), RESULT)
    first = [name for name in order if name in there]
    return tuple(folder / name for name in (*first, *sorted(there.difference(first))))
