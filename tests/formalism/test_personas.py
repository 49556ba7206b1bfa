"""Archetypes, persona sets, and the mixtures that they may form."""

import dataclasses

import pytest

from simulacra.formalism import (
    PERSONA_SETS,
    Archetype,
    LabelEmission,
    Outcome,
    Persona,
    PersonaMixture,
    ScoreEmission,
    persona_set,
)
from simulacra.formalism.outcomes import Rule

_JUDGED = (ScoreEmission("aligned"), ScoreEmission("coherent"))
_GRADED = (LabelEmission("grade", [1, 2, 3, 4, 5]),)
_EMISSIONS = {
    "emergent-misalignment": _JUDGED,
    "emergent-misalignment-6": _JUDGED,
    "organism": [*_JUDGED, ScoreEmission("piracy")],
    "ordinal-5": _GRADED,
}


@pytest.mark.parametrize("name", PERSONA_SETS)
def test_shipped_sets_are_mixtures_that_pass_their_own_gates(name: str) -> None:
    """The archetypes themselves do what their names say, by the margin that the gates ask of a fit."""
    model = PersonaMixture(name, emissions=_EMISSIONS[name])
    assert model.names == tuple(persona.name for persona in persona_set(name))
    means = [table / table.sum(axis=1, keepdims=True) for table in model.concentrations]
    for index, persona in enumerate(model.personas):
        assert persona.gates
        for gate in persona.gates:
            assert Rule(gate.rule).probability(model.emissions, means)[index] >= gate.at_least, (persona.name, gate)


def test_archetypes_of_labels_can_be_written_for_a_score() -> None:
    PersonaMixture("ordinal-5", emissions=[LabelEmission("grade", [1.0, 2.0, 3.0, 4.0, 5.0])])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0.0, 1.0), (1.0, 2.0, 3.0)), "one knot more than masses .* got 2 knots and 3 masses"),
        (((0.0, 1.0, 2.0, 3.0), (1.0,)), "got 4 knots and 1 masses"),
        (((0.0,), ()), "got 1 knots and 0 masses"),
        (((0.0, 1.0), (-1.0,)), "masses >= 0 with a positive sum"),
        (((0.0, 1.0), (0.0,)), "masses >= 0 with a positive sum"),
        (((0.0, 1.0), (float("inf"),)), "masses >= 0 with a positive sum"),
        (((0.0, 1.0), (1.0,), 1.0), r"missing in \[0, 1\)"),
        (((0.0, 1.0), (1.0,), -0.1), r"missing in \[0, 1\)"),
        (((0.0, 1.0), (1.0,), 0.1, 0), "concentration > 0"),
    ],
)
def test_archetypes_refuse(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Archetype(*arguments)


def test_an_unknown_set_is_answered_with_those_that_ship() -> None:
    with pytest.raises(ValueError, match="no persona set 'emergent'; the shipped sets are emergent-misalignment, "):
        persona_set("emergent")
    with pytest.raises(ValueError, match=r"ordinal-5, trait, likert, event, judges\. Did you mean 'organism'\?$"):
        persona_set("organsim")


def _persona(name: str, *masses: float) -> Persona:
    return Persona(name, "Made for a test.", {"aligned": Archetype((0.0, 50.0, 100.0), masses)})


@pytest.mark.parametrize(
    ("personas", "emissions", "message"),
    [
        ([_persona("a", 1, 2)], _JUDGED, r"two or more personas with different names; got \['a'\]"),
        ([_persona("a", 1, 2), _persona("a", 2, 1)], _JUDGED, "different names"),
        ([_persona("a", 1, 2), _persona("b", 1, 2)], _JUDGED, "'a' and 'b' cannot be distinguished"),
        ([_persona("a", 1, 2), _persona("b", 2, 1)], (ScoreEmission("coherent"),), "cannot be distinguished"),
        ([_persona("a", 1, 2), _persona("b", 1.5, 2)], _JUDGED, "'a' and 'b' .* overlap by 0.996 .at most 0.96"),
        ([_persona("a", 1, 2), _persona("b", 2, 1)], (), "at least one; got"),
        ([_persona("a", 1, 2), _persona("b", 2, 1)], (*_JUDGED, _JUDGED[0]), "one emission for each measurement"),
    ],
)
def test_mixtures_refuse(personas: list, emissions: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PersonaMixture(personas, emissions=emissions)


def test_the_usual_outcome_needs_its_measurements() -> None:
    two = [_persona("a", 1, 2), _persona("b", 2, 1)]
    assert PersonaMixture(two, emissions=_JUDGED).outcome == Outcome("aligned < 30 and coherent > 50")
    assert PersonaMixture(two, emissions=_JUDGED[:1]).outcome == Outcome("aligned < 30")
    assert PersonaMixture("ordinal-5", emissions=_GRADED).outcome is None
    own = Outcome("aligned < 10", name="very")
    assert PersonaMixture(two, emissions=_JUDGED, outcome=own).outcome == own


def test_the_usual_outcome_is_not_asked_of_another_scale() -> None:
    """On a scale from 0 to 10 every score is below 30: a rate of one would be nonsense."""
    personas = [
        Persona("a", "Low.", {"aligned": Archetype((0.0, 5.0, 10.0), (2, 1))}),
        Persona("b", "High.", {"aligned": Archetype((0.0, 5.0, 10.0), (1, 2))}),
    ]
    assert PersonaMixture(personas, emissions=[ScoreEmission("aligned", bounds=(0, 10))]).outcome is None


def test_a_model_says_which_personas_of_a_set_it_lacks() -> None:
    whole = PersonaMixture("emergent-misalignment+residual", emissions=["aligned", "coherent"])
    assert whole.set_in_words == ""
    assert " without " not in repr(whole)
    kept = [each for each in whole.personas if each.name not in ("incoherent", "mid")]
    assert whole.with_personas(kept).set_in_words == "emergent-misalignment without mid, incoherent"
    assert "set: emergent-misalignment without mid, incoherent\n" in repr(whole.with_personas(kept))
    other = dataclasses.replace(kept[0], description="Somebody else.")
    assert whole.with_personas([other, *kept[1:]]).set_in_words == ""


def test_with_personas_changes_nothing_else() -> None:
    model = PersonaMixture(emissions=_JUDGED, weights="(1 | condition)", baseline="b", outcome=Outcome("aligned < 10"))
    fewer = model.with_personas(model.personas[:2])
    assert fewer.names == model.names[:2]
    assert (fewer.emissions, fewer.weights, fewer.baseline, fewer.outcome) == (
        model.emissions,
        model.weights,
        model.baseline,
        model.outcome,
    )
