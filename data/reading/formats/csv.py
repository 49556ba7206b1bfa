"""CSV and TSV, with the standard library's strict parser and the line on which every record starts."""

import contextlib
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from simulacra.data.errors import LogError, shown
from simulacra.data.reading.formats.sheet import Sheet, object_array, refuse_no_rows, refuse_wide, repeated
from simulacra.data.reading.formats.text import open_text
from simulacra.formalism.display import listing

__all__ = ["csv_rows", "delimiter_of", "read_csv"]

_DELIMITERS = {";": ";", "\t": "\\t", "|": "|", ",": ","}


def read_csv(path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> Sheet:
    """Read a delimited file; every value is text, an empty field is None.

    Raises:
        LogError: see :func:`csv_rows`; also no rows.
    """
    with csv_rows(path, delimiter=delimiter, encoding=encoding) as (header, located):
        rows, record = [], []
        for line, row in located:
            rows.append(row)
            record.append(line)
    if not rows:
        raise refuse_no_rows(path, header)
    columns = {name: _column(values) for name, values in zip(header, zip(*rows, strict=True), strict=True)}
    return Sheet(str(path), columns, np.array(record, dtype=np.int64), typed=False)


@contextlib.contextmanager
def csv_rows(
    path: Path, *, delimiter: str | None = None, encoding: str = "utf-8"
) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """The column names of a delimited file, and its rows as they are read, each with the line on which it starts.

    Raises:
        LogError: see :func:`~simulacra.data.reading.formats.text.open_text`; also a wrong delimiter, a column named
            twice or not at all, a record with more or fewer fields than the header, a quote that is never closed.
    """
    mark = delimiter_of(path, delimiter)
    with _long_fields(), open_text(path, encoding=encoding, any_newline=True) as stream:
        located = _located(csv.reader(stream, delimiter=mark, strict=True), path)
        _, header = next(located, (1, []))
        yield _checked_header(header, path, mark), _checked(located, path, len(header))


def _located(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with its first line."""
    start = 1
    try:
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise LogError(
            f"the record that starts here cannot be parsed ({error})",
            file=path,
            line=start,
            expected='fields quoted with ", and quotes inside fields doubled',
            remedy="check for a quote that is never closed, or a truncated file",
        ) from error


def _checked(located: Iterator[tuple[int, list[str]]], path: Path, size: int) -> Iterator[tuple[int, list[str]]]:
    for line, row in located:
        if len(row) != size:
            raise _wrong_length(path, line, len(row), size)
        yield line, row


def delimiter_of(path: Path, delimiter: str | None) -> str:
    """The given delimiter; by default a tab for ``.tsv`` and a comma otherwise.

    Raises:
        LogError: a delimiter that is not one character.
    """
    if delimiter is None:
        return "\t" if ".tsv" in path.suffixes[-2:] else ","
    if len(delimiter) != 1:
        raise LogError(f"delimiter={delimiter!r}", expected="one character, such as ';' or '\\t'", argument="delimiter")
    return delimiter


def _checked_header(names: list[str], path: Path, delimiter: str) -> list[str]:
    """Check the first row as column names.

    Raises:
        LogError: one column that contains another delimiter, a column named twice or not at all.
    """
    if len(names) == 1:
        for other, spelt in _DELIMITERS.items():
            if other != delimiter and other in names[0]:
                raise LogError(
                    f"the header is one column that contains {spelt!r}: {shown(names[0])}",
                    file=path,
                    line=1,
                    expected=f"columns separated by {_DELIMITERS.get(delimiter, delimiter)!r}",
                    remedy=f'pass delimiter="{spelt}"',
                    argument="delimiter",
                )
    refuse_wide(len(names), path)
    names = [name or "Unnamed: 0" for name in names]  # pandas writes its index under an empty name
    if len(set(names)) < len(names):
        raise LogError(
            f"the header names {listing(repeated(names))} more than once",
            file=path,
            line=1,
            remedy="rename the columns",
        )
    return names


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Raise the parser's global limit on field length, which completions may exceed, and restore it afterwards."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _column(values: tuple[str, ...]) -> np.ndarray:
    return object_array([value or None for value in values])


def _wrong_length(path: Path, line: int, found: int, wanted: int) -> LogError:
    return LogError(
        f"the record has {found} fields",
        file=path,
        line=line,
        expected=f"{wanted}, as in the header",
        remedy="quote fields that contain the delimiter or a line break, or remove the damaged record",
    )
