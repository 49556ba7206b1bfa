"""Work that survives interruption: results are kept in parts beside the output file until all of them are there."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra.data.atomic import write_atomically
from simulacra.formalism.errors import InputError

__all__ = ["METADATA", "Parts", "read_metadata", "write_table"]

METADATA = b"simulacra.scoring"
"""Key of the Parquet schema's metadata under which a scored log says how it was scored."""

_ANOTHER = "name another, or pass overwrite=True"


class Parts:
    """Numbered tables, each either whole on disk or not there.

    Args:
        out: the output file; its parts lie in ``<out>.parts``. None keeps them in memory.
        settings: what decides the results, in plain JSON types. Parts made with other settings are refused.
        overwrite: throw such parts away instead.

    Raises:
        InputError: parts of another run are there.
    """

    def __init__(self, out: Path | None, settings: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self._memory: dict[int, pd.DataFrame] = {}
        self._folder = None if out is None else out.with_name(out.name + ".parts")
        if self._folder is None:
            return
        if overwrite:
            self.remove()
        self._folder.mkdir(parents=True, exist_ok=True)
        manifest = self._folder / "settings.json"
        if manifest.is_file():
            _refuse_other(self._folder, json.loads(manifest.read_text(encoding="utf-8")), settings)
        else:
            text = json.dumps(settings, indent=1, ensure_ascii=False)
            write_atomically(manifest, lambda path: path.write_text(text + "\n", encoding="utf-8"))

    def __contains__(self, number: int) -> bool:
        return number in self._memory if self._folder is None else self._path(number).is_file()

    def write(self, number: int, table: pd.DataFrame) -> None:
        """Keep a part."""
        if self._folder is None:
            self._memory[number] = table
        else:
            write_atomically(self._path(number), lambda path: table.to_parquet(path, index=False))

    def read(self, number: int) -> pd.DataFrame:
        """A part that is there."""
        return self._memory[number] if self._folder is None else pd.read_parquet(self._path(number))

    def remove(self) -> None:
        """Remove all parts."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"part-{number:06d}.parquet"


def write_table(out: Path, table: pd.DataFrame, metadata: Mapping[str, Any]) -> None:
    """Write a table with metadata, whole or not at all; the same table and metadata give the same bytes."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    said = {**(arrow.schema.metadata or {}), METADATA: json.dumps(metadata, ensure_ascii=False).encode()}
    write_atomically(out, lambda path: pq.write_table(arrow.replace_schema_metadata(said), path))


def read_metadata(out: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a finished file.

    Raises:
        InputError: the file is none of ours, or was made with other settings.
    """
    try:
        said = (pq.read_schema(out).metadata or {}).get(METADATA)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{out}: exists and is no Parquet file", remedy=_ANOTHER, argument=("out", "overwrite")
        ) from error
    if said is None:
        raise InputError(f"{out}: exists and holds no scored log", remedy=_ANOTHER, argument=("out", "overwrite"))
    found: dict[str, Any] = json.loads(said)
    _refuse_other(out, found["settings"], settings)
    return found


def _refuse_other(place: Path, found: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    other = [name for name in {**found, **settings} if found.get(name) != settings.get(name)]
    if other:
        name = other[0]
        raise InputError(
            f"{place}: was made with another {name} ({_short(found.get(name))}, now {_short(settings.get(name))})",
            remedy="name another output file, or pass overwrite=True to start again",
            argument=("out", "overwrite"),
        )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
