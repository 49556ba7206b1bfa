"""The completions to score: the distinct completions of every question."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from simulacra.data.errors import LogError
from simulacra.data.log import CompletionLog

__all__ = ["NOT_FINITE", "Work", "collect_work"]

NOT_FINITE = "the model's log-likelihood is not finite"
"""Reason for a missing likelihood of a completion that was run through the model."""


@dataclasses.dataclass(frozen=True)
class Work:
    """Questions and their completions, question by question.

    Attributes:
        questions: texts of J questions.
        completions: texts of N completions.
        question_of: the question of every completion, non-decreasing, shape ``(N,)``.
        row_of: for every row of the log its completion, -1 if it has no text.
    """

    questions: tuple[str, ...]
    completions: tuple[str, ...]
    question_of: np.ndarray
    row_of: np.ndarray

    def __len__(self) -> int:
        return len(self.completions)

    def hash(self, prompts: Mapping[str, Sequence[str]]) -> str:
        """SHA-256 of everything that is scored, including complete prompts, and of the rows it belongs to."""
        digest = hashlib.sha256()
        for text in (*self.completions, *(text for texts in prompts.values() for text in texts)):
            digest.update(text.encode() + b"\x00")
        digest.update(self.question_of.tobytes() + self.row_of.tobytes())
        return digest.hexdigest()


def collect_work(log: CompletionLog, question: str | None) -> Work:
    """The distinct (question, completion) pairs of a log.

    Args:
        log: the log.
        question: the column with the text of the question. None uses ``question``, or ``question_id`` if it was read
            from a column ``question`` or ``prompt`` of the file.

    Raises:
        LogError: no such column, an empty question, or a log without the texts of questions.
    """
    asked = _question_texts(log, question)
    pairs: dict[tuple[str, str], int] = {}
    rows = [
        -1 if text is None else pairs.setdefault((own, text), len(pairs))
        for own, text in zip(asked, log.table["completion"], strict=True)
    ]
    if not pairs:
        raise LogError(
            "no row has the text of a completion",
            column="completion",
            expected="texts to score",
            remedy='name their column, columns={"completion": "<column>"}, when reading the log',
            argument="columns",
        )
    names = {text: index for index, text in enumerate(dict.fromkeys(own for own, _ in pairs))}
    unsorted = np.array([names[own] for own, _ in pairs], dtype=np.int64)
    order = np.argsort(unsorted, kind="stable")
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(order)), -1
    texts = [text for _, text in pairs]
    return Work(tuple(names), tuple(texts[i] for i in order), unsorted[order], rank[np.array(rows, dtype=np.int64)])


def _text_remedy(log: CompletionLog, name: str | None, known: Sequence[str]) -> str:
    """The column that was probably meant: the log's name for the given one, or one with values of several words."""
    renamed = log.account.renamed.get(name) if name is not None else None
    if renamed in known:
        return f'the log calls it {renamed!r}: pass question="{renamed}"'
    own = [each for each in known if each != "base_question"]
    wordy = [each for each in own if log.table[each].map(lambda text: isinstance(text, str) and " " in text).all()]
    if wordy:
        return f'texts of several words are in {", ".join(wordy)}: pass question="{wordy[0]}" if that is the question'
    return 'pass question="<column>"; if the log has only ids, merge the texts into the table first'


def _question_texts(log: CompletionLog, question: str | None) -> list[str]:
    name = question or ("question" if "question" in log.contexts else None)
    if name is None and any(log.account.renamed.get(own) == "question_id" for own in ("question", "prompt")):
        name = "question_id"
    known = ["question_id", "base_question", *log.contexts]
    if name is None or name not in known:
        raise LogError(
            "it is not known which column contains the text of the question" if name is None else "no such column",
            column=name,
            expected=f"one of {', '.join(known)}",
            remedy=_text_remedy(log, name, known),
            argument="question",
        )
    values = log.table[name].tolist()
    for row, value in enumerate(values):
        if not isinstance(value, str) or value == "":
            raise LogError(
                f"the question is {value!r}",
                file=log.table["source"].iloc[row],
                line=int(log.table["record"].iloc[row]),
                column=name,
                expected="the text of the question in every row",
                remedy="fill it in, or remove the row",
            )
    return values
