"""Logs of counts: the number of completions scored per condition and question, and the number with the outcome.

Scores cannot be recovered from counts. :func:`read_counts` returns a log of completions with one measurement of two
values: eq. (7) can be checked against it, rates can be compared, and a model of two personas whose emission is that
label can be fitted. More personas than values are not identified.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from simulacra.data.account import Account
from simulacra.data.counting.collapsed import CollapsedLog, tabulate
from simulacra.data.errors import LogError, place
from simulacra.data.reading.choices import Choices
from simulacra.data.reading.column_map import map_all_columns
from simulacra.data.reading.gather import Gathered, gather, identity_text
from simulacra.data.reading.sheets import FileOptions, read_sheets
from simulacra.data.reading.values import read_numbers
from simulacra.formalism.emissions import LabelEmission

__all__ = ["COUNTED", "read_counts"]

_MOST = 2**53  # counts beyond it are not exact in float64, in which they are summed

COUNTED = ("no", "yes")
"""The values of the measurement that counts are read as."""


def read_counts(
    source: Any,
    *,
    events: str = "n_misaligned",
    scored: str = "n_scored",
    total: str | None = None,
    condition: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    base_question: str | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
) -> CollapsedLog:
    """Read counts of an outcome per condition and question as a collapsed log, ready for ``fit``.

    Its one measurement is the name of ``events`` without ``n_``, with the values of :data:`COUNTED`; the emission that
    fits it is ``LabelEmission("misaligned", ["no", "yes"])``.

    Args:
        source: as in ``read_completions``; one row per condition and question.
        events: the column with the number of completions that had the outcome.
        scored: the column with the number of completions that were scored.
        total: the column with the number of completions; those not scored are *missing*. Default: all were scored.
        condition: the condition, as in ``read_completions``.
        columns: canonical name to the file's name, as in ``read_completions``.
        base_question: the column with the base question.
        delimiter: of CSV files.
        encoding: of text files.

    Raises:
        LogError: a column that does not exist, a count that is not a whole number, more events than scored, or more
            scored than the total, with file and line.
    """
    sheets = read_sheets(source, FileOptions(delimiter=delimiter, encoding=encoding))
    choices = Choices(condition=condition, columns=columns or {}, base_question=base_question)
    column_maps = map_all_columns([sheet.header for sheet in sheets], choices, need_completion=False)
    raw = gather(sheets, column_maps)
    number = {name: _count(raw, name) for name in (events, scored, total) if name is not None}
    everything = number[scored] if total is None else number[total]
    _refuse_more(raw, events, number[events], number[scored], scored)
    _refuse_more(raw, scored, number[scored], everything, total or scored)
    question = identity_text(raw, "question_id")
    base = identity_text(raw, "base_question") if "base_question" in raw.columns else question
    cells = pd.DataFrame({"condition": identity_text(raw, "condition"), "question_id": question, "base_question": base})
    weights = np.concatenate([number[scored] - number[events], number[events], everything - number[scored]])
    codes = np.repeat(np.arange(3), len(cells))[:, None]
    there = weights > 0
    tally = tabulate(pd.concat([cells] * 3, ignore_index=True)[there], codes[there], weights[there])
    emission = LabelEmission(events.removeprefix("n_"), COUNTED)
    return CollapsedLog(
        cells=tally.cells,
        patterns=tally.patterns,
        counts=tally.counts,
        measurements=(emission.measurement,),
        categories=(emission.categories,),
        account=_account(raw, everything, used=(events, scored, *([total] if total else []))),
    )


def _count(raw: Gathered, name: str) -> np.ndarray:
    """A column of whole numbers from zero, int64, shape ``(N,)``."""
    if name not in raw.columns or name in raw.absent:
        raise LogError(
            f"there is no column {name!r}",
            file=raw.absent[name][0] if name in raw.absent else raw.column_maps[0].file,
            expected=f"counts, among {', '.join(raw.columns)}",
            remedy="name the columns: events=, scored=, total=",
            argument=("events", "scored", "total"),
        )
    numbers = read_numbers(raw.columns[name]).numbers
    wrong = np.flatnonzero(~((numbers >= 0) & (numbers == np.floor(numbers)) & (numbers < _MOST)))
    if wrong.size:
        row = int(wrong[0])
        raise raw.error(
            f"{raw.columns[name][row]!r} is not a count",
            row=row,
            column=name,
            expected=f"a whole number from 0 to {_MOST}",
            remedy="correct it, or remove the row; multiply percentages by the number scored first",
        )
    return numbers.astype(np.int64)


def _refuse_more(raw: Gathered, part: str, fewer: np.ndarray, more: np.ndarray, whole: str) -> None:
    wrong = np.flatnonzero(fewer > more)
    if wrong.size:
        row = int(wrong[0])
        raise raw.error(
            f"{fewer[row]} is more than {whole} = {more[row]}",
            row=row,
            column=part,
            expected=f"at most {whole}",
            remedy="correct the row, or name the right columns: events=, scored=, total=",
            argument=("events", "scored", "total"),
        )


def _account(raw: Gathered, everything: np.ndarray, used: Sequence[str]) -> Account:
    empty = np.flatnonzero(everything == 0)
    first = place(raw.column_maps[int(raw.file[empty[0]])].file, int(raw.record[empty[0]])) if empty.size else ""
    lost = [f"{empty.size} row(s) with a count of 0 were not used (first: {first})"] if empty.size else []
    per_file = np.bincount(raw.file, weights=everything, minlength=len(raw.column_maps)).astype(int)
    identity = ("condition", "question_id", "base_question")
    rest = {name: "not used with counts" for name in raw.columns if name not in (*identity, *used)}
    return Account(
        rows_read={column_map.file: int(count) for column_map, count in zip(raw.column_maps, per_file, strict=True)},
        renamed=raw.renamed,
        set_aside={**raw.set_aside, **rest},
        layouts={
            column_map.file: "counts (one row counts the completions of a cell)" for column_map in raw.column_maps
        },
        notes=("read from counts: the completions themselves were not read", *lost),
    )
