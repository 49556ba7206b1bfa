"""Reading any source into sheets: files, folders, globs, tables in memory, saved and shared datasets."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from simulacra.data.errors import FRAME_SOURCE, LogError
from simulacra.data.reading.formats import Sheet, read_file, read_frame
from simulacra.data.reading.formats.datasets import HUB, is_saved_dataset, read_hub, read_saved_dataset, read_splits
from simulacra.data.reading.sources import find_logs

__all__ = ["FileOptions", "read_sheets"]


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """Options for reading files.

    Attributes:
        layout: the caller's ``layout=``.
        delimiter: of CSV files.
        encoding: of text files.
        rows: the key of the rows in JSON documents.
        errors: ``"keep"`` reads samples of Inspect logs that ended in an error and have scores.
        progress_bar: whether to show progress; None shows it in terminals and notebooks.
    """

    layout: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    rows: str | None = None
    errors: str = "exclude"
    progress_bar: bool | None = None


def read_sheets(source: Any, how: FileOptions) -> list[Sheet]:
    """Read every file or table of a source.

    Raises:
        LogError: a source of another type, or a file that cannot be read.
    """
    if isinstance(source, pd.DataFrame) or hasattr(source, "to_pandas"):
        return [read_frame(source)]
    if isinstance(source, Mapping) and source and all(hasattr(table, "to_pandas") for table in source.values()):
        return read_splits(source, FRAME_SOURCE)
    parts = [source] if isinstance(source, (str, Path)) else source
    if not isinstance(parts, Sequence) or not all(isinstance(part, (str, Path)) for part in parts):
        raise LogError(
            f"the source is a {type(source).__name__}",
            expected="a path, a glob, a folder, a list of these, a DataFrame, or a Dataset",
            remedy="combine several DataFrames with pandas.concat",
        )
    names = [part for part in parts if _is_dataset(part)]
    files = [part for part in parts if not _is_dataset(part)]
    sheets = [sheet for name in names for sheet in _read_dataset(name)]
    if files or not names:
        found = find_logs(files)
        sheets += [
            read_file(
                path,
                layout=how.layout,
                delimiter=how.delimiter,
                encoding=how.encoding,
                rows=how.rows,
                errors=how.errors,
                progress_bar=how.progress_bar,
            )
            for path in found.logs
        ]
        if found.note:
            sheets[-1] = dataclasses.replace(sheets[-1], notes=(*sheets[-1].notes, found.note))
    return sheets


def _is_dataset(part: str | Path) -> bool:
    return str(part).startswith(HUB) or is_saved_dataset(Path(part))


def _read_dataset(part: str | Path) -> list[Sheet]:
    return read_hub(str(part)) if str(part).startswith(HUB) else read_saved_dataset(Path(part))
