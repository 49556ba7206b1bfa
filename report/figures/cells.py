"""A table of cells with numbers, shaded by a share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simulacra.data.extras import import_extra
from simulacra.report.figures.canvas import Sheet
from simulacra.report.figures.hover import set_hover
from simulacra.report.figures.numbered import HUE
from simulacra.report.figures.style import LINE, line_height, tones

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cell_table"]

_WIDEST = 0.3  # share of the width for the names of rows
_LONGEST = (0.45, 0.6, 0.9)  # of names of columns, which slope, as shares of the width
_NOTHING = ("0", "–")  # texts of cells that are less prominent
_LETTER = 0.62  # width of a letter, in font sizes
_SLOPED = 1.4  # distance of lines of sloped names, in font sizes


def cell_table(
    sheet: Sheet,
    rows: Sequence[str],
    columns: Sequence[str],
    shades: np.ndarray,
    texts: np.ndarray,
    *,
    said: np.ndarray | None = None,
    height: float,
) -> "Axes":
    """Draw a table.

    Args:
        sheet: where it is drawn.
        rows: their names.
        columns: their names.
        shades: of the cells, from 0 to 1, shape ``(rows, columns)``; NaN leaves a cell empty.
        texts: of the cells, the same shape.
        said: values of the cells, shown with their names while the pointer is on them; the same shape. Default: none.
        height: of a row in lines of text; at least that of its name is taken.

    Returns:
        The axes, for a label below.
    """
    ink, muted, _ = tones()
    names = [sheet.wrap(name, _WIDEST) for name in rows]
    height = max(height, 0.4 + 0.85 * max(map(_lines, names)))
    across = sheet.width / line_height() * LINE - _letters(names)  # what is left for cells, in font sizes
    heads, slope = _heads(sheet, columns, across / len(columns))
    needed = _letters(list(texts.ravel()))
    size = import_extra("matplotlib", "report").rcParams["font.size"] * min(1, 0.9 * across / len(columns) / needed)
    above = (_letters(heads) * np.sin(np.deg2rad(slope)) + _SLOPED * max(map(_lines, heads))) / LINE
    axes = sheet.axes(height * len(rows) + above + 1.6)
    for (row, column), shade in np.ndenumerate(shades):
        if not np.isnan(shade):
            cell = axes.add_patch(_cell(column, row, shade))
            if said is not None:
                set_hover(f"{rows[row]}, {columns[column]}: {said[row, column]}", cell)
        color = muted if texts[row, column] in _NOTHING else ink
        axes.text(
            column, row, str(texts[row, column]), ha="center", va="center", color=color, fontsize=size, linespacing=1.2
        )  # fmt: skip
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), names)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), heads)
    for label in axes.get_xticklabels():
        label.set(rotation=slope, ha="left" if slope else "center", va="center" if slope else "bottom")
        label.set_rotation_mode("anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes


def _lines(text: str) -> int:
    return 1 + text.count("\n")


def _letters(texts: Sequence[str]) -> float:
    """The width of the longest line, in font sizes."""
    return _LETTER * max(len(line) for text in ["-", *texts] for line in text.split("\n"))


def _heads(sheet: Sheet, columns: Sequence[str], room: float) -> tuple[list[str], int]:
    """The names of columns in lines, and the flattest angle at which they do not overlap.

    Args:
        sheet: where they are written.
        columns: the names.
        room: the width of a column, in font sizes.
    """
    if _letters(columns) < 0.95 * room:
        return list(columns), 0
    for share in _LONGEST:
        heads = [sheet.wrap(name, share) for name in columns]
        height = _SLOPED * max(map(_lines, heads))
        for slope in (40, 65, 90):
            if room * np.sin(np.deg2rad(slope)) > height:
                return heads, slope
    return [sheet.wrap(name, _LONGEST[-1], lines=1) for name in columns], 90


def _cell(column: int, row: int, shade: float) -> Any:
    patches = import_extra("matplotlib.patches", "report")
    place, size = (column - 0.48, row - 0.46), (0.96, 0.92)
    return patches.Rectangle(place, *size, facecolor=HUE, alpha=0.75 * shade, linewidth=0)
