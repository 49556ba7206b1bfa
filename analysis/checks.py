"""What a research question asks of the fit that it starts from: a result whose checks passed."""

from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference.result import Result

__all__ = ["expect_passed", "expect_result"]


def expect_result(result: object, call: str, remedy: str | None = None) -> None:
    """Refuse what is not a result.

    Raises:
        InputError: it is of another type.
    """
    expect_type(result, Result, "result", call, expected="a Result, as returned by fit", remedy=remedy)


def expect_passed(result: Result, consequence: str) -> None:
    """Refuse a result that failed a check; ``consequence`` begins the message.

    Raises:
        InputError: a check failed.
    """
    if not result.ok:
        failed = "; ".join(check.name for check in result.failed)
        raise InputError(
            f"{consequence} because this fit failed its checks: {failed}",
            remedy="Result.failed lists the checks with their remedies",
        )
