"""Files and folders that are written completely or not at all, at every moment at which a process may be killed."""

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from simulacra.data.staging import REPLACED, staging

__all__ = ["Contents", "contents_of", "try_folder", "write_atomically", "write_folder"]

Contents = frozenset[tuple[str, int, int]] | None
"""What a folder contains: name, size and time of modification of every entry; None if there is no such folder."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write to a temporary file and rename it, so that a partial file is never visible.

    Args:
        path: the target; its folder is created. A symbolic link stays one.
        write: writes the file to the path that it is given.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with staging(path.parent) as folder:
        write(folder / path.name)
        (folder / path.name).replace(path)


def write_folder(
    folder: Path, fill: Callable[[Path], object], *, may_replace: Callable[[Contents], bool] | None = None
) -> Path:
    """Fill a new folder and let it replace ``folder``, in one step where the operating system can.

    If filling fails, ``folder`` is left unchanged. If it cannot be replaced, or ``may_replace`` rejects what it
    contains, both are kept: the new folder is put next to it, as the first of ``folder-2``, ``folder-3``, ... that is
    free.

    Args:
        folder: the target; its parent is created. A symbolic link stays one.
        fill: writes the files into the folder that it is given.
        may_replace: whether what the folder contains may be replaced. Default: anything may.

    Returns:
        The folder that was written.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with staging(folder.parent) as place:
        new = place / folder.name
        new.mkdir()
        fill(new)
        with _only_writer(folder.parent):
            if may_replace is None:
                _replace(folder, new)
                return folder
            with contextlib.suppress(OSError):
                if may_replace(contents_of(folder)):
                    old = _replace(folder, new)
                    if old is None or may_replace(contents_of(old)):
                        return folder
                    new = _replace(folder, old) or new  # something appeared in it in the meantime
            return _put_next_to(folder, new)


def try_folder(folder: Path) -> Contents:
    """Try the steps of :func:`write_folder` and undo them, before hours are spent on what is to be written.

    Returns:
        What the folder contains.

    Raises:
        OSError: the folder cannot be replaced, or nothing can be created where it is to be.
    """
    folder = folder.resolve()
    existing = next(parent for parent in folder.parents if parent.exists())
    with staging(existing) as place, _only_writer(existing):
        (place / "new").mkdir()
        (place / "new").rename(place / "renamed")
        if folder.exists():
            old = place / REPLACED / folder.name
            old.parent.mkdir()
            folder.rename(old)
            old.rename(folder)
        return contents_of(folder)


def contents_of(folder: Path) -> Contents:
    """What a folder contains now."""
    try:
        entries = [(entry.name, entry.stat(follow_symlinks=False)) for entry in os.scandir(folder)]
    except FileNotFoundError:
        return None
    return frozenset((name, found.st_size, found.st_mtime_ns) for name, found in entries)


def _replace(folder: Path, new: Path) -> Path | None:
    """Put ``new`` in the place of ``folder``; returns where the earlier one is, or None if there was none."""
    if not folder.exists():
        new.rename(folder)
        return None
    if _exchange(new, folder):
        return new
    old = new.parent / REPLACED / new.name
    old.parent.mkdir()
    folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    return old


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False if the operating system or the file system has no such step."""
    if os.name != "posix":
        return False
    library, paths = ctypes.CDLL(None), (os.fsencode(one), os.fsencode(other))
    if hasattr(library, "renameat2"):  # Linux; AT_FDCWD is -100, RENAME_EXCHANGE is 2
        return bool(library.renameat2(-100, paths[0], -100, paths[1], 2) == 0)
    if hasattr(library, "renamex_np"):  # macOS; RENAME_SWAP is 2
        return bool(library.renamex_np(*paths, 2) == 0)
    return False


def _put_next_to(folder: Path, new: Path) -> Path:
    number = 2
    while os.path.lexists(free := folder.with_name(f"{folder.name}-{number}")):
        number += 1
    new.rename(free)
    return free


@contextlib.contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """One process at a time, where the operating system has such locks; they end with the process."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have none
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
