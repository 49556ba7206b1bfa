"""Whose fault an error is: input that our own code refuses, or a bug that must show its traceback."""

import dis

__all__ = ["is_refusal"]


def is_refusal(error: BaseException) -> bool:
    """Whether our own code raised the error on purpose, or the system could not open a file.

    The rooms refuse wrong input with ``ValueError``, and so does every library whose arguments a bug of ours got
    wrong. What tells them apart is the statement that the error comes from: a ``raise`` in one of our modules.
    """
    if isinstance(error, OSError):
        return True
    trace = error.__traceback__
    if not isinstance(error, ValueError) or trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code.co_code
    ours = str(trace.tb_frame.f_globals.get("__name__")).startswith("simulacra.")
    return ours and dis.opname[code[trace.tb_lasti]] == "RAISE_VARARGS"
