"""Errors that both ways of collapsing share, so that a log in memory and a scanned log fail alike."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from simulacra.data.errors import LogError
from simulacra.data.reading.values import USUAL_SENTINEL
from simulacra.formalism.emissions import AbstractEmission, OutOfRange

__all__ = ["refuse_empty_cell", "refuse_unknown", "refuse_value"]

_EXACT = 2**53  # a larger one is shown as 9.2e+124


def refuse_unknown(names: Sequence[str], known: Collection[str], role: str, reasons: Mapping[str, str]) -> None:
    """Raise for the first name that the log does not have as a measurement or as a cell column.

    Args:
        names: the requested names.
        known: the names that exist.
        role: ``"measurement"`` or ``"cell column"``.
        reasons: why columns were excluded or read differently.

    Raises:
        LogError: an unknown name; lists the known ones, and the reason if one is recorded.
    """
    for name in names:
        if name not in known:
            why = f" ({reasons[name]})" if name in reasons else ""
            raise LogError(
                f"the log has no {role} {name!r}{why}",
                column=name,
                expected=f"one of {', '.join(known)}" if known else f"a {role}, of which the log has none",
                remedy=f"correct the name, or name the column in {role.split()[0]}s= or columns= when reading the log"
                if role == "measurement"
                else "correct by=, or name the column in contexts= or columns= when reading the log",
                argument=(f"{role.split()[0]}s" if role == "measurement" else "contexts", "columns"),
            )


def refuse_value(emission: AbstractEmission, value: object, *, file: str, line: int, column: str) -> LogError:
    """The error for a value outside an emission's categories."""
    name = emission.measurement
    number = isinstance(value, (int, float)) and float(value).is_integer() and abs(value) < _EXACT
    plain = int(value) if number else value  # type: ignore[call-overload]
    missing = "-1" if plain == USUAL_SENTINEL else f"(-1, {plain!r})"
    remedy = f"correct the value, extend the emission, or pass missing={missing} if it means that there is none"
    try:
        emission.encode(np.array([value], dtype=object if isinstance(value, str) else None))
    except OutOfRange as error:
        what = error.what
    except (TypeError, ValueError):
        what = f"{name}={value!r} is not a number"
    else:
        what = f"{name}={value!r} is not a value of {type(emission).__name__}"
    return LogError(
        what,
        file=file,
        line=line,
        column=column,
        expected=f"a value that the {type(emission).__name__} declares",
        remedy=remedy,
        argument="missing",
    )


def refuse_empty_cell(*, file: str, line: int, column: str) -> LogError:
    """The error for a row without a value in a column that defines cells."""
    return LogError(
        "the row has no value in a column that defines the cells",
        file=file,
        line=line,
        column=column,
        expected="a value in every row",
        remedy="fill it in, or remove the column from by=",
    )
