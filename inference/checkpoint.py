"""The checkpoint of a fit: a folder with the chains so far, from which the fit goes on if its process was killed.

``settings.json`` states everything that determines the draws: the log, the model, the settings, and the versions of the
software. The chains are in parts (:mod:`~simulacra.inference.chain_store`). Cheap steps, such as the search for modes,
are repeated when a fit is resumed, and give the same numbers.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simulacra.data.atomic import write_atomically
from simulacra.data.staging import sweep
from simulacra.formalism.errors import InputError
from simulacra.inference.chain_store import PARTS, ChainStore
from simulacra.inference.diagnostics import Thresholds
from simulacra.inference.prepare import Prepared
from simulacra.inference.sampling.sample import Settings
from simulacra.inference.store import model_record
from simulacra.inference.versions import library_versions

__all__ = ["open_checkpoint", "remove_checkpoint"]

_SETTINGS = "settings.json"
_LONG = 40  # characters from which a value is not shown in a message


@contextlib.contextmanager
def open_checkpoint(
    folder: Path, prepared: Prepared, settings: Settings, thresholds: Thresholds
) -> Iterator[ChainStore]:
    """The chains of a fit in a folder, which is created; what is new is written when the block ends, however it ends.

    Raises:
        InputError: the path is a file, or a folder with other contents, with the checkpoint of another fit, or with a
            damaged one.
    """
    own = _identity(prepared, settings, thresholds)
    path = folder / _SETTINGS
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file", expected="a folder for a checkpoint", argument="checkpoint")
    if path.is_file():
        _refuse_other(folder, _read(path), own)
    else:
        strangers = sorted(found.name for found in folder.glob("[!.]*"))
        if strangers:
            raise InputError(
                f"{folder}: has other contents ({', '.join(strangers[:3])})",
                expected="a checkpoint, or a folder that is empty or does not exist",
                argument="checkpoint",
            )
        write_atomically(path, lambda place: place.write_text(json.dumps(own, indent=1) + "\n", encoding="utf-8"))
    chains = ChainStore(folder, hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest())
    try:
        yield chains
    finally:
        chains.flush()


def remove_checkpoint(folder: Path) -> None:
    """Remove the files of a checkpoint, and their folder if nothing else is in it; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        sweep(folder)
        for path in (
            *sorted(folder.glob(PARTS), reverse=True),
            folder / _SETTINGS,
        ):  # at any time, what is left is whole
            path.unlink(missing_ok=True)
        folder.rmdir()


def _identity(prepared: Prepared, settings: Settings, thresholds: Thresholds) -> dict[str, Any]:
    """Everything that determines the draws of a fit, in plain JSON types, by a name for messages."""
    own = {
        "log": prepared.collapsed.content_hash,
        **model_record(prepared.model),
        **settings._asdict(),
        **dataclasses.asdict(thresholds),
        **{f"version of {name}": version for name, version in library_versions().items()},
    }
    plain: dict[str, Any] = json.loads(json.dumps(own, default=np.generic.item))
    return plain


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        return dict(found)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not as it was written ({error})",
            remedy=f"delete the folder {path.parent} to start the fit again",
            argument="checkpoint",
        ) from error


def _refuse_other(folder: Path, found: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    other = [name for name in dict.fromkeys((*own, *found)) if found.get(name) != own.get(name)]
    if other:
        raise InputError(
            f"{folder}: is the checkpoint of another fit; it differs in: "
            + ", ".join(_difference(name, found.get(name), own.get(name)) for name in other[:4]),
            remedy="delete it to start again, or name another folder",
            argument="checkpoint",
        )


def _difference(name: str, before: object, now: object) -> str:
    short = max(len(str(before)), len(str(now))) < _LONG
    return f"{name} ({before}, now {now})" if short else name
