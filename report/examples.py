"""Completions that show what a persona is: those it wrote most surely, from different questions."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from simulacra.data import CompletionLog
from simulacra.inference import Result

__all__ = ["Example", "choose_examples"]

_LEAST = 0.5


class Example(NamedTuple):
    """One completion.

    Attributes:
        completion: the text as logged.
        condition: what wrote it.
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


def choose_examples(result: Result, log: CompletionLog, *, number: int = 3) -> dict[str, tuple[Example, ...]]:
    """For every persona the completions that are most surely its own, each of another base question where it can be.

    They are the clearest cases and not typical ones. Ties, which are many, are broken by the fit's seed. A persona
    that more probably than not wrote no completion has no example.

    Args:
        result: the fit.
        log: the log that was fitted.
        number: how many for each persona.

    Raises:
        InputError: another log.
    """
    table = result.responsibilities(log)
    order = np.random.default_rng(int(result.settings["seed"])).permutation(len(table))
    return {str(name): tuple(_clearest(table[name].to_numpy(), order, log, number)) for name in table}


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
