"""The text of a file as a stream: decompressed, decoded, and never loaded as a whole unless a format requires it."""

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from simulacra.data.errors import LogError
from simulacra.data.reading.formats.expansion import bounded

__all__ = ["open_bytes", "open_text", "read_text"]

_BLOCK = 1 << 20


def _open_zstd(path: Path) -> Any:
    import pyarrow as pa

    return pa.input_stream(str(path), compression="zstd")


_OPENERS: Mapping[str, Callable[[Path], Any]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": _open_zstd,
}


def open_bytes(path: Path) -> Any:
    """A file, plain or compressed, as a stream of bytes; an archive that expands beyond all proportion is refused."""
    opener = _OPENERS.get(path.suffix)
    return path.open("rb") if opener is None else bounded(opener(path), path)


@contextlib.contextmanager
def open_text(path: Path, *, encoding: str = "utf-8", any_newline: bool = False) -> Iterator[io.TextIOWrapper]:
    r"""A file as a stream of lines, without a byte-order mark; errors while it is read are errors of the file.

    Args:
        path: a text file, plain or compressed.
        encoding: its encoding.
        any_newline: whether a lone ``\r`` ends a line in a file without any ``\n``, as on old Macs; otherwise lines end
            at ``\n`` only, as in every editor and grep.

    Raises:
        LogError: an empty file, a damaged archive, an unknown encoding, or bytes that are not in this encoding.
    """
    own = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    try:
        "".encode(own)
    except (LookupError, ValueError) as error:
        raise LogError(
            f"encoding={encoding!r} is unknown", expected="a name such as 'utf-8' or 'cp1252'", argument="encoding"
        ) from error
    with _refusing(path, encoding):
        with open_bytes(path) as raw:
            head = _first_text(raw, path, own)
            newline = "" if any_newline and "\n" not in head and not _holds_newline(raw, own) else "\n"
        with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding=own, newline=newline) as text:
            yield text


def read_text(path: Path, *, encoding: str = "utf-8") -> str:
    """The whole text of a file, with its line endings and without a byte-order mark.

    Raises:
        LogError: see :func:`open_text`.
    """
    with open_text(path, encoding=encoding) as stream:
        return stream.read()


def _first_text(raw: Any, path: Path, encoding: str) -> str:
    """The first block that contains more than white space."""
    decoder = codecs.getincrementaldecoder(encoding)()
    while block := raw.read(_BLOCK):
        text = decoder.decode(block)
        if text.strip():
            return text
    raise LogError("the file is empty", file=path, expected="at least one completion", remedy="exclude the file")


def _holds_newline(raw: Any, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)(errors="ignore")
    return any("\n" in decoder.decode(block) for block in iter(lambda: raw.read(_BLOCK), b""))


@contextlib.contextmanager
def _refusing(path: Path, encoding: str) -> Iterator[None]:
    try:
        yield
    except UnicodeError as error:
        raise _not_encoded(path, encoding) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise LogError(
            f"the file cannot be read ({error})",
            file=path,
            remedy="check that it is complete and that its extension is correct",
        ) from error


def _not_encoded(path: Path, encoding: str) -> LogError:
    """The error of bytes that are not text in this encoding, with the first of them."""
    decoder = codecs.getincrementaldecoder(encoding)()
    before, line, head = 0, 1, b""
    with open_bytes(path) as raw:
        for block in iter(lambda: raw.read(_BLOCK), b""):
            head = head or block[:2]
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                start = max(0, error.start - held)
                at, line = before + error.start - held, line + block.count(b"\n", 0, start)
                byte = error.object[error.start]
                break
            before += len(block)
            line += block.count(b"\n")
        else:
            at, byte = before, 0
    return LogError(
        f"byte {at} (0x{byte:02x}) is not {encoding}",
        file=path,
        line=line,
        expected=f"text encoded as {encoding}",
        remedy=f"pass encoding={_guess(head)!r} if it was written in that encoding, or convert the file to UTF-8",
        argument="encoding",
    )


def _guess(head: bytes) -> str:
    return "utf-16" if head in (b"\xff\xfe", b"\xfe\xff") else "cp1252"
