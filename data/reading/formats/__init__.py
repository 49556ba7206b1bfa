"""Readers, one per file format, all of which return a :class:`~simulacra.data.reading.formats.sheet.Sheet`.

A reader does not interpret conditions or scores. It converts a file into columns of plain Python values and numbers,
records the line on which every record starts, and rejects damaged files.
"""

from pathlib import Path

from simulacra.data.reading.formats.csv import read_csv
from simulacra.data.reading.formats.frame import read_frame as read_frame
from simulacra.data.reading.formats.inspect import read_inspect
from simulacra.data.reading.formats.json import read_json
from simulacra.data.reading.formats.jsonl import read_jsonl
from simulacra.data.reading.formats.parquet import read_parquet
from simulacra.data.reading.formats.sheet import Sheet as Sheet
from simulacra.data.reading.sources import format_of, is_inspect_json

__all__ = ["Sheet", "read_file", "read_frame"]


def read_file(
    path: Path,
    *,
    layout: str | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    rows: str | None = None,
    errors: str = "exclude",
    progress_bar: bool | None = None,
) -> Sheet:
    """Read one file by its extension; Inspect logs in JSON are recognised by their beginning.

    Args:
        path: a CSV, TSV, JSONL, NDJSON, JSON, Parquet or Inspect file; the text formats may be compressed.
        layout: ``"inspect"`` reads any .json file as an Inspect log.
        delimiter: of CSV files; the default is a comma, or a tab for ``.tsv``.
        encoding: of text files.
        rows: the key of the rows in JSON documents.
        errors: whether samples of Inspect logs that ended in an error and have scores are kept.
        progress_bar: for Inspect logs; None shows it in terminals and notebooks.

    Raises:
        LogError: see the reader of each format.
    """
    kind = format_of(path)
    if kind == "csv":
        return read_csv(path, delimiter=delimiter, encoding=encoding)
    if kind == "jsonl":
        return read_jsonl(path, encoding=encoding)
    if kind == "inspect" or (kind == "json" and (layout == "inspect" or is_inspect_json(path))):
        return read_inspect(path, errors=errors, progress_bar=progress_bar)
    return read_json(path, encoding=encoding, rows=rows) if kind == "json" else read_parquet(path)
