"""The options that the command adds to a remedy exist, and its help shows what is in brackets."""

import typer
from rich.style import Style
from rich.text import Text

from simulacra.cli.app import app
from simulacra.cli.spelling import OPTIONS

COMMANDS = typer.main.get_command(app).commands


def test_every_option_that_a_remedy_can_name_is_an_option_of_some_command() -> None:
    known = {option for command in COMMANDS.values() for parameter in command.params for option in parameter.opts}
    assert {text.split()[0] for text in OPTIONS.values()} <= known


def test_no_help_loses_a_bracket_as_markup() -> None:
    for command in COMMANDS.values():
        for text in [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]:
            for span in Text.from_markup(text or "").spans:
                Style.parse(str(span.style))
