"""Commands that show, write or cite what a saved result says."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from simulacra.cli.options import MODEL, OUTPUT, AsJson, ChosenCiProb, ChosenRope, Quiet, Saved
from simulacra.cli.reading import PANEL, Reading, reading_options

__all__ = ["cite", "figures", "judges", "rates", "report", "show", "verify"]


def show(
    result: Saved,
    *,
    rope: ChosenRope = None,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
) -> None:
    """Show the tables of a saved result."""
    from simulacra.cli.saved import show_saved
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, rope=rope, ci_prob=ci_prob) as session:
        show_saved(session, result)


def rates(
    result: Saved,
    *,
    outcome: Annotated[str | None, typer.Option(metavar="RULE", help="Event whose rate is estimated.")] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RULE",
            help="Category of completions. Repeatable: a completion belongs to the first whose rule holds.",
        ),
    ] = None,
    rest: Annotated[str, typer.Option(metavar="NAME", help="Name of the category of all others.")] = "other",
    of: Annotated[
        str, typer.Option(metavar="all|coherent|scored", help="Completions that form the denominator.")
    ] = "all",
    rope: ChosenRope = None,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
) -> None:
    """Estimate rates of another event, or of several categories, from a saved result.

    Rates do not depend on personas, so nothing is sampled again but rates.

      [bold]simulacra rates simulacra-out --outcome 'aligned >= 70'[/bold]

      [bold]simulacra rates simulacra-out --category 'misaligned=coherent > 50 and aligned < 30'
      --category 'incoherent=coherent <= 50' --rest aligned[/bold]
    """
    from simulacra.cli.request import parse_event
    from simulacra.cli.saved import show_rates
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, rope=rope, ci_prob=ci_prob) as session:
        show_rates(session, result, parse_event(outcome, category or (), rest, of))


@reading_options
def report(
    result: Saved,
    more: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE", help="More files of the log, if the shell expands an unquoted glob after --log."
        ),
    ] = None,
    *,
    log: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Log that was fitted, as source of example completions: files, folders or quoted globs. Repeatable.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    reading: Reading,
    rope: ChosenRope = None,
    ci_prob: ChosenCiProb = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File ending in .html or .md, or a folder for both. Default: next to the result.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    texts: Annotated[
        bool | None,
        typer.Option(
            "--texts/--no-texts",
            help="Whether files contain the texts of completions. Default: as in the fit.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the report of a saved result, as self-contained HTML and as Markdown.

    A saved result does not contain completions. If the log is given, the report
    shows example completions of every persona and a table of all completions,
    and a folder also receives responsibilities.parquet. The log is read with the
    options that were given to fit; options given here override them.

      [bold]simulacra report simulacra-out[/bold]

      [bold]simulacra report simulacra-out --out meeting.html[/bold]

      [bold]simulacra report simulacra-out --log 'logs/*.csv'[/bold]
    """
    from simulacra.cli.saved import write_saved_report
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet, rope=rope, ci_prob=ci_prob, texts=texts) as session:
        write_saved_report(session, result, out, (*(log or ()), *(more or ())), reading)


def figures(
    result: Saved,
    *,
    only: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Figures, e.g. shifts,rates. Default: all.", rich_help_panel=OUTPUT),
    ] = None,
    format: Annotated[
        str,
        typer.Option(metavar="FORMATS", help="Among pdf, svg and png, e.g. pdf,svg.", rich_help_panel=OUTPUT),
    ] = "pdf",
    width: Annotated[
        float | None,
        typer.Option(min=0, help="Width in inches, e.g. 3.25 for one column of two.", rich_help_panel=OUTPUT),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Condition that the others are compared with. Default: the baseline.", rich_help_panel=MODEL),
    ] = None,
    rope: ChosenRope = None,
    ci_prob: ChosenCiProb = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder. Default: figures, next to the result.", rich_help_panel=OUTPUT),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the figures of a saved result as files, for papers and slides.

    [bold]simulacra figures simulacra-out --only shifts,rates --width 3.25[/bold]
    """
    from simulacra.cli.saved import write_saved_figures
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet, rope=rope, ci_prob=ci_prob) as session:
        names = {"only": _listed(only or ""), "format": _listed(format)}
        write_saved_figures(session, result, out, width=width, against=against, **names)


def _listed(names: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in names.split(","))))


def judges(
    result: Saved,
    *,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what each judge of a saved result adds, and which judges share errors.

    [bold]simulacra judges simulacra-out[/bold]
    """
    from simulacra.cli.saved import show_judges
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet, ci_prob=ci_prob) as session:
        show_judges(session, result)


def cite(
    result: Saved,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY...", help=r"E.g. 'rate\[narrow]'. Default: list all.")
    ] = None,
    *,
    style: Annotated[
        Literal["text", "ascii", "markdown", "latex", "json"],
        typer.Option(help="Form of the citations.", rich_help_panel=OUTPUT),
    ] = "text",
    bibtex: Annotated[
        bool, typer.Option("--bibtex", help="Add the methods that this fit used, in BibTeX.", rich_help_panel=OUTPUT)
    ] = False,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
) -> None:
    r"""Print numbers of a saved result with interval, scope and provenance, for a paper.

    Without a key, all keys are listed with their values and intervals.

    [bold]simulacra cite simulacra-out 'rate\[narrow]' --style latex[/bold]

    [bold]simulacra cite simulacra-out --bibtex > methods.bib[/bold]
    """
    from simulacra.cli.saved import show_citations
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, ci_prob=ci_prob) as session:
        show_citations(session, result, keys or (), style, bibtex=bibtex)


def verify(
    papers: Annotated[
        list[Path], typer.Argument(metavar="PAPERS...", help="Markdown, LaTeX or text files with citations.")
    ],
    *,
    result: Annotated[
        list[Path],
        typer.Option(
            metavar="OUT",
            help="Saved result that is cited: fit.nc, or the folder that contains it. Repeatable.",
            rich_help_panel=PANEL,
        ),
    ],
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare every number of a paper that has a key with the saved result.

    Keys stand in front of numbers, as result.cite and format_citation write
    them. Exit code 3: a number, its interval, its scope or its key has drifted,
    or the number is withheld.

      [bold]simulacra verify paper.tex --result simulacra-out[/bold]
    """
    from simulacra.cli.saved import verify_papers
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet) as session:
        verify_papers(session, papers, result)
