"""Repeated rows: samples that were logged twice, and files that were copied."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.account import Duplicates
from simulacra.data.errors import LogError, place
from simulacra.data.fingerprint import row_hashes, text_hashes

__all__ = ["MOST_JUDGED", "find_duplicates", "portion_bound", "refuse_judgments"]

_EXAMPLES = 3
MOST_JUDGED = 1 << 15
"""Rows that are searched for repeated judgments: all, or the portion that :func:`portion_bound` defines."""

_LEAST, _MOSTLY = 10, 0.5  # completions; fewer may occur equally often by chance, and equal ones with equal scores


def find_duplicates(
    table: pd.DataFrame, measurements: Sequence[str], *, refuse_copies: bool, refuse_judgments: bool
) -> tuple[np.ndarray, Duplicates]:
    """Rows that repeat an earlier row in condition, question, completion and measurements.

    Args:
        table: the log, with ``source`` and ``record``.
        measurements: its measurement columns.
        refuse_copies: raise an error if every row of a file is in another file under the same condition.
        refuse_judgments: raise an error if every completion occurs equally often, and most with other scores.

    Returns:
        Which rows repeat an earlier one (bool, shape ``(N,)``), and their summary.

    Raises:
        LogError: two files have the same condition and the same samples, with the same scores (if
            ``refuse_copies``) or with other scores; or every completion was judged several times.
    """
    rows = _hashed(table, measurements)
    _refuse_same_samples(table, rows, refuse_copies=refuse_copies)
    if refuse_judgments:
        _refuse_judgments(table, rows)
    copies, sample = _copies(table, rows), ["content", "condition"]
    mask = np.zeros(len(table), dtype=bool)
    repeats = rows[rows.duplicated(sample)]
    if repeats.empty:
        return mask, Duplicates(copies=copies)
    mask[repeats.index] = True
    first = rows.drop_duplicates(sample).reset_index(names="origin")
    origin = repeats.reset_index(names="row").merge(first, on=sample, suffixes=("", "_first"))
    within = repeats.duplicated([*sample, "file"]).to_numpy() | (origin["file"] == origin["file_first"]).to_numpy()
    examples = tuple(
        f"{_at(table, row)} repeats {_at(table, first_row)}"
        for row, first_row in zip(origin["row"][:_EXAMPLES], origin["origin"][:_EXAMPLES], strict=True)
    )
    return mask, Duplicates(int(within.sum()), int((~within).sum()), examples, copies)


def _hashed(table: pd.DataFrame, measurements: Sequence[str]) -> pd.DataFrame:
    """Hashes of every row that has a completion: its text, its text with scores, and codes of condition and file."""
    text = row_hashes(table, ["question_id", "completion"])
    scores = row_hashes(table, measurements) if measurements else np.zeros(len(table), dtype=np.uint64)
    rows = pd.DataFrame(
        {
            "text": text,
            "content": text * np.uint64(31) + scores,  # wraps around, as hashes do
            "condition": pd.factorize(table["condition"])[0],
            "file": pd.factorize(table["source"])[0],
        }
    )
    return rows[table["completion"].notna().to_numpy()]


def refuse_judgments(table: pd.DataFrame, measurements: Sequence[str]) -> None:
    """Refuse judgments that no column tells apart: every completion occurs equally often, most with other scores.

    Args:
        table: the log, with ``source`` and ``record``; of a large log, at least its portion.
        measurements: its measurement columns.

    Raises:
        LogError: every completion was judged several times.
    """
    _refuse_judgments(table, _hashed(table, measurements))


def portion_bound(texts: np.ndarray) -> np.uint64 | None:
    """The hash of completions below which at most ``MOST_JUDGED`` rows lie; None if there are no more rows than that.

    All rows of a completion are in the portion, or none, so how often it occurs is known there; and which completions
    are in it depends neither on the order of rows nor on how they were read.

    Args:
        texts: the hash of the completion of every row, uint64, shape ``(N,)``.
    """
    return np.partition(texts, MOST_JUDGED)[MOST_JUDGED] if len(texts) > MOST_JUDGED else None


def _refuse_judgments(table: pd.DataFrame, rows: pd.DataFrame) -> None:
    if len(rows) > MOST_JUDGED:
        texts = text_hashes(table["completion"][rows.index].to_numpy())
        rows = rows[texts < portion_bound(texts)]
    groups = rows.groupby(["text", "condition"])["content"]
    sizes, distinct = groups.size(), groups.nunique()
    if len(sizes) < _LEAST or sizes.min() < sizes.max() or (distinct > 1).mean() < _MOSTLY:
        return
    first = rows.index[0]
    raise LogError(
        f"every completion occurs {sizes.iloc[0]} times in its condition and question, most with other scores, as "
        "repeated judgments do; counted as completions, they would make every interval too narrow",
        file=str(table["source"][first]),
        line=int(table["record"][first]),
        expected="each completion once",
        remedy="name the judge of every row in a column 'judge'; average the judgments of a completion first, "
        'DataFrame.groupby(...).mean(); or pass layout="rows" if every row is a completion',
        argument="layout",
    )


def _contained(rows: pd.DataFrame, key: list[str]) -> list[tuple[int, int]]:
    """Pairs of files (a, b) such that every row of a is in b."""
    if rows["file"].nunique() < 2:
        return []
    distinct = rows.drop_duplicates([*key, "file"])
    sizes = distinct["file"].value_counts()
    shared = distinct[distinct.duplicated(key, keep=False)]
    pairs = shared.merge(shared, on=key, suffixes=("", "_other")).value_counts(["file", "file_other"]).reset_index()
    whole = pairs[(pairs["file"] != pairs["file_other"]) & (pairs["count"] == pairs["file"].map(sizes))]
    return sorted(zip(whole["file"].tolist(), whole["file_other"].tolist(), strict=True))


def _copies(table: pd.DataFrame, rows: pd.DataFrame) -> tuple[str, ...]:
    """Pairs of files that contain the same rows under different conditions."""
    pairs = [(one, other) for one, other in _contained(rows, ["content"]) if one < other]
    conditions = {code: set(rows["condition"][rows["file"] == code]) for code in set(itertools.chain(*pairs))}
    return tuple(
        f"{_file(table, rows, one)} and {_file(table, rows, other)}"
        for one, other in pairs
        if not conditions[one] & conditions[other]
    )


def _refuse_same_samples(table: pd.DataFrame, rows: pd.DataFrame, *, refuse_copies: bool) -> None:
    copies = _contained(rows, ["content", "condition"])
    for one, other in _contained(rows, ["text", "condition"]):
        same = (one, other) in copies
        if same and not refuse_copies:
            continue
        condition = table["condition"][rows.index[rows["file"] == one][0]]
        raise LogError(
            f"every {'row' if same else 'completion'} of this file is also in {_file(table, rows, other)}, under the "
            f"same condition {condition!r}{'' if same else ', with other scores'}",
            file=_file(table, rows, one),
            expected="each sample once",
            remedy='exclude one of the two files, or pass duplicates="drop" to keep the first of equal rows'
            if same
            else "exclude one of the two files; merge the scores of two judges into columns of one row (pandas.merge)",
            argument="duplicates" if same else (),
        )


def _file(table: pd.DataFrame, rows: pd.DataFrame, code: int) -> str:
    return str(table["source"][rows.index[rows["file"] == code][0]])


def _at(table: pd.DataFrame, row: int) -> str:
    return place(table["source"][row], int(table["record"][row]))
