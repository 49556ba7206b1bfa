"""Reading logs: files or a table in memory in, one checked :class:`~simulacra.data.CompletionLog` out."""

import dataclasses
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from simulacra.data.account import Account, LeftOut
from simulacra.data.errors import LogError, place
from simulacra.data.log import CompletionLog
from simulacra.data.numerals import grouped
from simulacra.data.reading.column_map import map_all_columns
from simulacra.data.reading.duplicates import find_duplicates
from simulacra.data.reading.formats import Sheet
from simulacra.data.reading.formats.sheet import object_array
from simulacra.data.reading.gather import Gathered, gather, identity_text
from simulacra.data.reading.judgments import join_judgments
from simulacra.data.reading.kinds import Kinds, sort_columns
from simulacra.data.reading.layouts import as_rows
from simulacra.data.reading.questions import split_formats, unnested_formats
from simulacra.data.reading.schema import check_table
from simulacra.data.reading.sheets import FileOptions, read_sheets
from simulacra.data.reading.values import sentinels
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["read_completions"]


def read_completions(
    source: Any,
    *,
    condition: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    measurements: str | Sequence[str] | None = None,
    contexts: str | Sequence[str] | None = None,
    missing: int | float | str | Sequence[int | float | str] = (-1,),
    base_question: str | None = None,
    formats: str | Sequence[str] = (),
    duplicates: Literal["keep", "drop"] = "keep",
    layout: str | None = None,
    judgments: Any = None,
    on: str | Sequence[str] | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    progress_bar: bool | None = None,
) -> CompletionLog:
    """Read judged completions into one checked table, or raise and return nothing.

    Args:
        source: a path, a glob, a folder or a list of those (CSV, TSV, JSONL, NDJSON, JSON, Parquet, Inspect; text
            formats also as .gz, .bz2, .xz; folders of ``Dataset.save_to_disk``; ``hf://datasets/owner/name``); or a
            table in memory: pandas, anything with ``to_pandas``, a ``DatasetDict``.
        condition: where the condition is: a column, or a pattern for the file names such as
            ``"{model}-{condition}"``, whose other fields become context columns. Default: the column ``condition``.
        columns: canonical name to the file's own, ``{"completion": "answer"}``, where the usual names do not settle
            it; None leaves a column out. ``{"completion": None}`` reads a log without texts.
        measurements: the measurement columns, numbers or words. Default: every column of numbers whose name does
            not say that it is a context.
        contexts: the context columns. Default: every column of words, and numbers named like one (``step, seed …``).
        missing: values of measurements that mean *missing*; each is counted in the account. Numbers compare with
            numbers, words with words.
        base_question: the column with the base question. Default: ``base_question`` where there is one, else the
            question itself.
        formats: suffixes of question ids that mark a prompt format, ``("_json", "_template")``: stripped for the
            base question, kept in a context column ``format``.
        duplicates: ``"keep"`` reports rows that repeat another; ``"drop"`` keeps the first of each and counts the
            rest as left out. Short answers may repeat honestly: look at the account first.
        layout: ``"rows"``, ``"lists"``, ``"long"``, ``"questions"`` or ``"inspect"``, where it is not to be recognised:
            see :data:`~simulacra.data.reading.layouts.LAYOUTS`. What was taken, and why, is in ``account.layouts``.
        judgments: where judgments are in files of their own: a source like the first, or one for every judge by
            name, ``{"gpt4o": "a.jsonl", "claude": "b.jsonl"}``, whose columns then end in ``_gpt4o`` and ``_claude``.
        on: the columns that identify a completion in both, or ``"position"``; in the long layout the columns that
            judgments of one completion share. Default: what the columns settle.
        delimiter: of CSV files. Default: a comma, or a tab for ``.tsv``.
        encoding: of text files.
        progress_bar: of Inspect logs, on standard error; None shows it in terminals and notebooks.

    Raises:
        LogError: anything that cannot be read without guessing, with file, line and column, and the remedy.
        InputError: an argument of another type.
    """
    nothing = type(None)
    for argument, value, types, expected in (
        ("condition", condition, (str, nothing), "a column, or a pattern such as '{model}-{condition}'"),
        ("columns", columns, (Mapping, nothing), "a dictionary such as {'completion': 'answer'}"),
        ("measurements", measurements, (Iterable, nothing), "a list of columns"),
        ("contexts", contexts, (Iterable, nothing), "a list of columns"),
        ("missing", missing, (numbers.Real, Iterable), "a value or a list of values, such as (-1, 'REFUSAL')"),
        ("base_question", base_question, (str, nothing), "a column"),
        ("formats", formats, (Iterable, nothing), "a list of suffixes"),
        ("on", on, (Iterable, nothing), "a list of columns, or 'position'"),
        ("delimiter", delimiter, (str, nothing), "one character"),
        ("encoding", encoding, str, "a name such as 'utf-8'"),
    ):
        expect_type(value, types, argument, "read_completions", expected=expected)
    if duplicates not in ("keep", "drop"):
        raise InputError(f"duplicates={duplicates!r}", expected="'keep' or 'drop'", argument="duplicates")
    how = FileOptions(layout=layout, delimiter=delimiter, encoding=encoding, progress_bar=progress_bar)
    sheets = _sheets(source, judgments, _names(on), columns or {}, how)
    column_maps = map_all_columns(
        [sheet.header for sheet in sheets],
        condition=condition,
        columns=columns,
        base_question=base_question,
        claimed=(*(_names(measurements) or ()), *(_names(contexts) or ())),
    )
    raw = gather(sheets, column_maps)
    kinds = sort_columns(raw, measurements=_names(measurements), contexts=_names(contexts), missing=sentinels(missing))
    table = _table(raw, kinds, _names(formats) or ())
    repeats, found = find_duplicates(table, list(kinds.measurements), refuse_copies=duplicates == "keep")
    left_out = _left_out(sheets)
    if duplicates == "drop" and repeats.any():
        first = table[repeats].head(3)
        examples = tuple(place(file, int(row)) for file, row in zip(first["source"], first["record"], strict=True))
        left_out["exact duplicate of an earlier row"] = LeftOut(int(repeats.sum()), examples)
        table = table[~repeats].reset_index(drop=True)
    contexts_kept = tuple(name for name in table.columns if name in kinds.contexts or name == "format")
    checked = check_table(table, tuple(kinds.measurements), contexts_kept)
    account = Account(
        rows_read={
            sheet.file: len(sheet.record) + sum(left.count for left in sheet.left_out.values()) for sheet in sheets
        },
        renamed=raw.renamed,
        set_aside=dict(raw.set_aside) | kinds.set_aside,
        sentinels={name: counts for name, counts in kinds.sentinels.items() if counts},
        parsed={name: count for name, count in kinds.parsed.items() if count},
        not_numbers=kinds.not_numbers,
        absent={name: files for name, files in raw.absent.items() if name in kinds.measurements},
        left_out=left_out,
        duplicates=found,
        notes=(*dict.fromkeys(note for sheet in sheets for note in sheet.notes), *_question_notes(checked)),
        layouts={sheet.file: f"{sheet.layout}, for {sheet.why}" for sheet in sheets},
        provenance={sheet.file: sheet.provenance for sheet in sheets if sheet.provenance},
    )
    return CompletionLog(checked, tuple(kinds.measurements), contexts_kept, account)


def _sheets(
    source: Any, judgments: Any, on: Sequence[str] | None, columns: Mapping[str, str | None], how: FileOptions
) -> list[Sheet]:
    """One row a completion, with its judgments where these are in files of their own."""
    if on is not None and judgments is None and how.layout not in (None, "long"):
        raise LogError(
            "on= joins judgments=, and judgments= is not given",
            expected='both, or layout="long"',
            argument=("on", "judgments", "layout"),
        )
    keys = on if judgments is None else None
    sheets = as_rows(read_sheets(source, how), layout=how.layout, columns=columns, on=keys, verdicts=False)
    by_judge = judgments if isinstance(judgments, Mapping) and not _is_table(judgments) else {None: judgments}
    for judge, place_of in by_judge.items():
        if place_of is not None:
            raw = read_sheets(place_of, dataclasses.replace(how, layout=None))
            verdicts = as_rows(raw, layout=None, columns=columns, verdicts=True)
            sheets = join_judgments(sheets, verdicts, judge=judge, on=on, columns=columns)
    return sheets


def _is_table(source: Mapping) -> bool:
    return any(hasattr(value, "to_pandas") for value in source.values())


def _left_out(sheets: Sequence[Sheet]) -> dict[str, LeftOut]:
    """Rows left out of any sheet, by reason."""
    total: dict[str, LeftOut] = {}
    for sheet in sheets:
        for reason, left in sheet.left_out.items():
            before = total.get(reason, LeftOut(0))
            total[reason] = LeftOut(before.count + left.count, (*before.examples, *left.examples)[:3])
    return total


def _table(raw: Gathered, kinds: Kinds, formats: Sequence[str]) -> pd.DataFrame:
    """The columns of the log in their order; text in object columns, so that nothing depends on pyarrow."""
    question = identity_text(raw, "question_id")
    contexts = dict(kinds.contexts)
    if formats:
        if "base_question" in raw.columns or "format" in contexts:
            own = "base_question" if "base_question" in raw.columns else "format"
            raise LogError(
                f"formats= would write the column {own!r}, which the log has",
                column=own,
                expected="one source for it",
                remedy=f'leave formats= out, or pass columns={{"{own}": None}}',
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
        "completion": _texts(completion),
        **kinds.measurements,
        **contexts,
        "source": files[raw.file],
        "record": raw.record,
    }
    return pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})


def _question_notes(table: pd.DataFrame) -> tuple[str, ...]:
    """How questions nest, and suffixes that look like formats of a question and were not named."""
    ids = table["question_id"].drop_duplicates()
    base = table["base_question"].nunique()
    if base < len(ids):
        return (f"{grouped(len(ids))} questions are formats of {grouped(base)} base questions",)
    suffixes = unnested_formats(ids.to_numpy())
    if not suffixes:
        return ()
    return (
        f"question ids that end in {', '.join(suffixes)} look like prompt formats of other questions and count as "
        f"questions of their own, which makes intervals too narrow; pass "
        f"formats={list(suffixes)} to nest them",
    )


def _texts(values: np.ndarray) -> np.ndarray:
    """Completions, objects of str and None: an empty one is None, a number is its text."""
    return object_array([None if value is None or value == "" else str(value) for value in values])


def _names(names: str | Sequence[str] | None) -> list[str] | None:
    return [names] if isinstance(names, str) else None if names is None else list(names)
