"""Representations of objects: a few lines of text, and HTML for notebooks.

Text has at most :data:`LINES` lines of :data:`WIDTH` characters for objects of any size; longer lines are shortened in
the middle. HTML inherits its colours, so that it is readable in light and dark notebooks, and escapes its input.
Characters that act on a terminal or reorder text are shown as escapes in both (:mod:`simulacra.formalism.visible`).
"""

import html
from collections.abc import Iterable, Mapping, Sequence

from simulacra.formalism.visible import visible

__all__ = [
    "LINES",
    "WIDTH",
    "card",
    "escaped",
    "html_card",
    "html_table",
    "html_table_of_html",
    "listing",
    "place",
    "shorten",
]

LINES, WIDTH = 8, 86
"""Maximum numbers of lines and characters per line of a ``repr``; fewer than 700 characters in total."""

_ROWS = 40
_CELL = "text-align: left; vertical-align: top; padding: 0.15em 1em 0.15em 0; background: none"
_TEXT = f"{_CELL}; min-width: 16em"  # of sentences, which a narrow page would break after every word


def shorten(name: str, limit: int = 24) -> str:
    """A name that fits a label: long names are shortened in the middle, since their ends distinguish them."""
    half = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:half]}…{name[-half:]}"


def listing(names: Iterable[object], width: int = 70) -> str:
    """``"a, b, c"`` in at most ``width`` characters: what does not fit is counted, ``"a, b, … 96 more …, z"``."""
    shown = [shorten(" ".join(str(name).split())) for name in names]
    if not shown:
        return "none"
    for first in range(min(len(shown), width), 0, -1):
        rest = len(shown) - first
        gap = [f"… {rest - 1} more …"] if rest > 1 else []
        text = ", ".join([*shown[:first], *gap, *shown[-1:]] if rest else shown)
        if len(text) <= width:
            return text
    return f"{len(shown)}, from {shown[0]}"


def place(coordinates: Mapping[str, object]) -> str:
    """Coordinates of an estimate, ``"ft, trigger=on"``: conditions and personas by name, contexts with their column."""
    named = ("condition", "persona")
    return ", ".join(str(value) if name in named else f"{name}={value}" for name, value in coordinates.items())


def card(*lines: str) -> str:
    """A ``repr``: the first line names the object, the others are indented; empty lines are omitted."""
    flat = [visible(" ".join(line.split())) for line in lines if line]
    return "\n".join(shorten(f"{'  ' * bool(place)}{line}", WIDTH) for place, line in enumerate(flat[:LINES]))


def escaped(text: object) -> str:
    """Text as HTML that shows it."""
    return html.escape(visible(str(text)))


def html_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with every cell escaped; rows beyond the first 40 are only counted."""
    return html_table_of_html(columns, [[escaped(cell) for cell in row] for row in rows])


def html_table_of_html(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are already HTML."""
    head = "".join(f'<th style="{_CELL}">{escaped(name)}</th>' for name in columns)
    lines = [
        "".join(f'<td style="{_TEXT if len(cell) > 100 else _CELL}">{cell}</td>' for cell in row)
        for row in rows[:_ROWS]
    ]
    if len(rows) > _ROWS:
        lines.append(f'<td style="{_CELL}" colspan="{len(columns)}">… and {len(rows) - _ROWS} more</td>')
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    table = f'<table style="border: none; color: inherit"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div style="overflow-x: auto">{table}</div>'


def html_card(title: str, *parts: str) -> str:
    """A title, which is escaped, above parts that are already HTML; empty parts are omitted."""
    heading = f'<div style="font-weight: bold; margin-bottom: 0.3em">{escaped(title)}</div>'
    blocks = "".join(f'<div style="margin: 0.5em 0">{part}</div>' for part in parts if part)
    return f'<div style="color: inherit; line-height: 1.4">{heading}{blocks}</div>'
