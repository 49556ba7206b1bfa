"""How objects show themselves: a few lines of text, and HTML for notebooks.

Text has at most :data:`LINES` lines of :data:`WIDTH` characters, however large the object is; what does not fit loses
its middle. HTML takes its colours from the page, so that it is readable in light and dark notebooks, and escapes
whatever it is given.
"""

import html
from collections.abc import Iterable, Sequence

__all__ = ["LINES", "WIDTH", "card", "html_card", "html_table", "html_table_of_html", "listing", "shorten"]

LINES, WIDTH = 8, 86
"""Limits of a ``repr``: together fewer than 700 characters."""

_ROWS = 40
_CELL = "text-align: left; vertical-align: top; padding: 0.15em 1em 0.15em 0; background: none"


def shorten(name: str, limit: int = 24) -> str:
    """A name that fits a label: a long one loses its middle, since ends distinguish names."""
    half = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:half]}…{name[-half:]}"


def listing(names: Iterable[object], width: int = 70) -> str:
    """``"a, b, c"`` in at most ``width`` characters: what does not fit is counted, ``"a, b, … 96 more …, z"``."""
    shown = [shorten(" ".join(str(name).split())) for name in names]
    if not shown:
        return "none"
    for first in range(len(shown), 0, -1):
        rest = len(shown) - first
        gap = [f"… {rest - 1} more …"] if rest > 1 else []
        text = ", ".join([*shown[:first], *gap, *shown[-1:]] if rest else shown)
        if len(text) <= width:
            return text
    return f"{len(shown)}, from {shown[0]}"


def card(*lines: str) -> str:
    """A ``repr``: what it is in the first line, the others indented; empty ones are left out."""
    flat = [" ".join(line.split()) for line in lines if line]
    return "\n".join(shorten(f"{'  ' * bool(place)}{line}", WIDTH) for place, line in enumerate(flat[:LINES]))


def html_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table, every cell escaped; beyond 40 rows it says how many more there are."""
    return html_table_of_html(columns, [[html.escape(str(cell)) for cell in row] for row in rows])


def html_table_of_html(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are HTML already."""
    head = "".join(f'<th style="{_CELL}">{html.escape(str(name))}</th>' for name in columns)
    lines = ["".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) for row in rows[:_ROWS]]
    if len(rows) > _ROWS:
        lines.append(f'<td style="{_CELL}" colspan="{len(columns)}">… and {len(rows) - _ROWS} more</td>')
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table style="border: none; color: inherit"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def html_card(title: str, *parts: str) -> str:
    """A title, which is escaped, above parts that are HTML already; empty ones are left out."""
    heading = f'<div style="font-weight: bold; margin-bottom: 0.3em">{html.escape(title)}</div>'
    blocks = "".join(f'<div style="margin: 0.5em 0">{part}</div>' for part in parts if part)
    return f'<div style="color: inherit; line-height: 1.4">{heading}{blocks}</div>'
