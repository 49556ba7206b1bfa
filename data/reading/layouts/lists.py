"""Lists of completions, one list a row: ``{"question_id": …, "generations": ["…", "…"]}``, unfolded to one a row."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from simulacra.data.account import LeftOut
from simulacra.data.errors import LogError, place, shown
from simulacra.data.reading.columns import ALIASES, folded
from simulacra.data.reading.formats.records import sheet_of_records
from simulacra.data.reading.formats.sheet import Sheet

__all__ = ["list_candidates", "unfold"]

_NAMES = frozenset(name for tier in ALIASES["completion"] for name in tier)
_EMPTY = "the list of completions is empty"


def list_candidates(sheet: Sheet, columns: Mapping[str, str | None]) -> list[str]:
    """The columns of lists that may hold completions: texts under a usual name, or objects with a text in them."""
    chosen = columns.get("completion")
    if chosen is not None and chosen in sheet.lists:
        return [chosen]
    if "completion" in columns and chosen in sheet.columns:
        return []
    return [name for name, values in sheet.lists.items() if _holds_completions(name, values)]


def _holds_completions(name: str, values: np.ndarray) -> bool:
    item = next((item for items in values if items for item in items), None)
    if isinstance(item, dict):
        return any(folded(str(key)) in _NAMES for key in item)
    return isinstance(item, str) and folded(name) in _NAMES


def unfold(sheet: Sheet, column: str, *, layout: str) -> Sheet:
    """One row for every item of a column of lists; other lists that are as long in every row unfold with it.

    A column ``sample`` counts the items of a row from 0. Rows whose list is empty are left out and counted.

    Raises:
        LogError: items that are neither all texts nor all objects.
    """
    lists = sheet.lists[column]
    sizes = np.array([len(items) if items else 0 for items in lists])
    row = np.repeat(np.arange(len(sizes)), sizes)
    beside = [
        name for name, values in sheet.lists.items() if [len(items) if items else 0 for items in values] == list(sizes)
    ]
    columns = {name: values[row] for name, values in sheet.columns.items()}
    if "sample" not in columns:
        columns["sample"] = np.concatenate([np.arange(size) for size in sizes]).astype(np.int64)
    left: dict[str, np.ndarray] = {name: values[row] for name, values in sheet.lists.items() if name not in beside}
    for name in beside:
        own, nested = _items(sheet, name, row)
        columns |= {f"{name}.{key}" if key in columns else key: values for key, values in own.items()}
        left |= nested
    empty = [place(sheet.file, int(sheet.record[index])) for index in np.flatnonzero(sizes == 0)]
    left_out = {_EMPTY: LeftOut(len(empty), tuple(empty[:3]))} if empty else {}
    return dataclasses.replace(
        sheet,
        columns=columns,
        record=sheet.record[row],
        lists=left,
        layout=layout,
        why=f"{sheet.why}; " * (layout == "questions") + f"the column {column!r} holds lists of completions",
        left_out={**sheet.left_out, **left_out},
    )


def _items(sheet: Sheet, name: str, row: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The items of a column of lists as columns, and those columns of them that hold lists again."""
    items = [item for items in sheet.lists[name] if items for item in items]
    objects = [isinstance(item, dict) for item in items]
    if not any(objects):
        table = sheet_of_records([{name: item} for item in items], range(1, len(items) + 1), sheet.file)
    elif all(objects):
        table = sheet_of_records(items, range(1, len(items) + 1), sheet.file)
    else:
        odd = objects.index(not objects[0])
        raise LogError(
            f"a list holds objects and other values mixed, here {shown(items[odd])}",
            file=sheet.file,
            line=int(sheet.record[row[odd]]),
            column=name,
            expected="texts only, or objects only",
            remedy="correct the row, or remove it",
        )
    return dict(table.columns), dict(table.lists)
