"""A figure that notebooks display although it was created without pyplot.

IPython displays matplotlib figures once pyplot is imported, which these figures avoid. Instead they have the method
``_repr_png_``, which IPython calls on any object.
"""

import io

from matplotlib.figure import Figure

__all__ = ["ShownFigure"]

_DPI = 144  # sharp on high-resolution screens at print size


class ShownFigure(Figure):
    """A matplotlib figure with a PNG representation on white, since its lines are dark."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=_DPI, facecolor="white")
        return stream.getvalue()
