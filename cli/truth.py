"""True and estimated persona weights, for a log that contains the persona of every completion."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape

from simulacra.cli.tables import simple_table
from simulacra.data import CompletionLog
from simulacra.inference.marks import is_marked
from simulacra.inference.tables import CI_PROB, bounds, level, probability_of

__all__ = ["TRUTH", "compare_truth", "persona_shares", "print_truth"]

TRUTH = "truth"
"""Name of the table."""


def persona_shares(log: CompletionLog) -> pd.DataFrame:
    """Proportion of completions of every persona, conditions × personas, from the context ``persona_label``."""
    return pd.crosstab(log.table["condition"], log.table["persona_label"], normalize="index")


def compare_truth(shares: pd.DataFrame, weights: pd.DataFrame, *, ci_prob: float) -> pd.DataFrame:
    """One row per condition and persona.

    Args:
        shares: true proportions, conditions × personas.
        weights: a result's table of weights.
        ci_prob: probability of its intervals.

    Returns:
        Columns ``condition, persona, truth, mean, eti89_lb, eti89_ub, inside, status``; ``inside`` is None if there is
        no estimate (withheld, or a persona that is not in the model).
    """
    lower, upper = bounds(ci_prob)
    truth = shares.reset_index().melt("condition", var_name="persona", value_name="truth")
    estimates = weights[["condition", "persona", "mean", lower, upper, "status"]]
    compared = truth.merge(estimates, how="left", on=["condition", "persona"])
    inside = compared["truth"].between(compared[lower], compared[upper]).astype(object)
    compared.insert(6, "inside", inside.where(compared["mean"].notna(), None))
    return compared


def print_truth(console: Console, compared: pd.DataFrame, conditions: tuple[str, ...]) -> None:
    """Print true and estimated proportions, and how many intervals contain the true value."""
    shown = level(probability_of(compared) or CI_PROB)
    explained = f"proportions of completions (* true value outside the {shown} interval)"
    console.print(f"[bold]True and estimated values[/bold], {explained}", highlight=False, soft_wrap=True)
    rows = {(row["condition"], row["persona"]): row for row in compared.to_dict("records")}
    personas = tuple(compared["persona"].unique())
    table = simple_table(("condition", *personas))
    for condition in conditions:
        cells = [rows[condition, persona] for persona in personas]
        table.add_row(escape(condition), *map(_pair, cells))
    console.print(table)
    console.print(f"{_found(compared)}\n", highlight=False)


def _found(compared: pd.DataFrame) -> str:
    """How many intervals contain the true value, and how many of these and of the others have a mark."""
    known = compared[compared["inside"].notna()]
    inside, marked = known["inside"].astype(bool), known["status"].map(is_marked)
    hits, misses = int(inside.sum()), int((~inside).sum())
    said = f"{hits} of {len(known)} intervals contain the true value."
    if not misses:
        return said
    unmarked = (known["mean"] - known["truth"]).abs()[~inside & ~marked]
    rest = f"; without a mark, they miss it by at most {100 * unmarked.max():.1f} points" if len(unmarked) else ""
    return (
        f"{said} Marked in the table of weights are {int((~inside & marked).sum())} of the {misses} that do not and "
        f"{int((inside & marked).sum())} of the {hits} that do{rest}. Intervals assume that a persona does the same in "
        "every condition. In this organism it does not quite, which scores cannot reveal and no mark finds "
        "(docs/organism.md)."
    )


def _pair(cell: Mapping[Any, Any]) -> str:
    """True and estimated value, marked if the interval does not contain the true value."""
    estimate = "withheld" if pd.isna(cell["mean"]) else f"{cell['mean']:.3f}"
    return f"{cell['truth']:.3f} / {estimate}{'*' * (cell['inside'] is False)}"
