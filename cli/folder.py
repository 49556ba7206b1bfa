"""The folder that a fit leaves behind: result, report, tables as CSV, summary as JSON; whole or not at all."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from simulacra.cli.truth import TRUTH
from simulacra.data.atomic import replaced_folder
from simulacra.formalism.errors import InputError
from simulacra.inference import Result
from simulacra.report.tables import TABLES

__all__ = ["RESULT", "check_folder", "read_summary", "write_folder"]

RESULT = "fit.nc"
_SUMMARY = "summary.json"
_READ_FIRST = ("report.html", "report.md", _SUMMARY)
_OURS = {*_READ_FIRST, *(f"{name}.csv" for name in (*TABLES, TRUTH)), RESULT, Path(RESULT).with_suffix(".json").name}


def check_folder(folder: Path) -> None:
    """Refuse, before anything is computed, a place that cannot be written or holds something else.

    Raises:
        InputError: a file, a folder with files that are not ours, or one that may not be written.
    """
    remedy = "name another folder with --out"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder to write to; {remedy}.")
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in _OURS) if folder.is_dir() else []
    if strangers or (folder.is_dir() and any(folder.iterdir()) and not (folder / _SUMMARY).is_file()):
        raise InputError(
            f"{folder}: holds what simulacra did not write ({', '.join(strangers[:3]) or f'no {_SUMMARY}'}) and would "
            f"be replaced; {remedy}, or move it away."
        )
    nearest = next(parent for parent in folder.absolute().parents if parent.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise InputError(f"{folder}: {nearest} cannot be written to; {remedy}.")


def write_folder(
    folder: Path,
    result: Result,
    tables: Mapping[str, pd.DataFrame],
    summary: Mapping[str, Any],
    report: Callable[[Path], object],
) -> tuple[Path, ...]:
    """Write a result so that no reader ever meets half of it.

    Args:
        folder: where to.
        result: a fit.
        tables: one CSV each.
        summary: in plain JSON types.
        report: writes the report into the folder that it is given.

    Returns:
        The files, in the order to read them.

    Raises:
        InputError: see :func:`check_folder`.
    """
    check_folder(folder)
    with replaced_folder(folder) as new:
        result.save(new / RESULT)
        for name, table in tables.items():
            table.to_csv(new / f"{name}.csv", index=False)
        text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
        (new / _SUMMARY).write_text(text + "\n", encoding="utf-8")
        report(new)
    there = {path.name for path in folder.iterdir()}
    order = (*_READ_FIRST, *(f"{name}.csv" for name in tables), RESULT)
    first = [name for name in order if name in there]
    return tuple(folder / name for name in (*first, *sorted(there.difference(first))))


def read_summary(result: Path) -> dict[str, Any]:
    """The summary beside a result that ``simulacra fit`` wrote; empty beside any other.

    Args:
        result: the folder, or the file ``fit.nc`` in it.

    Raises:
        InputError: it is unreadable.
    """
    path = (result if result.is_dir() else result.parent) / _SUMMARY
    if not path.is_file() or (result.is_file() and result.name != RESULT):
        return {}
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{path}: not the JSON that simulacra fit writes ({error}); fit again, or delete it."
        ) from error
    if not isinstance(summary, dict):
        raise InputError(
            f"{path}: holds a JSON {type(summary).__name__}; expected the object that simulacra fit writes."
        )
    return summary
