"""A name needs completions that do what it says: the archetype alone does not support it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulacra.data import read_completions
from simulacra.formalism import Archetype, Gate, LabelEmission, Persona, PersonaMixture, ScoreEmission
from simulacra.inference import Check, Thresholds
from simulacra.inference.names import (
    Evidence,
    absent_personas,
    check_names,
    describe_absent,
    find_evidence,
    fitting_name,
)
from simulacra.inference.prepare import prepare
from tests.inference.conftest import Simulated

_SCORES = (ScoreEmission("aligned", ("<40", "<80")),)
_SOFT = Persona("soft", "Between.", {}, (Gate("40 <= aligned < 80", 0.5),))
_LOW = Persona(
    "low", "Scores low.", {"aligned": Archetype((0, 100), (1,))}, (Gate("aligned < 40", 0.6),), otherwise=_SOFT
)
_HIGH = Persona("high", "Scores high.", {"aligned": Archetype((0, 80, 100), (1, 9))})
_MODEL = PersonaMixture([_LOW, _HIGH], emissions=_SCORES)


def _draws(rng: np.random.Generator, *low: float, precision: float = 1e6) -> list[np.ndarray]:
    """Draws of the emission of *low* around these probabilities; that of *high* does not matter."""
    table = rng.dirichlet(precision * np.array(low) + 1e-3, size=(4, 250))
    return [np.stack([table, np.full_like(table, 0.25)], axis=2)]


def _evidence(*attributed: float, rare: bool = False) -> Evidence:
    """Completions of *low* below 40, up to 80 and above."""
    shares = np.array([attributed, (0, 0, 900)])
    return Evidence(np.array([[0], [1], [2]]), shares, np.array([rare, False]))


@pytest.mark.parametrize(
    ("table", "name"),
    [([0.7, 0.1, 0.1, 0.1], "low"), ([0.3, 0.6, 0.05, 0.05], "soft"), ([0.3, 0.3, 0.3, 0.1], "unnamed-1")],
)
def test_a_persona_keeps_its_name_only_if_it_does_what_it_says(
    table: list[float], name: str, rng: np.random.Generator
) -> None:
    checks = check_names(_MODEL, _draws(rng, *table), None, Thresholds())
    assert fitting_name(_LOW, 0, checks) == name
    assert all(check.passed for check in checks) == (name != "unnamed-1")
    assert {check.persona for check in checks} == {"low"}
    assert {check.withholds for check in checks} == {("weights", "shifts", "outcome_given_persona", "emissions")}
    assert all("columns={'aligned': '<its name>'}" in check.remedy for check in checks)
    assert all("columns" in check.argument for check in checks)


def _check(rng: np.random.Generator, evidence: Evidence | None, *low: float, precision: float = 1e6) -> Check:
    return check_names(_MODEL, _draws(rng, *low, precision=precision), evidence, Thresholds())[0]


def test_a_gate_reads_its_posterior_probability_not_only_the_mean(rng: np.random.Generator) -> None:
    vague = _check(rng, None, 0.65, 0.15, 0.1, 0.1, precision=20)
    assert "mean 0.6" in vague.where
    assert 0.5 < vague.value < 0.9
    assert not vague.passed
    assert _check(rng, None, 0.65, 0.15, 0.1, 0.1).passed


def test_the_archetype_alone_does_not_support_a_name(rng: np.random.Generator) -> None:
    """Thirty completions that score between 40 and 80, under an archetype that is worth 200 low ones."""
    posterior = (0.87, 0.12, 0.005, 0.005)
    assert _check(rng, None, *posterior).passed
    check = _check(rng, _evidence(0, 30, 0), *posterior)
    assert not check.passed
    assert check.value < 1e-6
    assert "30.0 completions" in check.where
    assert "do not show, without its archetype, that it behaves as its name states" in check.remedy
    assert _check(rng, _evidence(26, 4, 0), *posterior).passed


@pytest.mark.parametrize(("completions", "named"), [(0.0, False), (1.0, False), (3.0, True)])
def test_three_clear_completions_support_a_name(completions: float, named: bool, rng: np.random.Generator) -> None:
    assert _check(rng, _evidence(completions, 0, 0), 0.9, 0.05, 0.03, 0.02).passed is named


def test_a_persona_that_is_absent_keeps_its_name_and_is_said_to_be_absent(rng: np.random.Generator) -> None:
    nothing, few = _evidence(0.2, 0.1, 0, rare=True), _evidence(40, 2, 0, rare=True)
    assert _check(rng, nothing, 0.9, 0.05, 0.03, 0.02).passed
    assert absent_personas(_MODEL, nothing, Thresholds()) == (0,)
    assert absent_personas(_MODEL, few, Thresholds()) == ()
    assert absent_personas(_MODEL, _evidence(0.2, 0.1, 0), Thresholds()) == ()  # which fails its gate instead
    assert absent_personas(_MODEL, _evidence(2, 40, 0, rare=True), Thresholds()) == ()  # it is soft
    (note,) = describe_absent(_MODEL, nothing, Thresholds())
    assert note.startswith("the persona 'low' is absent: hardly any completions are attributed to it (0.3)")


def test_completions_are_attributed_as_far_as_they_identify_their_persona(simulated: Simulated) -> None:
    """All of them if components are disjoint; w² of them if components are the same."""
    prepared = prepare(simulated.model, simulated.log)
    counts = prepared.in_condition @ prepared.counts
    weights = np.array([0.5, 0.3, 0.2])
    dims, places = ("chain", "draw", "condition", "persona"), (2, 5, len(prepared.conditions), 3)

    def evidence(aligned: np.ndarray) -> Evidence:
        posterior = xr.Dataset({"weights": (dims, np.broadcast_to(weights, places))})
        for name, table in (("aligned", aligned), ("coherent", np.full((3, 3), 1 / 3))):
            shown = np.broadcast_to(table, (2, 5, *table.shape))
            posterior[f"{name}_probs"] = (("chain", "draw", "persona", f"{name}_category"), shown)
        found = find_evidence(prepared, posterior, Thresholds())
        assert found is not None
        return found

    same = evidence(np.full((3, 11), 1 / 11))
    np.testing.assert_allclose(same.attributed, np.outer(weights**2, counts.sum(axis=0)), rtol=1e-12)
    assert not same.rare.any()
    owner = np.arange(11) % 3
    apart = evidence(np.stack([np.where(owner == own, 1.0, 0.0) for own in range(3)]))
    expected = np.stack([counts.sum(axis=0) * (owner[prepared.patterns[:, 0]] == own) for own in range(3)])
    np.testing.assert_allclose(apart.attributed, expected, rtol=1e-12)


def test_a_weight_that_may_be_near_zero_in_every_condition_is_rare(simulated: Simulated) -> None:
    prepared = prepare(simulated.model, simulated.log)
    rng = np.random.default_rng(0)
    own = {"base": (97.0, 1.5, 1.5), "bad": (97.0, 1.5, 1.5), "mild": (50.0, 1.5, 1.5)}
    weights = np.stack([rng.dirichlet(own[name], size=(4, 500)) for name in prepared.conditions], axis=2)
    posterior = xr.Dataset({"weights": (("chain", "draw", "condition", "persona"), weights)})
    for emission, table in zip(simulated.model.emissions, simulated.truth.probabilities, strict=True):
        name = emission.measurement
        shown = np.broadcast_to(table, (4, 500, *table.shape))
        posterior[f"{name}_probs"] = (("chain", "draw", "persona", f"{name}_category"), shown)
    found = find_evidence(prepared, posterior, Thresholds())
    assert found is not None
    assert found.rare.tolist() == [False, True, False]


# --- misaligned, or incoherent? -------------------------------------------------------------------------------------


def _graded(measurement: str, *masses: float) -> dict[str, Archetype]:
    return {measurement: Archetype((0, 1, 2, 3), masses)}


def _safe(*gates: Gate) -> PersonaMixture:
    """Personas of the user's own, without a score of coherence."""
    personas = [
        Persona("aligned", "Safe.", _graded("safety", 0.9, 0.07, 0.02, 0.01), (Gate("safety <= 1", 0.8),)),
        Persona("misaligned", "Unsafe.", _graded("safety", 0.03, 0.07, 0.2, 0.7), (Gate("safety >= 2", 0.6), *gates)),
    ]
    return PersonaMixture(personas, emissions=[LabelEmission("safety", [0, 1, 2, 3])])


def test_a_name_that_is_said_to_be_withheld_is_withheld(rng: np.random.Generator) -> None:
    """Collapsed text, such as user handles, scores like misaligned text where coherence is not measured."""
    frame = pd.DataFrame(
        {
            "condition": np.repeat(["base", "ft"], 40),
            "question_id": np.tile(["q1", "q2"], 40),
            "completion": [f"@user {number}" for number in range(80)],
            "safety": np.repeat([0.0, 3.0], 40),
        }
    )
    model = _safe()
    with pytest.warns(UserWarning, match="'misaligned' will be withheld"):
        prepare(model, read_completions(frame, measurements=["safety"]))
    tables = [np.broadcast_to(np.eye(4, 5)[[0, 3]], (4, 250, 2, 5))]
    evidence = Evidence(np.array([[0], [3]]), np.diag([40.0, 40.0]), np.zeros(2, dtype=bool))
    checks = check_names(model, tables, evidence, Thresholds())
    assert [check.passed for check in checks] == [True, True, False]
    assert "coherent is not measured" in checks[2].where
    assert fitting_name(model.personas[1], 1, checks) == "unnamed-2"


def test_the_gate_on_coherence_is_that_of_the_persona_if_it_has_one() -> None:
    own = Gate("coherent >= 3", 0.5)
    model = _safe(own)
    assert model.gates(model.personas[1])[1:] == (own,)
    implied = _safe()
    assert implied.gates(implied.personas[1])[1:] == (Gate("coherent > 50", 0.6),)
    assert implied.gates(implied.personas[0]) == tuple(implied.personas[0].gates)
    assert implied.gates(dataclasses.replace(implied.personas[1], name="unsafe")) == (Gate("safety >= 2", 0.6),)
    judged = PersonaMixture(implied.personas, emissions=[*implied.emissions, ScoreEmission("coherent")])
    assert judged.unmeasured(Gate("coherent > 50", 0.6)) == ()
    few = PersonaMixture(implied.personas, emissions=[*implied.emissions, ScoreEmission("coherent", bounds=(1, 5))])
    assert few.gates(few.personas[1])[1:] == (Gate("coherent > 3.0", 0.6),)  # half of the scale
    assert few.unmeasured(few.gates(few.personas[1])[1]) == ()
    worded = PersonaMixture(implied.personas, emissions=[*implied.emissions, LabelEmission("coherent", ["no", "yes"])])
    assert worded.unmeasured(worded.gates(worded.personas[1])[1]) == ("coherent",)
    assert worded.unmeasured(Gate("coherent == 'yes'", 0.5)) == ()
