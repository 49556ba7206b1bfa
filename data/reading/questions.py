"""Base questions: prompt formats (``_json``, ``_template``) are variants of one question, and nest in it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.errors import LogError, place, shown
from simulacra.data.reading.gather import Gathered, identity_text
from simulacra.data.reading.values import as_text

__all__ = ["PLAIN", "QUESTION", "separate_questions", "split_formats", "unnested_formats"]

PLAIN = "plain"
"""The format of a question without a suffix."""

QUESTION, TASK = "question", "task"
"""Columns with the text of a question next to its id, and with the task that numbered it."""

_MARKS = "_-.:/ "
"""Characters that a suffix may start with."""


def separate_questions(raw: Gathered) -> tuple[np.ndarray, tuple[str, ...]]:
    """The question ids, objects of str, shape ``(N,)``, such that no id stands for several texts, and notes.

    If every task numbers its questions anew, as in a folder of Inspect logs, ids become ``task/id``.

    Raises:
        LogError: one id with several texts.
    """
    ids = identity_text(raw, "question_id")
    texts = raw.columns.get(QUESTION)
    if texts is None:
        return ids, ()
    text = [" ".join((value or "").split()).casefold() for value in as_text(texts)]
    table = pd.DataFrame({"id": ids, "text": text}).assign(row=np.arange(len(ids)))
    table = table[table["text"] != ""]
    if not _several(table, ["id"]).size:
        return ids, ()
    if TASK in raw.columns:
        tasks = as_text(raw.columns[TASK])
        own = np.array(
            [name if task is None else f"{task}/{name}" for task, name in zip(tasks, ids, strict=True)], object
        )
        if not _several(table.assign(id=own[table["row"]]), ["id"]).size:
            return own, ("question ids are repeated between tasks with other texts, and are read as task/id",)
    row = int(_several(table, ["id"])[0])
    first = int(table.loc[table["id"] == ids[row], "row"].iloc[0])
    where = place(raw.column_maps[int(raw.file[first])].file, int(raw.record[first]))
    raise raw.error(
        f"the question {ids[row]!r} has another text here, {shown(texts[row])}, than at {where}, {shown(texts[first])}",
        row=row,
        column="question_id",
        expected="one text for every question",
        remedy='if these are different questions, pass columns={"question_id": "question"}; if they are paraphrases of '
        'one question, also base_question="question_id", or columns={"question": None} to ignore the texts',
        argument=("columns", "base_question"),
    )


def _several(table: pd.DataFrame, keys: list[str]) -> np.ndarray:
    """The rows at which a key has another text than before."""
    pairs = table.drop_duplicates([*keys, "text"])
    return pairs.loc[pairs.duplicated(keys), "row"].to_numpy()


def split_formats(question_id: np.ndarray, suffixes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Split every question id into its base question and its format.

    Args:
        question_id: objects of str, shape ``(N,)``.
        suffixes: suffixes to remove, for example ``("_json", "_template")``; the longest that matches is used.

    Returns:
        Base questions and formats, objects of str, each of shape ``(N,)``. A format is the suffix without leading
        punctuation; ``"plain"`` if there is none.

    Raises:
        LogError: no id ends in any of the suffixes, or an id still ends in punctuation after the suffix is removed.
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
            remedy="correct the suffixes, or remove formats=",
            argument="formats",
        )
    for name, own, kind in zip(unique, base, form, strict=True):
        if kind != PLAIN and own.rstrip(_MARKS) != own:
            raise LogError(
                f"formats={tuple(suffixes)} leaves {own!r} of {name!r}, which is not the id of a question",
                column="question_id",
                expected="suffixes including the punctuation that they start with",
                remedy=f"name the suffix {name.removeprefix(own.rstrip(_MARKS))!r}",
                argument="formats",
            )
    return base[codes], form[codes]


def unnested_formats(question_id: np.ndarray) -> tuple[str, ...]:
    """Suffixes that look like prompt formats: two or more ids are another id with the suffix added.

    Args:
        question_id: objects of str, shape ``(N,)``.
    """
    found: Counter[str] = Counter()
    beginnings: list[str] = []  # the ids that the current one begins with; in sorted order, they precede it
    for longer in sorted(set(question_id)):
        while beginnings and not longer.startswith(beginnings[-1]):
            beginnings.pop()
        suffixes = (longer.removeprefix(name) for name in beginnings)
        found.update(suffix for suffix in suffixes if suffix.startswith(tuple(_MARKS)))
        beginnings.append(longer)
    return tuple(sorted(suffix for suffix, count in found.items() if count > 1))
