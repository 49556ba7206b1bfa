"""Optional libraries: imported when needed; if one is missing, the error states how to install it."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

__all__ = ["MissingExtraError", "import_extra", "needs_extra"]


class MissingExtraError(ImportError):
    """A library of an extra is not installed; the message contains the command that installs it."""


@contextlib.contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Import optional libraries inside this context.

    Raises:
        MissingExtraError: a library is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("simulacra"):
            raise
        raise MissingExtraError(
            f"{error.name} is not installed; it comes with the extra [{extra}]: pip install 'simulacra[{extra}]', or "
            f"in a clone pip install -e '.[{extra}]'.",
            name=error.name,
        ) from error


def import_extra(module: str, extra: str) -> Any:
    """Import a module whose libraries come with an extra.

    Raises:
        MissingExtraError: a library is not installed.
    """
    with needs_extra(extra):
        return importlib.import_module(module)
