"""Settings of matplotlib for all figures: defaults that the user's own settings (``rcParams``) override.

A setting applies only while the user's is the one that matplotlib ships. Sizes of texts and heights of figures are
relative to ``font.size``, and the width of a figure is that of ``figure.figsize``. Colours are those of the user's text
and background; if they are matplotlib's, they represent roles, which the report replaces by those of its page.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from simulacra.data.extras import import_extra
from simulacra.report.palette import BAND, INK, MUTED

__all__ = ["FONTS", "LINE", "STYLE", "Tones", "line_height", "matplotlib_defaults", "settings", "tones"]

LINE = 1.4
"""Height of a line of text, in font sizes."""

FONTS: Mapping[str, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}
"""Files with text that can be searched and edited: TrueType fonts (Type 42) in PDF, text as text in SVG."""

STYLE: Mapping[str, Any] = {
    **FONTS,
    "figure.figsize": [4.2, 4.2],  # text of 9 points stays readable on a phone that shows it at 360 pixels
    "figure.dpi": 144,  # sharp on high-resolution screens at print size
    "font.size": 9,
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.parse_math": False,  # names may contain dollar signs
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}
"""Settings of every figure, where the user has not changed them. ``matplotlib.rcParams.update(STYLE)`` adopts them."""

_SHARES = (0.35, 0.85)  # of the background in the colours of lesser lines and of bands


class Tones(NamedTuple):
    """Colours of everything that is not data.

    Attributes:
        ink: of text and of main lines.
        muted: of lesser lines.
        band: of areas behind them.
    """

    ink: str
    muted: str
    band: str


def settings() -> dict[str, Any]:
    """The settings of :data:`STYLE` that the user has not changed."""
    matplotlib = import_extra("matplotlib", "report")
    own, shipped = matplotlib.rcParams, matplotlib.rcParamsDefault
    colored = own["text.color"] != shipped["text.color"]  # labels inherit the user's colour
    kept = {name for name in STYLE if own[name] != shipped[name] or (colored and name.endswith("color"))}
    return {name: value for name, value in STYLE.items() if name not in kept}


@contextlib.contextmanager
def matplotlib_defaults() -> Iterator[None]:
    """A context in which all settings are those that matplotlib ships."""
    matplotlib = import_extra("matplotlib", "report")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def tones() -> Tones:
    """The colours of the settings in effect."""
    matplotlib = import_extra("matplotlib", "report")
    colors = import_extra("matplotlib.colors", "report")
    ink = colors.to_hex(matplotlib.rcParams["text.color"])
    if ink == INK:
        return Tones(INK, MUTED, BAND)
    ground = matplotlib.rcParams["figure.facecolor"]
    if colors.to_rgba(ground)[3] == 0:
        ground = "white"
    parts = [colors.to_rgba_array([ink, ground])[:, :3].T @ (1 - share, share) for share in _SHARES]
    return Tones(ink, *(colors.to_hex(part) for part in parts))


def line_height() -> float:
    """The height of a line of text, in inches."""
    return float(LINE * import_extra("matplotlib", "report").rcParams["font.size"] / 72)
