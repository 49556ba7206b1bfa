"""Larger persona sets are fitted to what the fitted personas leave unexplained, and the one that passes is named."""

import functools

import numpy as np
import pandas as pd
import pytest

from simulacra.analysis import try_persona_sets
from simulacra.analysis.alternatives import alternatives_in_words
from simulacra.data import read_completions
from simulacra.formalism import (
    RESIDUAL,
    InputError,
    Outcome,
    Persona,
    PersonaMixture,
    ScoreEmission,
    persona_set,
)
from simulacra.formalism.scales import bounds_of, rescaled_personas
from simulacra.inference import Result, Thresholds, fit
from tests.inference.conftest import simulate


@functools.cache
def fit_milder() -> Result:
    """Three personas; in one condition, what is misaligned is half as severe: many of its scores are in the middle."""
    world = simulate()
    table = world.log.table[["condition", "question_id", "completion", "aligned", "coherent"]].copy()
    own = (table["condition"] == "bad") & (table["aligned"] < 30)
    table["aligned"] = table["aligned"].where(~own, table["aligned"] + 22)
    thresholds = Thresholds(r_hat=1.1, ess=50)
    settings = {"num_warmup": 200, "num_samples": 200, "progress_bar": False, "thresholds": thresholds}
    # Three personas cannot account for this log, and there is a second mode: with seed 0 a chain moves to it on some
    # platforms, so that R-hat fails.
    return fit(world.model, read_completions(table), seed=1, **settings)


@pytest.mark.long
def test_the_set_that_accounts_for_the_log_is_named() -> None:
    sets = {"+residual": (*fit_milder().model.personas, RESIDUAL)}  # below: that it is one of the usual sets
    found = try_persona_sets(fit_milder(), sets).set_index("personas")
    assert list(found) == ["number", "unexplained", "unexplained_in", "failed", "passed"]
    assert not found.loc["as fitted", "passed"]
    assert found.loc["as fitted", "unexplained_in"] == "bad"
    assert found.loc["as fitted", "unexplained"] == fit_milder().unexplained()["unexplained"].max()
    assert found.loc["+residual", "passed"]
    assert found.loc["+residual", "number"] == 4
    assert found["unexplained"].idxmax() == "as fitted"


def test_the_words_name_what_is_left() -> None:
    rows = [
        ("as fitted", 0.08, "bad", "", False),
        ("larger", 0.031, "bad, mild", "", False),
        ("mixed", 0.05, "bad", "name: mid", False),
        ("+residual", 0.01, "", "", True),
    ]
    table = pd.DataFrame(rows, columns=["personas", "unexplained", "unexplained_in", "failed", "passed"])
    assert alternatives_in_words(table) == (
        "other persona sets were fitted to the same counts, briefly: 'larger' leaves 3.1% of bad, mild unexplained; "
        "'mixed' leaves 5.0% of bad unexplained and fails name: mid; '+residual' passes all checks of the personas."
    )


@pytest.mark.long
def test_sets_of_ones_own() -> None:
    found = try_persona_sets(fit_milder(), {"same": fit_milder().model.personas}, seed=1)
    assert found["personas"].tolist() == ["as fitted", "same"]
    assert found["passed"].tolist() == [False, False]
    np.testing.assert_allclose(found["unexplained"][0], found["unexplained"][1], atol=0.01)


def test_a_residual_persona_is_added_by_name() -> None:
    assert persona_set("ordinal-5+residual") == (*persona_set("ordinal-5"), RESIDUAL)
    with pytest.raises(InputError, match="There is no persona set 'ordinal'"):
        persona_set("ordinal+residual")


@pytest.mark.long
def test_a_shipped_set_is_on_the_scale_of_the_scores_and_one_that_cannot_be_fitted_is_named() -> None:
    """With bins from 1 to 10 that do not decide the gates of the larger sets, nothing is raised and nothing is lost."""
    frame = simulate().log.table[["condition", "question_id", "completion", "aligned", "coherent"]].copy()
    for name in ("aligned", "coherent"):
        frame[name] = (1 + 9 * frame[name] / 100).clip(1, 10)
    emissions = [ScoreEmission("aligned", ["<3.7"], bounds=(1, 10)), ScoreEmission("coherent", bounds=(1, 10))]
    personas = [Persona(each.name, each.description, each.scores) for each in simulate().model.personas]
    scaled = rescaled_personas(personas, bounds_of(emissions))
    model = PersonaMixture(scaled, emissions=emissions, outcome=Outcome("aligned < 3.7"))
    settings = {"num_warmup": 200, "num_samples": 50, "progress_bar": False}
    result = fit(model, read_completions(frame), thresholds=Thresholds(r_hat=10.0, ess=1), **settings)
    found = try_persona_sets(result).set_index("personas")
    assert {"emergent-misalignment", "emergent-misalignment-6", "+residual"} <= set(found.index)
    assert found.loc["emergent-misalignment", "failed"].startswith("cannot be fitted (")
    assert "'emergent-misalignment' cannot be fitted (" in alternatives_in_words(found.reset_index())
    with pytest.raises(InputError):
        try_persona_sets(result, {"own": persona_set("emergent-misalignment")})
