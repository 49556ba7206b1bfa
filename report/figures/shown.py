"""A figure that notebooks display although it was created without pyplot, and whose files have text as text.

IPython displays matplotlib figures once pyplot is imported, which these figures avoid. Instead they have the method
``_repr_png_``, which IPython calls on any object.
"""

import io
from typing import Any

import matplotlib
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from simulacra.report.figures.style import settings

__all__ = ["ShownFigure"]


class ShownFigure(Figure):
    """A matplotlib figure with a PNG representation."""

    def savefig(self, fname: Any, **options: Any) -> None:
        """As matplotlib does, with the settings of this package, such as Type 42 fonts, where the user has none."""
        with matplotlib.rc_context(settings()):
            super().savefig(fname, **options)

    @property
    def ground(self) -> Any:
        """Its background, or white if that is transparent, so that lines are visible on dark pages."""
        own = self.get_facecolor()
        return "white" if to_rgba(own)[-1] == 0 else own

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi="figure", facecolor=self.ground)
        return stream.getvalue()
