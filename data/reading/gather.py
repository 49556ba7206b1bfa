"""Gathering: the sheets of all files concatenated under canonical names."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from simulacra.data.errors import LogError
from simulacra.data.reading.column_map import ColumnMap
from simulacra.data.reading.columns import ALIASES, PROVENANCE
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.values import as_text

__all__ = ["Gathered", "gather", "identity_text"]


@dataclasses.dataclass(frozen=True)
class Gathered:
    """All rows under canonical names, with values not yet interpreted.

    Attributes:
        columns: name to values, shape ``(N,)``: numbers, or objects of str, numbers and None.
        file: index of the file of every row, int64, shape ``(N,)``.
        record: location of every row in its file, int64, shape ``(N,)``.
        typed: whether the source of a row distinguishes numbers from text, bool, shape ``(N,)``.
        column_maps: the column map of every file.
        renamed: the file's column name to the log's.
        set_aside: columns not gathered, with the reason.
        absent: columns that some files lack, with those files.
        scores: columns that their files mark as measurements.
        others: columns that their files do not mark as measurements, although they mark others.
        count: number of records that every row represents, int64, shape ``(N,)``.
    """

    columns: Mapping[str, np.ndarray]
    file: np.ndarray
    record: np.ndarray
    typed: np.ndarray
    column_maps: Sequence[ColumnMap]
    renamed: Mapping[str, str]
    set_aside: Mapping[str, str]
    absent: Mapping[str, tuple[str, ...]]
    scores: frozenset[str]
    others: frozenset[str]
    count: np.ndarray

    def rows(self, chosen: np.ndarray) -> int:
        """The number of records that the chosen rows, bool of shape ``(N,)``, represent."""
        return int(self.count[chosen].sum())

    def error(
        self, what: str, *, row: int, column: str, expected: str, remedy: str, argument: str | Sequence[str] = ()
    ) -> LogError:
        """An error at a row, with the column as its file names it."""
        column_map = self.column_maps[int(self.file[row])]
        return LogError(
            what,
            file=column_map.file,
            line=int(self.record[row]),
            column=column_map.own_name(column),
            expected=expected,
            remedy=remedy,
            argument=argument,
        )


def gather(sheets: Sequence[Sheet], column_maps: Sequence[ColumnMap]) -> Gathered:
    """Concatenate the sheets; a column that a file lacks is None in its rows."""
    sizes = [len(sheet.record) for sheet in sheets]
    parts = [_canonical_columns(sheet, column_map) for sheet, column_map in zip(sheets, column_maps, strict=True)]
    names = list(dict.fromkeys(name for part in parts for name in part))
    absent = {
        name: tuple(sheet.file for sheet, part in zip(sheets, parts, strict=True) if name not in part) for name in names
    }
    scores, others = _said(sheets, column_maps, parts)
    return Gathered(
        columns={name: _join([part.get(name) for part in parts], sizes) for name in names},
        file=np.repeat(np.arange(len(sheets)), sizes),
        record=np.concatenate([sheet.record for sheet in sheets]),
        typed=np.repeat([sheet.typed for sheet in sheets], sizes),
        column_maps=column_maps,
        renamed={own: name for column_map in column_maps for name, own in column_map.columns.items() if own != name},
        set_aside=_set_aside(sheets, column_maps),
        absent={name: files for name, files in absent.items() if files},
        scores=scores,
        others=others,
        count=np.concatenate(
            [
                np.ones(size, np.int64) if each.count is None else each.count
                for each, size in zip(sheets, sizes, strict=True)
            ]
        ),
    )


def identity_text(raw: Gathered, name: str) -> np.ndarray:
    """An identifying column as text, objects of shape ``(N,)``; no value may be empty.

    Raises:
        LogError: an empty value, with the first such row.
    """
    values = as_text(raw.columns[name])
    empty = np.flatnonzero([value is None for value in values])
    if empty.size:
        raise raw.error(
            f"the {name} is empty ({int(raw.count[empty].sum())} row(s))",
            row=int(empty[0]),
            column=name,
            expected="a name in every row",
            remedy=f"fill it in, or remove the rows; other names read as {name!r}: "
            + ", ".join(alias for tier in ALIASES.get(name, ()) for alias in tier),
        )
    return values


def _said(
    sheets: Sequence[Sheet], column_maps: Sequence[ColumnMap], parts: Sequence[Mapping[str, np.ndarray]]
) -> tuple[frozenset[str], frozenset[str]]:
    """The columns that files mark as scores, and the other columns of files that mark any."""
    scores = {
        next((name for name, own in column_map.columns.items() if own == score), score)
        for sheet, column_map in zip(sheets, column_maps, strict=True)
        for score in sheet.scores
    }
    marked = {name for sheet, part in zip(sheets, parts, strict=True) if sheet.scores for name in part}
    open_ = {name for sheet, part in zip(sheets, parts, strict=True) if not sheet.scores for name in part}
    return frozenset(scores), frozenset(marked - open_ - scores).union(*(sheet.contexts for sheet in sheets))


def _canonical_columns(sheet: Sheet, column_map: ColumnMap) -> dict[str, np.ndarray]:
    size = len(sheet.record)
    named = {name: sheet.columns[own] for name, own in column_map.columns.items()}
    said = {name: np.full(size, value, dtype=object) for name, value in column_map.fields.items()}
    return named | said | {name: sheet.columns[name] for name in column_map.others if name not in PROVENANCE}


def _join(parts: Sequence[np.ndarray | None], sizes: Sequence[int]) -> np.ndarray:
    if len({None if part is None else part.dtype for part in parts}) > 1:  # float64 merges large integers
        filled = [
            np.full(size, None, dtype=object) if part is None else part.astype(object)
            for part, size in zip(parts, sizes, strict=True)
        ]
        return np.concatenate(filled)
    return np.concatenate([part for part in parts if part is not None])


def _set_aside(sheets: Sequence[Sheet], column_maps: Sequence[ColumnMap]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for sheet, column_map in zip(sheets, column_maps, strict=True):
        for name in column_map.dropped:
            chosen = column_map.columns.get(name)
            reasons[name] = f"{chosen!r} is read as {name!r}" if chosen else "excluded by columns="
            if chosen and name == "condition":
                reasons[name] += f"; to form the condition of both, pass condition=[{name!r}, {chosen!r}]"
        reasons |= dict.fromkeys(sheet.lists, "contains lists, not one value per row") | dict(sheet.set_aside)
        reasons |= {name: "this name is reserved for provenance" for name in PROVENANCE if name in column_map.others}
    return reasons
