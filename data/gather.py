"""Gathering: the sheets of all files laid end to end under canonical names."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from simulacra.data.columns import PROVENANCE
from simulacra.data.errors import LogError
from simulacra.data.layout import Layout
from simulacra.data.readers.sheet import Sheet

__all__ = ["Gathered", "gather"]


@dataclasses.dataclass(frozen=True)
class Gathered:
    """All rows, raw: names are canonical, values are not yet read.

    Attributes:
        columns: name to values, shape ``(N,)``: numbers, or objects of str, numbers and None.
        file: which file a row is from, int64, shape ``(N,)``.
        record: where in its file a row is, int64, shape ``(N,)``.
        typed: whether a row's source tells numbers from text, bool, shape ``(N,)``.
        layouts: of every file.
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
    layouts: Sequence[Layout]
    renamed: Mapping[str, str]
    set_aside: Mapping[str, str]
    absent: Mapping[str, tuple[str, ...]]
    scores: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    def error(self, what: str, *, row: int, column: str, expected: str, remedy: str) -> LogError:
        """An error at a row, with the column as its file names it."""
        layout = self.layouts[int(self.file[row])]
        return LogError(
            what,
            file=layout.file,
            line=int(self.record[row]),
            column=layout.own_name(column),
            expected=expected,
            remedy=remedy,
        )


def gather(sheets: Sequence[Sheet], layouts: Sequence[Layout]) -> Gathered:
    """Lay the sheets end to end; a column that a file lacks is None there."""
    sizes = [len(sheet.record) for sheet in sheets]
    parts = [_canonical_columns(sheet, layout) for sheet, layout in zip(sheets, layouts, strict=True)]
    names = list(dict.fromkeys(name for part in parts for name in part))
    absent = {
        name: tuple(sheet.file for sheet, part in zip(sheets, parts, strict=True) if name not in part) for name in names
    }
    scores, others = _said(sheets, layouts, parts)
    return Gathered(
        columns={name: _join([part.get(name) for part in parts], sizes) for name in names},
        file=np.repeat(np.arange(len(sheets)), sizes),
        record=np.concatenate([sheet.record for sheet in sheets]),
        typed=np.repeat([sheet.typed for sheet in sheets], sizes),
        layouts=layouts,
        renamed={own: name for layout in layouts for name, own in layout.columns.items() if own != name},
        set_aside=_set_aside(sheets, layouts),
        absent={name: files for name, files in absent.items() if files},
        scores=scores,
        others=others,
    )


def _said(
    sheets: Sequence[Sheet], layouts: Sequence[Layout], parts: Sequence[Mapping[str, np.ndarray]]
) -> tuple[frozenset[str], frozenset[str]]:
    """What the files themselves say are scores, and what is then none: in no file that leaves the question open."""
    scores = {
        next((name for name, own in layout.columns.items() if own == score), score)
        for sheet, layout in zip(sheets, layouts, strict=True)
        for score in sheet.scores
    }
    told = {name for sheet, part in zip(sheets, parts, strict=True) if sheet.scores for name in part}
    open_ = {name for sheet, part in zip(sheets, parts, strict=True) if not sheet.scores for name in part}
    return frozenset(scores), frozenset(told - open_ - scores).union(*(sheet.contexts for sheet in sheets))


def _canonical_columns(sheet: Sheet, layout: Layout) -> dict[str, np.ndarray]:
    size = len(sheet.record)
    named = {name: sheet.columns[own] for name, own in layout.columns.items()}
    said = {name: np.full(size, value, dtype=object) for name, value in layout.fields.items()}
    return named | said | {name: sheet.columns[name] for name in layout.others if name not in PROVENANCE}


def _join(parts: Sequence[np.ndarray | None], sizes: Sequence[int]) -> np.ndarray:
    if any(part is None or part.dtype == object for part in parts):
        filled = [
            np.full(size, None, dtype=object) if part is None else part.astype(object)
            for part, size in zip(parts, sizes, strict=True)
        ]
        return np.concatenate(filled)
    return np.concatenate([part for part in parts if part is not None])


def _set_aside(sheets: Sequence[Sheet], layouts: Sequence[Layout]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for sheet, layout in zip(sheets, layouts, strict=True):
        for name in layout.dropped:
            chosen = layout.columns.get(name)
            reasons[name] = f"{chosen!r} is read as {name!r}" if chosen else "left out by columns="
        reasons |= dict.fromkeys(sheet.lists, "holds lists, not one value a row") | dict(sheet.set_aside)
        reasons |= {name: "the log's own provenance has this name" for name in PROVENANCE if name in layout.others}
    return reasons
