"""Log-probabilities of completions: every prompt's keys and values once, shared by all its completions.

The network sees a prompt without its last token once. A completion's pass starts with that last token, so each of its
outputs predicts a token of the completion, and no output for the prompt is ever computed. Only these outputs go
through the head, padding left out, in chunks, normalised in float32.
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

from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.batches import Plan, first_plan

__all__ = ["CompletionScorer"]

_CHUNK_BYTES = {"cpu": 2**24}  # of logits in float32: what stays in a processor's cache
_GPU_CHUNK_BYTES = 2**30
_BUDGET = {"cpu": 2**12}
_GPU_BUDGET = 2**16
_SHAREABLE = (DynamicLayer, DynamicSlidingWindowLayer)
_PROBE = 12  # tokens of the check that shortcuts change nothing


class _Prefix(NamedTuple):
    """Prompts without their last tokens, padded on the left to one width.

    Attributes:
        cache: keys and values.
        mask: which positions are real, ``(prompts, width)``; None when all are.
        lengths: real positions, ``(prompts,)``.
    """

    cache: Any
    mask: torch.Tensor | None
    lengths: torch.Tensor


class _SharedLayer(CacheLayerMixin):
    """One layer's keys and values of several prompts, seen from a batch of completions.

    Nothing is kept of what a completion adds: it exists while its own layer is computed.
    """

    def __init__(self, layer: Any, rows: torch.Tensor) -> None:
        super().__init__()
        self._layer, self._rows = layer, rows
        self.is_sliding = layer.is_sliding
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to do: the prompts have been seen."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self._after(self._layer.keys, key_states), self._after(self._layer.values, value_states)

    def _after(self, before: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        alone = before.shape[0] == 1
        mine = before.expand(len(self._rows), -1, -1, -1) if alone else before.index_select(0, self._rows)
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
        share_prefix: compute each prompt once. False runs prompt and completion together every time, as is done
            in any case for networks whose memory is more than keys and values (state-space models), and where a
            check on the first completion finds a difference.
        batch_tokens: positions a batch may hold, padding and prompt included; halved when memory runs out.

    Attributes:
        batch_tokens: as it is by now.
    """

    def __init__(self, network: Any, *, share_prefix: bool = True, batch_tokens: int | None = None) -> None:
        self._network = network
        self._device = network.device
        self.batch_tokens = batch_tokens or _BUDGET.get(self._device.type, _GPU_BUDGET)
        self._share, self._split, self._probed = share_prefix, True, False
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
            prompts: token ids, each with one token at least.
            completions: token ids of N completions, each with one token at least.
            prompt_of: the prompt of every completion, N indices.
            progress: told the rows and the completion tokens of every batch as it is sent off.

        Raises:
            InputError: not even one completion fits into memory.
        """
        self._probe(prompts[prompt_of[0]], completions[0])
        lengths = [len(ids) for ids in prompts], [len(ids) for ids in completions]
        waiting = list(range(len(completions)))
        grids: list[tuple[list[int], torch.Tensor]] = []
        while waiting:
            plan = first_plan(waiting, prompt_of, *lengths, self.batch_tokens)
            before = len(grids)
            enough = self._carry_out(plan, prompts, completions, prompt_of, grids, progress)
            done = {row for rows, _ in grids[before:] for row in rows}
            waiting = [row for row in waiting if row not in done]
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
    ) -> bool:
        """Score a plan's batches; False when memory ran out on the way."""
        place = {prompt: index for index, prompt in enumerate(plan.prompts)}
        try:
            prefix = self._prefix([prompts[index] for index in plan.prompts]) if self._share else None
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
        """Halve the batches after memory ran out; outside the handler, whose traceback holds on to tensors."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if len(plan.prompts) == 1 and len(plan.batches[0]) == 1:
            raise InputError(
                f"one completion of {lengths[1][plan.batches[0][0]]} tokens after a prompt of "
                f"{lengths[0][plan.prompts[0]]} does not fit into the memory of {self._device}",
                remedy="take a smaller number type (dtype='bfloat16') or another device",
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
            own = torch.ones(table.shape, dtype=prefix.mask.dtype, device=self._device)
            given["attention_mask"] = torch.cat([prefix.mask[rows], own], dim=1)
        if self._takes_positions:
            positions = prefix.lengths[rows][:, None] + torch.arange(table.shape[1], device=self._device)
            limit = getattr(self._network.config.get_text_config(), "max_position_embeddings", None)
            given["position_ids"] = positions if limit is None else positions.clamp(max=limit - 1)
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
        states = outputs.reshape(-1, outputs.shape[-1]).index_select(0, at)
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
            parts.append(normal.gather(1, wanted[:, None])[:, 0])
        return torch.cat(parts)

    def _body(self, **inputs: Any) -> Any:
        """The network up to the head, or with it where the head is more than one matrix."""
        return (self._network.base_model if self._split else self._network)(**inputs)

    def _send(self, values: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(values)
        if self._device.type == "cuda":  # pinned, so that the copy does not wait for the work before it
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._device)

    def _probe(self, prompt: Sequence[int], completion: Sequence[int]) -> None:
        """Once, on a few tokens: keep the shortcuts only if the network's own log-probabilities come out."""
        if self._probed:
            return
        self._probed = True
        start, end = [[*prompt, *prompt][-_PROBE:]], [completion[:_PROBE]]
        self._split = self._can_split(self._send(np.asarray(start)))
        want = self._whole(start, end)
        if self._share and want.isfinite().all() and not self._can_share(start, end, want):
            self._share = False
            warnings.warn(
                f"{type(self._network).__name__}: what it keeps of a prompt cannot be shared between completions; "
                "each is run with its whole prompt, which is slower.",
                stacklevel=2,
            )

    def _can_split(self, ids: torch.Tensor) -> bool:
        """Whether the logits are the head's output and nothing more, such as a scale or a cap."""
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


def _pad(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Token ids padded on the right with token 0, which no output that is used ever sees."""
    table = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for row, ids in enumerate(rows):
        table[row, : len(ids)] = ids
    return table
