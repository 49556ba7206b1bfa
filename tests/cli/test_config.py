"""Options in files: the round trip of one fit, what is refused, and a batch that is resumed and compared."""

import json
import subprocess
import time
import types
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from simulacra.cli import batch
from simulacra.cli.app import app
from simulacra.inference import Result as FitResult

Run = Callable[..., Result]


def stored(folder: str) -> dict:
    return json.loads((Path(folder) / "summary.json").read_text())["config"]


def test_options_of_a_fit_are_saved_and_read(run: Run, log_file: Path, passing: FitResult) -> None:
    words = ("--ci-prob", 0.5, "--cuts", "aligned:<30,<=75", "--duplicates", "keep", "--save-config", "run.toml")
    first = run("fit", log_file, *words, "--out", "a")
    assert first.exit_code == 0, first.output
    again = run("fit", "--config", "run.toml", "--out", "b", "--seed", 3)
    assert again.exit_code == 0, again.output
    own, other = stored("a"), stored("b")
    assert {name for name in own if own[name] != other[name]} == {"out", "seed"}
    assert (own["logs"], own["ci_prob"], own["duplicates"], own["engine"]) == ([str(log_file)], 0.5, "keep", "hmc")
    assert "50% interval" in again.output
    refused = run("fit", log_file, "--save-config", "run.toml", "--out", "c")
    assert refused.exit_code == 2
    assert "run.toml: the file exists; name another one" in refused.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("persona = 'trait'", "there is no option 'persona'. Did you mean 'personas'?"),
        ("quiet = true", "there is no option 'quiet'"),
        ("personas = ['trait']", "personas is ['trait']; expected a text or a number"),
        ("score = 3", "score is 3; expected a list of texts"),
        ("scan = 'yes'", "scan is 'yes'; expected true or false"),
        ("num-samples = 'many'", "Invalid value for '--num-samples'"),
        ("personas = ", "run.toml: cannot be read as options"),
    ],
)
def test_files_are_checked(run: Run, log_file: Path, text: str, said: str) -> None:
    Path("run.toml").write_text(text)
    ended = run("fit", log_file, "--config", "run.toml")
    assert ended.exit_code == 2
    assert " ".join(said.split()) in " ".join(ended.stderr.replace("│", "").split())


@pytest.fixture
def fitted_runs(monkeypatch: pytest.MonkeyPatch, passing: FitResult) -> list[str]:
    """The folders of the runs that were fitted, in this process instead of others."""
    done: list[str] = []

    def within(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        words = command[3:]
        done.append(words[words.index("--out") + 1])
        ended = CliRunner().invoke(app, words)
        return subprocess.CompletedProcess(command, ended.exit_code, stderr=ended.stderr)

    own = types.SimpleNamespace(run=within, PIPE=subprocess.PIPE)  # others use the module as well
    monkeypatch.setattr("simulacra.cli.batch.subprocess", own)
    return done


def test_a_batch_is_resumed_and_compared(run: Run, log_file: Path, fitted_runs: list[str]) -> None:
    logs = f"logs = ['{log_file}']\n"
    text = f"[defaults]\nrope = 0.02\n[runs.a]\n{logs}[runs.b]\n{logs}seed = 1\n[runs.c]\nlogs = ['nowhere.csv']\n"
    Path("runs.toml").write_text(text)
    ended = run("batch", "runs.toml", "--out", "out")
    assert ended.exit_code == 2
    assert "c: simulacra: nowhere.csv: no such file or folder" in ended.stderr
    assert sorted(fitted_runs) == ["out/a", "out/b", "out/c"]
    assert (stored("out/a")["rope"], stored("out/b")["seed"]) == (0.02, 1)
    Path("runs.toml").write_text(text.replace("nowhere.csv", str(log_file)).replace("seed = 1", "seed = 2"))
    fitted_runs.clear()
    Path("out/a.checkpoint").mkdir()  # the batch was killed before it was removed
    Path("out/a.checkpoint/settings.json").write_text("{}")
    ended = run("batch", "runs.toml", "--out", "out", "--json")
    assert not Path("out/a.checkpoint").exists()
    assert ended.exit_code == 0, ended.output
    assert sorted(fitted_runs) == ["out/b", "out/c"]  # a is done, and b has other options
    rates = pd.read_csv("out/rates.csv")
    assert rates["run"].unique().tolist() == ["a", "b", "c"]
    assert rates.loc[rates["run"] == "a", "rate"].tolist() == pytest.approx(
        pd.read_csv("out/a/rates.csv")["rate"].tolist()
    )
    Path("runs.toml").write_text(
        text.replace("nowhere.csv", str(log_file)).replace("seed = 1", "").replace("0.02", "0.020")
    )
    fitted_runs.clear()
    assert run("batch", "runs.toml", "--out", "out").exit_code == 0
    assert fitted_runs == ["out/b"]  # without an option, it has its default again
    assert set(json.loads(ended.stdout)["tables"]) == {"rates", "contrasts", "weights", "shifts"}
    page = Path("out/batch.html").read_text()
    assert [f'<a href="{name}/report.html">' in page for name in "abc"] == [True] * 3
    assert "Checks: all passed in every run." in page
    weights = pd.read_csv("out/a/weights.csv")
    assert page.count("<h3>") == 3
    assert all(f"<th>{name}</th>" in page for name in weights["persona"].unique())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run.a", "runs.toml: cannot be read as a batch: "),
        ("[run.a]\nlogs = ['x']", "is no batch: there is no table 'run'; expected tables [runs.NAME]"),
        ("[runs.a]\nseed = 1", "runs.a: expected logs, and no out, which is out/a"),
        ("[runs.a]\nlogs = []", "runs.a: expected logs, and no out"),
        ("[runs.'../a']\nlogs = ['x']", "the run '../a' needs a name of letters"),
        ("[runs.a]\nlogs = ['x']\nseed = 'many'", "runs.toml: runs.a: Invalid value for '--seed'"),
        ("[runs.a]\nlogs = ['x']\nsed = 1", "runs.a: there is no option 'sed'. Did you mean 'seed'?"),
    ],
)
def test_batches_are_checked_before_anything_is_fitted(run: Run, text: str, said: str) -> None:
    Path("runs.toml").write_text(text)
    ended = run("batch", "runs.toml", "--out", "out")
    assert ended.exit_code == 2
    assert said in " ".join(ended.stderr.replace("│", "").split())
    assert not Path("out").exists()


def test_runs_do_not_begin_after_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def fit(run: batch.Run) -> tuple[int, str]:
        begun.append(run.name)
        time.sleep(0.2)
        return 0, ""

    monkeypatch.setattr(batch, "_fit", fit)
    ended = batch.run_batch([batch.Run(name, {}, Path(name)) for name in "abcd"], jobs=1)
    assert next(ended)[0].name == "a"
    ended.close()
    assert begun in (["a"], ["a", "b"])
