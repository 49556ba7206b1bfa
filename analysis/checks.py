"""What a research question asks of the fit that it starts from, and what a failed check of it withholds."""

import dataclasses

import numpy as np
import pandas as pd

from simulacra.data import CollapsedLog
from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference.result import Result

__all__ = ["expect_own_categories", "expect_passed", "expect_result", "numbers_of", "withheld_emissions"]

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


def expect_own_categories(counts: CollapsedLog, result: Result, call: str) -> None:
    """Refuse counts that were not made with the emissions of a result: their codes would mean something else.

    Raises:
        InputError: other measurements, in another order, or other categories of them.
    """
    model = result.model
    known = (model.measurements, tuple(tuple(own.categories) for own in model.emissions))
    if (tuple(counts.measurements), counts.categories) != known:
        raise InputError(
            f"{call}: the counts are of {', '.join(counts.measurements)}, in categories that are not those of the fit",
            expected=f"counts of {', '.join(model.measurements)} in the categories of the fit",
            remedy="collapse the log with result.model.emissions",
            argument="log",
        )


def numbers_of(table: pd.DataFrame, call: str, argument: str) -> np.ndarray:
    """The values of a table as floating-point numbers, shape of the table.

    Raises:
        InputError: a value that is not a number.
    """
    try:
        return table.to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{call}: {argument} has values that are not numbers ({error})", expected="numbers", argument=argument
        ) from error


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
