"""Whether the values of a score are on the scale that its emission declares or assumes."""

import numpy as np

from simulacra.data.account import Account
from simulacra.data.errors import LogError
from simulacra.data.numerals import grouped
from simulacra.formalism.emissions import AbstractEmission, LabelEmission, ScoreEmission

__all__ = ["refuse_scale", "refuse_sentinel", "shorter_scale"]

_LEAST = 10  # values; fewer say little about a scale
_TOPS = (1, 2, 3, 4, 5, 7, 10, 20)
_SHORT, _SHORT_OF_INTEGERS = 10, 20


def shorter_scale(values: np.ndarray) -> tuple[float, float] | None:
    """The usual scale that scores are on, if it is too short to be 0 to 100.

    Scores from 0 to 100 of any model exceed 10 sooner or later. Integers up to 20 are taken for a shorter scale as
    well, unless all are multiples of 5, as judges prefer on the long one.

    Args:
        values: the distinct scores, without missing ones; shape ``(N,)``.

    Returns:
        Its bounds; None if the scores may be from 0 to 100, or are negative.
    """
    low, high = float(values.min()), float(values.max())
    integers = bool((values == np.floor(values)).all())
    by_fives = bool((values == 5 * np.floor(values / 5)).all())
    if low < 0 or high > (_SHORT_OF_INTEGERS if integers and not by_fives else _SHORT):
        return None
    top = next(top for top in _TOPS if high <= top)
    return (1.0 if low >= 1 and top > 1 else 0.0), float(top)


def refuse_scale(emission: AbstractEmission, values: np.ndarray, counts: np.ndarray | None, *, column: str) -> None:
    """Raise if a score is assumed to be from 0 to 100 and its values are on a shorter scale.

    Args:
        emission: the emission of the score.
        values: the scores of the log, NaN if missing; shape ``(N,)``.
        counts: number of completions that every value represents, shape ``(N,)``; None is one each.
        column: the file's name of the column.

    Raises:
        LogError: states the declaration that reads the scores.
    """
    if not isinstance(emission, ScoreEmission) or not emission.assumed or values.dtype == object:
        return
    there = ~np.isnan(values)
    number = int(there.sum() if counts is None else counts[there].sum())
    found = shorter_scale(np.unique(values[there])) if number >= _LEAST else None
    if found is None:
        return
    low, high = found
    name = emission.measurement
    declared = f"ScoreEmission({name!r}, bounds=({low:g}, {high:g}))"
    flags = (
        f"; flags are labels, LabelEmission({name!r}, [0, 1])" if set(np.unique(values[there])) <= {0.0, 1.0} else ""
    )
    raise LogError(
        f"none of the {grouped(number)} scores exceeds {values[there].max():g}, but the scale was assumed to be 0 to "
        "100",
        column=column,
        expected="scores on the scale of the emission",
        remedy=f"declare their scale, {declared}, to which named persona sets and the usual rule are rescaled{flags}; "
        "if the scale is 0 to 100, declare that, bounds=(0, 100)",
        argument="bounds",
    )


def refuse_sentinel(emission: AbstractEmission, account: Account, *, column: str) -> None:
    """Raise if -1 was assumed to mean *missing* although it is a value of the emission.

    Raises:
        LogError: states both declarations.
    """
    count = account.sentinels.get(emission.measurement, {}).get("-1", 0)
    if not count or not account.assumed_missing:
        return
    if isinstance(emission, ScoreEmission):
        is_value = emission.bounds[0] <= -1
    else:
        is_value = isinstance(emission, LabelEmission) and -1 in emission.values
    if is_value:
        raise LogError(
            f"{grouped(count)} value(s) -1 were read as missing, and -1 is on the declared scale",
            column=column,
            expected="a declaration of what -1 means",
            remedy="when reading the log, pass missing=() if -1 is a value, or missing=-1 if it means that there is "
            "none",
            argument="missing",
        )
