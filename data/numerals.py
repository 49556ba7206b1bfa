"""How numbers are written for people, on the terminal, in reports and in citations.

Digits stand in groups of three, apart by a narrow no-break space, and the per cent sign follows its number at once, as
Python's own format ``%`` has it: ``2 302`` and ``89%``. How many decimals a number has is said by
:func:`simulacra.inference.citation.decimals`.
"""

__all__ = ["grouped"]


def grouped(number: float | int, digits: int = 0) -> str:
    """``number`` with so many decimals, its digits in groups of three: ``2302`` as ``2 302``."""
    return f"{number:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
