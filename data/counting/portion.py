"""The portion of a scanned log in which repeated judgments are looked for: all rows of some of its completions.

A reading of the log looks at the same rows (:func:`~simulacra.data.reading.duplicates.portion_bound`), so that both
refuse the same logs. No more than about 65 000 rows, and one batch, are held at any time.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from simulacra.data.fingerprint import text_hashes
from simulacra.data.reading.duplicates import MOST_JUDGED, portion_bound
from simulacra.data.reading.formats.sheet import Sheet, plain_column, split_columns
from simulacra.data.reading.interpret import completion_texts

__all__ = ["Portion"]


class Portion:
    """Rows of the completions with the smallest hashes, gathered while the files of a log are read.

    Args:
        wanted: the columns of each file that has completions; the first is the column of the completions.
    """

    def __init__(self, wanted: Mapping[str, tuple[str, ...]]) -> None:
        self.wanted = wanted
        self._bound: np.uint64 | None = None
        self._parts: list[tuple[str, np.ndarray, np.ndarray, pd.DataFrame]] = []  # file, hashes, locations, rows

    def add(
        self, file: str, completions: pd.Series, record: np.ndarray, rows: Callable[[np.ndarray], pd.DataFrame]
    ) -> None:
        """Keep those of consecutive rows that may be in the portion.

        Args:
            file: their file.
            completions: the completion of every row.
            record: the location of every row, int64, shape ``(N,)``.
            rows: the wanted columns of chosen rows, given bool of shape ``(N,)``.
        """
        values = plain_column(completions)
        if values is None:  # lists are not completions
            return
        texts = completion_texts(values)
        hashes, chosen = text_hashes(texts), np.array([text is not None for text in texts], dtype=bool)
        chosen &= True if self._bound is None else hashes < self._bound
        if chosen.any():
            self._parts.append((file, hashes[chosen], record[chosen], rows(chosen)))
        if sum(len(part[1]) for part in self._parts) > 2 * MOST_JUDGED:
            self._shrink()

    def _shrink(self) -> None:
        self._bound = portion_bound(np.concatenate([hashes for _, hashes, _, _ in self._parts]))
        kept = [(part, part[1] < self._bound) for part in self._parts]
        self._parts = [
            (file, hashes[chosen], record[chosen], rows[chosen])
            for (file, hashes, record, rows), chosen in kept
            if chosen.any()
        ]

    def sheets(self) -> list[Sheet]:
        """The rows of every file that has any, in the order of the files."""
        return [_sheet(file, [part[2:] for part in self._parts if part[0] == file]) for file in self.files]

    @property
    def files(self) -> tuple[str, ...]:
        """The files that have rows in the portion."""
        return tuple(dict.fromkeys(part[0] for part in self._parts))


def _sheet(file: str, parts: list[tuple[np.ndarray, pd.DataFrame]]) -> Sheet:
    columns, lists = split_columns(pd.concat([rows for _, rows in parts], ignore_index=True))
    return Sheet(file, columns, np.concatenate([record for record, _ in parts]), lists)
