"""Colours: one for each persona, the same in every figure, told apart by colour-blind readers and on both grounds.

Hues are those of Okabe and Ito; each keeps a contrast of 3:1 or more against white and against near-black or is
outlined where it is used.

References:
    Okabe & Ito (2008), Color universal design, https://jfly.uni-koeln.de/color/.
"""

from collections.abc import Sequence

__all__ = ["BAND", "INK", "MUTED", "contrast_ink", "persona_colors"]

# These three stand for roles: in a page they follow its light or dark scheme (report/svg.py).
INK, MUTED, BAND = "#1b1b1f", "#6b6b76", "#e4e4ea"

_KNOWN = {
    "aligned": "#0f7ab8",
    "misaligned": "#d55e00",
    "mid": "#b8860b",
    "low-mid": "#b8860b",
    "soft-aligned": "#56b4e9",
    "incoherent": "#b0609a",
    "no-score": "#8a8a94",
    "low": "#d55e00",
    "middle": "#b8860b",
    "high": "#0f7ab8",
}
_OTHERS = ("#009e73", "#7a5195", "#cc79a7", "#4c9a2a", "#a0522d", "#2f4b7c", "#e69f00")


def persona_colors(personas: Sequence[str]) -> dict[str, str]:
    """A colour for every persona: the same name has the same colour in every figure and every report.

    Personas of the shipped sets have their own; others take further ones in order.
    """
    others = (name for name in personas if name not in _KNOWN)
    rest = {name: _OTHERS[index % len(_OTHERS)] for index, name in enumerate(others)}
    return {name: _KNOWN.get(name) or rest[name] for name in personas}


def contrast_ink(color: str) -> str:
    """Black or white, whichever is read better on ``color`` (relative luminance of WCAG 2)."""
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"
