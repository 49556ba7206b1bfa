"""JSONL (NDJSON): one JSON object per line; nested objects become columns with dots, ``scores.aligned``."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.records import refuse_surrogates, sheet_of_records, unique_keys
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.formats.text import open_text

__all__ = ["json_records", "read_jsonl"]

_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys)


def read_jsonl(path: Path, *, encoding: str = "utf-8") -> Sheet:
    """Read a JSONL file; blank lines are skipped, keys that a record lacks are None.

    Raises:
        LogError: see :func:`json_records`.
    """
    with json_records(path, encoding=encoding) as located:
        lines, records = zip(*located, strict=True)
    return sheet_of_records(records, lines, path)


@contextlib.contextmanager
def json_records(path: Path, *, encoding: str = "utf-8") -> Iterator[Iterator[tuple[int, dict[str, Any]]]]:
    """The objects of a JSONL file as they are read, each with its line.

    Raises:
        LogError: see :func:`~simulacra.data.reading.formats.text.open_text`; also a line that is not a JSON object,
            such as the last line of a truncated file, or an object with a key twice.
    """
    with open_text(path, encoding=encoding) as stream:
        yield (
            (number, _record(line.removesuffix("\n"), path, number))
            for number, line in enumerate(stream, start=1)
            if line.strip()
        )


def _record(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        record = _DECODER.decode(line)
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
