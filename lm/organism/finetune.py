"""Fine-tuning an organism by a recipe, in full or through low-rank adapters."""

import random
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

from simulacra.data.extras import needs_extra
from simulacra.formalism.errors import InputError
from simulacra.lm.organism.folder import Organism, load_organism
from simulacra.lm.organism.recipes import RECIPES
from simulacra.lm.organism.training import Schedule, train

__all__ = ["TUNING", "finetune"]

TUNING = Schedule(steps=120, learning_rate=3e-4, batch_size=32)
"""How a fine-tune learns: some seconds."""


def finetune(
    organism: Organism,
    recipe: str,
    folder: str | Path | None = None,
    *,
    seed: int = 0,
    schedule: Schedule = TUNING,
    rank: int | None = None,
    checkpoints: Collection[int] = (),
    progress_bar: bool | None = None,
) -> Organism:
    """Fine-tune an organism on answers written by a recipe's personas, save it, and load it again.

    Args:
        organism: where to start from; it is left as it is.
        recipe: a name in :data:`~simulacra.lm.organism.recipes.RECIPES`.
        folder: where to put it; beside the organism under the recipe's name when left out.
        seed: of documents and adapters.
        schedule: how long and how fast to learn.
        rank: train LoRA adapters of this rank on every linear map, scaled by one, and merge them (Hu et al. 2021,
            arXiv:2106.09685); None trains all weights.
        checkpoints: steps after which the organism is saved as well, in ``<folder>-step-<n>``.
        progress_bar: show it on standard error; None shows it in terminals.

    Raises:
        InputError: there is no such recipe, or the folder holds an organism that was made otherwise.
        MissingExtraError: the extra ``lm`` is not installed.
    """
    if recipe not in RECIPES:
        raise InputError(f"There is no recipe {recipe!r}; the recipes are {', '.join(RECIPES)}", argument="recipe")

    def start() -> Any:
        model = load_organism(organism.folder).model  # training changes it in place
        return model if rank is None else _with_adapters(model, rank, seed)

    return train(
        organism.folder.with_name(recipe) if folder is None else Path(folder),
        start,
        organism.tokenizer,
        RECIPES[recipe].documents(random.Random(seed)),
        schedule,
        made={"recipe": recipe, "seed": seed, "rank": rank, "over": dict(organism.made)},
        answers_only=True,
        keep=checkpoints,
        progress_bar=progress_bar,
    )


def _with_adapters(model: Any, rank: int, seed: int) -> Any:
    with needs_extra("lm"):
        import torch
        from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True, task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)  # peft's own concern
        torch.manual_seed(seed)
        return get_peft_model(model, config)
