"""How the room refuses a log: one error that says where, what, what was expected and the remedy."""

from collections.abc import Sequence
from pathlib import Path

from simulacra.formalism.errors import InputError

__all__ = ["FRAME_SOURCE", "LogError", "is_in_memory", "place", "shown"]

FRAME_SOURCE = "<DataFrame>"
"""Provenance of rows that came from a table in memory; their record is the 1-based position."""

_LINES = tuple(text + packed for text in (".csv", ".tsv", ".jsonl", ".ndjson") for packed in ("", ".gz", ".bz2", ".xz"))


def is_in_memory(file: str) -> bool:
    """Whether rows came from no file of ours: a table in memory or a dataset of the hub."""
    return file.startswith((FRAME_SOURCE, "hf://"))


def place(file: str | Path, record: int | None = None) -> str:
    """Where a row is, as text: ``file:line`` where records begin on lines, ``file: record n`` elsewhere."""
    if record is None:
        return str(file)
    return f"{file}:{record}" if str(file).endswith(_LINES) else f"{file}: record {record}"


def shown(value: object) -> str:
    """A value as a message quotes it: long ones are cut."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


class LogError(InputError):
    """A log that cannot be read as it stands; nothing of it was returned.

    The message reads ``file:line: column 'x': what is wrong; expected …; remedy.``

    Attributes:
        file: the file (or ``"<DataFrame>"``), None when the fault is in no single file.
        line: 1-based line on which the record starts (CSV, JSONL) or 1-based record (any other source).
        column: the column as the file names it.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        remedy: str | None = None,
        argument: str | Sequence[str] = (),
        file: str | Path | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        self.file = None if file is None else str(file)
        self.line = line
        self.column = column
        where = [] if file is None else [place(file, line)]
        if column is not None:
            where.append(f"column {column!r}")
        super().__init__(": ".join([*where, what]), expected=expected, remedy=remedy, argument=argument)
        self.what = what
