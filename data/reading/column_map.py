"""The column map of one file: the role of each of its columns, and the fields given by its name."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from simulacra.data.errors import LogError, is_in_memory
from simulacra.data.reading.choices import Choices
from simulacra.data.reading.columns import ALIASES, SCORES, Header, corrected, folded, match_columns
from simulacra.data.reading.filenames import is_pattern, read_name, suggest_pattern

__all__ = ["ColumnMap", "map_all_columns", "map_columns"]

_MODELS = ("model", "model_name", "model_id", "checkpoint")


@dataclasses.dataclass(frozen=True)
class ColumnMap:
    """How to read one file.

    Attributes:
        file: the file, as given.
        columns: canonical name to the file's own name: ``{"completion": "answer"}``.
        fields: values given by the file's name: ``{"condition": "base", "model": "Qwen2.5-32B"}``.
        dropped: columns that the caller excludes.
        others: the file's remaining columns with one value per row.
    """

    file: str
    columns: Mapping[str, str]
    fields: Mapping[str, object]
    dropped: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Canonical names of all columns, including those that the file's name gives."""
        return (*self.columns, *self.fields, *self.others)

    def own_name(self, column: str) -> str:
        """The file's name for a column of the log."""
        return self.columns.get(column, column)


def map_all_columns(headers: Sequence[Header], choices: Choices, *, need_completion: bool = True) -> list[ColumnMap]:
    """The column map of every file; all must have the same identifying columns and the same recognised scores.

    Raises:
        LogError: see :func:`map_columns`; also a base question or a recognised score that only some files have, a name
            in ``columns`` that is in no file, or a requested measurement or context that is not in every file.
    """
    given = dict(choices.columns)
    unknown = [name for name in given if given[name] is None and not _is_somewhere(name, headers)]
    if unknown:
        raise LogError(
            f"columns= excludes {unknown}, which no file has",
            expected=f"names among {', '.join(headers[0].columns)}",
            remedy="correct the name in columns=",
            argument="columns",
        )
    if choices.condition is not None and not is_pattern(choices.condition):
        given["condition"] = choices.condition
    if choices.base_question is not None:
        given["base_question"] = choices.base_question
    maps = [
        map_columns(
            header,
            condition=choices.condition,
            given=given,
            every=headers,
            need_completion=need_completion,
            claimed=choices.claimed,
        )
        for header in headers
    ]
    for name in ("base_question", "aligned", "coherent"):
        _refuse_partial(name, maps, headers)
    for argument, names in (("measurements", choices.measurements), ("contexts", choices.contexts)):
        for name in names or ():
            _refuse_absent(name, argument, maps, headers)
    return maps


def map_columns(
    header: Header,
    *,
    condition: str | None,
    given: Mapping[str, str | None],
    every: Sequence[Header],
    need_completion: bool,
    claimed: Collection[str],
) -> ColumnMap:
    """The column map of one file.

    Raises:
        LogError: a name that does not match the pattern, a field of the pattern that is also a column, ambiguous
            columns, or no condition, question or completion.
    """
    fields: Mapping[str, object] = {}
    if condition is not None and is_pattern(condition):
        if is_in_memory(header.file):
            raise LogError(
                "a table in memory has no file name to match a pattern",
                expected="condition='<column>'",
                argument="condition",
            )
        fields = read_name(condition, Path(header.file))
    for name in fields:
        if name in header.columns and name not in given:
            raise LogError(
                f"both the file's name and a column give {name!r}",
                file=header.file,
                column=name,
                expected="one of them",
                remedy=f'pass columns={{"{name}": None}} to exclude the column, or rename the field in condition=',
                argument=("columns", "condition"),
            )
    found = match_columns(header, given, taken=tuple(fields), claimed=claimed)
    if "base_question" in header.columns and "base_question" not in given:
        found["base_question"] = "base_question"
    if "condition" not in fields and "condition" not in found:
        raise _no_condition(header, every, condition)
    for name in ("question_id", "completion"):
        optional = name == "completion" and ("completion" in given or not need_completion)
        if name not in found and name not in fields and not optional:
            raise _no_column(header, name)
    dropped = tuple(name for name in header.columns if name in given and given[name] is None)
    # A column that has a canonical name for which another column was chosen would collide with the chosen one.
    dropped += tuple(name for name in header.columns if name in found and found[name] != name)
    others = tuple(name for name in header.columns if name not in dropped and name not in found.values())
    return ColumnMap(header.file, found, fields, dropped, others)


def _is_somewhere(name: str, headers: Sequence[Header]) -> bool:
    return name in ALIASES or any(name in (*header.columns, *header.nested) for header in headers)


def _no_condition(header: Header, every: Sequence[Header], condition: str | None) -> LogError:
    seen = f"columns are {', '.join(header.columns)}"
    if condition is not None:
        return LogError(
            f"the pattern {condition!r} has no field {{condition}} and the file has no such column; its {seen}",
            file=header.file,
            expected="a condition for every row",
            remedy="name the varying part {condition}",
            argument="condition",
        )
    return LogError(
        f"nothing says which condition the rows belong to; the {seen}",
        file=header.file,
        expected="a column 'condition', or a condition in the file names",
        remedy=f'pass condition="{_likely_condition(header)}"' + _pattern_remedy([other.file for other in every]),
        argument="condition",
    )


def _likely_condition(header: Header) -> str:
    """The column that usually names the model of a row, if there is one."""
    return next((name for name in header.columns if folded(name) in _MODELS), "<column>")


def _pattern_remedy(files: Sequence[str]) -> str:
    """A pattern that fits every file, with the conditions it would give; empty if rows did not come from files."""
    if any(map(is_in_memory, files)):
        return ""
    paths = [Path(file) for file in files]
    pattern = suggest_pattern(paths)
    names = list(dict.fromkeys(str(read_name(pattern, path)["condition"]) for path in paths))
    shown = ", ".join(map(repr, names[:4])) + (", …" if len(names) > 4 else "")
    return f", or a pattern of the file names: condition={pattern!r} gives {shown}"


def _no_column(header: Header, name: str) -> LogError:
    lists = f"; lists are in {', '.join(header.nested)}, see DataFrame.explode" if header.nested else ""
    accepted = ", ".join(alias for tier in ALIASES[name] for alias in tier)
    remedy = f'pass columns={{"{name}": "<its name>"}}'
    if name == "completion":
        remedy += ', or columns={"completion": None} for a log without texts'
    return LogError(
        f"no column for {name!r}; the columns are {', '.join(header.columns)}{lists}",
        file=header.file,
        expected=f"one of {accepted}",
        remedy=remedy,
        argument="columns",
    )


def _refuse_partial(name: str, maps: Sequence[ColumnMap], headers: Sequence[Header]) -> None:
    having = [column_map.file for column_map in maps if name in column_map.columns]
    lacking = [header for column_map, header in zip(maps, headers, strict=True) if name not in column_map.columns]
    if having and lacking:
        raise LogError(
            f"no column for {name!r}, which {having[0]} has; the columns are {', '.join(lacking[0].columns)}",
            file=lacking[0].file,
            expected="the same scores in every file",
            remedy="exclude the file, or add the column (empty if there is no score)",
        )


def _refuse_absent(name: str, argument: str, maps: Sequence[ColumnMap], headers: Sequence[Header]) -> None:
    """Raise if a requested column is not in every file."""
    canonical = next((key for each in maps for key, own in each.columns.items() if own == name), name)
    lacking = [column_map for column_map in maps if canonical not in column_map.names]
    if not lacking:
        return
    if len(lacking) < len(maps):
        raise LogError(
            f"{argument}= names {name!r}, which this file does not have",
            file=lacking[0].file,
            column=name,
            expected="the column in every file",
            remedy="exclude the file, or add the column",
        )
    reasons = {
        **{own: reason for header in headers for own, reason in header.excluded.items()},
        **{own: "contains lists, not one value per row" for header in headers for own in header.nested},
        **{own: "excluded by columns=" for each in maps for own in each.dropped},
    }
    known = dict.fromkeys(own for each in maps for own in each.names if own not in ALIASES or own in SCORES)
    raise LogError(
        f"{argument}= names {name!r}, which "
        + (f"was excluded ({reasons[name]})" if name in reasons else "no file has"),
        column=name,
        expected=f"names among {', '.join(known) or 'none'}",
        remedy=corrected(name, known),
        argument=argument,
    )
