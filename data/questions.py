"""Base questions: prompt formats (``_json``, ``_template``) are variants of one question, and nest in it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.errors import LogError

__all__ = ["PLAIN", "split_formats"]

PLAIN = "plain"
"""The format of a question without a suffix."""


def split_formats(question_id: np.ndarray, suffixes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Split every question id into its base question and its format.

    Args:
        question_id: objects of str, shape ``(N,)``.
        suffixes: what to strip from the end, for example ``("_json", "_template")``; the longest that fits is taken.

    Returns:
        Base questions and formats, objects of str, each of shape ``(N,)``. A format is the suffix without leading
        punctuation; ``"plain"`` where there is none.

    Raises:
        LogError: no id ends in any of the suffixes.
    """
    codes, unique = pd.factorize(question_id)
    base = np.empty(len(unique), dtype=object)
    form = np.empty(len(unique), dtype=object)
    for index, name in enumerate(unique):
        fits = [suffix for suffix in suffixes if name.endswith(suffix) and len(name) > len(suffix) > 0]
        suffix = max(fits, key=len, default="")
        base[index] = name.removesuffix(suffix)
        form[index] = suffix.lstrip("_-.:/ ") or PLAIN
    if (form == PLAIN).all():
        shown = ", ".join(map(repr, unique[:5]))
        raise LogError(
            f"no question id ends in any of formats={tuple(suffixes)}",
            column="question_id",
            expected=f"ids with these suffixes; the log's are {shown}",
            remedy="correct the suffixes, or leave formats= out",
        )
    return base[codes], form[codes]
