"""The command about persona sets."""

from pathlib import Path
from typing import Annotated

import typer

from simulacra.cli.options import MODEL, OUTPUT

__all__ = ["personas"]


def personas(
    name: Annotated[
        str | None, typer.Argument(metavar="SET|FILE.toml", help="Persona set or file. Default: list the sets.")
    ] = None,
    *,
    measure: Annotated[
        str,
        typer.Option(metavar="NAME", help="Measurement of the sets trait, likert and event.", rich_help_panel=MODEL),
    ] = "evil",
    coherent: Annotated[
        bool,
        typer.Option(help="For the set trait, whether the log has a score 'coherent' as well.", rich_help_panel=MODEL),
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Write the set as a file, to be edited.", rich_help_panel=OUTPUT),
    ] = None,
) -> None:
    """List persona sets, explain one, check a file, or write one to be edited.

    The sets trait, likert and event are made for a measurement that you name.

      [bold]simulacra personas[/bold]

      [bold]simulacra personas trait --measure sycophancy --no-coherent --out my.toml[/bold]

      [bold]simulacra fit log.csv --personas my.toml[/bold]
    """
    from rich.markup import escape

    from simulacra.cli.personas import print_personas, print_sets, set_as_model, write_template
    from simulacra.cli.session import Session

    with Session(out=None) as session:
        if name is None:
            print_sets(session.console)
        else:
            model = set_as_model(name, measure, coherent=coherent)
            print_personas(session.console, model)
            if out is not None:
                session.say(f"[bold]Written[/bold] to {escape(str(write_template(model, out)))}")
