"""What a log holds, in plain JSON types: for looking before fitting."""

from typing import Any

import numpy as np
import pandas as pd

from simulacra.data.log import CompletionLog

__all__ = ["describe"]


def describe(log: CompletionLog) -> dict[str, Any]:
    """Conditions with their rows, questions with theirs, every measurement and context, and the account.

    Returns:
        ``completions``; ``conditions`` and ``questions``, name to rows; ``measurements``, each with ``scored`` and
        ``missing`` rows, ``sentinels``, and its range (``min, median, max``) or how often each of its ``values``
        occurs; ``contexts``, each with its number of ``distinct`` values and the most frequent ones; ``account``;
        ``log_sha256``.
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
    told: dict[str, Any] = {"scored": len(values) - missing, "missing": missing}
    if values.dtype == object:
        return told | {"values": _counts(values)}
    numbers = values.dropna().to_numpy(dtype=float)
    if not numbers.size:
        return told | {"min": None, "median": None, "max": None}
    return told | {"min": float(numbers.min()), "median": float(np.median(numbers)), "max": float(numbers.max())}


def _counts(values: pd.Series, most: int | None = None) -> dict[str, int]:
    counts = values.dropna().value_counts()
    counts = counts.sort_index() if most is None else counts.head(most)
    return {str(value): int(count) for value, count in counts.items()}
