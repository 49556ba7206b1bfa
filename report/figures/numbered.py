"""Numbered points in a plane, with intervals in both directions, and a key of their names above."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from simulacra.data.extras import import_extra
from simulacra.report.figures.canvas import Sheet
from simulacra.report.figures.hover import set_hover
from simulacra.report.figures.style import tones

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HUE", "Point", "key", "numbered", "per_cent"]

HUE = "#d55e00"
"""The colour of vertical intervals and of cells, which represents no persona."""


class Point(NamedTuple):
    """A point and its intervals.

    Attributes:
        number: its label.
        x: horizontal estimate, lower and upper end.
        y: vertical estimate, lower and upper end.
        color: of the point.
        said: its name and values, shown while the pointer is on it.
    """

    number: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]
    color: str
    said: str = ""


def numbered(axes: "Axes", points: Sequence[Point]) -> None:
    """Draw points, and their numbers where they hide neither a point nor one another.

    Args:
        axes: with their final limits.
        points: the points.
    """
    ink, muted, _ = tones()
    for _, (x, left, right), (y, bottom, top), color, said in points:
        lines = axes.plot([left, right], [y, y], color=muted, linewidth=1.2)
        lines += axes.plot([x, x], [bottom, top], color=HUE, linewidth=1.6)
        set_hover(said, *lines, *axes.plot(x, y, "o", color=color, markersize=4.5, zorder=3))
    axes.figure.figure.draw_without_rendering()  # places follow from the layout, which takes two passes for a square
    if not points:
        return
    across, along = ([getattr(each, axis)[0] for each in points] for axis in "xy")
    import_extra("textalloc", "report").allocate(
        axes, across, along, [each.number for each in points], x_scatter=across, y_scatter=along,
        x_lines=[*(each.x[1:] for each in points), *([x, x] for x in across)],
        y_lines=[*([y, y] for y in along), *(each.y[1:] for each in points)],
        textsize=import_extra("matplotlib", "report").rcParams["font.size"], fontweight="bold", textcolor=ink,
        linecolor=ink, linewidth=0.5, min_distance=0.015,
    )  # fmt: skip


def key(sheet: Sheet, axes: "Axes", names: Sequence[str], *, share: float) -> None:
    """The names of the points by number, above the axes, for which the figure becomes higher."""
    blank = [axes.plot([], [], linestyle="none")[0] for _ in names]
    labels = [f"{number}  {sheet.wrap(name, share)}" for number, name in enumerate(names, start=1)]
    sheet.legend(axes, blank, labels, grow=True, handlelength=0, handletextpad=0)


def per_cent(*axes: Any) -> None:
    """Write the probabilities of axes in per cent, at round values."""
    for axis in axes:
        axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%".replace("-", "−"))
        axis.get_major_locator().set_params(nbins=6, steps=[1, 2, 5, 10])
