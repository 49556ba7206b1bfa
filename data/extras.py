"""Libraries that only some readers need: imported when used, and named with the line that installs them."""

import importlib
from typing import Any

from simulacra.data.errors import LogError

__all__ = ["need"]


def need(module: str, *, extra: str, to: str) -> Any:
    """Import a library of an extra.

    Raises:
        LogError: it is not installed, with the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise LogError(
            f"{module.partition('.')[0]} is not installed",
            expected=f"it, to {to}",
            remedy=f"pip install 'simulacra[{extra}]'",
        ) from error
