"""The progress bars of transformers, which are enabled or disabled for the whole process."""

import contextlib
from collections.abc import Iterator

__all__ = ["transformers_bars"]


@contextlib.contextmanager
def transformers_bars(*, shown: bool) -> Iterator[None]:
    """Hide the bars inside the context unless ``shown``, and restore the previous state afterwards."""
    from transformers.utils import logging

    if shown or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()
