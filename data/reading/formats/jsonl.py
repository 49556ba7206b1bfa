"""JSONL (NDJSON): one JSON object per line; nested objects become columns with dots, ``scores.aligned``."""

import itertools
import json
from pathlib import Path
from typing import Any

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.records import refuse_surrogates, sheet_of_records
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.formats.text import open_text, read_text

__all__ = ["line_of_object", "read_jsonl"]


def read_jsonl(path: Path, *, encoding: str = "utf-8") -> Sheet:
    """Read a JSONL file; blank lines are skipped, keys that a record lacks are None.

    Raises:
        LogError: see ``read_text``; also a line that is not a JSON object, such as
            the last line of a truncated file.
    """
    text = read_text(path, encoding=encoding)
    records, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            records.append(_record(line, path, number))
            lines.append(number)
    return sheet_of_records(records, lines, path)


def line_of_object(path: Path, record: int) -> int:
    """The 1-based line of the 1-based object of a file; blank lines are skipped."""
    with open_text(path) as stream:
        lines = (number for number, line in enumerate(stream, start=1) if line.strip())
        return next(itertools.islice(lines, record - 1, None))


def _record(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
        refuse_surrogates(line, record)
    except (ValueError, RecursionError) as error:  # RecursionError: brackets nested beyond what Python reads
        where = str(error)
        if isinstance(error, json.JSONDecodeError):
            where = f"{error.msg} at character {error.pos + 1} of {len(line)}"
        raise LogError(
            f"the line is not valid JSON ({where})",
            file=path,
            line=number,
            expected="one complete JSON object per line",
            remedy="the line is truncated or damaged: remove it, or write the file again",
        ) from error
    if not isinstance(record, dict):
        raise LogError(
            f"the line contains a JSON {type(record).__name__}",
            file=path,
            line=number,
            expected="one JSON object per line",
            remedy="if the file is one JSON array, name it .json; otherwise load it and pass a DataFrame",
        )
    return record
