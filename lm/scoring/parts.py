"""Resumable work: results are kept in parts next to the output file until all of them are complete."""

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra.data.atomic import write_atomically
from simulacra.data.extras import needs_extra
from simulacra.formalism.errors import InputError

__all__ = ["METADATA", "Parts", "differing_settings", "read_metadata", "write_table"]

METADATA = b"simulacra.scoring"
"""Key of the Parquet schema's metadata under which the settings of a scored log are stored."""

_ANOTHER = "name another file, or pass overwrite=True"


class Parts:
    """Numbered tables, each either complete on disk or to be made; a part that cannot be read is to be made.

    Args:
        out: the output file; its parts are stored in ``<out>.parts``. None keeps them in memory.
        sizes: number of rows of every part.
    """

    def __init__(self, out: Path | None, sizes: Sequence[int]) -> None:
        self._memory: dict[int, pd.DataFrame] = {}
        self._sizes = sizes
        self.folder = None if out is None else out.with_name(out.name + ".parts")

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Be the only process with this lock, which ends with the process even if it is killed.

        Raises:
            InputError: another process has it.
        """
        if self.folder is None:
            yield
            return
        with needs_extra("lm"):
            import filelock
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise InputError(
                f"{self.folder}: another process is scoring into it",
                remedy="wait until it has ended, or name another output file",
                argument="out",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def begin(self, settings: Mapping[str, Any], record: Mapping[str, Any], *, overwrite: bool) -> None:
        """Reject or remove parts of another run, and describe this one.

        Args:
            settings: the settings that determine the results, in plain JSON types.
            record: what else describes the run; a warning states that versions of libraries differ.
            overwrite: remove parts with other settings.

        Raises:
            InputError: parts of a run with other settings exist.
        """
        if self.folder is None:
            return
        manifest = self.folder / "settings.json"
        if manifest.is_file():
            found = _read_manifest(manifest)
            if overwrite and differing_settings(found.get("settings", {}), settings):
                self._clear()
            else:
                _refuse_other(self.folder, found.get("settings", {}), settings)
                _warn_of_versions(self.folder, found.get("record", {}), record)
                return
        elif overwrite:
            self._clear()
        text = json.dumps({"settings": settings, "record": record}, indent=1, ensure_ascii=False)
        write_atomically(manifest, lambda path: path.write_text(text + "\n", encoding="utf-8"))

    def __contains__(self, number: int) -> bool:
        return self.read(number) is not None

    def write(self, number: int, table: pd.DataFrame) -> None:
        """Store a part."""
        if self.folder is None:
            self._memory[number] = table
            return
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        write_atomically(self._path(number), lambda path: pq.write_table(arrow, path, write_page_checksum=True))

    def read(self, number: int) -> pd.DataFrame | None:
        """A stored part; None if it is absent, truncated or damaged."""
        if self.folder is None:
            return self._memory.get(number)
        try:
            table = pq.read_table(self._path(number), page_checksum_verification=True).to_pandas()
        except (OSError, pa.ArrowException):
            return None
        return table if len(table) == self._sizes[number] else None

    def remove(self) -> None:
        """Remove all parts."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _clear(self) -> None:
        """Remove what another run has left, but no lock."""
        assert self.folder is not None
        for path in (*self.folder.glob("part-*.parquet"), *self.folder.glob("settings.json")):
            path.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"part-{number:06d}.parquet"


def write_table(out: Path, table: pd.DataFrame, metadata: Mapping[str, Any]) -> None:
    """Write a table with metadata, completely or not at all; the same table and metadata give the same bytes."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    said = {**(arrow.schema.metadata or {}), METADATA: json.dumps(metadata, ensure_ascii=False).encode()}
    write_atomically(out, lambda path: pq.write_table(arrow.replace_schema_metadata(said), path))


def read_metadata(out: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a finished file.

    Raises:
        InputError: the file is not a scored log, or was made with other settings.
    """
    try:
        said = (pq.read_schema(out).metadata or {}).get(METADATA)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{out}: exists and is not a Parquet file", remedy=_ANOTHER, argument=("out", "overwrite")
        ) from error
    if said is None:
        raise InputError(f"{out}: exists and is not a scored log", remedy=_ANOTHER, argument=("out", "overwrite"))
    found: dict[str, Any] = json.loads(said)
    _refuse_other(out, found["settings"], settings)
    return found


def differing_settings(found: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Names of the settings of two runs that are not equal."""
    return [name for name in {**found, **settings} if found.get(name) != settings.get(name)]


def _read_manifest(manifest: Path) -> dict[str, Any]:
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refuse_other(place: Path, found: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    for name in differing_settings(found, settings)[:1]:
        raise InputError(
            f"{place}: was made with another {name} ({_short(found.get(name))}, now {_short(settings.get(name))})",
            remedy="name another output file, or pass overwrite=True to start again",
            argument=("out", "overwrite"),
        )


def _warn_of_versions(place: Path, found: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    if found.get("versions") != record.get("versions"):
        warnings.warn(
            f"{place}: was begun with other versions of libraries ({_short(found.get('versions'))}, now "
            f"{_short(record.get('versions'))}); the last digits of log-likelihoods may differ between its parts.",
            UserWarning,
            stacklevel=2,
        )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
