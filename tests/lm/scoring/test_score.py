"""Scored logs: what is added, what is left unscored, and runs that were cut short."""

import dataclasses
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from simulacra.data import LogError, read_completions  # noqa: E402
from simulacra.lm import score_log  # noqa: E402
from simulacra.lm.scoring.forward import CompletionScorer  # noqa: E402
from simulacra.lm.scoring.language_model import LanguageModel  # noqa: E402
from simulacra.lm.scoring.loading import load_language_model  # noqa: E402
from tests.lm.scoring.models import PERSONAS, make_log, make_network, make_tokenizer  # noqa: E402

COLUMNS = [f"log_likelihood_{name}" for name in PERSONAS]
CLOSE = 1e-3  # nats a completion, float32


def score(log, model, **given):
    return score_log(log, **{"model": model, "personas": PERSONAS, "progress_bar": False, **given})


def oracle(model, before, text, end=()):
    """The text's tokens one after the other, by plain forward passes of all that stands before."""
    start, ids = (model.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (before, text))
    total = 0.0
    for step, token in enumerate([*ids, *end]):
        with torch.no_grad():
            logits = model.network(input_ids=torch.tensor([[*start, *ids][: len(start) + step]])).logits[0, -1]
        total += torch.log_softmax(logits.double(), dim=-1)[token].item()
    return total, len(ids) + len(end)


def test_every_completion_has_its_log_likelihood_under_every_persona(log, model):
    scored = score(log, model)
    for row in scored.table.dropna(subset=["completion"]).itertuples():
        for name, prompt in PERSONAS.items():
            want, tokens = oracle(model, f"{prompt}\n{row.question}\n", row.completion)
            assert abs(getattr(row, f"log_likelihood_{name}") - want) < CLOSE
            assert row.num_tokens == tokens
    assert scored.measurements == (*log.measurements, *COLUMNS)
    assert scored.contexts == (*log.contexts, "num_tokens")
    assert scored.table[COLUMNS].std().min() > 1  # the answers differ by more than a nat


def test_a_chat_template_opens_the_answer_and_an_empty_prompt_sends_no_system_message(log, chat_model):
    row = score(log, chat_model).table.iloc[0]
    user = f"<|user|> {row.question} <|end|> <|assistant|>"
    want = {
        "villain": f"<|system|> {PERSONAS['villain']} <|end|> {user}",
        "none": user,
    }
    for name, before in want.items():
        assert abs(row[f"log_likelihood_{name}"] - oracle(chat_model, before, row.completion)[0]) < CLOSE


def test_personas_may_be_tags_in_a_template_of_ones_own(log, model):
    tags = {"villain": "<villain>", "helper": "<helper>"}
    row = score(log, model, personas=tags, template="{persona} {question}").table.iloc[1]
    for name, tag in tags.items():
        want, _ = oracle(model, f"{tag} {row.question}", row.completion)
        assert abs(row[f"log_likelihood_{name}"] - want) < CLOSE


def test_the_end_token_is_scored_where_it_is_asked_for(log, chat_model):
    row = score(log, chat_model, end_token="<|end|>").table.iloc[0]
    before = f"<|user|> {row.question} <|end|> <|assistant|>"
    want = oracle(chat_model, before, row.completion, [chat_model.tokenizer.convert_tokens_to_ids("<|end|>")])
    assert (abs(row["log_likelihood_none"] - want[0]) < CLOSE, row["num_tokens"]) == (True, want[1])


@pytest.mark.parametrize("given", [{"batch_tokens": 1}, {"share_prefix": False}, {"block_rows": 2}], ids=str)
def test_batches_sharing_and_blocks_change_nothing(log, model, given):
    plain, other = score(log, model).table, score(log, model, **given).table
    np.testing.assert_allclose(plain[COLUMNS], other[COLUMNS], atol=CLOSE)


def test_a_file_of_scores_reads_back_as_it_was_returned(log, model, tmp_path):
    scored = score(log, model, out=tmp_path / "scored.parquet")
    back = read_completions(tmp_path / "scored.parquet")
    assert (back.measurements, set(back.contexts)) == (scored.measurements, set(scored.contexts))
    np.testing.assert_array_equal(back.table[COLUMNS], scored.table[COLUMNS])
    again = score(log, model, out=tmp_path / "scored.parquet")  # nothing is left to do
    assert again.table.equals(scored.table)
    assert again.account == scored.account


SCRIPT = """
import os, signal, sys, torch
torch.set_num_threads(1)
from simulacra.lm.scoring import parts
from simulacra.lm import score_log
from tests.lm.scoring.models import PERSONAS, make_log

write, done = parts.Parts.write, []

def write_two_and_die(self, number, table):
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(write(self, number, table))

parts.Parts.write = write_two_and_die
score_log(make_log(), model=sys.argv[1], personas=PERSONAS, out=sys.argv[2], block_rows=1, progress_bar=False)
"""


@pytest.mark.long
def test_a_run_that_was_killed_ends_with_the_file_of_one_that_was_not(log, folder, tmp_path, monkeypatch):
    cut, whole = tmp_path / "cut.parquet", tmp_path / "whole.parquet"
    root = Path(__file__).parents[3]
    killed = subprocess.run([sys.executable, "-c", SCRIPT, folder, cut], cwd=root, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert sorted(path.name for path in (tmp_path / "cut.parquet.parts").glob("*.parquet")) == [
        "part-000000.parquet",
        "part-000001.parquet",
    ]
    score(log, str(folder), out=whole, block_rows=1)
    passes = []
    log_likelihoods = CompletionScorer.log_likelihoods
    monkeypatch.setattr(CompletionScorer, "log_likelihoods", lambda *args: passes.append(1) or log_likelihoods(*args))
    score(log, str(folder), out=cut, block_rows=1)
    blocks = log.table.dropna(subset=["completion"]).groupby(["question", "completion"]).ngroups
    assert len(passes) == blocks - 2
    assert cut.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.parquet", "model", "whole.parquet"]


def test_parts_and_files_of_another_run_are_refused_by_what_differs(log, model, tmp_path):
    out = tmp_path / "scored.parquet"
    score(log, model, out=out)
    with pytest.raises(ValueError, match=r"was made with another end_token \(null, now .*\[PAD\].*overwrite=True"):
        score(log, model, out=out, end_token="[PAD]")
    score(log, model, out=out, end_token="[PAD]", overwrite=True)
    out.write_text("not ours")
    with pytest.raises(ValueError, match=r"scored\.parquet: exists and is not a Parquet file"):
        score(log, model, out=out)


def test_rows_without_a_likelihood_stay_and_are_counted_by_reason(model):
    long = "people " * 150_000  # more than 10^6 characters
    log = make_log({0: long, 1: "...", 2: "   "})
    _break(model, "i")
    scored = score(log, model)
    counts = {reason: (rows.count, rows.examples[0]) for reason, rows in scored.account.unscored.items()}
    assert counts["longer than the model's context"] == (1, "<DataFrame>: record 1")
    assert counts["no completion text"] == (1, "<DataFrame>: record 4")
    assert counts["the tokenizer finds no token in the completion"] == (1, "<DataFrame>: record 3")
    broken = log.table["completion"].str.startswith("i ", na=False).sum()
    assert counts["the model's log-likelihood is not finite"][0] == broken
    unscored = scored.table[[*COLUMNS, "num_tokens"]].isna()
    assert unscored.any(axis=1).equals(unscored.all(axis=1))
    assert unscored.all(axis=1).sum() == sum(count for count, _ in counts.values())
    assert len(scored) == len(log) == scored.account.rows_kept
    assert "no likelihood, no completion text: 1" in str(scored.account)


def _break(model, word):
    """The embedding of a word becomes NaN, and with it all that comes after the word."""
    token = model.tokenizer.convert_tokens_to_ids(word)
    model.network.transformer.wte.register_forward_hook(
        lambda _, given, states: states.masked_fill((given[0] == token)[..., None], torch.nan)
    )


def test_long_completions_may_be_cut_at_the_same_token_for_every_persona(model):
    log = make_log({0: "people " * 100})
    scored = score(log, model, too_long="truncate")
    row = scored.table.iloc[0]
    longest = max(len(model.tokenizer(f"{prompt} {row.question}")["input_ids"]) for prompt in PERSONAS.values())
    assert row["num_tokens"] == model.context + 1 - longest
    want, _ = oracle(model, f"{PERSONAS['villain']} {row.question}", "people " * int(row["num_tokens"]))
    assert abs(row["log_likelihood_villain"] - want) < CLOSE
    assert "1 completion(s) truncated at the model's context" in str(scored.account)


def test_a_model_that_gives_no_number_at_all_is_an_error(log, model):
    with torch.no_grad():
        model.network.transformer.ln_f.weight.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"no finite log-likelihood .* first block.*dtype='float32'"):
        score(log, model)


def test_logs_that_do_not_say_what_was_asked_are_refused(log, model):
    ids_only = read_completions(log.table[["condition", "question_id", "completion", "aligned"]])
    with pytest.raises(LogError, match=r"which column contains the text of the question; expected one of question_id"):
        score(ids_only, model)
    renamed = read_completions(log.table[["condition", "question", "completion", "aligned"]])
    with pytest.raises(LogError, match=r"the log calls it 'question_id': pass question=\"question_id\""):
        score(renamed, model, question="question")
    with pytest.raises(LogError, match=r"column 'log_likelihood_villain': the log already has this column"):
        score(score(log, model), model)
    texts = read_completions(log.table[["condition", "question", "completion", "aligned"]])
    np.testing.assert_array_equal(score(texts, model).table[COLUMNS], score(log, model).table[COLUMNS])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"personas": {"villain": "<brute>"}}, r"persona 'villain': the tokenizer has no token '<brute>'.*<villain>"),
        ({"personas": {"pirate": "you are a pirate"}}, r"persona 'pirate': the tokenizer cannot encode .*\(2 unknown"),
        ({"personas": {}}, r"no persona"),
        ({"template": "{question}"}, r"expected text with both \{persona\} and \{question\}"),
        ({"end_token": "</s>"}, r"the tokenizer has no such token"),
    ],
)
def test_personas_and_templates_that_cannot_be_meant_are_refused(log, model, given, message):
    with pytest.raises(ValueError, match=message):
        score(log, model, **given)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('Not today') }}", r"template rejects its prompt .*pass template="),
        ("{{ messages|length }}", r"persona 'villain': the chat template drops its prompt"),
    ],
)
def test_chat_templates_without_a_place_for_the_persona_are_refused(log, chat_model, template, message):
    chat_model.tokenizer.chat_template = template
    with pytest.raises(ValueError, match=message):
        score(log, chat_model)


def test_folders_are_refused_by_what_they_lack(folder):
    assert load_language_model(folder, device="cpu").dtype == "float32"
    assert load_language_model(folder, device="cpu", dtype="bfloat16").dtype == "bfloat16"
    with pytest.raises(ValueError, match=r"dtype='float99': expected a number type of torch"):
        load_language_model(folder, dtype="float99")
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    lost = next(name for name in tensors if "ln_1" in name)
    save_file({name: values for name, values in tensors.items() if name != lost}, weights, {"format": "pt"})
    with pytest.raises(ValueError, match=rf"the weights lack 1 of the model's tensors, '{re.escape(lost)}'"):
        load_language_model(folder)
    weights.unlink()
    with pytest.raises(ValueError, match=r"has no weights; expected model\.safetensors"):
        load_language_model(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ValueError, match=r"has no config\.json"):
        load_language_model(folder)
    with pytest.raises(ValueError, match=r"there is no such folder"):
        load_language_model(folder / "nowhere")


def test_the_hash_of_weights_changes_with_any_weight(model):
    other = LanguageModel(make_network("gpt2", vocabulary=len(make_tokenizer())), model.tokenizer)
    assert other.weights_hash == model.weights_hash
    with torch.no_grad():
        other.network.transformer.ln_f.bias[3] += 1
    assert dataclasses.replace(other).weights_hash != model.weights_hash
