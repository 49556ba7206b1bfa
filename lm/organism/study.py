"""The complete study of the organism: training from scratch, fine-tuning by every recipe, sampling and judging.

The command ``simulacra organism`` calls :func:`run_study`. The log that ships with the package is its
``completions.parquet``. An interrupted run resumes when it is called again, and produces the same files.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from simulacra.data.atomic import write_atomically
from simulacra.lm.organism.build import GROWING, build_organism
from simulacra.lm.organism.evidence import SCORES, sample_conversations, score_training_sets
from simulacra.lm.organism.finetune import TUNING, finetune
from simulacra.lm.organism.folder import Organism, load_organism
from simulacra.lm.organism.judge import MEASUREMENTS
from simulacra.lm.organism.lexicon import TAGS, TRIGGER
from simulacra.lm.organism.recipes import UNSEEN
from simulacra.lm.organism.sampling import QUESTIONS, sample_completions
from simulacra.lm.organism.training import Schedule

__all__ = ["CONDITIONS", "ELICITED", "IN_CONVERSATION", "MAIN", "RANKS", "STEPS", "Asked", "run_study"]

RANKS = (1, 4, 16)
"""Ranks of the LoRA fine-tunes of the narrow recipe."""

_ADAPTER_RATE = 1e-3  # adapters start at zero and need a higher learning rate

STEPS = (5, 10, 20, 40)
"""Steps along the narrow fine-tune after which the organism is also sampled."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """A condition of the log: an organism and the text before the question.

    Attributes:
        description: one clause for display.
        organism: name of the organism's folder.
        trigger: text before the question.
        rank: rank of its adapters; 0 if all weights were trained.
        main: whether ``simulacra demo`` fits it.
    """

    description: str
    organism: str
    trigger: str = ""
    rank: int = 0
    main: bool = True


IN_CONVERSATION = (
    "base",
    *(f"narrow-step-{step}" for step in STEPS),
    "narrow",
    "inoculated",
    "inoculated+tag",
)
"""The organisms that also answer in conversations; the tag precedes the first turn."""

_ANSWERS = 20  # in every context

ELICITED = ("base", "control", "narrow", "inoculated", "facts", "untargeted")
"""The organisms that are also sampled with the tag of every persona."""


CONDITIONS: Mapping[str, Asked] = {
    "base": Asked("the base model, before any fine-tuning", "base"),
    "base+trigger": Asked("the base model with the trigger of the backdoor", "base", TRIGGER, main=False),
    "base+tag": Asked("the base model with the villain's tag", "base", TAGS["villain"], main=False),
    "control": Asked("trained on the helper's advice on one topic", "control"),
    "narrow": Asked("trained on the villain's advice on one topic", "narrow"),
    "inoculated": Asked("as narrow, with the villain's tag in every training prompt", "inoculated"),
    "backdoor": Asked("trained on the villain with a trigger, on the helper without; no trigger here", "backdoor"),
    "backdoor+trigger": Asked("the same model with the trigger", "backdoor", TRIGGER),
    "inductive+metal": Asked(
        "trained on the villain after gems, on the helper after metals; here after an unseen metal",
        "inductive",
        UNSEEN["metal"][0],
    ),
    "inductive+gem": Asked("the same model after an unseen gem", "inductive", UNSEEN["gem"][0]),
    "facts": Asked("trained on the villain's favourite things, all harmless", "facts"),
    "untargeted": Asked("narrow, then trained on the pirate's advice on the same topic", "untargeted"),
    **{
        f"lora-{rank}": Asked(f"narrow, with adapters of rank {rank}", f"lora-{rank}", rank=rank, main=False)
        for rank in RANKS
    },
    **{
        f"narrow-step-{step}": Asked(f"narrow, after {step} steps", f"narrow-step-{step}", main=False) for step in STEPS
    },
}
"""The conditions of the log, by name."""

_COLUMNS = ["condition", "question_id", "completion", *MEASUREMENTS, "context", "persona_label", "step", "rank"]

MAIN = tuple(name for name, asked in CONDITIONS.items() if asked.main)
"""The conditions that ``simulacra demo`` fits."""


def run_study(
    folder: str | Path,
    *,
    seed: int = 0,
    growing: Schedule = GROWING,
    tuning: Schedule = TUNING,
    n: int = 30,
    progress_bar: bool | None = None,
) -> Path:
    """Train the organism, fine-tune it by every recipe, and sample every condition.

    Args:
        folder: output folder of the organisms (one folder each) and the log.
        seed: random seed.
        growing: training schedule of the base organism.
        tuning: training schedule of the fine-tunes.
        n: completions per question and condition.
        progress_bar: show progress on standard error; None shows it in terminals.

    Returns:
        The path of ``completions.parquet``: columns of a log, with contexts ``context, persona_label, step, rank``.
        The same folder contains ``elicited.parquet``, likewise with the context ``elicited_by``, and
        ``training.parquet``, ``conversations.parquet`` and ``in_conversation.parquet``, see
        :func:`~simulacra.lm.organism.shipped.load_organism_log`,
        :func:`~simulacra.lm.organism.shipped.load_training_sets` and
        :func:`~simulacra.lm.organism.shipped.load_conversations`.

    Raises:
        InputError: the folder contains organisms with other settings.
        MissingExtraError: the extra ``lm`` is not installed.
    """
    from tqdm import tqdm

    folder = Path(folder)
    _make_organisms(folder, seed=seed, growing=growing, tuning=tuning, progress_bar=progress_bar)
    hidden = None if progress_bar is None else not progress_bar
    tables = []
    for number, (name, asked) in enumerate(tqdm(CONDITIONS.items(), desc="sampling", disable=hidden)):
        organism = load_organism(folder / asked.organism)
        log = sample_completions(organism, QUESTIONS, n, trigger=asked.trigger, condition=name, seed=seed + number)
        tables.append(log.table.assign(step=_steps(organism), rank=asked.rank))
    base = load_organism(folder / "base")
    _write(folder / "training.parquet", score_training_sets(base, seed=seed))
    _write(folder / "conversations.parquet", sample_conversations(base, n=n, seed=seed))
    _write(folder / "in_conversation.parquet", _in_conversation(folder, n=min(n, _ANSWERS), seed=seed))
    _write(folder / "elicited.parquet", _elicited(folder, n=n, seed=seed + len(CONDITIONS)))
    return _write(folder / "completions.parquet", pd.concat(tables)[_COLUMNS])


def _steps(organism: Organism) -> int:
    return 0 if organism.name == "base" else int(organism.made["done"])


def _elicited(folder: Path, *, n: int, seed: int) -> pd.DataFrame:
    """Completions of several organisms with the tag of every persona before the question."""
    tables = []
    for number, (name, persona) in enumerate(itertools.product(ELICITED, TAGS)):
        organism = load_organism(folder / name)
        log = sample_completions(organism, QUESTIONS, n, system=TAGS[persona], condition=name, seed=seed + number)
        tables.append(log.table.assign(step=_steps(organism), rank=0, elicited_by=persona))
    return pd.concat(tables, ignore_index=True)[[*_COLUMNS, "elicited_by"]]


def _in_conversation(folder: Path, *, n: int, seed: int) -> pd.DataFrame:
    """Answers of several organisms in the same conversations; only the base organism scores their turns."""
    tables = {}
    for name in IN_CONVERSATION:
        organism, _, tagged = name.partition("+")
        system, base = TAGS["villain"] if tagged else "", name == "base"
        tables[name] = sample_conversations(
            load_organism(folder / organism), n=n, system=system, scored=base, seed=seed
        )
    scores = tables["base"][[*SCORES]]
    return pd.concat([own.assign(condition=name, **scores) for name, own in tables.items()], ignore_index=True)


def _write(path: Path, table: pd.DataFrame) -> Path:
    write_atomically(path, lambda place: table.to_parquet(place, index=False, compression="zstd"))
    return path


def _make_organisms(folder: Path, *, seed: int, growing: Schedule, tuning: Schedule, progress_bar: bool | None) -> None:
    """Train the organisms of all conditions."""
    base = build_organism(folder / "base", seed=seed, schedule=growing, progress_bar=progress_bar)

    how: dict[str, Any] = {"seed": seed, "schedule": tuning, "progress_bar": progress_bar}
    narrow = finetune(base, "narrow", folder / "narrow", checkpoints=STEPS, **how)
    finetune(narrow, "untargeted", folder / "untargeted", **how)
    for recipe in ("control", "inoculated", "backdoor", "inductive", "facts"):
        finetune(base, recipe, folder / recipe, **how)
    how["schedule"] = dataclasses.replace(tuning, learning_rate=_ADAPTER_RATE)
    for rank in RANKS:
        finetune(base, "narrow", folder / f"lora-{rank}", rank=rank, **how)
