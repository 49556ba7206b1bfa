"""Persona sets of a measurement that the model names."""

import numpy as np
import pytest

from simulacra.formalism import LabelEmission, PersonaMixture, ScoreEmission
from simulacra.formalism.errors import InputError


@pytest.mark.parametrize("bounds", [None, (1, 10)])
@pytest.mark.parametrize("name", ["evil", "judge score"])
def test_a_trait(name, bounds):
    emissions = [ScoreEmission(name, bounds=bounds), ScoreEmission("coherent", bounds=bounds)]
    model = PersonaMixture("trait", emissions=emissions)
    assert model.names == ("plain", "showing", "incoherent")
    low, high = emissions[0].bounds
    codes = np.stack([each.encode(np.array([low, high, high])) for each in emissions], axis=1)
    codes[:, 1] = emissions[1].encode(np.array([high, high, low]))
    assert model.outcome.name == name
    assert model.outcome.event.holds(emissions, codes).tolist() == [False, True, False]
    trait = model.concentrations[0]
    assert trait[0].argmax() == 0
    assert trait[1].argmax() == len(emissions[0].categories) - 2
    alone = PersonaMixture("trait", emissions=emissions[:1])
    assert alone.names == ("plain", "showing")
    assert alone.outcome.event.holds(emissions[:1], codes[:, :1]).tolist() == [False, True, True]


@pytest.mark.parametrize("values", [["False", "True"], ["yes", "no"], [0, 1], [1.0, 0.0]])
def test_an_event(values):
    emission = LabelEmission("misaligned", values)
    model = PersonaMixture("event", emissions=[emission])
    event = [value in ("True", "yes", 1) for value in values]
    assert model.outcome.event.holds([emission], np.array([[0], [1], [2]])).tolist() == [*event, False]
    assert model.concentrations[0][1].argmax() == event.index(True)


@pytest.mark.parametrize(
    ("name", "emissions", "match"),
    [
        ("trait", [ScoreEmission("evil"), ScoreEmission("harm")], "needs one measurement"),
        ("trait", [LabelEmission("evil", [0, 1])], r"LabelEmission\('evil'\); expected one ScoreEmission"),
        ("event", [ScoreEmission("evil")], "expected one LabelEmission"),
        ("event", [LabelEmission("evil", ["good", "bad"])], "cannot tell which value"),
        ("event", [LabelEmission("evil", [0, 1, 2])], "cannot tell which value"),
    ],
)
def test_what_does_not_fit_is_refused(name, emissions, match):
    with pytest.raises(InputError, match=match):
        PersonaMixture(name, emissions=emissions)
