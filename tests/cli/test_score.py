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


def test_shards_are_merged_by_the_last(run, words):
    first = run(*words, "--json", "--block-rows", "2", "--shard", "1/2")
    assert json.loads(first.stdout)["account"]["unscored"]["in a part of another shard"]["count"] > 0
    assert json.loads(first.stdout)["file"] is None
    assert run(*words, "--block-rows", "2", "--shard", "2/2").exit_code == 0
    assert pd.read_parquet("scored.parquet")["log_likelihood_villain"].notna().sum() == 11


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--shard", "2"], "--shard '2': expected I/N, such as 2/4 for the second of four shards"),
        (["--shard", "5/4"], "shard=5/4; expected i/n with i from 1 to n. On the command line: shard= is --shard I/N."),
        (["--server", "http://localhost:1/v1"], "--device: expected only without --server, which decides it"),
        (["--tokenizer", "model"], "--tokenizer: expected only with --server; other models have their own"),
        (["--server", "http://localhost:1/v1", "--vllm"], "--server and --vllm: expected one of them"),
        (
            ["--out", "scored.csv"],
            "is written in the Parquet format; expected a name that ends in .parquet",
        ),
        (["--template-kwargs", "thinking"], "--template-kwargs 'thinking': expected NAME=VALUE"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(run, words, given, message):
    done = run(*words, *given)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())
