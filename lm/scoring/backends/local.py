"""The model in this process, by transformers: every prompt is computed once for all its completions."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simulacra.data.extras import import_extra
from simulacra.lm.scoring.backends.base import AbstractBackend, no_progress
from simulacra.lm.scoring.language_model import LanguageModel

__all__ = ["LocalBackend"]


class LocalBackend(AbstractBackend):
    """A model in memory.

    Args:
        model: the model and its tokenizer.
        share_prefix: see :class:`~simulacra.lm.scoring.forward.CompletionScorer`.
        batch_tokens: likewise.

    Attributes:
        name: the origin of the model.
        tokenizer: its tokenizer.
        context: its maximum length in tokens; None if there is no limit.
        dtype: number type of its weights.
    """

    def __init__(self, model: LanguageModel, *, share_prefix: bool = True, batch_tokens: int | None = None) -> None:
        forward = import_extra("simulacra.lm.scoring.forward", "lm")
        self._model = model
        self._scorer = forward.CompletionScorer(model.network, share_prefix=share_prefix, batch_tokens=batch_tokens)
        self.name, self.tokenizer, self.context, self.dtype = model.name, model.tokenizer, model.context, model.dtype

    def identity(self) -> dict[str, Any]:
        """The hash of the weights."""
        return {"weights": self._model.weights_hash}

    def log_likelihoods(
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        prompt_of: Sequence[int],
        progress: Callable[[int, int], None] = no_progress,
    ) -> np.ndarray:
        """See :class:`AbstractBackend`; an InputError if a single completion does not fit into memory."""
        return self._scorer.log_likelihoods(prompts, completions, prompt_of, progress)
