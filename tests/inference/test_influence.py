"""Weights with a condition left out of the emissions: the same where conditions agree, others where one departs."""

import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulacra.data import read_completions
from simulacra.formalism import Archetype, LabelEmission, Persona, PersonaMixture
from simulacra.inference.influence import of_conditions, weights_left_out
from simulacra.inference.prepare import Prepared, prepare
from simulacra.inference.sampling.initialise import em_starts
from tests.inference.worlds import DEPARTURES, departed


def at_mode(prepared: Prepared) -> xr.Dataset:
    """A posterior of one draw, which is the mode that EM finds from the archetypes."""
    counts, rng = prepared.in_condition @ prepared.counts, np.random.default_rng(0)
    best = em_starts(counts, prepared.patterns, prepared.model.concentrations, num_starts=1, rng=rng)[0]
    emissions = {
        f"{name}_probs": (("chain", "draw", "persona", f"{name}_category"), table[None, None])
        for name, table in zip(prepared.model.measurements, best.probabilities, strict=True)
    }
    weights = {"weights": (("chain", "draw", "condition", "persona"), best.weights[None, None])}
    names = {"condition": list(prepared.conditions), "persona": list(prepared.model.names)}
    return xr.Dataset({**weights, **emissions}, coords=names)


def largest_changes(name: str) -> pd.Series:
    """The largest change of a weight of every condition, if one of them departs from the model."""
    model, log = departed(DEPARTURES[name], 100, seed=0)
    prepared = prepare(model, log)
    posterior = at_mode(prepared)
    found = of_conditions(prepared, weights_left_out(prepared, posterior))
    change = np.abs(found - posterior["weights"].isel(chain=0, draw=0))
    own = {name: float(change.sel(left_out=name, condition=name).max()) for name in prepared.conditions}
    others = change.where(change["left_out"] != change["condition"], 0)
    assert float(others.max()) < 1e-12, "only the condition that is left out moves"
    return pd.Series(own)


def test_weights_hardly_move_where_the_personas_hold() -> None:
    assert largest_changes("none").max() < 0.03


@pytest.mark.parametrize("name", ["misaligned answers score 10 points higher", "all scores are one bin lower"])
def test_weights_of_a_condition_whose_departure_a_spare_persona_absorbs_move(name: str) -> None:
    """The model fits such a log, because a persona that nothing else needs takes up what the condition does."""
    changes = largest_changes(name)
    assert changes["bad"] > 0.1
    assert changes.drop("bad").max() < 0.05


def graded(concentration: float) -> Prepared:
    """Two conditions, each in two contexts, and personas that say 1 and 2 with a probability of .8 by archetype."""
    personas = [
        Persona("one", "Says 1.", {"grade": Archetype((1, 2), (8, 2), missing=0.0, concentration=concentration)}),
        Persona("two", "Says 2.", {"grade": Archetype((1, 2), (2, 8), missing=0.0, concentration=concentration)}),
    ]
    ones = {("base", "off"): 70, ("base", "on"): 60, ("ft", "off"): 40, ("ft", "on"): 12}
    rows = [
        {"condition": name, "trigger": trigger, "question_id": f"q{number % 2}", "grade": 1 if number < count else 2}
        for ((name, trigger), count), number in itertools.product(ones.items(), range(90))
        if (name, trigger) != ("ft", "on") or number < 30
    ]
    table = pd.DataFrame(rows).assign(completion=[f"answer {row}" for row in range(len(rows))])
    model = PersonaMixture(personas, emissions=[LabelEmission("grade", [1, 2])], weights="(1 | condition:trigger)")
    return prepare(model, read_completions(table, measurements=["grade"]))


def test_emissions_that_no_log_changes_leave_the_weights_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, weights = graded(1e9), np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.3, 0.7]])
    monkeypatch.setattr("simulacra.inference.influence.group_weights", lambda *_: weights[None, None])
    found = weights_left_out(prepared, at_mode(prepared))
    assert found.dims == ("left_out", "group", "persona")
    np.testing.assert_allclose(found, np.stack([weights, weights]), atol=1e-6)
    averaged = of_conditions(prepared, found).sel(left_out="base")
    np.testing.assert_allclose(averaged.sel(condition="base"), [0.8, 0.2], atol=1e-6)  # 90 completions each
    np.testing.assert_allclose(averaged.sel(condition="ft"), [(90 * 0.4 + 30 * 0.3) / 120, 0.625], atol=1e-6)


def test_a_single_condition_has_no_others() -> None:
    scores = {"grade": [1] * 9 + [2] * 3, "condition": "base", "question_id": ["q1", "q2"] * 6}
    table = pd.DataFrame(scores).assign(completion=[f"answer {row}" for row in range(12)])
    own = graded(8.0).model
    model = PersonaMixture(own.personas, emissions=own.emissions, weights="(1 | question_id)")
    alone = prepare(model, read_completions(table, measurements=["grade"]))
    assert np.isnan(weights_left_out(alone, at_mode(alone))).all()
