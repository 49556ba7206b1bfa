"""Gathering: the sheets of all files laid end to end under canonical names."""

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
    """All rows, raw: names are canonical, values are not yet read.

    Attributes:
        columns: name to values, shape ``(N,)``: numbers, or objects of str, numbers and None.
        file: which file a row is from, int64, shape ``(N,)``.
        record: where in its file a row is, int64, shape ``(N,)``.
        typed: whether a row's source tells numbers from text, bool, shape ``(N,)``.
        column_maps: of every file.
        renamed: what was taken for what.
        set_aside: columns not gathered, with the reason.
        absent: columns that some files lack, with those files.
        scores: columns that their files say are measurements.
        others: columns of numbers that are none, for their files say which columns are.
    """

    columns: Mapping[str, np.ndarray]
    file: np.ndarray
    record: np.ndarray
    typed: np.ndarray
    column_maps: Sequence[ColumnMap]
    renamed: Mapping[str, str]
    set_aside: Mapping[str, str]
    absent: Mapping[str, tuple[str, ...]]
    scores: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

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
    """Lay the sheets end to end; a column that a file lacks is None there."""
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
    )


def identity_text(raw: Gathered, name: str) -> np.ndarray:
    """An identifying column as text, objects of shape ``(N,)``; nothing in it may be empty.

    Raises:
        LogError: the first row where it is empty.
    """
    values = as_text(raw.columns[name])
    empty = [row for row, value in enumerate(values) if value is None]
    if empty:
        raise raw.error(
            f"the {name} is empty ({len(empty)} row(s))",
            row=empty[0],
            column=name,
            expected="a name in every row",
            remedy=f"fill it in, or remove the rows; other names read as {name!r}: "
            + ", ".join(alias for tier in ALIASES.get(name, ()) for alias in tier),
        )
    return values


def _said(
    sheets: Sequence[Sheet], column_maps: Sequence[ColumnMap], parts: Sequence[Mapping[str, np.ndarray]]
) -> tuple[frozenset[str], frozenset[str]]:
    """What the files themselves say are scores, and what is then none: in no file that leaves the question open."""
    scores = {
        next((name for name, own in column_map.columns.items() if own == score), score)
        for sheet, column_map in zip(sheets, column_maps, strict=True)
        for score in sheet.scores
    }
    told = {name for sheet, part in zip(sheets, parts, strict=True) if sheet.scores for name in part}
    open_ = {name for sheet, part in zip(sheets, parts, strict=True) if not sheet.scores for name in part}
    return frozenset(scores), frozenset(told - open_ - scores).union(*(sheet.contexts for sheet in sheets))


def _canonical_columns(sheet: Sheet, column_map: ColumnMap) -> dict[str, np.ndarray]:
    size = len(sheet.record)
    named = {name: sheet.columns[own] for name, own in column_map.columns.items()}
    said = {name: np.full(size, value, dtype=object) for name, value in column_map.fields.items()}
    return named | said | {name: sheet.columns[name] for name in column_map.others if name not in PROVENANCE}


def _join(parts: Sequence[np.ndarray | None], sizes: Sequence[int]) -> np.ndarray:
    if any(part is None or part.dtype == object for part in parts):
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
            reasons[name] = f"{chosen!r} is read as {name!r}" if chosen else "left out by columns="
        reasons |= dict.fromkeys(sheet.lists, "holds lists, not one value a row") | dict(sheet.set_aside)
        reasons |= {name: "the log's own provenance has this name" for name in PROVENANCE if name in column_map.others}
    return reasons
