"""Ctrl-C where Python would discard it."""

import _thread
import sys
import threading
from typing import Any

__all__ = ["keep_interrupts"]

_SOON = 0.02  # seconds


def keep_interrupts() -> None:
    """Raise ``KeyboardInterrupt`` again if it was raised where errors are only printed.

    These are finalizers and callbacks of the garbage collector, such as that of JAX: with many objects, a signal often
    arrives while they are collected.
    """
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            return before(unraisable)
        again = threading.Timer(_SOON, _thread.interrupt_main)  # not at once, which would be in this function
        again.daemon = True
        again.start()
        return None

    sys.unraisablehook = hook
