"""Scanning: logs that are too large for memory are counted as their files are read."""

import collections
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulacra.data.counting.grouping import outline
from simulacra.data.errors import LogError
from simulacra.data.reading.choices import Choices, choices_of
from simulacra.data.reading.column_map import ColumnMap, map_all_columns
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.formats.text import open_bytes
from simulacra.data.reading.layouts import recognise
from simulacra.data.reading.names import combine
from simulacra.data.reading.sheets import FileOptions
from simulacra.data.reading.sources import find_logs, format_of
from simulacra.data.reading.values import USUAL_SENTINEL
from simulacra.formalism.display import card, listing

_HEAD, _BLOCK = 1 << 16, 1 << 20

__all__ = ["ScannedFile", "ScannedLog", "scan_completions"]


@dataclasses.dataclass(frozen=True)
class ScannedFile:
    """One file of a scanned log.

    Attributes:
        path: the file.
        column_map: the role of each of its columns.
    """

    path: Path
    column_map: ColumnMap


@dataclasses.dataclass(frozen=True, repr=False)
class ScannedLog:
    """A log whose columns are known and whose rows have not been read. Returned by :func:`scan_completions`.

    Copies of the same file and repeated judgments are rejected; other repeated rows are not detected. Values are
    checked when the log is collapsed.

    Attributes:
        files: the files, each with its column map.
        choices: what columns and values mean.
        how: how the files are read.
        notes: what was decided while reading.
    """

    files: tuple[ScannedFile, ...]
    choices: Choices
    how: FileOptions
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        missing = (USUAL_SENTINEL,) if self.choices.missing is None else self.choices.missing
        return card(
            f"ScannedLog: {len(self.files)} file(s), whose rows are counted in place",
            f"files: {listing(file.path.name for file in self.files)}",
            f"columns: {listing(self.columns)}",
            f"renamed: {listing(f'{own} as {name}' for own, name in self.renamed.items())}" if self.renamed else "",
            f"read as missing: {listing(map(repr, missing))}",
            f"notes: {listing(self.notes, 70)}" if self.notes else "",
            "next: fit(model, log), collapse(log, model.emissions)",
        )

    @property
    def formats(self) -> tuple[str, ...]:
        """Suffixes of question ids that mark a prompt format."""
        return self.choices.formats

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical names of the columns that every file has, and of derived columns."""
        each = [file.column_map.names for file in self.files]
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
    condition: str | Sequence[str] | None = None,
    columns: Mapping[str, str | None] | None = None,
    measurements: str | Sequence[str] | None = None,
    contexts: str | Sequence[str] | None = None,
    missing: int | float | str | Sequence[int | float | str] | None = None,
    base_question: str | None = None,
    formats: str | Sequence[str] = (),
    layout: str | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
) -> ScannedLog:
    """Read the columns of a log without its rows, which ``collapse`` then counts as it reads them.

    Arguments are those of :func:`~simulacra.data.read_completions`. Completions are not kept and may be absent; files
    have one row per completion.

    Raises:
        LogError: as ``read_completions``, for everything that can be checked without reading the rows.
        InputError: an argument of another type.
    """
    choices = choices_of(
        "scan_completions",
        condition=condition,
        columns=columns,
        measurements=measurements,
        contexts=contexts,
        missing=missing,
        base_question=base_question,
        formats=formats,
        decimal=decimal,
    )
    how = FileOptions(layout=layout, delimiter=delimiter, encoding=encoding)
    found = find_logs(source)
    outlines = [outline(path, how) for path in found.logs]
    if choices.combined:
        outlines = [combine(each, choices.combined) for each in outlines]
    for each in outlines:
        _refuse_layout(each, layout, choices)
    column_maps = map_all_columns([each.header for each in outlines], choices, need_completion=False)
    files = tuple(ScannedFile(path, column_map) for path, column_map in zip(found.logs, column_maps, strict=True))
    _refuse_copies(files)
    return ScannedLog(files, choices, how, (found.note,) if found.note else ())


def _refuse_layout(sheet: Sheet, layout: str | None, choices: Choices) -> None:
    seen = recognise(sheet, layout, choices.columns, verdicts=False)
    if seen != "rows":
        raise LogError(
            f"a scan cannot read the layout {seen!r}",
            file=sheet.file,
            expected="one row per completion",
            remedy='read it with read_completions, or pass layout="rows" if one row is one completion',
            argument="layout",
        )


def _refuse_copies(files: Sequence[ScannedFile]) -> None:
    """Reject two files with the same content for the same condition, ignoring line endings.

    Files that differ at the beginning are not read further.
    """
    heads = [(_digest(file.path, limit=_HEAD), repr(file.column_map.fields)) for file in files]
    times = collections.Counter(heads)
    seen: dict[tuple[str, str], Path] = {}
    for file, head in zip(files, heads, strict=True):
        if times[head] > 1:
            first = seen.setdefault((_digest(file.path), head[1]), file.path)
            if first != file.path:
                raise LogError(
                    f"this file is a copy of {first}, under the same condition",
                    file=file.path,
                    expected="each sample once",
                    remedy="exclude one of the two files",
                )


def _digest(path: Path, limit: int | None = None) -> str:
    """SHA-256 of a file or of its beginning; for text, without carriage returns."""
    digest, left, packed = hashlib.sha256(), limit, format_of(path) == "parquet"
    with open_bytes(path) as stream:
        # Returns are dropped before counting, so that a file and its CRLF copy begin alike.
        while (left is None or left > 0) and (block := stream.read(_BLOCK)):
            content = block if packed else block.replace(b"\r", b"")
            digest.update(content[:left])
            left = None if left is None else left - len(content)
    return digest.hexdigest()
