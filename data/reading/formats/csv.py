"""CSV and TSV: the standard library's parser, strict, with the line on which every record starts."""

import contextlib
import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.sheet import Sheet, object_array, refuse_no_rows
from simulacra.data.reading.formats.text import open_text, read_text

__all__ = ["csv_names", "delimiter_of", "line_of_record", "read_csv"]

_DELIMITERS = {";": ";", "\t": "\\t", "|": "|", ",": ","}


def read_csv(path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> Sheet:
    """Read a delimited file; every value is text, an empty field is None.

    Raises:
        LogError: see ``read_text``; also a wrong delimiter, a column named twice or
            not at all, a record with more or fewer fields than the header, a quote that is never closed, no rows.
    """
    text = read_text(path, encoding=encoding)
    delimiter = delimiter_of(path, delimiter)
    # Lines end at "\n" as in every editor and grep; files from old Macs have no "\n" at all.
    stream = io.StringIO(text, newline="\n" if "\n" in text else "")
    rows, record = [], []
    with _long_fields():
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        start = 1
        try:
            header = _checked_header(next(row for row in reader if row), path, delimiter)
            start = reader.line_num + 1
            for row in reader:
                if row:
                    if len(row) != len(header):
                        raise _wrong_length(path, start, len(row), len(header))
                    rows.append(row)
                    record.append(start)
                start = reader.line_num + 1
        except csv.Error as error:
            raise _damaged(path, start, error) from error
    if not rows:
        raise refuse_no_rows(path, header)
    columns = {name: _column(values) for name, values in zip(header, zip(*rows, strict=True), strict=True)}
    return Sheet(str(path), columns, np.array(record, dtype=np.int64), typed=False)


def delimiter_of(path: Path, delimiter: str | None) -> str:
    """The delimiter asked for; by default a tab for ``.tsv`` and a comma otherwise.

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
        LogError: one column that holds another delimiter, a column named twice or not at all.
    """
    if len(names) == 1:
        for other, spelt in _DELIMITERS.items():
            if other != delimiter and other in names[0]:
                raise LogError(
                    f"the header is one column that contains {spelt!r}: {names[0]!r}",
                    file=path,
                    line=1,
                    expected=f"columns separated by {_DELIMITERS.get(delimiter, delimiter)!r}",
                    remedy=f'pass delimiter="{spelt}"',
                    argument="delimiter",
                )
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise LogError(f"the header names {twice} more than once", file=path, line=1, remedy="rename the columns")
    # pandas writes its index under an empty name.
    return [name or "Unnamed: 0" for name in names]


def csv_names(path: Path, delimiter: str | None) -> list[str]:
    """The column names of a file, of which no more is read.

    Raises:
        LogError: an empty file, bytes that are not UTF-8, or a header that :func:`read_csv` refuses.
    """
    mark = delimiter_of(path, delimiter)
    with _long_fields(), open_text(path) as stream:
        try:
            header = next((row for row in csv.reader(stream, delimiter=mark, strict=True) if row), None)
        except csv.Error as error:
            raise _damaged(path, 1, error) from error
        except UnicodeDecodeError:
            header = read_text(path).splitlines()[:1]  # raises, with the byte
    if header is None:
        raise LogError("the file is empty", file=path, expected="at least one completion", remedy="leave it out")
    return _checked_header(header, path, mark)


def line_of_record(path: Path, record: int, delimiter: str | None) -> int:
    """The 1-based line on which the 1-based record of a file starts."""
    with _long_fields(), open_text(path) as stream:
        reader = csv.reader(stream, delimiter=delimiter_of(path, delimiter), strict=True)
        found, start = -1, 1  # the header is record 0
        for row in reader:
            found += bool(row)
            if found == record:
                return start
            start = reader.line_num + 1
    return start


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Completions may be longer than the parser's default limit, which is global; give it back afterwards."""
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


def _damaged(path: Path, line: int, error: csv.Error) -> LogError:
    return LogError(
        f"the record that starts here cannot be parsed ({error})",
        file=path,
        line=line,
        expected='fields quoted with " and quotes inside doubled',
        remedy="check for a quote that is never closed, or a file cut short",
    )
