"""Rates of the outcome: how much of them the personas explain, and rates question by question."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from simulacra.data.visible import visible
from simulacra.formalism import Outcome
from simulacra.formalism.display import shorten
from simulacra.formalism.errors import InputError
from simulacra.inference import Result
from simulacra.inference.prepare import Prepared
from simulacra.inference.tables import CI_PROB, bounds
from simulacra.report.figures.canvas import drawing, labelled, sheet
from simulacra.report.palette import INK, MUTED
from simulacra.report.prose import percent, place_of, points, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["explained_rates", "rate_by_question"]

_MOST_QUESTIONS = 40
_MOST_NUMBERED = 10  # conditions; with more, cells are too small for numbers
_SLOPES = (
    (5, 40),
    (_MOST_NUMBERED, 65),
    (np.inf, 90),
)  # of names, up to this number of conditions; flatter ones overlap
_HUE = "#d55e00"


@drawing
def explained_rates(result: Result, *, ci_prob: float = CI_PROB) -> "Figure":
    """Rate implied by the personas against the rate, both with intervals, on these questions; and the line of equality.

    Raises:
        InputError: the model has no outcome.
    """
    table, (lower, upper) = result.rates(ci_prob=ci_prob), bounds(ci_prob)
    places = [place_of(row) for row in records(table)]
    shown = table.dropna(subset=["rate", "implied"])
    rows = (len(table) + 1) // 2 if max(map(len, places)) <= 22 else len(table)
    figure, grid = sheet(3.9 + 0.19 * rows)
    axes = grid[0, 0]
    top = float(np.nanmax(shown[["implied_ub", upper]].to_numpy(), initial=0.01)) * 1.06
    axes.plot([0, top], [0, top], color=MUTED, linewidth=0.8)
    for row in records(shown):
        axes.plot([row[lower], row[upper]], [row["implied"]] * 2, color=MUTED, linewidth=1.2)
        axes.plot([row["rate"]] * 2, [row["implied_lb"], row["implied_ub"]], color=_HUE, linewidth=2.4)
        axes.plot(row["rate"], row["implied"], "o", color=INK, markersize=5)
    _number_points(axes, shown, [f"{place}" for place in shown.index + 1], top)
    axes.set(xlim=(-0.02 * top, top), ylim=(-0.02 * top, top), box_aspect=1)
    for axis, label in ((axes.xaxis, "rate on these questions"), (axes.yaxis, "implied by the personas")):
        axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
        axis.set_label_text(label)
    names = [
        f"{position + 1}  {shorten(place, 40)}{'' if position in shown.index else ' (withheld)'}"
        for position, place in enumerate(places)
    ]
    blank = [axes.plot([], [], linestyle="none")[0] for _ in names]
    figure.legend(
        blank, names, loc="outside lower left", ncols=2 if rows < len(table) else 1, handlelength=0, handletextpad=0
    )
    if shown.empty:
        return labelled(figure, "Implied rates are withheld in all conditions.")
    far = max(records(shown), key=lambda row: abs(row["implied"] - row["rate"]))
    finding = (
        "Rates, and what the personas account for. The largest unexplained part is "
        f"{points(far['rate'] - far['implied'])} points, in {place_of(far)}."
    )
    return labelled(figure, finding)


def _number_points(axes: "Axes", table: pd.DataFrame, labels: Sequence[str], top: float) -> None:
    """Number the points; overlapping points share a label."""
    groups: list[tuple[float, float, list[str]]] = []
    for (x, y), label in zip(table[["rate", "implied"]].to_numpy(), labels, strict=True):
        near = next((g for g in groups if max(abs(g[0] - x), abs(g[1] - y)) < 0.07 * top), None)
        near[2].append(label) if near else groups.append((x, y, [label]))
    for x, y, own in groups:
        axes.annotate(", ".join(own), (x, y), xytext=(8, 8), textcoords="offset points", fontsize=9, fontweight="bold")


@drawing
def rate_by_question(result: Result) -> "Figure":
    """Observed rate of every condition and context on every question; questions with the highest rates come first.

    With more than ten of them, cells have no numbers. With more than 40 questions, only those with the highest rates
    are drawn, and the label states how many are not.

    Raises:
        InputError: the model has no outcome.
    """
    outcome = result.model.outcome
    if outcome is None:
        raise InputError(
            "The model has no outcome, so there are no rates to show; pass PersonaMixture(outcome=...)",
            argument="outcome",
        )
    table = _question_rates(result.prepared, outcome)
    shown = table.head(_MOST_QUESTIONS)
    figure, grid = sheet(1.5 + 0.2 * len(shown))
    axes = grid[0, 0]
    values = shown.to_numpy()
    top = max(float(np.nanmax(values)), 1e-9)
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        axes.add_patch(_cell(column, row, value / top))
        if len(shown.columns) <= _MOST_NUMBERED:
            text = f"{100 * value:.0f}" if value >= 0.005 or value == 0 else "<1"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=INK if value else MUTED)
    axes.set(xlim=(-0.5, len(shown.columns) - 0.5), ylim=(len(shown) - 0.5, -0.5))
    axes.set_yticks(range(len(shown)), [shorten(visible(str(name)), 24) for name in shown.index], fontsize=8)
    names = [shorten(visible(name), 22) for name in shown.columns]
    slope = next(slope for most, slope in _SLOPES if len(names) <= most)
    axes.set_xticks(range(len(names)), names, rotation=slope, ha="left", rotation_mode="anchor", fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    rest = len(table) - len(shown)
    axes.set_xlabel(f"% {outcome.name}" + (f"; {rest} more questions not shown" * bool(rest)))
    row, column = divmod(int(np.nanargmax(table.to_numpy())), table.shape[1])
    finding = f"Observed rates by question. Highest: {percent(top)} on {table.index[row]} in {table.columns[column]}."
    return labelled(figure, finding)


def _cell(column: int, row: int, part: float) -> object:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, facecolor=_HUE, alpha=0.75 * part, linewidth=0)


def _question_rates(prepared: Prepared, outcome: Outcome) -> pd.DataFrame:
    """Observed rate by question (rows) and condition in its context (columns); NaN if there are no completions."""
    emissions, patterns = prepared.model.emissions, prepared.patterns
    event = outcome.numerator.holds(emissions, patterns)
    inside = (
        np.ones(len(patterns), bool) if outcome.denominator is None else outcome.denominator.holds(emissions, patterns)
    )
    places = np.array([place_of(row) for row in records(prepared.groups)], dtype=object)
    counts = pd.DataFrame(
        {
            "question": prepared.collapsed.cells["question_id"].astype(str),
            "place": places[prepared.group],
            "events": np.asarray(prepared.collapsed.counts) @ event,
            "total": np.asarray(prepared.collapsed.counts) @ inside,
        }
    )
    sums = counts[counts["total"] > 0].groupby(["question", "place"])[["events", "total"]].sum()
    table = (sums["events"] / sums["total"]).unstack("place").reindex(columns=places)  # noqa: PD010
    return table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index]
