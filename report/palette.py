"""Colours of personas: the same in every figure, distinguishable with colour blindness and on both backgrounds.

The seven colours were found by a search: any two differ by 0.07 or more in OKLab (0.02 is just noticeable), also under
Machado's model of protanopia, deuteranopia and tritanopia, and each has a contrast of 3:1 or more against the light and
the dark background.

References:
    Machado, Oliveira & Fernandes (2009), doi:10.1109/TVCG.2009.113; WCAG 2.2, success criterion 1.4.11.
"""

from collections.abc import Sequence

__all__ = ["BAND", "INK", "MUTED", "contrast_ink", "persona_colors"]

# These three represent roles: in the report they follow its light or dark scheme (report/figures/svg.py).
INK, MUTED, BAND = "#1b1b1f", "#6b6b76", "#e4e4ea"

_BLUE, _SKY, _RED, _GOLD = "#2768dc", "#0f9dda", "#c92618", "#b38f19"
_PURPLE, _GREY, _GREEN = "#984595", "#858688", "#29754e"

_KNOWN = {
    "aligned": _BLUE,
    "misaligned": _RED,
    "mid": _GOLD,
    "low-mid": _GOLD,
    "soft-aligned": _SKY,
    "incoherent": _PURPLE,
    "no-score": _GREY,
    "low": _RED,
    "middle": _GOLD,
    "high": _BLUE,
    "helper": _BLUE,
    "villain": _RED,
    "pirate": _GOLD,
    "babbler": _PURPLE,
}
_ALL = (_GREEN, _BLUE, _RED, _GOLD, _PURPLE, _SKY, _GREY)


def persona_colors(personas: Sequence[str]) -> dict[str, str]:
    """A colour for every persona; the same name has the same colour in every figure and report.

    Personas of the shipped sets have fixed colours; others receive the remaining ones, in order. Colours repeat after
    seven personas.
    """
    own = {_KNOWN[name]: name for name in reversed(personas) if name in _KNOWN}  # the first of two of one colour
    left = [color for color in _ALL if color not in own] or list(_ALL)
    others = [name for name in personas if name not in own.values()]
    rest = {name: left[index % len(left)] for index, name in enumerate(others)}
    return {name: rest.get(name) or _KNOWN[name] for name in personas}


def contrast_ink(color: str) -> str:
    """Black or white, whichever is more readable on ``color`` (relative luminance of WCAG 2)."""
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"
