"""What interventions leave of a behaviour, and of a capability."""

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from simulacra.analysis import Fragility
from simulacra.inference.tables import CI_PROB, bounds, level, probability_of
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.numbered import Point, key, numbered, per_cent
from simulacra.report.figures.options import Names, Options
from simulacra.report.figures.rows import Rows, intervals
from simulacra.report.figures.style import line_height, tones
from simulacra.report.prose import interval, listed, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["fragility"]


@drawing
def fragility(found: Fragility, *, ci_prob: float | None = None, **options: Unpack[Options]) -> "Figure":
    """The share of a behaviour that interventions leave, against the share of a capability, both with intervals.

    Without a capability, the shares of the behaviour are drawn in rows. An intervention that removes the behaviour and
    nothing else is at the bottom, at 100% of the capability.

    Args:
        found: what :func:`simulacra.analysis.fragility` returns.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`);
            names are those of organisms and of interventions.

    Raises:
        InputError: an unknown option, or a probability outside (0, 1).
    """
    table, sheet = found.table(ci_prob=ci_prob), Sheet(options)
    ci_prob = probability_of(table) or CI_PROB
    names = Names(options, table["organism"], table["intervention"])
    organisms, interventions = (names.ordered(dict.fromkeys(table[kind])) for kind in ("organism", "intervention"))
    shown = [
        row
        for organism in organisms
        for intervention in interventions
        for row in records(table)
        if (row["organism"], row["intervention"]) == (organism, intervention)
    ]
    labels = [f"{names.text(row['organism'])} after {names.text(row['intervention'])}" for row in shown]
    colors = [names.color(row["intervention"], row["organism"], default=tones().ink) for row in shown]
    draw = _rows if table["capability"].isna().all() else _plane
    draw(sheet, shown, labels, colors, ci_prob)
    known = [f"{label} {_share(row)}" for label, row in zip(labels, shown, strict=True) if _known(row)]
    return sheet.finish(f"Shares of the shift that remain after interventions: {listed(known) or 'all withheld'}.")


def _known(row: Any) -> bool:
    return not np.isnan(row["retained"])


def _share(row: Any) -> str:
    return f"{100 * row['retained']:.0f}%".replace("-", "−")


def _rows(sheet: Sheet, shown: list[dict[str, Any]], labels: list[str], colors: list[str], ci_prob: float) -> None:
    rows = Rows(sheet, labels, 0.8, share=0.8)
    for index, (top, row) in enumerate(zip(rows.tops, shown, strict=True)):
        for value in (0, 1):
            rows.axes.plot([value] * 2, [top, top - 0.9], color=tones().muted, linewidth=0.8, zorder=1)
        intervals(rows.axes, top - 0.45, interval(row, "retained"), colors[index])
        if _known(row):
            rows.note(index, _share(row))
    per_cent(rows.axes.xaxis)
    rows.axes.set_xlabel(sheet.label(f"share of the shift that remains ({level(ci_prob)} interval)"))


def _plane(sheet: Sheet, shown: list[dict[str, Any]], labels: list[str], colors: list[str], ci_prob: float) -> None:
    axes = sheet.axes(0.8 * sheet.width / line_height())
    muted, ends = tones().muted, bounds(ci_prob)
    points = [
        Point(str(number), _ends(row, "capability"), (row["retained"], row[ends[0]], row[ends[1]]), color)
        for number, (row, color) in enumerate(zip(shown, colors, strict=True), start=1)
        if _known(row) and not np.isnan(row["capability"])
    ]
    drawn = [str(number) in {point.number for point in points} for number in range(1, len(labels) + 1)]
    _frame(axes, points)
    for value in (0, 1):
        axes.axhline(value, color=muted, linewidth=0.8, linestyle="--" if value else "-", zorder=0)
    axes.axvline(1, color=muted, linewidth=0.8, linestyle="--", zorder=0)
    axes.set_xlabel(sheet.label(f"capability that remains ({level(ci_prob)} interval)"))
    axes.set_ylabel("behaviour that remains")
    per_cent(axes.xaxis, axes.yaxis)
    key(
        sheet,
        axes,
        [label + ("" if own else " (withheld)") for label, own in zip(labels, drawn, strict=True)],
        share=0.9,
    )
    numbered(axes, points)


def _ends(row: dict[str, Any], name: str) -> tuple[float, float, float]:
    return row[name], row[f"{name}_lb"], row[f"{name}_ub"]


def _frame(axes: "Axes", points: list[Point]) -> None:
    """Limits that contain all intervals, and the points where nothing or everything remains."""
    across = [1.0, *(value for point in points for value in point.x)]
    along = [0.0, 1.0, *(value for point in points for value in point.y)]
    for set_limits, values in ((axes.set_xlim, across), (axes.set_ylim, along)):
        room = 0.08 * max(max(values) - min(values), 0.1)
        set_limits(min(values) - room, max(values) + room)
