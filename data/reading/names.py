"""Names of conditions and questions: those that look alike, and those that identify rows instead."""

import dataclasses
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from simulacra.data.errors import LogError
from simulacra.data.numerals import grouped
from simulacra.data.reading.choices import JOINED
from simulacra.data.reading.columns import corrected
from simulacra.data.reading.formats.sheet import Sheet, object_array
from simulacra.data.reading.values import as_text

__all__ = ["alike", "combine", "refuse_row_names"]

_MOST = 20  # conditions
_MOSTLY = 0.5


def combine(sheet: Sheet, names: Sequence[str]) -> Sheet:
    """A sheet with a further column whose values are those of some columns, joined by a slash.

    Raises:
        LogError: a column that the sheet does not have.
    """
    absent = [name for name in names if name not in sheet.columns]
    if absent:
        raise LogError(
            f"there is no column {absent[0]!r} to form the condition",
            file=sheet.file,
            expected=f"columns among {', '.join(sheet.columns)}",
            remedy=corrected(absent[0], sheet.columns),
            argument="condition",
        )
    parts = zip(*(as_text(sheet.columns[name]) for name in names), strict=True)
    values = [None if None in part else "/".join(part) for part in parts]
    return dataclasses.replace(sheet, columns={**sheet.columns, JOINED.join(names): object_array(values)})


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ only by spaces, case, invisible characters or their Unicode form."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(_skeleton(name), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _skeleton(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).casefold()
    visible = "".join(char for char in plain if unicodedata.category(char) not in ("Cf", "Cc", "Mn"))
    return " ".join(visible.split())


def refuse_row_names(condition: pd.Series, count: np.ndarray, *, column: str) -> None:
    """Raise if most conditions have a single row, so that the column identifies rows.

    Args:
        condition: the condition of every row.
        count: number of completions that every row represents, shape ``(N,)``.
        column: the file's name of the column.

    Raises:
        LogError: more than 20 conditions, half of which have one completion each.
    """
    sizes = pd.Series(count).groupby(condition.to_numpy()).sum()
    single = int((sizes == 1).sum())
    if len(sizes) > _MOST and single >= _MOSTLY * len(sizes):
        raise LogError(
            f"{grouped(single)} of the {grouped(len(sizes))} conditions have a single completion, such as "
            f"{sizes.index[0]!r}",
            column=column,
            expected="conditions with many completions each; this column identifies rows",
            remedy='pass condition="<column>" with the column of the models or fine-tunes',
            argument="condition",
        )
