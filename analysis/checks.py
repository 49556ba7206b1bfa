"""What a research question asks of the fit that it starts from, and what a failed check of it withholds."""

import dataclasses

from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference.result import Result

__all__ = ["expect_passed", "expect_result", "withheld_emissions"]

_UNWARRANTED = ("withheld: R-hat", "withheld: readings")


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


def withheld_emissions(result: Result) -> dict[str, str]:
    """Measurements for which it is not warranted what the personas do, each with the reason; empty if there are none.

    Names of personas, and what absent ones do, are not considered: quantities that sum over all personas depend on
    neither.
    """
    concerned = [check for check in result.failed if "emissions" in check.withholds and check.persona is None]
    whole = [check for check in concerned if not check.each]
    if whole:
        return dict.fromkeys(result.model.measurements, f"withheld: {whole[0].name} failed")
    unnamed = dataclasses.replace(result, checks=tuple(concerned))
    table = unnamed.emissions().drop_duplicates(["measurement", "status"])
    found = table[table["status"].str.startswith(_UNWARRANTED) & table["measurement"].isin(result.model.measurements)]
    return {str(name): f"{own.iloc[0]} of an emission" for name, own in found.groupby("measurement")["status"]}
