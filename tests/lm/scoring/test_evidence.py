"""The evidence of training sets, from logs that are scored already."""

import numpy as np
import pandas as pd
import pytest

from simulacra.data import CompletionLog, read_completions
from simulacra.lm import training_evidence

SCORES = ["log_likelihood_good", "log_likelihood_bad"]


def scored(missing: int = 0) -> CompletionLog:
    table = pd.DataFrame({"condition": ["a"] * 3 + ["b"] * 2, "question_id": "q", "completion": list("vwxyz")})
    table[SCORES] = np.arange(10.0).reshape(5, 2) - 40.5
    table.loc[: missing - 1, SCORES[0]] = np.nan
    return read_completions(table, measurements=SCORES)


def test_evidence_is_the_mean_of_every_training_set() -> None:
    log = scored()
    found = training_evidence(log)
    by_hand = log.table.groupby("condition")[SCORES].mean()
    assert list(found.columns) == ["good", "bad"]
    np.testing.assert_allclose(found, by_hand.loc[found.index])
    pd.testing.assert_frame_equal(training_evidence(log.table), found)
    half_named = log.table.assign(condition=[None, None, None, "b", "b"])
    assert training_evidence(half_named).index.isna().tolist() == [False, True]  # reported, not dropped


def test_what_was_not_scored_is_counted() -> None:
    with pytest.warns(UserWarning, match="1 of 3 examples of 'a' have no log-likelihoods and are excluded"):
        found = training_evidence(scored(1))
    np.testing.assert_allclose(found.loc["a"], scored().table.loc[1:2, SCORES].mean())
    with pytest.raises(ValueError, match="3 of 3 examples of 'a' have no log-likelihoods; expected scored examples"):
        training_evidence(scored(3))


def test_a_log_that_was_not_scored() -> None:
    table = pd.DataFrame({"condition": ["a"], "question_id": "q", "completion": "x", "aligned": [80]})
    with pytest.raises(ValueError, match="no columns log_likelihood_<persona>: score it first"):
        training_evidence(read_completions(table))
    with pytest.raises(ValueError, match=r"no column 'condition', .* it has log_likelihood_good, log_likelihood_bad"):
        training_evidence(scored().table[SCORES])
