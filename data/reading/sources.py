"""The files of a source: a path, a glob, a folder, or a list of these."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from simulacra.data.errors import LogError

__all__ = ["COMPRESSIONS", "FORMATS", "Found", "find_logs", "format_of", "is_inspect_json", "stem_of"]

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".eval": "inspect",
}
"""File extension to format."""
_PACKED = ("parquet", "inspect")
_INSPECT = re.compile(r'\s*\{\s*"version"\s*:\s*\d+\s*,\s*"status"\s*:')
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
"""Extensions that may follow that of a text format."""


class Found(NamedTuple):
    """The files of a source.

    Attributes:
        logs: the files to read.
        passed_over: JSON documents in the same folder that are not read, because they are usually summaries or
            configurations.
    """

    logs: list[Path]
    passed_over: list[Path]

    @property
    def note(self) -> str | None:
        """The skipped files, in a sentence."""
        if not self.passed_over:
            return None
        shown = ", ".join(map(str, self.passed_over[:3])) + (", …" if len(self.passed_over) > 3 else "")
        return (
            f"{len(self.passed_over)} JSON document(s) in a folder with other logs were not read: {shown}; "
            "if they are logs, name the files or pass a glob"
        )


def find_logs(source: str | Path | Sequence[str | Path]) -> Found:
    """The files of a source, sorted within a glob or folder, in the given order within a list.

    Raises:
        LogError: a path that does not exist, a glob that matches nothing, a folder without logs, an unknown file
            extension, or a file named twice.
    """
    parts = [source] if isinstance(source, (str, Path)) else list(source)
    if not parts:
        raise LogError("the list of sources is empty", expected="at least one path, glob or folder")
    every = [_expand(Path(part).expanduser()) for part in parts]
    logs = [path for found in every for path in found.logs]
    seen: set[Path] = set()
    for path in logs:
        format_of(path)
        if path.resolve() in seen:
            raise LogError("this file is named twice by the source", file=path, remedy="name every file once")
        seen.add(path.resolve())
    return Found(logs, [path for found in every for path in found.passed_over if path.resolve() not in seen])


def format_of(path: Path) -> str:
    """``"csv"``, ``"jsonl"``, ``"json"``, ``"parquet"`` or ``"inspect"``, from the extension.

    Raises:
        LogError: any other extension.
    """
    suffixes = _suffixes(path)
    if not suffixes or (len(suffixes) == 2 and FORMATS[suffixes[0]] in _PACKED):
        text = ", ".join(suffix for suffix, kind in FORMATS.items() if kind not in _PACKED)
        raise LogError(
            f"unknown file extension {path.suffix!r}",
            file=path,
            expected=f"{text} (each also with {', '.join(COMPRESSIONS)}), .parquet, .pq or .eval",
            remedy="rename the file, or load it and pass the DataFrame",
        )
    return FORMATS[suffixes[0]]


def is_inspect_json(path: Path) -> bool:
    """Whether a file begins like Inspect's JSON logs: ``version``, then ``status``."""
    if path.suffix != ".json":
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return _INSPECT.match(stream.read(200)) is not None


def stem_of(path: Path) -> str:
    """The file's name without its format and compression extensions; other dots are kept (``Qwen2.5-base``)."""
    return path.name[: len(path.name) - sum(map(len, _suffixes(path)))]


def _suffixes(path: Path) -> list[str]:
    """The format extension and, if there is one, the compression extension; empty if the format is unknown."""
    found = path.suffixes[-2:] if path.suffix in COMPRESSIONS else path.suffixes[-1:]
    return found if found and found[0] in FORMATS else []


def _expand(path: Path) -> Found:
    if path.is_file():
        return Found([path], [])
    if path.is_dir():
        return _in_folder(path)
    if not glob.has_magic(str(path)):
        raise LogError("no such file or folder", file=path, remedy="check the path and the working directory")
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file())
    if not matches:
        raise LogError(
            "the glob matches no file", file=path, remedy="check the pattern and the working directory, and quote it"
        )
    return Found(matches, [])


def _in_folder(folder: Path) -> Found:
    hidden = (".", "_")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(hidden))
    every = [path for path in files if _suffixes(path)]
    documents = {path for path in every if format_of(path) == "json" and not is_inspect_json(path)}
    if not every:
        contents = ", ".join(path.name for path in files[:5]) or "no files"
        raise LogError(
            f"the folder contains no logs (it contains {contents})",
            file=folder,
            expected=f"files ending in {', '.join(FORMATS)}, in this folder or in sub-folders",
            remedy="name another folder, or pass a glob",
        )
    if len(documents) == len(every):
        return Found(every, [])
    return Found([path for path in every if path not in documents], sorted(documents))
