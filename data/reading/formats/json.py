"""JSON documents: an array of records, or one object with completions by question."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.records import refuse_surrogates, sheet_of_records
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.formats.text import read_text

__all__ = ["read_json"]

_ACCEPTED = (
    "an array of objects, one per completion; an object whose key 'questions' maps question ids to their completions; "
    "or an Inspect log"
)


def read_json(path: Path, *, encoding: str = "utf-8") -> Sheet:
    """Read a JSON document; a record is its 1-based position in the array or among the questions.

    Raises:
        LogError: see ``read_text``; also text that is not JSON, or a document of
            another shape, with what was seen.
    """
    text = read_text(path, encoding=encoding)
    try:
        document = json.loads(text)
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
    if isinstance(document, list) and document and all(isinstance(record, dict) for record in document):
        return sheet_of_records(document, range(1, len(document) + 1), path)
    if isinstance(document, dict) and isinstance(document.get("questions"), (dict, list)):
        records = list(_by_question(document, path))
        if records:
            sheet = sheet_of_records(records, range(1, len(records) + 1), path)
            why = "the key 'questions' contains completions by question"
            return Sheet(**{**vars(sheet), "layout": "questions", "why": why})
    raise LogError(
        f"the JSON document is {_seen(document)}",
        file=path,
        expected=_ACCEPTED,
        remedy="load the file and pass a DataFrame with one row per completion",
    )


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
