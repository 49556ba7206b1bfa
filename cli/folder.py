"""The output folder of a fit: result, report, tables as CSV and summary as JSON, written completely or not at all."""

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
    """Reject a folder that is not writable or contains other files, before anything is computed.

    Raises:
        InputError: a file, a folder with files that simulacra did not write, or one that is not writable.
    """
    remedy = "name another folder with --out"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder to write to; {remedy}.")
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in _OURS) if folder.is_dir() else []
    if strangers or (folder.is_dir() and any(folder.iterdir()) and not (folder / _SUMMARY).is_file()):
        raise InputError(
            f"{folder}: contains files that simulacra did not write ({', '.join(strangers[:3]) or f'no {_SUMMARY}'}) "
            f"and would be replaced; {remedy}, or move these files."
        )
    nearest = next(parent for parent in folder.absolute().parents if parent.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise InputError(f"{folder}: {nearest} is not writable; {remedy}.")


def write_folder(
    folder: Path,
    result: Result,
    tables: Mapping[str, pd.DataFrame],
    summary: Mapping[str, Any],
    report: Callable[[Path], object],
) -> tuple[Path, ...]:
    """Write a result, so that the folder is never seen half written.

    Args:
        folder: the output folder.
        result: a fit.
        tables: tables, each written as a CSV file.
        summary: the summary in plain JSON types.
        report: function that writes the report into a given folder.

    Returns:
        The files, in the order in which to read them.

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
    """The summary next to a result of ``simulacra fit``; empty for other results.

    Args:
        result: the folder, or the file ``fit.nc`` in it.

    Raises:
        InputError: the file is unreadable.
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
            f"{path}: contains a JSON {type(summary).__name__}; expected the object that simulacra fit writes."
        )
    return summary
