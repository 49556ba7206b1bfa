"""Layout and style shared by all figures: narrow enough for a phone, transparent, with colours that a page can replace.

Figures are created without pyplot, so no window opens and no global state remains. The label of a figure,
``figure.get_label()``, is its alternative text: a sentence that states the finding.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from simulacra.data.extras import import_extra
from simulacra.data.visible import visible
from simulacra.report.palette import BAND, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["STYLE", "WIDTH", "band", "drawing", "figure_class", "intervals", "labelled", "name_rows", "panels", "sheet"]

P = ParamSpec("P")

WIDTH = 4.2
"""Width of every figure in inches. Text of 9 points stays readable on a phone that shows it at 360 pixels."""

STYLE: Mapping[str, Any] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": BAND,
    "svg.fonttype": "none",
    "text.parse_math": False,
}
"""Matplotlib settings of every figure."""


def drawing(function: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """Draw in the style of this package without changing the settings of matplotlib; names cannot act on the page."""

    @functools.wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        with import_extra("matplotlib", "report").rc_context(dict(STYLE)):
            figure = function(*args, **kwargs)
        texts: list[Any] = figure.findobj(import_extra("matplotlib.text", "report").Text)
        for text in texts:
            text.set_text(visible(text.get_text()))
        return figure

    return styled


def sheet(height: float | int, rows: int = 1, columns: int = 1, **subplots: Any) -> tuple["Figure", np.ndarray]:
    """An empty figure of ``height`` inches and its axes, shape ``(rows, columns)``."""
    figure = _empty(height)
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def panels(height: float | int, rows: Sequence[Mapping[Any, int]]) -> tuple["Figure", dict[Any, "Axes"]]:
    """An empty figure and its axes by name, row by row, with relative widths; shorter rows end in empty space."""
    figure = _empty(height)
    named: dict[Any, Axes] = {}
    full = max(sum(row.values()) for row in rows)
    for row, part in zip(rows, figure.add_gridspec(len(rows), 1), strict=True):
        rest = [width for width in (full - sum(row.values()),) if width]
        grid = part.subgridspec(1, len(row) + len(rest), width_ratios=[*row.values(), *rest])
        named |= {name: figure.add_subplot(grid[place]) for place, name in enumerate(row)}
    return figure, named


def _empty(height: float | int) -> Any:
    return figure_class()(figsize=(WIDTH, height), layout="constrained")


def figure_class() -> Any:
    """The class of all figures, which notebooks can display."""
    return import_extra("simulacra.report.figures.shown", "report").ShownFigure


def labelled(figure: "Figure", finding: str) -> "Figure":
    """The figure with its alternative text."""
    figure.set_label(visible(finding))
    return figure


def name_rows(axes: "Axes", names: Sequence[str]) -> None:
    """Name the rows of a plot from the top down; names are placed above their rows, so that they need no width."""
    for row, name in enumerate(names):
        axes.text(
            0, -row - 0.42, name, transform=axes.get_yaxis_transform(), ha="left", va="center", fontweight="bold",
            fontsize=8.5,
        )  # fmt: skip
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def intervals(
    axes: "Axes",
    height: float | int,
    values: tuple[float, float, float],
    color: str,
    *,
    size: float | int = 5,
    **style: Any,
) -> None:
    """A mean and its interval at one height, or the word *withheld*."""
    mean, lower, upper = values
    if np.isnan(mean):
        axes.text(
            1, height, "withheld", transform=axes.get_yaxis_transform(), va="center", ha="right", color=MUTED,
            fontstyle="italic", fontsize=8.5,
        )  # fmt: skip
        return
    axes.plot([lower, upper], [height, height], color=color, linewidth=2.2, solid_capstyle="round", **style)
    axes.plot(mean, height, marker="o", markersize=size, color=color, **style)


def band(axes: "Axes", top: float | int, bottom: float | int, half_width: float | int) -> None:
    """The region of practical equivalence and the line of no difference, behind rows but not behind their names."""
    axes.fill_betweenx([bottom, top], -half_width, half_width, color=BAND, linewidth=0, zorder=0)
    axes.plot([0, 0], [bottom, top], color=MUTED, linewidth=0.8, zorder=1)
