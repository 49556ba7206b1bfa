"""Scanning: logs that are too large for memory stay where they are, and DuckDB counts them there."""

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
        column_map: which of them is which.
        types: DuckDB types of its columns; empty for CSV, where all is text.
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
    """A log whose columns are known and whose rows have not been read. Made by :func:`scan_completions`.

    Files that are copies of one another are refused; repeated rows are not looked for. Values are checked only when
    the log is collapsed.

    Attributes:
        files: the files, each with its column map.
        missing: values of measurements that mean *missing*.
        formats: suffixes of question ids that mark a prompt format.
        notes: what was decided on the way.
    """

    files: tuple[ScannedFile, ...]
    missing: tuple[int | float | str, ...]
    formats: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return card(
            f"ScannedLog: {len(self.files)} file(s), whose rows are counted where they lie",
            f"files: {listing(file.path.name for file in self.files)}",
            f"columns: {listing(self.columns)}",
            f"renamed: {listing(f'{own} as {name}' for own, name in self.renamed.items())}" if self.renamed else "",
            f"read as missing: {listing(map(repr, self.missing))}",
            f"notes: {listing(self.notes, 70)}" if self.notes else "",
            "next: fit(model, log), collapse(log, model.emissions)",
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical names of the columns that every file has, and of those that are derived."""
        each = [[*file.column_map.columns, *file.column_map.fields, *file.column_map.others] for file in self.files]
        shared = [name for name in each[0] if all(name in names for names in each)]
        derived = ["base_question", "format"] if self.formats else ["base_question"]
        return tuple(dict.fromkeys([*shared, *derived]))

    @property
    def renamed(self) -> Mapping[str, str]:
        """What was taken for what, ``{"answer": "completion"}``."""
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
    """Look at the columns of logs without reading their rows, for ``collapse`` to count where they lie.

    Arguments are those of :func:`~simulacra.data.read_completions`. Texts are never read, so none is required;
    text files must be UTF-8, and may be compressed as .gz.

    Raises:
        LogError: as ``read_completions``, for all that can be told without reading the rows.
    """
    found = find_logs(source)
    paths = found.logs
    for path in paths:
        if format_of(path) in ("json", "inspect"):
            raise LogError(
                "a scan cannot read this format",
                file=path,
                expected="CSV, JSONL or Parquet, one row a completion",
                remedy="read it with read_completions; log.table.to_parquet writes it for a scan",
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
    """Refuse two files with the same content for the same condition; line endings are no content.

    Files whose beginnings differ are not read further.
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
                    remedy="leave one of the two files out",
                )


def _digest(path: Path, kind: str, limit: int | None = None) -> str:
    """SHA-256 of a file, or of what it begins with; of text without carriage returns."""
    digest, left = hashlib.sha256(), limit
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        # Returns are dropped before counting, so that a file and its CRLF copy begin alike.
        while (left is None or left > 0) and (block := stream.read(_BLOCK)):
            content = block if kind == "parquet" else block.replace(b"\r", b"")
            digest.update(content[:left])
            left = None if left is None else left - len(content)
    return digest.hexdigest()
