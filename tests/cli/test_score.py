"""``simulacra score``: a log goes in, a Parquet file with log-likelihoods comes out."""

import json

import pandas as pd
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.lm.scoring.models import make_log, make_network, make_tokenizer


@pytest.fixture
def words(run, tmp_path):  # run has changed into the folder
    """The words of a command that can be carried out."""
    tokenizer = make_tokenizer()
    make_network("gpt2", vocabulary=len(tokenizer)).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    make_log().table[["condition", "question_id", "question", "completion", "aligned"]].to_csv("log.csv", index=False)
    (tmp_path / "personas.toml").write_text('villain = "<villain>"\nkind = "you are kind"\n')
    return ["score", "log.csv", "--model", "model", "--personas", "personas.toml", "--device", "cpu", "--quiet"]


def test_the_scored_log_is_written_and_described(run, words):
    done = run(*words, "--json", "--out", "scored.parquet")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert (said["file"], said["completions"]) == ("scored.parquet", 12)
    assert said["account"]["unscored"]["no completion text"] == {"count": 1, "examples": ["log.csv:5"]}
    table = pd.read_parquet("scored.parquet")
    assert table[["log_likelihood_villain", "log_likelihood_kind", "num_tokens"]].notna().sum().tolist() == [11, 11, 11]


def test_what_is_wrong_ends_with_a_message_and_exit_code_2(run, words, tmp_path):
    (tmp_path / "personas.toml").write_text('brute = "<brute>"\n')
    done = run(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "persona 'brute': the tokenizer has no token '<brute>'" in done.stderr
    assert not (tmp_path / "scored.parquet").exists()
    (tmp_path / "personas.toml").unlink()
    assert "personas.toml: there is no such file; expected a JSON, TOML or YAML table" in run(*words).stderr
