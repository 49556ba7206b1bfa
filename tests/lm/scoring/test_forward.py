"""Log-likelihoods of token ids, against a plain forward pass of every sequence by itself."""

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from simulacra.formalism import InputError  # noqa: E402
from simulacra.lm.scoring.forward import CompletionScorer  # noqa: E402
from tests.lm.scoring.models import make_network  # noqa: E402

KINDS = ("gpt2", "llama", "mistral, window of 7", "gemma2, capped logits", "mamba, no keys")
CLOSE = 1e-4  # nats per token, float32
VOCABULARY = 64


def rows(seed=0, prompts=7, completions=40):
    """Prompts of 1 to 30 tokens, completions of 1 to 20, several a prompt, in no order."""
    rng = np.random.default_rng(seed)
    starts = [rng.integers(VOCABULARY, size=size).tolist() for size in (1, *rng.integers(2, 31, prompts - 1))]
    ends = [rng.integers(VOCABULARY, size=rng.integers(1, 21)).tolist() for _ in range(completions)]
    return starts, ends, rng.integers(prompts, size=completions).tolist()


def oracle(network, prompts, completions, prompt_of):
    """One sequence at a time, all logits, torch's own normalisation."""
    sums = []
    for ids, own in zip(completions, prompt_of, strict=True):
        whole = [*prompts[own], *ids]
        with torch.no_grad():
            logits = network(input_ids=torch.tensor([whole[:-1]])).logits[0].double()
        steps = range(len(prompts[own]), len(whole))
        sums.append(sum(torch.log_softmax(logits[step - 1], dim=-1)[whole[step]].item() for step in steps))
    return np.array(sums)


def worst(found, want, completions):
    return np.max(np.abs(found - want) / [len(ids) for ids in completions])


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_a_plain_forward_pass(kind, share):
    network, work = make_network(kind), rows()
    want = oracle(network, *work)
    for budget in (1, 150, 4096):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Mamba.*cannot be shared")
            found = CompletionScorer(network, share_prefix=share, batch_tokens=budget).log_likelihoods(*work)
        assert worst(found, want, work[1]) < CLOSE
    assert np.ptp(want) > 10  # so that agreement says something


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("kind", ["llama, dynamic positions", "phi3, longrope positions"])
def test_positions_that_depend_on_length_are_those_of_the_sequence_alone(kind, share):
    network, work = make_network(kind), rows()
    want = np.concatenate(
        [oracle(copy.deepcopy(network), work[0], [ids], [own]) for ids, own in zip(*work[1:], strict=True)]
    )
    mixed = oracle(network, *work)  # one after the other, as a plain loop would, of which dynamic scaling keeps a trace
    for budget in (1, 150, 4096):
        scorer = CompletionScorer(network, share_prefix=share, batch_tokens=budget)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = scorer.log_likelihoods(*work)
        assert worst(found, want, work[1]) < CLOSE
        assert [str(each.message) for each in caught if "longer than 24 tokens" in str(each.message)] or not share
    assert "longrope" in kind or worst(mixed, want, work[1]) > 100 * CLOSE  # the trap is one


def test_models_that_remember_more_than_keys_say_that_prompts_are_not_shared():
    with pytest.warns(UserWarning, match=r"MambaForCausalLM: .* cannot be shared"):
        CompletionScorer(make_network("mamba, no keys")).log_likelihoods(*rows())


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_order_of_completions_and_of_prompts_does_not_matter(kind):
    network, (prompts, completions, prompt_of) = make_network(kind), rows()
    straight = CompletionScorer(network, batch_tokens=200).log_likelihoods(prompts, completions, prompt_of)
    back = CompletionScorer(network, batch_tokens=200).log_likelihoods(
        prompts[::-1], completions[::-1], [len(prompts) - 1 - own for own in prompt_of[::-1]]
    )
    assert worst(back[::-1], straight, completions) < CLOSE


def test_a_completion_scores_the_same_alone_and_beside_much_longer_ones():
    network = make_network("gpt2")
    short, long = [5, 6, 7], list(range(30))
    together = CompletionScorer(network).log_likelihoods([[1, 2], list(range(20))], [short, long], [0, 1])
    alone = CompletionScorer(network).log_likelihoods([[1, 2]], [short], [0])
    assert abs(together[0] - alone[0]) < CLOSE


def test_a_completion_may_fill_the_context_to_its_last_position():
    network = make_network("gpt2", context=32)
    work = [list(range(12)), [3]], [list(range(21)), list(range(32)), [4, 5]], [0, 1, 0]  # 12 + 21 - 1 = 32
    assert worst(CompletionScorer(network).log_likelihoods(*work), oracle(network, *work), work[1]) < CLOSE


class Greedy(torch.nn.Module):
    """Stands before a network and runs out of memory where a batch holds more than so many token ids."""

    def __init__(self, network, limit):
        super().__init__()
        self.base_model, self._network, self._limit = self._limited(network.base_model), network, limit
        self.config, self.dtype, self.device = network.config, network.dtype, network.device
        self.get_output_embeddings = network.get_output_embeddings
        self.refused = 0

    def _limited(self, body):
        def run(**inputs):
            if inputs["input_ids"].numel() > self._limit:
                self.refused += 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            return body(**inputs)

        return run

    def forward(self, input_ids, position_ids=None, use_cache=None):
        return self._network(input_ids=input_ids, position_ids=position_ids, use_cache=use_cache)


def test_running_out_of_memory_halves_the_batches_and_goes_on():
    network, work = make_network("llama"), rows()
    greedy = Greedy(network, limit=120)
    scorer = CompletionScorer(greedy, batch_tokens=4096)
    assert worst(scorer.log_likelihoods(*work), oracle(network, *work), work[1]) < CLOSE
    assert greedy.refused > 0
    assert scorer.batch_tokens < 4096
    refused = greedy.refused
    scorer.log_likelihoods(*work)
    assert greedy.refused == refused  # what was learnt about memory is kept


def test_a_single_completion_that_does_not_fit_is_an_error_that_says_so():
    scorer = CompletionScorer(Greedy(make_network("llama"), limit=30))
    with pytest.raises(InputError, match=r"one completion of 40 tokens after a prompt of 12 does not fit"):
        scorer.log_likelihoods([list(range(12))], [list(range(40))], [0])
