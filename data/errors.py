"""The error for a log that cannot be read: location, problem, what was expected, and the remedy."""

from collections.abc import Sequence
from pathlib import Path

from simulacra.formalism.errors import InputError

__all__ = ["FRAME_SOURCE", "LogError", "is_in_memory", "place", "shown"]

FRAME_SOURCE = "<DataFrame>"
"""Source of rows that came from a table in memory; their record is the 1-based position."""

_LINES = tuple(
    text + packed for text in (".csv", ".tsv", ".jsonl", ".ndjson") for packed in ("", ".gz", ".bz2", ".xz", ".zst")
)


def is_in_memory(file: str) -> bool:
    """Whether rows came from a table in memory or a dataset of the hub instead of a file."""
    return file.startswith((FRAME_SOURCE, "hf://"))


def place(file: str | Path, record: int | None = None) -> str:
    """The location of a row: ``file:line`` if records begin on lines, otherwise ``file: record n``."""
    if record is None:
        return str(file)
    return f"{file}:{record}" if str(file).endswith(_LINES) else f"{file}: record {record}"


def shown(value: object) -> str:
    """A value as quoted in a message; long values are truncated."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


class LogError(InputError):
    """A log that cannot be read in its current form; no partial log is returned.

    The message reads ``file:line: column 'x': what is wrong; expected …; remedy.``

    Attributes:
        file: the file (or ``"<DataFrame>"``), None if the problem concerns no single file.
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
