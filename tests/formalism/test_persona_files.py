"""Personas in TOML files: what is written is read again, and what cannot be read is refused with file and key."""

import re

import pytest

from simulacra.formalism import PERSONA_SETS, InputError, LabelEmission, PersonaMixture, ScoreEmission, persona_set
from simulacra.formalism.persona_files import format_personas, read_personas

FILE = """
outcome = "flattery >= 65"

[[personas]]
name = "plain"
description = "Answers without flattery."
gates = [{ rule = "flattery < 40", at_least = 0.6 }]
[personas.scores.flattery]
knots = [0, 20, 60, 100]
masses = [0.8, 0.15, 0.05]
[personas.scores.tone]
knots = ["dry", "sweet"]
masses = [0.9, 0.1]

[[personas]]
name = "sycophant"
description = "Agrees and flatters."
gates = [{ rule = "flattery >= 60", at_least = 0.6 }]
[personas.scores.flattery]
knots = [0, 40, 80, 100]
masses = [0.05, 0.25, 0.7]
concentration = 50
"""


def test_what_a_file_says(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(FILE)
    model = PersonaMixture.from_toml(path, baseline="untuned")
    assert model.names == ("plain", "sycophant")
    assert (model.outcome.rule, model.outcome.name, model.baseline) == ("flattery >= 65", "flattery", "untuned")
    flattery, tone = model.emissions
    assert isinstance(flattery, ScoreEmission)
    assert flattery.bounds == (0, 100)
    assert "<65" in map(str, flattery.cuts)  # the threshold of the outcome
    assert tone == LabelEmission("tone", ["dry", "sweet"])
    sycophant = model.personas[1]
    assert sycophant.scores["flattery"].concentration == 50
    assert sycophant.scores["flattery"].missing == 0.005
    other = PersonaMixture.from_toml(path, emissions=["flattery"], outcome="flattery > 90")
    assert other.measurements == ("flattery",)
    assert "<=90" in map(str, other.emissions[0].cuts)


def test_declared_measurements(tmp_path):
    path = tmp_path / "my.toml"
    head = '[measurements.flattery]\nbounds = [0, 100]\nhigh = "bad"\ncuts = ["<40", "<60", "<65"]\n'
    path.write_text(FILE.replace("[[personas]]", head + "[[personas]]", 1))
    emission = read_personas(path).emissions["flattery"]
    assert emission == ScoreEmission("flattery", ["<40", "<60", "<65"], (0, 100), high="bad")


MODELS = {
    **{name: PersonaMixture(name, emissions=list(persona_set(name)[0].scores)) for name in PERSONA_SETS},
    "trait": PersonaMixture("trait", emissions=[ScoreEmission("evil", bounds=(1, 10), high="bad"), "coherent"]),
    "mirrored": PersonaMixture("trait", emissions=[ScoreEmission("own score", high="good")]),
    "likert": PersonaMixture("likert", emissions=LabelEmission("a.b", [1, 2, 3], high="good")),
    "event": PersonaMixture("event", emissions=LabelEmission('a "b" é', ["no", 'y"s']), outcome='`a "b" é` == \'y"s\''),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_written_is_read_again(name, tmp_path):
    model = MODELS[name]
    path = tmp_path / "my.toml"
    path.write_text(format_personas(model.personas, model.emissions, model.outcome), encoding="utf-8")
    again = PersonaMixture.from_toml(path)
    assert again.personas == model.personas
    assert again.emissions == model.emissions
    assert again.outcome == model.outcome


ERRORS = {
    "not TOML": ("name plain", r"my\.toml: cannot be read as personas: .*line 1"),
    "no personas": ("outcome = 'a < 3'", r"my\.toml: the key 'personas' is missing"),
    "personas are a table": ("[personas]\nname = 'a'", r"my\.toml: personas: is \{.*expected a list"),
    "unknown key": (FILE.replace("gates", "gate"), r"my\.toml: personas\[0\]: the key 'gate' .*did you mean 'gates'"),
    "no description": (FILE.replace("description", "sentence"), r"personas\[0\]: the key 'sentence' is unknown"),
    "a name that is a number": (
        FILE.replace('"plain"', "3"),
        r"personas\[0\]\.name: Persona: name is 3; expected text",
    ),
    "a gate without probability": (
        FILE.replace('"flattery >= 60", at_least = 0.6', '"flattery >= 60"'),
        r"personas\[1\] \(sycophant\)\.gates\[0\]: the key 'at_least' is missing",
    ),
    "a rule that cannot be read": (
        FILE.replace('"flattery >= 60"', '"flattery >> 60"'),
        r"personas\[1\] \(sycophant\)\.gates\[0\]: Rule 'flattery >> 60'",
    ),
    "masses of another length": (
        FILE.replace("masses = [0.8, 0.15, 0.05]", "masses = [0.8]"),
        r"\(plain\)\.scores\.flattery: Archetype: .* 4 knots and 1 masses",
    ),
    "one mass": (FILE.replace("[0.8, 0.15, 0.05]", "1"), r"\(plain\)\.scores\.flattery\.masses: is 1; expected a list"),
    "misspelt masses": (FILE.replace("masses", "mases"), r"scores\.flattery: the key 'mases' .*did you mean 'masses'"),
    "an outcome that cannot be read": (FILE.replace(">= 65", "=> 65"), r"my\.toml: outcome: Rule 'flattery => 65'"),
    "bounds of a label": (
        FILE.replace(
            "[[personas]]", "[measurements.tone]\nvalues = ['dry', 'sweet']\nbounds = [0, 1]\n[[personas]]", 1
        ),
        r"measurements\.tone \(a label\): the key 'bounds' is unknown",
    ),
    "a gate on another measurement": (
        FILE.replace('"flattery < 40"', '"flatery < 40"'),
        r"\(plain\)\.gates\[0\]: Rule 'flatery < 40' uses 'flatery', .* one of flattery, tone; did you mean 'flattery'",
    ),
    "a gate between bin edges": (
        FILE.replace("[[personas]]", "[measurements.flattery]\ncuts = ['<60', '<65']\n[[personas]]", 1),
        r"\(plain\)\.gates\[0\]: flattery < 40: this threshold is not a bin edge",
    ),
    "an outcome between bin edges": (
        FILE.replace("[[personas]]", "[measurements.flattery]\ncuts = ['<40', '<60']\n[[personas]]", 1),
        r"my\.toml: outcome: flattery >= 65: this threshold is not a bin edge",
    ),
    "an archetype of other values": (
        FILE.replace("[[personas]]", "[measurements.tone]\nvalues = ['sour', 'sweet']\n[[personas]]", 1),
        r"\(plain\)\.scores\.tone: .*dry",
    ),
    "an archetype of a measurement that only the other persona of a name has": (
        FILE + '[personas.otherwise]\nname = "mild"\ndescription = "Is mild."\n'
        "[personas.otherwise.scores.warmth]\nknots = [0, 50, 100]\nmasses = [0.5, 0.5]\n",
        r"otherwise \(mild\): scores describe 'warmth', which is not a measurement of this file; expected one of",
    ),
    "evidence of another measurement": (
        FILE.replace('name = "plain"', 'name = "plain"\nevidence = "missing(aligned)"'),
        r"\(plain\)\.evidence: .* uses 'aligned'",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_file_and_key(case, tmp_path):
    text, match = ERRORS[case]
    path = tmp_path / "my.toml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        PersonaMixture.from_toml(path)
    assert re.search(match, str(raised.value), flags=re.DOTALL), raised.value
    assert str(path) in str(raised.value)
    assert raised.value.argument == ("personas",)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.toml: cannot be read as personas: .*No such file"):
        read_personas(tmp_path / "nowhere.toml")
