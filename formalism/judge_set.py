"""Persona set of several judges of one question: the true classes of completions, as Dawid and Skene estimate them.

A persona is a true class, and what it does to a judge is the judge's confusion: P(verdict | class), a row for every
class. Eq. (1) is then the model of Dawid & Skene with weights that depend on the condition, instead of one prevalence
for all. Verdicts that are missing, because a judge abstained or failed, are a category of their own. Judges that share
errors are joined in families (:class:`~simulacra.formalism.FamilyEmission`).

Three judges or families are needed: the verdicts of two determine neither's errors, unless the share of a class
differs between conditions.

References:
    Dawid & Skene (1979), Maximum likelihood estimation of observer error-rates using the EM algorithm,
    doi:10.2307/2346806; Allman, Matias & Rhodes (2009), Identifiability of parameters in latent structure models,
    doi:10.1214/09-AOS689 (three views).
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.emissions.labels import LabelEmission, says_yes
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Outcome, quoted
from simulacra.formalism.personas import Archetype, Gate, Persona

__all__ = ["judge_set", "judges_in", "majority"]

_LEAST_JUDGES, _MOST_VALUES = 3, 7
_RIGHT, _ABSTAINS, _WEAK = 0.75, 0.02, 10.0
"""Share of right verdicts and of missing ones that is expected of a judge, and its weight in completions: judges may be
as good or as bad as the log says."""
_USUAL, _RARER = 0.5, 0.3  # probability of the right majority that a class needs for its name; of three values or more


def judges_in(emissions: Sequence[AbstractEmission]) -> list[AbstractEmission]:
    """The emissions of single judges, in families or not."""
    return [part for emission in emissions for part in emission.parts]


def majority(judges: Sequence[str], value: float | int | str) -> str:
    """The rule that more than half of the judges say ``value``."""
    says = [f"{quoted(name)} == {value!r}" for name in judges]
    most = itertools.combinations(says, len(judges) // 2 + 1)
    return " or ".join(f"({' and '.join(each)})" for each in most)


def judge_set(emissions: Sequence[AbstractEmission]) -> tuple[tuple[Persona, ...], Outcome | None]:
    """A persona for every value that the judges may give, and the event that most of them say yes, if that is one.

    Args:
        emissions: labels with the same values, at least three, in families or not.

    Raises:
        InputError: other emissions, fewer judges, or a single family.
    """
    judges = judges_in(emissions)
    labels = [judge for judge in judges if isinstance(judge, LabelEmission)]
    values = labels[0].values if labels else ()
    if (
        len(labels) < max(_LEAST_JUDGES, len(judges))
        or len(emissions) < 2
        or any(label.values != values for label in labels)
        or len(values) > _MOST_VALUES
    ):
        found = ", ".join(f"{type(each).__name__}({each.measurement!r})" for each in judges) or "none"
        raise InputError(
            f"The persona set 'judges' needs several judges of the same question; the emissions are: {found}",
            expected=f"labels of {_LEAST_JUDGES} judges or more, not all of one family, with the same "
            f"{_MOST_VALUES} values or fewer",
            argument=("emissions", "families"),
        )
    names = [judge.measurement for judge in judges]
    least = _USUAL if len(values) == 2 else _RARER
    personas = tuple(
        Persona(
            f"class {labels[0].categories[index]}",
            f"The true verdict is {labels[0].categories[index]}.",
            {emission.measurement: _confusion(emission, index) for emission in emissions},
            (Gate(majority(names, value), least),),
        )
        for index, value in enumerate(values)
    )
    return personas, _event(labels)


def _confusion(emission: AbstractEmission, true: int) -> Archetype:
    """The archetype of the verdicts of a judge, or of a family, on completions of a class."""
    masses = np.ones(1)
    for part in emission.parts:
        size = len(part.categories) - 1
        own = np.full(size, (1 - _RIGHT) / (size - 1))
        own[true] = _RIGHT
        masses = np.outer(masses, np.append((1 - _ABSTAINS) * own, _ABSTAINS)).ravel()
    knots = emission.values if isinstance(emission, LabelEmission) else emission.categories[:-1]
    shares = tuple(float(mass) for mass in masses[:-1] / math.fsum(masses[:-1]))
    return Archetype(knots, shares, missing=float(masses[-1]), concentration=_WEAK)


def _event(labels: Sequence[LabelEmission]) -> Outcome | None:
    """The event that most judges say yes; None if no value, or not one of two, means yes."""
    values = labels[0].values
    yes = [value for value in values if says_yes(value)]
    if len(values) != 2 or len(yes) != 1:
        return None
    return Outcome(majority([label.measurement for label in labels], yes[0]), name=f"most judges say {yes[0]}")
