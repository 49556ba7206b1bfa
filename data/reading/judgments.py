"""Joining judgments in separate files to the completions, on keys, or on position with shared columns checked."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from simulacra.data.errors import LogError, place, shown
from simulacra.data.reading.columns import ALIASES, KNOWN_CONTEXTS, SCORES, folded, suffixed
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.pairing import pair_files
from simulacra.data.reading.values import as_text

__all__ = ["join_judgments"]

_IDENTITY = ("condition", "question_id", "completion")
_SCORES = frozenset(name for score in SCORES for tier in ALIASES[score] for name in tier)
POSITION = "position"


def join_judgments(
    sheets: Sequence[Sheet],
    verdicts: Sequence[Sheet],
    *,
    judge: str | None,
    on: Sequence[str] | None,
    columns: Mapping[str, str | None],
) -> list[Sheet]:
    """Add the columns of its judgment to every completion.

    Args:
        sheets: completions, one row each.
        verdicts: judgments, one row each: one file for all completions, or one per file of completions, paired by
            contents, else by file names, else by order.
        judge: appended to the names of the columns that are added, ``aligned_<judge>``; None appends nothing.
        on: the columns that identify a completion in both; ``["position"]`` joins the n-th judgment to the n-th
            completion. Default: the shared columns if they identify rows in both, otherwise the position if both
            have the same length and all shared columns agree.
        columns: canonical name to the file's own.

    Raises:
        LogError: numbers of files that do not match; keys that are missing or not unique; judgments that belong to no
            completion; lengths that differ; rows at one position that disagree; no shared columns.
    """
    if len(verdicts) not in (1, len(sheets)):
        raise LogError(
            f"{len(verdicts)} files of judgments for {len(sheets)} files of completions",
            file=verdicts[0].file,
            expected="one file of judgments for all, or one for every file of completions",
            remedy="pass the files to judgments= as a list, or read the log in several calls",
            argument="judgments",
        )
    if len(verdicts) == 1 and len(sheets) > 1:
        if on == [POSITION]:
            raise LogError(
                f"one file of judgments for {len(sheets)} files of completions cannot be joined on position",
                file=verdicts[0].file,
                expected="a file of judgments for every file of completions, or keys",
                remedy='pass on=["<column>", …]',
                argument="on",
            )
        return _join_one_to_all(sheets, verdicts[0], judge=judge, on=on, columns=columns)
    note = None
    if len(sheets) > 1:
        verdicts, note = pair_files(sheets, verdicts, lambda sheet, own: _belongs(sheet, own, columns))
    joined = [_join(sheet, own, judge, on, columns) for sheet, own in zip(sheets, verdicts, strict=True)]
    return joined if note is None else [dataclasses.replace(each, notes=(*each.notes, note)) for each in joined]


def _belongs(sheet: Sheet, verdict: Sheet, columns: Mapping[str, str | None]) -> bool:
    """Whether every judgment has the shared columns of a completion."""
    keys = _shared(sheet, verdict, columns)
    if not keys.names:
        return False
    left, right = (set(map(tuple, own[keys.names].fillna("").to_numpy())) for own in (keys.left, keys.right))
    return right <= left


@dataclasses.dataclass(frozen=True)
class _Keys:
    """The columns that two files share, as text under common names; shape ``(N,)`` each."""

    left: pd.DataFrame
    right: pd.DataFrame
    own: Mapping[str, str]  # common name to the name in the file of judgments
    common: Mapping[str, str]  # name in either file to the common name

    @property
    def names(self) -> list[str]:
        """Columns that may identify a completion, unlike scores of two judges under one name."""
        return [name for name in self.own if folded(name) not in _SCORES]

    def differing(self, found: np.ndarray) -> dict[str, str]:
        """The shared columns in which a completion and its judgment differ, to their names in the judgments."""
        there = found >= 0
        left, right = self.left[there].fillna(""), self.right.iloc[found[there]].fillna("")
        return {name: own for name, own in self.own.items() if (left[name].to_numpy() != right[name].to_numpy()).any()}


def _join(
    sheet: Sheet, verdict: Sheet, judge: str | None, on: Sequence[str] | None, columns: Mapping[str, str | None]
) -> Sheet:
    keys = _shared(sheet, verdict, columns)
    found, how = _rows(sheet, verdict, keys, on)
    _refuse_orphans(verdict, np.isin(np.arange(len(verdict.record)), found), how)
    return _added(sheet, verdict, keys, found, judge, how)


def _join_one_to_all(
    sheets: Sequence[Sheet],
    verdict: Sheet,
    *,
    judge: str | None,
    on: Sequence[str] | None,
    columns: Mapping[str, str | None],
) -> list[Sheet]:
    used = np.zeros(len(verdict.record), dtype=bool)
    joined = []
    for sheet in sheets:
        keys = _shared(sheet, verdict, columns)
        found, how = _by_keys(sheet, verdict, keys, list(on) if on else keys.names)
        used[found[found >= 0]] = True
        joined.append(_added(sheet, verdict, keys, found, judge, how))
    _refuse_orphans(verdict, used, "keys")
    return joined


def _shared(sheet: Sheet, verdict: Sheet, columns: Mapping[str, str | None]) -> _Keys:
    """Columns that both files share: of the same name, or each the file's question, condition or text."""
    left, right = (_canonical(each, columns) for each in (sheet, verdict))
    names = [name for name in left if name in right and name not in verdict.scores]
    texts = [
        pd.DataFrame({name: _comparable(each.columns[own[name]]) for name in names}, index=range(len(each.record)))
        for each, own in ((sheet, left), (verdict, right))
    ]
    common = {own[name]: name for own in (left, right) for name in names}
    return _Keys(texts[0], texts[1], {name: right[name] for name in names}, common)


def _canonical(sheet: Sheet, columns: Mapping[str, str | None]) -> dict[str, str]:
    """Every column by its canonical name: the first usual name of the question, the condition and the text."""
    names = {name: name for name in sheet.columns}
    by_fold = {folded(name): name for name in sheet.columns}
    for canonical in _IDENTITY:
        given = columns.get(canonical)
        usual = [by_fold[alias] for tier in ALIASES[canonical] for alias in tier if alias in by_fold]
        own = given if given in sheet.columns else next(iter(usual), None)
        if own is not None and canonical not in names:
            del names[own]
            names[canonical] = own
    return names


def _comparable(values: np.ndarray) -> np.ndarray:
    text = as_text(values)
    return np.array([None if value is None else value.replace("\r\n", "\n") for value in text], dtype=object)


def _rows(sheet: Sheet, verdict: Sheet, keys: _Keys, on: Sequence[str] | None) -> tuple[np.ndarray, str]:
    """The judgment's row for every completion, -1 if there is none, and how it was found."""
    names = keys.names
    if on == [POSITION]:
        return _by_position(sheet, verdict, keys)
    if on is not None:
        return _by_keys(sheet, verdict, keys, list(on))
    if not names:
        raise LogError(
            f"the judgments share no column with {sheet.file}; the judgments have {', '.join(verdict.columns)}, the "
            f"completions {', '.join(sheet.columns)}",
            file=verdict.file,
            expected="shared columns to join on, or to check the order",
            remedy='pass on=["position"] if the n-th judgment belongs to the n-th completion',
            argument="on",
        )
    if not keys.left[names].duplicated().any() and not keys.right[names].duplicated().any():
        return _by_keys(sheet, verdict, keys, names)
    return _by_position(sheet, verdict, keys)


def _by_position(sheet: Sheet, verdict: Sheet, keys: _Keys) -> tuple[np.ndarray, str]:
    if len(sheet.record) != len(verdict.record):
        raise LogError(
            f"{len(verdict.record)} judgments for the {len(sheet.record)} completions of {sheet.file}",
            file=verdict.file,
            expected="the same number, to join them on position",
            remedy=f'pass on=["<column>", …] with columns that identify a completion in both; the shared columns are '
            f"{', '.join(keys.names) or 'none'}",
            argument="on",
        )
    for name in keys.names:
        equal = (keys.left[name].fillna("") == keys.right[name].fillna("")).to_numpy()
        if not equal.all():
            row = int(np.flatnonzero(~equal)[0])
            raise LogError(
                f"the judgment at this position belongs to another completion: {name} is "
                f"{shown(keys.right[name][row])} here and {shown(keys.left[name][row])} at "
                f"{place(sheet.file, int(sheet.record[row]))}",
                file=verdict.file,
                line=int(verdict.record[row]),
                column=keys.own[name],
                expected="shared columns that agree row by row",
                remedy='pass on=["<column>", …] with columns that identify a completion in both',
                argument="on",
            )
    checked = f", and {', '.join(keys.names)} agree in every row" if keys.names else ", not checked"
    return np.arange(len(sheet.record)), f"position{checked}"


def _by_keys(sheet: Sheet, verdict: Sheet, keys: _Keys, names: list[str]) -> tuple[np.ndarray, str]:
    names = [keys.common.get(name, name) for name in names]
    unknown = [name for name in names if name not in keys.left.columns]
    if unknown or not names:
        raise LogError(
            f"on= names {unknown}, which the completions of {sheet.file} and the judgments do not share",
            file=verdict.file,
            expected=f"names among {', '.join(keys.left.columns) or 'none'}",
            remedy="correct the names, or rename the columns so that both have them",
            argument="on",
        )
    for each, text in ((sheet, keys.left[names]), (verdict, keys.right[names])):
        again = np.flatnonzero(text.duplicated().to_numpy())
        if again.size:
            row = int(again[0])
            raise LogError(
                f"the keys {names} do not identify one row ({again.size} repeat(s), here "
                f"{', '.join(shown(value) for value in text.iloc[row])})",
                file=each.file,
                line=int(each.record[row]),
                expected="keys that are unique in both files",
                remedy=f"name more of {', '.join(keys.left.columns)} in on=",
                argument="on",
            )
    right = keys.right[names].assign(row=np.arange(len(keys.right)))
    merged = keys.left[names].merge(right, on=names, how="left")
    return merged["row"].fillna(-1).to_numpy(dtype=np.int64), f"the keys {', '.join(names)}"


def _refuse_orphans(verdict: Sheet, used: np.ndarray, how: str) -> None:
    orphans = np.flatnonzero(~used)
    if orphans.size:
        raise LogError(
            f"{orphans.size} judgment(s) belong to no completion, of which this is the first (joined on {how})",
            file=verdict.file,
            line=int(verdict.record[orphans[0]]),
            expected="a completion for every judgment",
            argument="on",
            remedy="correct on=, add the completions to the source, or remove the judgments",
        )


def _added(sheet: Sheet, verdict: Sheet, keys: _Keys, found: np.ndarray, judge: str | None, how: str) -> Sheet:
    """The sheet with the judgments' columns, including those that differ from the sheet's column of the same name."""
    differ = keys.differing(found)
    odd = [own for name, own in differ.items() if name in _IDENTITY or folded(own) in KNOWN_CONTEXTS]
    shared = set(keys.own.values()) - set(differ.values()) | set(odd)
    names = {name: name if judge is None else suffixed(name, judge) for name in verdict.columns if name not in shared}
    taken = [name for name in names.values() if name in sheet.names]
    if taken:
        raise LogError(
            f"the judgments would add {taken}, which the completions already have",
            file=verdict.file,
            expected="other column names",
            remedy='name the judges, judgments={"<judge>": "<file>"}',
            argument="judgments",
        )
    lost = int((found < 0).sum())
    rest = f"; {lost} completion(s) have no judgment, and their scores are missing" if lost else ""
    rest += f"; {', '.join(map(repr, odd))} differ from the completions' columns and were excluded" if odd else ""
    return dataclasses.replace(
        sheet,
        columns={**sheet.columns, **{new: _taken(verdict.columns[own], found) for own, new in names.items()}},
        scores=(*sheet.scores, *(names[name] for name in verdict.scores if name in names)),
        contexts=(*sheet.contexts, *(new for own, new in names.items() if folded(own) in KNOWN_CONTEXTS)),
        set_aside={**sheet.set_aside, **verdict.set_aside},
        notes=(*sheet.notes, *verdict.notes, f"{verdict.file}: judgments joined on {how}{rest}"),
    )


def _taken(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values by row, None (or NaN among numbers) if the row is -1."""
    if (rows >= 0).all():
        return values[rows]
    filled = values[rows].astype(object)
    filled[rows < 0] = None
    return filled
