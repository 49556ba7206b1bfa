"""Tables in memory: pandas DataFrames, and objects with ``to_pandas`` (polars, pyarrow)."""

from typing import Any

import numpy as np
import pandas as pd

from simulacra.data.errors import FRAME_SOURCE, LogError
from simulacra.data.reading.formats.records import lone_surrogate
from simulacra.data.reading.formats.sheet import Sheet, refuse_no_rows, split_columns

__all__ = ["read_frame", "sheet_of"]


def read_frame(table: Any) -> Sheet:
    """Read a table in memory; records are numbered from 1 and the index is not read.

    Raises:
        LogError: the object is not a table, has a column twice, or has no rows.
    """
    frame = table if isinstance(table, pd.DataFrame) else table.to_pandas()
    if not isinstance(frame, pd.DataFrame):
        raise LogError(f"to_pandas() returned a {type(frame).__name__}", expected="a table", remedy="pass a DataFrame")
    return sheet_of(frame, FRAME_SOURCE)


def sheet_of(frame: pd.DataFrame, file: str) -> Sheet:
    """A DataFrame's columns as a sheet.

    Raises:
        LogError: a column named twice, no rows, or half of a surrogate pair in a text.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise LogError(f"columns {twice} occur more than once", file=file, remedy="rename the columns")
    if not len(frame):
        raise refuse_no_rows(file, names)
    _refuse_surrogates(frame, file)
    columns, lists = split_columns(frame)
    return Sheet(file, columns, np.arange(1, len(frame) + 1, dtype=np.int64), lists)


def _refuse_surrogates(frame: pd.DataFrame, file: str) -> None:
    """Only columns of Python objects can hold them."""
    for name in frame.columns[[kind == np.dtype(object) for kind in frame.dtypes]]:
        for row, value in enumerate(frame[name], start=1):
            if isinstance(value, str) and (lone := lone_surrogate(value)):
                raise LogError(
                    f"{lone} is half of a surrogate pair, which is no character",
                    file=file,
                    line=row,
                    column=str(name),
                    expected="text",
                    remedy="replace it, or remove the row",
                )
