"""Several judges from the command: the model that ``fit`` chooses, and ``simulacra judges``."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

from simulacra.formalism import FamilyEmission, LabelEmission, PersonaMixture
from simulacra.inference import Result as FitResult

Run = Callable[..., Result]


def test_the_judges_of_a_log_are_fitted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[PersonaMixture] = []
    monkeypatch.setattr("simulacra.cli.fitting.fit_log", lambda _, model, *__, **___: models.append(model))
    rows = [
        {
            "condition": name,
            "question_id": f"q{number % 2}",
            "completion": f"{name} {number}",
            "grader": judge,
            "flag": 1,
        }
        for name in ("base", "ft")
        for number in range(6)
        for judge in ("gpt-a", "gpt-b", "claude", "llama")
    ]
    table = pd.DataFrame(rows)
    table.loc[table.index % 3 == 0, "flag"] = 0
    table.to_csv(tmp_path / "log.csv", index=False)
    family = "gpt=flag_gpt_a,flag_gpt_b"
    ended = run("fit", "log.csv", "--personas", "judges", "--family", family, "--weights", "(1 | condition)")
    assert ended.exit_code == 0, ended.stderr
    (model,) = models
    claude, llama = (LabelEmission(f"flag_{name}", [0, 1]) for name in ("claude", "llama"))
    parts = [LabelEmission(f"flag_gpt_{name}", [0, 1]) for name in "ab"]
    assert set(model.emissions) == {claude, FamilyEmission("gpt", parts), llama}
    assert model.names == ("class 0", "class 1")
    assert "gpt: jointly flag_gpt_a: 0, 1; flag_gpt_b: 0, 1" in ended.stdout
    ended = run("fit", "log.csv", "--personas", "judges", "--family", "gpt=flag_gpt_a")
    assert ended.exit_code == 2
    assert "expected NAME=JUDGE,JUDGE" in ended.stderr
    ended = run("fit", "log.csv", "--personas", "judges", "--family", "gpt=flag_gpt_a,flag_gpt_c")
    assert "The judge 'flag_gpt_c' is in a family, but not modelled" in ended.stderr
    assert "On the command line: families= is --family NAME=JUDGE,JUDGE." in ended.stderr


def test_what_judges_add_is_shown(run: Run, fitted: FitResult, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = dataclasses.replace(fitted, checks=())
    monkeypatch.setattr("simulacra.cli.saved.Result.load", lambda _: passed)
    ended = run("judges", "out", "--ci-prob", "0.95")
    assert ended.exit_code == 0, ended.stderr
    assert "Judges, mean and 95% interval" in ended.stdout
    assert "coherent" in ended.stdout
    found = json.loads(run("judges", "out", "--json").stdout)
    assert [row["judge"] for row in found["judges"]] == ["aligned", "coherent"]
    assert set(found["pairs"][0]) == {
        *("judge", "other", "agreement", "excess", "unexplained", "p_value", "p_adjusted", "status")
    }
