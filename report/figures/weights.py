"""Persona weights of every condition as a stacked bar."""

from typing import TYPE_CHECKING, Any

import numpy as np

from simulacra.inference import Result
from simulacra.inference.tables import CI_PROB, bounds, level
from simulacra.report.figures.canvas import drawing, labelled, name_rows, sheet
from simulacra.report.palette import INK, MUTED, contrast_ink, persona_colors
from simulacra.report.prose import listed, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["weights"]


@drawing
def weights(result: Result, *, ci_prob: float = CI_PROB) -> "Figure":
    """Persona weights of every condition, as stacked bars of length one.

    The line under the right end of a part is the interval of its weight, measured from the left end of the part and
    clipped at 1. Withheld weights are left blank. The legend shows P(outcome | persona).
    """
    table = result.weights(ci_prob=ci_prob)
    colors = persona_colors(result.personas)
    figure, grid = sheet(0.85 + 0.24 * ((len(colors) + 1) // 2) + 0.5 * len(result.conditions))
    axes = grid[0, 0]
    leads: dict[str, list[str]] = {}
    for row, condition in enumerate(result.conditions):
        own = records(table[table["condition"] == condition])
        _bar(axes, -row - 0.8, own, colors, ci_prob)
        known = [part for part in own if not np.isnan(part["mean"])]
        top = max(known, key=lambda part: part["mean"], default=None)
        leads.setdefault(top["persona"] if top else "withheld", []).append(condition)
    name_rows(axes, result.conditions)
    axes.set_ylim(-len(result.conditions) - 0.2, -0.15)
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"weight ({level(ci_prob)} interval at the right end of each part)")
    _legend(figure, axes, result, colors)
    found = "; ".join(f"{name} in {listed(conditions)}" for name, conditions in leads.items())
    return labelled(figure, f"Persona weights. Largest: {found}.")


def _bar(axes: "Axes", height: float, parts: list[dict[str, Any]], colors: dict[str, str], ci_prob: float) -> None:
    left, below, (lower, upper) = 0.0, 0.28, bounds(ci_prob)
    for part in (part for part in parts if not np.isnan(part["mean"])):
        color, mean = colors[part["persona"]], part["mean"]
        axes.barh(height, mean, left=left, height=0.44, color=color, linewidth=0)
        if mean >= 0.07:
            text = f"{mean:.2f}".removeprefix("0")
            axes.text(left + mean / 2, height, text, ha="center", va="center", color=contrast_ink(color), fontsize=8.5)
        if mean >= 0.01:
            ends = [left + part[lower], min(left + part[upper], 1.0)]
            axes.plot(ends, [height - below] * 2, color=INK, linewidth=1.4, clip_on=False)
            below = 0.63 - below  # neighbours alternate between two heights, so that they do not overlap
        left += mean
    held = [part["persona"] for part in parts if np.isnan(part["mean"])]
    if held:
        axes.barh(height, 1 - left, left=left, height=0.44, facecolor="none", edgecolor=MUTED, linestyle=":")
        axes.text(
            1, height + 0.38, f"withheld: {', '.join(held)}", ha="right", va="center", color=MUTED, fontsize=8,
            fontstyle="italic",
        )  # fmt: skip


def _legend(figure: "Figure", axes: "Axes", result: Result, colors: dict[str, str]) -> None:
    acts, outcome = {}, result.model.outcome
    if outcome is not None:
        own = result.outcome_given_persona()
        acts = dict(zip(own["persona"], own["mean"], strict=True))
    for name, color in colors.items():
        rate = acts.get(name, np.nan)
        text = "" if np.isnan(rate) else f"  {rate:.2f}"
        axes.barh(0, 0, color=color, label=name + text)
    title = f"persona, P({outcome.name} | persona)" if outcome is not None else "persona"
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper left", ncols=2, title=title, alignment="left",
        handlelength=1, title_fontsize=8.5,
    )  # fmt: skip
