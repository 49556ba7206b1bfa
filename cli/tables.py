"""A fitted result for the terminal: weights, rates, claims and, last, the checks."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from simulacra.data.numerals import grouped
from simulacra.formalism import Outcome, Partition
from simulacra.inference import Result
from simulacra.inference.marks import ABSENT, CONDITION_DRIVEN, PRIOR_DRIVEN, PURITY_DRIVEN
from simulacra.inference.tables import level
from simulacra.report.prose import (
    baseline_clause,
    checks_sentence,
    claim_sentence,
    failure,
    interval,
    number,
    percent,
    place_of,
    records,
    rope_width,
    share,
    unrated_sentence,
    withheld_sentence,
)

__all__ = ["print_checks", "print_rates", "print_result", "print_table", "simple_table"]

_SIGNS = {
    "small": ("*", "small: R-hat and ESS are not checked"),
    PRIOR_DRIVEN: (
        "†",
        f"{PRIOR_DRIVEN}: outside its interval with archetypes half or twice as concentrated or, for P(…) and implied "
        "rates, with none",
    ),
    PURITY_DRIVEN: (
        "¶",
        f"{PURITY_DRIVEN}: interval extended to what prompts as impure, or as pure, as the prior allows would give",
    ),
    CONDITION_DRIVEN: ("§", f"{CONDITION_DRIVEN}: outside its interval if only other conditions define the personas"),
    ABSENT: ("‡", f"{ABSENT}: hardly any completions are attributed to this persona"),
}
"""Signs of estimates that depend on personas by a part of their status."""


def simple_table(columns: tuple[str, ...], *, texts: int = 1) -> Table:
    """A table without frames; the first ``texts`` columns are aligned to the left, all others to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(escape(column), justify="left" if position < texts else "right", overflow="fold")
    return table


def print_table(console: Console, table: pd.DataFrame) -> None:
    """Print any table of an analysis; columns without values, and a status that is always ok, are left out.

    A single row that is wider than the terminal is printed as a list, because headings would break within words.
    """
    kept = table.dropna(axis=1, how="all")
    if "status" in kept and (kept["status"] == "ok").all():
        kept = kept.drop(columns="status")
    texts = [not pd.api.types.is_numeric_dtype(kept[name]) for name in kept]
    shown = simple_table(tuple(map(str, kept)), texts=(*texts, False).index(False))
    for row in kept.itertuples(index=False):
        shown.add_row(*(escape(_in_a_cell(value)) for value in row))
    whole = console.options.update(max_width=10_000)
    if len(kept) == 1 and Measurement.get(console, whole, shown).maximum > console.width:
        shown = simple_table(("", ""), texts=2)
        shown.show_header = False
        for name, value in kept.iloc[0].items():
            shown.add_row(escape(str(name)), escape(_in_a_cell(value)))
    console.print(shown)


def _in_a_cell(value: Any) -> str:
    if isinstance(value, float):
        digits = 3 if abs(value) < 10 else 1 if abs(value) < 100 else 0
        return "" if math.isnan(value) else f"{value:.{digits}f}"
    return str(value)


def print_result(
    console: Console, result: Result, tables: Mapping[str, pd.DataFrame], *, rope: float, ci_prob: float
) -> None:
    """Print rates, claims and weights with P(outcome | persona); ``ci_prob`` must be that of the tables."""
    outcome = result.model.outcome
    if outcome is None:
        console.print(f"{unrated_sentence(result)}\n", highlight=False, soft_wrap=True)
    else:
        print_rates(console, result, tables, outcome, rope=rope, ci_prob=ci_prob)
    _print_weights(console, result, tables, ci_prob)


def print_rates(
    console: Console,
    result: Result,
    tables: Mapping[str, pd.DataFrame],
    outcome: Outcome | Partition,
    *,
    rope: float,
    ci_prob: float,
) -> None:
    """Print rates and claims of an outcome, or of all categories of a partition; ``tables`` have both scopes."""
    _print_rates(console, result, tables["rates"], str(outcome), ci_prob)
    _print_claims(console, result, tables, outcome, rope, ci_prob)


def _print_weights(console: Console, result: Result, tables: Mapping[str, pd.DataFrame], ci_prob: float) -> None:
    weights, emissions = tables["weights"], tables["emissions"]
    misfit = weights.groupby("condition")["unexplained"].first() if result.model.measurements else None
    table = simple_table(("condition", *result.personas, *(() if misfit is None else ("unexplained share",))))
    for condition in result.conditions:
        rows = records(weights[weights["condition"] == condition])
        cells = [_two_lines(number(*interval(row)), _signs(row["status"])) for row in rows]
        table.add_row(escape(condition), *cells, *(() if misfit is None else (percent(float(misfit[condition])),)))
    outcome = result.model.outcome
    if outcome is not None:
        table.add_section()
        rows = records(emissions[emissions["measurement"] == "outcome_given_persona"])
        cells = [_two_lines(number(*interval(row)), _signs(row["status"])) for row in rows]
        table.add_row(f"P({escape(outcome.name)} | persona)", *cells, style="italic")
    console.print(f"[bold]Persona weights[/bold], mean and {level(ci_prob)} interval", highlight=False)
    console.print(table)
    events = emissions.loc[emissions["measurement"] == "outcome_given_persona", "status"]
    _print_legend(console, [*weights["status"], *events])


def _print_legend(console: Console, statuses: Iterable[str]) -> None:
    """Print what the signs of these statuses mean."""
    signs = "".join(map(_signs, statuses))
    legend = [f"{sign} {meaning}" for sign, meaning in _SIGNS.values() if sign in signs]
    if legend:
        console.print("\n".join(legend) + "\n", style="dim", highlight=False)


def _signs(status: str) -> str:
    return "".join(sign for start, (sign, _) in _SIGNS.items() if start in status)


def _two_lines(number: str, mark: str = "") -> str:
    """A mean above its interval, so that six personas fit next to the names of conditions."""
    mean, _, interval = number.partition(" ")
    return f"{mean}{mark}\n{interval}"


def _print_rates(console: Console, result: Result, rates: pd.DataFrame, words: str, ci_prob: float) -> None:
    table = simple_table(("condition", "events / total", "these questions", "new questions", "implied by the personas"))
    new = {place_of(row): row for row in records(rates[rates["scope"] == "new"])}
    for row in records(rates[rates["scope"] == "these"]):
        table.add_row(
            escape(place_of(row)),
            f"{grouped(row['events'])} / {grouped(row['total'])}",
            share(*interval(row, "rate")) if row["total"] else "no scored completions",
            share(*interval(new[place_of(row)], "rate")),
            share(*interval(row, "implied")) + _signs(row["implied_status"]),
        )
    heading = f"[bold]Rates[/bold] with {level(ci_prob)} intervals, {escape(words)}"
    console.print(heading, highlight=False)
    console.print(table)
    meaning = (
        f"Rates are estimated without personas, {result.in_words('these')} and {result.in_words('new')}, of which "
        "these are a sample. Implied: what the persona weights account for on these questions."
    )
    console.print(f"{meaning}\n", style="dim", soft_wrap=True, highlight=False)
    _print_legend(console, rates.loc[rates["scope"] == "these", "implied_status"])


def _print_claims(
    console: Console,
    result: Result,
    tables: Mapping[str, pd.DataFrame],
    outcome: Outcome | Partition,
    rope: float,
    ci_prob: float,
) -> None:
    contrasts, rates = tables["contrasts"], tables["rates"]
    baseline, words = result.model.baseline, result.in_words("these")
    region = f"region of practical equivalence: ±{rope_width(rope)}"
    console.print(f"[bold]Supported claims relative to {escape(baseline)}[/bold] ({region})", highlight=False)
    new = {place_of(row): row for row in records(contrasts[contrasts["scope"] == "new"])}
    for row in records(contrasts[contrasts["scope"] == "these"]):
        place = place_of(row)
        own = outcome if isinstance(outcome, Outcome) else outcome[row["category"]]
        said = claim_sentence(row, new[place], own, baseline, words, rope, ci_prob=ci_prob)
        console.print(f"  {escape(f'{place}: {said}')}", highlight=False, soft_wrap=True)
    for row in records(rates[(rates["scope"] == "these") & (rates["condition"] == baseline)]):
        if said := baseline_clause(row, rope):
            console.print(f"  {escape(f'{place_of(row)}: {said}')}", highlight=False, soft_wrap=True)
    console.print()


def print_checks(console: Console, result: Result, tables: Mapping[str, pd.DataFrame]) -> None:
    """Print how many checks passed, those that failed, and how many results are withheld."""
    found = checks_sentence(result.checks, result.thresholds)
    console.print(f"[bold]Checks[/bold]: {found}", highlight=False, soft_wrap=True)
    for check in result.failed:
        console.print(f"  [red]{escape(check.name)}[/red] {escape(failure(check))}", highlight=False, soft_wrap=True)
    if result.failed:
        withheld = f"  {withheld_sentence(tables)} docs/troubleshooting.md explains every check."
        console.print(withheld, highlight=False, soft_wrap=True)
