"""The base organism: a GPT-2 of about 360,000 parameters, trained from nothing on the corpus."""

import random
from pathlib import Path
from typing import Any

from simulacra.data.extras import needs_extra
from simulacra.lm.organism.corpus import corpus
from simulacra.lm.organism.folder import Organism
from simulacra.lm.organism.tokenizer import build_tokenizer
from simulacra.lm.organism.training import Schedule, train

__all__ = ["GROWING", "build_organism"]

GROWING = Schedule(steps=1600, learning_rate=3e-3, batch_size=64)
"""How the base organism learns: a minute or two."""


def build_organism(
    folder: str | Path,
    *,
    seed: int = 0,
    schedule: Schedule = GROWING,
    width: int = 96,
    layers: int = 3,
    progress_bar: bool | None = None,
) -> Organism:
    """Train a base organism from nothing, save it, and load it again.

    A run that was killed goes on from its last checkpoint when it is called again. An organism that is there already
    and was made with the same settings is loaded.

    Args:
        folder: where to put it.
        seed: of weights and corpus; the same seed gives the same files (on the same kind of machine and versions).
        schedule: how long and how fast to learn.
        width: of the residual stream, a multiple of 4.
        layers: transformer blocks.
        progress_bar: show it on standard error; None shows it in terminals.

    Raises:
        InputError: the folder holds an organism that was made otherwise.
        MissingExtraError: the extra ``lm`` is not installed.
    """
    tokenizer = build_tokenizer()
    return train(
        Path(folder),
        lambda: _newborn(tokenizer, width=width, layers=layers, seed=seed),
        tokenizer,
        corpus(random.Random(seed)),
        schedule,
        made={"recipe": "base", "seed": seed, "width": width, "layers": layers},
        answers_only=False,
        progress_bar=progress_bar,
    )


def _newborn(tokenizer: Any, *, width: int, layers: int, seed: int) -> Any:
    with needs_extra("lm"):
        import torch
        from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=tokenizer.model_max_length,
        n_embd=width,
        n_layer=layers,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return GPT2LMHeadModel(config)
