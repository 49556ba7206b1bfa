"""The terminal or notebook in which progress is shown."""

import importlib.util
import sys
from typing import Any

__all__ = ["progress_console"]


def progress_console() -> Any:
    """A ``rich.console.Console``: standard error, or the cell of a notebook.

    Rich draws bars in notebooks with ipywidgets. Where it is not installed, every update of a bar would be a warning in
    the cell, so that such a notebook counts as no place to show bars in.
    """
    from rich.console import Console

    return Console(file=sys.stderr, force_jupyter=None if importlib.util.find_spec("ipywidgets") else False)
