"""Identity: the names that say which condition and question a completion belongs to."""

import numpy as np

from simulacra.data.columns import ALIASES
from simulacra.data.gather import Gathered
from simulacra.data.values import as_text

__all__ = ["identity_text"]


def identity_text(raw: Gathered, name: str) -> np.ndarray:
    """An identifying column as text, objects of shape ``(N,)``; nothing in it may be empty.

    Raises:
        LogError: the first row where it is empty.
    """
    values = as_text(raw.columns[name])
    empty = [row for row, value in enumerate(values) if value is None]
    if empty:
        raise raw.error(
            f"the {name} is empty ({len(empty)} row(s))",
            row=empty[0],
            column=name,
            expected="a name in every row",
            remedy=f"fill it in, or remove the rows; other names read as {name!r}: "
            + ", ".join(alias for tier in ALIASES.get(name, ()) for alias in tier),
        )
    return values
