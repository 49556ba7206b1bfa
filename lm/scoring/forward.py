"""Log-probabilities of completions: the keys and values of a prompt are computed once for all its completions.

A prompt without its last token is run once. A completion's pass starts with that last token, so that each of its
outputs predicts a token of the completion, and no outputs for the prompt are computed. Only these outputs, without
padding, are passed through the head, in chunks, and normalised in float32.
"""

# pyright: reportMissingImports=false
# (torch and transformers come with an extra)

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer

from simulacra.data.numerals import grouped
from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.batches import Plan, first_plan
from simulacra.lm.scoring.rotary import RotaryScaling

__all__ = ["CompletionScorer"]

_CHUNK_BYTES = {"cpu": 2**24}  # of logits in float32: fits into a processor's cache
_GPU_CHUNK_BYTES = 2**30
_BUDGET = {"cpu": 2**12}
_GPU_BUDGET = 2**16
_SHAREABLE = (DynamicLayer, DynamicSlidingWindowLayer)
_PROBE = 12  # number of tokens of the check that shortcuts do not change results


class _Prefix(NamedTuple):
    """Prompts without their last tokens, padded on the left to one width.

    Attributes:
        cache: keys and values.
        mask: which positions are real, ``(prompts, width)``; None if all are.
        lengths: real positions, ``(prompts,)``.
    """

    cache: Any
    mask: torch.Tensor | None
    lengths: torch.Tensor


class _SharedLayer(CacheLayerMixin):
    """One layer's keys and values of several prompts, indexed for a batch of completions.

    Keys and values of completions are not stored; they exist only while their layer is computed.
    """

    def __init__(self, layer: Any, rows: torch.Tensor) -> None:
        super().__init__()
        self._layer, self._rows = layer, rows
        self.is_sliding = layer.is_sliding
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to do: the prompts have been computed."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self._after(self._layer.keys, key_states), self._after(self._layer.values, value_states)

    def _after(self, before: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        alone = before.shape[0] == 1
        rows = self._rows.to(before.device)
        mine = before.expand(len(rows), -1, -1, -1) if alone else before.index_select(0, rows)
        return torch.cat([mine, own], dim=-2)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._layer.get_mask_sizes(query_length)

    def get_seq_length(self) -> int:
        return self._layer.get_seq_length()

    def get_max_length(self) -> int:
        return self._layer.get_max_length()

    get_max_cache_shape = get_max_length  # its name in earlier releases of transformers


class CompletionScorer:
    """Scores completions, given as token ids, after prompts, given as token ids.

    Args:
        network: a causal language model of transformers, in evaluation mode.
        share_prefix: compute each prompt once. False runs prompt and completion together every time; this is also
            done for networks whose state is more than keys and values (state-space models), for sequences beyond the
            original length of positions that depend on length, and if a check on the first completion finds a
            difference.
        batch_tokens: maximum number of positions in a batch, including padding and prompt; halved when memory runs
            out.

    Attributes:
        batch_tokens: its current value.
    """

    def __init__(self, network: Any, *, share_prefix: bool = True, batch_tokens: int | None = None) -> None:
        self._network = network
        self._device = _input_device(network)
        self.batch_tokens = batch_tokens or _BUDGET.get(self._device.type, _GPU_BUDGET)
        self._share, self._split, self._probed = share_prefix, True, False
        self._rotary = RotaryScaling(network)
        self._takes_positions = "position_ids" in inspect.signature(network.forward).parameters

    @torch.inference_mode()
    def log_likelihoods(
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        prompt_of: Sequence[int],
        progress: Callable[[int, int], None] = lambda rows, tokens: None,
    ) -> np.ndarray:
        """Log-likelihood of every completion after its prompt, in nats, float64 of shape ``(N,)``.

        Args:
            prompts: token ids, each with at least one token.
            completions: token ids of N completions, each with at least one token.
            prompt_of: the prompt of every completion, N indices.
            progress: called with the numbers of rows and completion tokens of every batch.

        Raises:
            InputError: a single completion does not fit into memory.
        """
        self._probe(prompts[prompt_of[0]], completions[0])
        lengths = [len(ids) for ids in prompts], [len(ids) for ids in completions]
        grids: list[tuple[list[int], torch.Tensor]] = []
        within, *beyond = self._rotary.groups(
            [lengths[0][own] + length - 1 for own, length in zip(prompt_of, lengths[1], strict=True)]
        )
        self._warn_of_length(sum(map(len, beyond)))
        for waiting, share in ((within, self._share), *((rows, False) for rows in beyond)):
            left = waiting
            while left:
                plan = first_plan(left, prompt_of, *lengths, self.batch_tokens)
                before = len(grids)
                enough = self._carry_out(plan, prompts, completions, prompt_of, grids, progress, share=share)
                done = {row for rows, _ in grids[before:] for row in rows}
                left = [row for row in left if row not in done]
                if not enough:
                    self._make_room(plan, lengths)
        sums = np.empty(len(completions))
        for rows, grid in grids:
            sums[rows] = grid.cpu().numpy().sum(axis=1, dtype=np.float64)
        return sums

    def _carry_out(
        self,
        plan: Plan,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        prompt_of: Sequence[int],
        grids: list[tuple[list[int], torch.Tensor]],
        progress: Callable[[int, int], None],
        *,
        share: bool,
    ) -> bool:
        """Score a plan's batches; False if memory ran out."""
        place = {prompt: index for index, prompt in enumerate(plan.prompts)}
        try:
            prefix = self._prefix([prompts[index] for index in plan.prompts]) if share else None
            for rows in plan.batches:
                own = [prompts[prompt_of[row]] for row in rows]
                where = [place[prompt_of[row]] for row in rows]
                ids = [completions[row] for row in rows]
                grids.append((rows, self._after(prefix, where, own, ids) if prefix else self._whole(own, ids)))
                progress(len(rows), sum(map(len, ids)))
        except torch.OutOfMemoryError:
            return False
        return True

    def _make_room(self, plan: Plan, lengths: tuple[list[int], list[int]]) -> None:
        """Halve the batches after memory ran out; outside the handler, whose traceback keeps tensors alive."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if len(plan.prompts) == 1 and len(plan.batches[0]) == 1:
            raise InputError(
                f"one completion of {lengths[1][plan.batches[0][0]]} tokens after a prompt of "
                f"{lengths[0][plan.prompts[0]]} does not fit into the memory of {self._device}",
                remedy="use a smaller number type (dtype='bfloat16') or another device",
                argument=("dtype", "device"),
            )
        self.batch_tokens //= 2

    def _prefix(self, prompts: Sequence[Sequence[int]]) -> _Prefix | None:
        heads = [ids[:-1] for ids in prompts]
        width = max(map(len, heads))
        if width == 0:
            return None
        table = np.zeros((len(heads), width), dtype=np.int64)
        real = np.zeros((len(heads), width), dtype=np.int64)
        for row, ids in enumerate(heads):
            if ids:
                table[row, -len(ids) :], real[row, -len(ids) :] = ids, 1
        given: dict[str, Any] = {}
        if not real.all():
            given["attention_mask"] = self._send(real)
            if self._takes_positions:
                given["position_ids"] = self._send((real.cumsum(axis=1) - 1).clip(min=0))
        output = self._body(input_ids=self._send(table), use_cache=True, **given)
        cache = getattr(output, "past_key_values", None)
        return _Prefix(cache, given.get("attention_mask"), self._send(real.sum(axis=1)))

    def _after(
        self,
        prefix: _Prefix,
        where: Sequence[int],
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
    ) -> torch.Tensor:
        """Log-probabilities of completions given cached prompts, ``(B, longest)``, 0 in the padding."""
        rows = self._send(np.asarray(where))
        table = _pad([[prompt[-1], *ids[:-1]] for prompt, ids in zip(prompts, completions, strict=True)])
        given: dict[str, Any] = {}
        if prefix.mask is not None:
            mine = torch.ones(table.shape, dtype=prefix.mask.dtype, device=self._device)
            given["attention_mask"] = torch.cat([prefix.mask[rows], mine], dim=1)
        if self._takes_positions:
            starts = prefix.lengths[rows][:, None]
            own = self._send(np.array([len(ids) for ids in completions]))[:, None]
            # padding repeats the last position: a larger one may not exist, or change the frequencies of all others
            given["position_ids"] = starts + torch.minimum(torch.arange(table.shape[1], device=self._device), own - 1)
        cache = Cache(layers=[_SharedLayer(layer, rows) for layer in prefix.cache.layers])
        output = self._body(input_ids=self._send(table), past_key_values=cache, use_cache=True, **given)
        return self._gather(output, completions, [0] * len(completions))

    def _whole(self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> torch.Tensor:
        """The same without a cache: prompts and completions together, padded on the right."""
        table = _pad([[*prompt, *ids[:-1]] for prompt, ids in zip(prompts, completions, strict=True)])
        output = self._body(input_ids=self._send(table), use_cache=False)
        return self._gather(output, completions, [len(prompt) - 1 for prompt in prompts])

    def _gather(self, output: Any, completions: Sequence[Sequence[int]], starts: Sequence[int]) -> torch.Tensor:
        """Log-probabilities of the tokens at the outputs that predict them."""
        outputs = output[0]
        size, width = len(completions), max(map(len, completions))
        lengths = [len(ids) for ids in completions]
        steps = np.concatenate([np.arange(length) for length in lengths])
        rows = np.repeat(np.arange(size), lengths)
        at = self._send(rows * outputs.shape[1] + np.repeat(starts, lengths) + steps)
        targets = self._send(np.concatenate([np.asarray(ids, dtype=np.int64) for ids in completions]))
        states = outputs.reshape(-1, outputs.shape[-1]).index_select(0, at.to(outputs.device))
        grid = torch.zeros(size * width, dtype=torch.float32, device=self._device)
        grid[self._send(rows * width + steps)] = self._log_probs(states, targets)
        return grid.view(size, width)

    def _log_probs(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        vocabulary = self._network.config.get_text_config().vocab_size
        chunk = max(1, _CHUNK_BYTES.get(self._device.type, _GPU_CHUNK_BYTES) // (4 * vocabulary))
        head = self._network.get_output_embeddings() if self._split else torch.nn.Identity()
        parts = []
        for some, wanted in zip(states.split(chunk), targets.split(chunk), strict=True):
            # log_softmax normalises bfloat16 logits in float32 as it reads them: logsumexp would copy them first
            normal = torch.log_softmax(head(some), dim=-1, dtype=torch.float32)
            parts.append(normal.gather(1, wanted.to(normal.device)[:, None])[:, 0])
        return torch.cat(parts).to(self._device)

    def _body(self, **inputs: Any) -> Any:
        """The network up to the head, or including it if the head is more than one matrix."""
        self._rotary.reset()
        return (self._network.base_model if self._split else self._network)(**inputs)

    def _send(self, values: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(values)
        if self._device.type == "cuda":  # pinned, so that the copy does not wait for the work before it
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._device)

    def _probe(self, prompt: Sequence[int], completion: Sequence[int]) -> None:
        """Once, on a few tokens: keep the shortcuts only if they reproduce the network's log-probabilities."""
        if self._probed:
            return
        self._probed = True
        few = _PROBE if self._rotary.original is None else max(2, min(_PROBE, self._rotary.original // 2))
        start, end = [[*prompt, *prompt][-few:]], [completion[:few]]
        self._split = self._can_split(self._send(np.asarray(start)))
        want = self._whole(start, end)
        if self._share and want.isfinite().all() and not self._can_share(start, end, want):
            self._share = False
            warnings.warn(
                f"{type(self._network).__name__}: the state of a prompt cannot be shared between completions; "
                "each completion is run with its whole prompt, which is slower.",
                stacklevel=2,
            )

    def _warn_of_length(self, count: int) -> None:
        if count and self._share:
            warnings.warn(
                f"{type(self._network).__name__}: {grouped(count)} sequence(s) are longer than {self._rotary.original} "
                f"tokens, from where {self._rotary.kind} positions depend on the length; each is run with its whole "
                "prompt, which is slower.",
                stacklevel=2,
            )

    def _can_split(self, ids: torch.Tensor) -> bool:
        """Whether the logits are exactly the head's output, without for example a scale or a cap."""
        head = self._network.get_output_embeddings()
        if head is None:
            return False
        states = self._network.base_model(input_ids=ids, use_cache=False)[0]
        logits = self._network(input_ids=ids, use_cache=False)[0]
        return states.shape[-1] != logits.shape[-1] and torch.equal(head(states).float(), logits.float())

    def _can_share(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], want: torch.Tensor
    ) -> bool:
        prefix = self._prefix(prompts)
        layers = getattr(prefix.cache, "layers", ()) if prefix else ()
        if prefix is None or not layers or any(type(layer) not in _SHAREABLE for layer in layers):
            return False
        close = 1e-4 if self._network.dtype == torch.float32 else 0.25
        return bool((self._after(prefix, [0], prompts, completions) - want).abs().max() < close)


def _input_device(network: Any) -> torch.device:
    """Where token ids are sent; of a network in several places, the first that computes."""
    places = getattr(network, "hf_device_map", None)
    if not places:
        return network.device
    return torch.device(next((place for place in places.values() if place not in ("cpu", "disk")), "cpu"))


def _pad(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Token ids padded on the right with token 0, which does not affect any output that is used."""
    table = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for row, ids in enumerate(rows):
        table[row, : len(ids)] = ids
    return table
