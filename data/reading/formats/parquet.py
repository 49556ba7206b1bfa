"""Parquet, through pyarrow."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.expansion import refuse_expansion
from simulacra.data.reading.formats.frame import arrow_frame, sheet_of
from simulacra.data.reading.formats.sheet import Sheet, refuse_wide

__all__ = ["open_parquet", "parquet_batches", "read_parquet"]


def read_parquet(path: Path) -> Sheet:
    """Read a Parquet file; records are numbered from 1.

    Raises:
        LogError: a file that is not Parquet, is truncated, or has no rows.
    """
    with open_parquet(path) as file:
        frame = arrow_frame(pa.Table.from_batches(parquet_batches(file, path), file.schema_arrow))
    return sheet_of(frame, str(path))


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file that is closed afterwards; errors while it is read are errors of the file.

    Raises:
        LogError: a file that is not Parquet, is truncated, or in which pandas has other column names than Parquet.
    """
    try:
        with pq.ParquetFile(path) as file:
            refuse_wide(len(file.schema_arrow.names), path)
            _refuse_renamed(file, path)
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


def _refuse_renamed(file: pq.ParquetFile, path: Path) -> None:
    own = file.schema_arrow.names
    renamed = [name for name in map(str, file.schema_arrow.empty_table().to_pandas().columns) if name not in own]
    if renamed:
        raise LogError(
            f"the metadata of pandas have a column {renamed[0]!r}, which the file does not have",
            file=path,
            expected=f"columns among {', '.join(own)}",
            remedy="the file is damaged: write it again",
        )


def parquet_batches(file: pq.ParquetFile, path: Path, *, rows: int = 1 << 16) -> Iterator[pa.RecordBatch]:
    """All columns of a file, also those that are not needed, so that damage anywhere is noticed.

    Args:
        file: the file.
        path: its path.
        rows: largest number of rows of a batch.

    Raises:
        LogError: the file expands beyond all proportion, or has another number of rows than it states.
        pyarrow.ArrowException: it is damaged.
    """
    size, found = 0, 0
    for batch in file.iter_batches(batch_size=rows):
        batch.validate(full=True)  # text that is not UTF-8
        size, found = size + batch.nbytes, found + batch.num_rows
        refuse_expansion(path, size)
        yield batch
    if found != file.metadata.num_rows:
        raise LogError(
            f"the file has {found} rows and states {file.metadata.num_rows}",
            file=path,
            expected="a complete Parquet file",
            remedy="check that it was copied completely",
        )
