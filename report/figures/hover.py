"""Values of marks: what the report shows while the pointer is on a bar, a dot or an interval.

They are kept beside the artists of a figure, not in them: :func:`~simulacra.report.figures.svg.to_svg` writes them as
``<title>`` elements, which browsers show and screen readers read, and files that a user saves do not change.
"""

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

__all__ = ["set_hover", "with_hover"]

_TEXTS: "weakref.WeakKeyDictionary[Artist, str]" = weakref.WeakKeyDictionary()


def set_hover(text: str, *artists: "Artist") -> None:
    """Set what is shown while the pointer is on one of these artists, lines or patches, or not if it is empty."""
    for artist in artists if text else ():
        _TEXTS[artist] = text


def with_hover(figure: "Figure") -> "dict[Artist, str]":
    """The artists of a figure that have a value, and the value, in the order in which they are drawn."""
    return {artist: _TEXTS[artist] for artist in figure.findobj(lambda artist: artist in _TEXTS)}
