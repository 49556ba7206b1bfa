"""Which file of judgments belongs to which file of completions: by their contents, else by their names."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from simulacra.data.errors import LogError, is_in_memory
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.sources import stem_of

__all__ = ["pair_files"]


def pair_files(
    sheets: Sequence[Sheet], verdicts: Sequence[Sheet], belongs: Callable[[Sheet, Sheet], bool]
) -> tuple[list[Sheet], str | None]:
    """The file of judgments of every file of completions, and how it was found.

    Args:
        sheets: N files of completions.
        verdicts: N files of judgments.
        belongs: whether the judgments of a file are all about completions of another.

    Returns:
        The judgments in the order of the completions; a note if the order was not the given one.

    Raises:
        LogError: neither contents nor names determine the pairs, and names contradict the order.
    """
    count = len(sheets)
    if any(is_in_memory(each.file) for each in (*sheets, *verdicts)):
        return list(verdicts), None
    found = _bijection([[i for i in range(count) if belongs(sheets[i], verdict)] for verdict in verdicts])
    how = "the rows of their shared columns"
    if found is None:
        named = [_likely(sheets, verdict) for verdict in verdicts]
        found, how = _bijection(named), "their file names"
        wrong = [j for j, own in enumerate(named) if own and own != [j]]
        if found is None and wrong:
            verdict, sheet, likely = verdicts[wrong[0]], sheets[wrong[0]], sheets[named[wrong[0]][0]]
            raise LogError(
                f"by order, these judgments belong to {sheet.file}, but the file's name is that of {likely.file}",
                file=verdict.file,
                expected="the same order of both, or names that determine the pairs",
                remedy="pass both as lists in the same order, with names that correspond, or add a column that "
                "identifies a completion",
                argument="judgments",
            )
    if found is None or found == list(range(count)):
        return list(verdicts), None
    order = [verdicts[found.index(i)] for i in range(count)]
    pairs = ", ".join(f"{own.file} with {sheet.file}" for sheet, own in zip(sheets, order, strict=True))
    return order, f"files of judgments were paired by {how}, not by their order: {pairs}"


def _bijection(choices: Sequence[Sequence[int]]) -> list[int] | None:
    """The only choice of each, if every one has exactly one and all differ."""
    if all(len(own) == 1 for own in choices) and len({own[0] for own in choices}) == len(choices):
        return [own[0] for own in choices]
    return None


def _likely(sheets: Sequence[Sheet], verdict: Sheet) -> list[int]:
    """The files of completions whose distinctive words the name of a file of judgments contains; most words first."""
    words = [_words(sheet.file) for sheet in sheets]
    shared = set.intersection(*words)
    own = _words(verdict.file)
    fitting = {i: len(each - shared) for i, each in enumerate(words) if each - shared <= own}
    best = max(fitting.values(), default=0)
    return [i for i, size in fitting.items() if size == best] if fitting else []


def _words(file: str) -> set[str]:
    """The words of a file's name and folder."""
    path = Path(file)
    return set(re.findall(r"[a-z0-9]+", f"{path.parent.name} {stem_of(path)}".casefold()))
