"""The text of a file, decompressed and decoded."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.expansion import bounded

__all__ = ["open_text", "read_text"]

_OPENERS: Mapping[str, Callable[[Path], io.BufferedIOBase]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


def read_text(path: Path, *, encoding: str = "utf-8") -> str:
    """The whole text of a file, with its line endings and without a byte-order mark.

    Raises:
        LogError: an empty file, a damaged archive, an unknown encoding, or bytes that are not in this encoding.
    """
    try:
        with _open(path) as stream:
            raw = stream.read()
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise LogError(
            f"the file cannot be read ({error})",
            file=path,
            remedy="check that it is complete and that its extension is correct",
        ) from error
    try:
        text = raw.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except UnicodeDecodeError as error:
        raise LogError(
            f"byte {error.start} (0x{raw[error.start]:02x}) is not {encoding}",
            file=path,
            line=raw.count(b"\n", 0, error.start) + 1,
            expected=f"text encoded as {encoding}",
            remedy=f"pass encoding={_guess(raw)!r} if it was written in that encoding, or convert the file to UTF-8",
            argument="encoding",
        ) from error
    except (LookupError, ValueError) as error:
        raise LogError(
            f"encoding={encoding!r} is unknown", expected="a name such as 'utf-8' or 'cp1252'", argument="encoding"
        ) from error
    if not text.strip():
        raise LogError("the file is empty", file=path, expected="at least one completion", remedy="exclude the file")
    return text


def open_text(path: Path) -> io.TextIOWrapper:
    r"""A UTF-8 file, plain or .gz, as a stream of lines that end at ``\n``; for reading a part of it."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="\n")
    return path.open(encoding="utf-8-sig", newline="\n")


def _open(path: Path) -> io.BufferedIOBase:
    return bounded(_OPENERS[path.suffix](path), path) if path.suffix in _OPENERS else path.open("rb")


def _guess(raw: bytes) -> str:
    return "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"
