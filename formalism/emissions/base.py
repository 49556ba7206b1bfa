"""What every emission is: one measurement's distribution given the persona, factor f_zj of eq. (3).

An emission turns raw values of one column into category codes and says what a priori is believed about the
probability of every category under every persona. *Missing* is always the last category: a judge that gave no number
said something about the completion.

To add an emission, subclass :class:`AbstractEmission`, write the five abstract members, and list it in the registry
of ``tests/formalism/registry.py``, which checks every law an emission must obey.
"""

import abc
from collections.abc import Mapping, Sequence

import numpy as np

from simulacra.formalism.personas import Archetype, Persona

__all__ = ["MISSING", "AbstractEmission", "OutOfRange", "prior_concentration"]

MISSING = "missing"
"""Label of the category that a missing value belongs to; always the last category."""

_FLOOR = 0.1  # pseudo-count that keeps every category possible under every persona


class OutOfRange(ValueError):  # noqa: N818 (it names what is wrong)
    """A value that the emission cannot hold.

    Attributes:
        index: position of the first such value in the array that was encoded.
        value: the value itself.
    """

    def __init__(self, message: str, *, index: int, value: object) -> None:
        super().__init__(message)
        self.index = index
        self.value = value


class AbstractEmission(abc.ABC):
    """One measurement, cut into J categories of which the last is *missing*.

    Concrete emissions are frozen dataclasses that hold only how values map to categories; the probabilities
    themselves are parameters of the model, ``Float[Array, "persona category"]``.
    """

    measurement: str

    @property
    @abc.abstractmethod
    def categories(self) -> tuple[str, ...]:
        """Labels of the J categories, in order; the last is ``"missing"``."""

    @abc.abstractmethod
    def encode(self, values: np.ndarray) -> np.ndarray:
        """Category code 0..J-1 of every value; missing values (NaN, None) get J-1.

        Raises:
            OutOfRange: a value that belongs to no category, with its position.
        """

    @abc.abstractmethod
    def select(self, comparison: str, value: float | int | str) -> np.ndarray:
        """Which categories satisfy ``measurement <comparison> value``: bool, shape ``(J,)``; *missing* never does.

        Raises:
            ValueError: the categories cannot tell (a threshold that is no edge), with the edges that exist.
        """

    @abc.abstractmethod
    def archetype_probabilities(self, archetype: Archetype) -> np.ndarray:
        """Probability of every category under an archetype: shape ``(J,)``, sums to one."""

    @abc.abstractmethod
    def configuration(self) -> Mapping[str, object]:
        """What rebuilds the emission, in plain JSON types."""


def prior_concentration(emission: AbstractEmission, personas: Sequence[Persona]) -> np.ndarray:
    """Dirichlet concentration of an emission's categories under every persona, shape ``(K, J)``, in pseudo-counts.

    Concentration times archetype plus a floor of 0.1. A persona with no archetype for this measurement gets a flat
    one of total weight J / 2: the measurement then neither names nor separates it a priori.
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
