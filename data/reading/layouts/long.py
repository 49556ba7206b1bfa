"""Long-form judgments: one row per completion, judge and metric, converted to one column per score."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.errors import LogError, place
from simulacra.data.numerals import grouped
from simulacra.data.reading.columns import ITEMS, folded, suffixed
from simulacra.data.reading.formats.sheet import Sheet, refuse_wide
from simulacra.data.reading.layouts.several_rows import VARIES, by_label, completions, is_constant
from simulacra.data.reading.values import as_text

__all__ = ["judges_of", "long_columns", "pivot"]

_METRIC = ("metric", "metric_name", "criterion")
_SCORE = ("score", "value", "rating", "verdict")
_JUDGE = ("judge", "judge_model", "judge_name", "grader", "scorer")


@dataclasses.dataclass(frozen=True)
class LongColumns:
    """The roles of the columns of a long table; ``judge`` may be missing."""

    metric: str
    score: str
    judge: str | None


def long_columns(sheet: Sheet) -> LongColumns | None:
    """The columns of a long table; None for any other."""
    metric, score, judge = (_named(sheet, names) for names in (_METRIC, _SCORE, _JUDGE))
    return LongColumns(metric, score, judge) if metric is not None and score is not None else None


def judges_of(sheet: Sheet) -> set[str]:
    """The judges of a long table; empty if it does not name them."""
    found = long_columns(sheet)
    return set() if found is None or found.judge is None else set(as_text(sheet.columns[found.judge])) - {None}


def pivot(sheet: Sheet, *, on: Sequence[str] | None, several: bool) -> Sheet:
    """One row per completion, one column per score: the metric's name, or ``<metric>_<judge>`` for several judges.

    Args:
        sheet: a long table.
        on: the columns that identify a completion. Default: ``item_id`` or a similar column, otherwise all other
            columns together.
        several: whether more than one judge scored.

    Raises:
        LogError: a row without metric, or two scores of one completion by one judge on one metric.
        ValueError: the sheet is not a long table.
    """
    found = long_columns(sheet)
    if found is None:
        raise ValueError("pivot: expected a long table")
    others = [name for name in sheet.columns if name not in vars(found).values()]
    item = _named(sheet, ITEMS)
    keys = _checked(sheet, on, others) if on else [item] if item is not None else others
    group = completions(sheet, keys)
    _, first = np.unique(group, return_index=True)
    score = _column_names(sheet, found, several=several)
    refuse_wide(len(others) + len(set(score)), sheet.file)
    _refuse_twice(sheet, group, score, keys)
    columns = by_label(sheet.columns[found.score], score, group)
    same = {name: is_constant(sheet.columns[name], group) for name in others}
    kept = {name: sheet.columns[name][first] for name in others if same[name] and name not in columns}
    varying = {name: VARIES for name in others if name not in kept}
    return dataclasses.replace(
        sheet,
        columns={**kept, **columns},
        record=sheet.record[first],
        layout="long",
        why=f"the columns {found.metric!r} and {found.score!r} give one judgment per row; "
        f"completions are identified by {', '.join(map(repr, keys))}",
        scores=tuple(columns),
        set_aside={**sheet.set_aside, **varying},
        notes=(*sheet.notes, f"{sheet.file}: {_counted(score, len(first))}"),
    )


def _named(sheet: Sheet, names: Sequence[str]) -> str | None:
    by_name = {folded(name): name for name in reversed(list(sheet.columns))}
    return next((by_name[name] for name in names if name in by_name), None)


def _checked(sheet: Sheet, on: Sequence[str], known: Sequence[str]) -> list[str]:
    unknown = [name for name in on if name not in known]
    if unknown:
        raise LogError(
            f"on= names {unknown}, which the file does not have",
            file=sheet.file,
            expected=f"columns among {', '.join(known)}",
            remedy="correct the name in on=",
            argument="on",
        )
    return list(on)


def _column_names(sheet: Sheet, found: LongColumns, *, several: bool) -> np.ndarray:
    """The column of every judgment's score, objects of shape ``(N,)``."""
    metric = as_text(sheet.columns[found.metric])
    judge = None if found.judge is None or not several else as_text(sheet.columns[found.judge])
    for name, values in ((found.metric, metric), (found.judge, judge)):
        empty = [] if values is None else [row for row, value in enumerate(values) if value is None]
        if empty:
            raise LogError(
                f"the {name} is empty ({len(empty)} row(s))",
                file=sheet.file,
                line=int(sheet.record[empty[0]]),
                column=name,
                expected="a metric and a judge in every row",
                remedy="fill it in, or remove the rows",
            )
    if judge is None:
        return metric
    return np.array([suffixed(what, who) for what, who in zip(metric, judge, strict=True)], dtype=object)


def _refuse_twice(sheet: Sheet, group: np.ndarray, score: np.ndarray, keys: Sequence[str]) -> None:
    pairs = pd.DataFrame({"group": group, "score": score})
    again = np.flatnonzero(pairs.duplicated().to_numpy())
    if again.size:
        row = int(again[0])
        before = int(np.flatnonzero((group == group[row]) & (score == score[row]))[0])
        raise LogError(
            f"a second score {score[row]!r} of the same completion; the first is at "
            f"{place(sheet.file, int(sheet.record[before]))} ({again.size} such row(s))",
            file=sheet.file,
            line=int(sheet.record[row]),
            expected=f"one score per completion, judge and metric; completions are identified by {list(keys)}",
            remedy='name the columns that identify a completion, on=["condition", "item_id"], or remove the repeats',
            argument="on",
        )


def _counted(score: np.ndarray, completions: int) -> str:
    """The numbers of judgments and completions, and the scores that have no row and are missing."""
    lacking = {name: completions - int((score == name).sum()) for name in dict.fromkeys(score)}
    absent = ", ".join(f"{name} of {grouped(count)}" for name, count in lacking.items() if count)
    counted = f"{grouped(len(score))} judgments of {grouped(completions)} completions"
    return counted + f"; missing because there is no row: {absent}" * bool(absent)
