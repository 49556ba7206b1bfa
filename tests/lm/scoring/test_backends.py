"""Other engines and several processes give the numbers of one process."""

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from simulacra.formalism import InputError  # noqa: E402
from simulacra.lm import score_log  # noqa: E402
from simulacra.lm.scoring.backends import LocalBackend  # noqa: E402
from simulacra.lm.scoring.backends.server import ServerBackend  # noqa: E402
from simulacra.lm.scoring.forward import CompletionScorer  # noqa: E402
from simulacra.lm.scoring.loading import load_language_model  # noqa: E402
from tests.lm.scoring.models import PERSONAS, make_network  # noqa: E402
from tests.lm.scoring.server import choice, serve  # noqa: E402
from tests.lm.scoring.test_forward import oracle, rows, worst  # noqa: E402

COLUMNS = [*(f"log_likelihood_{name}" for name in PERSONAS), "num_tokens"]
CLOSE = 1e-4  # nats a completion
ROOT = Path(__file__).parents[3]


def score(log, model, **given):
    return score_log(log, **{"model": model, "personas": PERSONAS, "progress_bar": False, **given})


def test_a_server_gives_the_numbers_of_one_process(log, model):
    want = score(log, model)
    with serve(model.network) as url:
        backend = ServerBackend(url, "tiny", model.tokenizer, batch_rows=3)
        assert backend.context == model.context
        found = score(log, backend)
    np.testing.assert_allclose(found.table[COLUMNS], want.table[COLUMNS], atol=CLOSE)
    assert found.account.unscored == want.account.unscored
    assert "log-likelihoods by tiny (weights out of sight) under villain" in str(found.account)


def test_scores_of_a_server_are_made_again_where_that_is_wanted(log, model, tmp_path):
    out, asked, counts = tmp_path / "scored.parquet", [], []
    with serve(model.network, lambda number, answer: asked.append(number) or (200, answer)) as url:
        for overwrite in (False, False, True):
            score(log, ServerBackend(url, "tiny", model.tokenizer), out=out, overwrite=overwrite)
            counts.append(len(asked))
    assert 0 < counts[0] == counts[1] < counts[2]  # the weights are out of sight


def test_a_server_that_is_busy_for_a_moment_is_asked_again(log, model, monkeypatch):
    monkeypatch.setattr("simulacra.lm.scoring.backends.server._PAUSE", 0.001)
    with serve(model.network, lambda number, answer: (503 if number % 2 == 0 else 200, answer)) as url:
        found = score(log, ServerBackend(url, "tiny", model.tokenizer, requests=1))
    np.testing.assert_allclose(found.table[COLUMNS], score(log, model).table[COLUMNS], atol=CLOSE)


def spoil(**logprobs):
    def change(_, answer):
        for each in answer["choices"]:
            each["logprobs"] = {name: values(each["logprobs"][name]) for name, values in logprobs.items()}
        return 200, answer

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda *_: (400, {"error": "echo is not supported"}), r"answered with status 400: .*echo is not supported"),
        (spoil(), r"answered with no log-probabilities; expected log-probabilities of all tokens of a prompt"),
        (spoil(token_logprobs=lambda own: own[-1:]), r"answered with 1 log-probabilities for a prompt of \d+ tokens"),
        (spoil(token_logprobs=lambda own: [None, -1.0, *own]), r"answered with \d+ log-probabilities for a prompt"),
        (lambda _, answer: (200, {"choices": answer["choices"][1:]}), r"answered with \d+ choices for \d+ prompts"),
    ],
)
def test_servers_that_answer_otherwise_are_input_errors(change, message, log, model):
    with serve(model.network, change) as url, pytest.raises(InputError, match=message):
        score(log, ServerBackend(url, "tiny", model.tokenizer))


def test_a_server_that_is_absent_or_has_no_such_model_is_an_input_error(model, monkeypatch):
    monkeypatch.setattr("simulacra.lm.scoring.backends.server._PAUSE", 0.001)
    with serve(model.network) as url, pytest.raises(InputError, match=r"has no model 'huge'; expected one of 'tiny'"):
        ServerBackend(url, "huge", model.tokenizer)
    with pytest.raises(InputError, match=r"does not answer .*such as http://localhost:8000/v1"):
        ServerBackend(url, "tiny", model.tokenizer)


@pytest.fixture
def vllm(model, monkeypatch):
    """An imitation of vLLM's documented interface that runs the GPT-2."""

    class LLM:
        def __init__(self, model, **options):
            self.options = options
            settings = types.SimpleNamespace(max_model_len=65, dtype=torch.float32)
            self.llm_engine = types.SimpleNamespace(model_config=settings)

        def generate(self, prompts, sampling_params, *, use_tqdm):
            assert (sampling_params["prompt_logprobs"], sampling_params["max_tokens"], use_tqdm) == (1, 1, False)
            return [types.SimpleNamespace(prompt_logprobs=self._values(asked["prompt_token_ids"])) for asked in prompts]

        def _values(self, ids):
            values = choice(model.network, ids, 0)["logprobs"]["token_logprobs"][: len(ids)]
            best = {-1: types.SimpleNamespace(logprob=0.0)}  # the likeliest token is returned as well
            own = zip(ids, values, strict=True)
            return [
                None if value is None else {**best, token: types.SimpleNamespace(logprob=value)} for token, value in own
            ]

    module = types.SimpleNamespace(LLM=LLM, SamplingParams=dict, TokensPrompt=dict)
    monkeypatch.setitem(sys.modules, "vllm", module)
    return module


def test_vllm_gives_the_numbers_of_one_process(log, model, folder, vllm):
    from simulacra.lm.scoring.backends.vllm import VllmBackend

    backend = VllmBackend(folder, model.tokenizer)
    assert backend._engine.options == {"revision": None, "trust_remote_code": False}
    assert (backend.context, backend.dtype) == (64, "float32")
    np.testing.assert_allclose(score(log, backend).table[COLUMNS], score(log, model).table[COLUMNS], atol=CLOSE)
    before = backend.identity()
    moved = VllmBackend(folder.rename(folder.with_name("moved")), model.tokenizer)
    assert moved.identity() == before
    assert before["weights"] is not None


SHARD = """
import sys, torch
torch.set_num_threads(1)
from simulacra.lm import score_log
from tests.lm.scoring.models import PERSONAS, make_log
own, shards = int(sys.argv[3]), int(sys.argv[4])
scored = score_log(make_log(), model=sys.argv[1], personas=PERSONAS, out=sys.argv[2], block_rows=2, shard=(own, shards),
                   progress_bar=False)
print(sum(rows.count for reason, rows in scored.account.unscored.items() if "shard" in reason))
"""


@pytest.mark.long
def test_two_shards_in_two_processes_give_the_file_of_one(log, folder, tmp_path):
    whole, out = tmp_path / "whole.parquet", tmp_path / "scored.parquet"
    score(log, str(folder), out=whole, block_rows=2)
    words = [[sys.executable, "-c", SHARD, folder, out, str(own), "2"] for own in (1, 2)]
    running = [
        subprocess.Popen(own, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for own in words
    ]
    ended = [each.communicate(timeout=120) for each in running]
    assert [each.returncode for each in running] == [0, 0], ended
    np.testing.assert_allclose(pd.read_parquet(out)[COLUMNS], pd.read_parquet(whole)[COLUMNS], atol=CLOSE)
    assert out.read_bytes() == whole.read_bytes()
    assert not out.with_name("scored.parquet.parts").exists()


def test_rows_of_other_shards_are_counted_until_all_are_there(log, model, tmp_path):
    whole, out = score(log, model), tmp_path / "scored.parquet"
    first = score(log, model, out=out, block_rows=2, shard=(1, 2))
    elsewhere = first.account.unscored["in a part of another shard"].count
    assert 0 < elsewhere < len(log)
    assert first.table[COLUMNS[0]].isna().sum() == elsewhere + 1  # and one row has no text
    assert not out.exists()
    second = score(log, model, out=out, block_rows=2, shard=(2, 2))
    np.testing.assert_allclose(second.table[COLUMNS], whole.table[COLUMNS], atol=CLOSE)
    assert score(log, model, out=out, block_rows=2, shard=(1, 2)).table.equals(second.table)
    with pytest.raises(InputError, match=r"shard=3/2; expected i/n with i from 1 to n"):
        score(log, model, out=tmp_path / "other.parquet", shard=(3, 2))
    with pytest.raises(InputError, match=r"shard=1/9: the log has 4 block\(s\) of completions; .* block_rows="):
        score(log, model, out=tmp_path / "other.parquet", block_rows=2, shard=(1, 9))
    with pytest.raises(InputError, match=r"shards and workers put their parts next to a file; expected out="):
        score(log, model, shard=(1, 2))


def test_parts_of_shards_from_other_machines_are_merged_without_scoring(log, model, tmp_path, monkeypatch):
    whole = score(log, model)
    places = [tmp_path / name / "scored.parquet" for name in ("here", "there")]
    for own, place in enumerate(places, start=1):
        score(log, model, out=place, block_rows=2, shard=(own, 2))
    for part in places[1].with_name("scored.parquet.parts").glob("part-*"):
        part.rename(places[0].with_name("scored.parquet.parts") / part.name)
    monkeypatch.setattr(LocalBackend, "log_likelihoods", lambda *_: pytest.fail("nothing is left to score"))
    merged = score(log, model, out=places[0], block_rows=2)
    np.testing.assert_allclose(merged.table[COLUMNS], whole.table[COLUMNS], atol=CLOSE)


def test_a_network_in_several_places_gives_the_same_numbers(folder, tmp_path):
    network = make_network("llama")
    network.save_pretrained(folder)
    places = {"model.embed_tokens": "cpu", "model.layers.0": "cpu", "model.layers.1": "disk", "model.layers.2": "disk"}
    places |= {"model.norm": "disk", "model.rotary_emb": "cpu", "lm_head": "disk"}
    whole = load_language_model(folder, device="cpu")
    spread = load_language_model(folder, device_map=places, dtype="float32")
    work = rows()
    assert any(values.is_meta for values in spread.network.parameters())
    assert worst(CompletionScorer(spread.network).log_likelihoods(*work), oracle(network, *work), work[1]) < CLOSE
    assert spread.weights_hash == whole.weights_hash
    with pytest.raises(InputError, match=r"both device= and device_map="):
        load_language_model(folder, device="cpu", device_map="auto")
