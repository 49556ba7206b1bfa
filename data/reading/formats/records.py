"""Records of JSON as columns: nested objects become columns with dots, ``scores.aligned``."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simulacra.data.reading.formats.sheet import Sheet, is_probabilities, refuse_wide, repeated, split_columns
from simulacra.data.reading.formats.tools import adapted

__all__ = ["flat", "lone_surrogate", "refuse_surrogates", "sheet_of_records", "unique_keys"]


def sheet_of_records(records: Sequence[Mapping[str, Any]], places: Sequence[int], file: str | Path) -> Sheet:
    """JSON objects as a sheet; keys that a record lacks are None.

    Args:
        records: the objects.
        places: the position of each in its file, 1-based.
        file: the file.

    Raises:
        LogError: more columns than logs have.
    """
    flattened = [flat(record) for record in records]
    refuse_wide(len(set(itertools.chain.from_iterable(flattened))), file)
    columns, lists = split_columns(pd.DataFrame(flattened, dtype=object))
    return Sheet(str(file), columns, np.array(places, dtype=np.int64), lists)


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, as ``object_pairs_hook`` of the library; JSON leaves open which value of a repeated key counts.

    Raises:
        ValueError: a key that occurs twice.
    """
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError(f"the key {repeated(key for key, _ in pairs)[0]!r} occurs twice in one object")
    return record


def flat(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record with nested objects flattened to names with dots; a judge's token probabilities stay one value."""
    record = adapted(record)
    if any(isinstance(value, dict) for value in record.values()):
        return dict(_flatten(record, ""))
    return record


def refuse_surrogates(text: str, value: Any) -> None:
    """Refuse halves of surrogate pairs, which JSON may escape but which are no text.

    Args:
        text: the JSON text, in which they can only be escapes.
        value: what it contains.

    Raises:
        ValueError: there is one.
    """
    if "\\ud" in text.lower():
        lone = lone_surrogate(json.dumps(value, ensure_ascii=False))
        if lone is not None:
            raise ValueError(f"{lone} is half of a surrogate pair, which is no character")


def lone_surrogate(text: str) -> str | None:
    """The first half of a surrogate pair without its other half, escaped; None if the text has none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text[error.start].encode("ascii", "backslashreplace").decode()
    return None


def _flatten(record: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict) and not is_probabilities(value):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
