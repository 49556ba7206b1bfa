"""Parquet, through pyarrow."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.expansion import refuse_expansion
from simulacra.data.reading.formats.frame import sheet_of
from simulacra.data.reading.formats.sheet import Sheet

__all__ = ["open_parquet", "parquet_frame", "read_parquet"]


def read_parquet(path: Path) -> Sheet:
    """Read a Parquet file; records are numbered from 1.

    Raises:
        LogError: a file that is not Parquet, is truncated, or has no rows.
    """
    with open_parquet(path) as file:
        frame = parquet_frame(_bounded_table(file, path))
    return sheet_of(frame, str(path))


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file that is closed afterwards; errors while it is read are errors of the file.

    Raises:
        LogError: a file that is not Parquet, or is truncated.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except LogError:
        raise
    except Exception as error:  # of pyarrow, pandas, or of the JSON and text in the metadata
        raise LogError(
            f"the file is not readable as Parquet ({str(error).partition(chr(10))[0]})",
            file=path,
            expected="a complete Parquet file",
            remedy="check that it was copied completely and that Parquet is its actual format",
        ) from error


def parquet_frame(table: pa.Table) -> pd.DataFrame:
    """A table of Arrow in pandas, with integers that have nulls as objects, because float64 would merge large ones."""
    table.validate(full=True)  # else text that is not UTF-8 is noticed later, elsewhere
    return table.to_pandas(integer_object_nulls=True)


def _bounded_table(file: pq.ParquetFile, path: Path) -> pa.Table:
    """The whole table, read batch by batch, so that a file that expands beyond all proportion is noticed."""
    batches, size = [], 0
    for batch in file.iter_batches():
        batches.append(batch)
        size += batch.nbytes
        refuse_expansion(path, size)
    return pa.Table.from_batches(batches, file.schema_arrow)
