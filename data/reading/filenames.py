"""What a file's name says: the fields of a pattern such as ``"{model}-{condition}"``.

The pattern language is that of the library ``parse`` (``format`` read backwards). Fields match as little as they can,
so ``{sep}`` takes one character; ``{rank:d}`` reads an integer; ``{}``, ``{sep}`` and ``{_}`` are read and forgotten.
A pattern with slashes is matched against that many folders as well: ``"{condition}/judged"``.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import parse

from simulacra.data.errors import LogError
from simulacra.data.reading.sources import stem_of

__all__ = ["is_pattern", "read_name", "suggest_pattern"]

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
    except Exception as error:  # of parse or of re, depending on the pattern
        raise LogError(
            f"the pattern {pattern!r} cannot be read ({error})",
            expected="a pattern such as '{model}-{condition}', every field named once",
            argument="condition",
        ) from error
    if found is None:
        raise LogError(
            f"the name {name!r} does not match the pattern {pattern!r}",
            file=path,
            expected="every file's name (without extension) to match",
            remedy="change condition=, or leave the file out of the source",
            argument="condition",
        )
    return {key: value for key, value in found.named.items() if key not in _FORGOTTEN}


def suggest_pattern(paths: Sequence[Path]) -> str:
    """A pattern that all of these files match, whose ``{condition}`` is the part in which their names differ.

    Where only their folders differ it is the folder, and the whole name where there is one file only.
    """
    stems = [stem_of(path) for path in paths]
    if len(paths) > 1 and len(set(stems)) == 1:
        return f"{{condition}}/{_literal(stems[0])}"
    before = _shared_start(stems)
    rest = [stem[len(before) :] for stem in stems]
    after = _shared_start([text[::-1] for text in rest])[::-1]
    if len(paths) == 1 or min(map(len, rest)) == len(after):
        return "{condition}"
    return f"{_literal(before)}{{condition}}{_literal(after)}"


def _shared_start(names: Sequence[str]) -> str:
    """What all names begin with, up to a separator, so that no word is cut in two."""
    pieces = zip(*(re.findall(r"[^-_ ]*[-_ ]", name) for name in names), strict=False)
    return "".join(each[0] for each in itertools.takewhile(lambda each: len(set(each)) == 1, pieces))


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
