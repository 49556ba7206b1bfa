"""The organism's log that ships with the package: no language model is needed to read it.

``simulacra organism --out DIR`` makes it anew, as ``DIR/completions.parquet``.
"""

import importlib.resources
from collections.abc import Collection

import pandas as pd

from simulacra.data.log import CompletionLog
from simulacra.data.organism.judge import MEASUREMENTS
from simulacra.data.organism.study import CONDITIONS, MAIN
from simulacra.data.read import read_completions

__all__ = ["load_organism_log"]


def load_organism_log(conditions: Collection[str] = MAIN) -> CompletionLog:
    """Judged completions of the organism and its fine-tunes, with and without their triggers.

    Args:
        conditions: names in :data:`~simulacra.data.organism.study.CONDITIONS`. Left out: those that ``simulacra demo``
            fits; beside them there are LoRA ranks, and steps along a fine-tune.

    Returns:
        A log of 14 questions on topics that no fine-tune was trained on, 30 completions each, with measurements
        ``aligned, coherent, piracy`` and contexts ``context`` (what stood before the question), ``persona_label`` (who
        spoke, by the judge without its noise: the truth that a fit should find), ``step`` and ``rank``.

    Raises:
        ValueError: there is no such condition.
    """
    unknown = sorted(set(conditions) - set(CONDITIONS))
    if unknown:
        raise ValueError(f"There is no condition {unknown[0]!r} in the shipped log; it has {', '.join(CONDITIONS)}.")
    with importlib.resources.as_file(importlib.resources.files("simulacra.data.organism")) as folder:
        table = pd.read_parquet(folder / "completions.parquet")
    chosen = table[table["condition"].isin(conditions)]
    return read_completions(chosen, measurements=MEASUREMENTS, contexts=["context", "persona_label", "step", "rank"])
