"""Rows with names above them, so that names need no width; heights are in lines of text, counted from the top down."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simulacra.report.figures.canvas import Sheet
from simulacra.report.figures.hover import set_hover
from simulacra.report.figures.style import tones

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Rows", "band", "intervals"]

_GAP = 0.35  # between rows, in lines
_AXIS = 2.6  # ticks and label of the axis below, in lines


class Rows:
    """The rows of a plot.

    Args:
        sheet: where they are drawn.
        names: their names; long ones have several lines.
        height: of every row without its name, in lines.
        extra: height of what is above all rows, such as a legend, in lines.
        share: of the width that is left for names.

    Attributes:
        axes: the axes with the rows, and their names.
        tops: where the part of every row below its name begins.
        bottom: where the last row ends.
    """

    def __init__(
        self, sheet: Sheet, names: Sequence[str], height: float | int, *, extra: float | int = 0, share: float = 1.0
    ) -> None:
        shown = [sheet.wrap(name, share) for name in names]
        lines = np.array([1 + name.count("\n") for name in shown], dtype=float)
        ends = np.cumsum(lines + height + _GAP)
        starts = ends - lines - height - _GAP
        self.tops, self.bottom = [-float(top) for top in starts + lines], -float(ends[-1])
        self.axes: Axes = sheet.axes(float(ends[-1]) + _AXIS + extra)
        for name, top in zip(shown, self.tops, strict=True):
            # At the bottom of its lines, so that a row is nearer to its own name than to the next.
            place: dict[str, Any] = {"transform": self.axes.get_yaxis_transform(), "va": "bottom"}
            self.axes.text(0, top, name, **place, fontweight="bold", linespacing=1.15)
        self.axes.set_yticks([])
        self.axes.set_ylim(self.bottom, 0)
        self.axes.spines["left"].set_visible(False)

    def note(self, row: int, text: str) -> None:
        """A note at the right end of the last line of a row's name."""
        self.axes.text(1, self.tops[row], text, transform=self.axes.get_yaxis_transform(), ha="right", va="bottom")


def intervals(
    axes: "Axes",
    height: float | int,
    values: tuple[float, float, float],
    color: str,
    *,
    said: str = "",
    size: float | int = 5,
    **style: Any,
) -> None:
    """A mean and its interval at one height, with the value ``said`` under the pointer; or the word *withheld*."""
    mean, lower, upper = values
    if np.isnan(mean):
        axes.text(
            1, height, "withheld", transform=axes.get_yaxis_transform(), va="center", ha="right", color=tones().muted,
            fontstyle="italic",
        )  # fmt: skip
        return
    line = axes.plot([lower, upper], [height, height], color=color, linewidth=2.2, solid_capstyle="round", **style)
    set_hover(said, *line, *axes.plot(mean, height, marker="o", markersize=size, color=color, **style))


def band(axes: "Axes", top: float | int, bottom: float | int, half_width: float | int) -> None:
    """The region of practical equivalence and the line of no difference, behind rows but not behind their names."""
    _, muted, area = tones()
    axes.fill_betweenx([bottom, top], -half_width, half_width, color=area, linewidth=0, zorder=0)
    axes.plot([0, 0], [bottom, top], color=muted, linewidth=0.8, zorder=1)
