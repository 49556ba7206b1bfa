"""The options that the command adds to a remedy exist."""

import typer

from simulacra.cli.app import app
from simulacra.cli.spelling import OPTIONS


def test_every_option_that_a_remedy_can_name_is_an_option_of_some_command() -> None:
    commands = typer.main.get_command(app).commands.values()
    known = {option for command in commands for parameter in command.params for option in parameter.opts}
    assert {text.split()[0] for text in OPTIONS.values()} <= known
