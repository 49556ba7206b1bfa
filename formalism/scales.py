"""Persona sets and rules on the scale of a judge: a set defined from 0 to 100 for a score from 1 to 10, for example.

Scales are mapped linearly, end to end, archetypes and thresholds alike: ``aligned < 30`` on a scale from 0 to 100 is
``aligned < 3.7`` on a scale from 1 to 10.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeVar

from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.emissions.scores import ScoreEmission, on_scale
from simulacra.formalism.outcomes import COHERENT, Outcome, Rule
from simulacra.formalism.partitions import Partition
from simulacra.formalism.personas import Archetype, Persona

__all__ = ["bounds_of", "coherent_on_scale", "coherent_rule", "rescaled_personas", "rescaled_rule"]

Bounds = tuple[float, float]
_Rated = TypeVar("_Rated", bound=Outcome | Partition)


def bounds_of(emissions: Sequence[AbstractEmission]) -> dict[str, Bounds]:
    """The scale of every score among the emissions."""
    return {emission.measurement: emission.bounds for emission in emissions if isinstance(emission, ScoreEmission)}


def rescaled_rule(rule: str, scales: Mapping[str, Bounds], known: Mapping[str, Bounds] | None = None) -> str:
    """A rule with the thresholds of every measurement on its scale.

    Args:
        rule: a rule whose thresholds are on the known scales.
        scales: the scale of measurements; those of others do not change.
        known: the scales of the rule. Default: 0 to 100.
    """
    usual = (0.0, 100.0)
    known = {name: (known or {}).get(name, usual) for name in scales}
    if all(scales[name] == known[name] for name in scales):
        return rule
    return (
        Rule(rule)
        .with_thresholds(
            lambda name, value: on_scale(value, scales[name], known[name]) if name in scales else value,
        )
        .text
    )


def coherent_rule(scales: Mapping[str, Bounds]) -> str | None:
    """The rule of the denominator ``"coherent"`` on the scale of that score; None if it has none."""
    return rescaled_rule(COHERENT, {"coherent": scales["coherent"]}) if "coherent" in scales else None


def coherent_on_scale(outcome: _Rated, scales: Mapping[str, Bounds]) -> _Rated:
    """An outcome, or a partition, whose denominator ``"coherent"`` is on the scale of that score."""
    rule = coherent_rule(scales)
    return outcome if outcome.of != "coherent" or rule in (None, COHERENT) else dataclasses.replace(outcome, of=rule)


def rescaled_personas(personas: Sequence[Persona], scales: Mapping[str, Bounds]) -> tuple[Persona, ...]:
    """Personas with archetypes, gates and evidence on these scales.

    Args:
        personas: personas whose archetypes are defined on scales of their own, from their first knot to their last.
        scales: the scale of every score. Measurements whose archetypes are values instead of intervals do not change.
    """
    known = {
        name: (float(archetype.knots[0]), float(archetype.knots[-1]))
        for persona in personas
        for name, archetype in persona.scores.items()
        if len(archetype.knots) > len(archetype.masses)
    }
    moved = {name: bounds for name, bounds in scales.items() if known.get(name, bounds) != bounds}
    return tuple(_rescaled(persona, moved, known) for persona in personas) if moved else tuple(personas)


def _rescaled(persona: Persona, scales: Mapping[str, Bounds], known: Mapping[str, Bounds]) -> Persona:
    def moved(name: str, archetype: Archetype) -> Archetype:
        if name not in scales:
            return archetype
        return dataclasses.replace(
            archetype, knots=tuple(on_scale(float(knot), scales[name], known[name]) for knot in archetype.knots)
        )

    return dataclasses.replace(
        persona,
        scores={name: moved(name, archetype) for name, archetype in persona.scores.items()},
        gates=tuple(dataclasses.replace(gate, rule=rescaled_rule(gate.rule, scales, known)) for gate in persona.gates),
        evidence=persona.evidence and rescaled_rule(persona.evidence, scales, known),
        otherwise=persona.otherwise and _rescaled(persona.otherwise, scales, known),
    )
