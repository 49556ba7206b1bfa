"""Persona weights of every condition as a stacked bar."""

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from simulacra.data.extras import import_extra
from simulacra.inference import Result
from simulacra.inference.tables import bounds, chosen_probability, level
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.hover import set_hover
from simulacra.report.figures.options import Names, Options
from simulacra.report.figures.rows import Rows
from simulacra.report.figures.style import tones
from simulacra.report.palette import contrast_ink
from simulacra.report.prose import interval, listed, number, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["weights"]

_NUMBER = 0.07  # the smallest weight whose bar has room for its number
_BELOW = (0.25, 0.5)  # of the intervals of neighbours, below the bar, in lines: they would overlap at one height


@drawing
def weights(result: Result, *, ci_prob: float | None = None, **options: Unpack[Options]) -> "Figure":
    """Persona weights of every condition, as stacked bars of length one.

    The line under the right end of a part is the interval of its weight, measured from the left end of the part and
    clipped at 1. Withheld weights are left blank. The legend shows P(outcome | persona).

    Args:
        result: a fit.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: an unknown option, or a probability outside (0, 1).
    """
    ci_prob = chosen_probability(ci_prob, result.ci_prob)
    table, sheet = result.weights(ci_prob=ci_prob), Sheet(options)
    names = Names(options, result.conditions, result.personas)
    colors, conditions = names.personas(result.personas), names.ordered(result.conditions)
    rows = Rows(sheet, [names.text(name) for name in conditions], 1.8, extra=1.5 + 0.6 * len(colors), share=0.6)
    leads: dict[str, list[str]] = {}
    for index, condition in enumerate(conditions):
        own = table[table["condition"] == condition].set_index("persona").loc[list(colors)].reset_index()
        _bar(rows, index, records(own), names, ci_prob)
        top = max(records(own.dropna(subset="mean")), key=lambda part: part["mean"], default=None)
        leads.setdefault(names.text(top["persona"]) if top else "withheld", []).append(names.text(condition))
    rows.axes.set_xlim(0, 1)
    rows.axes.set_xlabel(sheet.label(f"weight ({level(ci_prob)} interval at the right end of each part)"))
    _legend(sheet, rows.axes, result, names)
    found = "; ".join(f"{name} in {listed(own)}" for name, own in leads.items())
    return sheet.finish(f"Persona weights. Largest: {found}.")


def _bar(rows: Rows, index: int, parts: list[dict[str, Any]], names: Names, ci_prob: float) -> None:
    axes, top, (ink, muted, _) = rows.axes, rows.tops[index], tones()
    left, below, (lower, upper) = 0.0, 0, bounds(ci_prob)
    middle = top - 0.6
    colors = names.personas([part["persona"] for part in parts])
    for part in (part for part in parts if not np.isnan(part["mean"])):
        color, mean = colors[part["persona"]], part["mean"]
        bar = axes.barh(middle, mean, left=left, height=1.1, color=color, linewidth=0)
        condition, value = names.text(part["condition"]), number(*interval(part))
        set_hover(f"{condition}, {names.text(part['persona'])}: {value}", *bar)
        if mean >= _NUMBER:
            text = f"{mean:.2f}".removeprefix("0")
            ground = import_extra("matplotlib.colors", "report").to_hex(color)
            axes.text(left + mean / 2, middle, text, ha="center", va="center", color=contrast_ink(ground))
        if mean >= 0.01:
            ends = [left + part[lower], min(left + part[upper], 1.0)]
            axes.plot(ends, [top - 1.15 - _BELOW[below]] * 2, color=ink, linewidth=1.4, clip_on=False)
            below = 1 - below
        left += mean
    held = [names.text(part["persona"]) for part in parts if np.isnan(part["mean"])]
    if held:
        axes.barh(middle, 1 - left, left=left, height=1.1, facecolor="none", edgecolor=muted, linestyle=":")
        axes.text(
            1, top + 0.1, f"withheld: {', '.join(held)}", transform=axes.get_yaxis_transform(), ha="right",
            va="bottom", color=muted, fontstyle="italic",
        )  # fmt: skip


def _legend(sheet: Sheet, axes: "Axes", result: Result, names: Names) -> None:
    acts, outcome, colors = {}, result.model.outcome, names.personas(result.personas)
    if outcome is not None:
        own = result.outcome_given_persona()
        acts = dict(zip(own["persona"], own["mean"], strict=True))
    handles = [axes.barh(0, 0, color=color)[0] for color in colors.values()]
    rates = [acts.get(name, np.nan) for name in colors]
    labels = [
        names.text(name) + ("" if np.isnan(rate) else f"  {rate:.2f}") for name, rate in zip(colors, rates, strict=True)
    ]
    title = f"persona, P({outcome.name} | persona)" if outcome is not None else "persona"
    sheet.legend(axes, handles, labels, title=title)
