"""Persona shifts for the terminal: differences of weights from the baseline's, and a sentence about each condition."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape

from simulacra.cli.tables import simple_table
from simulacra.inference.marks import ABSENT, SAME_OUTCOME
from simulacra.inference.tables import bounds, level
from simulacra.report.prose import difference, interval, points

__all__ = ["print_shifts"]

_NO_CLAIM = (
    "gained, lost: the interval excludes zero. These are not claims; claims concern rates and use a region of "
    "practical equivalence. Of {count} intervals, about {chance} would exclude zero by chance if nothing had changed."
)


def print_shifts(
    console: Console,
    shifts: pd.DataFrame,
    baseline: str,
    described: Mapping[str, str],
    *,
    ci_prob: float,
) -> None:
    """Print the shift of every persona in every condition, with a sentence about each condition.

    Args:
        console: where to print.
        shifts: a result's table of shifts.
        baseline: the condition that the others are compared with.
        described: descriptions of conditions, if available.
        ci_prob: probability of the table's intervals.
    """
    personas = tuple(shifts["persona"].unique())
    table = simple_table(("condition", *personas))
    for condition, rows in shifts.groupby("condition", sort=False):
        table.add_row(escape(str(condition)), *(_signed_interval(row) for row in rows.to_dict("records")))
    heading = f"[bold]Persona shifts[/bold] relative to {escape(baseline)} in percentage points"
    console.print(f"{heading}, mean and {level(ci_prob)} interval", highlight=False)
    console.print(table)
    for condition, rows in shifts.groupby("condition", sort=False):
        what = f" ({described[str(condition)]})" if condition in described else ""
        console.print(f"  {escape(f'{condition}{what}: {_reading(rows, ci_prob)}')}", highlight=False, soft_wrap=True)
    note = _NO_CLAIM.format(count=len(shifts), chance=max(1, round((1 - ci_prob) * len(shifts))))
    console.print(f"{note}\n", style="dim", highlight=False, soft_wrap=True)


def _reading(rows: pd.DataFrame, ci_prob: float) -> str:
    """The personas whose interval excludes zero, without absent ones and weights that were not checked."""
    held, (lower, upper) = rows["mean"].isna(), bounds(ci_prob)
    if held.all():
        return "withheld, see the checks."
    sure = rows[~rows["status"].str.startswith(("small", ABSENT))]
    gained = sure[sure[lower] > 0].sort_values("mean", ascending=False)
    lost = sure[sure[upper] < 0].sort_values("mean")
    parts = [
        f"{row['persona']} {verb} {points(abs(row['mean'])).removeprefix('+')} points"
        for verb, moved in (("gained", gained), ("lost", lost))
        for row in moved.to_dict("records")
    ]
    found = ", ".join(parts) or "no persona's interval excludes zero"
    same = sure["status"].str.contains(SAME_OUTCOME, regex=False).any()
    found += f" ({SAME_OUTCOME})" if same else ""
    return f"{found}{'; the rest is withheld, see the checks' if held.any() else ''}."


def _signed_interval(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["mean"]):
        return "withheld"
    return "{}\n({} to {})".format(*difference(*interval(row)))
