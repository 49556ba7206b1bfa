"""The organism's logs that ship with the package; reading them does not need a language model.

The command ``simulacra organism`` recreates them.
"""

import importlib.resources
from collections.abc import Collection

import pandas as pd

from simulacra.data.log import CompletionLog
from simulacra.data.reading.completions import read_completions
from simulacra.formalism.errors import InputError
from simulacra.lm.organism.evidence import SCORES
from simulacra.lm.organism.judge import MEASUREMENTS
from simulacra.lm.organism.study import CONDITIONS, ELICITED, MAIN

__all__ = ["load_conversations", "load_organism_log", "load_training_sets"]


def load_organism_log(conditions: Collection[str] | None = None, *, elicited: bool = False) -> CompletionLog:
    """Judged completions of the organism and its fine-tunes, with and without their triggers.

    Args:
        conditions: names in :data:`~simulacra.lm.organism.study.CONDITIONS`. Default: those that ``simulacra demo``
            fits; there are also LoRA ranks, and steps along a fine-tune.
        elicited: whether to add 30 completions per question with the tag of every persona before it. The conditions are
            then among :data:`~simulacra.lm.organism.study.ELICITED`, by default all of them. The context
            ``elicited_by`` contains the persona of the tag, and is empty in the other rows. The organisms that answered
            with and without tags are of two builds, whose weights differ by rounding.

    Returns:
        A log of 14 questions on topics that no fine-tune was trained on, 30 completions each, with measurements
        ``aligned, coherent, piracy`` and contexts ``context`` (the text before the question), ``persona_label`` (the
        true persona, identified by the judge without noise), ``step`` and ``rank``.

    Raises:
        InputError: there is no such condition, or none with elicited completions.
    """
    known, usual = (ELICITED, ELICITED) if elicited else (CONDITIONS, MAIN)
    conditions = usual if conditions is None else conditions
    unknown = sorted(set(conditions) - set(known))
    if unknown:
        what = "There are no elicited completions of" if elicited else "There is no condition"
        raise InputError(
            f"{what} {unknown[0]!r} in the shipped log; it has {', '.join(known)}",
            argument="conditions",
        )
    table, contexts = _read("completions.parquet"), ["context", "persona_label", "step", "rank"]
    if elicited:
        table, contexts = pd.concat([table, _read("elicited.parquet")]), [*contexts, "elicited_by"]
    chosen = table[table["condition"].isin(conditions)]
    return read_completions(chosen, measurements=MEASUREMENTS, contexts=contexts)


def load_training_sets() -> CompletionLog:
    """Training sets of the organism's fine-tunes: 200 documents per recipe, scored by the base before training.

    Returns:
        A log with the recipe as condition, the context ``context`` (the text before the question) and measurements
        ``log_likelihood_<persona>`` in nats, under the tag of every persona.
    """
    table = _read("training.parquet")
    return read_completions(table, measurements=SCORES, contexts=["context"])


def load_conversations(*, finetunes: bool = False) -> pd.DataFrame:
    """Personas of answers after zero to three turns of a persona, with log-likelihoods of the turns.

    Args:
        finetunes: the answers of the base organism and its fine-tunes
            (:data:`~simulacra.lm.organism.study.IN_CONVERSATION`) in the same conversations, 20 per context, instead of
            30 of the base organism. These tables are of two builds of the organism, whose weights differ by rounding.

    Returns:
        The table that :func:`~simulacra.lm.organism.evidence.sample_conversations` returns for the base organism; with
        fine-tunes, also the column ``condition``, and log-likelihoods under the base organism.
    """
    return _read("in_conversation.parquet" if finetunes else "conversations.parquet")


def _read(name: str) -> pd.DataFrame:
    with importlib.resources.as_file(importlib.resources.files("simulacra.lm.organism")) as folder:
        return pd.read_parquet(folder / name)
