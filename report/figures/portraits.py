"""Portraits: what the scores of each persona look like."""

from typing import TYPE_CHECKING

import numpy as np

from simulacra.inference import Result
from simulacra.report.figures.canvas import drawing, sheet, told
from simulacra.report.palette import INK, MUTED, persona_colors
from simulacra.report.prose import listed, records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["portrait"]


@drawing
def portrait(result: Result, persona: str) -> "Figure":
    """P(category | persona) of every measurement, with 89 % intervals.

    Raises:
        ValueError: there is no such persona in the result.
    """
    if persona not in result.personas:
        raise ValueError(f"There is no persona {persona!r} in this result; it has {', '.join(result.personas)}.")
    emissions = result.emissions()
    own = emissions[emissions["persona"] == persona]
    names = result.prepared.model.measurements
    sizes = [len(emission.categories) for emission in result.prepared.model.emissions]
    figure, grid = sheet(1.75, 1, len(names), sharey=True, width_ratios=[max(size, 4) for size in sizes])
    color, found = persona_colors(result.personas)[persona], []
    for axes, name in zip(grid[0], names, strict=True):
        rows = records(own[own["measurement"] == name])
        for place, row in enumerate(rows):
            if not np.isnan(row["mean"]):
                axes.bar(place, row["mean"], width=0.82, color=color, linewidth=0)
                axes.plot([place] * 2, [row["eti89_lb"], row["eti89_ub"]], color=INK, linewidth=1.1)
        known = [row for row in rows if not np.isnan(row["mean"])]
        if known:
            top = max(known, key=lambda row: row["mean"])
            found.append(f"{name} {top['category']} with probability {top['mean']:.2f}")
        else:
            axes.text(0.5, 0.5, "withheld", transform=axes.transAxes, ha="center", color=MUTED, fontstyle="italic")
        labels = [str(row["category"]) for row in rows]
        axes.set_xticks(range(len(rows)), labels, rotation=90 if len(rows) > 4 else 45, fontsize=8)
        if len(rows) <= 4:
            for label in axes.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(rows) - 0.4)
        axes.set_title(name)
        axes.tick_params(length=0)
    grid[0, 0].set_ylim(0, 1)
    grid[0, 0].set_yticks([0, 0.5, 1])
    return told(figure, f"Scores of persona {persona}. Most often {listed(found) or 'withheld'}.")
