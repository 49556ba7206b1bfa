"""Bars in notebooks need ipywidgets; without it, Rich would warn at every update."""

import importlib.util

import pytest
import rich.console

from simulacra.data.progress import progress_console


@pytest.mark.parametrize("installed", [True, False])
def test_bars_are_shown_in_notebooks_that_can_show_them(installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    assert progress_console().is_jupyter == installed
