"""A small simulated log with known truth, one fit of it that all share, and a problem small enough to integrate."""

import functools
import itertools
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from simulacra.data import CompletionLog, Truth, read_completions, simulate_log
from simulacra.formalism import Archetype, LabelEmission, Persona, PersonaMixture, ScoreEmission, persona_set
from simulacra.inference import Result, Thresholds, fit
from simulacra.inference.prepare import Prepared, prepare

WEIGHTS = {"base": (0.86, 0.04, 0.10), "bad": (0.42, 0.48, 0.10), "mild": (0.70, 0.18, 0.12)}


class Simulated(NamedTuple):
    model: PersonaMixture
    truth: Truth
    log: CompletionLog


@functools.cache  # one for all rooms, whichever asks first
def simulate() -> Simulated:
    """Three conditions, four questions, 40 completions each, three personas that stay close to their archetypes."""
    personas = [persona for persona in persona_set("emergent-misalignment") if persona.name in _NAMES]
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])
    cells = pd.DataFrame(
        list(itertools.product(WEIGHTS, ["q1", "q2", "q3", "q4"])), columns=["condition", "question_id"]
    )
    nudges = dict(zip(["q1", "q2", "q3", "q4"], [0.0, 0.4, -0.4, 0.1], strict=True))
    logits = np.log(np.array([WEIGHTS[name] for name in cells["condition"]]))
    logits[:, 1] += cells["question_id"].map(nudges)
    weights = np.exp(logits)
    tables = tuple(alpha / alpha.sum(axis=1, keepdims=True) for alpha in model.concentrations)
    truth = Truth(cells, weights / weights.sum(axis=1, keepdims=True), tables)
    return Simulated(model, truth, simulate_log(model, truth, 40, seed=11))


_NAMES = ("aligned", "misaligned", "incoherent")


@pytest.fixture(scope="session")
def prepared(simulated: Simulated) -> Prepared:
    return prepare(simulated.model, simulated.log)


@functools.cache
def fit_simulated() -> Result:
    """Few draws: enough for tables and files, with thresholds to match; the sampler has tests of its own."""
    thresholds = Thresholds(r_hat=1.05, ess=100)
    settings = {"num_warmup": 250, "num_samples": 300, "progress_bar": False, "thresholds": thresholds}
    return fit(simulate().model, simulate().log, seed=0, **settings)


@functools.cache  # one for all rooms, whichever asks first
def fit_triggered() -> Result:
    """A base model and a backdoored one, both with the trigger and without it; the trigger is in no formula."""
    personas = [p for p in persona_set("emergent-misalignment") if p.name in ("aligned", "misaligned")]
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])
    places = {("base", "off"): 0.03, ("base", "on"): 0.03, ("backdoor", "off"): 0.03, ("backdoor", "on"): 0.80}
    rows = itertools.product(places, [f"q_{number}" for number in range(4)])
    cells = pd.DataFrame([(*place, question) for place, question in rows])
    cells.columns = ["condition", "trigger", "question_id"]
    bad = np.array([places[name, trigger] for name, trigger in zip(cells["condition"], cells["trigger"], strict=True)])
    tables = tuple(alpha / alpha.sum(axis=1, keepdims=True) for alpha in model.concentrations)
    log = simulate_log(model, Truth(cells, np.stack([1 - bad, bad], axis=1), tables), 30, seed=6)
    settings = {"num_warmup": 200, "num_samples": 50, "num_chains": 2, "num_starts": 10, "progress_bar": False}
    return fit(model, log, thresholds=Thresholds(r_hat=10.0, ess=1), **settings)


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    return simulate()


@pytest.fixture(scope="session")
def fitted() -> Result:
    return fit_simulated()


@pytest.fixture(scope="session")
def _saved_once(fitted: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted.save(tmp_path_factory.mktemp("saved") / "fit.nc")


@pytest.fixture
def saved(_saved_once: Path, tmp_path: Path) -> Path:
    """A copy of the files of ``fitted``, to read or to damage."""
    for file in _saved_once.parent.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path / _saved_once.name


@pytest.fixture(scope="session")
def tiny() -> Prepared:
    """Two personas, one label with two values, three conditions, eight completions each: little more than the prior."""
    personas = [
        Persona("yes", "Says yes.", {"grade": Archetype((1, 2), (8, 2), missing=0.1, concentration=8.0)}),
        Persona("no", "Says no.", {"grade": Archetype((1, 2), (3, 7), missing=0.1, concentration=8.0)}),
    ]
    model = PersonaMixture(personas, emissions=[LabelEmission("grade", [1, 2])], weights="(1 | condition)")
    answers = {"base": [1] * 7 + [2], "a": [1] * 3 + [2] * 4 + [None], "b": [1] + [2] * 7}

    table = pd.DataFrame(
        [
            {"condition": name, "question_id": f"q{number % 2}", "completion": f"{name} {number}", "grade": value}
            for name, values in answers.items()
            for number, value in enumerate(values)
        ]
    )
    return prepare(model, read_completions(table, measurements=["grade"]))
