"""Content hashes, independent of the order of rows and of the location of files."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

__all__ = ["content_hash", "row_hashes", "text_hashes"]


def row_hashes(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    r"""A 64-bit hash of every row over some columns: uint64, shape ``(N,)``.

    Line endings inside text count as ``\n``, so that a file and its CRLF copy hash alike; -0.0 is 0.0; a missing
    value is the empty text or NaN.
    """
    plain = pd.DataFrame({name: _canonical(table[name]) for name in columns}, index=table.index)
    hashes: np.ndarray = pd.util.hash_pandas_object(plain, index=False).to_numpy(dtype=np.uint64)
    return hashes


def text_hashes(values: np.ndarray) -> np.ndarray:
    r"""A 64-bit hash of every text: uint64, shape ``(N,)``. Line endings count as ``\n``; None is the empty text."""
    plain = _canonical(pd.Series(values, dtype=object)).to_numpy()
    hashes: np.ndarray = pd.util.hash_array(plain, categorize=False)
    return hashes


def content_hash(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """SHA-256, hexadecimal, of the rows as a multiset; independent of the order of rows and columns."""
    names = sorted(columns)
    rows = np.sort(row_hashes(table, names))
    return hashlib.sha256("\x1f".join(names).encode() + rows.tobytes()).hexdigest()


def _canonical(values: pd.Series) -> pd.Series:
    if values.dtype == np.int64 and values.abs().max() > 2**53:  # float64 merges them
        return values
    if values.dtype != object:
        return values.astype(np.float64) + 0.0
    plain = ["" if value is None else value.replace("\r\n", "\n") for value in values]
    return pd.Series(plain, index=values.index, dtype=object)
