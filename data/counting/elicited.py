"""Counts of elicited completions: what every condition wrote under the prompt of every persona, and without one.

Conditions are compared on the questions that all of them were asked with every prompt. If a question has more
completions than another, each of its completions counts less, so that all questions have the same weight; with labels,
questions count in proportion to the share of completions whose label agrees with the prompt. Counts are
then shares times the effective sample size; with equally many completions per question they are the numbers logged.

References:
    Kish (1965), Survey Sampling (effective sample size of weighted observations).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from simulacra.data.counting.collapse import collapse
from simulacra.data.log import CompletionLog
from simulacra.formalism.display import listing
from simulacra.formalism.emissions import AbstractEmission
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Rule

__all__ = ["ElicitedCounts", "count_elicited"]

_GROUP = ["condition", "persona"]


class ElicitedCounts(NamedTuple):
    """M conditions, K personas, P patterns of category codes.

    Attributes:
        conditions: names of the conditions with elicited completions.
        personas: names of the personas.
        patterns: category codes, int64, shape ``(P, E)``.
        elicited: completions of a known persona by pattern, shape ``(M, K, P)``.
        plain: completions that no prompt elicited, shape ``(M, P)``.
        rows: number of completions of a known persona, int64, shape ``(M, K)``.
        prompted: number of completions that the persona's prompt elicited, int64, shape ``(M, K)``; the others were
            labelled as another persona.
        questions: the questions that all conditions were asked.
        asked: number of questions that any of them was asked.
        labelled: whether a judge's labels were used.
        left_out: conditions without elicited completions.
    """

    conditions: tuple[str, ...]
    personas: tuple[str, ...]
    patterns: np.ndarray
    elicited: np.ndarray
    plain: np.ndarray
    rows: np.ndarray
    prompted: np.ndarray
    questions: tuple[str, ...]
    asked: int
    labelled: bool = False
    left_out: tuple[str, ...] = ()


def count_elicited(
    log: CompletionLog,
    emissions: Sequence[AbstractEmission],
    *,
    elicited_by: str,
    label: str | None = None,
    denominator: Rule | None = None,
) -> ElicitedCounts:
    """Count patterns by condition and persona.

    Args:
        log: a log in memory.
        emissions: the categories of each measurement.
        elicited_by: a context column with the persona whose prompt elicited the completion, empty if none did.
        label: a context column with the persona of a completion according to a judge. Elicited completions that are
            labelled otherwise, or not labelled, are then not of a known persona.
        denominator: only completions for which this rule holds are counted.

    Raises:
        LogError: as :func:`~simulacra.data.collapse`.
        InputError: a column that the log does not have, no elicited completions, or no question that all conditions
            were asked with every prompt.
    """
    for argument, name in (("elicited_by", elicited_by), ("label", label)):
        if name is not None and name not in log.contexts:
            raise InputError(
                f"the log has no context {name!r}",
                expected=f"one of {', '.join(log.contexts) or 'none'}",
                remedy=f"name the column when reading the log: read_completions(..., contexts=[{name!r}])",
                argument=(argument, "contexts"),
            )
    collapsed = collapse(log, emissions)
    persona = log.table[elicited_by].where(log.table[elicited_by].notna(), "").astype(str)
    table = log.table[["condition", "question_id"]].assign(pattern=collapsed.row_pattern, persona=persona)
    table["known"] = True if label is None else (persona == "") | (persona == log.table[label])
    prompted = table[persona != ""]
    if prompted.empty:
        raise InputError(
            f"no completion has a persona in the column {elicited_by!r}",
            expected="the persona whose prompt elicited the completion, empty for the others",
            argument="elicited_by",
        )
    conditions, personas = (tuple(sorted(prompted[name].unique())) for name in ("condition", "persona"))
    table = table[table["condition"].isin(conditions)]
    questions, asked = _common_questions(table), table["question_id"].nunique()
    table = table[table["question_id"].isin(questions)]
    table = table.assign(size=1 / table.groupby([*_GROUP, "question_id"])["pattern"].transform("size"))
    if denominator is not None:
        table = table[denominator.holds(emissions, collapsed.patterns)[table["pattern"].to_numpy()]]
    groups = pd.MultiIndex.from_product([conditions, ["", *personas]], names=_GROUP)
    counts = _effective_counts(table[table["known"]]).reindex(groups, fill_value=0.0)
    known, every = (
        own.groupby(_GROUP).size().reindex(groups, fill_value=0).to_numpy().reshape(len(conditions), -1)[:, 1:]
        for own in (table[table["known"]], table)
    )
    by_group = counts.to_numpy().reshape(len(conditions), 1 + len(personas), -1)
    return ElicitedCounts(
        conditions=conditions,
        personas=personas,
        patterns=collapsed.patterns[counts.columns],
        elicited=by_group[:, 1:],
        plain=by_group[:, 0],
        rows=known,
        prompted=every,
        questions=questions,
        asked=asked,
        labelled=label is not None,
        left_out=tuple(name for name in log.conditions if name not in conditions),
    )


def _effective_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Counts by group and pattern: shares of the sizes of completions, times the effective sample size."""
    sums = table.pivot_table(index=_GROUP, columns="pattern", values="size", aggfunc="sum", fill_value=0.0)
    squares = (table["size"] ** 2).groupby([table[name] for name in _GROUP]).sum()
    return sums.mul(sums.sum(axis=1) / squares, axis=0)


def _common_questions(table: pd.DataFrame) -> tuple[str, ...]:
    """The questions that every condition was asked with every prompt with which it was asked any."""
    asked = pd.crosstab([table["condition"], table["persona"]], table["question_id"]) > 0
    common = tuple(asked.columns[asked.all()])
    if not common:
        shown = listing((f"{condition} as {persona or 'itself'}" for condition, persona in asked.index), 200)
        raise InputError(
            f"there is no question that was asked everywhere: {shown}",
            expected="the same questions in every condition, with every prompt and without",
            remedy="select conditions that were asked the same questions: log.select(condition=[...])",
        )
    return common
