"""One row per completion and judge, converted to one row per completion with a column per judge.

Counted as completions, such rows would make every interval too narrow: four judges of one completion are four opinions
about one sample.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from simulacra.data.errors import LogError
from simulacra.data.numerals import grouped
from simulacra.data.reading.columns import ALIASES, ITEMS, KNOWN_CONTEXTS, SCORES, folded, suffixed
from simulacra.data.reading.formats.sheet import Sheet, refuse_wide
from simulacra.data.reading.layouts.several_rows import VARIES, by_label, completions, is_constant
from simulacra.data.reading.values import as_text, read_numbers

__all__ = ["has_judges", "is_judge", "judge_column", "pivot_judges", "refuse_judges"]

_WHO = ("judge", "grader", "rater", "annotator", "evaluator", "scorer", "labeler", "labeller")
_MOST_WORDS = 7
_JUDGES = frozenset(
    [*_WHO, *(f"{who}_{part}" for who in _WHO for part in ("model", "name", "id", "run", "seed", "draw"))]
)
_UNIQUE_ITEMS = ("item_id", "completion_id", "uuid")
_IDENTITY = frozenset(alias for name in ALIASES if name not in SCORES for tier in ALIASES[name] for alias in tier)
_MOSTLY = 0.5  # proportion of rows that repeat a completion; fewer are short answers that repeat by chance


def is_judge(name: str) -> bool:
    """Whether a column of this name names judges."""
    return folded(name) in _JUDGES


def judge_column(sheet: Sheet, columns: Mapping[str, str | None]) -> str | None:
    """The column that names the judge of every row; None if there is none, or if the caller excludes it."""
    found = [name for name in sheet.columns if is_judge(name) and columns.get(name, name) is not None]
    return found[0] if found else None


def has_judges(sheet: Sheet, columns: Mapping[str, str | None]) -> bool:
    """Whether most rows are one of several judgments of a completion."""
    return _keys(sheet, columns) is not None


def refuse_judges(sheet: Sheet, columns: Mapping[str, str | None]) -> None:
    """Raise if a sheet that cannot be converted names several judges.

    Raises:
        LogError: how such a file is read.
    """
    judge = judge_column(sheet, columns)
    names = [] if judge is None else sorted(set(as_text(sheet.columns[judge])) - {None})
    if len(names) > 1:
        raise LogError(
            f"the rows are of {len(names)} judges ({', '.join(map(repr, names[:4]))}), and a scan cannot join them",
            file=sheet.file,
            column=judge,
            expected="one row per completion",
            remedy='read it with read_completions, or pass layout="rows" if every completion has one judge',
            argument="layout",
        )


def pivot_judges(sheet: Sheet, columns: Mapping[str, str | None]) -> Sheet:
    """One row per completion, with the scores of every judge in columns of their own, ``aligned_<judge>``.

    Raises:
        LogError: several judgments of one completion by one judge.
    """
    keys, judge = _keys(sheet, columns) or [], judge_column(sheet, columns)
    group = completions(sheet, keys)
    who = np.full(len(group), "", dtype=object) if judge is None else as_text(sheet.columns[judge])
    again = np.flatnonzero(pd.DataFrame({"group": group, "who": who}).duplicated().to_numpy())
    if again.size:
        raise LogError(
            f"{again.size} row(s) are further judgments of a completion by the same judge, of which this is the first",
            file=sheet.file,
            line=int(sheet.record[again[0]]),
            column=judge,
            expected=f"one row per completion and judge; completions are identified by {', '.join(map(repr, keys))}",
            remedy="average the judgments of a completion first, DataFrame.groupby(...).mean(); number the completions "
            'in a column such as item_id if they are different; or pass layout="rows" if every row is a completion',
            argument="layout",
        )
    _, first = np.unique(group, return_index=True)
    rest = [name for name in sheet.columns if name not in keys and name != judge]
    same = [name for name in rest if is_constant(sheet.columns[name], group)]
    scores = [name for name in rest if name not in same and read_numbers(sheet.columns[name]).share > 0]
    words = [name for name in rest if name not in (*same, *scores) and _are_verdicts(sheet.columns[name])]
    refuse_wide(len(keys) + len(same) + len([*scores, *words]) * len(set(who)), sheet.file)

    def by_judge(name: str) -> dict[str, np.ndarray]:
        columns_of = by_label(sheet.columns[name], who, group)
        return {suffixed(name, str(judge_name)): values for judge_name, values in columns_of.items()}

    scored = {column: values for name in scores for column, values in by_judge(name).items()}
    wide = scored | {column: values for name in words for column, values in by_judge(name).items()}
    kept = {name: sheet.columns[name][first] for name in (*keys, *same)}
    lost = [name for name in rest if name not in (*same, *scores, *words)]
    judges = list(dict.fromkeys(who))
    example = next((name for name in wide if folded(name).startswith("align")), next(iter(wide), ""))
    return dataclasses.replace(
        sheet,
        columns={**kept, **wide},
        record=sheet.record[first],
        layout="judges",
        why=f"the column {judge!r} names {len(judges)} judges of the same completions, which are identified by "
        f"{', '.join(map(repr, keys))}",
        scores=tuple(scored),
        set_aside={**sheet.set_aside, **dict.fromkeys(lost, VARIES)},
        notes=(
            *sheet.notes,
            f"{sheet.file}: {grouped(len(group))} judgments of {grouped(len(first))} completions by {len(judges)} "
            f'judges; to model the scores of one of them as aligned, pass columns={{"aligned": "{example}"}}',
        ),
    )


def _are_verdicts(values: np.ndarray) -> bool:
    """Whether these are words of which there are few: a judge's verdicts, and not its reasons."""
    texts = pd.Series(as_text(values)).dropna()
    return texts.nunique() <= min(_MOST_WORDS, len(texts) / 2)


def _keys(sheet: Sheet, columns: Mapping[str, str | None]) -> list[str] | None:
    """The columns that identify a completion if most rows repeat one; None otherwise."""
    judge = judge_column(sheet, columns)
    if sheet.layout != "rows" or not len(sheet.record):
        return None
    text = {name: pd.Series(as_text(values)) for name, values in sheet.columns.items() if _may_identify(name, columns)}
    text.pop(judge or "", None)
    numbers = (*ITEMS, *KNOWN_CONTEXTS)
    distinct = [n for n, values in text.items() if folded(n) not in numbers or values.nunique() < len(sheet.record)]
    several = judge is not None and len(set(as_text(sheet.columns[judge])) - {None}) > 1
    numbered = any(folded(name) in _UNIQUE_ITEMS for name in distinct)
    # With one judge and no repeated number of a completion, equal texts may be different completions.
    candidates = [list(text)] if judge is not None or numbered else []
    candidates += [distinct] if several or numbered else []
    repeating = (keys for keys in candidates if keys and _share_of_repeats(completions(sheet, keys)) >= _MOSTLY)
    return next(repeating, None)


def _may_identify(name: str, columns: Mapping[str, str | None]) -> bool:
    """Whether a column says which completion a row is of: its question, condition, text, number or context."""
    if any(columns.get(score) == name for score in SCORES):
        return False
    return folded(name) in (*_IDENTITY, *KNOWN_CONTEXTS, *ITEMS) or name in columns.values()


def _share_of_repeats(group: np.ndarray) -> float:
    return float((np.bincount(group)[group] > 1).mean())
