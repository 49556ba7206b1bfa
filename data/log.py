"""A completion log: one validated table of judged completions, with the origin of every row."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from simulacra.data.account import Account, LeftOut
from simulacra.data.errors import place
from simulacra.data.fingerprint import content_hash
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, escaped, html_card, html_table, listing
from simulacra.formalism.errors import InputError

__all__ = ["CompletionLog", "describe"]

_MOST_LINES = 12  # of the account, in a notebook


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CompletionLog:
    """Judged completions of several conditions, one row each. Returned by :func:`~simulacra.data.read_completions`.

    Attributes:
        table: columns ``condition, question_id, base_question, completion, <measurements>, <contexts>, source,
            record``, N rows. Text is plain str in object columns, numbers are float64 or int64; NaN or None in a
            measurement is the outcome *missing*. ``record`` is the 1-based line on which the record starts, or the
            1-based position for Parquet and DataFrames.
        measurements: names of the measurement columns.
        contexts: names of the context columns (how a completion was generated).
        account: renamed columns, values read as missing, excluded rows, duplicates.
    """

    table: pd.DataFrame
    measurements: tuple[str, ...]
    contexts: tuple[str, ...]
    account: Account

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        account = self.account
        return card(
            self._headline(),
            f"conditions: {listing(self.conditions)}",
            f"questions: {listing(self.questions)}",
            f"measurements: {listing(self.measurements)}",
            f"contexts: {listing(self.contexts)}" if self.contexts else "",
            f"{grouped(sum(account.rows_read.values()))} rows read, {grouped(account.rows_kept)} kept; "
            f"exact duplicates: {grouped(account.duplicates.within_files + account.duplicates.across_files)}",
            "next: fit(model, log); log.summary(), log.select(condition=...), log.table",
        )

    def _repr_html_(self) -> str:
        frame = self._by_condition().reset_index()
        lines = map(escaped, str(self.account).splitlines()[:_MOST_LINES])
        rows = frame.map(lambda value: f"{value:.3f}" if isinstance(value, float) else value).to_numpy().tolist()
        return html_card(self._headline(), html_table(list(map(str, frame)), rows), "<br>".join(lines))

    def _headline(self) -> str:
        return (
            f"CompletionLog: {grouped(len(self))} completions, {len(self.conditions)} condition(s), "
            f"{grouped(len(self.questions))} question(s)"
        )

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions, sorted."""
        return _sorted_names(self.table["condition"])

    @property
    def questions(self) -> tuple[str, ...]:
        """The question ids, sorted."""
        return _sorted_names(self.table["question_id"])

    @property
    def base_questions(self) -> tuple[str, ...]:
        """The base questions, sorted."""
        return _sorted_names(self.table["base_question"])

    @functools.cached_property
    def content_hash(self) -> str:
        """SHA-256 of conditions, questions, completions, measurements and contexts.

        Independent of the order of rows and files, of paths and of line endings.
        """
        names = ["condition", "question_id", "base_question", "completion", *self.measurements, *self.contexts]
        return content_hash(self.table, names)

    def select(self, **where: object) -> "CompletionLog":
        """The rows in which every named column has one of these values.

        Args:
            **where: for each column a value, or a list of values: ``condition="base", question_id=["a", "b"]``. None
                selects missing values.

        Returns:
            A log with the same columns, including ``source`` and ``record``. Its account counts the other rows as
            excluded; its counts of values and duplicates still refer to all rows that were read.

        Raises:
            InputError: a column or a value that the log does not have, or no row that has all of them.
        """
        kept = np.ones(len(self), dtype=bool)
        for name, value in where.items():
            values = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
            kept &= self._having(name, values)
        asked = ", ".join(f"{name}={value!r}" for name, value in where.items())
        if not kept.any():
            raise InputError(f"select({asked}): no row of the log has all of these", remedy="select by fewer columns")
        if kept.all():
            return self
        lost = self.table[~kept]
        first = zip(lost["source"].head(3), lost["record"].head(3), strict=True)
        reason = LeftOut(len(lost), tuple(place(source, int(record)) for source, record in first))
        left_out = {**self.account.left_out, f"not selected by {asked}": reason}
        account = dataclasses.replace(self.account, left_out=left_out)
        return dataclasses.replace(self, table=self.table[kept].reset_index(drop=True), account=account)

    def _having(self, name: str, values: Sequence[object]) -> np.ndarray:
        """Which rows have one of these values in a column, bool, shape ``(N,)``."""
        if name not in self.table:
            columns = ", ".join(map(str, self.table))
            raise InputError(f"select({name}=...): the log has no such column", expected=f"one of {columns}")
        column = self.table[name].astype(object).where(self.table[name].notna(), None)
        for value in values:
            if not column.isin([value]).any():
                known = listing(map(repr, column.drop_duplicates()), 300)
                raise InputError(f"select({name}={value!r}): the column has no such value", expected=f"one of {known}")
        return column.isin(values).to_numpy(dtype=bool)

    def summary(self) -> str:
        """Rows, questions and proportions of missing values per condition, then the account, as text for display."""
        completions, questions = grouped(len(self)), grouped(len(self.questions))
        head = f"{completions} completions, {len(self.conditions)} condition(s), {questions} question(s)"
        return "\n".join([head, self._by_condition().to_string(), str(self.account)])

    def _by_condition(self) -> pd.DataFrame:
        """Rows, questions and proportion of missing values per condition."""
        groups = self.table.groupby("condition", sort=True)
        frame = pd.DataFrame({"rows": groups.size(), "questions": groups["question_id"].nunique()})
        for name in self.measurements:
            absent = self.table[name].isna().to_numpy(dtype=np.float64)
            frame[f"{name} missing"] = pd.Series(absent).groupby(self.table["condition"].to_numpy()).mean().round(3)
        return frame


def describe(log: CompletionLog) -> dict[str, Any]:
    """Summarise a log in plain JSON types: conditions, questions, measurements, contexts and the account.

    Returns:
        ``completions``; ``conditions`` and ``questions``, name to number of rows; ``measurements``, each with
        ``scored`` and ``missing`` rows, ``sentinels``, and its range (``min, median, max``; as text if infinite) or the
        counts of its ``values``; ``contexts``, each with its number of ``distinct`` values and the most frequent ones;
        ``account``; ``log_sha256``.
    """
    table = log.table
    return {
        "completions": len(log),
        "conditions": _counts(table["condition"]),
        "questions": _counts(table["question_id"]),
        "base_questions": len(log.base_questions),
        "measurements": {
            name: _measurement(table[name]) | {"sentinels": dict(log.account.sentinels.get(name, {}))}
            for name in log.measurements
        },
        "contexts": {
            name: {"distinct": int(table[name].nunique()), "values": _counts(table[name], most=5)}
            for name in log.contexts
        },
        "account": log.account.to_dict(),
        "log_sha256": log.content_hash,
    }


def _measurement(values: pd.Series) -> dict[str, Any]:
    missing = int(values.isna().sum())
    summary: dict[str, Any] = {"scored": len(values) - missing, "missing": missing}
    if values.dtype == object:
        return summary | {"values": _counts(values)}
    numbers = values.dropna().to_numpy(dtype=float)
    if not numbers.size:
        return summary | {"min": None, "median": None, "max": None}
    found = {"min": numbers.min(), "median": np.median(numbers), "max": numbers.max()}
    return summary | {name: float(value) if np.isfinite(value) else str(value) for name, value in found.items()}


def _counts(values: pd.Series, most: int | None = None) -> dict[str, int]:
    counts = values.dropna().value_counts()
    counts = counts.sort_index() if most is None else counts.head(most)
    return {str(value): int(count) for value, count in counts.items()}


def _sorted_names(values: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(values.unique().tolist()))
