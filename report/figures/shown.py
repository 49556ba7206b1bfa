"""A figure that notebooks display although it was created without pyplot, and whose files have text as text.

IPython displays matplotlib figures once pyplot is imported, which these figures avoid. Instead they have the method
``_repr_png_``, which IPython calls on any object.
"""

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from simulacra.report.figures.style import settings

__all__ = ["ShownFigure"]


class ShownFigure(Figure):
    """A matplotlib figure with a PNG representation, on white if it has no background, since its lines are dark."""

    def savefig(self, fname: Any, **options: Any) -> None:
        """As matplotlib does, with the settings of this package, such as Type 42 fonts, where the user has none."""
        with matplotlib.rc_context(settings()):
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        ground = self.get_facecolor()
        self.savefig(stream, format="png", dpi="figure", facecolor=ground if ground[3] else "white")
        return stream.getvalue()
