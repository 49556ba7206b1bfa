"""The command ``simulacra`` with its subcommands, each a function of :mod:`simulacra.cli.commands`.

Exit codes: 0, all checks passed; 2, the input or an option is invalid, and nothing was written, or a file could not be
written, and the message says where a fit that has run is saved; 3, the fit did not converge or is not identified: the
files are written, with the affected results withheld, or a number of a paper has drifted; 130, interrupted by Ctrl-C.
"""

from typing import Annotated

import typer

from simulacra.cli.commands import analyses, fitting, logs, organism, personas, results

__all__ = ["app"]

app = typer.Typer(
    name="simulacra",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all checks passed, 2 invalid input, 3 not converged or not identified (results withheld), "
    "130 interrupted.",
)


def _show_version(wanted: bool) -> bool:  # noqa: FBT001 (Typer passes it by position)
    if wanted:
        import importlib.metadata

        typer.echo(f"simulacra {importlib.metadata.version('simulacra')}")
        raise typer.Exit
    return wanted


@app.callback()
def simulacra(
    *,
    version: Annotated[
        bool, typer.Option("--version", "-v", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Persona weights from judged completions of a base model and its fine-tunes.

    To start, run [bold]simulacra demo[/bold]. It fits a small shipped log and compares
    the estimates with the true values. Then check with [bold]simulacra inspect-log[/bold]
    how your own files are read, and fit them with [bold]simulacra fit[/bold].
    """


_COMMANDS = (
    fitting.fit,
    fitting.batch,
    logs.inspect_log,
    logs.score,
    results.show,
    results.rates,
    results.report,
    results.figures,
    results.judges,
    results.cite,
    results.verify,
    personas.personas,
    organism.demo,
    organism.organism,
    analyses.compare,
    analyses.contrast,
    analyses.dose,
    analyses.plan,
    analyses.scorecard,
)
_RUN_WITHOUT_ARGUMENTS = (personas.personas, organism.demo, organism.organism)
for _command in _COMMANDS:
    app.command(no_args_is_help=_command not in _RUN_WITHOUT_ARGUMENTS)(_command)
