"""Temporary folders next to what is being written; the next writer removes those of a process that was killed."""

import contextlib
import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["REPLACED", "staging", "sweep"]

REPLACED = "replaced"
"""Subfolder of a staging folder with what is being replaced; it is put back if its place is found empty."""

_DAY = 86_400.0


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


@contextlib.contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """An empty temporary folder in ``parent``, on the same file system, so that its contents can be renamed.

    Args:
        parent: an existing folder.
    """
    sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=f".simulacra-{_host()}-{os.getpid()}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove the staging folders that killed processes left, and put back what they were about to replace.

    A process on this machine counts as killed if it no longer runs, one on another machine after a day.
    """
    for folder in parent.glob(".simulacra-*"):
        with contextlib.suppress(OSError):  # another process may be sweeping
            if _abandoned(folder):
                for old in folder.glob(f"{REPLACED}/*"):
                    whole = folder / old.name  # complete: the old one is moved away only then
                    if not (parent / old.name).exists():
                        (whole if whole.exists() else old).rename(parent / old.name)
                shutil.rmtree(folder, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    parts = folder.name.split("-")
    if len(parts) < 4 or not parts[2].isdecimal():
        return False
    if parts[1] != _host() or os.name != "posix":
        return time.time() - folder.stat().st_mtime > _DAY
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it runs, as another user
        return False
    return False
