"""Tables in memory: pandas DataFrames, and objects with ``to_pandas`` (polars, pyarrow)."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from simulacra.data.errors import FRAME_SOURCE, LogError
from simulacra.data.reading.formats.records import lone_surrogate
from simulacra.data.reading.formats.sheet import Sheet, refuse_no_rows, refuse_wide, repeated, split_columns
from simulacra.formalism.display import listing

__all__ = ["arrow_frame", "frame_of", "read_frame", "sheet_of"]


def read_frame(table: Any) -> Sheet:
    """Read a table in memory; records are numbered from 1 and the index is not read.

    Raises:
        LogError: the object is not a table, has a column twice, or has no rows.
    """
    frame = frame_of(table)
    if not isinstance(frame, pd.DataFrame):
        raise LogError(f"to_pandas() returned a {type(frame).__name__}", expected="a table", remedy="pass a DataFrame")
    return sheet_of(frame, FRAME_SOURCE)


def frame_of(table: Any) -> Any:
    """A table in pandas; through Arrow if possible, since ``to_pandas`` makes floats of integers next to nulls."""
    if isinstance(table, pd.DataFrame):
        return table
    if hasattr(table, "with_format"):  # a Dataset
        return arrow_frame(table.with_format("arrow")[:])
    return arrow_frame(pa.table(table)) if hasattr(table, "__arrow_c_stream__") else table.to_pandas()


def arrow_frame(table: pa.Table) -> pd.DataFrame:
    """A table of Arrow in pandas, with integers that have nulls as objects, because float64 would merge large ones.

    Raises:
        pyarrow.ArrowInvalid: text that is not UTF-8 or, in damaged files, offsets beyond the data.
    """
    table.validate(full=True)  # else this is noticed later, elsewhere
    return table.to_pandas(integer_object_nulls=True)


def sheet_of(frame: pd.DataFrame, file: str) -> Sheet:
    """A DataFrame's columns as a sheet.

    Raises:
        LogError: a column named twice, no rows, or half of a surrogate pair in a text.
    """
    names = [str(name) for name in frame.columns]
    refuse_wide(len(names), file)
    if len(set(names)) < len(names):
        raise LogError(
            f"columns {listing(repeated(names))} occur more than once", file=file, remedy="rename the columns"
        )
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
