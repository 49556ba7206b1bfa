"""Rows that are judgments of the same completion, in layouts with more than one row per completion."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.values import as_text

__all__ = ["VARIES", "by_label", "completions", "is_constant"]

VARIES = "differs between the judgments of one completion"
"""Why a column is set aside."""


def completions(sheet: Sheet, keys: Sequence[str]) -> np.ndarray:
    """The completion of every row, numbered in order of appearance, int, shape ``(N,)``.

    Args:
        sheet: rows of judgments.
        keys: the columns that identify a completion.
    """
    table = pd.DataFrame({name: as_text(sheet.columns[name]) for name in keys})
    return table.groupby(list(keys), sort=False, dropna=False).ngroup().to_numpy()


def is_constant(values: np.ndarray, completion: np.ndarray) -> bool:
    """Whether every completion has a single value; both have the shape ``(N,)``."""
    codes = pd.factorize(values, use_na_sentinel=False)[0]
    return len(np.unique(np.stack([completion, codes]), axis=1).T) == len(np.unique(completion))


def by_label(values: np.ndarray, label: np.ndarray, completion: np.ndarray) -> dict[str, np.ndarray]:
    """Values, one per completion, in one column for every label; all three have the shape ``(N,)``.

    A completion without a row of a label has None there.
    """
    columns = {}
    for name in dict.fromkeys(label):
        rows = np.flatnonzero(label == name)
        columns[name] = np.full(completion.max() + 1, None, dtype=object)
        columns[name][completion[rows]] = values[rows]
    return columns
