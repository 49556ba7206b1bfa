"""The chains of a fit in files: the :class:`~simulacra.inference.sampling.journal.Journal` of a checkpoint.

Every file is a *part*: the blocks of draws since the part before, the states of the chains after them, and the states
of their random numbers. A draw is written once, so the cost does not grow with the length of the chains. Parts are
NumPy archives that are written atomically; objects in them are refused, so reading one executes no code.
"""

import contextlib
import json
import os
import threading
import time
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simulacra.data.atomic import write_atomically
from simulacra.formalism.errors import InputError
from simulacra.inference.sampling import hmc
from simulacra.inference.sampling.journal import Entry

__all__ = ["PARTS", "ChainStore"]

PARTS = "part-*.npz"
"""Pattern of the names of the files."""

_INDEX = "index"
_STATE = ("whitened", "log_density", "gradient")  # the arrays of a state
_INTERVAL = 5.0  # least time between two writes, in seconds
_COST = 0.01  # largest proportion of the time that is spent on writing
_READING = threading.Lock()  # NumPy parses headers with ast, which fails in two threads at once before Python 3.11.9


class _Pending(NamedTuple):
    """Blocks of an ensemble that are not written yet, the number of those before, and the state after them."""

    first: int
    blocks: tuple[hmc.Draws, ...]
    state: hmc.State
    random: Mapping[str, Any]


class _Piece(NamedTuple):
    """Blocks of an ensemble in a part: where they are, the number of those before, and of those that are not needed."""

    path: Path
    number: int
    first: int
    blocks: int
    chains: int
    adaptation: hmc.Adaptation
    random: Mapping[str, Any]
    skip: int = 0


class ChainStore:
    """The parts in a folder; see the module.

    Args:
        folder: an existing folder.
        fit: what identifies the fit.

    Raises:
        InputError: a part is damaged or missing, or belongs to another fit.
    """

    def __init__(self, folder: Path, fit: str) -> None:
        self._folder, self._fit = folder, fit
        self._lock, self._due = threading.Lock(), time.monotonic() + _INTERVAL
        self._pending: dict[tuple[str, int], _Pending] = {}
        self._stored: dict[tuple[str, int], list[_Piece]] = {}
        parts = sorted(folder.glob(PARTS))
        self._number = len(parts)
        for path in parts:
            self._add(path)
        self._runs = {run for run, _ in self._stored}

    @property
    def draws(self) -> int:
        """Number of draws of all chains that were found, including those of the warm-up."""
        pieces = (piece for pieces in self._stored.values() for piece in pieces)
        return sum((piece.blocks - piece.skip) * piece.chains for piece in pieces) * hmc.BLOCK

    def recall(self, run: str, ensemble: int, begin: hmc.State) -> Entry | None:
        """What an ensemble has done of a run; see :class:`~simulacra.inference.sampling.journal.Journal`.

        Raises:
            InputError: a part is damaged, or the first run of this fit is not that of the parts.
        """
        if self._runs and run not in self._runs:
            raise InputError(
                f"{self._folder}: its chains do not begin exactly where those of this fit do: this processor or GPU, "
                "or a numerical library, rounds differently",
                remedy="resume the fit on the machine that wrote the checkpoint, or delete it to start again",
                argument="checkpoint",
            )
        self._runs.clear()  # a later run may be missing: nothing of it was written
        pieces = self._stored.get((run, ensemble))
        if pieces is None:
            return None
        last, length = pieces[-1], pieces[-1].first + pieces[-1].blocks
        try:
            with _opened(last.path) as part:
                arrays = [part[f"{last.number}/{name}"] for name in _STATE]
            shapes = [begin.whitened.shape, begin.log_density.shape, begin.gradient.shape]
            _expect_shapes(arrays, shapes)
            rng = np.random.default_rng()
            rng.bit_generator.state = dict(last.random)
        except Exception as error:
            raise _damaged(last.path, error) from error
        state = hmc.State(arrays[0], arrays[1], arrays[2], last.adaptation)
        with self._lock:
            self._pending[run, ensemble] = _Pending(length, (), state, last.random)
        return Entry(state, rng, length, _read_blocks(pieces, begin))

    def record(self, run: str, ensemble: int, state: hmc.State, rng: np.random.Generator, draws: hmc.Draws) -> None:
        """Keep the next block of an ensemble, and write all that is new if the last write was long enough ago."""
        with self._lock:
            before = self._pending.get((run, ensemble))
            first, blocks = (0, ()) if before is None else (before.first, before.blocks)
            # One assignment: wherever Ctrl-C interrupts it, there is no state without its draws.
            self._pending[run, ensemble] = _Pending(first, (*blocks, draws), state, rng.bit_generator.state)
            if time.monotonic() >= self._due:
                self._write()

    def flush(self) -> None:
        """Write all that is new."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        """Write a part; a fit does not end because its checkpoint cannot be written."""
        new = {key: own for key, own in self._pending.items() if own.blocks}
        if not new or self._due == np.inf:
            return
        begun, path = time.monotonic(), self._folder / f"part-{self._number:06d}-{os.getpid()}.npz"
        try:
            write_atomically(path, lambda place: _save(place, self._fit, new))
        except OSError as error:
            warnings.warn(f"{path}: {error.strerror or error}; the fit goes on without its checkpoint", stacklevel=2)
            self._due = np.inf
            return
        self._number += 1
        self._pending |= {key: own._replace(first=own.first + len(own.blocks), blocks=()) for key, own in new.items()}
        ended = time.monotonic()
        self._due = ended + max(_INTERVAL, (ended - begun) / _COST)

    def _add(self, path: Path) -> None:
        """Read what a part contains."""
        try:
            with zipfile.ZipFile(path) as archive:
                if (broken := archive.testzip()) is not None:
                    raise ValueError(f"{broken} has another checksum")
            with _opened(path) as part:
                index = json.loads(part[_INDEX].tobytes())
            if index["fit"] != self._fit:
                raise ValueError("it belongs to another fit")
            for number, own in enumerate(index["pieces"]):
                size = {name: int(own[name]) for name in ("first", "blocks", "chains")}
                piece = _Piece(
                    path, number, **size, adaptation=hmc.Adaptation(*own["adaptation"]), random=own["random"]
                )
                pieces = self._stored.setdefault((str(own["run"]), int(own["ensemble"])), [])
                there = pieces[-1].first + pieces[-1].blocks if pieces else 0
                if piece.first > there:
                    raise ValueError("the part before it is missing")
                if piece.first + piece.blocks > there:  # else another process wrote the same blocks before
                    pieces.append(piece._replace(skip=there - piece.first))
        except Exception as error:  # an edited archive fails in many ways
            raise _damaged(path, error) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The arrays of a part by name, for one thread at a time."""
    with _READING, np.load(path, allow_pickle=False) as part:
        yield part


def _save(path: Path, fit: str, new: Mapping[tuple[str, int], _Pending]) -> None:
    arrays: dict[str, Any] = {}
    pieces = []
    for number, ((run, ensemble), own) in enumerate(new.items()):
        size = {"first": own.first, "blocks": len(own.blocks), "chains": len(own.state.whitened)}
        adaptation = [float(value) for value in own.state.adaptation[:-1]] + [own.state.adaptation.iteration]
        pieces.append({"run": run, "ensemble": ensemble, **size, "adaptation": adaptation, "random": own.random})
        arrays |= {f"{number}/{name}": getattr(own.state, name) for name in _STATE}
        joined = (np.concatenate(values) for values in zip(*own.blocks, strict=True))
        arrays |= {f"{number}/{name}": values for name, values in zip(hmc.Draws._fields, joined, strict=True)}
    arrays[_INDEX] = np.frombuffer(json.dumps({"fit": fit, "pieces": pieces}).encode(), dtype=np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _read_blocks(pieces: list[_Piece], begin: hmc.State) -> Iterator[hmc.Draws]:
    """The blocks of an ensemble that began in a state, one part at a time."""
    for piece in pieces:
        length = piece.blocks * hmc.BLOCK
        try:
            with _opened(piece.path) as part:
                draws = hmc.Draws(*(part[f"{piece.number}/{name}"] for name in hmc.Draws._fields))
            stats = [(length, *begin.log_density.shape)] * (len(draws) - 1)
            _expect_shapes(draws, [(length, *begin.whitened.shape), *stats])
        except Exception as error:
            raise _damaged(piece.path, error) from error
        for start in range(piece.skip * hmc.BLOCK, length, hmc.BLOCK):
            yield hmc.Draws(*(values[start : start + hmc.BLOCK] for values in draws))


def _expect_shapes(arrays: Iterable[np.ndarray], shapes: list[tuple[int, ...]]) -> None:
    if [own.shape for own in arrays] != shapes:
        raise ValueError("its arrays have other shapes")


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: not a part of this checkpoint as it was written ({error})",
        remedy="delete it and the parts after it to resume from the part before, or the folder to start again",
        argument="checkpoint",
    )
