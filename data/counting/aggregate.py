"""Aggregation of scanned logs: the distinct rows of every file, read like a log in memory, with their counts."""

import dataclasses
from collections.abc import Sequence

import pandas as pd

from simulacra.data.counting.grouping import grouped_sheet
from simulacra.data.counting.portion import Portion
from simulacra.data.counting.scan import ScannedFile, ScannedLog
from simulacra.data.reading.choices import JOINED
from simulacra.data.reading.column_map import ColumnMap
from simulacra.data.reading.columns import SCORES
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.interpret import Interpreted, interpret, refuse_judged_sheets
from simulacra.data.reading.layouts.judges import is_judge, refuse_judges
from simulacra.data.reading.names import combine
from simulacra.data.reading.questions import QUESTION, TASK

__all__ = ["aggregate", "distinct_rows"]


def aggregate(log: ScannedLog, names: Sequence[str]) -> Interpreted:
    """Read the distinct rows of a scanned log.

    Args:
        log: the log.
        names: the columns that are needed besides those that identify and score completions.

    Returns:
        The log without texts, one row per distinct row of a file, with the number of completions of each.

    Raises:
        LogError: as ``read_completions``.
    """
    portion = None if log.how.layout == "rows" else Portion(_judged_columns(log))
    read = [_read(log, file, names, portion) for file in log.files]
    found = interpret(
        [sheet for sheet, _ in read],
        [column_map for _, column_map in read],
        log.choices,
        duplicates="ignore",
    )
    if portion is not None:
        _refuse_judged(log, portion)
    looked = "copied files" if portion is None else "copied files and repeated judgments"
    notes = (*found.account.notes, *log.notes, f"scanned: checked for {looked}, not for repeated rows")
    return dataclasses.replace(found, account=dataclasses.replace(found.account, renamed=log.renamed, notes=notes))


def distinct_rows(log: ScannedLog, columns: Sequence[str]) -> pd.DataFrame:
    """The distinct rows of some columns, with the values that a reading of the log has.

    Args:
        log: a scanned log.
        columns: the condition, the question, or contexts.

    Raises:
        LogError: as ``read_completions``.
    """
    return aggregate(log, columns).table[list(columns)].drop_duplicates(ignore_index=True)


def _judged_columns(log: ScannedLog) -> dict[str, tuple[str, ...]]:
    """The columns of every file that has completions, these first, without columns that are formed."""
    formed = JOINED.join(log.choices.combined)
    found: dict[str, tuple[str, ...]] = {}
    for file in log.files:
        own = file.column_map
        if "completion" in own.columns:
            names = (own.columns["completion"], *own.columns.values(), *own.others, *log.choices.combined)
            found[str(file.path)] = tuple(dict.fromkeys(name for name in names if not formed or name != formed))
    return found


def _refuse_judged(log: ScannedLog, portion: Portion) -> None:
    """Refuse repeated judgments, as a reading of the log does."""
    maps = {str(file.path): file.column_map for file in log.files}
    sheets = portion.sheets()
    if log.choices.combined:
        sheets = [combine(sheet, log.choices.combined) for sheet in sheets]
    if sheets:
        refuse_judged_sheets(sheets, [maps[file] for file in portion.files], log.choices)


def _read(log: ScannedLog, file: ScannedFile, names: Sequence[str], portion: Portion | None) -> tuple[Sheet, ColumnMap]:
    """The distinct rows of a file, and the roles of their columns."""
    own = file.column_map
    judges = {name for name in own.others if is_judge(name)} if log.how.layout is None else set()
    needed = {*names, *SCORES, *log.choices.claimed, *own.columns, *judges, QUESTION, TASK} - {"completion"}
    columns = {name: column for name, column in own.columns.items() if name in needed}
    others = tuple(name for name in own.others if name in needed or name in log.choices.combined)
    combined = JOINED.join(log.choices.combined)
    wanted = dict.fromkeys([*columns.values(), *others, *log.choices.combined])
    sheet = grouped_sheet(file.path, [name for name in wanted if not combined or name != combined], log.how, portion)
    if combined:
        sheet = combine(sheet, log.choices.combined)
    if judges:
        refuse_judges(sheet, log.choices.columns)
    return sheet, dataclasses.replace(own, columns=columns, others=others)
