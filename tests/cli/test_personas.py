"""``simulacra personas``, and the options of ``simulacra fit`` that choose and vary persona sets."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

from simulacra.formalism import PersonaMixture
from simulacra.formalism.persona_sets import OPEN_SETS, PERSONA_SETS, SUMMARIES

Run = Callable[..., Result]


def test_every_set_is_listed_and_explained(run: Run) -> None:
    assert set(SUMMARIES) == {*PERSONA_SETS, *OPEN_SETS}
    text = run("personas").output
    for name in SUMMARIES:
        assert name in text
        ended = run("personas", name)
        assert ended.exit_code == 0, ended.output
        for persona in PERSONA_SETS.get(name, ()):
            assert f"{persona.name}: {persona.description}" in ended.output
    text = run("personas", "trait", "--measure", "sycophancy").output
    assert "keeps its name if P(sycophancy >= 50) ≥ 0.6" in text
    assert "is left out where hardly any completion satisfies missing(sycophancy)" in text
    assert "[90, 100] 76%" in text
    assert "coherent" in text
    assert "coherent" not in run("personas", "trait", "--no-coherent").output


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_set_is_written_to_be_edited(name: str, run: Run, tmp_path: Path) -> None:
    assert run("personas", name, "--out", "my.toml").exit_code == 0
    assert "simulacra fit LOG --personas my.toml" in (tmp_path / "my.toml").read_text()
    assert run("personas", "my.toml").output == run("personas", name).output
    again = run("personas", name, "--out", "my.toml")
    assert again.exit_code == 2
    assert "the file exists" in again.stderr


def test_errors_of_files_and_names(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[[personas]]\nname = 'a'\n")
    for words, expected in (
        (["my.toml"], "my.toml: personas[0]: the key 'description' is missing"),
        (["organsim"], "Did you mean 'organism'?"),
        (["trait", "--out", "my.json"], "expected a file name that ends in .toml"),
    ):
        ended = run("personas", *words)
        assert ended.exit_code == 2
        assert expected in ended.stderr


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[PersonaMixture]:
    """The models that the command would fit."""
    models: list[PersonaMixture] = []
    monkeypatch.setattr("simulacra.cli.fitting.fit_log", lambda _, model, *__, **___: models.append(model))
    return models


def test_options_of_fit(heard: list[PersonaMixture], frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    table = frame.rename(columns={"aligned": "style"})
    table.assign(harm=1 + (100 - table["style"].fillna(0)) // 21).to_csv(tmp_path / "log.csv", index=False)
    run("personas", "likert", "--measure", "harm", "--out", "my.toml")
    cases: list[tuple[list[str], tuple[str, ...], str]] = [
        (["--score", "style:0-100:high-is-good"], ("style", "coherent"), "style < 50 and coherent > 50"),
        (["--score", "style:high-is-bad"], ("style", "coherent"), "style >= 50 and coherent > 50"),
        (["--score", "harm:1-5"], ("harm",), "harm >= 4"),
        (["--personas", "my.toml"], ("harm",), "harm >= 4"),
        (["--personas", "my.toml", "--without", "partial"], ("harm",), "harm >= 4"),
        (["--score", "harm:1-5", "--concentration", "partial=7"], ("harm",), "harm >= 4"),
    ]
    for words, measurements, rule in cases:
        ended = run("fit", "log.csv", *words)
        assert ended.exit_code == 0, ended.output
        assert heard[-1].measurements == measurements
        assert heard[-1].outcome is not None
        assert heard[-1].outcome.rule == rule
        assert f"outcome     {rule}, of all completions" in ended.output
    assert heard[-2].names == ("plain", "showing", "no-score")
    assert heard[-1].personas[1].scores["harm"].concentration == 7


def test_counts_are_fitted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.cli.fitting.write_reports", lambda *_, **__: ())
    counts = [(c, f"q{q}", 60, e + q) for c, e in (("base", 2), ("tuned", 30)) for q in range(4)]
    table = pd.DataFrame(counts, columns=["condition", "question", "n_scored", "n_bad"])
    table.to_csv(tmp_path / "counts.csv", index=False)
    short = ("--num-warmup", 200, "--num-samples", 50, "--num-chains", 2)
    ended = run("fit", "counts.csv", "--counts", "n_bad,n_scored", *short)
    assert ended.exit_code in (0, 3), ended.output
    assert "480 completions, read as counts" in ended.output.replace("\u202f", "")
    rates = pd.read_csv(tmp_path / "simulacra-out" / "rates.csv").query("scope == 'these'").set_index("condition")
    assert rates["events"].to_dict() == {"base": 14, "tuned": 126}
    assert rates["total"].to_dict() == {"base": 240, "tuned": 240}
    refused = run("inspect-log", "counts.csv", "--counts", "n_bad,n_scored")
    assert refused.exit_code == 2
    assert "leave out --counts" in refused.stderr
