"""Answers of models in many contexts, validated: the data of eq. (6).

A context is the text before a question: earlier turns of a conversation, or none. Contexts that continue one another
belong to one conversation, the unit that cross-validation leaves out.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from simulacra.analysis.checks import numbers_of
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["Column", "Contexts", "read_contexts"]

Column = Sequence[Any] | np.ndarray | pd.Series
"""One value per context."""


@dataclasses.dataclass(frozen=True, eq=False)
class Contexts:
    """C contexts and K personas.

    Attributes:
        personas: names of the personas.
        conditions: names of the M models that answered.
        evidence: Σ log f_z of the turns relative to the mean over personas, nats, shape ``(C, K)``.
        answers: answers of every persona, shape ``(C, K)``.
        turns: number of turns, shape ``(C,)``.
        condition: index of the model that answered, shape ``(C,)``.
        conversation: index of the conversation, shape ``(C,)``; every context its own if none are given.
        training: e(D) of eq. (5) of every model relative to the mean over personas, nats per example, shape ``(M, K)``;
            None if not given.
    """

    personas: tuple[str, ...]
    conditions: tuple[str, ...]
    evidence: np.ndarray
    answers: np.ndarray
    turns: np.ndarray
    condition: np.ndarray
    conversation: np.ndarray
    training: np.ndarray | None

    @property
    def trained(self) -> np.ndarray:
        """Indices of the conditions with training evidence, shape ``(trained conditions,)``."""
        rows = np.zeros((0, 1)) if self.training is None else self.training
        return np.flatnonzero(rows.any(axis=1))


def read_contexts(
    evidence: pd.DataFrame,
    answers: pd.DataFrame,
    *,
    turns: Column | None,
    conversations: Column | None,
    conditions: Column | None,
    training: pd.DataFrame | None,
    call: str,
) -> Contexts:
    """Validate the tables; arguments as in :func:`~simulacra.analysis.fit_in_context`.

    Raises:
        InputError: columns, rows or lengths that differ, evidence that is not finite, counts that are negative or not
            whole numbers, a context without answers, turns that are not counts, evidence without turns, or training
            evidence that lacks a model.
    """
    _check(evidence, answers, call)
    columns = {"turns": turns, "conversations": conversations, "conditions": conditions}
    for name, column in columns.items():
        expected = "a list, array or column with one value for each context"
        expect_type(column, (Sequence, np.ndarray, pd.Series, type(None)), name, call, expected=expected)
        if column is not None and len(column) == len(evidence) and pd.isna(pd.Series(list(column))).any():
            raise InputError(f"{call}: {name} has missing values", expected=expected, argument=name)
        if column is not None and len(column) != len(evidence):
            raise InputError(
                f"{call}: {name} has {len(column)} values",
                expected=f"one for each of {len(evidence)} contexts",
                argument=name,
            )
    ell = _centred(numbers_of(evidence, call, "evidence"))
    number = (
        np.zeros(len(ell)) if turns is None else numbers_of(pd.DataFrame({"turns": list(turns)}), call, "turns")[:, 0]
    )
    counted = (number >= 0) & (number == np.round(number)) & ((turns is None) | (number > 0) | ~ell.any(axis=1))
    if not counted.all():
        place = evidence.index[int(counted.argmin())]
        raise InputError(
            f"{call}: context {place!r} has {number[counted.argmin()]:g} turns",
            expected="a whole number of turns, zero only without evidence",
            argument="turns",
        )
    every = pd.Series("all", index=evidence.index) if conditions is None else pd.Series(np.asarray(conditions))
    condition, names = pd.factorize(every.astype(str))
    belongs = np.arange(len(ell)) if conversations is None else np.asarray(conversations)
    return Contexts(
        personas=tuple(map(str, evidence.columns)),
        conditions=tuple(map(str, names)),
        evidence=ell,
        answers=answers[list(evidence.columns)].to_numpy(dtype=float),
        turns=number,
        condition=condition,
        conversation=pd.factorize(pd.Series(belongs))[0],
        training=None if training is None else _training(training, evidence, list(map(str, names)), call),
    )


def _centred(values: np.ndarray) -> np.ndarray:
    """Only differences between personas matter, and large numbers lose precision."""
    return values - values.mean(axis=-1, keepdims=True)


def _training(training: pd.DataFrame, evidence: pd.DataFrame, conditions: Sequence[str], call: str) -> np.ndarray:
    expect_type(training, pd.DataFrame, "training", call, expected="a DataFrame with one row per condition")
    named = training.set_axis(training.index.map(str), axis=0)
    lacking = [name for name in conditions if name not in named.index]
    if lacking or set(named.columns) != set(evidence.columns) or named.index.has_duplicates:
        raise InputError(
            f"{call}: training has the rows {', '.join(named.index)} and the columns "
            f"{', '.join(map(str, named.columns))}",
            expected=f"one row for each of {', '.join(conditions)} (zeros for a model that was not trained) and the "
            f"columns {', '.join(map(str, evidence.columns))}",
            argument="training",
        )
    rows = _centred(numbers_of(named.loc[list(conditions), list(evidence.columns)], call, "training"))
    if not np.isfinite(rows).all() or not rows.any():
        raise InputError(
            f"{call}: training evidence",
            expected="finite numbers that differ between personas in one row at least",
            argument="training",
        )
    return rows


def _check(evidence: pd.DataFrame, answers: pd.DataFrame, call: str) -> None:
    for name, table in (("evidence", evidence), ("answers", answers)):
        expect_type(table, pd.DataFrame, name, call, expected="a DataFrame with one row per context")
    if evidence.shape[1] < 2 or evidence.columns.has_duplicates or not len(evidence):
        found = f"{call}: evidence has {len(evidence)} row(s) and the columns {', '.join(map(str, evidence.columns))}"
        expected = "a row for every context, and one column per persona, at least two"
        raise InputError(found, expected=expected, argument="evidence")
    if set(evidence.columns) != set(answers.columns) or not evidence.index.equals(answers.index):
        raise InputError(
            f"{call}: expected evidence and answers with the same personas as columns and the same contexts as rows; "
            f"got {len(evidence)} rows of {', '.join(map(str, evidence.columns))} and "
            f"{len(answers)} rows of {', '.join(map(str, answers.columns))}",
            argument=("evidence", "answers"),
        )
    finite = np.isfinite(numbers_of(evidence, call, "evidence")).all(axis=1)
    counts = numbers_of(answers, call, "answers")
    counted = ((counts >= 0) & (counts == np.round(counts))).all(axis=1)
    for good, what in (
        (finite, "evidence that is not finite"),
        (counted, "answers that are not counts"),
        (counts.sum(axis=1) > 0, "no answers"),
    ):
        if not good.all():
            place = evidence.index[int(good.argmin())]
            raise InputError(
                f"{call}: context {place!r} has {what}",
                remedy="leave it out or score it again",
                argument=("evidence", "answers"),
            )
