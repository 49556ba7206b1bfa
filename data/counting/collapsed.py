"""Counts of every pattern of category codes in every cell."""

import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd

from simulacra.data.account import Account
from simulacra.data.counting.texts import CollapsedTexts
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, listing

__all__ = ["CollapsedLog", "tabulate"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CollapsedLog:
    """A log as counts: C cells, P patterns of category codes, E emissions. Returned by ``collapse``.

    Attributes:
        cells: one row per cell, sorted: the columns that define it. Cells without completions are not included.
        patterns: the joint category codes that occur, int64, shape ``(P, E)``, sorted, unique.
        counts: rows per cell and pattern, int64, shape ``(C, P)``.
        measurements: the E measurement columns, in the order of the emissions.
        categories: labels of the categories of every emission; the last of each is ``"missing"``.
        account: how the log was read.
        row_cell: the cell of every row of the log, int64, shape ``(N,)``, -1 for references; None for a scanned log.
        row_pattern: the pattern of every row of the log, likewise, shape ``(N,)``.
        texts: log-likelihoods of the texts, if ``likelihood`` was given.
    """

    cells: pd.DataFrame
    patterns: np.ndarray
    counts: np.ndarray
    measurements: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    account: Account
    row_cell: np.ndarray | None = None
    row_pattern: np.ndarray | None = None
    texts: CollapsedTexts | None = None

    def __len__(self) -> int:
        return int(self.counts.sum())

    def __repr__(self) -> str:
        sizes = zip(self.measurements, self.categories, strict=True)
        return card(
            f"CollapsedLog: {grouped(len(self))} completions as counts of {grouped(len(self.patterns))} patterns in "
            f"{grouped(len(self.cells))} cells",
            f"conditions: {listing(self.conditions)}",
            f"questions: {listing(self.questions)}",
            f"cells by: {listing(self.cells.columns)}",
            f"measurements: {listing(f'{name} ({len(labels)} categories)' for name, labels in sizes)}",
            f"texts: {grouped(len(self.texts.points.cell))} points of log-likelihoods" if self.texts else "",
            "next: fit(model, log); log.cells, log.patterns, log.counts, log.account",
        )

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions, sorted; empty if cells are not defined by condition."""
        return self._names("condition")

    @property
    def questions(self) -> tuple[str, ...]:
        """The question ids, sorted; empty if cells are not defined by question."""
        return self._names("question_id")

    @property
    def question_column(self) -> str:
        """The column of ``cells`` with base questions, ``"question_id"`` if the log does not distinguish formats."""
        return "base_question" if "base_question" in self.cells else "question_id"

    @property
    def base_questions(self) -> pd.Series:
        """The base question of every cell, text, shape ``(C,)``."""
        return self.cells[self.question_column].astype(str)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the counts, hexadecimal, identical for a log in memory and the same log scanned."""
        head = json.dumps([self.measurements, self.categories, self.cells.to_dict("split", index=False)], default=str)
        arrays = [self.patterns, self.counts, *(self.texts.points if self.texts else ())]
        return hashlib.sha256(head.encode() + b"".join(array.tobytes() for array in arrays)).hexdigest()

    def _names(self, column: str) -> tuple[str, ...]:
        return tuple(self.cells[column].drop_duplicates().sort_values()) if column in self.cells else ()


@dataclasses.dataclass(frozen=True)
class Tally:
    """Counts per cell and pattern, and the cell and pattern of every row.

    Attributes:
        cells: one row per cell, sorted.
        patterns: int64, shape ``(P, E)``, sorted.
        counts: int64, shape ``(C, P)``.
        row_cell: int64, shape ``(N,)``.
        row_pattern: int64, shape ``(N,)``.
    """

    cells: pd.DataFrame
    patterns: np.ndarray
    counts: np.ndarray
    row_cell: np.ndarray
    row_pattern: np.ndarray


def tabulate(cells: pd.DataFrame, codes: np.ndarray, weights: np.ndarray | None = None) -> Tally:
    """Count patterns per cell.

    Args:
        cells: the columns that define a cell, N rows, without missing values.
        codes: category codes, int64, shape ``(N, E)``.
        weights: number of completions that a row represents, int64, shape ``(N,)``; one each by default.
    """
    row_cell, cell_rows = _number(cells)
    row_pattern, pattern_rows = _number(pd.DataFrame(codes))
    size = len(cell_rows) * len(pattern_rows)
    # Counts below 2**53 are exact in the float64 that bincount sums weights in.
    flat = np.bincount(row_cell * len(pattern_rows) + row_pattern, weights=weights, minlength=size)
    return Tally(
        cells=cells.iloc[cell_rows].reset_index(drop=True),
        patterns=codes[pattern_rows].astype(np.int64),
        counts=flat.astype(np.int64).reshape(len(cell_rows), len(pattern_rows)),
        row_cell=row_cell,
        row_pattern=row_pattern,
    )


def _number(keys: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct rows in sorted order: the number of every row, and one row of each number."""
    if keys.columns.empty:
        return np.zeros(len(keys), dtype=np.int64), np.zeros(1, dtype=np.int64)
    groups = keys.groupby(list(keys.columns), sort=True, dropna=False).ngroup().to_numpy(dtype=np.int64)
    _, first = np.unique(groups, return_index=True)
    return groups, first
