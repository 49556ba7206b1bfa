"""JSON documents: an array of records, or one object with completions by question."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.records import flat, refuse_surrogates, sheet_of_records, unique_keys
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.formats.text import read_text

__all__ = ["read_json"]

_ACCEPTED = (
    "an array of objects, one per completion; an object with one such array, or with one for every condition; an "
    "object whose key 'questions' maps question ids to their completions; or an Inspect log"
)
_ROWS = ("results", "samples", "sample_responses", "rows", "data", "records", "examples", "responses", "completions")
"""Usual keys of the rows in a document."""


def read_json(path: Path, *, encoding: str = "utf-8", rows: str | None = None) -> Sheet:
    """Read a JSON document; a record is its 1-based position in the array or among the questions.

    Args:
        path: the file.
        encoding: its encoding.
        rows: the key whose list contains the rows, with dots for nested keys. Default: the only list of objects.

    Raises:
        LogError: see ``read_text``; also text that is not JSON, or a document of another shape, with what was seen.
    """
    text = read_text(path, encoding=encoding)
    try:
        document = json.loads(text, object_pairs_hook=unique_keys)
        refuse_surrogates(text, document)
    except (ValueError, RecursionError) as error:  # RecursionError: brackets nested beyond what Python reads
        where = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise LogError(
            f"the file is not valid JSON ({where})",
            file=path,
            line=getattr(error, "lineno", None),
            expected="one complete JSON document",
            remedy="the file is truncated or damaged: write it again; if it has one object per line, name it .jsonl",
        ) from error
    if rows is not None:
        return _sheet(*_under(document, rows, path), path, f"the key {rows!r} contains the rows")
    if _is_rows(document):
        return sheet_of_records(document, range(1, len(document) + 1), path)
    if isinstance(document, dict):
        if isinstance(document.get("questions"), (dict, list)):
            records = list(_by_question(document, path))
            if records:
                sheet = _sheet(records, (), path, "the key 'questions' contains completions by question")
                return dataclasses.replace(sheet, layout="questions")
        found = _rows_of(document, path)
        if found is not None:
            return _sheet(*found)
    raise LogError(
        f"the JSON document is {_seen(document)}",
        file=path,
        expected=_ACCEPTED,
        remedy="name the key of the rows, rows=, or load the file and pass a DataFrame with one row per completion",
        argument="rows",
    )


def _sheet(records: Sequence[Mapping[str, Any]], above: Sequence[str], path: Path, why: str) -> Sheet:
    """Records as a sheet; fields above all of them are no measurements of any."""
    sheet = sheet_of_records(records, range(1, len(records) + 1), path)
    return dataclasses.replace(sheet, why=why, contexts=tuple(name for name in above if name in sheet.columns))


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(record, dict) for record in value)


def _rows_of(document: Mapping[str, Any], path: Path) -> tuple[list[dict[str, Any]], tuple[str, ...], Path, str] | None:
    """The rows of an object with one list of objects, or with one list per condition; None if there are none."""
    found = {key: value for key, value in document.items() if _is_rows(value)}
    if not found:
        nested = document.get("results")
        return _rows_of(nested, path) if isinstance(nested, dict) else None
    named = [key for key in found if key in _ROWS]
    if len(found) == 1 or len(named) == 1:
        key = named[0] if named else next(iter(found))
        if named or len(document) > 1 or any("condition" in record for record in found[key]):
            return *_above(document, key), path, f"the key {key!r} contains the rows"
    if len(found) == len(document) and not named:
        rows = [{"condition": key, **record} for key, records in found.items() for record in records]
        return rows, (), path, "every key is a condition and contains its rows"
    raise LogError(
        f"the keys {', '.join(map(repr, found))} each contain a list of objects",
        file=path,
        expected="one list of rows",
        remedy=f'name it, rows="{next(iter(found))}"',
        argument="rows",
    )


def _above(document: Mapping[str, Any], key: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The rows under a key, with the fields above them that are not lists, and the names of these fields.

    The fields of a row count first.
    """
    fields = {name: value for name, value in document.items() if name != key and not isinstance(value, list)}
    own = {name for record in document[key] for name in record}
    names = flat({name: value for name, value in fields.items() if name not in own})
    return [{**fields, **record} for record in document[key]], tuple(names)


def _under(document: Any, rows: str, path: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    *parents, last = rows.split(".")
    for key in parents:
        document = document.get(key) if isinstance(document, dict) else None
    if not isinstance(document, dict) or not _is_rows(document.get(last)):
        raise LogError(
            f"the JSON document has no list of objects under {rows!r}; it is {_seen(document)}",
            file=path,
            expected="the key of a list of objects, with dots for nested keys",
            remedy="correct rows=",
            argument="rows",
        )
    return _above(document, last)


def _by_question(document: Mapping[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    """One record per question: the fields above the questions, its id, and its own entries."""
    above = {key: value for key, value in document.items() if key != "questions" and not isinstance(value, list)}
    questions = document["questions"]
    named = questions.items() if isinstance(questions, dict) else ((None, entry) for entry in questions)
    for name, entry in named:
        own = {"completions": entry} if isinstance(entry, list) else entry
        if not isinstance(own, dict):
            raise LogError(
                f"the question {name!r} contains a JSON {type(own).__name__}",
                file=path,
                expected="an object or a list of completions for every question",
                remedy="load the file and pass a DataFrame",
            )
        yield above | ({} if name is None else {"question_id": name}) | own


def _seen(document: object) -> str:
    if isinstance(document, dict):
        return f"an object with the keys {', '.join(map(repr, list(document)[:8])) or 'none'}"
    if isinstance(document, list):
        return f"an array of {len(document)} values, not all objects" if document else "an empty array"
    return f"a single {type(document).__name__}"
