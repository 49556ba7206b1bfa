"""The class of errors that a user can fix; the message states what is wrong, what was expected, and the remedy."""

import numbers
from collections.abc import Sequence

from simulacra.formalism.visible import visible

__all__ = ["InputError", "expect_type", "expect_whole"]


class InputError(ValueError):
    """Invalid input: an argument, a file, or a combination of them.

    The message reads ``what is wrong; expected …; remedy.``, without absent parts; characters of names that act on a
    terminal are shown as escapes. Any other exception, apart from those of the operating system and of a missing extra,
    is a bug of the package.

    Attributes:
        what: what is wrong.
        expected: what would have been accepted.
        remedy: how to fix it, in terms of Python arguments.
        argument: names of the Python arguments that the remedy concerns, possibly none; the command line adds the
            options that set them.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        remedy: str | None = None,
        argument: str | Sequence[str] = (),
    ) -> None:
        self.what = what
        self.expected = expected
        self.remedy = remedy
        self.argument = (argument,) if isinstance(argument, str) else tuple(argument)
        text = "; ".join(part for part in (what, expected and f"expected {expected}", remedy) if part)
        super().__init__(visible(text if text.endswith((".", "?")) else f"{text}."))


def expect_type(
    value: object,
    kinds: type | tuple[type, ...],
    argument: str,
    call: str,
    *,
    expected: str,
    remedy: str | None = None,
) -> None:
    """Check the type of an argument when it is passed, before it is used.

    Args:
        value: the argument.
        kinds: accepted types; ``bool`` is not accepted as an integer.
        argument: its name.
        call: the function or class that it was passed to.
        expected: description of what is accepted, for the message.
        remedy: how to obtain it.

    Raises:
        InputError: the argument has another type.
    """
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        shown = repr(value) if isinstance(value, (str, int, float)) else f"of type {type(value).__name__}"
        raise InputError(f"{call}: {argument} is {shown}", expected=expected, remedy=remedy, argument=argument)


def expect_whole(value: object, argument: str, call: str, *, least: int = 0) -> None:
    """Check that an argument, such as a seed or a number of draws, is a whole number and not too small.

    Args:
        value: the argument.
        argument: its name.
        call: the function that it was passed to.
        least: the smallest number that is accepted.

    Raises:
        InputError: the argument is not a whole number, or is smaller.
    """
    expect_type(value, numbers.Integral, argument, call, expected="a whole number")
    if value < least:  # type: ignore[operator]
        raise InputError(f"{call}: {argument} is {value}", expected=f"{least} or more", argument=argument)
