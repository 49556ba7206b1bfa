"""How logs are read, in the words of a command line: each option once, for every command that reads."""

import dataclasses
import functools
import inspect
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from simulacra.data import CompletionLog, ScannedLog
    from simulacra.formalism import InputError

__all__ = [
    "PANEL",
    "Logs",
    "Reading",
    "parse_columns",
    "parse_judgments",
    "parse_missing",
    "parse_names",
    "reading_options",
]

PANEL = "Reading the logs"
"""Where help lists the options."""
_SCANS = {"layout": "rows", "duplicates": "keep", "encoding": "utf-8"}
"""Options that a scan knows one value of."""

Logs = Annotated[
    list[str],
    typer.Argument(
        help="CSV, JSONL, JSON, Parquet or Inspect files, folders, quoted globs, or hf://datasets/owner/name.",
        metavar="LOGS...",
    ),
]


def _option(text: str, metavar: str | None = None) -> Any:
    return typer.Option(help=text, metavar=metavar, rich_help_panel=PANEL)


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a command line says about how logs are read: a field an option, None where nothing is said."""

    condition: Annotated[
        str | None,
        _option(
            "Where the condition is: a pattern of the file names, '{model}-{condition}', or a column. "
            "Default: the column 'condition'.",
            "PATTERN",
        ),
    ] = None
    column: Annotated[
        list[str] | None,
        _option(
            "The file's own name of a column, completion=answer; notes= leaves one out. Repeatable.",
            "NAME=OWN",
        ),
    ] = None
    measure: Annotated[
        list[str] | None,
        _option(
            "A column that is a measurement, and that a fit is to model. Repeatable. "
            "Default: every score is read, and those are modelled that the personas are known by.",
            "NAME",
        ),
    ] = None
    context: Annotated[
        list[str] | None,
        _option(
            "A column that says how a row was made. Repeatable. Default: columns of words, and numbers named like one.",
            "NAME",
        ),
    ] = None
    layout: Annotated[
        Literal["rows", "lists", "long", "questions", "inspect"] | None,
        _option("The layout of the files. Default: recognised, and told."),
    ] = None
    judgments: Annotated[
        list[str] | None,
        _option("Judgments in a file of their own; gpt4o=a.jsonl names the judge. Repeatable.", "[JUDGE=]FILE"),
    ] = None
    on: Annotated[
        str | None,
        _option(
            "What identifies a completion in both, qid,rollout; or position. Default: seen from the columns.",
            "COLUMNS",
        ),
    ] = None
    formats: Annotated[
        str | None, _option("Endings of question ids that mark a prompt format: _json,_template.", "SUFFIXES")
    ] = None
    base_question: Annotated[str | None, _option("The column with the base question.", "COLUMN")] = None
    missing: Annotated[
        str | None, _option("Values of measurements that mean 'no score', -1,REFUSAL. Default: -1.", "VALUES")
    ] = None
    duplicates: Annotated[
        Literal["keep", "drop"] | None, _option("Exact repeats: counted, or left out as well. Default: keep.")
    ] = None
    delimiter: Annotated[str | None, _option("Of CSV files. Default: a comma.", "CHAR")] = None
    encoding: Annotated[str | None, _option("Of text files. Default: utf-8.", "NAME")] = None

    def read(self, logs: Sequence[str], *, quiet: bool = False) -> "CompletionLog":
        """Read logs.

        Args:
            logs: files, folders, globs, data sets.
            quiet: show no progress.

        Raises:
            LogError: see :func:`~simulacra.data.read_completions`.
            InputError: see :meth:`arguments`.
        """
        from simulacra.data import read_completions

        return read_completions(list(logs), **self.arguments(), progress_bar=False if quiet else None)

    def scan(self, logs: Sequence[str]) -> "ScannedLog":
        """Look at the layout of logs, which are to be counted where they lie.

        Raises:
            LogError: see :func:`~simulacra.data.scan_completions`.
            InputError: an option that a scan cannot honour; see also :meth:`arguments`.
        """
        from simulacra.data import scan_completions

        arguments, known = self.arguments(), inspect.signature(scan_completions).parameters
        free = {"measurements", "contexts"}  # every column may be either
        refused = [name for name in arguments.keys() - known - free if arguments[name] != _SCANS.get(name)]
        if refused:
            raise _refused(
                f"--scan reads one row a completion, in UTF-8, and looks for no repeats: leave out "
                f"{', '.join(f'--{name}' for name in sorted(refused))}, or --scan."
            )
        return scan_completions(list(logs), **{name: arguments[name] for name in arguments.keys() & known.keys()})

    def arguments(self) -> dict[str, Any]:
        """What was said, as arguments of ``read_completions``.

        Raises:
            InputError: words that are no such argument.
        """
        return {
            argument: parse(words)
            for name, words in self.to_dict().items()
            for argument, parse in [_ARGUMENTS.get(name, (name, str))]
        }

    def to_dict(self) -> dict[str, str | list[str]]:
        """What was said, in plain JSON types."""
        return {name: words for name, words in vars(self).items() if words is not None and words != []}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Reading":
        """Rebuild it from :meth:`to_dict`.

        Raises:
            InputError: an option that there is not.
        """
        unknown = sorted(record.keys() - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise _refused(f"There is no reading option {unknown[0]!r} in this version of simulacra.")
        return cls(**record)

    def __str__(self) -> str:
        pairs = [
            (f"--{name.replace('_', '-')}", word)
            for name, words in self.to_dict().items()
            for word in ([words] if isinstance(words, str) else words)
        ]
        return shlex.join([text for pair in pairs for text in pair])


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of :class:`Reading` in place of its argument ``reading``."""
    options = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in dataclasses.fields(Reading)
    ]
    signature = inspect.signature(command)
    parameters = [
        each
        for name, parameter in signature.parameters.items()
        for each in (options if name == "reading" else [parameter])
    ]

    @functools.wraps(command)
    def told(**words: Any) -> None:
        reading = Reading(**{option.name: words.pop(option.name) for option in options})
        command(**words, reading=reading)

    # Typer reads options off the signature, and their types off the annotations.
    told.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(told)["__signature__"] = signature.replace(parameters=parameters)
    return told


def _refused(what: str) -> "InputError":
    """The error of a wrong option; its class costs JAX, and help and completion do without."""
    from simulacra.formalism import InputError

    return InputError(what)


def parse_names(text: str) -> tuple[str, ...]:
    """``"_json,_template"`` as names; an empty text is none."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_columns(pairs: Sequence[str]) -> dict[str, str | None]:
    """``["completion=answer", "notes="]`` as the ``columns=`` of ``read_completions``.

    Raises:
        InputError: a pair without "=".
    """
    unreadable = [pair for pair in pairs if not re.match(r"[^=]+=", pair)]
    if unreadable:
        raise _refused(
            f"--column {unreadable[0]!r}: expected NAME=OWN, such as completion=answer, or NAME= to leave a column out."
        )
    return {name: own or None for name, _, own in (pair.partition("=") for pair in pairs)}


def parse_missing(text: str) -> tuple[float | str, ...]:
    """``"-1,REFUSAL"`` as values that mean *missing*: numbers as numbers, the rest as words."""
    return tuple(float(part) if re.fullmatch(r"-?\d+(\.\d+)?", part) else part for part in parse_names(text))


def parse_judgments(files: Sequence[str]) -> list[str] | dict[str, str]:
    """``["gpt4o=a.jsonl", "claude=b.jsonl"]`` by judge; files without a judge as a list.

    Raises:
        InputError: some files with a judge and some without, or a judge twice.
    """
    pairs = [file.partition("=") for file in files]
    named = {judge: file for judge, equals, file in pairs if equals}
    if not named:
        return list(files)  # one judge
    if len(named) < len(files):
        raise _refused(f"--judgments {' '.join(map(repr, files))}: expected JUDGE=FILE for every judge, or files only.")
    return named


_ARGUMENTS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "column": ("columns", parse_columns),
    "context": ("contexts", list),
    "formats": ("formats", parse_names),
    "judgments": ("judgments", parse_judgments),
    "measure": ("measurements", list),
    "missing": ("missing", parse_missing),
    "on": ("on", parse_names),
}
"""Options that are no argument as they stand: the argument of ``read_completions``, and how words become one."""
