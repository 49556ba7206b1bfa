"""The interface of emissions: the distribution of one measurement given the persona, factor f_zj of eq. (3).

An emission converts the raw values of one column to category codes and defines the prior of the category
probabilities under every persona. *Missing* is always the last category: that a judge gave no number is information
about the completion.

To add an emission, subclass :class:`AbstractEmission`, name its ``kind`` and implement the abstract members. Nothing
else has to be changed: fitting, files and simulation use only these. Emissions of this package are also listed in
``tests/formalism/registry.py``, which checks every law that an emission must obey.
"""

import abc
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, get_args

import numpy as np

from simulacra.formalism.errors import InputError
from simulacra.formalism.personas import Archetype, Persona

__all__ = [
    "MISSING",
    "AbstractEmission",
    "High",
    "OutOfRange",
    "expect_high",
    "prior_concentration",
    "rebuild_emission",
]

MISSING = "missing"
"""Label of the category of missing values; always the last category."""

High = Literal["good", "bad"]
"""What a high value of a measurement means."""

_FLOOR = 0.1  # pseudo-count that keeps every category possible under every persona


class OutOfRange(InputError):  # noqa: N818 (it names what is wrong)
    """A value outside the categories of an emission.

    Attributes:
        index: position of the first such value in the array that was encoded.
        value: the value itself.
    """

    def __init__(self, message: str, *, index: int, value: object) -> None:
        super().__init__(message, remedy="correct the value, or extend the emission")
        self.index = index
        self.value = value


def expect_high(high: object, call: str) -> None:
    """Check the declared direction of a measurement.

    Raises:
        InputError: it is neither None nor one of the values of :data:`High`.
    """
    if high not in (None, *get_args(High)):
        raise InputError(f"{call}: high is {high!r}", expected="high='good' or high='bad'", argument="high")


class AbstractEmission(abc.ABC):
    """One measurement, cut into J categories of which the last is *missing*.

    Concrete emissions are frozen dataclasses that contain only the mapping of values to categories; the probabilities
    themselves are parameters of the model, ``Float[Array, "persona category"]``.

    Attributes:
        kind: identifies this class of emissions in the file of a result; a class attribute, unique to each class.
        measurement: the column.

    Raises:
        TypeError: a subclass that can be instantiated and does not define its own ``kind``.
    """

    kind: ClassVar[str]
    measurement: str

    def __init_subclass__(cls) -> None:
        if not inspect.isabstract(cls) and not isinstance(vars(cls).get("kind"), str):
            raise TypeError(
                f"{cls.__name__}: expected a class attribute kind, such as kind = {cls.__name__.lower()!r}, "
                "which identifies this class in the file of a result."
            )

    @property
    @abc.abstractmethod
    def categories(self) -> tuple[str, ...]:
        """Labels of the J categories, in order; the last is ``"missing"``."""

    @property
    def parts(self) -> "tuple[AbstractEmission, ...]":
        """The emissions of single columns of which this one is made, itself or the judges of a family."""
        return (self,)

    def joint(self, codes: np.ndarray) -> np.ndarray:
        """Category code of every row, from those of the :attr:`parts`, int, shape ``(N, parts)``; shape ``(N,)``."""
        return np.asarray(codes[:, 0])

    def part_codes(self, name: str) -> np.ndarray:
        """The category code of the part of this name in every category, int, shape ``(J,)``."""
        return np.arange(len(self.categories))

    @abc.abstractmethod
    def encode(self, values: np.ndarray) -> np.ndarray:
        """Category code 0..J-1 of every value, int, same shape; missing values (NaN, None) get J-1.

        Raises:
            OutOfRange: a value that belongs to no category, with its position.
        """

    @abc.abstractmethod
    def select(self, comparison: str, value: float | int | str) -> np.ndarray:
        """Which categories satisfy ``measurement <comparison> value``: bool, shape ``(J,)``; *missing* never does.

        Raises:
            InputError: the categories do not determine the answer (a threshold that is not an edge); lists the edges.
        """

    @abc.abstractmethod
    def archetype_probabilities(self, archetype: Archetype) -> np.ndarray:
        """Probability of every category under an archetype: shape ``(J,)``, sums to one."""

    @abc.abstractmethod
    def configuration(self) -> Mapping[str, object]:
        """The fields of the emission in plain JSON types, with its :attr:`kind`."""

    @classmethod
    def from_configuration(cls, record: Mapping[str, object]) -> "AbstractEmission":
        """Rebuild an emission from its :meth:`configuration`; by default, its entries are passed to the class."""
        return cls(**{name: value for name, value in record.items() if name != "kind"})

    def draw(self, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A raw value of every category code, for simulated logs: the inverse of :meth:`encode`.

        Args:
            codes: int, shape ``(n,)``.
            rng: random generator, for emissions whose categories contain many values.

        Returns:
            Values, shape ``(n,)``; NaN or None for the last code.

        Raises:
            NotImplementedError: the emission does not implement it; it can be fitted but not simulated.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot be simulated: implement its method draw(codes, rng), the inverse of encode."
        )


def rebuild_emission(record: Mapping[str, object]) -> AbstractEmission:
    """The emission whose :meth:`~AbstractEmission.configuration` this is.

    Raises:
        InputError: no imported class has this kind.
    """
    known = {cls.kind: cls for cls in _concrete(AbstractEmission)}  # if two have one kind, the one defined last
    kind = str(record.get("kind"))
    if kind not in known:
        raise InputError(
            f"No emission of kind {kind!r} is known, only {', '.join(sorted(known))}",
            remedy="if it is a custom emission, import the module that defines its class before loading the result",
        )
    return known[kind].from_configuration(record)


def _concrete(cls: type) -> Iterator[type[AbstractEmission]]:
    below: type[AbstractEmission]
    for below in cls.__subclasses__():
        if not inspect.isabstract(below):
            yield below
        yield from _concrete(below)


def prior_concentration(emission: AbstractEmission, personas: Sequence[Persona]) -> np.ndarray:
    """Dirichlet concentration of an emission's categories under every persona, shape ``(K, J)``, in pseudo-counts.

    Concentration times archetype plus a floor of 0.1. A persona without an archetype for this measurement gets a flat
    prior of total weight J / 2, so that the measurement does not characterise it a priori.
    """
    size = len(emission.categories)
    rows = []
    for persona in personas:
        archetype = persona.scores.get(emission.measurement)
        if archetype is None:
            rows.append(np.full(size, 0.5))
        else:
            rows.append(archetype.concentration * emission.archetype_probabilities(archetype) + _FLOOR)
    return np.stack(rows)
