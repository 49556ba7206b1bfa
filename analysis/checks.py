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


def expect_passed(result: Result, consequence: str, quantity: str) -> None:
    """Refuse a result that failed a check of the personas on which a quantity depends.

    Args:
        result: a fit.
        consequence: beginning of the message.
        quantity: a name of :meth:`~simulacra.inference.Result.draws`.

    Raises:
        InputError: such a check failed.
    """
    concerned = [check.name for check in result.failed if quantity in check.withholds]
    if concerned:
        raise InputError(
            f"{consequence} because this fit failed its checks: {'; '.join(concerned)}",
            remedy="Result.failed lists the checks with their remedies",
        )
