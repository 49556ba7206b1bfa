"""Whose fault an error is: input that our own code refuses, or a bug that must show its traceback."""

import linecache
import traceback

__all__ = ["is_refusal"]


def is_refusal(error: BaseException) -> bool:
    """Whether our own code raised the error on purpose, or the system could not open a file.

    The rooms refuse wrong input with ``ValueError``, and so does every library whose arguments a bug of ours got
    wrong. What tells them apart is the statement that the error comes from: a ``raise`` in one of our modules.
    """
    if isinstance(error, OSError):
        return True
    steps = list(traceback.walk_tb(error.__traceback__))
    if not isinstance(error, ValueError) or not steps:
        return False
    frame, line = steps[-1]
    ours = str(frame.f_globals.get("__name__")).startswith("simulacra.")
    statement = linecache.getline(frame.f_code.co_filename, line, frame.f_globals)
    return ours and statement.lstrip().startswith("raise ")
