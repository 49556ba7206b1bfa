"""Fields of a file's name, read with a pattern such as ``"{model}-{condition}"``.

The pattern uses the syntax of the library ``parse`` (the inverse of ``format``). Fields match as few characters as
possible, so ``{sep}`` matches one character; ``{rank:d}`` reads an integer; ``{}``, ``{sep}`` and ``{_}`` are matched
and discarded. A pattern with slashes is also matched against the same number of folders: ``"{condition}/judged"``.
"""

import collections
import itertools
import math
import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

import parse

from simulacra.data.errors import LogError
from simulacra.data.numerals import grouped
from simulacra.data.reading.sources import stem_of

__all__ = ["is_pattern", "read_name", "short_fields", "suggest_pattern"]

_FORGOTTEN = ("sep", "_")
_MOST_WAYS = 1_000_000
"""Ways to split a name into fields, beyond which trying them takes seconds; ten fields and ten separators have one."""


def is_pattern(condition: str) -> bool:
    """Whether a ``condition`` argument is a file-name pattern (with fields in braces) and not a column."""
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
        compiled, ways = parse.compile(pattern, case_sensitive=True), _ways(pattern, name)
        if ways > _MOST_WAYS:
            raise ValueError(f"its fields split {name!r} in more than {grouped(_MOST_WAYS)} ways; name fewer fields")
        found = compiled.parse(name) if ways else None
    except Exception as error:  # of parse or of re, depending on the pattern
        raise LogError(
            f"the pattern {pattern!r} cannot be read ({error})",
            expected="a pattern such as '{model}-{condition}', with every field named once",
            argument="condition",
        ) from error
    if found is None:
        raise LogError(
            f"the name {name!r} does not match the pattern {pattern!r}",
            file=path,
            expected="every file's name (without extension) to match",
            remedy="change condition=, or exclude the file",
            argument="condition",
        )
    return {key: value for key, value in found.named.items() if key not in _FORGOTTEN}


def _ways(pattern: str, name: str) -> int:
    """An upper bound of the number of ways to split a name at the separators of a pattern; 0 if it lacks one."""
    pieces = list(string.Formatter().parse(pattern))
    between = [literal for literal, field, *_ in pieces[1:] if field is not None]
    return math.prod(
        math.comb(name.count(literal) if literal else len(name), times)
        for literal, times in collections.Counter(between).items()
    )


def short_fields(pattern: str, fields: Sequence[Mapping[str, object]]) -> str | None:
    """A note on a pattern whose fields follow one another directly, if that leaves one of them one or two letters.

    Args:
        pattern: the pattern.
        fields: the fields of every file.
    """
    if "}{" not in pattern:
        return None
    for name in dict.fromkeys(name for own in fields for name in own):
        values = [str(own[name]) for own in fields if isinstance(own.get(name), str)]
        if any(re.fullmatch(r"[^\W\d_]{1,2}", value) for value in values):
            others = ", ".join(f"{key} {value!r}" for key, value in fields[0].items())
            return (
                f"the pattern {pattern!r} gives {others}: a field matches as few characters as possible, so fields "
                "without a separator between them split words; write the separator, as in '{model}-{condition}'"
            )
    return None


def suggest_pattern(paths: Sequence[Path]) -> str:
    """A pattern that all of these files match, whose ``{condition}`` is the part in which their names differ.

    If only their folders differ, it is the folder; for a single file, it is the whole name.
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
    """The common beginning of all names, up to a separator, so that no word is split."""
    pieces = zip(*(re.findall(r"[^-_ ]*[-_ ]", name) for name in names), strict=False)
    return "".join(each[0] for each in itertools.takewhile(lambda each: len(set(each)) == 1, pieces))


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
