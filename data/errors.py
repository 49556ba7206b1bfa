"""How the room refuses a log: one error that says where, what, what was expected and how to mend it."""

from pathlib import Path

__all__ = ["FRAME_SOURCE", "LogError", "place"]

FRAME_SOURCE = "<DataFrame>"
"""Provenance of rows that came from a table in memory; their record is the 1-based position."""

_BINARY = (".parquet", ".pq")


def place(file: str | Path, record: int | None = None) -> str:
    """Where a row is, as text: ``file:line`` for text files, ``file: record n`` for Parquet and tables in memory."""
    if record is None:
        return str(file)
    if str(file) == FRAME_SOURCE or str(file).endswith(_BINARY):
        return f"{file}: record {record}"
    return f"{file}:{record}"


class LogError(ValueError):
    """A log that cannot be read as it stands; nothing of it was returned.

    The message reads ``file:line: column 'x': what is wrong; expected …; how to mend it``.

    Attributes:
        file: the file (or ``"<DataFrame>"``), None when the fault is in no single file.
        line: 1-based line on which the record starts (text files) or 1-based record (Parquet, DataFrame).
        column: the column as the file names it.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        remedy: str | None = None,
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
        parts = [what]
        if expected is not None:
            parts.append(f"expected {expected}")
        if remedy is not None:
            parts.append(remedy)
        super().__init__(": ".join([*where, "; ".join(parts)]) + ".")
