"""A fitted result in plain JSON types: all tables, checks and provenance.

Numbers that are withheld, undefined or infinite are ``null``.
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from simulacra.data import CompletionLog
from simulacra.inference import Check, Result
from simulacra.inference.tables import chosen_probability, chosen_rope
from simulacra.inference.versions import library_versions
from simulacra.report.tables import json_rows

__all__ = ["CREATOR", "log_summary", "summarise"]

CREATOR = "simulacra"


def summarise(
    result: Result,
    tables: Mapping[str, pd.DataFrame],
    *,
    rope: float | None = None,
    ci_prob: float | None = None,
    warnings: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Everything about a result except its draws."""
    model = result.model
    return {
        "creator": CREATOR,
        "ok": result.ok,
        "model": {
            "personas": list(result.personas),
            "emissions": [dict(emission.configuration()) for emission in model.emissions],
            "likelihood": None if model.likelihood is None else dict(model.likelihood.configuration()),
            "weights": model.weights,
            "weights_in_force": result.design.formula,
            "baseline": model.baseline,
            "outcome": None if model.outcome is None else {"rule": model.outcome.rule, "of": model.outcome.of},
            "rope": chosen_rope(rope, result.rope),
        },
        "ci_prob": chosen_probability(ci_prob, result.ci_prob),
        "settings": dict(result.settings),
        "notes": list(result.notes),
        "warnings": list(warnings),
        "checks": [_plain_check(check) for check in result.checks],
        "tables": {name: json_rows(table) for name, table in tables.items()},
        "counts_sha256": result.collapsed.content_hash,
        "versions": library_versions(),
    }


def log_summary(log: object, result: Result) -> dict[str, Any]:
    """The log that was read: conditions, questions, the account of the data and the hash of the content."""
    collapsed = result.collapsed
    return {
        "completions": len(collapsed),
        "conditions": list(collapsed.conditions),
        "questions": list(collapsed.questions),
        "account": collapsed.account.to_dict(),
        "log_sha256": log.content_hash if isinstance(log, CompletionLog) else None,
    }


def _plain_check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "passed": check.passed,
        "value": check.value if math.isfinite(check.value) else None,
        "threshold": check.threshold,
        "where": check.where,
        "withholds": list(check.withholds),
        "each": check.each,
        "persona": check.persona,
        "condition": check.condition,
        "remedy": None if check.passed else check.remedy,
        "argument": [] if check.passed else list(check.argument),
    }
