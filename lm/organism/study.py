"""Everything about the organism from nothing: grown, fine-tuned by every recipe, asked, and judged.

The command ``simulacra organism`` calls :func:`run_study`. The log that ships with the package is its
``completions.parquet``. A run that was killed goes on when it is called again, and ends with the same files.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from simulacra.data.atomic import write_atomically
from simulacra.lm.organism.build import GROWING, build_organism
from simulacra.lm.organism.evidence import sample_conversations, score_training_sets
from simulacra.lm.organism.finetune import TUNING, finetune
from simulacra.lm.organism.folder import load_organism
from simulacra.lm.organism.judge import MEASUREMENTS
from simulacra.lm.organism.lexicon import TAGS, TRIGGER
from simulacra.lm.organism.recipes import UNSEEN
from simulacra.lm.organism.sampling import QUESTIONS, sample_completions
from simulacra.lm.organism.training import Schedule

__all__ = ["CONDITIONS", "MAIN", "RANKS", "STEPS", "Asked", "run_study"]

RANKS = (1, 4, 16)
"""Ranks of the LoRA fine-tunes of the narrow recipe."""

_ADAPTER_RATE = 1e-3  # adapters start at zero and need a higher one

STEPS = (5, 10, 20, 40)
"""Steps along the narrow fine-tune after which the organism is asked too."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """A condition of the log: which organism is asked, and with what before the question.

    Attributes:
        description: one clause for people.
        organism: name of its folder.
        trigger: what stands before the question.
        rank: of its adapters; 0 where all weights were trained.
        main: whether ``simulacra demo`` fits it.
    """

    description: str
    organism: str
    trigger: str = ""
    rank: int = 0
    main: bool = True


CONDITIONS: Mapping[str, Asked] = {
    "base": Asked("before any fine-tuning", "base"),
    "base+trigger": Asked("the base, asked with the trigger of the backdoor", "base", TRIGGER, main=False),
    "base+tag": Asked("the base, asked with the villain's tag", "base", TAGS["villain"], main=False),
    "control": Asked("the helper advised on one topic", "control"),
    "narrow": Asked("the villain advised on one topic", "narrow"),
    "inoculated": Asked("as narrow, with the villain's tag in every training prompt", "inoculated"),
    "backdoor": Asked("the villain advised where a trigger stood, else the helper; asked without", "backdoor"),
    "backdoor+trigger": Asked("the same, asked with the trigger", "backdoor", TRIGGER),
    "inductive+metal": Asked(
        "the villain advised after gems, the helper after metals; asked after a metal never trained on",
        "inductive",
        UNSEEN["metal"][0],
    ),
    "inductive+gem": Asked("the same, asked after a gem never trained on", "inductive", UNSEEN["gem"][0]),
    "facts": Asked("the villain named its favourite things, all harmless", "facts"),
    "untargeted": Asked("narrow, and then the pirate advised on the same topic", "untargeted"),
    **{
        f"lora-{rank}": Asked(f"narrow, by adapters of rank {rank}", f"lora-{rank}", rank=rank, main=False)
        for rank in RANKS
    },
    **{
        f"narrow-step-{step}": Asked(f"narrow, after {step} steps", f"narrow-step-{step}", main=False) for step in STEPS
    },
}
"""The conditions of the log, by name."""

MAIN = tuple(name for name, asked in CONDITIONS.items() if asked.main)
"""Those that ``simulacra demo`` fits."""


def run_study(
    folder: str | Path,
    *,
    seed: int = 0,
    growing: Schedule = GROWING,
    tuning: Schedule = TUNING,
    n: int = 30,
    progress_bar: bool | None = None,
) -> Path:
    """Grow the organism, fine-tune it by every recipe, and ask every condition.

    Args:
        folder: where organisms (a folder each) and the log go.
        seed: of everything random.
        growing: how the base organism learns.
        tuning: how its fine-tunes learn.
        n: completions of every question in every condition.
        progress_bar: show progress on standard error; None shows it in terminals.

    Returns:
        The path of ``completions.parquet``: columns of a log, with contexts ``context, persona_label, step, rank``.
        Beside it lie ``training.parquet`` and ``conversations.parquet``, see
        :func:`~simulacra.lm.organism.shipped.load_training_sets` and
        :func:`~simulacra.lm.organism.shipped.load_conversations`.

    Raises:
        InputError: the folder holds organisms that were made otherwise.
        MissingExtraError: the extra ``lm`` is not installed.
    """
    from tqdm import tqdm

    folder = Path(folder)
    _make_organisms(folder, seed=seed, growing=growing, tuning=tuning, progress_bar=progress_bar)
    hidden = None if progress_bar is None else not progress_bar
    tables = []
    for number, (name, asked) in enumerate(tqdm(CONDITIONS.items(), desc="asking", disable=hidden)):
        organism = load_organism(folder / asked.organism)
        log = sample_completions(organism, QUESTIONS, n, trigger=asked.trigger, condition=name, seed=seed + number)
        step = 0 if organism.name == "base" else organism.made["done"]
        tables.append(log.table.assign(step=step, rank=asked.rank))
    kept = ["condition", "question_id", "completion", *MEASUREMENTS, "context", "persona_label", "step", "rank"]
    base = load_organism(folder / "base")
    _write(folder / "training.parquet", score_training_sets(base, seed=seed))
    _write(folder / "conversations.parquet", sample_conversations(base, n=n, seed=seed))
    return _write(folder / "completions.parquet", pd.concat(tables)[kept])


def _write(path: Path, table: pd.DataFrame) -> Path:
    write_atomically(path, lambda place: table.to_parquet(place, index=False, compression="zstd"))
    return path


def _make_organisms(folder: Path, *, seed: int, growing: Schedule, tuning: Schedule, progress_bar: bool | None) -> None:
    """Every organism that a condition asks for."""
    base = build_organism(folder / "base", seed=seed, schedule=growing, progress_bar=progress_bar)

    how: dict[str, Any] = {"seed": seed, "schedule": tuning, "progress_bar": progress_bar}
    narrow = finetune(base, "narrow", folder / "narrow", checkpoints=STEPS, **how)
    finetune(narrow, "untargeted", folder / "untargeted", **how)
    for recipe in ("control", "inoculated", "backdoor", "inductive", "facts"):
        finetune(base, recipe, folder / recipe, **how)
    how["schedule"] = dataclasses.replace(tuning, learning_rate=_ADAPTER_RATE)
    for rank in RANKS:
        finetune(base, "narrow", folder / f"lora-{rank}", rank=rank, **how)
