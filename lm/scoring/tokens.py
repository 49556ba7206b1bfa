"""Tokens on the two sides of the boundary between prompt and completion.

Sampling starts after the prompt's tokens, so these are fixed. The completion's tokens are those that the tokenizer
gives to prompt and completion together, beyond the prompt's. If the two would merge across the boundary (a prompt that
ends in a line break and a completion that starts with one), sampling could not have produced the merged token: such a
completion is tokenised separately, for all personas, and counted.
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
        ids: one list per completion, the same under every persona, so that ratios between personas are comparable.
        merged: which of them were tokenised separately.
        special: which texts contain special tokens, apart from an end token that closes them.
        ended: which texts were closed by the end token already, and were given no second one.
    """

    ids: list[list[int]]
    merged: list[bool]
    special: list[bool]
    ended: list[bool]


class Encoder:
    """Converts texts to token ids.

    Args:
        tokenizer: a tokenizer of transformers.
        end_token: the token that ends an answer (``"<|im_end|>"``), scored after the completion's tokens; None scores
            the completion only, for logs whose completions may have been truncated.

        split_special_tokens: read names of special tokens in completions (``"<|im_end|>"``) as ordinary text. Such
            completions are tokenised separately.

    Raises:
        InputError: the tokenizer does not have this end token.
    """

    def __init__(self, tokenizer: Any, end_token: str | None = None, *, split_special_tokens: bool = False) -> None:
        self._tokenizer, self._split_special = tokenizer, split_special_tokens
        if end_token is not None and end_token not in tokenizer.get_vocab():
            raise InputError(
                f"end_token={end_token!r}: the tokenizer has no such token; its end token is {tokenizer.eos_token!r}",
                argument="end_token",
            )
        self._end = [] if end_token is None else [tokenizer.convert_tokens_to_ids(end_token)]

    def prompt(self, text: str, *, chat: bool) -> list[int]:
        """Ids of a prompt; the tokenizer's opening token is added unless a chat template has written it."""
        return [*([] if chat else self._opening), *self._encode([text])[0]]

    def completions(self, prompts: Sequence[str], texts: Sequence[str]) -> Completions:
        """Ids of the completions of one question.

        Args:
            prompts: the question's prompts, one per persona.
            texts: the completions.
        """
        tails = sorted({self._tail(prompt) for prompt in prompts})
        beyond = [self._beyond(tail, texts) for tail in tails]
        agreed = [own[0] if all(ids == own[0] for ids in own) else None for own in zip(*beyond, strict=True)]
        alone = iter(self._encode([text for text, ids in zip(texts, agreed, strict=True) if ids is None]))
        own = [next(alone) if ids is None else ids for ids in agreed]
        ended = [bool(self._end) and ids[-1:] == self._end for ids in own]
        special = [not self._special.isdisjoint(ids[:-1] if end else ids) for ids, end in zip(own, ended, strict=True)]
        merged = [ids is None for ids in agreed]
        if self._split_special:
            rows = [row for row in range(len(own)) if special[row] or ended[row]]
            for row, ids in zip(rows, self._encode([texts[row] for row in rows], split=True), strict=True):
                own[row], merged[row], ended[row] = ids, True, False
        closed = [ids if end else [*ids, *self._end] for ids, end in zip(own, ended, strict=True)]
        return Completions(closed, merged, special, ended)

    def _beyond(self, tail: str, texts: Sequence[str]) -> list[list[int] | None]:
        before = self._encode([tail])[0]
        joint = self._encode([tail + text for text in texts])
        return [ids[len(before) :] if ids[: len(before)] == before else None for ids in joint]

    def _tail(self, prompt: str) -> str:
        """The prompt from its last added token on; text is not merged across such a token."""
        cuts = [match.start() for match in self._added.finditer(prompt)] if self._added else []
        return prompt[cuts[-1] :] if cuts else prompt

    def _encode(self, texts: Sequence[str], *, split: bool = False) -> list[list[int]]:
        if not texts:
            return []
        given = {"add_special_tokens": False, "verbose": False, "split_special_tokens": split}
        found: list[list[int]] = self._tokenizer(list(texts), **given)["input_ids"]
        return found

    @functools.cached_property
    def _special(self) -> set[int]:
        """Ids of special tokens, apart from the one for unknown words."""
        added = {index for index, token in self._tokenizer.added_tokens_decoder.items() if token.special}
        return (added | set(self._tokenizer.all_special_ids)) - {self._tokenizer.unk_token_id}

    @functools.cached_property
    def _added(self) -> re.Pattern[str] | None:
        names = sorted(self._tokenizer.get_added_vocab(), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, names))) if names else None

    @functools.cached_property
    def _opening(self) -> list[int]:
        """The tokens that the tokenizer puts before a text, such as a token for its beginning."""
        first = self._tokenizer.bos_token_id
        return [first] if first is not None and self._tokenizer("a")["input_ids"][:1] == [first] else []
