"""``simulacra fit --likelihoods``: personas are those of the columns, and a fit without a single score ends well."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import Result as Outcome

from simulacra.data import read_completions
from simulacra.formalism import LikelihoodEmission, persona_set
from simulacra.inference import default_model


@pytest.fixture
def scored(frame: pd.DataFrame) -> pd.DataFrame:
    """A log with log-likelihoods of two personas, one of which is in the default set, and a few references."""
    rng = np.random.default_rng(0)
    table = frame[frame["condition"] != "benign"].groupby("condition").head(40).reset_index(drop=True)
    own = np.where(table["aligned"] < 40, 1, -1) * 20 + rng.normal(0, 5, len(table))
    table["elicited_by"] = [
        ("aligned", "villain")[int(gap > 0)] if row % 8 == 0 else None for row, gap in enumerate(own)
    ]
    return table.assign(log_likelihood_aligned=-200 - own, log_likelihood_villain=-200 + own)


def test_personas_are_those_that_have_a_column(scored: pd.DataFrame) -> None:
    log = read_completions(scored)
    model = default_model(log, likelihoods=LikelihoodEmission(reference="elicited_by"))
    assert model.names == ("aligned", "villain")
    assert model.personas[0] == persona_set("emergent-misalignment")[0]
    assert model.personas[1].gates == ()
    assert model.measurements == ("aligned", "coherent")
    assert model.likelihood is not None
    assert model.likelihood.reference == "elicited_by"
    bare = read_completions(scored.drop(columns=["aligned", "coherent"]))
    assert default_model(bare, likelihoods=True).measurements == ()


def test_options_that_do_not_go_together_are_refused(scored: pd.DataFrame) -> None:
    log = read_completions(scored.drop(columns="log_likelihood_villain"))
    with pytest.raises(ValueError, match="columns log_likelihood_<persona> of two personas or more"):
        default_model(log, likelihoods=True)


def test_the_columns_are_those_of_the_emission(scored: pd.DataFrame) -> None:
    own = {"log_likelihood_aligned": "aligned:nats", "log_likelihood_villain": "villain:nats"}
    log = read_completions(scored.rename(columns=own))
    for columns in ("{}:nats", {"aligned": "aligned:nats", "villain": "villain:nats"}):
        assert default_model(log, likelihoods=LikelihoodEmission(columns)).names == ("aligned", "villain")


@pytest.mark.parametrize(
    "option", [("--references", "elicited_by"), ("--reference-label", "judged"), ("--calibration", "joint")]
)
def test_options_of_likelihoods_that_are_not_used_are_refused(
    run: Callable[..., Outcome], scored: pd.DataFrame, tmp_path: Path, option: tuple[str, str]
) -> None:
    scored.to_parquet(tmp_path / "scored.parquet")
    ended = run("fit", "scored.parquet", "--measure", "aligned", *option)
    assert ended.exit_code == 2
    assert "--likelihoods" in ended.output


def test_a_fit_of_texts_alone(run: Callable[..., Outcome], scored: pd.DataFrame, tmp_path: Path) -> None:
    bare = scored.drop(columns=["aligned", "coherent"]).assign(judged=scored["elicited_by"])
    bare.to_parquet(tmp_path / "scored.parquet")
    short = ("--num-warmup", 200, "--num-samples", 50, "--num-chains", 2, "--weights", "(1 | condition)")
    more = ("--reference-label", "judged")
    ended = run("fit", "scored.parquet", "--likelihoods", "--references", "elicited_by", *more, *short)
    assert ended.exit_code == 3, ended.output  # too short, and nothing confirms that the aligned persona is aligned
    assert "Rates and claims are not available" in ended.output
    assert "aligned is not measured" in ended.output
    summary = json.loads((tmp_path / "simulacra-out" / "summary.json").read_text())
    chosen = summary["model"]["likelihood"]
    assert [chosen[name] for name in ("reference", "label", "calibration")] == ["elicited_by", "judged", "cut"]
    assert (tmp_path / "simulacra-out" / "report.html").is_file()
