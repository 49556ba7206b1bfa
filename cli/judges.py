"""``simulacra judges``: what each judge of a fit adds, and which judges depend on one another, for the terminal."""

import math

import pandas as pd
from rich.console import Console
from rich.markup import escape

from simulacra.cli.tables import simple_table
from simulacra.inference.tables import bounds, level

__all__ = ["print_judges"]

_SUSPICIOUS = 0.05  # false discovery rate
_MEANING = (
    "information: what the verdict of a judge says of the persona; adds: what it says beyond the verdicts of all "
    "others; both in nats. moves: largest change of the weights of a condition if the judge is left out."
)


def print_judges(console: Console, judges: pd.DataFrame, pairs: pd.DataFrame, *, ci_prob: float) -> None:
    """Print the tables of :class:`~simulacra.analysis.Judges`; ``ci_prob`` must be that of the first."""
    table = simple_table(("judge", "family", "information", "adds", "moves", "worth"), texts=2)
    for row in judges.to_dict("records"):
        shown = []
        for name in ("information", "added"):
            lower, upper = (row[f"{name}_{end}"] for end in bounds(ci_prob))
            shown.append("" if math.isnan(row[name]) else f"{row[name]:.3f} ({lower:.3f}–{upper:.3f})")
        family = row["family"] if row["family"] != row["judge"] else ""
        moves = "" if math.isnan(row["moves"]) else f"{100 * row['moves']:.1f} points"
        table.add_row(escape(row["judge"]), escape(family), *shown, moves, row["worth"])
    console.print(f"[bold]Judges[/bold], mean and {level(ci_prob)} interval", highlight=False)
    console.print(table)
    for row in judges[judges["status"] != "ok"].to_dict("records"):
        console.print(escape(f"{row['judge']}: {row['status']}"), highlight=False, soft_wrap=True)
    console.print(f"{_MEANING}\n", style="dim", highlight=False, soft_wrap=True)
    withheld = pairs[pairs["status"] != "ok"]
    for row in withheld.to_dict("records"):
        console.print(escape(f"{row['judge']} and {row['other']}: {row['status']}"), highlight=False, soft_wrap=True)
    pairs = pairs.drop(index=withheld.index)
    apart = pairs[pairs["p_adjusted"] < _SUSPICIOUS].sort_values("p_value")
    for row in apart.to_dict("records"):
        said = "occur together in other combinations than the model accounts for"
        if not math.isnan(row["excess"]):
            more = "more" if row["excess"] > 0 else "less"
            said = (
                f"agree {more} often than the model accounts for: in {row['agreement']:.1%} of the completions, "
                f"{100 * row['excess']:+.1f} points"
            )
        text = escape(f"{row['judge']} and {row['other']} {said} (adjusted p = {row['p_adjusted']:.3f}).")
        console.print(text, highlight=False, soft_wrap=True)
    if len(apart):
        said = "Judges that share errors can be joined: --family NAME=JUDGE,JUDGE."
    elif len(pairs):
        least = f"adjusted p at least {pairs['p_adjusted'].min():.2f}"
        said = f"No pair of judges agrees more or less often than the model accounts for ({least})."
    else:
        said = "" if len(withheld) else "All judges are of one family."
    console.print(said, highlight=False, soft_wrap=True)
