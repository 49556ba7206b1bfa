"""Reading the values of one column: numbers, text, missing values, or a judge's token probabilities."""

import ast
import dataclasses
import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.reading.formats.sheet import is_probabilities

__all__ = [
    "MISSING_NUMBERS",
    "USUAL_SENTINEL",
    "VERDICTS",
    "Numbers",
    "as_text",
    "holds_probabilities",
    "is_usual_sentinel",
    "read_numbers",
    "sentinels",
    "tidy_context",
    "tidy_words",
]

MISSING_NUMBERS = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>"})
"""Words, in lower case, that programs write in place of a missing number."""

USUAL_SENTINEL = -1
"""The number that programs write if a judge gave no score."""

VERDICTS = ("REFUSAL", "CODE", "INCOHERENT", "PARSE_FAIL")
"""Words that judges give in place of a score: among numbers they are missing scores, and are kept separately."""


_EXACT = 2**53  # integers up to this one are exact in float64
_SHORT_SCALE = 3  # -1, 0, 1, 2, 3 may be a scale, or grades from 0 to 3 and a sentinel
_WHOLE = re.compile(r"0|-?[1-9]\d{0,18}")
_IDENTIFIER = re.compile(r"[+-]?(0\d+|\d+[eE][+-]?\d+|\d{17,})")


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A column read as numbers.

    Attributes:
        numbers: float64, shape ``(N,)``; NaN if missing or not a number.
        text: bool, shape ``(N,)``: values that are present and are not numbers.
        parsed: bool, shape ``(N,)``: numbers that were written as text.
        words: words read as missing, with their counts.
        identifiers: bool, shape ``(N,)``: numbers written as identifiers are, ``00123`` or ``123e45``, and integers
            that float64 does not represent exactly.
    """

    numbers: np.ndarray
    text: np.ndarray
    parsed: np.ndarray
    words: dict[str, int]
    identifiers: np.ndarray

    @property
    def share(self) -> float:
        """Proportion of numbers among the values that are present, in [0, 1]; 0 if there are none."""
        numbers = int((~np.isnan(self.numbers)).sum())
        return numbers / max(1, numbers + int(self.text.sum()))


def read_numbers(
    values: np.ndarray, missing: tuple[str, ...] = (), decimal: str = ".", count: np.ndarray | None = None
) -> Numbers:
    """Read a column as numbers.

    Args:
        values: numbers, or objects of str, numbers and None; shape ``(N,)``.
        missing: further words that mean *missing*.
        decimal: the decimal mark of numbers written as text.
        count: number of rows that every value represents, int64, shape ``(N,)``; one each by default.
    """
    if values.dtype != object:
        nothing = np.zeros(len(values), dtype=bool)
        large = np.abs(values) > _EXACT if values.dtype.kind == "i" else nothing
        return Numbers(values.astype(np.float64), nothing, nothing, {}, large)
    codes, unique = _factorize(values)
    absent = MISSING_NUMBERS | {word.strip().casefold() for word in missing}
    numbers = np.full(len(unique) + 1, np.nan)  # the last entry is for code -1, a missing value
    kind = np.zeros(len(unique) + 1, dtype="<U1")
    identifier = np.zeros(len(unique) + 1, dtype=bool)
    for index, value in enumerate(unique):
        word = isinstance(value, str)
        if word and value.strip().casefold() in absent:
            kind[index] = "m" if value.strip() else ""
            continue
        try:
            numbers[index] = _number(value, decimal)
        except (ValueError, OverflowError):
            kind[index] = "t"
            continue
        kind[index] = "p" if word else "n"
        identifier[index] = _IDENTIFIER.fullmatch(value.strip()) if word else isinstance(value, int) and _large(value)
    kinds = kind[codes]
    weights = np.ones(len(values), dtype=np.int64) if count is None else count
    tally = np.zeros(len(unique) + 1, dtype=np.int64)
    np.add.at(tally, codes[kinds == "m"], weights[kinds == "m"])
    words = {str(unique[index]): int(tally[index]) for index in np.flatnonzero(tally)}
    return Numbers(numbers[codes], kinds == "t", kinds == "p", words, identifier[codes])


def _number(value: object, decimal: str) -> float:
    """A number, correctly rounded; forms that only Python accepts (``1_000``, other scripts' digits) are rejected."""
    if isinstance(value, str):
        value = value.strip()
        if "_" in value or not value.isascii():
            raise ValueError(value)
        if decimal != ".":
            if "." in value:
                raise ValueError(value)
            value = value.replace(decimal, ".")
    return float(value)  # type: ignore[arg-type]


def _large(value: int) -> bool:
    return abs(value) > _EXACT


def sentinels(
    missing: int | float | str | Sequence[int | float | str] | None,
) -> tuple[int | float | str, ...] | None:
    """The values that mean *missing*, one or several; None if none were declared."""
    return (missing,) if isinstance(missing, (int, float, str)) else None if missing is None else tuple(missing)


def is_usual_sentinel(numbers: np.ndarray) -> bool:
    """Whether -1 means *missing* in a column for which nothing was declared.

    It does if it is the only negative value, unless the other values are on a scale that could contain it: at most
    1, or integers from 0 to at most 3.

    Args:
        numbers: float64, shape ``(N,)``; NaN if missing.
    """
    there = np.unique(numbers[~np.isnan(numbers)])
    others = there[there != USUAL_SENTINEL]
    if len(others) == len(there) or not others.size:
        return bool(there.size)
    if others[0] < 0:
        return False
    low, high, integers = others[0], others[-1], (others == np.floor(others)).all()
    return bool(high > (_SHORT_SCALE if integers and low == 0 else 1))


def holds_probabilities(values: np.ndarray) -> bool:
    """Whether a column, shape ``(N,)``, contains a judge's token probabilities: ``"{'0': 0.99, '1': 4.8e-06}"``."""
    if values.dtype != object:
        return False
    sample = [value for value in values[:10_000] if isinstance(value, str) and value.strip()][:20]
    return bool(sample) and all(value.lstrip().startswith("{") and _is_probabilities(value) for value in sample)


def _is_probabilities(text: str) -> bool:
    try:
        return is_probabilities(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # "{{}}", or nested too deeply
        return False


def as_text(values: np.ndarray) -> np.ndarray:
    """Names and identifiers as str, objects of shape ``(N,)``: 3 and 3.0 are ``"3"``, empty values are None."""
    codes, unique = _factorize(values)
    names = np.empty(len(unique) + 1, dtype=object)
    for index, value in enumerate(unique):
        whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
        names[index] = str(int(value)) if whole else str(value)
    names[names == ""] = None
    text: np.ndarray = names[codes]
    return text


def tidy_words(values: np.ndarray, missing: tuple[str, ...] = ()) -> np.ndarray:
    """A categorical measurement, shape ``(N,)``: text without outer spaces; empty values and ``missing`` are None."""
    codes, unique = _factorize(values)
    words = np.empty(len(unique) + 1, dtype=object)
    for index, value in enumerate(unique):
        word = str(value).strip()
        words[index] = None if not word or word in missing else word
    text: np.ndarray = words[codes]
    return text


def tidy_context(values: np.ndarray) -> np.ndarray:
    """A context column, shape ``(N,)``: int64 or float64 if all are numbers, otherwise objects of str and None.

    Text is a number only if the number is written as that text again: ``3`` and ``0.5`` are, ``007``, ``1e3``, ``1.10``
    and integers beyond int64 stay text.
    """
    if values.dtype.kind == "i":
        return values
    codes, unique = _factorize(values)
    exact = [_exact(value) for value in unique]
    numbers = [number for number in exact if number is not None]
    if not numbers or len(numbers) < len(exact) or (codes < 0).any():
        return as_text(values)
    whole = [int(number) for number in numbers if isinstance(number, int) or number.is_integer()]
    if len(whole) == len(numbers) and all(-(2**63) <= number < 2**63 for number in whole):
        return np.array(whole, dtype=np.int64)[codes]
    if any(isinstance(number, int) and _large(number) for number in numbers):
        return as_text(values)
    return np.array(numbers, dtype=np.float64)[codes]


def _exact(value: object) -> int | float | None:
    """The finite number that a value is or that its text writes exactly; None if there is none."""
    if not isinstance(value, str):
        number = value.item() if isinstance(value, np.generic) else value
        if isinstance(number, float):
            return number if math.isfinite(number) and (abs(number) < _EXACT or not number.is_integer()) else None
        return number if isinstance(number, int) else None
    text = value.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and repr(number) == text else None


def _factorize(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes and distinct values; the code of a missing value is -1, the last entry of an array one element longer."""
    codes, unique = pd.factorize(values)
    return codes, np.asarray(unique)
