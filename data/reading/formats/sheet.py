"""A sheet: the contents of one file as columns of plain values, with the location of every record."""

import collections
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simulacra.data.account import LeftOut
from simulacra.data.errors import LogError
from simulacra.data.numerals import grouped
from simulacra.data.reading.columns import Header

__all__ = [
    "Sheet",
    "is_probabilities",
    "object_array",
    "plain_column",
    "refuse_no_rows",
    "refuse_wide",
    "repeated",
    "split_columns",
]

_MOST_COLUMNS = 2000


@dataclasses.dataclass(frozen=True)
class Sheet:
    """The records of one file, before any column has a meaning.

    Attributes:
        file: the origin of the records, as given.
        columns: name to values, shape ``(N,)``: float64 or int64 arrays, or object arrays of str, numbers and None.
        record: location of each record, int64, shape ``(N,)``: its 1-based first line, or its 1-based position.
        lists: columns that contain lists, objects of shape ``(N,)``.
        typed: whether the source distinguishes numbers from text (CSV does not).
        layout: the layout of the records, one of :data:`~simulacra.data.reading.layouts.LAYOUTS`.
        why: the reason for this layout.
        scores: columns that the format itself marks as measurements, text or numbers.
        contexts: columns that are not measurements, whatever their values.
        left_out: records that are not completions, by reason.
        set_aside: columns that could not be kept, with the reason.
        provenance: what the source records about its origin, ``{"task": …, "git_commit": …}``.
        notes: anything else to report.
        count: number of records of the file that a record represents, int64, shape ``(N,)``; None is one each.
    """

    file: str
    columns: Mapping[str, np.ndarray]
    record: np.ndarray
    lists: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    typed: bool = True
    layout: str = "rows"
    why: str = "one row is one completion"
    scores: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    left_out: Mapping[str, LeftOut] = dataclasses.field(default_factory=dict)
    set_aside: Mapping[str, str] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    count: np.ndarray | None = None

    @property
    def header(self) -> Header:
        """The names of the columns."""
        return Header(self.file, tuple(self.columns), tuple(self.lists), self.set_aside)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column, including lists."""
        return (*self.columns, *self.lists)


def object_array(values: Sequence[object]) -> np.ndarray:
    """The values as an object array of shape ``(N,)``; lists are kept as single values.

    Text columns are stored in such arrays, so that no column depends on an extension type.
    """
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def is_probabilities(value: object) -> bool:
    """Whether a dict maps a judge's answer tokens to probabilities: ``{"0": 0.99, "1": 4.8e-06}``."""
    if not isinstance(value, dict) or not value:
        return False
    numbers = [item for item in value.values() if isinstance(item, (int, float)) and not isinstance(item, bool)]
    return len(numbers) == len(value) and any(str(key).strip().isdigit() for key in value)


def refuse_wide(columns: int, file: str | Path) -> None:
    """Refuse a table with more columns than logs have, since every column is interpreted.

    Raises:
        LogError: there are too many.
    """
    if columns > _MOST_COLUMNS:
        raise LogError(
            f"the log has {grouped(columns)} columns",
            file=file,
            expected=f"at most {grouped(_MOST_COLUMNS)}",
            remedy="if ids, metrics or judges are keys or names of columns, write one row for each; otherwise remove "
            "columns that are not needed",
        )


def repeated(names: Iterable[str]) -> list[str]:
    """The names that occur more than once; a file of one megabyte can have 500 000 of them."""
    return [name for name, times in collections.Counter(names).items() if times > 1]


def split_columns(frame: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The columns with one plain value per row, and those that contain lists, shapes ``(N,)``."""
    columns: dict[str, np.ndarray] = {}
    lists: dict[str, np.ndarray] = {}
    for place, name in enumerate(map(str, frame.columns)):
        series = frame.iloc[:, place]
        values = plain_column(series)
        if values is None:
            lists[name] = object_array([None if not _is_list(value) else list(value) for value in series])
        else:
            columns[name] = values
    return columns, lists


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple, np.ndarray))


def plain_column(values: pd.Series) -> np.ndarray | None:
    """One pandas column as plain values: numbers as float64 or int64, the rest as objects, booleans as text.

    Returns:
        Shape ``(N,)``; None if the column contains lists.
    """
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf":
        numbers: np.ndarray = values.to_numpy()
        if numbers.dtype.kind == "u" and numbers.size and numbers.max() > np.iinfo(np.int64).max:
            return object_array(numbers.tolist())
        return numbers.astype(np.float64 if numbers.dtype.kind == "f" else np.int64)
    objects: np.ndarray = values.astype(object).to_numpy(copy=True)
    objects[values.isna().to_numpy()] = None
    kinds = set(map(type, objects))
    if kinds & {list, tuple, np.ndarray}:
        return None
    if kinds <= {str, int, float, type(None)}:
        return objects
    return object_array([_plain(value) for value in objects])


def _plain(value: Any) -> object:
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return json.dumps(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def refuse_no_rows(file: str | Path, columns: list[str]) -> LogError:
    """The error for a file that has columns but no rows."""
    return LogError(
        f"the file has columns ({', '.join(columns)}) and no rows",
        file=file,
        expected="at least one completion",
        remedy="exclude the file",
    )
