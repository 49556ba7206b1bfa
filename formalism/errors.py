"""What a user can fix: one class of error, whose message says what is wrong, what was expected and the remedy."""

from collections.abc import Sequence

__all__ = ["InputError", "expect_type"]


class InputError(ValueError):
    """Input that the package refuses: an argument, a file, or two that do not belong together.

    The message reads ``what is wrong; expected …; remedy.``, where absent parts are left out. Every other exception,
    apart from those of the operating system and of a missing extra, is a bug of the package.

    Attributes:
        what: what is wrong, and with what.
        expected: what would have been accepted.
        remedy: what to do about it, in the names of Python arguments.
        argument: names of the Python arguments that the remedy is about, empty where it is about none; the command
            line adds the options that set them.
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
        super().__init__(text if text.endswith((".", "?")) else f"{text}.")


def expect_type(
    value: object,
    kinds: type | tuple[type, ...],
    argument: str,
    call: str,
    *,
    expected: str,
    remedy: str | None = None,
) -> None:
    """Refuse an argument of another type where it enters, and not where it is used.

    Args:
        value: the argument.
        kinds: what it may be an instance of; ``bool`` is not accepted as an integer.
        argument: its name.
        call: the function or class that it was passed to.
        expected: what it should be, for people.
        remedy: how to make one.

    Raises:
        InputError: it is none of these.
    """
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        shown = repr(value) if isinstance(value, (str, int, float)) else f"of type {type(value).__name__}"
        raise InputError(f"{call}: {argument} is {shown}", expected=expected, remedy=remedy, argument=argument)
