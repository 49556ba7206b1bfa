"""Compressed files that expand beyond all proportion are refused before they fill the memory."""

import io
import zipfile
from pathlib import Path
from typing import Any

from simulacra.data.errors import LogError
from simulacra.data.numerals import grouped

__all__ = ["bounded", "refuse_archive", "refuse_expansion"]

_RATIO, _LARGE = 100, 64 << 20
_ARCHIVE_RATIO, _LARGE_ARCHIVE = 500, 256 << 20  # transcripts repeat themselves, and are not read as a whole


def refuse_expansion(path: Path, size: int, *, ratio: int = _RATIO, large: int = _LARGE) -> None:
    """Raise if a file has expanded to much more than compressed logs do.

    Args:
        path: the file.
        size: bytes that it has expanded to, so far or in total.
        ratio: largest accepted ratio of expanded and compressed size.
        large: bytes up to which any ratio is accepted.

    Raises:
        LogError: it is larger than both.
    """
    compressed = path.stat().st_size
    if size > max(large, ratio * compressed):
        raise LogError(
            f"its {grouped(compressed)} bytes expand to more than {grouped(size >> 20)} MiB",
            file=path,
            expected=f"compressed logs to expand at most {ratio} times",
            remedy="if it is a log, decompress it first; a Parquet file can be written again without compression",
        )


def bounded(stream: io.BufferedIOBase, path: Path) -> io.BufferedReader:
    """A stream of decompressed bytes that is refused, as :func:`refuse_expansion` says, while it is read."""
    return io.BufferedReader(_Watched(stream, path), 1 << 16)


def refuse_archive(path: Path) -> None:
    """Refuse a ZIP archive by the sizes that it declares; one that cannot be opened is left to its reader.

    Raises:
        LogError: see :func:`refuse_expansion`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(each.file_size for each in archive.infolist())
    except Exception:  # of zipfile, struct or a codec, depending on where the archive is damaged
        return
    refuse_expansion(path, size, ratio=_ARCHIVE_RATIO, large=_LARGE_ARCHIVE)


class _Watched(io.RawIOBase):
    def __init__(self, stream: io.BufferedIOBase, path: Path) -> None:
        self._stream, self._path, self._size = stream, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._stream.readinto(buffer)
        self._size += read
        refuse_expansion(self._path, self._size)
        return read

    def close(self) -> None:
        self._stream.close()
        super().close()
