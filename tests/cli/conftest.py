"""A small log in which three personas are easy to distinguish, as a file; and a way to run the command."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from simulacra.cli.app import app
from simulacra.data import Truth, read_completions, simulate_log
from simulacra.formalism import PersonaMixture, ScoreEmission, persona_set
from simulacra.inference import Result as FitResult
from simulacra.inference import default_model, fit

NAMES = ("aligned", "misaligned", "mid")
WEIGHTS = {"base": (0.90, 0.02, 0.08), "benign": (0.86, 0.03, 0.11), "insecure": (0.45, 0.30, 0.25)}
ALIGNED_TENS = (
    (0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005, 0.16, 0.80),
    (0.50, 0.30, 0.18, 0.005, 0.005, 0.002, 0.002, 0.002, 0.002, 0.002),
    (0.002, 0.002, 0.006, 0.10, 0.24, 0.30, 0.24, 0.10, 0.005, 0.005),
)


def simulate(completions: int = 60, questions: int = 6) -> pd.DataFrame:
    """The log as a table with the columns of a file."""
    rng = np.random.default_rng(3)
    model = PersonaMixture(
        [persona for persona in persona_set("emergent-misalignment") if persona.name in NAMES],
        emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")],
    )
    cells = pd.DataFrame(
        [(condition, f"q{number}") for condition in WEIGHTS for number in range(questions)],
        columns=["condition", "question_id"],
    )
    logits = np.log([WEIGHTS[condition] for condition in cells["condition"]])
    logits += np.tile(0.8 * rng.standard_normal((questions, 3)), (len(WEIGHTS), 1))
    logits += 0.5 * rng.standard_normal(logits.shape)
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    aligned = np.column_stack([ALIGNED_TENS, np.full(3, 0.01)])
    coherent = np.tile([0.01, 0.985, 0.005], (3, 1))
    truth = Truth(cells, weights, (aligned / aligned.sum(axis=1, keepdims=True), coherent))
    table = simulate_log(model, truth, completions, seed=4).table
    return table.drop(columns=["base_question", "persona", "source", "record"])


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return simulate()


@pytest.fixture
def log_file(frame: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``simulacra`` with these words, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="session")
def fitted(frame: pd.DataFrame) -> FitResult:
    """A short fit of the log, for tests of what is printed and written."""
    log = read_completions(frame)
    return fit(default_model(log), log, num_warmup=200, num_samples=100, num_chains=2)


@pytest.fixture(scope="session")
def passed(fitted: FitResult) -> FitResult:
    """The same with all checks passed; one object, which computes its tables once."""
    checks = tuple(dataclasses.replace(check, passed=True) for check in fitted.checks)
    easy = {"r_hat": 10.0, "ess": 1.0, "small_weight": 0.01}
    return dataclasses.replace(fitted, checks=checks, settings={**fitted.settings, "thresholds": easy})


@pytest.fixture(autouse=True)
def _files_once(files_once: None) -> None:
    """Writing and reading have tests of their own in ``inference``."""


@pytest.fixture
def passing(passed: FitResult, monkeypatch: pytest.MonkeyPatch) -> FitResult:
    """Every fit of the command is this one."""
    monkeypatch.setattr("simulacra.cli.fitting.fit", lambda *_, **__: passed)
    for module in ("fitting", "saved"):
        monkeypatch.setattr(f"simulacra.cli.{module}.write_reports", _stub_reports)
    return passed


def _stub_reports(result: FitResult, folder: Path, **_: object) -> tuple[Path, ...]:
    """Reports have tests of their own."""
    files = folder / "report.html", folder / "report.md"
    for path in files:
        path.write_text("a report")
    return files
