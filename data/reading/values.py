"""Reading the values of one column: numbers, text, missing values, or a judge's token probabilities."""

import ast
import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.reading.formats.sheet import is_probabilities

__all__ = [
    "MISSING_NUMBERS",
    "VERDICTS",
    "Numbers",
    "as_text",
    "holds_probabilities",
    "read_numbers",
    "sentinels",
    "tidy_context",
    "tidy_words",
]

MISSING_NUMBERS = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>"})
"""Words, in lower case, that programs write in place of a missing number."""


VERDICTS = ("REFUSAL", "CODE", "INCOHERENT", "PARSE_FAIL")
"""Words that judges give in place of a score: among numbers they are missing scores, and are kept separately."""


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A column read as numbers.

    Attributes:
        numbers: float64, shape ``(N,)``; NaN if missing or not a number.
        text: bool, shape ``(N,)``: values that are present and are not numbers.
        parsed: bool, shape ``(N,)``: numbers that were written as text.
        words: words read as missing, with their counts.
    """

    numbers: np.ndarray
    text: np.ndarray
    parsed: np.ndarray
    words: dict[str, int]

    @property
    def share(self) -> float:
        """Proportion of numbers among the values that are present, in [0, 1]; 0 if there are none."""
        numbers = int((~np.isnan(self.numbers)).sum())
        return numbers / max(1, numbers + int(self.text.sum()))


def read_numbers(values: np.ndarray, missing: tuple[str, ...] = ()) -> Numbers:
    """Read a column as numbers.

    Args:
        values: numbers, or objects of str, numbers and None; shape ``(N,)``.
        missing: further words that mean *missing*.
    """
    if values.dtype != object:
        return Numbers(values.astype(np.float64), np.zeros(len(values), bool), np.zeros(len(values), bool), {})
    codes, unique = _factorize(values)
    absent = MISSING_NUMBERS | {word.strip().casefold() for word in missing}
    numbers = np.full(len(unique) + 1, np.nan)  # the last entry is for code -1, a missing value
    kind = np.zeros(len(unique) + 1, dtype="<U1")
    for index, value in enumerate(unique):
        word = isinstance(value, str)
        if word and value.strip().casefold() in absent:
            kind[index] = "m" if value.strip() else ""
            continue
        try:
            numbers[index] = _number(value)
            kind[index] = "p" if word else "n"
        except (ValueError, OverflowError):
            kind[index] = "t"
    kinds = kind[codes]
    tally = np.bincount(codes[kinds == "m"], minlength=len(unique)) if len(unique) else np.zeros(0, dtype=int)
    words = {str(unique[index]): int(tally[index]) for index in np.flatnonzero(tally)}
    return Numbers(numbers[codes], kinds == "t", kinds == "p", words)


def _number(value: object) -> float:
    """A number, correctly rounded; forms that only Python accepts (``1_000``, other scripts' digits) are rejected."""
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise ValueError(value)
    return float(value)  # type: ignore[arg-type]


def sentinels(missing: int | float | str | Sequence[int | float | str]) -> tuple[int | float | str, ...]:
    """The values that mean *missing*, one or several."""
    return (missing,) if isinstance(missing, (int, float, str)) else tuple(missing)


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
    """A context column, shape ``(N,)``: int64 or float64 if all are numbers, otherwise objects of str and None."""
    found = read_numbers(values)
    if found.text.any() or np.isnan(found.numbers).any():
        return as_text(values)
    whole = np.isfinite(found.numbers).all() and (np.floor(found.numbers) == found.numbers).all()
    return found.numbers.astype(np.int64) if whole else found.numbers


def _factorize(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes and distinct values; the code of a missing value is -1, the last entry of an array one element longer."""
    codes, unique = pd.factorize(values)
    return codes, np.asarray(unique)
