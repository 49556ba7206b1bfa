"""Emissions of measurements that are given by name, with the categories that archetypes and rules need.

The name of a measurement is sufficient where everything else follows: a measurement whose archetypes are values is a
label with these values, any other a score with the usual bins, extended by the thresholds of the rules.
"""

from collections.abc import Iterable, Sequence

from simulacra.formalism.emissions.base import AbstractEmission, High
from simulacra.formalism.emissions.labels import LabelEmission
from simulacra.formalism.emissions.scores import Cut, ScoreEmission
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Outcome, Rule
from simulacra.formalism.personas import Persona

__all__ = ["emission_by_name", "rules_of", "with_thresholds"]


def emission_by_name(
    name: str,
    personas: Sequence[Persona],
    rules: Iterable[Rule] = (),
    *,
    bounds: Sequence[float | int] | None = None,
    cuts: Sequence[str] | None = None,
    high: High | None = None,
) -> AbstractEmission:
    """The emission of a measurement, by the archetypes of personas.

    Args:
        name: the measurement.
        personas: their archetypes decide whether it is a label or a score.
        rules: outcomes and gates, whose thresholds become bin edges of a score if ``cuts`` are not given.
        bounds: lowest and highest score.
        cuts: bin edges of a score.
        high: whether high values are good or bad.

    Raises:
        InputError: bounds or cuts of a label, or as from :class:`~simulacra.formalism.ScoreEmission`.
    """
    archetype = next((persona.scores[name] for persona in personas if name in persona.scores), None)
    if archetype is None or len(archetype.knots) > len(archetype.masses):
        score = ScoreEmission(name, cuts=cuts, bounds=bounds, high=high)
        return score if cuts is not None else with_thresholds(score, rules)
    if bounds is not None or cuts is not None:
        raise InputError(
            f"{name!r} has discrete values in this persona set, {list(archetype.knots)}, without range and cuts",
            remedy="leave these out, or choose another persona set",
            argument=("bounds", "cuts", "personas"),
        )
    return LabelEmission(name, archetype.knots, high=high)


def with_thresholds(score: ScoreEmission, rules: Iterable[Rule]) -> ScoreEmission:
    """The same score with the bin edges that decide rules; thresholds outside its bounds are left out."""
    low, high = score.bounds
    needed = [
        Cut.of(comparison, value)
        for rule in rules
        for name, comparison, value in rule.thresholds
        if name == score.measurement and not isinstance(value, str)
    ]
    inside = [cut for cut in needed if low <= cut.value <= high and cut not in (Cut(low), Cut(high, closed=True))]
    return score.with_cuts(*inside)


def rules_of(personas: Sequence[Persona], outcome: Outcome | None) -> list[Rule]:
    """The gates and evidence of personas, and the rule and denominator of an outcome."""
    texts = [text for each in personas for text in (*(gate.rule for gate in each.gates), each.evidence) if text]
    own = [] if outcome is None else [outcome.event, outcome.denominator]
    return [*map(Rule, texts), *(rule for rule in own if rule is not None)]
