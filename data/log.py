"""A completion log: one checked table of judged completions, and where every row came from."""

import dataclasses
import functools

import numpy as np
import pandas as pd

from simulacra.data.account import Account
from simulacra.data.fingerprint import content_hash
from simulacra.data.numerals import grouped

__all__ = ["CompletionLog"]


@dataclasses.dataclass(frozen=True, eq=False)
class CompletionLog:
    """Judged completions of several conditions, one row each. Made by :func:`~simulacra.data.read.read_completions`.

    Attributes:
        table: columns ``condition, question_id, base_question, completion, <measurements>, <contexts>, source,
            record``, N rows. Text is plain str in object columns, numbers are float64 or int64; NaN or None in a
            measurement is the outcome *missing*. ``record`` is the 1-based line on which the record starts, or the
            1-based position for Parquet and DataFrames.
        measurements: names of the measurement columns.
        contexts: names of the context columns (how a completion was made).
        account: what reading did: renamed columns, values read as missing, rows left out, duplicates.
    """

    table: pd.DataFrame
    measurements: tuple[str, ...]
    contexts: tuple[str, ...]
    account: Account

    def __len__(self) -> int:
        return len(self.table)

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
        """SHA-256 of what the log says: conditions, questions, completions, measurements and contexts.

        The order of rows, the order of files and their paths do not enter, nor do line endings.
        """
        names = ["condition", "question_id", "base_question", "completion", *self.measurements, *self.contexts]
        return content_hash(self.table, names)

    def summary(self) -> str:
        """Rows, questions and missing shares per condition, then the account; for reading, not for parsing."""
        groups = self.table.groupby("condition", sort=True)
        frame = pd.DataFrame({"rows": groups.size(), "questions": groups["question_id"].nunique()})
        for name in self.measurements:
            absent = self.table[name].isna().to_numpy(dtype=np.float64)
            frame[f"{name} missing"] = pd.Series(absent).groupby(self.table["condition"].to_numpy()).mean().round(3)
        completions, questions = grouped(len(self)), grouped(len(self.questions))
        head = f"{completions} completions, {len(self.conditions)} condition(s), {questions} question(s)"
        return "\n".join([head, frame.to_string(), str(self.account)])


def _sorted_names(values: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(values.unique().tolist()))
