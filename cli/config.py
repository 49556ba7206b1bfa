"""Options of a command in a TOML file: ``--config run.toml`` reads them, ``--save-config run.toml`` writes them.

A file has one key for every option, named as on the command line, and ``logs`` for the arguments:

.. code-block:: toml

    logs = ["logs/*.csv"]
    baseline = "base"
    score = ["evil:0-100:high-is-bad"]
    num-samples = 2000

Options on the command line replace those of the file. Paths are relative to the current folder.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    Invocation = typer.Context
else:
    Invocation = typer.Context.__base__  # commands get its instances, which a type checker at run time would refuse

__all__ = [
    "Invocation",
    "checked_options",
    "format_config",
    "options_of",
    "read_config",
    "resolved_options",
    "save_config",
]

_NOT_STORED = ("config", "save_config", "help", "json", "quiet")
"""Options that say nothing about a fit."""


def read_config(context: Invocation, value: Path | None) -> Path | None:
    """The options of a file become the defaults of a command; a callback of its option ``--config``.

    Raises:
        typer.BadParameter: the file cannot be read, or contains an option that the command does not have.
    """
    if value is not None:
        from simulacra.formalism.errors import InputError
        from simulacra.formalism.toml_files import read_toml

        try:
            found = read_toml(value, "options", expected="a TOML file with a key for every option")
        except InputError as error:
            raise typer.BadParameter(str(error)) from error
        context.default_map = {**(context.default_map or {}), **checked_options(context.command, found, str(value))}
    return value


def checked_options(command: Any, found: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Options by the names of the parameters of a command.

    Args:
        command: the command that has them.
        found: the options by their names in a file.
        where: beginning of messages.

    Raises:
        typer.BadParameter: an option that the command does not have, or a value of another type.
    """
    known = {parameter.name: parameter for parameter in command.params if parameter.name not in _NOT_STORED}
    options = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f" Did you mean {near[0].replace('_', '-')!r}?" if near else ""
            raise typer.BadParameter(f"{where}: there is no option {key!r}.{meant}")
        parameter = known[name]
        several = getattr(parameter, "multiple", False) or parameter.nargs == -1
        flag = getattr(parameter, "is_flag", False)
        expected = "a list of texts" if several else "true or false" if flag else "a text or a number"
        own = [value] if several and isinstance(value, str) else value
        fits = (
            isinstance(own, list) and all(isinstance(each, str) for each in own)
            if several
            else isinstance(own, bool) == flag and isinstance(own, (bool, str, int, float))
        )
        if not fits:
            raise typer.BadParameter(f"{where}: {key} is {value!r}; expected {expected}")
        options[name] = own
    return options


def resolved_options(command: Any, options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """All options that would be in force with those of a file, as :func:`options_of` gives them.

    Args:
        command: the command that has them.
        options: as returned by :func:`checked_options`, with ``logs``.
        where: beginning of messages.

    Raises:
        typer.BadParameter: a value that the command refuses.
    """
    given = {name: value for name, value in options.items() if name != "logs"}
    try:
        return options_of(command.make_context(command.name, list(options["logs"]), default_map=given))
    except typer.BadParameter as error:
        raise typer.BadParameter(f"{where}: {error.format_message()}") from error


def options_of(context: Invocation) -> dict[str, Any]:
    """All options in force, with their defaults, in plain JSON types; without those that are not set."""
    plain = {name: _plain(value) for name, value in context.params.items() if name not in _NOT_STORED}
    return {name: value for name, value in plain.items() if value not in (None, [])}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def format_config(options: Mapping[str, Any]) -> str:
    """Options as the text of a TOML file."""
    from simulacra.formalism.toml_files import toml_value

    return "".join(f"{name.replace('_', '-')} = {toml_value(value)}\n" for name, value in options.items())


def save_config(path: Path, options: Mapping[str, Any]) -> None:
    """Write options as a file that ``--config`` reads.

    Raises:
        InputError: the file exists, with other options.
    """
    from simulacra.formalism import InputError

    text = format_config(options)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"--save-config {path}: the file exists; name another one, or remove it")
    path.write_text(text, encoding="utf-8")
