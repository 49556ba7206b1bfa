"""Commands that answer one question: what they print is the table of the analysis, and options are refused by name."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import Result

import simulacra.analysis
from simulacra.analysis import Comparison
from simulacra.formalism import PersonaMixture
from simulacra.inference import Result as FitResult
from simulacra.report.tables import json_rows

Run = Callable[..., Result]


@pytest.fixture
def saved(fitted: FitResult, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "fit.nc")
    return tmp_path / "fit.nc"


def said(ended: Result) -> dict[str, Any]:
    """The JSON object, of a command that ended as its estimates demand."""
    found = json.loads(ended.stdout)
    assert ended.exit_code == (0 if found["ok"] else 3), ended.output
    return dict(found)


@pytest.fixture
def found_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """What an analysis returns to the command, which calls it as it is."""

    def listen(name: str) -> list[Any]:
        heard: list[Any] = []
        own = getattr(simulacra.analysis, name)
        monkeypatch.setattr(simulacra.analysis, name, lambda *a, **b: heard.append(own(*a, **b)) or heard[-1])
        return heard

    return listen


def test_a_contrast(run: Run, saved: Path, fitted: FitResult) -> None:
    found = said(run("contrast", saved, "insecure", "base", "--scope", "new", "--ci-prob", "0.8", "--json"))
    assert found["contrast"] == json_rows(fitted.contrast("insecure", "base", scope="new").table(ci_prob=0.8))
    assert "insecure" in run("contrast", saved, "insecure", "base").output
    ended = run("contrast", saved, "secure", "base")
    assert ended.exit_code == 2
    assert "secure" in ended.stderr


def test_a_path_over_doses(run: Run, saved: Path, found_by: Callable[[str], list[Any]]) -> None:
    at = [word for value in ("base=0", "benign=5", "insecure=20") for word in ("--at", value)]
    paths = found_by("training_path")
    found = said(run("dose", saved, *at, "--covariate", "rank", "--level", "0.1", "--json"))
    assert found["path"] == json_rows(paths[0].table())
    assert found["crossing"] == json_rows(paths[0].crossing(0.1))
    assert [row["rank"] for row in found["path"]] == [0, 5, 20]
    ended = run("dose", saved, "--at", "base")
    assert ended.exit_code == 2
    assert "--at 'base': expected CONDITION=VALUE" in ended.stderr


def test_a_plan(run: Run, saved: Path, found_by: Callable[[str], list[Any]]) -> None:
    sizes, plans = ("--questions", "4", "--samples", "5", "--trials", "2"), found_by("plan")
    for words in (["--rate", "0.02", "--difference", "0.1"], [saved, "insecure"]):
        found = said(run("plan", *words, *sizes, "--json"))
        assert found["plan"] == json_rows(plans[-1].table())
        assert [row["samples"] for row in found["plan"]] == [5, 5]
    for words, message in (
        (["--rate", "0.02"], "expected a saved result, or both --rate and --difference"),
        ([saved, "--rate", "0.02"], "--rate is a guess, but a result was given"),
        (["--rate", "0.02", "--difference", "0.1", "--samples", "ten"], "--samples 'ten': expected whole numbers"),
    ):
        ended = run("plan", *words)
        assert ended.exit_code == 2
        assert message in ended.stderr


def test_a_scorecard(run: Run, saved: Path, found_by: Callable[[str], list[Any]]) -> None:
    cards = found_by("scorecard")
    found = said(run("scorecard", saved, "benign", "insecure", "--margin", "0.1", "--json"))
    assert found["scorecard"] == json_rows(cards[0].table())
    assert {row["organism"] for row in found["scorecard"]} == {"benign", "insecure"}


def test_sets_are_compared(run: Run, log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which models are compared; how, is tested with the analysis."""
    asked: list[dict[str, PersonaMixture]] = []

    def compared(models: dict[str, PersonaMixture], *_: object, num_folds: int, seed: int) -> Comparison:
        asked.append(models)
        places = itertools.product(("adapted", "plain"), models, range(6))
        cells = [(score, name, "base", f"q{n}", f"q{n}", 9, -10.0 * len(name)) for score, name, n in places]
        columns = ["score", "model", "condition", "base_question", "question_id", "completions", "elpd"]
        noise = pd.DataFrame([(0, score, name, 0.1) for score in ("adapted", "plain") for name in models])
        noise.columns = ["fold", "score", "model", "mcse"]
        folds, r_hat = {f"q{n}": n % num_folds for n in range(6)}, dict.fromkeys(models, 1.0)
        return Comparison(pd.DataFrame(cells, columns=columns), noise, next(iter(models)), folds, r_hat, "abc", seed)

    monkeypatch.setattr("simulacra.analysis.compare", compared)
    found = said(run("compare", log_file, "--folds", "3", "--json"))["comparison"]
    assert [row["model"] for row in found] == ["default", "+residual"] * 2
    assert found[0]["questions_needed"] is None
    assert found[1]["verdict"] == "rejected"
    options = ("--personas", "emergent-misalignment", "--personas", "emergent-misalignment+residual")
    ended = run("compare", log_file, *options)
    assert ended.exit_code == 0, ended.output
    assert "questions_needed" in ended.output
    assert list(asked[1]) == ["emergent-misalignment", "emergent-misalignment+residual"]
    first, second = asked[1].values()
    assert first.emissions == second.emissions
    assert second.names == (*first.names, "residual")
