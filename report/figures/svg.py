"""A figure as SVG for a web page: transparent, with the colours of the page, unique ids and values of marks."""

import html
import io
import re
from typing import TYPE_CHECKING

from simulacra.data.extras import import_extra
from simulacra.formalism.visible import visible
from simulacra.report.figures.hover import with_hover
from simulacra.report.figures.style import STYLE
from simulacra.report.palette import BAND, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["to_svg"]

_DPI = 130  # of rasterized parts
_ROLES = {INK: "currentColor", MUTED: "var(--muted, #6b6b76)", BAND: "var(--band, #e4e4ea)"}


def to_svg(figure: "Figure", name: str) -> str:
    """The ``<svg>`` element of a figure, ready to be embedded in a page.

    Args:
        figure: any figure of this package.
        name: unique on the page; the ids of the drawing begin with it.

    Colours become ``currentColor`` and the custom properties ``--muted`` and ``--band``, so that one drawing fits light
    and dark pages. The label of the figure becomes ``aria-label``, and the values of marks
    (``report/figures/hover.py``) become ``<title>`` elements.
    """
    stream = io.StringIO()
    texts = dict(enumerate(with_hover(figure).items()))
    for place, (artist, _) in texts.items():
        artist.set_gid(f"hover-{place}")
    before, dpi = figure.canvas, figure.get_dpi()
    canvas = import_extra("matplotlib.backends.backend_svg", "report").FigureCanvasSVG(figure)
    figure.set_dpi(_DPI)
    with import_extra("matplotlib", "report").rc_context({**STYLE, "svg.hashsalt": name}):
        canvas.print_svg(stream, metadata={"Date": None})  # savefig draws everything twice
    for artist, _ in texts.values():
        artist.set_gid(None)
    figure.set_canvas(before)
    figure.set_dpi(dpi)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="hover-(\d+)">', lambda found: _titled(texts[int(found[1])][1]), text)
    text = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', text)
    text = re.sub(r"font: ([^;\"]*?)'[^;\"]*?(?=[;\"])", r"font: \1sans-serif", text)
    for color, role in _ROLES.items():
        text = text.replace(color, role)
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text)
    text = text.replace(size[0], "", 1) if size else text
    label = html.escape(str(figure.get_label()))
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _titled(value: str) -> str:
    return f"<g><title>{html.escape(visible(value))}</title>"
