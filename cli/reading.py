"""Command-line options that determine how logs are read, shared by all commands that read logs."""

import dataclasses
import functools
import inspect
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from simulacra.data import CollapsedLog, CompletionLog, ScannedLog
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
    "suggested_columns",
]

PANEL = "Reading the logs"
"""Heading of these options in the help."""
_SCANS = {"duplicates": "keep", "errors": "exclude"}
"""Options of which a scan supports a single value."""

Logs = Annotated[
    list[str],
    typer.Argument(
        help="Files (CSV, JSONL, JSON, Parquet, Inspect), folders, quoted globs, or hf://datasets/owner/name.",
        metavar="LOGS...",
    ),
]


def _option(text: str, metavar: str | None = None) -> Any:
    return typer.Option(help=text, metavar=metavar, rich_help_panel=PANEL)


@dataclasses.dataclass(frozen=True)
class Reading:
    """Reading options of a command line: one field per option, None if the option was not given."""

    condition: Annotated[
        str | None,
        _option(
            "Condition: a pattern of the file names, e.g. '{model}-{condition}', a column, or several, e.g. model,arm. "
            "Default: the column 'condition'.",
            "PATTERN",
        ),
    ] = None
    column: Annotated[
        list[str] | None,
        _option(
            "Column under another name in the files, e.g. completion=answer; notes= excludes a column. Repeatable.",
            "NAME=OWN",
        ),
    ] = None
    measure: Annotated[
        list[str] | None,
        _option(
            "Column to read as a measurement and to model. Repeatable. "
            "Default: all scores are read; those in the archetypes of the personas are modelled.",
            "NAME",
        ),
    ] = None
    context: Annotated[
        list[str] | None,
        _option(
            "Column to read as a context. Repeatable. Default: text columns, and numeric columns with the name of one.",
            "NAME",
        ),
    ] = None
    layout: Annotated[
        Literal["rows", "lists", "long", "judges", "questions", "inspect"] | None,
        _option("Layout of the files. Default: detected automatically."),
    ] = None
    judgments: Annotated[
        list[str] | None,
        _option("File with separate judgments; gpt4o=a.jsonl names the judge. Repeatable.", "[JUDGE=]FILE"),
    ] = None
    on: Annotated[
        str | None,
        _option(
            "Columns that match judgments to completions, e.g. qid,rollout; or position. Default: detected "
            "automatically.",
            "COLUMNS",
        ),
    ] = None
    formats: Annotated[
        str | None, _option("Suffixes of question ids that mark prompt formats, e.g. _json,_template.", "SUFFIXES")
    ] = None
    base_question: Annotated[str | None, _option("Column with the base question.", "COLUMN")] = None
    missing: Annotated[
        str | None,
        _option("Values that mean 'no score', e.g. -1,REFUSAL. Default: -1, if it is not on the scale.", "VALUES"),
    ] = None
    counts: Annotated[
        str | None,
        _option(
            "The files contain counts per condition and question: columns with the events, the completions that were "
            "scored and, optionally, all completions, e.g. n_misaligned,n_scored,n_total.",
            "EVENTS,SCORED[,TOTAL]",
        ),
    ] = None
    duplicates: Annotated[
        Literal["keep", "drop"] | None, _option("Exact duplicates: keep (and report), or drop. Default: keep.")
    ] = None
    delimiter: Annotated[str | None, _option("Delimiter of CSV files. Default: a comma.", "CHAR")] = None
    encoding: Annotated[str | None, _option("Encoding of text files. Default: utf-8.", "NAME")] = None
    decimal: Annotated[str | None, _option("Decimal mark of numbers, . or a comma. Default: a point.", "CHAR")] = None

    rows: Annotated[str | None, _option("Key of the rows in JSON documents, e.g. results.", "KEY")] = None
    errors: Annotated[
        Literal["exclude", "keep"] | None,
        _option("Inspect samples that ended in an error and have scores. Default: exclude."),
    ] = None

    def read(self, logs: Sequence[str], *, quiet: bool = False) -> "CompletionLog | CollapsedLog":
        """Read logs of completions, or of counts with ``--counts``.

        Args:
            logs: files, folders, globs, data sets.
            quiet: do not show a progress bar.

        Raises:
            LogError: see :func:`~simulacra.data.read_completions` and :func:`~simulacra.data.read_counts`.
            InputError: an option that does not apply to counts; see also :meth:`arguments`.
        """
        return self.read_completions(logs, quiet=quiet) if self.counts is None else self._read_counts(logs)

    def read_completions(self, logs: Sequence[str], *, quiet: bool = False) -> "CompletionLog":
        """Read logs of completions; arguments and errors as for :meth:`read`.

        Raises:
            InputError: ``--counts``: there are no completions.
        """
        from simulacra.data import read_completions

        if self.counts is not None:
            raise _refused("This needs completions, but the files contain counts: leave out --counts")
        return read_completions(list(logs), **self.arguments(), progress_bar=False if quiet else None)

    def _read_counts(self, logs: Sequence[str]) -> "CollapsedLog":
        from simulacra.data import read_counts

        columns = parse_names(self.counts or "")
        if not 2 <= len(columns) <= 3:
            raise _refused(
                f"--counts {self.counts!r}: expected the columns EVENTS,SCORED or EVENTS,SCORED,TOTAL, such as "
                "n_misaligned,n_scored"
            )
        arguments, known = dataclasses.replace(self, counts=None).arguments(), inspect.signature(read_counts).parameters
        unsupported = sorted(arguments.keys() - known)
        if unsupported:
            raise _refused(f"--counts: leave out {', '.join(unsupported)}, which do not apply to counts.")
        arguments.update(zip(("events", "scored", "total"), columns, strict=False))
        return read_counts(list(logs), **arguments)

    def scan(self, logs: Sequence[str]) -> "ScannedLog":
        """Inspect the layout of logs that are counted without being loaded.

        Raises:
            LogError: see :func:`~simulacra.data.scan_completions`.
            InputError: an option that a scan does not support; see also :meth:`arguments`.
        """
        from simulacra.data import scan_completions

        if self.counts is not None:
            raise _refused("--scan and --counts: counts need no scan; leave out one of them.")
        arguments, known = self.arguments(), inspect.signature(scan_completions).parameters
        refused = [name for name in arguments.keys() - known if arguments[name] != _SCANS.get(name)]
        if refused:
            raise _refused(
                f"--scan requires one row per completion and does not detect duplicates: leave out "
                f"{', '.join(f'--{name}' for name in sorted(refused))}, or --scan."
            )
        return scan_completions(list(logs), **{name: arguments[name] for name in arguments.keys() & known.keys()})

    def arguments(self) -> dict[str, Any]:
        """The options as arguments of ``read_completions``.

        Raises:
            InputError: the value of an option is invalid.
        """
        return {
            argument: parse(words)
            for name, words in self.to_dict().items()
            for argument, parse in [_ARGUMENTS.get(name, (name, str))]
        }

    def to_dict(self) -> dict[str, str | list[str]]:
        """The options that were given, in plain JSON types."""
        return {name: words for name, words in vars(self).items() if words is not None and words != []}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Reading":
        """Recreate the options from :meth:`to_dict`.

        Raises:
            InputError: an unknown option.
        """
        unknown = sorted(record.keys() - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise _refused(f"The reading option {unknown[0]!r} does not exist in this version of simulacra.")
        return cls(**record)

    def __str__(self) -> str:
        pairs = [
            (f"--{name.replace('_', '-')}", word)
            for name, words in self.to_dict().items()
            for word in ([words] if isinstance(words, str) else words)
        ]
        return shlex.join([text for pair in pairs for text in pair])


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the argument ``reading`` of a command by the options of :class:`Reading`."""
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
    def with_options(**words: Any) -> None:
        reading = Reading(**{option.name: words.pop(option.name) for option in options})
        command(**words, reading=reading)

    # Typer takes options from the signature and their types from the annotations.
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(with_options)["__signature__"] = signature.replace(parameters=parameters)
    return with_options


def _refused(what: str) -> "InputError":
    """The error of an invalid option; its class imports JAX, which help and shell completion should not wait for."""
    from simulacra.formalism import InputError

    return InputError(what)


def parse_names(text: str) -> tuple[str, ...]:
    """``"_json,_template"`` as names; none for an empty text."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_condition(text: str) -> str | tuple[str, ...]:
    """``"model,arm"`` as several columns; a pattern or one column as it is."""
    return text if "{" in text or "," not in text else parse_names(text)


def parse_columns(pairs: Sequence[str]) -> dict[str, str | None]:
    """``["completion=answer", "notes="]`` as the ``columns=`` of ``read_completions``.

    Raises:
        InputError: a pair without "=".
    """
    unreadable = [pair for pair in pairs if not re.match(r"[^=]+=", pair)]
    if unreadable:
        raise _refused(
            f"--column {unreadable[0]!r}: expected NAME=OWN, such as completion=answer, or NAME= to exclude a column."
        )
    return {name: own or None for name, _, own in (pair.partition("=") for pair in pairs)}


def parse_missing(text: str) -> tuple[float | str, ...]:
    """``"-1,REFUSAL"`` as values that mean *missing*: numbers as numbers, others as text."""
    return tuple(float(part) if re.fullmatch(r"-?\d+(\.\d+)?", part) else part for part in parse_names(text))


def suggested_columns(name: str, own: Sequence[str]) -> str:
    """The options that read one of some columns under a name, as they are typed in a shell."""
    options = [shlex.join(("--column", f"{name}={column}")) for column in own[:3]]
    return " or ".join(options) + ", or another" * (len(own) > len(options))


def parse_judgments(files: Sequence[str]) -> list[str] | dict[str, str]:
    """``["gpt4o=a.jsonl", "claude=b.jsonl"]`` as a mapping by judge; files without judges as a list.

    Raises:
        InputError: only some of the files name a judge, or two name the same one.
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
    "condition": ("condition", parse_condition),
    "context": ("contexts", list),
    "formats": ("formats", parse_names),
    "judgments": ("judgments", parse_judgments),
    "measure": ("measurements", list),
    "missing": ("missing", parse_missing),
    "on": ("on", parse_names),
}
"""Options that need a conversion: the argument of ``read_completions``, and the function that parses its value."""
