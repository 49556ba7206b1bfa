"""Options that say how logs are read, shared by the commands that read them."""

from typing import Annotated, Literal

import typer

__all__ = [
    "BaseQuestion",
    "Column",
    "Condition",
    "Delimiter",
    "Duplicates",
    "Encoding",
    "Formats",
    "Judgments",
    "Layout",
    "Logs",
    "Measure",
    "Missing",
    "On",
]

_LOG = "Reading the logs"

Logs = Annotated[
    list[str],
    typer.Argument(
        help="CSV, JSONL, JSON, Parquet or Inspect files, folders, quoted globs, or hf://datasets/owner/name.",
        metavar="LOGS...",
    ),
]
Condition = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help="Where the condition is: a pattern of the file names, '{model}-{condition}', or a column. "
        "Default: the column 'condition'.",
        rich_help_panel=_LOG,
    ),
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=OWN",
        help="The file's own name of a column, completion=answer; notes= leaves one out. Repeatable.",
        rich_help_panel=_LOG,
    ),
]
Measure = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A column that is a measurement, repeatable.", rich_help_panel=_LOG),
]
Layout = Annotated[
    Literal["rows", "lists", "long", "questions", "inspect"] | None,
    typer.Option(help="The layout of the files. Default: recognised, and told.", rich_help_panel=_LOG),
]
Judgments = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[JUDGE=]FILE",
        help="Judgments in a file of their own; gpt4o=a.jsonl names the judge. Repeatable.",
        rich_help_panel=_LOG,
    ),
]
On = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMNS",
        help="What identifies a completion in both, qid,rollout; or position. Default: seen from the columns.",
        rich_help_panel=_LOG,
    ),
]
Formats = Annotated[
    str | None,
    typer.Option(
        metavar="SUFFIXES",
        help="Endings of question ids that mark a prompt format: _json,_template.",
        rich_help_panel=_LOG,
    ),
]
BaseQuestion = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column with the base question.", rich_help_panel=_LOG)
]
Missing = Annotated[
    str, typer.Option(metavar="VALUES", help="Values of measurements that mean 'no score'.", rich_help_panel=_LOG)
]
Duplicates = Annotated[
    Literal["keep", "drop"], typer.Option(help="Exact repeats: counted, or left out as well.", rich_help_panel=_LOG)
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="CHAR", help="Of CSV files. Default: a comma.", rich_help_panel=_LOG)
]
Encoding = Annotated[str, typer.Option(help="Of text files.", rich_help_panel=_LOG)]
