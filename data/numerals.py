"""Numbers for display, on the terminal, in reports and in citations.

Digits are grouped in threes with a narrow no-break space, and the per cent sign follows its number directly, as in
Python's format ``%``: ``2 302`` and ``89%``. The number of decimals is given by
:func:`simulacra.inference.citation.decimals`.
"""

__all__ = ["grouped"]


def grouped(number: float | int, digits: int = 0) -> str:
    """``number`` with ``digits`` decimals, its digits in groups of three: ``2302`` as ``2 302``."""
    return f"{number:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
