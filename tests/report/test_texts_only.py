"""The report of a model of log-likelihoods alone: without scores and rates."""

import dataclasses
import html
import re
from pathlib import Path

import numpy as np
import pytest

from simulacra.data import CompletionLog
from simulacra.formalism import Gate, LikelihoodEmission, Persona, PersonaMixture
from simulacra.inference import Result, Thresholds, fit
from simulacra.report import figures, write_report
from tests.inference.test_texts import _log

_EASY = Thresholds(r_hat=10.0, ess=1)


@pytest.fixture(scope="module")
def log() -> CompletionLog:
    return _log(30, 40)


@pytest.fixture(scope="module")
def result(log: CompletionLog) -> Result:
    """The villain has a name gate that no score can verify."""
    personas = [Persona("helper", "You help."), Persona("villain", "You harm.", gates=(Gate("aligned < 40", 0.6),))]
    model = PersonaMixture(personas, emissions=[LikelihoodEmission(reference="elicited_by")], weights="(1 | condition)")
    settings = {"num_warmup": 200, "num_samples": 50, "num_chains": 2, "num_starts": 10, "thresholds": _EASY}
    return fit(model, log, progress_bar=False, **settings)


@pytest.mark.parametrize("suffix", ["html", "md"])
def test_what_there_is_is_shown_and_what_is_missing_is_said(
    result: Result, log: CompletionLog, tmp_path: Path, suffix: str
) -> None:
    path = write_report(result, tmp_path / f"report.{suffix}", log=log)
    text = html.unescape(path.read_text(encoding="utf-8")).replace("\\", "")
    assert "measured by log-likelihoods under persona prompts" in text
    assert "Rates and claims are not available: the model has no outcome and no judge scores" in text
    assert "but aligned is not measured, so the name cannot be verified" in text
    assert "no predictive check of texts" in text
    assert "unexplained" not in text  # it compares scores
    assert "text 1" in text  # an example
    assert "log_likelihood_helper" in text
    assert not re.search(r"\bnan\b", text, flags=re.IGNORECASE)


def test_portraits_show_how_well_texts_are_distinguished(result: Result) -> None:
    label = figures.portrait(result, "helper").get_label()
    shares = [int(word[:-1]) for word in label.split() if word.endswith("%")]
    assert len(shares) == 3  # of its references, of others', of what was logged
    assert shares[0] > 80 > 20 > shares[1]
    assert "withheld" in figures.portrait(result, "unnamed-2").get_label()


def test_without_references_only_logged_texts_are_drawn(result: Result) -> None:
    texts = result.prepared.texts
    assert texts is not None
    bare = texts._replace(
        reference_persona=np.zeros(0, int), reference_total=np.zeros(0), reference_log_likelihoods=np.zeros((0, 2))
    )
    tree = result.tree.copy()
    tree["posterior"] = tree["posterior"].to_dataset().drop_vars("offset")
    plain = dataclasses.replace(result, tree=tree, prepared=dataclasses.replace(result.prepared, texts=bare))
    assert "references" not in figures.portrait(plain, "helper").get_label()
