"""A causal language model with its tokenizer."""

import dataclasses
import functools
from typing import Any

from simulacra.formalism.display import card
from simulacra.lm.scoring.identity import hash_weights

__all__ = ["LanguageModel", "context_of"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LanguageModel:
    """A network that predicts the next token, and the tokenizer that it was trained with.

    Attributes:
        network: a causal language model of transformers, in evaluation mode.
        tokenizer: its tokenizer.
        name: its origin, for records.
    """

    network: Any
    tokenizer: Any
    name: str = "in memory"

    def __repr__(self) -> str:
        limit = "no limit" if self.context is None else f"{self.context} tokens"
        return card(
            f"LanguageModel {self.name}: {type(self.network).__name__} in {self.dtype}, context: {limit}",
            "next: score_log(log, model=model, personas=...)",
        )

    @property
    def context(self) -> int | None:
        """The maximum length of a text, in tokens; None if the configuration sets no limit."""
        return context_of(self.network.config)

    @property
    def dtype(self) -> str:
        """The number type of the weights, such as ``"bfloat16"``."""
        return str(self.network.dtype).removeprefix("torch.")

    @functools.cached_property
    def weights_hash(self) -> str:
        """SHA-256, hexadecimal, of all weights as loaded."""
        return hash_weights(self.network)


def context_of(config: Any) -> int | None:
    """The maximum length of a text, in tokens, that a configuration allows; None if it sets no limit.

    Dynamic scaling of rotary positions multiplies the length that the model was trained for.
    """
    text = config.get_text_config()
    limit = getattr(text, "max_position_embeddings", None)
    rope = getattr(text, "rope_parameters", None) or {}
    if limit is None or rope.get("rope_type") != "dynamic":
        return limit
    return int(limit * rope.get("factor", 1))
