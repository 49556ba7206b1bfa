"""Judges that share errors: the joint answer of a family of judges, one factor of eq. (3).

Eq. (3) takes measurements as independent given the persona. Judges of one family, such as two models of one vendor, err
on the same completions, so that two of them are counted as two witnesses where they are hardly more than one. Their
joint answer has a probability for every combination of their categories under every persona, which allows for any
dependence within the family; between families, judges remain independent given the persona.

References:
    Uebersax (1999), Probit latent class analysis with dichotomous or ordered category measures: conditional
    independence/dependence models, doi:10.1177/01466219922031400; Hui & Walter (1980), Estimating the error rates of
    diagnostic tests, doi:10.2307/2530508 (two tests are identified by populations with different prevalences).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from simulacra.formalism.display import card, listing
from simulacra.formalism.emissions.base import MISSING, AbstractEmission, OutOfRange, rebuild_emission
from simulacra.formalism.emissions.labels import LabelEmission
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.personas import Archetype

__all__ = ["FamilyEmission", "joined_families"]

_MOST_CATEGORIES = 256
_BETWEEN = " / "


@dataclasses.dataclass(frozen=True, repr=False)
class FamilyEmission(AbstractEmission):
    """The joint answer of several judges, with a category for every combination of theirs.

    Rules of outcomes and gates name the judges, not the family.

    Attributes:
        measurement: name of the family, which is no column of the log.
        judges: the emissions of the judges, one column each.

    Raises:
        InputError: fewer than two judges, one twice, one that is a family, or more than 256 combinations.

    Example:
        >>> judges = [LabelEmission(name, ["no", "yes"]) for name in ("mini", "maxi")]
        >>> FamilyEmission("gpt", judges).categories[:4]
        ('no / no', 'no / yes', 'no / missing', 'yes / no')
    """

    kind: ClassVar[str] = "family"
    measurement: str
    judges: tuple[AbstractEmission, ...]

    def __init__(self, measurement: str, judges: Sequence[AbstractEmission]) -> None:
        call = f"FamilyEmission({measurement!r})"
        expect_type(measurement, str, "measurement", "FamilyEmission", expected="a name of the family")
        expect_type(judges, (list, tuple), "judges", call, expected="a list of emissions, one for each judge")
        for judge in judges:
            expect_type(judge, AbstractEmission, "judges", call, expected="emissions such as LabelEmission")
            if isinstance(judge, FamilyEmission):
                raise InputError(
                    f"{call}: {judge.measurement!r} is a family itself",
                    expected="emissions of single judges",
                    argument="judges",
                )
        names = [judge.measurement for judge in judges]
        size = math.prod(len(judge.categories) for judge in judges)
        if len(set(names)) < max(2, len(names)) or measurement in names or size > _MOST_CATEGORIES:
            raise InputError(
                f"{call}: its judges are {listing(names)}, with {size} combinations of categories",
                expected=f"two or more different judges with at most {_MOST_CATEGORIES} combinations, and another "
                "name for the family",
                argument="judges",
            )
        object.__setattr__(self, "measurement", measurement)
        object.__setattr__(self, "judges", tuple(judges))

    @property
    def parts(self) -> tuple[AbstractEmission, ...]:
        """The emissions of the judges."""
        return self.judges

    def __repr__(self) -> str:
        names = listing(part.measurement for part in self.parts)
        return card(f"FamilyEmission({self.measurement!r}: {names}; {len(self.categories)} categories)")

    @property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(len(part.categories) for part in self.parts)

    @property
    def categories(self) -> tuple[str, ...]:
        """Combinations of the judges' categories, the last judge's changing first; ``"missing"`` if all are."""
        codes = np.stack(np.unravel_index(np.arange(math.prod(self._sizes)), self._sizes), axis=1)
        words = (zip(self.parts, row, strict=True) for row in codes[:-1])
        return (*(_BETWEEN.join(part.categories[code] for part, code in each) for each in words), MISSING)

    def joint(self, codes: np.ndarray) -> np.ndarray:
        """Category code of every row, from those of the parts, int, shape ``(N, parts)``; shape ``(N,)``."""
        return np.asarray(np.ravel_multi_index(tuple(np.asarray(codes).T), self._sizes))

    def part_codes(self, name: str) -> np.ndarray:
        """The category code of one part in every category, int, shape ``(J,)``."""
        place = [part.measurement for part in self.parts].index(name)
        return np.asarray(np.unravel_index(np.arange(math.prod(self._sizes)), self._sizes)[place])

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Position of every combination, written as in :attr:`categories`; None gets the last code.

        Raises:
            OutOfRange: a text that is no combination.
        """
        known = {label: code for code, label in enumerate(self.categories)}
        flat = [MISSING if value is None else str(value) for value in np.ravel(np.asarray(values, dtype=object))]
        for index, value in enumerate(flat):
            if value not in known:
                raise OutOfRange(f"{self.measurement}={value!r} is no combination", index=index, value=value)
        return np.array([known[value] for value in flat], dtype=np.int64).reshape(np.shape(values))

    def select(self, comparison: str, value: float | int | str) -> np.ndarray:
        """Categories that equal a combination, or differ from it; rules usually name a judge.

        Raises:
            InputError: another comparison, or no such combination.
        """
        if comparison not in ("==", "!=") or value not in self.categories[:-1]:
            raise InputError(
                f"{self.measurement} {comparison} {value!r}: {self.measurement!r} is a family of judges",
                expected=f"a comparison with one of them: {', '.join(part.measurement for part in self.parts)}",
                argument="outcome",
            )
        equal = np.array([own == value for own in self.categories[:-1]])
        return np.append(equal if comparison == "==" else ~equal, False)

    def archetype_probabilities(self, archetype: Archetype) -> np.ndarray:
        """Mass of every combination; the archetype's knots must be the combinations themselves.

        Raises:
            InputError: the archetype has other values as knots.
        """
        return LabelEmission(self.measurement, self.categories[:-1]).archetype_probabilities(archetype)

    def draw(self, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The combination of every code, as text; None for the last code. Simulated logs have the judges' values."""
        del rng
        return np.array([*self.categories[:-1], None], dtype=object)[codes]

    def configuration(self) -> Mapping[str, object]:
        """``{"kind": "family", "measurement", "judges"}``, the judges as their configurations."""
        judges = [dict(judge.configuration()) for judge in self.judges]
        return {"kind": self.kind, "measurement": self.measurement, "judges": judges}

    @classmethod
    def from_configuration(cls, record: Mapping[str, Any]) -> "FamilyEmission":
        """Rebuild the emission and those of its judges."""
        return cls(str(record["measurement"]), [rebuild_emission(judge) for judge in record["judges"]])


def joined_families(
    emissions: Sequence[AbstractEmission], families: Mapping[str, Sequence[str]]
) -> list[AbstractEmission]:
    """The emissions with those of every family joined, in the place of its first judge.

    Args:
        emissions: one for each judge.
        families: the judges of every family, by its name.

    Raises:
        InputError: a judge that has no emission, or is in two families.
    """
    own = {emission.measurement: emission for emission in emissions}
    members = [judge for judges in families.values() for judge in judges]
    for judge in members:
        if judge not in own or members.count(judge) > 1:
            why = "two families" if judge in own else "a family, but not modelled"
            raise InputError(
                f"The judge {judge!r} is in {why}",
                expected=f"judges among {', '.join(own)}, each in one family at most",
                argument="families",
            )
    joined = {judges[0]: FamilyEmission(name, [own[judge] for judge in judges]) for name, judges in families.items()}
    first = {judge: joined.get(judge, emission) for judge, emission in own.items()}
    return [first[judge] for judge in own if judge in joined or judge not in members]
