"""Base questions: prompt formats (``_json``, ``_template``) are variants of one question, and nest in it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.errors import LogError

__all__ = ["PLAIN", "split_formats", "unnested_formats"]

PLAIN = "plain"
"""The format of a question without a suffix."""

_MARKS = "_-.:/ "
"""What a suffix starts with."""


def split_formats(question_id: np.ndarray, suffixes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Split every question id into its base question and its format.

    Args:
        question_id: objects of str, shape ``(N,)``.
        suffixes: what to strip from the end, for example ``("_json", "_template")``; the longest that fits is taken.

    Returns:
        Base questions and formats, objects of str, each of shape ``(N,)``. A format is the suffix without leading
        punctuation; ``"plain"`` where there is none.

    Raises:
        LogError: no id ends in any of the suffixes, or a suffix leaves ids that end in the mark before it.
    """
    codes, unique = pd.factorize(question_id)
    base = np.empty(len(unique), dtype=object)
    form = np.empty(len(unique), dtype=object)
    for index, name in enumerate(unique):
        fits = [suffix for suffix in suffixes if name.endswith(suffix) and len(name) > len(suffix) > 0]
        suffix = max(fits, key=len, default="")
        base[index] = name.removesuffix(suffix)
        form[index] = suffix.lstrip(_MARKS) or PLAIN
    if (form == PLAIN).all():
        shown = ", ".join(map(repr, unique[:5]))
        raise LogError(
            f"no question id ends in any of formats={tuple(suffixes)}",
            column="question_id",
            expected=f"ids with these suffixes; the log's are {shown}",
            remedy="correct the suffixes, or leave formats= out",
            argument="formats",
        )
    for name, own, kind in zip(unique, base, form, strict=True):
        if kind != PLAIN and own.rstrip(_MARKS) != own:
            raise LogError(
                f"formats={tuple(suffixes)} leaves {own!r} of {name!r}, which nests in no other question",
                column="question_id",
                expected="suffixes with the mark that they start with",
                remedy=f"name the suffix {name.removeprefix(own.rstrip(_MARKS))!r}",
                argument="formats",
            )
    return base[codes], form[codes]


def unnested_formats(question_id: np.ndarray) -> tuple[str, ...]:
    """Suffixes that look like prompt formats: two or more ids are another id with the suffix added.

    Args:
        question_id: objects of str, shape ``(N,)``.
    """
    unique = sorted(set(question_id))
    found = Counter(
        longer.removeprefix(name)
        for name in unique
        for longer in unique
        if longer.startswith(name) and longer[len(name) :][:1] in tuple(_MARKS)
    )
    return tuple(sorted(suffix for suffix, count in found.items() if count > 1))
