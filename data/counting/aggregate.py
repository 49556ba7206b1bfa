"""Aggregation of scanned logs: one GROUP BY per file, with only the counts in memory."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from simulacra.data.account import Account
from simulacra.data.counting.code_sql import code_sql, missing_of
from simulacra.data.counting.duckdb import (
    Value,
    fetch,
    identifier,
    relation,
    sentinel_sql,
    text_sql,
    value_sql,
)
from simulacra.data.counting.refusals import refuse_empty_cell, refuse_unknown, refuse_value
from simulacra.data.counting.scan import ScannedFile, ScannedLog
from simulacra.data.reading.formats.csv import line_of_record
from simulacra.data.reading.formats.jsonl import line_of_object
from simulacra.data.reading.formats.sheet import refuse_no_rows
from simulacra.data.reading.questions import split_formats
from simulacra.data.reading.values import as_text, tidy_context
from simulacra.formalism.emissions import AbstractEmission

__all__ = ["aggregate", "distinct_rows"]

_NAMES = ("condition", "question_id", "base_question")


def aggregate(
    log: ScannedLog, emissions: Sequence[AbstractEmission], by: tuple[str, ...]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, Account]:
    """Count the rows of every file by cell and category codes.

    Returns:
        Cells (G rows), codes of shape ``(G, E)`` and counts of shape ``(G,)``, both int64, and the account. The same
        cell and codes may occur in several rows, one per file.

    Raises:
        LogError: an unknown column, a cell column without a value, a value outside an emission's categories, or a
            file that DuckDB cannot read.
    """
    names = [emission.measurement for emission in emissions]
    own = [name for name in log.columns if name not in ("condition", "question_id", "base_question", "completion")]
    refuse_unknown(names, own, "measurement", {})
    refuse_unknown(by, [name for name in log.columns if name != "completion"], "cell column", {})
    parts = [_count_file(log, file, emissions, by) for file in log.files]
    raw_cells = _derive(pd.concat([part for part, _ in parts], ignore_index=True), log, by)
    cells = {name: as_text(values) if name in _NAMES else tidy_context(values) for name, values in raw_cells.items()}
    counts = pd.concat([part for part, _ in parts], ignore_index=True)
    account = Account(
        rows_read={file.header.file: int(part["n"].sum()) for file, (part, _) in zip(log.files, parts, strict=True)},
        renamed=log.renamed,
        sentinels=_sum([sentinels for _, sentinels in parts]),
        notes=("scanned by DuckDB: checked for copied files, not for repeated rows", *log.notes),
    )
    return (
        pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in cells.items()}),
        counts[[f"c{index}" for index in range(len(emissions))]].to_numpy(dtype=np.int64),
        counts["n"].to_numpy(dtype=np.int64),
        account,
    )


def distinct_rows(log: ScannedLog, columns: Sequence[str], *, limit: int | None = None) -> pd.DataFrame:
    """The distinct rows of some columns, with the values that a reading of the log has; the same may occur repeatedly.

    Args:
        log: a scanned log.
        columns: columns of its files, or the condition.
        limit: number of rows per file after which to stop.

    Raises:
        LogError: a file that DuckDB cannot read.
    """
    parts = []
    for file in log.files:
        keys = [name for name in columns if name not in file.column_map.fields]
        selected = [
            f"{text_sql(file.column_map.own_name(name), file.kind, file.types)} AS {identifier(name)}" for name in keys
        ]
        end = "" if limit is None else f" LIMIT {limit}"
        query = f"SELECT DISTINCT {', '.join(selected)} FROM {_relation(file)}{end}"
        part = pd.DataFrame(fetch(query, file.path) if keys else [()], columns=keys, dtype=object)
        for name in (name for name in columns if name not in keys):
            part[name] = pd.Series([file.column_map.fields[name]] * len(part), dtype=object)
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True)
    return pd.DataFrame({name: tidy_context(rows[name].to_numpy(dtype=object)) for name in columns})


def _count_file(
    log: ScannedLog,
    file: ScannedFile,
    emissions: Sequence[AbstractEmission],
    by: tuple[str, ...],
) -> tuple[pd.DataFrame, dict[str, dict[str, int]]]:
    """Counts of one file: columns of cells, ``c0 …`` and ``n``; and its sentinels."""
    keys = {name: text_sql(file.column_map.own_name(name), file.kind, file.types) for name in _keys(log, file, by)}
    values = [
        value_sql(file.column_map.own_name(emission.measurement), file.kind, file.types) for emission in emissions
    ]
    codes = [code_sql(emission, value, log.missing) for emission, value in zip(emissions, values, strict=True)]
    sentinels = [
        (index, value) for index, emission in enumerate(emissions) for value in missing_of(emission, log.missing)
    ]
    selected = [f"{sql} AS {identifier(name)}" for name, sql in keys.items()]
    selected += [f"{sql} AS c{index}" for index, sql in enumerate(codes)]
    hits = [f"count(*) FILTER ({sentinel_sql(values[index], value)})" for index, value in sentinels]
    query = f"SELECT {', '.join([*selected, *hits, 'count(*)'])} FROM {_relation(file)} GROUP BY {_ordinals(selected)}"
    rows = fetch(query, file.path)
    columns = [*keys, *(f"c{index}" for index in range(len(emissions))), *(f"s{i}" for i in range(len(hits))), "n"]
    groups = pd.DataFrame(rows, columns=columns, dtype=object)
    if groups.empty:
        raise refuse_no_rows(file.header.file, list(file.header.columns))
    for index, emission in enumerate(emissions):
        if (groups[f"c{index}"] < 0).any():
            where = f"{codes[index]} < 0"
            record, text, number = _first(file, where, values[index])
            value = text if number is None else number
            column = file.column_map.own_name(emission.measurement)
            raise refuse_value(emission, value, file=file.header.file, line=record, column=column)
    for name, sql in keys.items():
        if groups[name].isin([None, ""]).any():
            record, *_ = _first(file, f"({sql} IS NULL OR {sql} = '')", Value("NULL", "NULL"))
            raise refuse_empty_cell(file=file.header.file, line=record, column=file.column_map.own_name(name))
    for name, value in file.column_map.fields.items():
        groups[name] = pd.Series([value] * len(groups), dtype=object)
    found: dict[str, dict[str, int]] = {}
    for place, (index, value) in enumerate(sentinels):
        count = int(groups[f"s{place}"].sum())
        if count:
            word = value if isinstance(value, str) else f"{value:g}"
            found.setdefault(emissions[index].measurement, {})[word] = count
    return groups, found


def _keys(log: ScannedLog, file: ScannedFile, by: tuple[str, ...]) -> list[str]:
    """The columns of the file that define the cells; derived ones come from the question."""
    derived = [name for name in by if _is_derived(log, file, name)]
    wanted = [name for name in by if name not in derived] + (["question_id"] if derived else [])
    return [name for name in dict.fromkeys(wanted) if name not in file.column_map.fields]


def _is_derived(log: ScannedLog, file: ScannedFile, name: str) -> bool:
    return (name == "base_question" and name not in file.column_map.columns) or (name == "format" and bool(log.formats))


def _derive(groups: pd.DataFrame, log: ScannedLog, by: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The columns of the cells, objects; base questions and formats are computed on the few distinct groups."""
    cells = {name: groups[name].to_numpy(dtype=object) for name in groups.columns}
    if any(_is_derived(log, log.files[0], name) for name in by):
        question = as_text(cells["question_id"])
        base, form = split_formats(question, log.formats) if log.formats else (question, question)
        cells |= {"base_question": base} | ({"format": form} if log.formats else {})
    return {name: cells[name] for name in by}


def _relation(file: ScannedFile) -> str:
    return relation(file.path, file.header.columns, file.delimiter)


def _ordinals(columns: Sequence[str]) -> str:
    return ", ".join(str(place + 1) for place in range(len(columns)))


def _first(file: ScannedFile, where: str, value: Value) -> tuple[int, Any, Any]:
    """The location of the first row that satisfies a condition, and its value as text and as number."""
    number = "file_row_number + 1" if file.kind == "parquet" else "row_number() OVER ()"
    query = (
        f"SELECT place, text, number FROM (SELECT {number} AS place, {value.text} AS text, {value.number} AS number, "
        f"{where} AS bad FROM {_relation(file)}) WHERE bad ORDER BY place LIMIT 1"
    )
    place, text, found = fetch(query, file.path)[0]
    if file.kind == "csv":
        place = line_of_record(file.path, place, file.delimiter)
    elif file.kind == "jsonl":
        place = line_of_object(file.path, place)
    return place, text, found


def _sum(parts: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    total: dict[str, dict[str, int]] = {}
    for part in parts:
        for name, counts in part.items():
            own = total.setdefault(name, {})
            for value, count in counts.items():
                own[value] = own.get(value, 0) + count
    return total
