"""A measurement with few values: a judge's grade from 1 to 5, or words such as ``REFUSAL`` and ``OK``."""

import dataclasses
import numbers
import operator
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from simulacra.formalism.display import card, listing
from simulacra.formalism.emissions.base import MISSING, AbstractEmission, High, OutOfRange, expect_high
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.personas import Archetype

__all__ = ["LabelEmission", "says_yes"]

_YES = ("true", "yes", "1")

_COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def says_yes(value: float | int | str) -> bool:
    """Whether a value of a flag means that the event happened: *yes*, *true* or 1."""
    return str(value).removesuffix(".0").casefold() in _YES


@dataclasses.dataclass(frozen=True, repr=False)
class LabelEmission(AbstractEmission):
    """A value from a short list, with *missing* as a separate category.

    Attributes:
        measurement: the column.
        values: the possible values, all numbers (an ordinal scale, in order) or all words.
        high: whether high values, or *yes* of a flag, are good or bad, if it is declared.

    Raises:
        InputError: fewer than two values, a value twice, numbers and words mixed, the word ``"missing"``, which is
            the name of the last category, or another value of ``high``.

    Example:
        >>> LabelEmission("grade", [1, 2, 3, 4, 5]).categories
        ('1', '2', '3', '4', '5', 'missing')
    """

    kind: ClassVar[str] = "label"
    measurement: str
    values: tuple[float | int | str, ...]
    high: High | None = None

    def __init__(self, measurement: str, values: Sequence[float | int | str], *, high: High | None = None) -> None:
        call = f"LabelEmission({measurement!r})"
        expect_high(high, call)
        expect_type(measurement, str, "measurement", "LabelEmission", expected="the name of a column")
        expect_type(values, (list, tuple), "values", call, expected="a list such as [1, 2, 3] or ['OK', 'REFUSAL']")
        for value in values:
            expect_type(value, (str, numbers.Real), "values", call, expected="numbers or words")
        words = [isinstance(value, str) for value in values]
        if len(set(values)) < max(2, len(values)) or (any(words) and not all(words)):
            raise InputError(
                f"{call}: expected two or more different values, all numbers or all words; got {list(values)}",
                argument="values",
            )
        if MISSING in values:
            raise InputError(
                f"{call}: {MISSING!r} is the category of missing values and always exists",
                remedy=f"remove it from the values, and pass missing=(-1, {MISSING!r}) when reading the log",
                argument=("values", "missing"),
            )
        object.__setattr__(self, "measurement", measurement)
        object.__setattr__(self, "values", tuple(values))
        object.__setattr__(self, "high", high)

    def __repr__(self) -> str:
        direction = f", high={self.high!r}" if self.high else ""
        return card(f"{type(self).__name__}({self.measurement!r}, [{listing(map(repr, self.values), 50)}]{direction})")

    @property
    def categories(self) -> tuple[str, ...]:
        """The values as text, then ``"missing"``."""
        return (*(value if isinstance(value, str) else f"{value:g}" for value in self.values), MISSING)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Position of every value in :attr:`values`, int; NaN and None get the last code.

        Raises:
            OutOfRange: a value that is not in the list.
        """
        import pandas as pd  # half of the import time of the package, needed only here

        raw = pd.Series(np.asarray(values).ravel())
        known = raw.map({value: code for code, value in enumerate(self.values)}).fillna(-1).to_numpy(dtype=np.int64)
        codes = np.where(raw.isna().to_numpy(), len(self.values), known)
        unknown = np.flatnonzero(codes < 0)
        if unknown.size:
            index = int(unknown[0])
            raise OutOfRange(
                f"{self.measurement}={raw[index]!r} is not one of the declared values {list(self.values)}",
                index=index,
                value=raw[index],
            )
        return codes.reshape(np.shape(values))

    def select(self, comparison: str, value: float | int | str) -> np.ndarray:
        """Categories that satisfy ``measurement <comparison> value``, bool of shape ``(J,)``.

        Raises:
            InputError: an order comparison of words, or equality with a value that is not in the list.
        """
        words = isinstance(self.values[0], str)
        if comparison not in _COMPARISONS or words != isinstance(value, str):
            raise InputError(
                f"{self.measurement} {comparison} {value!r}: expected a comparison with {self.values}",
                argument="outcome",
            )
        if comparison in ("==", "!="):
            if value not in self.values:
                raise InputError(
                    f"{self.measurement} {comparison} {value!r}: not one of the values {self.values}",
                    argument="outcome",
                )
        elif words:
            raise InputError(
                f"{self.measurement} {comparison} {value!r}: words have no order",
                remedy="use == or !=",
                argument="outcome",
            )
        return np.array([*(_COMPARISONS[comparison](own, value) for own in self.values), False])

    def archetype_probabilities(self, archetype: Archetype) -> np.ndarray:
        """Mass of every value; the archetype's knots must be the values themselves.

        Raises:
            InputError: the archetype has other values as knots.
        """
        if tuple(archetype.knots) != self.values or len(archetype.masses) != len(self.values):
            raise InputError(
                f"LabelEmission({self.measurement!r}): the archetype has the values {list(archetype.knots)}, "
                f"the emission has {list(self.values)}",
                remedy="give the persona an archetype with these values as knots",
                argument=("personas", "values"),
            )
        masses = np.asarray(archetype.masses) / np.sum(archetype.masses) * (1 - archetype.missing)
        return np.append(masses, archetype.missing)

    def draw(self, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The value of every code, objects, shape ``(n,)``; None for the last code."""
        return np.array([*self.values, None], dtype=object)[codes]

    def configuration(self) -> Mapping[str, object]:
        """``{"kind": "label", "measurement", "values"}``, and ``"high"`` if it is declared."""
        own = {"kind": self.kind, "measurement": self.measurement, "values": list(self.values)}
        return {**own, "high": self.high} if self.high else own
