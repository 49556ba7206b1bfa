"""``simulacra inspect-log``: the contents of a log, its files and layouts, rows, conditions and columns."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from simulacra.cli.reading import suggested_columns
from simulacra.cli.session import Session
from simulacra.cli.spelling import spelled
from simulacra.cli.tables import simple_table
from simulacra.data import CollapsedLog, CompletionLog, describe
from simulacra.data.account import Account
from simulacra.data.numerals import grouped
from simulacra.data.reading.columns import SCORES, is_context, is_trait, resembling
from simulacra.formalism import InputError
from simulacra.inference.preview import preview

__all__ = ["describe_log", "print_description"]

_MOST = 6


def describe_log(
    session: Session, log: CompletionLog | CollapsedLog, measure: Sequence[str] = (), baseline: str = "base"
) -> None:
    """Print the contents of a log.

    Args:
        session: the run of the command.
        log: the log.
        measure: measurements that a fit would model.
        baseline: the condition that a fit would compare the others with.

    Raises:
        InputError: counts.
    """
    if isinstance(log, CollapsedLog):
        raise InputError("inspect-log shows logs of completions: leave out --counts, and fit the counts")
    described = {**describe(log), **preview(log, measure, baseline)}
    print_description(session.console, described)
    spelling = spelled(described["argument"])
    if spelling is not None:
        session.say(escape(spelling))
    if session.as_json:
        session.say_json({"ok": True, **described})


def print_description(console: Console, described: Mapping[str, Any]) -> None:
    """Print the description returned by :func:`~simulacra.data.describe`."""
    account = Account.from_dict(described["account"])
    _print_files(console, account)
    _print_counts(console, described)
    _print_measurements(console, described["measurements"])
    _print_assumed(console, described["assumed"])
    _print_contexts(console, described["contexts"])
    _print_rates(console, described["rates"], described["contexts"])
    for line in (*account.columns(), *account.values(), *account.notes):
        _line(console, escape(line))
    traits = [name for name in described["measurements"] if is_trait(name)]
    usual = not described["modelled"] or traits or not {*SCORES}.isdisjoint(described["modelled"])
    others = [name for name in described["measurements"] if name not in SCORES and name not in traits]
    for name in SCORES if usual else ():
        if name not in described["measurements"] and not (traits and name == "aligned"):
            lacking = f"no column was read as {name!r}, which the usual personas require"
            if likely := resembling(name, others) or others:
                lacking += f"; if one of {', '.join(likely)} is it, add {suggested_columns(name, likely)}"
            _line(console, escape(lacking))
    for name in traits:
        _line(console, escape(f"{name}: by its name, high values are bad, so it is not read as 'aligned'"))
    _line(console, f"\n[bold]What a fit without further options would use[/bold]\n{escape(described['default_model'])}")
    for note in described["notes"]:
        _line(console, escape(f"Note: {note}"))
    _print_refused(console, described["refused"])


def _line(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)


def _print_files(console: Console, account: Account) -> None:
    table = simple_table(("file", "layout and how it was detected", "rows"), texts=2)
    for file, rows in account.rows_read.items():
        table.add_row(escape(file), escape(account.layouts.get(file, "")), grouped(rows))
    _line(console, "[bold]Files[/bold]")
    console.print(table)
    _line(console, f"{grouped(sum(account.rows_read.values()))} rows read, {grouped(account.rows_kept)} kept")
    for reason, left in account.left_out.items():
        _line(console, f"  excluded, {escape(f'{reason}: {left}')}")
    _line(console, f"exact duplicates: {escape(str(account.duplicates))}")
    for pair in account.duplicates.copies:
        _line(console, f"  same rows under different conditions: {escape(pair)}")
    for file, fields in account.provenance.items():
        _line(console, f"{escape(file)}: {escape('; '.join(f'{name} {value}' for name, value in fields.items()))}")


def _print_counts(console: Console, described: Mapping[str, Any]) -> None:
    for what in ("conditions", "questions"):
        counts = described[what]
        table = simple_table((what.removesuffix("s"), "rows"))
        for name, rows in list(counts.items())[: 40 if what == "conditions" else 12]:
            table.add_row(escape(name if len(name) < 80 else f"{name[:77]}…"), grouped(rows))
        _line(console, f"\n[bold]{what.capitalize()}[/bold]: {grouped(len(counts))}")
        console.print(table)
        if len(counts) > table.row_count:
            _line(console, f"… and {grouped(len(counts) - table.row_count)} more (--json lists all)")


def _print_measurements(console: Console, measurements: Mapping[str, Any]) -> None:
    _line(console, f"\n[bold]Measurements[/bold]: {len(measurements)}")
    table = simple_table(("measurement", "range (median) or values", "scored", "missing", "read as missing"), texts=2)
    for name, own in measurements.items():
        sentinels = ", ".join(f"{value} × {grouped(count)}" for value, count in own["sentinels"].items())
        table.add_row(escape(name), escape(_range(own)), grouped(own["scored"]), grouped(own["missing"]), sentinels)
    console.print(table)


def _print_assumed(console: Console, assumed: Mapping[str, str]) -> None:
    if assumed:
        _line(console, "Assumptions (a fit takes scores to be from 0 to 100, unless --score declares others):")
    for name, text in assumed.items():
        _line(console, f"  {escape(name)}: {escape(text)}")


def _print_rates(console: Console, rates: Mapping[str, Any], contexts: Mapping[str, Any]) -> None:
    """Observed rates of every rule under every denominator."""
    for rule, own in rates.items():
        denominators = [name for name in next(iter(own.values())) if name != "completions"]
        _line(console, f"\n[bold]Observed rates[/bold] of {escape(rule)}, by denominator (events/completions)")
        table = simple_table(("condition", *denominators))
        for condition, found in own.items():
            table.add_row(escape(condition), *(_rate(found[name]) for name in denominators))
        console.print(table)
    if not rates:
        texts = [name for name, own in contexts.items() if 2 <= own["distinct"] <= _MOST and not is_context(name)]
        hint = f"; to read a text column as a measurement, add {shlex.join(['--measure', texts[0]])}" if texts else ""
        text = f"\nNo observed rates are shown: no measurement says which completions show the event{hint}"
        _line(console, escape(text))


def _rate(found: Mapping[str, Any]) -> str:
    if found["rate"] is None:
        return "no completions"
    return f"{100 * found['rate']:.2f}% ({grouped(found['events'])}/{grouped(found['of'])})"


def _print_refused(console: Console, refused: Sequence[str]) -> None:
    if refused:
        _line(console, "\n[bold]A fit without further options would refuse this log[/bold]")
    for text in refused:
        _line(console, f"  {escape(text)}")


def _range(measured: Mapping[str, Any]) -> str:
    if "values" in measured:
        return _shown(measured["values"])
    if measured["min"] is None:
        return "none"
    low, high, middle = (float(measured[name]) for name in ("min", "max", "median"))
    return f"{low:g} to {high:g} ({middle:g})"


def _shown(values: Mapping[str, int]) -> str:
    shown = ", ".join(f"{value[:30]} × {grouped(count)}" for value, count in list(values.items())[:_MOST])
    return shown + (", …" if len(values) > _MOST else "")


def _print_contexts(console: Console, contexts: Mapping[str, Any]) -> None:
    if contexts:
        _line(console, "\n[bold]Contexts[/bold]")
        table = simple_table(("context", "most frequent", "distinct"), texts=2)
        for name, own in contexts.items():
            table.add_row(escape(name), escape(_shown(own["values"])), grouped(own["distinct"]))
        console.print(table)
