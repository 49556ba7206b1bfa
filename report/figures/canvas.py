"""The sheet that a figure is drawn on: a new figure, or the area of axes that the user gives.

Figures are created without pyplot, so no window opens and no global state remains. The label of a figure,
``figure.get_label()``, is its alternative text: a sentence that states the finding.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from simulacra.data.extras import import_extra
from simulacra.formalism.errors import InputError
from simulacra.formalism.visible import visible
from simulacra.report.figures.options import Options
from simulacra.report.figures.style import line_height, settings
from simulacra.report.figures.wrapping import wrapped
from simulacra.report.names import refuse_unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Sheet", "drawing"]

P = ParamSpec("P")
_REGULAR = 1.15  # width of a bold letter relative to that of a regular one


def drawing(function: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """Draw with the settings of this package, without changing those of matplotlib; refuse unknown options.

    Raises:
        InputError: an unknown option.
    """
    known = list(dict.fromkeys([*inspect.signature(function).parameters, *Options.__annotations__]))
    known.remove("options")

    @functools.wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        refuse_unknown(kwargs, known, f"options of {function.__name__}", "options")
        with import_extra("matplotlib", "report").rc_context(settings()):
            return function(*args, **kwargs)

    return styled


class Sheet:
    """The figure or the axes that are drawn on.

    Args:
        options: the options of the figure, of which ``ax`` and ``figsize`` apply here.

    Attributes:
        width: in inches.

    Raises:
        InputError: an unusable size, or both ``ax`` and ``figsize``.
    """

    def __init__(self, options: Options) -> None:
        self._ax, size = options.get("ax"), options.get("figsize")
        if self._ax is not None and size is not None:
            raise InputError("Axes have a size already", remedy="pass either ax or figsize", argument=("ax", "figsize"))
        given = tuple(size) if isinstance(size, (tuple, list)) else (size, None)
        sizes = [each for each in given if each is not None]
        positive = all(isinstance(each, (int, float)) and each > 0 for each in sizes)
        if size is not None and (len(given) != 2 or not positive):
            raise InputError(f"figsize is {size!r}", expected="inches, (3.25, 2.5) or 3.25", argument="figsize")
        self._height = given[1]
        self._drawn: list[Any] = []
        if self._ax is not None:
            self.width = self._ax.get_window_extent().width / self._ax.figure.dpi
        else:
            self.width = float(given[0] or import_extra("matplotlib", "report").rcParams["figure.figsize"][0])

    def axes(self, lines: float | int) -> "Axes":
        """The only axes of a figure whose height is that of this number of lines of text."""
        return self._ax if self._ax is not None else self.grid(lines)[0, 0]

    def grid(self, lines: float | int, rows: int = 1, columns: int = 1, **subplots: Any) -> np.ndarray:
        """Axes, shape ``(rows, columns)``, of a figure of this height.

        Raises:
            InputError: several panels in axes that are not in a grid.
        """
        axes = self._area(lines, rows, columns).subplots(squeeze=False, **subplots)
        self._drawn += list(axes.ravel())
        return np.asarray(axes)

    def panels(self, lines: float | int, rows: Sequence[Mapping[Any, int]]) -> dict[Any, "Axes"]:
        """Axes by name, row by row, with relative widths; every row has the whole width.

        Raises:
            InputError: several panels in axes that are not in a grid.
        """
        named: dict[Any, Axes] = {}
        for row, part in zip(rows, self._area(lines, len(rows), 1), strict=True):
            spec = part.subgridspec(1, len(row), width_ratios=list(row.values()))
            named |= {name: spec.figure.add_subplot(spec[place]) for place, name in enumerate(row)}
        self._drawn += named.values()
        return named

    def _area(self, lines: float | int, rows: int, columns: int) -> Any:
        if self._ax is None:
            size = self.width, self._height or lines * line_height()
            figure = import_extra("simulacra.report.figures.shown", "report").ShownFigure
            return figure(figsize=size, layout="constrained").add_gridspec(rows, columns)
        spec = self._ax.get_subplotspec()
        if spec is None:
            raise InputError("This figure has several panels, and these axes are not in a grid that can be divided",
                             expected="axes that subplots() made", argument="ax")  # fmt: skip
        self._ax.remove()
        return spec.subgridspec(rows, columns)

    def wrap(self, text: str, share: float | int = 1, *, lines: int | None = None) -> str:
        """A name in lines that fit into a share of the width."""
        size = import_extra("matplotlib", "report").rcParams["font.size"]
        return wrapped(visible(text), share * self.width, size, lines=lines)

    def label(self, text: str) -> str:
        """The label of an axis in lines that fit; its letters are narrower than those of names, which are bold."""
        return self.wrap(text, _REGULAR)

    def legend(
        self, axes: "Axes", handles: Sequence[Any], labels: Sequence[str], *, grow: bool = False, **style: Any
    ) -> None:
        """A legend above the figure, or above axes that were given, in as few rows as fit.

        With ``grow``, a figure whose height was not given becomes higher by that of the legend.
        """
        spaces = {"handlelength": 1, "columnspacing": 1.2, "borderpad": 0, "borderaxespad": 0.6, "alignment": "left"}
        place: dict[str, Any] = {"loc": "outside upper left"}
        if self._ax is not None:
            place = {"loc": "lower left", "bbox_to_anchor": (0, 1.25 if axes.get_title(loc="left") else 1)}
        owner: Any = axes.figure if self._ax is None else axes
        for rows in range(1, len(labels) + 1):
            columns = math.ceil(len(labels) / rows)
            legend = owner.legend(handles, labels, **place, **(spaces | style), ncols=columns)
            width, height = legend.get_window_extent().size / axes.figure.dpi
            if columns == 1 or width <= 0.95 * self.width:
                if grow and self._ax is None and self._height is None:
                    owner.set_figheight(owner.get_figheight() + height)
                return
            legend.remove()

    def finish(self, finding: str) -> "Figure":
        """The figure with its alternative text; names of others cannot act on what shows it."""
        drawn: list[Any] = self._drawn or [self._ax]
        figure = drawn[0].figure.figure
        (figure if self._ax is None else drawn[0]).set_label(visible(finding))
        kind = import_extra("matplotlib.text", "report").Text
        for text in (text for axes in drawn for text in axes.findobj(kind)):
            text.set_text(visible(text.get_text()))
        return figure
