"""Rates of the outcome, and how much of them the personas explain."""

from typing import TYPE_CHECKING, Unpack

import numpy as np

from simulacra.inference import Result
from simulacra.inference.rates import Scope
from simulacra.inference.tables import bounds, chosen_probability, level
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.numbered import Point, key, numbered, per_cent
from simulacra.report.figures.options import Names, Options
from simulacra.report.figures.rows import Rows, intervals
from simulacra.report.figures.style import line_height, tones
from simulacra.report.prose import interval, percent, place_of, points, records, share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["explained_rates", "rates"]

_KEY = 22  # letters of names of which two fit next to each other


@drawing
def rates(
    result: Result, *, scope: Scope = "these", ci_prob: float | None = None, **options: Unpack[Options]
) -> "Figure":
    """Rate of every condition, with equal-tailed intervals; estimated without personas.

    Args:
        result: a fit whose model has an outcome.
        scope: the questions that the rates are about, as for :meth:`~simulacra.inference.Result.rates`.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: the model has no outcome, or an unknown option.
    """
    ci_prob = chosen_probability(ci_prob, result.ci_prob)
    table, outcome = result.rates(scope=scope, ci_prob=ci_prob), result.model.outcome
    names, sheet = Names(options, map(place_of, records(table)), table["condition"]), Sheet(options)
    shown = names.rows(records(table))
    rows = Rows(sheet, [names.place(row) for row in shown], 0.8, share=0.8)
    for index, (top, row) in enumerate(zip(rows.tops, shown, strict=True)):
        color = names.color(place_of(row), row["condition"], default=tones().ink)
        found = interval(row, "rate")
        intervals(rows.axes, top - 0.45, found, color, said=f"{names.place(row)}: {share(*found)}")
        if not np.isnan(row["rate"]):
            rows.note(index, percent(row["rate"]))
    rows.axes.set_xlim(0, max(1.03 * rows.axes.get_xlim()[1], 0.01))
    per_cent(rows.axes.xaxis)
    label = f"{outcome and outcome.name} rate {result.in_words(scope)} ({level(ci_prob)} interval)"
    rows.axes.set_xlabel(sheet.label(label))
    top_row = max(shown, key=lambda row: -1 if np.isnan(row["rate"]) else row["rate"])
    if np.isnan(top_row["rate"]):
        return sheet.finish("All rates are withheld.")
    largest = f"{percent(top_row['rate'])} in {names.place(top_row)}"
    return sheet.finish(f"Rates of the outcome {outcome and outcome.name}. Highest: {largest}.")


@drawing
def explained_rates(result: Result, *, ci_prob: float | None = None, **options: Unpack[Options]) -> "Figure":
    """Rate implied by the personas against the rate, both with intervals, on these questions; and the line of equality.

    Args:
        result: a fit whose model has an outcome.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: the model has no outcome, or an unknown option.
    """
    ci_prob = chosen_probability(ci_prob, result.ci_prob)
    table, (_, upper) = result.rates(ci_prob=ci_prob), bounds(ci_prob)
    names, sheet = Names(options, map(place_of, records(table)), table["condition"]), Sheet(options)
    rows = names.rows(records(table))
    shown = [(number, row) for number, row in enumerate(rows, start=1) if not np.isnan(row["rate"] + row["implied"])]
    labels = [names.place(row) + ("" if (n, row) in shown else " (withheld)") for n, row in enumerate(rows, start=1)]
    columns = 2 if max(map(len, labels)) <= _KEY else 1
    axes = sheet.axes(0.95 * sheet.width / line_height())
    top = max([0.01, *(max(row["implied_ub"], row[upper]) for _, row in shown)]) * 1.06
    axes.plot([0, top], [0, top], color=tones().muted, linewidth=0.8, zorder=0)
    axes.set(xlim=(-0.02 * top, top), ylim=(-0.02 * top, top), box_aspect=1)
    axes.set(xlabel="rate on these questions", ylabel="implied by the personas")
    per_cent(axes.xaxis, axes.yaxis)
    key(sheet, axes, labels, share=0.95 / columns)
    color = tones().ink
    drawn = [
        Point(
            str(number),
            interval(row, "rate"),
            interval(row, "implied"),
            names.color(place_of(row), row["condition"], default=color),
            f"{names.place(row)}: rate {share(*interval(row, 'rate'))}, implied by the personas "
            f"{share(*interval(row, 'implied'))}",
        )
        for number, row in shown
    ]
    numbered(axes, drawn)
    if not shown:
        return sheet.finish("Implied rates are withheld in all conditions.")
    far = max((row for _, row in shown), key=lambda row: abs(row["implied"] - row["rate"]))
    return sheet.finish(
        "Rates, and what the personas account for. The largest difference between a rate and its implied rate is "
        f"{points(far['rate'] - far['implied'])} points, in {names.place(far)}."
    )
