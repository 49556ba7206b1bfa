"""A figure that notebooks show though pyplot did not make it.

Matplotlib teaches IPython to draw figures when pyplot is imported, which these figures do without. IPython asks any
object for ``_repr_png_``.
"""

import io

from matplotlib.figure import Figure

__all__ = ["ShownFigure"]

_DPI = 144  # sharp on dense screens at the size that the sheet has on paper


class ShownFigure(Figure):
    """A matplotlib figure with a picture of itself on white, since its ink is dark."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=_DPI, facecolor="white")
        return stream.getvalue()
