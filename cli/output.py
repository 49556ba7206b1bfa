"""What is printed: a terminal that cannot show a character, or a reader that has left, never costs a result."""

import codecs
import contextlib
import errno
import io
import os
import unicodedata
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from simulacra.formalism.visible import visible

__all__ = ["Output", "PlainConsole"]

_ASCII = {
    "−": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "±": "+/-",
    "×": "x",
    "·": "*",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "-hat",
    "\N{NARROW NO-BREAK SPACE}": " ",
    "\N{NO-BREAK SPACE}": " ",
}
"""Typography of our own sentences, for terminals without it; a number must not lose its sign."""


class Output:
    """A text stream that never raises.

    Characters that its encoding lacks are written in ASCII: signs by their usual spelling, Greek letters by their name,
    all others as escapes. When the stream fails, nothing more is written to it.

    Args:
        stream: standard output or standard error; None if the process has none.

    Attributes:
        error: why the stream failed; None if it did not, or if its reader left (``| head``).
    """

    def __init__(self, stream: Any) -> None:
        self._stream = io.StringIO() if stream is None else stream
        self._open = True
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._attempt(lambda: self._stream.write(text.encode(encoding, "simulacra").decode(encoding)))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self._attempt(self._stream.flush)

    def _attempt(self, step: Callable[[], object]) -> None:
        if not self._open:
            return
        try:
            step()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self._open = False
            if isinstance(error, OSError) and error.errno not in (errno.EPIPE, errno.EINVAL):
                self.error = error
            with contextlib.suppress(OSError, ValueError):  # else Python fails again when it ends and flushes
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)


class PlainConsole(Console):
    """A console that shows control characters and bidirectional marks in names, messages and notes as escapes."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a string with Rich markup."""
        return super().render_str(visible(text), **options)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelled, error.object[error.start : error.end])), error.end


def _spelled(character: str) -> str:
    if character in _ASCII:
        return _ASCII[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK") and " LETTER " in name:
        return name.rpartition(" ")[2].lower()
    return character.encode("ascii", "backslashreplace").decode()


codecs.register_error("simulacra", _in_ascii)
