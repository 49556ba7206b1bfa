"""Example completions of every persona: those attributed to it with the highest probability."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from simulacra.data import CompletionLog
from simulacra.inference import Result
from simulacra.inference.responsibilities import responsibility_column

__all__ = ["Example", "choose_examples"]

_LEAST = 0.5


class Example(NamedTuple):
    """One completion.

    Attributes:
        completion: the text as logged.
        condition: the condition that generated it.
        question: the question id.
        scores: measurements by name, as text.
        responsibility: P(persona | completion), posterior mean.
        place: file and record.
    """

    completion: str
    condition: str
    question: str
    scores: Mapping[str, str]
    responsibility: float
    place: str


def choose_examples(
    result: Result, log: CompletionLog, attributed: pd.DataFrame, *, number: int = 3
) -> dict[str, tuple[Example, ...]]:
    """Completions attributed to every persona with the highest probability, of different base questions if possible.

    They are the clearest cases, not typical ones. Ties are common and broken at random with the seed of the fit. A
    persona has no examples if no completion is attributed to it with a probability above 0.5, and none of conditions in
    which its weight is withheld.

    Args:
        result: the fit.
        log: the log that was fitted.
        attributed: its completions with responsibilities (:meth:`~simulacra.inference.Result.attributions`).
        number: examples per persona.
    """
    order = np.random.default_rng(int(result.settings["seed"])).permutation(len(attributed))
    parts = {name: attributed[responsibility_column(name)].to_numpy() for name in result.personas}
    return {name: tuple(_clearest(own, order, log, number)) for name, own in parts.items()}


def _clearest(responsibility: np.ndarray, order: np.ndarray, log: CompletionLog, number: int) -> list[Example]:
    ranked = order[np.argsort(-responsibility[order].round(3), kind="stable")].tolist()
    sure = [row for row in ranked if responsibility[row] > _LEAST and log.table["completion"].iloc[row] is not None]
    questions = log.table["base_question"].iloc[sure]
    fresh = [row for row, again in zip(sure, questions.duplicated(), strict=True) if not again]
    rest = [row for row in sure if row not in set(fresh[:number])] if len(fresh) < number else []
    return [_example(log, row, float(responsibility[row])) for row in (*fresh, *rest)[:number]]


def _example(log: CompletionLog, row: int, responsibility: float) -> Example:
    record = log.table.iloc[row]
    scores = {name: _score(record[name]) for name in log.measurements}
    return Example(
        completion=record["completion"],
        condition=record["condition"],
        question=record["question_id"],
        scores=scores,
        responsibility=responsibility,
        place=f"{record['source']}:{record['record']}",
    )


def _score(value: object) -> str:
    if value is None or value != value:
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else f"{value}"
