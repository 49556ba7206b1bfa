"""Tokens on the two sides of the boundary between prompt and completion.

A model that samples starts after the prompt's own tokens, so these never change. The completion's tokens are those
that the tokenizer gives to prompt and completion together, beyond the prompt's. Where the two would merge across the
boundary (a prompt that ends in a line break and a completion that starts with one), no sampled completion could have
given that token: such a completion is tokenised alone, for all personas, and counted.
"""

import functools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from simulacra.formalism.errors import InputError

__all__ = ["Completions", "Encoder"]


class Completions(NamedTuple):
    """Token ids of completions.

    Attributes:
        ids: one list a completion, the same under every persona, so that persona ratios compare like with like.
        merged: which of them were tokenised alone.
    """

    ids: list[list[int]]
    merged: list[bool]


class Encoder:
    """Turns texts into token ids.

    Args:
        tokenizer: of transformers.
        end_token: the token that ends an answer (``"<|im_end|>"``), scored after the completion's own; None scores
            the completion alone, as is right for logs whose completions may have been cut off.

    Raises:
        InputError: the tokenizer has no such end token.
    """

    def __init__(self, tokenizer: Any, end_token: str | None = None) -> None:
        self._tokenizer = tokenizer
        if end_token is not None and end_token not in tokenizer.get_vocab():
            raise InputError(
                f"end_token={end_token!r}: the tokenizer has no such token; its own is {tokenizer.eos_token!r}",
                argument="end_token",
            )
        self._end = [] if end_token is None else [tokenizer.convert_tokens_to_ids(end_token)]

    def prompt(self, text: str, *, chat: bool) -> list[int]:
        """Ids of a prompt; a chat template has written its own opening token, elsewhere the tokenizer's is added."""
        return [*([] if chat else self._opening), *self._encode([text])[0]]

    def completions(self, prompts: Sequence[str], texts: Sequence[str]) -> Completions:
        """Ids of the completions of one question.

        Args:
            prompts: the question's prompts, one a persona.
            texts: the completions.
        """
        tails = sorted({self._tail(prompt) for prompt in prompts})
        beyond = [self._beyond(tail, texts) for tail in tails]
        agreed = [own[0] if all(ids == own[0] for ids in own) else None for own in zip(*beyond, strict=True)]
        alone = iter(self._encode([text for text, ids in zip(texts, agreed, strict=True) if ids is None]))
        return Completions(
            [[*(next(alone) if ids is None else ids), *self._end] for ids in agreed], [ids is None for ids in agreed]
        )

    def _beyond(self, tail: str, texts: Sequence[str]) -> list[list[int] | None]:
        before = self._encode([tail])[0]
        joint = self._encode([tail + text for text in texts])
        return [ids[len(before) :] if ids[: len(before)] == before else None for ids in joint]

    def _tail(self, prompt: str) -> str:
        """The prompt from its last added token on: text is never merged across such a token."""
        cuts = [match.start() for match in self._added.finditer(prompt)] if self._added else []
        return prompt[cuts[-1] :] if cuts else prompt

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        found: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return found

    @functools.cached_property
    def _added(self) -> re.Pattern[str] | None:
        names = sorted(self._tokenizer.get_added_vocab(), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, names))) if names else None

    @functools.cached_property
    def _opening(self) -> list[int]:
        """What the tokenizer puts before a text, such as a token for its beginning."""
        first = self._tokenizer.bos_token_id
        return [first] if first is not None and self._tokenizer("a")["input_ids"][:1] == [first] else []
