"""What a file's name says: the fields of a pattern such as ``"{model}-{condition}"``.

The pattern language is that of the library ``parse`` (``format`` read backwards). Fields match as little as they can,
so ``{sep}`` takes one character; ``{rank:d}`` reads an integer; ``{}``, ``{sep}`` and ``{_}`` are read and forgotten.
A pattern with slashes is matched against that many folders as well: ``"{condition}/judged"``.
"""

from collections.abc import Mapping
from pathlib import Path

import parse

from simulacra.data.errors import LogError
from simulacra.data.sources import stem_of

__all__ = ["is_pattern", "read_name"]

_FORGOTTEN = ("sep", "_")


def is_pattern(condition: str) -> bool:
    """Whether a ``condition`` argument is a filename pattern (it has fields in braces) and not a column."""
    return "{" in condition


def read_name(pattern: str, path: Path) -> Mapping[str, object]:
    """The named fields of one file's name.

    Args:
        pattern: a pattern of the library ``parse``, applied to the name without extensions.
        path: the file.

    Raises:
        LogError: the pattern cannot be read, or the name does not match it.
    """
    depth = pattern.count("/")
    name = "/".join([*path.absolute().parts[-1 - depth : -1], stem_of(path)])
    try:
        found = parse.compile(pattern, case_sensitive=True).parse(name)
    except (ValueError, NotImplementedError) as error:
        raise LogError(
            f"the pattern {pattern!r} cannot be read ({error})",
            expected="a pattern such as '{model}-{condition}', every field named once",
        ) from error
    if found is None:
        raise LogError(
            f"the name {name!r} does not match the pattern {pattern!r}",
            file=path,
            expected="every file's name (without extension) to match",
            remedy="change condition=, or leave the file out of the source",
        )
    return {key: value for key, value in found.named.items() if key not in _FORGOTTEN}
