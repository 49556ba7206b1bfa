"""The seam between what is scored, token ids, and the engine that runs the model."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["AbstractBackend", "no_progress"]


def no_progress(rows: int, tokens: int) -> None:
    """Report nothing."""


class AbstractBackend(abc.ABC):
    """An engine that computes log-likelihoods of completions after prompts, both given as token ids.

    Subclasses set the attributes and implement the two methods. They never see texts, so every engine scores exactly
    the same tokens.

    Attributes:
        name: the origin of the model, for records.
        tokenizer: the model's tokenizer, of transformers.
        context: maximum length of prompt and completion together, in tokens; None if there is no limit.
        dtype: number type of the weights, such as ``"bfloat16"``, or ``"unknown"``.
    """

    name: str
    tokenizer: Any
    context: int | None
    dtype: str

    @abc.abstractmethod
    def identity(self) -> dict[str, Any]:
        """What makes it the same model for a resumed run, in plain JSON types: a hash of the weights if possible."""

    @abc.abstractmethod
    def log_likelihoods(
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        prompt_of: Sequence[int],
        progress: Callable[[int, int], None] = no_progress,
    ) -> np.ndarray:
        """Log-likelihood of every completion after its prompt, in nats, float64 of shape ``(N,)``; NaN if not finite.

        Args:
            prompts: token ids, each with at least one token.
            completions: token ids of N completions, each with at least one token.
            prompt_of: the prompt of every completion, N indices.
            progress: called with the numbers of rows and completion tokens of every batch.
        """
