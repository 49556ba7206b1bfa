"""Reading files or a table in memory into one validated :class:`~simulacra.data.CompletionLog`."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from simulacra.data.errors import LogError
from simulacra.data.log import CompletionLog
from simulacra.data.reading.choices import choices_of, names_of
from simulacra.data.reading.column_map import map_all_columns
from simulacra.data.reading.formats import Sheet
from simulacra.data.reading.interpret import interpret
from simulacra.data.reading.judgments import join_judgments
from simulacra.data.reading.layouts import as_rows
from simulacra.data.reading.names import combine
from simulacra.data.reading.sheets import FileOptions, read_sheets
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["read_completions"]


def read_completions(
    source: Any,
    *,
    condition: str | Sequence[str] | None = None,
    columns: Mapping[str, str | None] | None = None,
    measurements: str | Sequence[str] | None = None,
    contexts: str | Sequence[str] | None = None,
    missing: int | float | str | Sequence[int | float | str] | None = None,
    base_question: str | None = None,
    formats: str | Sequence[str] = (),
    duplicates: Literal["keep", "drop"] = "keep",
    layout: str | None = None,
    judgments: Any = None,
    on: str | Sequence[str] | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
    rows: str | None = None,
    errors: Literal["exclude", "keep"] = "exclude",
    progress_bar: bool | None = None,
) -> CompletionLog:
    """Read judged completions into one validated table, or raise an error; no partial log is returned.

    Args:
        source: a path, a glob, a folder or a list of these (CSV, TSV, JSONL, NDJSON, JSON, Parquet, Inspect; text
            formats also as .gz, .bz2, .xz; folders of ``Dataset.save_to_disk``; ``hf://datasets/owner/name``); or a
            table in memory: pandas, any object with ``to_pandas``, a ``DatasetDict``.
        condition: the condition: a column, a list of columns whose values together form it, or a pattern for the file
            names such as ``"{model}-{condition}"``, whose other fields become context columns, and ``{question_id}``
            the question. Default: the column ``condition``.
        columns: canonical name to the file's name, ``{"completion": "answer"}``, for columns that are not recognised
            by name; None excludes a column. ``{"completion": None}`` reads a log without texts.
        measurements: the measurement columns, numbers or text. Default: every numeric column without a typical
            context name.
        contexts: the context columns. Default: every text column, and numeric columns with a typical context name
            (``step, seed …``).
        missing: values of measurements that mean *missing*; each is counted in the account. Numbers are compared with
            numbers, strings with strings. Default: -1, where it is the only negative value of a column and the other
            values show that it is not on their scale.
        base_question: the column with the base question. Default: ``base_question`` if there is one, otherwise the
            question itself.
        formats: suffixes of question ids that mark a prompt format, ``("_json", "_template")``: removed for the
            base question, kept in a context column ``format``.
        duplicates: ``"keep"`` reports rows that repeat another; ``"drop"`` keeps the first of each and counts the
            rest as excluded. Short answers can legitimately repeat: read the account first.
        layout: ``"rows"``, ``"lists"``, ``"long"``, ``"questions"`` or ``"inspect"``, see
            :data:`~simulacra.data.reading.layouts.LAYOUTS`. Default: detected automatically and reported, with the
            reason, in ``account.layouts``.
        judgments: judgments in separate files: a source like the first argument, or one for every judge by name,
            ``{"gpt4o": "a.jsonl", "claude": "b.jsonl"}``, whose columns then end in ``_gpt4o`` and ``_claude``.
        on: the columns that identify a completion in both, or ``"position"``; in the long layout the columns that
            judgments of one completion share. Default: inferred from the shared columns.
        delimiter: of CSV files. Default: a comma, or a tab for ``.tsv``.
        encoding: of text files.
        decimal: the decimal mark of numbers written as text, ``"."`` or ``","``.
        rows: the key whose list contains the rows of a JSON document, with dots for nested keys. Default: the only
            list of objects, or a usual name such as ``results``.
        errors: ``"keep"`` reads samples of Inspect logs that ended in an error and have scores (``score_on_error``);
            by default they are excluded and counted.
        progress_bar: for Inspect logs, on standard error; None shows it in terminals, and in notebooks with
            ipywidgets.

    Raises:
        LogError: anything that cannot be read without guessing, with file, line, column and remedy.
        InputError: an argument of another type.
    """
    nothing = type(None)
    for argument, value, types, expected in (
        ("on", on, (Iterable, nothing), "a list of columns, or 'position'"),
        ("delimiter", delimiter, (str, nothing), "one character"),
        ("encoding", encoding, str, "a name such as 'utf-8'"),
        ("rows", rows, (str, nothing), "a key of the document"),
    ):
        expect_type(value, types, argument, "read_completions", expected=expected)
    if duplicates not in ("keep", "drop"):
        raise InputError(f"duplicates={duplicates!r}", expected="'keep' or 'drop'", argument="duplicates")
    if errors not in ("exclude", "keep"):
        raise InputError(f"errors={errors!r}", expected="'exclude' or 'keep'", argument="errors")
    choices = choices_of(
        "read_completions",
        condition=condition,
        columns=columns,
        measurements=measurements,
        contexts=contexts,
        missing=missing,
        base_question=base_question,
        formats=formats,
        decimal=decimal,
    )
    how = FileOptions(
        layout=layout, delimiter=delimiter, encoding=encoding, rows=rows, errors=errors, progress_bar=progress_bar
    )
    keys = names_of(on)
    sheets = _sheets(source, judgments, None if keys is None else list(keys), choices.columns, how)
    if choices.combined:
        sheets = [combine(sheet, choices.combined) for sheet in sheets]
    column_maps = map_all_columns([sheet.header for sheet in sheets], choices)
    found = interpret(sheets, column_maps, choices, duplicates=duplicates, every_row=layout == "rows")
    return CompletionLog(found.table, found.measurements, found.contexts, found.account)


def _sheets(
    source: Any, judgments: Any, on: Sequence[str] | None, columns: Mapping[str, str | None], how: FileOptions
) -> list[Sheet]:
    """One row per completion, with its judgments if these are in separate files."""
    if on is not None and judgments is None and how.layout not in (None, "long"):
        raise LogError(
            "on= requires judgments=, which is not given",
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
