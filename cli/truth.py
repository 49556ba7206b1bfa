"""Truth beside estimate, for a log whose rows say which persona spoke."""

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape

from simulacra.cli.tables import simple_table
from simulacra.data import CompletionLog
from simulacra.inference.tables import CI_PROB, bounds

__all__ = ["TRUTH", "compare_truth", "persona_shares", "print_truth"]

TRUTH = "truth"
"""Name of the table."""


def persona_shares(log: CompletionLog) -> pd.DataFrame:
    """Share of completions that each persona spoke, conditions × personas, from the context ``persona_label``."""
    return pd.crosstab(log.table["condition"], log.table["persona_label"], normalize="index")


def compare_truth(shares: pd.DataFrame, weights: pd.DataFrame, *, ci_prob: float = CI_PROB) -> pd.DataFrame:
    """One row for every condition and persona.

    Args:
        shares: true shares, conditions × personas.
        weights: a result's table of weights.
        ci_prob: probability of its intervals.

    Returns:
        Columns ``condition, persona, truth, mean, eti89_lb, eti89_ub, inside``; ``inside`` is None where there is no
        estimate (withheld, or a persona that was left out).
    """
    lower, upper = bounds(ci_prob)
    truth = shares.reset_index().melt("condition", var_name="persona", value_name="truth")
    estimates = weights[["condition", "persona", "mean", lower, upper]]
    compared = truth.merge(estimates, how="left", on=["condition", "persona"])
    inside = compared["truth"].between(compared[lower], compared[upper]).astype(object)
    return compared.assign(inside=inside.where(compared["mean"].notna(), None))


def print_truth(console: Console, compared: pd.DataFrame, conditions: tuple[str, ...]) -> None:
    """Print true shares, and how many intervals hold them."""
    console.print("[bold]Truth[/bold]: share of completions that each persona spoke, by the judge without its noise")
    rows = {(row["condition"], row["persona"]): row for row in compared.to_dict("records")}
    personas = tuple(compared["persona"].unique())
    table = simple_table(("condition", *personas))
    for condition in conditions:
        cells = [rows[condition, persona] for persona in personas]
        table.add_row(escape(condition), *(f"{cell['truth']:.3f}" + "*" * (cell["inside"] is False) for cell in cells))
    console.print(table)
    known = compared["inside"].dropna()
    console.print(
        f"{int(np.sum(known.astype(bool)))} of {len(known)} intervals hold it; * does not.\n",
        highlight=False,
    )
