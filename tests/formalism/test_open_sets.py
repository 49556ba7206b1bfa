"""Persona sets of a measurement that the model names."""

import numpy as np
import pytest

from simulacra.formalism import LabelEmission, PersonaMixture, ScoreEmission
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Rule


@pytest.mark.parametrize("bounds", [None, (1, 10)])
@pytest.mark.parametrize("name", ["evil", "judge score"])
def test_a_trait(name, bounds):
    emissions = [ScoreEmission(name, bounds=bounds), ScoreEmission("coherent", bounds=bounds)]
    model = PersonaMixture("trait", emissions=emissions)
    assert model.names == ("plain", "showing", "incoherent", "no-score")
    low, high = emissions[0].bounds
    codes = np.stack([each.encode(np.array([low, high, high])) for each in emissions], axis=1)
    codes[:, 1] = emissions[1].encode(np.array([high, high, low]))
    assert model.outcome.name == name
    assert model.outcome.event.holds(emissions, codes).tolist() == [False, True, False]
    trait = model.concentrations[0]
    assert trait[0].argmax() == 0
    assert trait[1].argmax() == len(emissions[0].categories) - 2
    alone = PersonaMixture("trait", emissions=emissions[:1])
    assert alone.names == ("plain", "showing", "no-score")
    assert alone.outcome.event.holds(emissions[:1], codes[:, :1]).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("name", "emission"), [("trait", ScoreEmission("evil")), ("event", LabelEmission("bad", [0, 1]))]
)
def test_a_residual_persona_is_added_by_name(name, emission):
    own, more = (PersonaMixture(each, emissions=[emission]) for each in (name, f"{name}+residual"))
    assert more.names == (*own.names, "residual")
    assert more.outcome == own.outcome


@pytest.mark.parametrize("values", [["False", "True"], ["yes", "no"], [0, 1], [1.0, 0.0]])
def test_an_event(values):
    emission = LabelEmission("misaligned", values)
    model = PersonaMixture("event", emissions=[emission])
    event = [value in ("True", "yes", 1) for value in values]
    assert model.outcome.event.holds([emission], np.array([[0], [1], [2]])).tolist() == [*event, False]
    assert model.concentrations[0][1].argmax() == event.index(True)


@pytest.mark.parametrize("bounds", [None, (1, 10)])
def test_a_trait_is_mirrored_if_high_values_are_good(bounds):
    usual = PersonaMixture("trait", emissions=[ScoreEmission("own", bounds=bounds, high="bad"), "coherent"])
    mirrored = PersonaMixture("trait", emissions=[ScoreEmission("own", bounds=bounds, high="good"), "coherent"])
    assert mirrored.names == usual.names
    for own, other in zip(mirrored.concentrations[0], usual.concentrations[0], strict=True):
        np.testing.assert_allclose(own[:-1], other[-2::-1])
    low, high = usual.emissions[0].bounds
    codes = np.stack([usual.emissions[0].encode(np.array([low, high])), [1, 1]], axis=1)
    assert usual.outcome.event.holds(usual.emissions, codes).tolist() == [False, True]
    assert mirrored.outcome.event.holds(mirrored.emissions, codes).tolist() == [True, False]


@pytest.mark.parametrize(
    ("grades", "high", "event", "clear"),
    [
        ([1, 2, 3, 4, 5], "bad", [4, 5], [1, 2]),
        ([1, 2, 3, 4, 5], "good", [1, 2], [4, 5]),
        ([0, 1, 2, 3], None, [2, 3], [0, 1]),
        ([-1, 0, 1], "bad", [1], [-1]),
        ([1, 2, 3, 4, 5, 6, 7], "bad", [5, 6, 7], [1, 2, 3]),
    ],
)
def test_a_likert_scale(grades, high, event, clear):
    emission = LabelEmission("harm", grades, high=high)
    model = PersonaMixture("likert", emissions=[emission])
    codes = np.arange(len(grades) + 1)[:, None]
    assert model.names == ("plain", "partial", "showing", "no-score")
    assert [
        grade for grade, holds in zip(grades, model.outcome.event.holds([emission], codes), strict=False) if holds
    ] == event
    plain, partial, showing, _ = model.personas
    assert [own for own, holds in zip(grades, holds_of(plain, emission, codes), strict=False) if holds] == clear
    assert holds_of(partial, emission, codes).tolist() == [False, *[True] * (len(grades) - 2), False, False]
    assert holds_of(showing, emission, codes)[:-1].tolist() == [grade in event for grade in grades]


def holds_of(persona, emission, codes):
    (gate,) = persona.gates
    return Rule(gate.rule).holds([emission], codes)


@pytest.mark.parametrize(
    "model",
    [
        PersonaMixture("trait", emissions=["evil"]),
        PersonaMixture("trait", emissions=["evil", "coherent"]),
        PersonaMixture("trait", emissions=[ScoreEmission("safety", bounds=(1, 7), high="good"), "coherent"]),
        *(PersonaMixture("likert", emissions=LabelEmission("harm", list(range(size)))) for size in range(3, 12)),
        PersonaMixture("event", emissions=LabelEmission("bad", ["no", "yes"])),
        PersonaMixture("event", emissions=LabelEmission("kind", ["A", "B", "C"]), outcome="kind != 'A'"),
    ],
    ids=lambda model: f"{model.names} {len(model.emissions[0].categories)}",
)
def test_every_persona_passes_its_gates_and_no_gate_of_another_at_its_archetype(model):
    tables = [table / table.sum(axis=1, keepdims=True) for table in model.concentrations]
    for gate in (gate for persona in model.personas for gate in persona.gates):
        holds = Rule(gate.rule).probability(model.emissions, tables)
        passed = [name for name, own in zip(model.names, holds, strict=True) if own >= gate.at_least]
        assert len(passed) >= 1, gate
    for index, persona in enumerate(model.personas):
        for other, owner in enumerate(model.personas):
            gates = [
                (Rule(gate.rule).probability(model.emissions, tables)[index], gate.at_least) for gate in owner.gates
            ]
            assert all(share >= least for share, least in gates) == (index == other), (persona.name, owner.name)


def test_a_flag_of_which_yes_is_good_and_an_event_that_the_outcome_names():
    good = PersonaMixture("event", emissions=LabelEmission("safe", ["no", "yes"], high="good"))
    assert good.outcome.rule == "safe == 'no'"
    named = PersonaMixture("event", emissions=LabelEmission("kind", ["OK", "BAD", "ODD"]), outcome="kind == 'BAD'")
    assert named.names == ("uneventful", "eventful", "no-score")
    assert named.concentrations[0][1].argmax() == 1
    assert named.outcome.name == "kind"
    with pytest.raises(InputError, match="holds for all values of 'kind' or for none"):
        PersonaMixture("event", emissions=LabelEmission("kind", ["OK", "BAD"]), outcome="missing(kind)")


@pytest.mark.parametrize("name", ["emergent-misalignment", "organism"])
def test_sets_for_alignment_refuse_an_inverted_score(name):
    emissions = [ScoreEmission("aligned", high="bad"), "coherent", *(["piracy"] if name == "organism" else [])]
    with pytest.raises(InputError, match="'aligned' are declared bad, but are good"):
        PersonaMixture(name, emissions=emissions)


@pytest.mark.parametrize(
    ("name", "emissions", "match"),
    [
        ("trait", [ScoreEmission("evil"), ScoreEmission("harm")], "needs one measurement"),
        ("trait", [LabelEmission("evil", [0, 1])], r"LabelEmission\('evil'\); expected one ScoreEmission"),
        ("event", [ScoreEmission("evil")], "expected one LabelEmission"),
        ("event", [LabelEmission("evil", ["good", "bad"])], "cannot tell which value"),
        ("event", [LabelEmission("evil", [0, 1, 2])], r"cannot tell which value .*outcome=\"evil == 2\""),
        ("likert", [LabelEmission("harm", ["low", "mid", "high"])], "needs grades in order"),
        ("likert", [LabelEmission("harm", [0, 1])], "three or more numbers"),
        ("likert", [LabelEmission("harm", [3, 2, 1])], "from the lowest to the highest"),
        ("likert", ["harm"], r"ScoreEmission\('harm'\); expected one LabelEmission"),
    ],
)
def test_what_does_not_fit_is_refused(name, emissions, match):
    with pytest.raises(InputError, match=match):
        PersonaMixture(name, emissions=emissions)
