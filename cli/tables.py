"""A fitted result for the terminal: weights, rates, what may be claimed, and the checks."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulacra.inference import Result

__all__ = ["number", "print_result", "share", "simple_table"]

_EMPTY = "withheld"


def simple_table(columns: tuple[str, ...], *, texts: int = 1) -> Table:
    """A table without frames: so many columns of text to the left, numbers to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(escape(column), justify="left" if position < texts else "right", overflow="fold")
    return table


def number(mean: float, lower: float, upper: float) -> str:
    """A mean and its interval, ``0.93 (.90–.95)``; a digit more below 0.01; what is withheld says so."""
    if math.isnan(mean):
        return _EMPTY
    digits = 2 if mean >= 0.01 else 3
    lower_text, upper_text = (f"{bound:.{digits}f}".removeprefix("0") for bound in (lower, upper))
    return f"{mean:.{digits}f} ({lower_text}–{upper_text})"


def share(rate: float, lower: float, upper: float) -> str:
    """A rate and its interval in per cent, ``16.3 % (14.1–18.6)``; a digit more below one per cent."""
    digits = 1 if rate >= 0.01 else 2
    return (
        _EMPTY if math.isnan(rate) else f"{rate * 100:.{digits}f} % ({lower * 100:.{digits}f}–{upper * 100:.{digits}f})"
    )


def print_result(console: Console, result: Result, tables: Mapping[str, pd.DataFrame], *, rope: float) -> None:
    """Print a result: weights beside what personas do, rates, claims, checks."""
    _print_weights(console, result, tables)
    if result.prepared.model.outcome is not None:
        _print_rates(console, tables["rates"], str(result.prepared.model.outcome))
        _print_claims(console, result, tables["contrasts"], rope)
    _print_checks(console, result)


def _print_weights(console: Console, result: Result, tables: Mapping[str, pd.DataFrame]) -> None:
    weights, emissions = tables["weights"], tables["emissions"]
    table = simple_table(("condition", *result.personas))
    for condition in result.conditions:
        rows = _records(weights[weights["condition"] == condition])
        cells = [number(*_interval(row)) + "*" * str(row["status"]).startswith("small") for row in rows]
        table.add_row(escape(condition), *cells)
    outcome = result.prepared.model.outcome
    if outcome is not None:
        table.add_section()
        rows = _records(emissions[emissions["measurement"] == "outcome_given_persona"])
        cells = [number(*_interval(row)) for row in rows]
        table.add_row(f"P({escape(outcome.name)} | persona)", *cells, style="italic")
    console.print("[bold]Persona weights[/bold], mean and 89 % interval", highlight=False)
    console.print(table)
    small = weights["status"].str.startswith("small")
    if small.any():
        console.print(f"* {weights.loc[small, 'status'].iloc[0]}\n", style="dim", highlight=False)


def _print_rates(console: Console, rates: pd.DataFrame, outcome: str) -> None:
    table = simple_table(("condition", "events / total", "observed", "implied by the personas"))
    for row in _records(rates):
        table.add_row(
            escape(row["condition"]),
            f"{row['events']} / {row['total']}",
            share(*_interval(row, "observed", "observed_lb", "observed_ub")) if row["total"] else "none to count",
            share(*_interval(row, "implied")),
        )
    console.print(f"[bold]Rates[/bold] with 89 % intervals, {escape(outcome)}", highlight=False)
    console.print(table)
    console.print("observed: clustered by base question; implied: posterior, for these questions\n", style="dim")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")  # type: ignore[return-value]


def _interval(
    row: Mapping[str, Any], mean: str = "mean", lower: str = "eti89_lb", upper: str = "eti89_ub"
) -> tuple[float, float, float]:
    return float(row[mean]), float(row[lower]), float(row[upper])


def _print_claims(console: Console, result: Result, contrasts: pd.DataFrame, rope: float) -> None:
    model = result.prepared.model
    name = model.outcome.name if model.outcome else ""
    equal = f"practically equal: within ±{rope * 100:g} points"
    console.print(f"[bold]What may be claimed against {escape(model.baseline)}[/bold] ({equal})", highlight=False)
    for row in _records(contrasts):
        console.print(f"  {escape(_sentence(row, name, model.baseline, rope))}", highlight=False, soft_wrap=True)
    console.print()


def _sentence(row: Mapping[str, Any], outcome: str, baseline: str, rope: float) -> str:
    """One condition's claim in one plain sentence."""
    condition, claim = row["condition"], row["claim"]
    if claim == "withheld":
        return f"{condition}: nothing may be claimed ({row['status'].removeprefix('withheld: ')})."
    difference, lower, upper = (_points(value) for value in _interval(row, "rate_difference"))
    reading = {
        "increase": f"an increase: the interval lies above +{rope * 100:g}",
        "decrease": f"a decrease: the interval lies below −{rope * 100:g}",
        "equivalent": f"practically no difference: almost surely within ±{rope * 100:g}",
        "undecided": f"undecided: neither a difference nor its absence (within ±{rope * 100:g}) is sure",
    }
    return (
        f"{condition}: {difference} points {outcome} against {baseline} (89 % interval {lower} to {upper}), "
        f"{reading[claim]}."
    )


def _points(difference: float) -> str:
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("-0.0", "+0.0") else text.replace("-", "−")


def _print_checks(console: Console, result: Result) -> None:
    values = {check.name: check.value for check in result.checks}
    passed = len(result.checks) - len(result.failed)
    found = (
        f"{passed} of {len(result.checks)} passed; R-hat at most {values['r_hat']:.3f}, ESS at least "
        f"{min(values['ess_bulk'], values['ess_tail']):,.0f}, {values['divergences']:.0f} divergences"
    )
    console.print(f"[bold]Checks[/bold] {found}", highlight=False, soft_wrap=True)
    for check in result.failed:
        console.print(
            f"  [red]failed[/red] {escape(str(check).replace('FAILED ', ''))}", highlight=False, soft_wrap=True
        )
    if result.failed:
        console.print("  What this concerns is withheld above; docs/troubleshooting.md explains every check.")
