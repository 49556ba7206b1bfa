"""Truth beside estimate, for a log that was simulated with known weights."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape

from simulacra.cli.tables import simple_table
from simulacra.report.prose import number, share

__all__ = ["compare_truth", "print_truth"]


def compare_truth(truth: Mapping[str, Mapping], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for every true weight and rate.

    Args:
        truth: ``{"weights": {condition: {persona: w}}, "rates": {condition: r}}``.
        tables: the tables of a result.

    Returns:
        Columns ``condition, quantity, truth, mean, eti89_lb, eti89_ub, inside``; ``quantity`` is a persona or
        ``"rate"``; ``inside`` is None where there is no estimate (withheld, or a persona that was left out).
    """
    weights = tables["weights"].set_index(["condition", "persona"])
    rates = tables["rates"].rename(columns={"implied": "mean"}).set_index("condition")
    rows = []
    for condition, by_persona in truth["weights"].items():
        for persona, value in by_persona.items():
            estimate = weights.loc[(condition, persona)] if (condition, persona) in weights.index else None
            rows.append(_row(condition, persona, value, estimate))
        rows.append(_row(condition, "rate", truth["rates"][condition], rates.loc[condition]))
    return pd.DataFrame(rows)


def _row(condition: str, quantity: str, truth: float, estimate: pd.Series | None) -> dict[str, object]:
    names = ("mean", "eti89_lb", "eti89_ub")
    mean, lower, upper = (np.nan,) * 3 if estimate is None else (float(estimate[name]) for name in names)
    inside = None if np.isnan(mean) else bool(lower <= truth <= upper)
    return dict(
        zip(
            ("condition", "quantity", "truth", *names, "inside"),
            (condition, quantity, truth, mean, lower, upper, inside),
            strict=True,
        )
    )


def print_truth(console: Console, compared: pd.DataFrame) -> None:
    """Print truth beside estimate, and how many intervals hold their truth."""
    console.print("[bold]Truth beside estimate[/bold]")
    table = simple_table(("condition", "quantity", "truth", "estimate (89 % interval)", "inside"), texts=2)
    last = None
    for row in compared.to_dict("records"):
        values = row["mean"], row["eti89_lb"], row["eti89_ub"]
        is_rate = row["quantity"] == "rate"
        table.add_row(
            escape(row["condition"]) if row["condition"] != last else "",
            "implied rate" if is_rate else f"weight of {escape(row['quantity'])}",
            f"{row['truth']:.1%}".replace("%", " %") if is_rate else f"{row['truth']:.3f}",
            share(*values) if is_rate else number(*values),
            {True: "yes", False: "no", None: "–"}[row["inside"]],
            end_section=is_rate,
        )
        last = row["condition"]
    console.print(table)
    known = compared["inside"].dropna()
    console.print(
        f"{int(known.sum())} of {len(known)} intervals hold the truth; about {0.89 * len(known):.0f} should.\n",
        highlight=False,
    )
