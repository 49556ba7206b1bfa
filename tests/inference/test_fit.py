"""The one call: what it refuses, what it changes and says, and that it leaves JAX as it found it."""

import re
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pandas as pd
import pytest

from simulacra.data import collapse, read_completions
from simulacra.formalism import LabelEmission, PersonaMixture, ScoreEmission, persona_set
from simulacra.inference import Result, Thresholds, fit
from simulacra.inference.fit import _describe_questions, _device_of_chains
from simulacra.inference.prepare import Prepared, prepare
from simulacra.inference.sampling import hmc
from simulacra.inference.sampling.problem import make_problem
from simulacra.inference.sampling.sample import Settings, Target
from tests.formalism.models import MODELS

_SHORT = {"num_warmup": 200, "num_samples": 50, "num_starts": 10, "progress_bar": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_warmup": 199}, "expected num_warmup >= 200"),
        ({"num_samples": 49}, "num_samples >= 50"),
        ({"num_chains": 1}, "one chain cannot be checked"),
        ({"num_starts": 9}, r"num_starts >= 10 \(fewer may miss a mode\)"),
        ({"target_accept_prob": 1.0}, r"expected target_accept_prob in \[0\.5, 1\); got 1\.0"),
        ({"target_accept_prob": 0.3}, "expected target_accept_prob in"),
    ],
)
def test_arguments_out_of_range(arguments: dict, message: str, simulated) -> None:
    with pytest.raises(ValueError, match=message):
        fit(simulated.model, simulated.log, **arguments)


def test_the_device_that_is_named_computed_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of JAX, which are those of NUTS and of texts with a joint calibration, run on its default device."""
    gpu = SimpleNamespace(platform="gpu", device_kind="a GPU", memory_stats=dict)
    monkeypatch.setattr(jax, "devices", lambda *_: [gpu])
    case = MODELS["score and label, cells"]
    counts = Target(make_problem(case.model, case.design, case.patterns, case.counts), None, [], None, 0.0)
    joint = counts._replace(calibration=SimpleNamespace())
    settings = Settings(0, 200, 50, 2, "hmc", "vectorized", 0.9, 10, "cpu")
    assert _device_of_chains(counts, settings) == "cpu"
    assert _device_of_chains(joint._replace(given=SimpleNamespace()), settings) == "cpu"
    for target, changes in ((counts, {"device": "gpu"}), (counts, {"engine": "nuts"}), (joint, {})):
        assert _device_of_chains(target, settings._replace(**changes)) == "a GPU"


def test_a_baseline_that_is_absent(simulated) -> None:
    model = PersonaMixture(simulated.model.personas, emissions=simulated.model.emissions, baseline="chat")
    with pytest.raises(ValueError, match=r"baseline 'chat' is not among the conditions .* 'bad', 'base', 'mild'"):
        fit(model, simulated.log)
    near = PersonaMixture(simulated.model.personas, emissions=simulated.model.emissions, baseline="bse")
    with pytest.raises(ValueError, match=r"'mild'\. Did you mean 'base'\? Name one of them"):
        fit(near, simulated.log)
    table = simulated.log.table.assign(condition=lambda own: "32B-Instruct_" + own["condition"])
    split = read_completions(table[["condition", "question_id", "completion", "aligned", "coherent"]])
    whole = PersonaMixture(simulated.model.personas, emissions=simulated.model.emissions, baseline="base")
    with pytest.raises(ValueError, match=r"'32B-Instruct_base' ends with it: .*Instruct\{sep\}\{condition\}"):
        fit(whole, split)


def test_counts_of_other_measurements(simulated) -> None:
    collapsed = collapse(simulated.log, [ScoreEmission("aligned")], by=("condition", "question_id", "base_question"))
    with pytest.raises(ValueError, match="The counts are of aligned, the model measures aligned, coherent"):
        fit(simulated.model, collapsed)


@pytest.fixture(scope="module")
def short(simulated) -> Result:
    return fit(simulated.model, simulated.log, **_SHORT)


@pytest.fixture(scope="module")
def counted(simulated) -> tuple[Result, bool]:
    """The same fit of counts, begun in JAX's single precision, and JAX's setting when it ended."""
    collapsed = collapse(simulated.log, simulated.model.emissions, by=("condition", "question_id", "base_question"))
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", False)
    try:
        return fit(simulated.model, collapsed, **_SHORT), jax.config.jax_enable_x64
    finally:
        jax.config.update("jax_enable_x64", before)


def test_rows_and_their_counts_give_the_same_draws(short: Result, counted: tuple[Result, bool]) -> None:
    np.testing.assert_array_equal(short.posterior["latents"], counted[0].posterior["latents"])


def test_jax_is_left_as_it_was(counted: tuple[Result, bool]) -> None:
    result, afterwards = counted
    assert not afterwards
    assert result.posterior["weights"].dtype == np.float64


def test_a_fit_that_fails_its_checks_is_returned_with_its_tables_withheld(short: Result) -> None:
    assert isinstance(short, Result)
    assert not short.ok  # 200 draws cannot have 400 effective ones
    assert {"ess_bulk", "ess_tail"} & {check.name for check in short.failed}
    assert short.weights()["status"].str.startswith("withheld").any()
    assert short.settings["num_samples"] == 50


@pytest.mark.long
def test_draws_are_added_where_nothing_else_is_lacking(simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["simulacra.inference.fit"]  # the package has the function under this name
    monkeypatch.setattr(module, "_FIRST_DRAWS", 200)
    lines = Thresholds(r_hat=1.05, ess=450)  # 800 draws have fewer effective ones, 6400 have more
    monkeypatch.setattr(hmc, "_DIVERGENCE", np.inf)  # after a divergence sampling would begin again
    left_out = {**_SHORT, "num_samples": None, "thresholds": lines}
    result = fit(simulated.model, simulated.log, **left_out)
    assert result.ok
    assert 400 <= result.settings["num_samples"] == result.posterior.sizes["draw"] <= 1600
    asked = fit(simulated.model, simulated.log, **left_out | {"num_samples": 200})
    assert not asked.ok, "what was asked for is what is drawn"
    first = result.posterior["latents"].isel(draw=slice(200))
    np.testing.assert_array_equal(first, asked.posterior["latents"])
    monkeypatch.setattr(module, "_MOST_DRAWS", 200)
    assert fit(simulated.model, simulated.log, **left_out).settings["num_samples"] == 200


def test_repeated_sampling_is_said(simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmc, "_DIVERGENCE", 0.5)  # nats, which ordinary trajectories exceed
    notes = fit(simulated.model, simulated.log, **_SHORT).notes
    assert any(
        re.search(r"repeated with shorter steps, because [1-9]\d* transitions? diverged", note) for note in notes
    )


# --- what a log makes of a model ------------------------------------------------------------------------------------


def _frame(rng: np.random.Generator, rows: int = 300) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "condition": rng.choice(["base", "bad"], rows),
            "question_id": rng.choice(["q1_json", "q1", "q2_json", "q2"], rows),
            "completion": [f"text {number}" for number in range(rows)],
            "aligned": rng.choice([5.0, 50.0, 95.0], rows),
            "coherent": rng.choice([5.0, 80.0, 95.0], rows, p=[0.01, 0.19, 0.8]),
        }
    ).assign(base_question=lambda frame: frame["question_id"].str.removesuffix("_json"))


def test_personas_with_nothing_to_explain_are_left_out_and_said_so(rng: np.random.Generator) -> None:
    model = PersonaMixture(emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])
    prepared = prepare(model, read_completions(_frame(rng), measurements=["aligned", "coherent"]))
    assert prepared.model.names == ("aligned", "misaligned", "mid")
    assert len(prepared.notes) == 2
    assert "persona 'incoherent' was left out: coherent <= 50 holds for at most" in prepared.notes[0]
    assert "persona 'no-score' was left out: missing(aligned) holds for at most 0.0%" in prepared.notes[1]


def test_without_coherence_the_name_misaligned_is_in_doubt(rng: np.random.Generator) -> None:
    model = PersonaMixture(persona_set("emergent-misalignment")[:3], emissions=[ScoreEmission("aligned")])
    log = read_completions(_frame(rng), measurements=["aligned"])
    with pytest.warns(UserWarning, match="'misaligned' will be withheld. Add a coherence score"):
        prepared = prepare(model, log)
    assert prepared.notes[0].startswith("the outcome is 'aligned < 30', not 'aligned < 30 and")


def test_scores_that_are_not_modelled_are_named(rng: np.random.Generator) -> None:
    model = PersonaMixture(persona_set("emergent-misalignment")[::3], emissions=[ScoreEmission("coherent")])
    frame = _frame(rng).assign(medical=3.0)
    frame.loc[::5, "coherent"] = 10.0  # so that no persona is left out
    log = read_completions(frame)
    assert prepare(model, log).notes[0] == "read but not modelled: aligned, medical."


@pytest.mark.parametrize(
    "weights",
    [
        "(1 | condition) + (1 | question_id) + (1 | condition:question_id)",
        "(1 | condition)",
        "(1 | condition) + (1 | base_question)",
        "condition + (1 | question_id)",
        "1",
    ],
)
def test_no_completion_is_lost_whatever_the_formula(weights: str, rng: np.random.Generator) -> None:
    frame = _frame(rng)
    model = PersonaMixture(
        persona_set("emergent-misalignment")[:3],
        emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")],
        weights=weights,
    )
    prepared = prepare(model, read_completions(frame, measurements=["aligned", "coherent"]))
    assert prepared.counts.sum() == len(frame)
    assert prepared.conditions == ("base", "bad")
    for index, name in enumerate(prepared.conditions):
        assert prepared.counts[prepared.condition == index].sum() == (frame["condition"] == name).sum()
    np.testing.assert_allclose(prepared.shares.sum(axis=1), 1)
    observed = set(prepared.base_question[prepared.counts.sum(axis=1) > 0])
    assert observed == {"q1", "q2"}


def test_gates_that_bins_cannot_answer_are_refused_before_sampling(simulated) -> None:
    """The misaligned persona is gated by 'aligned < 40', and 40 is not an edge of these bins."""
    model = PersonaMixture(
        simulated.model.personas, emissions=[ScoreEmission("aligned", ("<30",)), ScoreEmission("coherent")]
    )
    with pytest.raises(ValueError, match="not a bin edge"):
        prepare(model, simulated.log)


def test_grades_need_no_outcome(rng: np.random.Generator) -> None:
    model = PersonaMixture("ordinal-5", emissions=[LabelEmission("grade", [1, 2, 3, 4, 5])], weights="(1 | condition)")
    frame = _frame(rng).drop(columns=["aligned", "coherent"]).assign(grade=lambda t: rng.integers(1, 6, len(t)))
    result = fit(model, read_completions(frame, measurements=["grade"]), **_SHORT)
    assert "rate" not in result.posterior
    with pytest.raises(ValueError, match="This model has no outcome; pass one"):
        result.rates(withhold=False)


def test_a_condition_that_was_not_asked_every_question_is_noted(
    fitted: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not _describe_questions(fitted.prepared)
    asked = fitted.prepared.asked.copy()
    asked[fitted.conditions.index("bad"), 0] = False
    monkeypatch.setattr(Prepared, "asked", asked)
    number = asked.shape[1]
    assert f"asked everywhere: bad ({number - 1} of {number})" in _describe_questions(fitted.prepared)[0]
