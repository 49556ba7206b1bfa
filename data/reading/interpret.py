"""From sheets to a validated table: how columns and values are read, for logs in memory and scanned logs alike."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from simulacra.data.account import Account, Duplicates, LeftOut
from simulacra.data.errors import LogError, place
from simulacra.data.numerals import grouped
from simulacra.data.reading.choices import Choices
from simulacra.data.reading.column_map import ColumnMap
from simulacra.data.reading.columns import SCORES
from simulacra.data.reading.duplicates import find_duplicates, refuse_judgments
from simulacra.data.reading.filenames import is_pattern, short_fields
from simulacra.data.reading.formats.sheet import Sheet, object_array
from simulacra.data.reading.gather import Gathered, gather, identity_text
from simulacra.data.reading.kinds import Kinds, sort_columns
from simulacra.data.reading.names import alike, refuse_row_names
from simulacra.data.reading.questions import separate_questions, split_formats, unnested_formats

__all__ = ["Interpreted", "completion_texts", "interpret", "refuse_judged_sheets"]

_WEIGHTS = re.compile("counts?|freq(uency)?|multiplicity|n|(n|num)_completions|weights?", re.IGNORECASE)
"""Names of columns that may say how many completions a row stands for."""
_SUSPECT = 30
"""Scores that are not expected to be equal if a judge read the completions."""


@dataclasses.dataclass(frozen=True)
class Interpreted:
    """A log whose columns and values have been read.

    Attributes:
        table: the validated table.
        measurements: names of the measurement columns.
        contexts: names of the context columns.
        count: number of records that every row represents, int64, shape ``(N,)``.
        account: how the log was read.
    """

    table: pd.DataFrame
    measurements: tuple[str, ...]
    contexts: tuple[str, ...]
    count: np.ndarray
    account: Account


def interpret(
    sheets: Sequence[Sheet],
    column_maps: Sequence[ColumnMap],
    choices: Choices,
    *,
    duplicates: Literal["keep", "drop", "ignore"] = "keep",
    every_row: bool = False,
) -> Interpreted:
    """Read the columns and values of sheets with one row per completion.

    Args:
        sheets: the contents of the files.
        column_maps: the role of each of their columns.
        choices: what columns and values mean.
        duplicates: what is done with rows that repeat another; ``"ignore"`` does not look for them.
        every_row: whether the user states that every row is a completion of its own.

    Raises:
        LogError: anything that cannot be read without guessing.
    """
    from simulacra.data.reading.schema import check_table  # pandera takes as long to import as pandas

    raw, kinds, table, of_questions = _read(sheets, column_maps, choices)
    count = raw.count
    own = next((name for name, canonical in raw.renamed.items() if canonical == "condition"), "condition")
    refuse_row_names(table["condition"], count, column=own)
    found, left_out = Duplicates(), _left_out(sheets)
    if duplicates != "ignore":
        repeats, found = find_duplicates(
            table, list(kinds.measurements), refuse_copies=duplicates == "keep", refuse_judgments=not every_row
        )
        if duplicates == "drop" and repeats.any():
            first = table[repeats].head(3)
            examples = tuple(place(file, int(row)) for file, row in zip(first["source"], first["record"], strict=True))
            left_out["exact duplicate of an earlier row"] = LeftOut(int(repeats.sum()), examples)
            table, count = table[~repeats].reset_index(drop=True), count[~repeats]
    contexts = tuple(name for name in table.columns if name in kinds.contexts or name == "format")
    checked = check_table(table, tuple(kinds.measurements), contexts)
    account = Account(
        rows_read={sheet.file: _rows(sheet) + sum(left.count for left in sheet.left_out.values()) for sheet in sheets},
        renamed=raw.renamed,
        set_aside=dict(raw.set_aside) | kinds.set_aside,
        sentinels={name: counts for name, counts in kinds.sentinels.items() if counts},
        parsed={name: count for name, count in kinds.parsed.items() if count},
        not_numbers=kinds.not_numbers,
        absent={name: files for name, files in raw.absent.items() if name in kinds.measurements},
        left_out=left_out,
        duplicates=found,
        notes=(
            *dict.fromkeys(note for sheet in sheets for note in sheet.notes),
            *_kept_notes(kinds),
            *_weight_notes(kinds),
            *_constant_notes(checked, kinds, count),
            *_pattern_notes(choices.condition, column_maps),
            *of_questions,
            *_name_notes(checked),
            *_question_notes(checked),
        ),
        layouts={sheet.file: f"{sheet.layout} ({sheet.why})" for sheet in sheets},
        provenance={sheet.file: sheet.provenance for sheet in sheets if sheet.provenance},
        assumed_missing=choices.missing is None,
    )
    return Interpreted(checked, tuple(kinds.measurements), contexts, count, account)


def refuse_judged_sheets(sheets: Sequence[Sheet], column_maps: Sequence[ColumnMap], choices: Choices) -> None:
    """Refuse repeated judgments in the portion of a scanned log, as a reading of the log does.

    Raises:
        LogError: every completion was judged several times.
    """
    _, kinds, table, _ = _read(sheets, column_maps, choices)
    refuse_judgments(table, list(kinds.measurements))


def _read(
    sheets: Sequence[Sheet], column_maps: Sequence[ColumnMap], choices: Choices
) -> tuple[Gathered, Kinds, pd.DataFrame, tuple[str, ...]]:
    """The columns as gathered, their kinds, the table, and notes about question ids."""
    raw = gather(sheets, column_maps)
    kinds = sort_columns(
        raw,
        measurements=choices.measurements,
        contexts=choices.contexts,
        missing=choices.missing,
        decimal=choices.decimal,
    )
    question, notes = separate_questions(raw)
    return raw, kinds, _table(raw, kinds, question, choices.formats), notes


def _rows(sheet: Sheet) -> int:
    return len(sheet.record) if sheet.count is None else int(sheet.count.sum())


def _kept_notes(kinds: Kinds) -> list[str]:
    """Values -1 that were not assumed to mean *missing*."""
    return [
        f"{name}: {grouped(count)} value(s) -1 are read as values, because other values show that -1 may be on the "
        "scale; if it means that there is no score, pass missing=-1"
        for name, count in kinds.kept.items()
        if count
    ]


def _weight_notes(kinds: Kinds) -> list[str]:
    """Columns that may say how many completions a row stands for, which rows of scores never do."""
    return [
        f"{name}: every row is read as one completion, whatever this column says; if a row stands for several, repeat "
        "it as many times"
        for name, values in (kinds.measurements | kinds.contexts).items()
        if _WEIGHTS.fullmatch(name) and values.dtype.kind in "if" and len(np.unique(values)) > 1
    ]


def _constant_notes(table: pd.DataFrame, kinds: Kinds, count: np.ndarray) -> list[str]:
    """Usual scores that are all the same, and others that are in one condition although they vary in another.

    A condition may well have the lowest or highest value only, such as no toxicity at all.
    """
    notes = []
    codes, conditions = pd.factorize(table["condition"], sort=True)
    for name, values in kinds.measurements.items():
        if values.dtype.kind != "f":
            continue
        scores = table[name].to_numpy()
        known = ~np.isnan(scores)
        if not known.any():
            continue
        of, scores = codes[known], scores[known]
        lows, highs = (np.full(len(conditions), end) for end in (np.inf, -np.inf))
        np.minimum.at(lows, of, scores)
        np.maximum.at(highs, of, scores)
        numbers = np.bincount(of, count[known], len(conditions))
        low, high = lows.min(), highs.max()
        if low == high:
            found = [("scores", low, numbers.sum())] if name in SCORES else []
        else:
            inside = np.flatnonzero((lows == highs) & (low < lows) & (highs < high))
            names = [f"scores of {condition!r}" for condition in conditions[inside]]
            found = list(zip(names, lows[inside], numbers[inside], strict=True))
        notes += [
            f"{name}: all {grouped(int(number))} {what} are {value:g}; a judge that gives everything the same score "
            "shows no difference whatever there is, so check its answers and how they were read"
            for what, value, number in found
            if number >= _SUSPECT
        ]
    return notes


def _left_out(sheets: Sequence[Sheet]) -> dict[str, LeftOut]:
    """Rows excluded from any sheet, by reason."""
    total: dict[str, LeftOut] = {}
    for sheet in sheets:
        for reason, left in sheet.left_out.items():
            before = total.get(reason, LeftOut(0))
            total[reason] = LeftOut(before.count + left.count, (*before.examples, *left.examples)[:3])
    return total


def _table(raw: Gathered, kinds: Kinds, question: np.ndarray, formats: Sequence[str]) -> pd.DataFrame:
    """The columns of the log in their order; text in object columns, so that nothing depends on pyarrow."""
    contexts = dict(kinds.contexts)
    if formats:
        if "base_question" in raw.columns or "format" in contexts:
            own = "base_question" if "base_question" in raw.columns else "format"
            raise LogError(
                f"formats= would write the column {own!r}, which the log already has",
                column=own,
                expected="one source for this column",
                remedy=f'remove formats=, or pass columns={{"{own}": None}}',
                argument=("formats", "columns"),
            )
        base, contexts["format"] = split_formats(question, formats)
    else:
        base = identity_text(raw, "base_question") if "base_question" in raw.columns else question
    size = len(question)
    completion = raw.columns.get("completion", np.full(size, None, dtype=object))
    files = np.array([column_map.file for column_map in raw.column_maps], dtype=object)
    columns = {
        "condition": identity_text(raw, "condition"),
        "question_id": question,
        "base_question": base,
        "completion": completion_texts(completion),
        **kinds.measurements,
        **contexts,
        "source": files[raw.file],
        "record": raw.record,
    }
    return pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})


def _pattern_notes(condition: str | None, column_maps: Sequence[ColumnMap]) -> list[str]:
    if condition is None or not is_pattern(condition):
        return []
    note = short_fields(condition, [column_map.fields for column_map in column_maps])
    return [] if note is None else [note]


def _name_notes(table: pd.DataFrame) -> list[str]:
    """Conditions and questions that look alike."""
    return [
        f"{what} {', '.join(map(repr, group))} differ only in spaces, case, invisible characters or Unicode form, and "
        "are read as different ones; make them equal if they are the same"
        for column, what in (("condition", "the conditions"), ("question_id", "the question ids"))
        for group in alike(table[column].unique())
    ]


def _question_notes(table: pd.DataFrame) -> tuple[str, ...]:
    """How questions nest, and suffixes that look like prompt formats and were not named."""
    ids = table["question_id"].drop_duplicates()
    base = table["base_question"].nunique()
    if base < len(ids):
        return (f"{grouped(len(ids))} questions are formats of {grouped(base)} base questions",)
    suffixes = unnested_formats(ids.to_numpy())
    if not suffixes:
        return ()
    return (
        f"question ids that end in {', '.join(suffixes)} look like prompt formats of other questions, but are counted "
        f"as separate questions, which makes intervals too narrow; pass "
        f"formats={list(suffixes)} to nest them",
    )


def completion_texts(values: np.ndarray) -> np.ndarray:
    """Completions, objects of str and None, shape ``(N,)``, of values ``(N,)``: empty is None, numbers become text."""
    return object_array([None if value is None or value == "" else str(value) for value in values])
