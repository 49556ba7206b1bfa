"""TOML files: tables of personas, of options and of prompts are read and written in one way."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulacra.formalism.errors import InputError

__all__ = ["read_toml", "toml_value"]


def read_toml(
    path: str | Path,
    what: str,
    *,
    expected: str | None = None,
    remedy: str | None = None,
    argument: str | Sequence[str] = (),
) -> dict[str, Any]:
    """The table in a TOML file, encoded as UTF-8 with or without a byte order mark.

    Args:
        path: the file.
        what: what the table is to be read as, for the message, such as ``"personas"``.
        expected: what would have been accepted.
        remedy: how to fix it.
        argument: names of the Python arguments that the remedy concerns.

    Raises:
        InputError: no such file, or one that is not TOML; the message starts with the file.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read as {what}: {error}", expected=expected, remedy=remedy, argument=argument
        ) from error


def toml_value(value: Any) -> str:
    """Text, numbers and lists are written in JSON as they are in TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
