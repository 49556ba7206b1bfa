"""A fitted result in plain JSON types: every table, every check, and what it came from.

``null`` stands for a number that there is none of: withheld, undefined, or infinite.
"""

import importlib.metadata
import json
import math
import platform
from collections.abc import Mapping
from typing import Any

import pandas as pd

from simulacra.data import CompletionLog
from simulacra.inference import Check, Result

__all__ = ["CREATOR", "log_summary", "make_tables", "summarise"]

CREATOR = "simulacra"
_LIBRARIES = ("simulacra", "jax", "jaxlib", "numpyro", "numpy", "scipy", "pandas", "xarray", "arviz-stats", "formulae")


def make_tables(result: Result, *, rope: float) -> dict[str, pd.DataFrame]:
    """The tables of a result by name; ``rates`` and ``contrasts`` only where the model has an outcome."""
    tables = {"weights": result.weight_table(), "shifts": result.shifts()}
    if result.prepared.model.outcome is not None:
        tables |= {"rates": result.rates(), "contrasts": result.contrasts(rope=rope)}
    return tables | {"emissions": result.emissions()}


def summarise(
    result: Result, tables: Mapping[str, pd.DataFrame], *, rope: float, warnings: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Everything about a result that is not a draw."""
    model = result.prepared.model
    return {
        "creator": CREATOR,
        "ok": result.ok,
        "model": {
            "personas": list(result.personas),
            "emissions": [dict(emission.configuration()) for emission in model.emissions],
            "weights": model.weights,
            "weights_in_force": result.prepared.design.formula,
            "baseline": model.baseline,
            "outcome": None if model.outcome is None else {"rule": model.outcome.rule, "of": model.outcome.of},
            "rope": rope,
        },
        "settings": dict(result.settings),
        "notes": list(result.notes),
        "warnings": list(warnings),
        "checks": [_plain_check(check) for check in result.checks],
        "tables": {
            name: json.loads(table.to_json(orient="records", double_precision=15)) for name, table in tables.items()
        },
        "counts_sha256": result.prepared.collapsed.content_hash,
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def log_summary(log: object, result: Result) -> dict[str, Any]:
    """What was read: conditions, rows, the reader's account and the hash of the content."""
    collapsed = result.prepared.collapsed
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
        "subject": check.subject,
        "remedy": None if check.passed else check.remedy,
    }
