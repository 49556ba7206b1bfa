"""A fitted result for the terminal: weights, rates, claims and, last, the checks."""

from collections.abc import Mapping

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulacra.data.numerals import grouped
from simulacra.formalism import Outcome
from simulacra.inference import Result
from simulacra.inference.tables import CI_PROB, level
from simulacra.report.prose import (
    checks_sentence,
    claim_sentence,
    failure,
    interval,
    number,
    records,
    rope_width,
    share,
    unrated_sentence,
    withheld_sentence,
)

__all__ = ["print_checks", "print_result", "simple_table"]


def simple_table(columns: tuple[str, ...], *, texts: int = 1) -> Table:
    """A table without frames; the first ``texts`` columns are aligned to the left, all others to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(escape(column), justify="left" if position < texts else "right", overflow="fold")
    return table


def print_result(
    console: Console, result: Result, tables: Mapping[str, pd.DataFrame], *, rope: float, ci_prob: float = CI_PROB
) -> None:
    """Print weights with P(outcome | persona), rates and claims; ``ci_prob`` must be that of the tables."""
    _print_weights(console, result, tables, ci_prob)
    outcome = result.model.outcome
    if outcome is None:
        console.print(f"{unrated_sentence(result)}\n", highlight=False, soft_wrap=True)
    else:
        _print_rates(console, tables["rates"], str(outcome), ci_prob)
        _print_claims(console, tables["contrasts"], outcome, result.model.baseline, rope, ci_prob)


def _print_weights(console: Console, result: Result, tables: Mapping[str, pd.DataFrame], ci_prob: float) -> None:
    weights, emissions = tables["weights"], tables["emissions"]
    table = simple_table(("condition", *result.personas))
    for condition in result.conditions:
        rows = records(weights[weights["condition"] == condition])
        cells = [
            _two_lines(number(*interval(row, ci_prob=ci_prob)), "*" * str(row["status"]).startswith("small"))
            for row in rows
        ]
        table.add_row(escape(condition), *cells)
    outcome = result.model.outcome
    if outcome is not None:
        table.add_section()
        rows = records(emissions[emissions["measurement"] == "outcome_given_persona"])
        cells = [_two_lines(number(*interval(row, ci_prob=ci_prob))) for row in rows]
        table.add_row(f"P({escape(outcome.name)} | persona)", *cells, style="italic")
    console.print(f"[bold]Persona weights[/bold], mean and {level(ci_prob)} interval", highlight=False)
    console.print(table)
    small = weights["status"].str.startswith("small")
    if small.any():
        console.print(f"* {weights.loc[small, 'status'].iloc[0]}\n", style="dim", highlight=False)


def _two_lines(number: str, mark: str = "") -> str:
    """A mean above its interval, so that six personas fit next to the names of conditions."""
    mean, _, interval = number.partition(" ")
    return f"{mean}{mark}\n{interval}"


def _print_rates(console: Console, rates: pd.DataFrame, outcome: str, ci_prob: float) -> None:
    table = simple_table(("condition", "events / total", "observed", "implied by the personas"))
    for row in records(rates):
        table.add_row(
            escape(row["condition"]),
            f"{grouped(row['events'])} / {grouped(row['total'])}",
            share(*interval(row, "observed")) if row["total"] else "no completions",
            share(*interval(row, "implied", ci_prob=ci_prob)),
        )
    console.print(f"[bold]Rates[/bold] with {level(ci_prob)} intervals, {escape(outcome)}", highlight=False)
    console.print(table)
    meaning = "observed: interval clustered by base question; implied: posterior mean and interval, for these questions"
    console.print(f"{meaning}\n", style="dim", soft_wrap=True)


def _print_claims(
    console: Console, contrasts: pd.DataFrame, outcome: Outcome, baseline: str, rope: float, ci_prob: float
) -> None:
    region = f"region of practical equivalence: ±{rope_width(rope)}"
    console.print(f"[bold]Supported claims relative to {escape(baseline)}[/bold] ({region})", highlight=False)
    for row in records(contrasts):
        sentence = f"{row['condition']}: {claim_sentence(row, outcome, baseline, rope, ci_prob=ci_prob)}"
        console.print(f"  {escape(sentence)}", highlight=False, soft_wrap=True)
    console.print()


def print_checks(console: Console, result: Result, tables: Mapping[str, pd.DataFrame]) -> None:
    """Print how many checks passed, those that failed, and how many results are withheld."""
    found = checks_sentence(result.checks)
    console.print(f"[bold]Checks[/bold]: {found}", highlight=False, soft_wrap=True)
    for check in result.failed:
        console.print(f"  [red]{escape(check.name)}[/red] {escape(failure(check))}", highlight=False, soft_wrap=True)
    if result.failed:
        withheld = f"  {withheld_sentence(tables)} docs/troubleshooting.md explains every check."
        console.print(withheld, highlight=False, soft_wrap=True)
