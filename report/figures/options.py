"""Options that all figures share: where to draw, at which size, and how names are ordered, written and coloured."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from simulacra.formalism.errors import expect_type
from simulacra.report.names import refuse_unknown
from simulacra.report.palette import persona_colors
from simulacra.report.prose import place_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Names", "Options"]


class Options(TypedDict, total=False):
    """Options of every figure, all of them by keyword.

    Attributes:
        ax: axes to draw into, instead of a new figure; figures of several panels divide their area. The axes take the
            finding as their label.
        figsize: width and height in inches, or the width alone; the height is then that of the content. Default: the
            width of ``rcParams["figure.figsize"]``, or 4.2 inches if that is matplotlib's default.
        order: names in the order in which to show them: conditions (with or without their context), personas, questions
            or organisms. Rows that are not named are left out, unless no row is; personas that are not named come last.
        rename: the text to show for a name.
        colors: the colour of a persona, or of a row.
    """

    ax: "Axes"
    figsize: "float | int | tuple[float | int, float | int]"
    order: Sequence[str]
    rename: Mapping[str, str]
    colors: Mapping[str, str]


class Names:
    """The names in a figure: which are shown in which order, with which text and colour.

    Args:
        options: the options of the figure.
        names: the names that it shows, in several kinds.

    Raises:
        InputError: an option about a name that the figure does not show.
    """

    def __init__(self, options: Options, *names: Iterable[str]) -> None:
        known = list(dict.fromkeys(itertools.chain(*names)))
        self._order = list(options.get("order", ()))
        self._texts, self._colors = dict(options.get("rename", {})), dict(options.get("colors", {}))
        for argument in ("order", "rename", "colors"):
            given: Any = options.get(argument, ())
            kinds, expected = ((list, tuple), "a list") if argument == "order" else (Mapping, "a mapping")
            if argument in options:
                expect_type(given, kinds, argument, "figure", expected=f"{expected} of names")
            refuse_unknown(given, known, f"{argument}= of this figure", argument)

    def ordered(self, names: Iterable[str]) -> list[str]:
        """The names to show, in order."""
        names = list(names)
        return [name for name in dict.fromkeys(self._order) if name in names] or names

    def all_ordered(self, names: Iterable[str]) -> list[str]:
        """All of the names, those in ``order`` first."""
        names = list(names)
        return list(dict.fromkeys([*self.ordered(names), *names]))

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The rows of a table to show, in order; a condition stands for its rows in all contexts."""
        own = [row for name in dict.fromkeys(self._order) for row in rows if name in (place_of(row), row["condition"])]
        return own or list(rows)

    def text(self, name: str) -> str:
        """The text to show for a name."""
        return self._texts.get(name, name)

    def place(self, row: Mapping[str, Any]) -> str:
        """The text to show for the condition of a row, with its context."""
        place = place_of(row)
        return self._texts.get(place) or place_of({**row, "condition": self.text(row["condition"])})

    def color(self, *names: str, default: str) -> str:
        """The colour that was given for the first of these names that has one."""
        return next((self._colors[name] for name in names if name in self._colors), default)

    def personas(self, personas: Sequence[str]) -> dict[str, str]:
        """The colour of every persona, in order."""
        colors = persona_colors(personas) | {name: self._colors[name] for name in personas if name in self._colors}
        return {name: colors[name] for name in self.all_ordered(personas)}
