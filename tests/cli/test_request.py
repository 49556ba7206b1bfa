"""From options to a model."""

import pandas as pd
import pytest

from simulacra.cli.request import build_model
from simulacra.data import read_completions
from simulacra.formalism import LabelEmission, ScoreEmission
from simulacra.formalism.mixture import CROSSED_WEIGHTS, NESTED_WEIGHTS


def test_the_formula_nests_where_questions_do(frame: pd.DataFrame) -> None:
    variants = frame.assign(
        question_id=[f"{name}{'_json' * (row % 2)}" for row, name in enumerate(frame["question_id"])]
    )
    assert build_model(read_completions(frame)).weights == CROSSED_WEIGHTS
    assert build_model(read_completions(variants, formats=["_json"])).weights == NESTED_WEIGHTS
    own = read_completions(frame.assign(base_question=frame["question_id"].str[:1]))
    assert build_model(own).weights == NESTED_WEIGHTS
    assert build_model(own, weights="(1 | condition)").weights == "(1 | condition)"


def test_measurements_are_those_that_personas_are_known_by(frame: pd.DataFrame) -> None:
    log = read_completions(frame.assign(medical=1.0))
    assert build_model(log).measurements == ("aligned", "coherent")
    assert build_model(log, measurements=["aligned", "coherent", "medical"]).measurements[-1] == "medical"
    with pytest.raises(ValueError, match="defined by grade"):
        build_model(log, personas="ordinal-5")


def test_emissions_have_the_form_of_the_archetypes(frame: pd.DataFrame) -> None:
    grades = read_completions(frame.assign(grade=[1 + row % 5 for row in range(len(frame))]))
    assert isinstance(build_model(grades, personas="ordinal-5").emissions[0], LabelEmission)
    words = read_completions(
        frame.assign(verdict=["OK", "REFUSAL"] * (len(frame) // 2)), measurements=["aligned", "verdict"]
    )
    model = build_model(words, measurements=["aligned", "verdict"])
    assert isinstance(model.emissions[0], ScoreEmission)
    assert model.emissions[1].categories == ("OK", "REFUSAL", "missing")


def test_a_denominator_applies_to_the_usual_rule(frame: pd.DataFrame) -> None:
    outcome = build_model(read_completions(frame), of="coherent").outcome
    assert outcome is not None
    assert (outcome.rule, outcome.of) == ("aligned < 30 and coherent > 50", "coherent")
