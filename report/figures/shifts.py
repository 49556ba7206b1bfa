"""Forest plots: differences of rates and of persona weights from the baseline."""

from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from simulacra.inference import Result
from simulacra.inference.tables import chosen_probability, chosen_rope, level
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.options import Names, Options
from simulacra.report.figures.rows import Rows, band, intervals
from simulacra.report.figures.style import tones
from simulacra.report.prose import WITHHELD, difference, interval, listed, place_of, points, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["rate_differences", "shifts"]

_SIGNS = {"increase": "▲", "decrease": "▼", "equivalent": "=", "undecided": "?", "withheld": ""}
_PERSONA = 0.72  # height of the row of a persona, in lines


@drawing
def rate_differences(
    result: Result,
    *,
    against: str | None = None,
    rope: float | int | None = None,
    ci_prob: float | None = None,
    **options: Unpack[Options],
) -> "Figure":
    """Rate of every condition on these questions minus the baseline's; the region of practical equivalence is shaded.

    Args:
        result: a fit whose model has an outcome.
        against: the condition that the others are compared with. Default: the baseline of the model.
        rope: half-width of the region of practical equivalence, a probability. Default: that of the fit.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: the model has no outcome, or an unknown condition or option.
    """
    ci_prob, rope = chosen_probability(ci_prob, result.ci_prob), chosen_rope(rope, result.rope)
    table = result.contrasts(against=against, rope=rope, ci_prob=ci_prob)
    baseline = against or result.model.baseline
    names = Names(options, map(place_of, records(table)), table["condition"], [baseline])
    shown, sheet = names.rows(records(table)), Sheet(options)
    rows = Rows(sheet, [names.place(row) for row in shown], 1.0, share=0.8)
    for index, (top, row) in enumerate(zip(rows.tops, shown, strict=True)):
        found = interval(row, "rate_difference")
        band(rows.axes, top - 0.1, top - 1, rope)
        color = names.color(place_of(row), row["condition"], default=tones().ink)
        intervals(rows.axes, top - 0.55, found, color, said=f"{names.place(row)}: {_said(found)}")
        if row["claim"] != "withheld":
            rows.note(index, f"{difference(*found)[0]} {_SIGNS[row['claim']]}")
    outcome = result.model.outcome
    label = f"{outcome and outcome.name} rate minus {names.text(baseline)}, points ({level(ci_prob)} interval)"
    _finish(rows.axes, rope, sheet.label(label))
    known = [row for row in shown if row["claim"] != "withheld"]
    if not known:
        return sheet.finish("All rate differences are withheld.")
    top_row = max(known, key=lambda row: abs(row["rate_difference"]))
    claims = pd.Series([row["claim"] for row in shown]).value_counts()
    largest = f"{names.place(top_row)}, {points(top_row['rate_difference'])} points"
    said = listed([f"{count} {claim}" for claim, count in claims.items()])
    return sheet.finish(f"Rate differences relative to {names.text(baseline)}: {said}. Largest: {largest}.")


@drawing
def shifts(
    result: Result,
    *,
    against: str | None = None,
    rope: float | int | None = None,
    ci_prob: float | None = None,
    **options: Unpack[Options],
) -> "Figure":
    """Shift of every persona's weight in every condition, eq. (8), with equal-tailed intervals.

    The band has the width of the region of practical equivalence of rates and is shown for scale; claims concern rates.

    Args:
        result: a fit.
        against: the condition that the others are compared with. Default: the baseline of the model.
        rope: half-width of the band, a probability. Default: that of the fit.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: an unknown condition or option.
    """
    ci_prob, rope = chosen_probability(ci_prob, result.ci_prob), chosen_rope(rope, result.rope)
    table, baseline = _shifts(result, against, ci_prob), against or result.model.baseline
    names, sheet = Names(options, result.conditions, result.personas), Sheet(options)
    colors = names.personas(result.personas)
    conditions = names.ordered(name for name in result.conditions if name != baseline)
    rows = Rows(sheet, [names.text(name) for name in conditions], _PERSONA * len(colors), extra=2.5)
    for top, condition in zip(rows.tops, conditions, strict=True):
        own = table[table["condition"] == condition].set_index("persona").loc[list(colors)].reset_index()
        band(rows.axes, top, top - _PERSONA * len(colors), rope)
        for place, row in enumerate(records(own)):
            height = top - _PERSONA * (place + 0.5)
            found = interval(row)
            said = f"{names.text(condition)}, {names.text(row['persona'])}: {_said(found)}"
            intervals(rows.axes, height, found, colors[row["persona"]], said=said, size=4)
    handles = [rows.axes.plot([], [], "o-", color=color, markersize=4)[0] for color in colors.values()]
    sheet.legend(rows.axes, handles, [names.text(name) for name in colors], handlelength=1.2)
    _finish(rows.axes, rope, sheet.label(f"weight minus {names.text(baseline)}, points ({level(ci_prob)} interval)"))
    known = records(table[table["condition"].isin(conditions)].dropna(subset="mean"))
    largest = sorted(known, key=lambda row: -abs(row["mean"]))[:3]
    moved = [
        f"{names.text(row['persona'])} in {names.text(row['condition'])} {points(row['mean'])} points"
        for row in largest
    ]
    return sheet.finish(f"Shifts of persona weights. Largest: {listed(moved) or 'all withheld'}.")


def _shifts(result: Result, against: str | None, ci_prob: float) -> pd.DataFrame:
    """The weights of every condition minus those of another one."""
    if against is None or against == result.model.baseline:
        return result.shifts(ci_prob=ci_prob)
    pairs = [(name, persona) for name in result.conditions if name != against for persona in result.personas]
    parts = [
        result.contrast(name, against, of="weights", persona=persona).table(ci_prob=ci_prob) for name, persona in pairs
    ]
    return pd.concat(
        [pd.DataFrame(pairs, columns=["condition", "persona"]), pd.concat(parts, ignore_index=True)], axis=1
    )


def _finish(axes: "Axes", rope: float | int, label: str) -> None:
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -2 * rope), max(high, 2 * rope))
    axes.xaxis.set_major_formatter(_points)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(label)


def _said(found: tuple[float, float, float]) -> str:
    return "{} points ({} to {})".format(*difference(*found)) if found[0] == found[0] else WITHHELD


def _points(value: float, _: Any) -> str:
    return f"{100 * value:+g}".replace("+0", "0").replace("-", "−")
