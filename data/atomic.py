"""Files and folders that are written completely or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["replaced_folder", "write_atomically"]


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write to a temporary file next to the target and rename it, so that a partial file is never visible.

    Args:
        path: the target; its folder is created.
        write: writes the file to the path that it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(staging)
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which then replaces ``folder``; if filling it fails, ``folder`` is left unchanged.

    Args:
        folder: the target; its parent is created.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    new, old = staging / "new", staging / "old"
    try:
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(staging, ignore_errors=True)
