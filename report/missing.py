"""What a report needs beside the core, and the sentence that says how to get it."""

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str) -> Any:
    """Import a module of the extra ``report`` when it is needed.

    Raises:
        ImportError: it is not installed, with the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"Reports and figures need {error.name}, which is not installed: pip install 'simulacra[report]'."
        ) from error
