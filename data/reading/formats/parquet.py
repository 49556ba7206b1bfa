"""Parquet, through pyarrow."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.frame import sheet_of
from simulacra.data.reading.formats.sheet import Sheet

__all__ = ["read_parquet"]


def read_parquet(path: Path) -> Sheet:
    """Read a Parquet file; records are numbered from 1.

    Raises:
        LogError: a file that is not Parquet or is cut short, or one without rows.
    """
    try:
        frame = pq.ParquetFile(path).read().to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LogError(
            f"the file is not readable as Parquet ({str(error).partition(chr(10))[0]})",
            file=path,
            expected="a complete Parquet file",
            remedy="check that it was copied whole and is not another format under this name",
        ) from error
    return sheet_of(frame, str(path))
