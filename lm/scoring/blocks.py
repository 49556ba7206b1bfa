"""One block of completions: encoding, the reasons for completions that cannot be scored, and scoring of the rest."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.backends import AbstractBackend
from simulacra.lm.scoring.tokens import Completions, Encoder
from simulacra.lm.scoring.work import NOT_FINITE, Work

__all__ = ["BlockScorer", "EncodedBlock"]

_EMPTY = "the tokenizer finds no token in the completion"
_LONG = "longer than the model's context"
_NO_ROOM = "the prompt fills the model's context"


class EncodedBlock(NamedTuple):
    """Token ids of a block, and its table before scoring.

    Attributes:
        prompts: token ids, for every question of the block those of every persona.
        completions: token ids of all completions, including unscored ones, truncated to the model's context.
        question_of: the question of every completion, counted within the block.
        table: one row per completion: ``num_tokens``, ``unscored`` (a reason, or None), ``truncated``, and ``merged,
            special, ended`` as in :class:`~simulacra.lm.scoring.tokens.Completions`.
    """

    prompts: list[list[list[int]]]
    completions: list[list[int]]
    question_of: list[int]
    table: pd.DataFrame


class BlockScorer:
    """Scores completions block by block.

    Args:
        backend: the engine that runs the model.
        encoder: converts texts to token ids.
        written: persona name to its complete prompts, one per question.
        chat: whether a chat template wrote them.
        truncate: score completions that are too long up to the end of the model's context.
    """

    def __init__(
        self,
        backend: AbstractBackend,
        encoder: Encoder,
        written: Mapping[str, list[str]],
        *,
        chat: bool,
        truncate: bool,
    ) -> None:
        self._backend, self._encoder, self._written, self._chat = backend, encoder, written, chat
        self._truncate = truncate

    def encode(self, work: Work, rows: range) -> EncodedBlock:
        """The token ids of some completions, and which of them can be scored.

        Raises:
            InputError: a prompt without tokens.
        """
        own = work.question_of[rows.start : rows.stop]
        questions = sorted(set(own.tolist()))
        block = EncodedBlock([], [], np.searchsorted(questions, own).tolist(), pd.DataFrame())
        tables = []
        for question in questions:
            texts = [work.completions[row] for row, mine in zip(rows, own == question, strict=True) if mine]
            written = [by_question[question] for by_question in self._written.values()]
            prompts = [self._encoder.prompt(text, chat=self._chat) for text in written]
            if not all(prompts):
                raise InputError(
                    f"the prompt {written[0]!r} has no tokens",
                    expected="text of a question or a persona",
                    argument=("personas", "question"),
                )
            encoded = self._encoder.completions(written, texts)
            context = self._backend.context
            room = math.inf if context is None else float(context + 1 - max(map(len, prompts)))
            tables.append(self._judge(encoded, room))
            block.prompts.append(prompts)
            block.completions.extend(own if len(own) <= room else own[: int(room)] for own in encoded.ids)
        return block._replace(table=pd.concat(tables, ignore_index=True))

    def _judge(self, encoded: Completions, room: float) -> pd.DataFrame:
        """Which completions can be scored if the context has room for this number of tokens."""
        lengths = np.array([len(own) for own in encoded.ids])
        long = lengths > room
        reasons = np.select(
            [lengths == 0, np.full(len(lengths), room < 1), long & (not self._truncate)], [_EMPTY, _NO_ROOM, _LONG], ""
        )
        scored = reasons == ""
        return pd.DataFrame(
            {
                "num_tokens": np.where(scored, np.minimum(lengths, max(room, 0)), np.nan),
                "unscored": pd.Series([reason or None for reason in reasons], dtype=object),
                **{flag: np.asarray(getattr(encoded, flag)) & scored for flag in ("merged", "special", "ended")},
                "truncated": long & scored,
            }
        )

    def score(self, block: EncodedBlock, progress: Callable[[int, int], None]) -> pd.DataFrame:
        """The block's table with a column of log-likelihoods (nats) for every persona; NaN if unscored."""
        names = list(self._written)
        table = block.table.copy()
        rows = np.flatnonzero(table["unscored"].isna())
        values = np.full((len(names), len(table)), np.nan)
        if len(rows):
            values[:, rows] = self._backend.log_likelihoods(
                [prompt for prompts in block.prompts for prompt in prompts],
                [block.completions[row] for _ in names for row in rows],
                [block.question_of[row] * len(names) + persona for persona in range(len(names)) for row in rows],
                progress,
            ).reshape(len(names), -1)
        broken = np.zeros(len(table), dtype=bool)
        for name, own in zip(names, values, strict=True):
            broken[rows] |= ~np.isfinite(own[rows])
            table[name] = own
        table.loc[broken, "unscored"] = NOT_FINITE
        table.loc[broken, ["num_tokens", *names]] = np.nan
        return table
