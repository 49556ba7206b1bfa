"""Scanning: DuckDB counts logs that are too large for memory directly in their files."""

import collections
import dataclasses
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulacra.data.counting.duckdb import file_header
from simulacra.data.errors import LogError
from simulacra.data.reading.column_map import ColumnMap, map_all_columns
from simulacra.data.reading.columns import Header
from simulacra.data.reading.sources import find_logs, format_of
from simulacra.data.reading.values import sentinels
from simulacra.formalism.display import card, listing

_HEAD, _BLOCK = 1 << 16, 1 << 20

__all__ = ["ScannedFile", "ScannedLog", "scan_completions"]


@dataclasses.dataclass(frozen=True)
class ScannedFile:
    """One file of a scanned log.

    Attributes:
        path: the file.
        kind: ``"csv"``, ``"jsonl"`` or ``"parquet"``.
        header: its columns.
        column_map: the role of each column.
        types: DuckDB types of its columns; empty for CSV, in which every column is text.
        delimiter: of a CSV file.
    """

    path: Path
    kind: str
    header: Header
    column_map: ColumnMap
    types: Mapping[str, str]
    delimiter: str | None


@dataclasses.dataclass(frozen=True, repr=False)
class ScannedLog:
    """A log whose columns are known and whose rows have not been read. Returned by :func:`scan_completions`.

    Copies of the same file are rejected; repeated rows are not detected. Values are checked when the log is collapsed.

    Attributes:
        files: the files, each with its column map.
        missing: values of measurements that mean *missing*.
        formats: suffixes of question ids that mark a prompt format.
        notes: what was decided while reading.
    """

    files: tuple[ScannedFile, ...]
    missing: tuple[int | float | str, ...]
    formats: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return card(
            f"ScannedLog: {len(self.files)} file(s), whose rows are counted in place",
            f"files: {listing(file.path.name for file in self.files)}",
            f"columns: {listing(self.columns)}",
            f"renamed: {listing(f'{own} as {name}' for own, name in self.renamed.items())}" if self.renamed else "",
            f"read as missing: {listing(map(repr, self.missing))}",
            f"notes: {listing(self.notes, 70)}" if self.notes else "",
            "next: fit(model, log), collapse(log, model.emissions)",
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical names of the columns that every file has, and of derived columns."""
        each = [[*file.column_map.columns, *file.column_map.fields, *file.column_map.others] for file in self.files]
        shared = [name for name in each[0] if all(name in names for names in each)]
        derived = ["base_question", "format"] if self.formats else ["base_question"]
        return tuple(dict.fromkeys([*shared, *derived]))

    @property
    def renamed(self) -> Mapping[str, str]:
        """The file's column name to the log's, ``{"answer": "completion"}``."""
        return {own: name for file in self.files for name, own in file.column_map.columns.items() if own != name}


def scan_completions(
    source: str | Path | Sequence[str | Path],
    *,
    condition: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    missing: int | float | str | Sequence[int | float | str] = (-1,),
    base_question: str | None = None,
    formats: str | Sequence[str] = (),
    delimiter: str | None = None,
) -> ScannedLog:
    """Read the layout of a log without its rows, which ``collapse`` then counts in place.

    Arguments are those of :func:`~simulacra.data.read_completions`. Completions are never read and may be absent;
    text files must be UTF-8, and may be compressed as .gz.

    Raises:
        LogError: as ``read_completions``, for everything that can be checked without reading the rows.
    """
    found = find_logs(source)
    paths = found.logs
    for path in paths:
        if format_of(path) in ("json", "inspect"):
            raise LogError(
                "a scan cannot read this format",
                file=path,
                expected="CSV, JSONL or Parquet, with one row per completion",
                remedy="read it with read_completions, or write log.table.to_parquet(...) and scan that file",
            )
    headers = [file_header(path, delimiter) for path in paths]
    column_maps = map_all_columns(
        [header for header, _ in headers],
        condition=condition,
        columns=columns,
        base_question=base_question,
        need_completion=False,
    )
    files = tuple(
        ScannedFile(path, format_of(path), header, column_map, types, delimiter)
        for path, (header, types), column_map in zip(paths, headers, column_maps, strict=True)
    )
    _refuse_copies(files)
    suffixes = (formats,) if isinstance(formats, str) else tuple(formats)
    return ScannedLog(files, sentinels(missing), suffixes, (found.note,) if found.note else ())


def _refuse_copies(files: Sequence[ScannedFile]) -> None:
    """Reject two files with the same content for the same condition, ignoring line endings.

    Files that differ at the beginning are not read further.
    """
    heads = [(_digest(file.path, file.kind, limit=_HEAD), repr(file.column_map.fields)) for file in files]
    times = collections.Counter(heads)
    seen: dict[tuple[str, str], Path] = {}
    for file, head in zip(files, heads, strict=True):
        if times[head] > 1:
            first = seen.setdefault((_digest(file.path, file.kind), head[1]), file.path)
            if first != file.path:
                raise LogError(
                    f"this file is a copy of {first}, under the same condition",
                    file=file.path,
                    expected="each sample once",
                    remedy="exclude one of the two files",
                )


def _digest(path: Path, kind: str, limit: int | None = None) -> str:
    """SHA-256 of a file or of its beginning; for text, without carriage returns."""
    digest, left = hashlib.sha256(), limit
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        # Returns are dropped before counting, so that a file and its CRLF copy begin alike.
        while (left is None or left > 0) and (block := stream.read(_BLOCK)):
            content = block if kind == "parquet" else block.replace(b"\r", b"")
            digest.update(content[:left])
            left = None if left is None else left - len(content)
    return digest.hexdigest()
