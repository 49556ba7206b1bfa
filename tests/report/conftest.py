"""One short fit of a log whose names and completions are as awkward as they come, with all checks passed or not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from simulacra.data import CompletionLog, Truth, read_completions, simulate_log
from simulacra.formalism import PersonaMixture, ScoreEmission, persona_set
from simulacra.inference import Result, fit
from simulacra.report import document
from tests.inference.conftest import fit_triggered

BASE, OTHER, LONG = "base", "50% R&D_#1 <b>|x|</b>", "a_fine_tune_with_a_rather_long_name_indeed"
WEIGHTS = {BASE: (0.92, 0.03, 0.05), OTHER: (0.45, 0.45, 0.10), LONG: (0.80, 0.05, 0.15)}
ATTACK = "</pre><script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\">\n```\n# a_b"


@pytest.fixture(scope="session")
def log() -> CompletionLog:
    personas = [p for p in persona_set("emergent-misalignment") if p.name in ("aligned", "misaligned", "incoherent")]
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])
    cells = pd.DataFrame([(name, f"q_{number}") for name in WEIGHTS for number in range(4)])
    cells.columns = ["condition", "question_id"]
    weights = np.array([WEIGHTS[name] for name in cells["condition"]])
    tables = tuple(alpha / alpha.sum(axis=1, keepdims=True) for alpha in model.concentrations)
    table = simulate_log(model, Truth(cells, weights, tables), 40, seed=5).table
    table["completion"] = [f"{ATTACK} \x1b]0;title\x07\u202e {number}" for number in range(len(table))]
    return read_completions(table[["condition", "question_id", "completion", "aligned", "coherent"]])


@pytest.fixture(scope="session")
def short(log: CompletionLog) -> Result:
    """Too few draws to pass: everything is withheld."""
    personas = [p for p in persona_set("emergent-misalignment") if p.name in ("aligned", "misaligned", "incoherent")]
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])
    return fit(model, log, num_warmup=200, num_samples=100, num_chains=2, progress_bar=False)


@pytest.fixture(scope="session")
def passing(short: Result) -> Result:
    """The same, had all checks passed."""
    checks = tuple(dataclasses.replace(check, passed=True) for check in short.checks)
    easy = {**short.settings["thresholds"], "r_hat": 10.0, "ess": 1.0}
    return dataclasses.replace(short, checks=checks, settings={**short.settings, "thresholds": easy})


@pytest.fixture(scope="session")
def failing(passing: Result) -> Result:
    """The same, had the misaligned persona failed its gate."""
    name = next(check for check in passing.checks if check.name == "name: misaligned")
    failed = dataclasses.replace(name, passed=False)
    return dataclasses.replace(passing, checks=tuple(failed if check is name else check for check in passing.checks))


@pytest.fixture
def words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are written with empty figures, which have tests of their own."""
    monkeypatch.setattr(document, "_painter", lambda *_: lambda name, *_: document._Picture(Figure(), name))


@pytest.fixture(scope="session")
def triggered() -> Result:
    return fit_triggered()
