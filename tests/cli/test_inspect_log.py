"""``simulacra inspect-log``; how scores are declared, bugs are shown and commands are completed."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

from simulacra.cli.request import parse_concentrations, parse_declarations
from simulacra.data import read_completions
from simulacra.inference import Declared, default_model

Run = Callable[..., Result]


def test_what_would_be_read_is_shown(frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    frame.assign(aligned=[-1, *frame["aligned"][1:]], note="n").rename(columns={"completion": "answer"}).to_csv(
        tmp_path / "log.csv", index=False
    )
    ended = run("inspect-log", "log.csv")
    assert ended.exit_code == 0, ended.output
    for text in (
        "log.csv",
        "rows (one row is one completion)",
        "insecure",
        "-1 × 1",
        "read 'answer' as 'completion'",
    ):
        assert text in ended.output
    for text in ("Conditions: 3", "Questions: 6", "Measurements: 2", "note", "exact duplicates"):
        assert text in ended.output
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_a_log_without_the_usual_scores_says_so(frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    table = frame.rename(columns={"aligned": "judge_A"}).assign(question_id=["a", "a_json", "b", "b_json"] * 270)
    table.to_csv(tmp_path / "log.csv", index=False)
    text = run("inspect-log", "log.csv").output
    assert "no column was read as 'aligned'" in text
    assert "if one of judge_A is it, add --column aligned=judge_A" in text
    assert "read as 'coherent'" not in text
    assert "pass formats=['_json'] to nest them" in text
    assert "Options are needed: The personas are defined by 'aligned'" in text


def test_columns_that_resemble_the_usual_scores_are_suggested(frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    other = {"aligned": "scores.aligned", "coherent": "scores.Coherence"}
    frame.rename(columns=other).assign(fluent=50.0).to_csv(tmp_path / "log.csv", index=False)
    text = run("inspect-log", "log.csv").output
    for name, own in other.items():
        assert f"if one of {own} is it, add --column {name}={own}\n" in text
    assert "'aligned' may be scores.aligned: columns={'aligned': 'scores.aligned'}" in text


def test_what_a_fit_would_use_is_shown(frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    frame.rename(columns={"aligned": "evil"}).to_csv(tmp_path / "log.csv", index=False)
    text = run("inspect-log", "log.csv").output
    assert "Model: 2 personas (plain, showing)" in text
    assert "Note: persona 'incoherent' was left out: coherent" in text
    assert "evil: score from 0 to 100 in 10 bins; high values are bad" in text
    assert "no column was read as 'aligned'" not in text


def test_the_same_as_json(frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "log.csv", index=False)
    told = json.loads(run("inspect-log", "log.csv", "--json").stdout)
    assert told["ok"]
    assert told["conditions"] == frame["condition"].value_counts().sort_index().to_dict()
    assert set(told["measurements"]["aligned"]) == {"scored", "missing", "sentinels", "min", "median", "max"}
    assert told["account"]["layouts"] == {"log.csv": "rows (one row is one completion)"}


def test_judgments_in_separate_files(run: Run, tmp_path: Path) -> None:
    rows = [{"condition": "base", "question_id": "q", "completion": text} for text in "abc"]
    pd.DataFrame(rows).to_csv(tmp_path / "log.csv", index=False)
    pd.DataFrame(rows).assign(aligned=5).to_csv(tmp_path / "judged.csv", index=False)
    words = ["--judgments", "x=judged.csv", "--on", "completion,condition,question_id", "--json"]
    assert list(json.loads(run("inspect-log", "log.csv", *words).stdout)["measurements"]) == ["aligned_x"]
    by_place = ["--judgments", "judged.csv", "--on", "position", "--json"]
    assert list(json.loads(run("inspect-log", "log.csv", *by_place).stdout)["measurements"]) == ["aligned"]
    ended = run("inspect-log", "log.csv", "--judgments", "judged.csv", "--on", "rollout")
    assert ended.exit_code == 2
    assert "On the command line: on= is --on COLUMNS" in ended.stderr
    assert "on= names ['rollout']" in ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--score", "aligned"], "--score 'aligned': expected NAME:LOW-HIGH"),
        (["--cuts", "aligned"], "--cuts 'aligned': expected NAME:CUTS"),
        (["--score", "aligned:0-10:high-is-evil"], "--score 'aligned:0-10:high-is-evil': expected NAME:LOW-HIGH"),
        (["--concentration", "mid"], "--concentration 'mid': expected PERSONA=NUMBER"),
        (["--without", "mad"], r"Did you mean 'mid'\?\nOn the command line: without= is --without PERSONA"),
        (["--score", "medical:0-10"], "which is not modelled.*\n.*emissions= is --measure NAME"),
        (["--score", "aligned:high-is-bad"], "'aligned' are declared bad, but are good"),
        (["--counts", "n_bad"], "expected the columns EVENTS,SCORED or EVENTS,SCORED,TOTAL"),
        (["--counts", "n_bad,n", "--formats", "_json"], "--counts: leave out formats"),
        (["--counts", "n_bad,n", "--scan"], "--scan and --counts"),
        (["--counts", "n_bad,n"], "there is no column 'n_bad'.*\n.*events= is --counts EVENTS,SCORED"),
        (["--condition", "conditon"], "did you mean 'condition'.*\n.*: condition= is --condition PATTERN"),
        (["--condition", "conditon,aligned"], "did you mean 'condition'.*\n.*: condition= is --condition PATTERN"),
        (["--score", "aligned:0-10"], r"is outside the declared range \[0, 10\]"),
        (["--score", "grade:1-5", "--personas", "ordinal-5"], "has discrete values"),
        (["--judgments", "a=x.csv", "--judgments", "y.csv"], "expected JUDGE=FILE"),
        (["--judgments", "x.csv", "--scan"], "--scan requires one row per completion"),
    ],
)
def test_options_that_cannot_be(words: list[str], message: str, frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    frame.assign(grade=3).to_csv(tmp_path / "log.csv", index=False)
    ended = run("fit", "log.csv", *words)
    assert ended.exit_code == 2, ended.output
    assert re.search(message, ended.stderr), ended.stderr


def test_scores_declare_range_direction_and_cuts(frame: pd.DataFrame) -> None:
    found = parse_declarations(["medical:0-10", "a:b:-5--1.5:high-is-bad", "c:high-is-good"], ["medical:<3,<=7.5"])
    assert found == {
        "medical": Declared((0.0, 10.0), None, ("<3", "<=7.5")),
        "a:b": Declared((-5.0, -1.5), "bad"),
        "c": Declared(high="good"),
    }
    assert parse_concentrations(["mid=20", "soft-aligned=1.5"]) == {"mid": 20.0, "soft-aligned": 1.5}
    model = default_model(
        read_completions(frame.assign(medical=1.0)),
        emissions=["aligned", "coherent", "medical"],
        declared=parse_declarations(["medical:0-10"], ["aligned:<30,<=75"]),
    )
    categories = {emission.measurement: emission.categories for emission in model.emissions}
    assert categories["aligned"] == ("[0, 30)", "[30, 75]", "(75, 100]", "missing")
    assert categories["medical"][-2] == "[9, 10]"
    assert categories["coherent"] == ("[0, 50]", "(50, 100]", "missing")


def test_bugs_show_their_traceback(
    frame: pd.DataFrame, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame.to_csv(tmp_path / "log.csv", index=False)

    def broken(*_: object, **__: object) -> None:
        int("not a number")

    monkeypatch.setattr("simulacra.cli.inspection.describe", broken)
    ended = run("inspect-log", "log.csv")
    assert ended.exit_code == 1
    assert isinstance(ended.exception, ValueError)
    assert "bug in simulacra" in ended.exception.__notes__[0]


def test_help_teaches_and_the_shell_completes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = run("inspect-log", "--help").stdout
    assert "simulacra inspect-log logs/*.csv --condition '{model}-{condition}'" in text
    monkeypatch.setenv("_SIMULACRA_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "simulacra ins")
    monkeypatch.setenv("COMP_CWORD", "1")
    from typer.testing import CliRunner

    from simulacra.cli.app import app

    assert "inspect-log" in CliRunner().invoke(app, [], prog_name="simulacra").stdout


def test_with_the_name_of_its_baseline_a_log_is_not_refused(frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    frame.replace({"condition": {"base": "untuned"}}).to_csv(tmp_path / "log.csv", index=False)
    [refused] = json.loads(run("inspect-log", "log.csv", "--json").stdout)["refused"]
    assert "'base' is not among the conditions" in refused
    assert "baseline= is --baseline NAME" in run("inspect-log", "log.csv").output
    assert json.loads(run("inspect-log", "log.csv", "--baseline", "untuned", "--json").stdout)["refused"] == []


def test_a_refusal_is_followed_by_the_option(frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    frame.assign(aligned=frame["aligned"] // 10).to_csv(tmp_path / "log.csv", index=False)
    text = " ".join(run("inspect-log", "log.csv").output.split())
    assert "declare their scale, ScoreEmission('aligned', bounds=(0, 10))" in text
    assert "On the command line: bounds= is --score NAME:LOW-HIGH." in text
