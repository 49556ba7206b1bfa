"""Counting files in place with DuckDB: queries, headers, and columns as SQL expressions."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simulacra.data.errors import LogError
from simulacra.data.reading.columns import Header
from simulacra.data.reading.formats.csv import csv_names, delimiter_of
from simulacra.data.reading.sources import format_of
from simulacra.data.reading.values import MISSING_NUMBERS

__all__ = [
    "Value",
    "fetch",
    "file_header",
    "identifier",
    "literal",
    "missing_number_sql",
    "relation",
    "sentinel_sql",
    "text_sql",
    "trimmed",
    "value_sql",
]

_MEMORY = "1GB"
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMERIC = (*_WHOLE, *(f"U{name}" for name in _WHOLE), "FLOAT", "DOUBLE", "DECIMAL")


@dataclasses.dataclass(frozen=True)
class Value:
    """A measurement as SQL expressions.

    Attributes:
        text: the value as text; NULL if there is none.
        number: the value as DOUBLE; NULL if it is missing or not a number.
        typed: whether the file stores it as a number, so that its text is not needed.
    """

    text: str
    number: str
    typed: bool = False


def fetch(query: str, path: Path) -> list[tuple[Any, ...]]:
    """Run a query over one file, in a separate DuckDB that is bounded in memory and installs nothing.

    Raises:
        LogError: DuckDB cannot read the file; its message, which is included, gives the location.
    """
    import duckdb  # a tenth of a second that only scanned logs need

    threads = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": _MEMORY,
        "temp_directory": str(Path(tempfile.gettempdir()) / "simulacra-duckdb"),
        "autoinstall_known_extensions": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET enable_progress_bar = false")  # it would write over notebooks and pipes
            return connection.execute(query).fetchall()
    except duckdb.Error as error:
        first = " ".join(str(error).split("Possible ")[0].split())
        raise LogError(
            f"the file cannot be read ({first})",
            file=path,
            expected=f"a complete {format_of(path)} file, in UTF-8 if it is text",
            remedy="correct the line, or exclude the file; read_completions gives a more detailed message",
        ) from error


def literal(text: str) -> str:
    """A string as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def file_header(path: Path, delimiter: str | None) -> tuple[Header, Mapping[str, str]]:
    """The columns of a file and, if the format has them, their DuckDB types.

    Raises:
        LogError: a file that is empty, damaged or of another format; a compression that DuckDB does not read.
    """
    kind = format_of(path)
    if path.suffix in (".bz2", ".xz"):
        raise LogError(
            f"{path.suffix} files cannot be scanned",
            file=path,
            expected="plain or .gz files",
            remedy="convert it, or use read_completions",
        )
    if path.stat().st_size == 0:
        raise LogError("the file is empty", file=path, expected="at least one completion", remedy="exclude it")
    if kind == "csv":
        return Header(str(path), tuple(csv_names(path, delimiter))), {}
    types = _parquet_types(path) if kind == "parquet" else dict(_jsonl_types(path))
    nested = tuple(name for name, kind in types.items() if kind.endswith("]"))
    return Header(str(path), tuple(name for name in types if name not in nested), nested), types


def relation(path: Path, columns: tuple[str, ...], delimiter: str | None) -> str:
    """A file as a SQL table expression; JSONL has the one column ``json``, Parquet also ``file_row_number``."""
    kind = format_of(path)
    if kind == "parquet":
        return f"read_parquet({literal(str(path))}, file_row_number = true)"
    if kind == "jsonl":
        return f"read_ndjson_objects({literal(str(path))})"
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in columns)
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, header = true, columns = {{{types}}}, "
        f"delim = {literal(delimiter_of(path, delimiter))}, quote = '\"', escape = '\"')"
    )


def text_sql(name: str, kind: str, types: Mapping[str, str]) -> str:
    """A column's value as text, as :func:`~simulacra.data.reading.values.as_text` writes it; NULL if empty."""
    if kind == "csv":
        return identifier(name)
    if kind == "parquet":
        column, type_ = identifier(name), types[name]
        if type_ == "BOOLEAN":
            return f"CASE {column} WHEN true THEN 'True' WHEN false THEN 'False' END"
        return _whole(column) if type_ in ("FLOAT", "DOUBLE") else f"CAST({column} AS VARCHAR)"
    text, type_ = _json(name, "json_extract_string"), _json(name, "json_type")
    number = _whole(f"TRY_CAST({text} AS DOUBLE)")
    return (
        f"CASE {type_} WHEN 'BOOLEAN' THEN upper({text}[1]) || {text}[2:] WHEN 'DOUBLE' THEN {number} ELSE {text} END"
    )


def value_sql(name: str, kind: str, types: Mapping[str, str]) -> Value:
    """A measurement as text and as number."""
    text = text_sql(name, kind, types)
    if kind == "parquet" and types[name].startswith(_NUMERIC):
        return Value(text, f"CAST({identifier(name)} AS DOUBLE)", typed=True)
    word = trimmed(text)
    return Value(text, f"CASE WHEN regexp_matches({word}, '[_(]') THEN NULL ELSE TRY_CAST({word} AS DOUBLE) END")


def trimmed(text: str) -> str:
    """Text without the white space around it."""
    return f"trim({text}, E' \\t\\r\\n')"


def missing_number_sql(value: Value, missing: tuple[int | float | str, ...]) -> str:
    """Whether a value of a numeric measurement is missing."""
    clauses = [f"{value.number} IS NULL" if value.typed else f"{value.text} IS NULL", f"isnan({value.number})"]
    if not value.typed:
        words = MISSING_NUMBERS | {word.strip().casefold() for word in missing if isinstance(word, str)}
        clauses.append(f"lower({trimmed(value.text)}) IN ({', '.join(map(literal, sorted(words)))})")
    numbers = ", ".join(repr(float(sentinel)) for sentinel in missing if not isinstance(sentinel, str))
    if numbers:
        clauses.append(f"{value.number} IN ({numbers})")
    return f"({' OR '.join(clauses)})"


def sentinel_sql(value: Value, sentinel: int | float | str) -> str:
    """Whether a value is one of the caller's sentinels."""
    if not isinstance(sentinel, str):
        return f"{value.number} = {float(sentinel)!r}"
    return "false" if value.typed else f"lower({trimmed(value.text)}) = {literal(sentinel.strip().casefold())}"


def _whole(number: str) -> str:
    return (
        f"CASE WHEN isnan({number}) THEN NULL WHEN {number} = floor({number}) AND abs({number}) < 1e18 "
        f"THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) ELSE CAST({number} AS VARCHAR) END"
    )


def _json(name: str, function: str) -> str:
    """A field of the object ``json``; a name with dots may also be a path, as the reader writes it."""
    paths = [f'$."{name}"'] + (['$."' + '"."'.join(name.split(".")) + '"'] if "." in name else [])
    found = [f"{function}(json, {literal(path)})" for path in paths]
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"


def _parquet_types(path: Path) -> dict[str, str]:
    query = f"DESCRIBE SELECT * FROM read_parquet({literal(str(path))})"
    return {row[0]: row[1] for row in fetch(query, path)}


def _jsonl_types(path: Path) -> Iterator[tuple[str, str]]:
    query = f"SELECT json_group_structure(json) FROM read_ndjson_objects({literal(str(path))})"
    structure = fetch(query, path)[0][0]
    if structure is None:
        raise LogError("the file is empty", file=path, expected="at least one completion", remedy="exclude it")
    yield from _flatten(json.loads(structure), "")


def _flatten(structure: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in structure.items():
        if isinstance(value, dict) and not any(inner.strip().isdigit() for inner in value):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", "JSON[]" if isinstance(value, list) else str(value)
