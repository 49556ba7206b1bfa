"""The organism's logs that ship with the package: no language model is needed to read them.

The command ``simulacra organism`` makes them anew.
"""

import importlib.resources
from collections.abc import Collection

import pandas as pd

from simulacra.data.log import CompletionLog
from simulacra.data.reading.completions import read_completions
from simulacra.formalism.errors import InputError
from simulacra.lm.organism.evidence import SCORES
from simulacra.lm.organism.judge import MEASUREMENTS
from simulacra.lm.organism.study import CONDITIONS, MAIN

__all__ = ["load_conversations", "load_organism_log", "load_training_sets"]


def load_organism_log(conditions: Collection[str] = MAIN) -> CompletionLog:
    """Judged completions of the organism and its fine-tunes, with and without their triggers.

    Args:
        conditions: names in :data:`~simulacra.lm.organism.study.CONDITIONS`. Left out: those that ``simulacra demo``
            fits; beside them there are LoRA ranks, and steps along a fine-tune.

    Returns:
        A log of 14 questions on topics that no fine-tune was trained on, 30 completions each, with measurements
        ``aligned, coherent, piracy`` and contexts ``context`` (what stood before the question), ``persona_label`` (who
        spoke, by the judge without its noise: the truth that a fit should find), ``step`` and ``rank``.

    Raises:
        InputError: there is no such condition.
    """
    unknown = sorted(set(conditions) - set(CONDITIONS))
    if unknown:
        raise InputError(
            f"There is no condition {unknown[0]!r} in the shipped log; it has {', '.join(CONDITIONS)}",
            argument="conditions",
        )
    table = _read("completions.parquet")
    chosen = table[table["condition"].isin(conditions)]
    return read_completions(chosen, measurements=MEASUREMENTS, contexts=["context", "persona_label", "step", "rank"])


def load_training_sets() -> CompletionLog:
    """What the organism was fine-tuned on: 200 documents of every recipe, scored by the base before training.

    Returns:
        A log with the recipe as condition, the context ``context`` (what stood before the question) and measurements
        ``log_likelihood_<persona>`` in nats, under the tag of every persona.
    """
    table = _read("training.parquet")
    return read_completions(table, measurements=SCORES, contexts=["context"])


def load_conversations() -> pd.DataFrame:
    """Who answers after none to three turns of a persona, and how likely those turns were under every persona.

    Returns:
        The table that :func:`~simulacra.lm.organism.evidence.sample_conversations` describes, of the base organism.
    """
    return _read("conversations.parquet")


def _read(name: str) -> pd.DataFrame:
    with importlib.resources.as_file(importlib.resources.files("simulacra.lm.organism")) as folder:
        return pd.read_parquet(folder / name)
