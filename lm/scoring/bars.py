"""The progress bars of transformers, which one switch shows or hides for a whole process."""

import contextlib
from collections.abc import Iterator

__all__ = ["transformers_bars"]


@contextlib.contextmanager
def transformers_bars(*, shown: bool) -> Iterator[None]:
    """Hide them inside unless they are to be shown; afterwards the switch is as it was."""
    from transformers.utils import logging

    if shown or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()
