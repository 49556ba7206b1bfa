"""A judge's bounded score, cut into bins whose edges are the thresholds that matter.

Bins, not a density, because judges do not write densities: they prefer 92 over 85, pile up on 0, 30 and 100, and a
published rule such as ``aligned < 30`` must be answered exactly. Every cut says on which side a score that equals it
falls, so 30 is not below 30.
"""

import dataclasses
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from simulacra.formalism.display import card, listing
from simulacra.formalism.emissions.base import MISSING, AbstractEmission, OutOfRange
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.personas import Archetype

__all__ = ["Cut", "ScoreEmission"]

_CUT = re.compile(r"\s*(<=?)\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*")
_TENS = tuple(f"<{edge}" for edge in range(10, 100, 10))
# Finer bins of coherence split personas by style of writing instead of by intent, and the implied rates suffer.
_USUAL_CUTS = {"coherent": ("<=50",)}


@dataclasses.dataclass(frozen=True, order=True)
class Cut:
    """The split of a score's range into ``x < value`` (open) or ``x <= value`` (closed) and the rest.

    Attributes:
        value: the threshold, in units of the score.
        closed: whether a score that equals it falls below.
    """

    value: float
    closed: bool = False

    @classmethod
    def parse(cls, text: str) -> "Cut":
        """Read ``"<30"`` or ``"<=50"``.

        Raises:
            InputError: any other text.
        """
        match = _CUT.fullmatch(text)
        if match is None:
            raise InputError(f"Expected a cut such as '<30' or '<=50'; got {text!r}", argument="cuts")
        return cls(float(match[2]), closed=match[1] == "<=")

    def __str__(self) -> str:
        return f"{'<=' if self.closed else '<'}{_plain(self.value)}"


@dataclasses.dataclass(frozen=True, repr=False)
class ScoreEmission(AbstractEmission):
    """A score within bounds, in bins, with *missing* as a category of its own.

    Attributes:
        measurement: the column, for example ``"aligned"``.
        cuts: where bins end, as ``"<30"`` or ``"<=50"``; sorted here. Left out: tens (``<10`` .. ``<90``) scaled to
            the bounds, and for ``coherent`` the one cut ``<=50``, so that the usual rule
            ``aligned < 30 and coherent > 50`` is answered exactly.
        bounds: lowest and highest possible score, both included.

    Raises:
        InputError: bounds out of order, a cut outside them, or the same cut twice.

    Example:
        >>> ScoreEmission("coherent").categories
        ('[0, 50]', '(50, 100]', 'missing')
    """

    kind: ClassVar[str] = "score"
    measurement: str
    cuts: tuple[Cut, ...] = ()
    bounds: tuple[float, float] = (0.0, 100.0)

    def __init__(
        self,
        measurement: str,
        cuts: Sequence[str | Cut] | None = None,
        bounds: Sequence[float | int] = (0.0, 100.0),
    ) -> None:
        call = f"ScoreEmission({measurement!r})"
        expect_type(measurement, str, "measurement", "ScoreEmission", expected="the name of a column")
        ends: tuple[Any, ...] = tuple(bounds) if isinstance(bounds, (Sequence, np.ndarray)) else ()
        if len(ends) != 2 or not all(isinstance(end, numbers.Real) and math.isfinite(end) for end in ends):
            raise InputError(f"{call}: expected finite bounds (low, high); got {bounds!r}", argument="bounds")
        low, high = map(float, ends)
        if not low < high:
            raise InputError(
                f"{call}: expected finite bounds (low, high); got {bounds}",
                remedy="name the lower bound first",
                argument="bounds",
            )
        if cuts is not None:
            expected = "a list of cuts such as ['<30', '<=50']"
            expect_type(cuts, (list, tuple), "cuts", call, expected=expected)
            for cut in cuts:
                expect_type(cut, (str, Cut), "cuts", call, expected=expected)
        if cuts is None:
            cuts = tuple(_scaled(cut, low, high) for cut in _USUAL_CUTS.get(measurement, _TENS))
        parsed = sorted(Cut.parse(cut) if isinstance(cut, str) else cut for cut in cuts)
        outside = [str(cut) for cut in parsed if not low <= cut.value <= high]
        if outside or len(set(parsed)) < len(parsed) or not parsed:
            raise InputError(
                f"{call}: expected at least one cut, each once, within [{low:g}, {high:g}]; "
                f"got {[str(cut) for cut in parsed]}",
                argument="cuts",
            )
        object.__setattr__(self, "measurement", measurement)
        object.__setattr__(self, "cuts", tuple(parsed))
        object.__setattr__(self, "bounds", (low, high))

    def __repr__(self) -> str:
        low, high = map(_plain, self.bounds)
        cuts = listing((repr(str(cut)) for cut in self.cuts), 40)
        return card(f"{type(self).__name__}({self.measurement!r}, cuts=[{cuts}], bounds=({low}, {high}))")

    @property
    def categories(self) -> tuple[str, ...]:
        """Interval notation of every bin, then ``"missing"``."""
        low, high = self.bounds
        lefts = ["[" + _plain(low)] + [("(" if cut.closed else "[") + _plain(cut.value) for cut in self.cuts]
        rights = [_plain(cut.value) + ("]" if cut.closed else ")") for cut in self.cuts] + [_plain(high) + "]"]
        return (*(f"{left}, {right}" for left, right in zip(lefts, rights, strict=True)), MISSING)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Bin of every score, int, same shape; NaN is the last code.

        Raises:
            OutOfRange: a score outside the bounds.
        """
        scores = np.asarray(values, dtype=float)
        low, high = self.bounds
        outside = np.flatnonzero((scores < low) | (scores > high))
        if outside.size:
            index = int(outside[0])
            raise OutOfRange(
                f"{self.measurement}={scores[index]:g} is outside the declared range [{low:g}, {high:g}]",
                index=index,
                value=float(scores[index]),
            )
        codes = np.zeros(scores.shape, dtype=np.int64)
        for cut in self.cuts:
            codes += ~(scores <= cut.value if cut.closed else scores < cut.value)
        return np.where(np.isnan(scores), len(self.cuts) + 1, codes)

    def select(self, comparison: str, value: float | int | str) -> np.ndarray:
        """Bins that satisfy ``measurement <comparison> value``, bool of shape ``(J,)``.

        Raises:
            InputError: the threshold is no edge of the bins, or the comparison is none of ``< <= > >=``.
        """
        if isinstance(value, str):
            raise InputError(
                f"{self.measurement} {comparison} {value!r}: expected a number, since this is a score",
                argument="outcome",
            )
        if comparison not in ("<", "<=", ">", ">="):
            raise InputError(
                f"{self.measurement} {comparison} {value}: a binned score answers <, <=, > and >= only",
                remedy="use a LabelEmission where single values matter",
                argument="outcome",
            )
        threshold = float(value)
        edge = Cut(threshold, closed=comparison in ("<=", ">"))
        below = np.zeros(len(self.cuts) + 2, dtype=bool)
        low, high = self.bounds
        if edge in self.cuts:
            below[: self.cuts.index(edge) + 1] = True
        elif threshold > high or (threshold == high and edge.closed):
            below[:-1] = True
        elif not (threshold < low or (threshold == low and not edge.closed)):
            edges = ", ".join(map(str, self.cuts))
            enough = [str(cut) for cut in sorted({*self.cuts, edge})]
            raise InputError(
                f"{self.measurement} {comparison} {_plain(threshold)}: this threshold is no bin edge, so bins cannot "
                f"answer it. The edges are {edges}",
                remedy=f"add it: ScoreEmission({self.measurement!r}, cuts={enough})",
                argument="cuts",
            )
        answer = below if comparison in ("<", "<=") else ~below
        answer[-1] = False
        return answer

    def archetype_probabilities(self, archetype: Archetype) -> np.ndarray:
        """Mass of the archetype in every bin, read off its piecewise linear distribution function."""
        cumulative = np.concatenate([[0.0], np.cumsum(archetype.masses)])
        at_cuts = np.interp([cut.value for cut in self.cuts], np.asarray(archetype.knots, dtype=float), cumulative)
        scored = np.diff(np.concatenate([[0.0], at_cuts, [cumulative[-1]]]))
        masses = np.append(scored / cumulative[-1] * (1 - archetype.missing), archetype.missing)
        return masses / masses.sum()

    def draw(self, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Scores uniform within their bin, never on an edge; float, shape ``(n,)``, NaN for the last code."""
        edges = np.array([self.bounds[0], *(cut.value for cut in self.cuts), self.bounds[1]])
        scored = np.minimum(codes, len(edges) - 2)
        inside = rng.uniform(0.001, 0.999, len(codes))
        values = edges[scored] + inside * (edges[scored + 1] - edges[scored])
        return np.where(codes == len(edges) - 1, np.nan, values)

    def with_cuts(self, *cuts: str) -> "ScoreEmission":
        """The same score with more bin edges; edges that exist already are kept once."""
        return ScoreEmission(self.measurement, tuple({*self.cuts, *map(Cut.parse, cuts)}), self.bounds)

    def configuration(self) -> Mapping[str, object]:
        """``{"kind": "score", "measurement", "cuts", "bounds"}``."""
        return {
            "kind": self.kind,
            "measurement": self.measurement,
            "cuts": [str(cut) for cut in self.cuts],
            "bounds": list(self.bounds),
        }


def _scaled(cut: str, low: float, high: float) -> Cut:
    parsed = Cut.parse(cut)
    # 12 digits: 1 + 0.3 * 9 is to be 3.7, as a rule would write it, and not 3.6999999999999997.
    return Cut(float(f"{low + parsed.value / 100 * (high - low):.12g}"), parsed.closed)


def _plain(value: float) -> str:
    """A number as people write it, with all of its decimals."""
    return f"{value:.15g}"
