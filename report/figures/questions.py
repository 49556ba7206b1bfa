"""Observed rates of the outcome, question by question."""

import math
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from simulacra.formalism import Outcome
from simulacra.formalism.errors import InputError
from simulacra.inference import Result
from simulacra.inference.prepare import Prepared
from simulacra.inference.rates import count_events
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.cells import cell_table
from simulacra.report.figures.options import Names, Options
from simulacra.report.prose import percent, place_of, records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["rate_by_question"]

_MOST_QUESTIONS = 40
_MOST_NUMBERED = 10  # conditions; with more, cells are too small for numbers


@drawing
def rate_by_question(result: Result, **options: Unpack[Options]) -> "Figure":
    """Observed rate of every condition and context on every question; questions with the highest rates come first.

    With more than ten of them, cells have no numbers. With more than 40 questions, only those with the highest rates
    are drawn, and the label states how many are not.

    Args:
        result: a fit whose model has an outcome.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: the model has no outcome, or an unknown option.
    """
    outcome = result.model.outcome
    if outcome is None:
        raise InputError(
            "The model has no outcome, so there are no rates to show; pass PersonaMixture(outcome=...)",
            argument="outcome",
        )
    table, places = _question_rates(result.prepared, outcome), records(result.prepared.groups)
    names, sheet = Names(options, table.columns, result.conditions, table.index), Sheet(options)
    rows = names.rows(places)
    table = table.loc[names.ordered(table.index), [place_of(row) for row in rows]]
    shown = table.head(_MOST_QUESTIONS)
    values, columns = shown.to_numpy(), [names.place(row) for row in rows]
    top = max(float(np.nanmax(values)), 1e-9)
    number = _number if len(columns) <= _MOST_NUMBERED else lambda _: ""
    texts = np.array([[number(value) for value in row] for row in values], dtype=object)
    said = np.array([["" if np.isnan(value) else percent(value) for value in row] for row in values], dtype=object)
    questions = [names.text(str(name)) for name in shown.index]
    axes = cell_table(sheet, questions, columns, values / top, texts, said=said, height=1.15)
    rest = len(table) - len(shown)
    axes.set_xlabel(sheet.label(f"% {outcome.name}" + (f"; {rest} more questions not shown" * bool(rest))))
    row, column = divmod(int(np.nanargmax(table.to_numpy())), table.shape[1])
    found = f"{percent(top)} on {names.text(str(table.index[row]))} in {columns[column]}"
    return sheet.finish(f"Observed rates by question. Highest: {found}.")


def _number(value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{math.floor(100 * value + 0.5 + 1e-9)}" if value >= 0.005 or value == 0 else "<1"  # halves up, not to even


def _question_rates(prepared: Prepared, outcome: Outcome) -> pd.DataFrame:
    """Observed rate by question (rows) and condition in its context (columns); NaN without scored completions."""
    counts = count_events(prepared, outcome, pooled=False)
    shares = counts.events / np.where(counts.totals > 0, counts.totals, np.nan)
    places = [place_of(row) for row in records(counts.groups)]
    table = pd.DataFrame(shares.T, index=list(counts.questions), columns=places).sort_index().dropna(how="all")
    return table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index]
