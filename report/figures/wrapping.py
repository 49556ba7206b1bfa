"""Long names in several lines, broken after spaces, underscores, hyphens, plus signs and slashes."""

import re
import textwrap

__all__ = ["wrapped"]

_LETTER = 0.66  # width of a bold letter, in font sizes, of which few names need more


class _Wrapper(textwrap.TextWrapper):
    wordsep_re = re.compile(r"(\s+|[^\s_/+-]*[_/+-]+)")


def wrapped(text: str, inches: float | int, font_size: float | int, *, lines: int | None = None) -> str:
    """A text in lines that fit into a width.

    Args:
        text: a name.
        inches: the width.
        font_size: size of the text in points.
        lines: the largest number of lines; what is longer ends in an ellipsis. Default: as many as necessary.
    """
    letters = max(4, int(72 * inches / (_LETTER * font_size)))
    return "\n".join(_Wrapper(width=letters, max_lines=lines, placeholder="…").wrap(text)) or text
