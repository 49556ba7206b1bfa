"""The output folder of a fit: result, report, tables as CSV and summary as JSON, written completely or not at all."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from simulacra.cli.summary import CREATOR
from simulacra.cli.truth import TRUTH
from simulacra.data.atomic import Contents, try_folder, write_folder
from simulacra.formalism.errors import InputError
from simulacra.inference import Result
from simulacra.report.document import ATTRIBUTIONS, WITHOUT_TEXTS
from simulacra.report.tables import TABLES, format_table

__all__ = [
    "FIGURES",
    "RESULT",
    "Reserved",
    "checkpoint_of",
    "read_summary",
    "rescue_result",
    "reserve_folder",
    "write_result_folder",
]

RESULT = "fit.nc"
FIGURES = "figures"
"""The folder of ``simulacra figures`` in that of the result, which replaces it with the result."""
_SUMMARY = "summary.json"
_READ_FIRST = ("report.html", "report.md", _SUMMARY)
_OURS = {*_READ_FIRST, *(f"{name}.csv" for name in (*TABLES, TRUTH)), RESULT, Path(RESULT).with_suffix(".json").name}
_OURS |= {FIGURES, ATTRIBUTIONS, WITHOUT_TEXTS}


class Reserved(NamedTuple):
    """An output folder, and what it contained when it was reserved."""

    folder: Path
    contents: Contents


def checkpoint_of(folder: Path) -> Path:
    """Where a fit with this output folder keeps its chains: next to it, because a result replaces the whole folder."""
    return folder.with_name(f"{folder.name}.checkpoint")


def reserve_folder(folder: Path) -> Reserved:
    """Check an output folder, and try to replace it, before anything is computed.

    Raises:
        InputError: a file, a folder with files that simulacra did not write, or one that cannot be replaced.
    """
    remedy = "name another folder with --out"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder to write to; {remedy}.")
    inside = f"name a folder in it, such as --out {folder / 'fit'}"
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: contains the current folder and cannot be replaced as a whole; {inside}.")
    if folder.is_mount():
        raise InputError(f"{folder}: is a mount point and cannot be replaced as a whole; {inside}.")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    strangers = sorted(there - _OURS)
    if strangers or (there and _SUMMARY not in there):
        raise InputError(
            f"{folder}: contains files that simulacra did not write ({', '.join(strangers[:3]) or f'no {_SUMMARY}'}) "
            f"and would be replaced; {remedy}, or move these files."
        )
    try:
        return Reserved(folder, try_folder(folder))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{folder}: cannot be created or replaced here: {reason}; {remedy}.") from error


def write_result_folder(
    reserved: Reserved,
    result: Result,
    tables: Mapping[str, pd.DataFrame],
    summary: Mapping[str, Any],
    report: Callable[[Path], object],
) -> tuple[Path, ...]:
    """Write a result, so that the folder is never seen half written.

    Args:
        reserved: the output folder. If it is no longer as it was when it was reserved, it is left as it is, and the
            result is written next to it.
        result: a fit.
        tables: tables, each written as a CSV file.
        summary: the summary in plain JSON types.
        report: function that writes the report into a given folder.

    Returns:
        The files, in the order in which to read them.
    """

    def fill(new: Path) -> None:
        result.save(new / RESULT)
        for name, table in tables.items():
            (new / f"{name}.csv").write_text(format_table(table, "csv"), encoding="utf-8")
        _write_summary(new, summary)
        report(new)

    folder = _write(reserved, fill)
    there = {path.name for path in folder.iterdir()}
    order = (*_READ_FIRST, *(f"{name}.csv" for name in tables), RESULT)
    first = [name for name in order if name in there]
    return tuple(folder / name for name in (*first, *sorted(there.difference(first))))


def rescue_result(reserved: Reserved, result: Result) -> Path:
    """Write a result without its tables and reports, where they could not be made or written.

    Returns:
        The folder: the reserved one, one next to it or, if neither can be written, one among the temporary files.
    """

    def fill(new: Path) -> None:
        result.save(new / RESULT)
        _write_summary(new, {"creator": CREATOR})  # without a summary, the next fit would not replace the folder

    try:
        return _write(reserved, fill)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="simulacra-"))
        try:
            return write_folder(folder, fill)
        except OSError:
            folder.rmdir()
            raise


def _write(reserved: Reserved, fill: Callable[[Path], object]) -> Path:
    written = write_folder(reserved.folder, fill, may_replace=lambda found: found == reserved.contents)
    return reserved.folder if written == reserved.folder.resolve() else written


def _write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / _SUMMARY).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


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
