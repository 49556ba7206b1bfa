"""Commands about a saved result, which is loaded, and of which something is printed or written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import typer
from rich.markup import escape

from simulacra.analysis.judges import judges
from simulacra.cli.folder import FIGURES, RESULT, read_summary
from simulacra.cli.judges import print_judges
from simulacra.cli.reading import Reading
from simulacra.cli.session import NOT_OK, Session, withholds
from simulacra.cli.summary import summarise
from simulacra.cli.tables import print_rates
from simulacra.formalism import InputError, Outcome, Partition
from simulacra.formalism.visible import visible
from simulacra.inference import Result
from simulacra.inference.citation import WithheldError
from simulacra.report import (
    bibliography,
    format_citation,
    result_tables,
    verify_paper,
    write_figures,
    write_report,
    write_reports,
)
from simulacra.report.document import ATTRIBUTIONS, WITHOUT_TEXTS
from simulacra.report.prose import marked_number
from simulacra.report.tables import json_rows, tables_of_rates

__all__ = [
    "show_citations",
    "show_judges",
    "show_rates",
    "show_saved",
    "verify_papers",
    "write_saved_figures",
    "write_saved_report",
]


def show_saved(session: Session, path: Path) -> None:
    """Load a saved result and print it."""
    result = Result.load(path)
    tables = result_tables(result, rope=session.rope, ci_prob=session.ci_prob)
    session.show_result(result, tables)
    session.finish(result, summarise(result, tables, rope=session.rope, ci_prob=session.ci_prob))


def show_rates(session: Session, path: Path, outcome: Outcome | Partition) -> None:
    """Load a saved result and print the rates of another outcome, or of the categories of a partition."""
    result = Result.load(path)
    tables = tables_of_rates(result, outcome, rope=session.rope, ci_prob=session.ci_prob)
    print_rates(session.console, result, tables, outcome, **session.of_claims(result))
    held = withholds(tables)
    if session.as_json:
        rows = {name: json_rows(table) for name, table in tables.items()}
        session.say_json({"ok": not held, "outcome": str(outcome), "tables": rows})
    if held:
        raise typer.Exit(NOT_OK)


def write_saved_report(session: Session, path: Path, out: Path | None, logs: Sequence[str], reading: Reading) -> None:
    """Write the report of a saved result: a single file, or both files into a folder.

    Args:
        session: the run of the command.
        path: the result.
        out: a file or a folder. Default: the folder of the result.
        logs: the log that was fitted, for examples; it is read with the options of the fit.
        reading: options that override those of the fit.
    """
    if not logs and reading.to_dict():
        raise InputError(f"{reading}: this option applies to reading a log, but no log was given. Add --log")
    if logs and path.is_file() and path.suffix != Path(RESULT).suffix:
        raise InputError(
            f"{path}: is not a result; expected {RESULT} or its folder, before the logs. The shell expands an "
            "unquoted glob to several files, but --log takes one value: quote it, --log 'logs/*.csv'."
        )
    if out is not None and out.suffix.lower() == ".pdf":
        raise InputError(
            f"{out}: reports are written as HTML and Markdown",
            expected="a file that ends in .html or .md, or a folder",
            remedy="print the HTML from a browser to make a PDF",
            argument="out",
        )
    result = Result.load(path)
    summary = read_summary(path)
    fitted = summary.get("log", {})
    again = Reading.from_dict({**fitted.get("options", {}), **reading.to_dict()})
    folder = out or (path if path.is_dir() else path.parent)
    texts = summary.get("config", {}).get("texts", True) if session.texts is None else session.texts
    options = {**session.shown, "texts": bool(texts)}
    try:
        log = again.read_completions(logs, quiet=session.quiet) if logs else None
        written = (
            (write_report(result, folder, log=log, **options),)
            if folder.suffix in (".html", ".md")
            else write_reports(result, folder, log=log, **options)
        )
    except InputError as error:
        if logs and "options" in fitted:
            own = _describe_reading("The fit", fitted["paths"], Reading.from_dict(fitted["options"]))
            error.add_note(f"{own} {_describe_reading('This report', logs, again)}")
        raise
    without = "" if logs else ", without completions (use --log to include them)"
    session.say(f"[bold]Written[/bold]: {escape(', '.join(map(str, written)))}{without}")
    if any(each.name == WITHOUT_TEXTS for each in written):
        session.say(f"[yellow]Note:[/yellow] {ATTRIBUTIONS} of the fit, which has texts, was left as it is")
    session.finish(result, {"ok": result.ok, "files": list(map(str, written))}, printed=False)


def write_saved_figures(session: Session, path: Path, out: Path | None, *, against: str | None, **options: Any) -> None:
    """Write the figures of a saved result.

    Args:
        session: the run of the command.
        path: the result.
        out: a folder. Default: ``figures`` in the folder of the result.
        against: the condition that the others are compared with. Default: the baseline.
        options: arguments of :func:`~simulacra.report.write_figures`.
    """
    result = Result.load(path)
    folder = out or (path if path.is_dir() else path.parent) / FIGURES
    asked: dict[str, Any] = {} if against is None else {"against": against}
    written = write_figures(result, folder, **options, **asked, rope=session.rope, ci_prob=session.ci_prob)
    session.say(f"[bold]Written[/bold] to {escape(str(folder))}: {escape(', '.join(each.name for each in written))}")
    session.finish(result, {"ok": result.ok, "files": list(map(str, written))}, printed=False)


def show_judges(session: Session, path: Path) -> None:
    """Print what each judge of a saved result adds, and which judges depend on one another."""
    result = Result.load(path)
    found = judges(result)
    table, pairs = found.table(ci_prob=session.ci_prob), found.pairs()
    print_judges(session.console, table, pairs, ci_prob=session.probability(result))
    session.finish(result, {"ok": result.ok, "judges": json_rows(table), "pairs": json_rows(pairs)}, printed=False)


def show_citations(session: Session, path: Path, keys: Sequence[str], style: str, *, bibtex: bool) -> None:
    """Print citations of a saved result; without keys, those that there are, with their values and intervals.

    Args:
        session: the run of the command.
        path: the result.
        keys: as for :meth:`~simulacra.inference.Result.cite`.
        style: as for :func:`~simulacra.report.format_citation`.
        bibtex: whether to print the methods of the fit in BibTeX.
    """
    result = Result.load(path)
    citations = [format_citation(result.cite(key, ci_prob=session.ci_prob), style) for key in keys]
    entries = [bibliography(result)] if bibtex else []
    if session.as_json:
        asked = {"citations": citations, "bibtex": "".join(entries)}
        session.say_json(asked if keys or bibtex else {"keys": list(result.citable)})
    elif keys or bibtex:
        session.output.write("\n\n".join([*citations, *entries]) + "\n")
    else:
        width = max(map(len, result.citable))
        for key in result.citable:
            session.output.write(f"{key:{width}}  {_value_of(result, key, session.ci_prob)}\n")


def verify_papers(session: Session, papers: Sequence[Path], results: Sequence[Path]) -> None:
    """Compare the keyed numbers of papers with saved results, and print those that have drifted.

    Args:
        session: the run of the command.
        papers: Markdown, LaTeX or text files.
        results: the results that they cite.
    """
    loaded = [Result.load(path) for path in results]
    table = pd.concat([verify_paper(paper, loaded) for paper in papers], ignore_index=True)
    drifted = table[table["status"] != "ok"]
    for row in json_rows(table):
        place = escape(f"{row['file']}:{row['line']}: {row['key']}: {row['written']}")
        if row["status"] == "ok":
            session.say(f"[green]ok[/green]      {place}")
        else:
            session.say(f"[red]drifted[/red] {place}")
            session.say(escape(f"        {row['status']}\n        now: {row['derived'] or 'no such number'}"))
    session.say(f"{len(table) - len(drifted)} of {len(table)} keyed numbers agree")
    if session.as_json:
        session.say_json({"ok": drifted.empty, "numbers": json_rows(table)})
    if not drifted.empty:
        if session.quiet:
            places = ", ".join(f"{row.file}:{row.line}" for row in drifted.itertuples())
            session.say_error(f"{len(drifted)} of {len(table)} keyed numbers have drifted: {places}")
        raise typer.Exit(NOT_OK)


def _value_of(result: Result, key: str, ci_prob: float | None) -> str:
    """The number of a key with its interval and its mark, or why it is withheld."""
    try:
        cited = result.cite(key, ci_prob=ci_prob)
    except WithheldError as error:
        return visible(error.status)
    return marked_number(cited.in_brief, cited.status)


def _describe_reading(who: str, paths: Sequence[str], reading: Reading) -> str:
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return f"{who} read {shown} with {str(reading) or 'no options'}."
