"""The column map of one file: which of its columns is which, and what its name adds."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from simulacra.data.errors import LogError, is_in_memory
from simulacra.data.reading.columns import ALIASES, Header, match_columns
from simulacra.data.reading.filenames import is_pattern, read_name, suggest_pattern

__all__ = ["ColumnMap", "map_all_columns", "map_columns"]


@dataclasses.dataclass(frozen=True)
class ColumnMap:
    """How to read one file.

    Attributes:
        file: the file, as given.
        columns: canonical name to the file's own name: ``{"completion": "answer"}``.
        fields: what the file's name says: ``{"condition": "base", "model": "Qwen2.5-32B"}``.
        dropped: columns that the caller leaves out.
        others: the file's remaining columns with one value a row.
    """

    file: str
    columns: Mapping[str, str]
    fields: Mapping[str, object]
    dropped: tuple[str, ...]
    others: tuple[str, ...]

    def own_name(self, column: str) -> str:
        """What the file calls a column of the log."""
        return self.columns.get(column, column)


def map_all_columns(
    headers: Sequence[Header],
    *,
    condition: str | None,
    columns: Mapping[str, str | None] | None,
    base_question: str | None,
    need_completion: bool = True,
    claimed: Collection[str] = (),
) -> list[ColumnMap]:
    """The column map of every file; all must have the same identifying columns and the same recognised scores.

    Raises:
        LogError: see :func:`map_columns`; also a base question or a recognised score that only some files have, or a
            name in ``columns`` that is in no file.
    """
    given = dict(columns or {})
    unknown = [name for name in given if given[name] is None and not _is_somewhere(name, headers)]
    if unknown:
        raise LogError(
            f"columns= leaves out {unknown}, which no file has",
            expected=f"names among {', '.join(headers[0].columns)}",
            remedy="correct the name in columns=",
            argument="columns",
        )
    if condition is not None and not is_pattern(condition):
        given["condition"] = condition
    if base_question is not None:
        given["base_question"] = base_question
    maps = [
        map_columns(
            header,
            condition=condition,
            given=given,
            every=headers,
            need_completion=need_completion,
            claimed=claimed,
        )
        for header in headers
    ]
    for name in ("base_question", "aligned", "coherent"):
        _refuse_partial(name, maps, headers)
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
                remedy=f'pass columns={{"{name}": None}} to leave the column out, or rename the field in condition=',
                argument=("columns", "condition"),
            )
    found = match_columns(header, given, taken=tuple(fields), claimed=claimed)
    if "base_question" in header.columns and "base_question" not in given:
        found["base_question"] = "base_question"
    if "condition" not in fields and "condition" not in found:
        raise _no_condition(header, every, condition)
    for name in ("question_id", "completion"):
        optional = name == "completion" and ("completion" in given or not need_completion)
        if name not in found and not optional:
            raise _no_column(header, name)
    dropped = tuple(name for name in header.columns if name in given and given[name] is None)
    # A column that bears a canonical name while another was chosen for it would collide with the one chosen.
    dropped += tuple(name for name in header.columns if name in found and found[name] != name)
    others = tuple(name for name in header.columns if name not in dropped and name not in found.values())
    return ColumnMap(header.file, found, fields, dropped, others)


def _is_somewhere(name: str, headers: Sequence[Header]) -> bool:
    return name in ALIASES or any(name in (*header.columns, *header.nested) for header in headers)


def _no_condition(header: Header, every: Sequence[Header], condition: str | None) -> LogError:
    seen = f"columns are {', '.join(header.columns)}"
    if condition is not None:
        return LogError(
            f"the pattern {condition!r} has no field {{condition}} and the file no such column; its {seen}",
            file=header.file,
            expected="a condition for every row",
            remedy="name the varying part {condition}",
            argument="condition",
        )
    return LogError(
        f"nothing says which condition the rows belong to; the {seen}",
        file=header.file,
        expected="a column 'condition', or a condition in the file names",
        remedy='pass condition="<column>"' + _pattern_remedy([other.file for other in every]),
        argument="condition",
    )


def _pattern_remedy(files: Sequence[str]) -> str:
    """A pattern that fits every file, with what it would give; nothing where rows came from no file."""
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
            remedy="leave the file out of the source, or add the column (empty where there is no score)",
        )
