"""Optional libraries: imported when they are needed, and named with the command that installs them when missing."""

import importlib
from types import ModuleType

__all__ = ["import_extra"]


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module whose libraries come with an extra.

    Raises:
        ImportError: a library is missing; the message has the line that mends it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is not installed; it comes with the extra [{extra}]: pip install 'simulacra[{extra}]'."
        ) from error
