"""Fixtures for running the code of the pages: an empty folder, readers without files, and fits with few draws."""

import dataclasses
import glob
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

import simulacra.data
import simulacra.inference
from simulacra.data import CompletionLog, ScannedLog, load_demo
from simulacra.inference import Result, Thresholds, default_model, fit

ROOT = Path(__file__).parent.parent.parent

_FITTED: dict[tuple, Result] = {}  # pages fit the same demonstration log with the same model

SHORT: dict[str, Any] = {"num_warmup": 200, "num_samples": 200, "thresholds": Thresholds(r_hat=1.1, ess=50)}


def _short_fit(model: Any, log: Any = None, **settings: Any) -> Result:
    """``fit`` with few draws and thresholds to match, once for each model and log."""
    if log is None:
        model, log = default_model(model), model
    settings |= SHORT
    key = (repr(dataclasses.asdict(model)), log.content_hash, tuple(sorted(settings.items())))
    if key not in _FITTED:
        _FITTED[key] = fit(model, log, **settings)
    return _FITTED[key]


def _reader(read: Callable) -> Callable:
    """A reader that checks the call, and reads the demonstration log if the files of the page do not exist."""

    def read_or_demo(*args: Any, **arguments: Any) -> CompletionLog | ScannedLog:
        source = inspect.signature(read).bind(*args, **arguments).args[0]
        if isinstance(source, str) and not glob.glob(source):
            return load_demo()[0]
        return read(*args, **arguments)

    return read_or_demo


@pytest.fixture
def page_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The empty folder in which the code of a page runs, with the default settings of JAX."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(simulacra.inference, "fit", _short_fit)
    for read in (simulacra.data.read_completions, simulacra.data.scan_completions):
        monkeypatch.setattr(simulacra.data, read.__name__, _reader(read))
    with jax.numpy_rank_promotion("allow"):
        yield tmp_path
