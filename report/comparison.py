"""The page of a batch: claims, rates and weights of all its runs, with links to their reports."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from simulacra.data.atomic import write_atomically
from simulacra.inference.tables import CI_PROB, level, probability_of
from simulacra.report.document import render_template
from simulacra.report.prose import WITHHELD, difference, interval, marked_number, number, place_of, records, share

__all__ = ["ClaimOfRun", "claims_of_runs", "write_comparison"]


class ClaimOfRun(NamedTuple):
    """What one run says about one condition; texts.

    Attributes:
        run: the run.
        place: the condition, with its contexts.
        claim: about the logged questions.
        points: the difference of rates from the run's baseline and its interval, percentage points; empty if withheld.
        level: probability of the interval; empty if withheld.
        new: the claim for new questions.
    """

    run: str
    place: str
    claim: str
    points: str
    level: str
    new: str


def claims_of_runs(contrasts: pd.DataFrame) -> list[ClaimOfRun]:
    """The claims of all runs, each relative to its own baseline.

    Args:
        contrasts: tables ``contrasts`` of the runs in both scopes, with a column ``run``.
    """
    claims = []
    for run, rows in contrasts.groupby("run", sort=False):
        own = rows.drop(columns="run").dropna(axis=1, how="all")
        probability = probability_of(own) or CI_PROB
        new = {place_of(row): row["claim"] for row in records(own[own["scope"] == "new"])}
        for row in records(own[own["scope"] == "these"]):
            place, shown = place_of(row), ("", "")
            if row["claim"] != WITHHELD:
                mean, lower, upper = difference(*interval(row, "rate_difference"))
                shown = f"{mean} ({lower} to {upper})", level(probability)
            claims.append(ClaimOfRun(str(run), place, row["claim"], *shown, new[place]))
    return claims


def write_comparison(
    path: Path,
    tables: Mapping[str, pd.DataFrame],
    *,
    links: Mapping[str, str],
    withheld: Sequence[str] = (),
    failed: Sequence[str] = (),
) -> Path:
    """Write the page of a batch as one self-contained HTML file without scripts.

    Args:
        path: the file.
        tables: tables ``rates``, ``contrasts`` and ``weights`` of the runs, each with a column ``run``; absent ones are
            left out.
        links: addresses of the reports of the runs, relative to the file, by run.
        withheld: runs of which a check failed.
        failed: runs without a result.

    Raises:
        MissingExtraError: the extra ``report`` is not installed.
    """
    parts = {
        run: {name: table[table["run"] == run].dropna(axis=1, how="all") for name, table in tables.items()}
        for run in dict.fromkeys(str(run) for table in tables.values() for run in table["run"])
    }
    text = render_template(
        "batch.html.jinja",
        claims=claims_of_runs(tables["contrasts"]) if "contrasts" in tables else [],
        rates={run: _rates(own["rates"]) for run, own in parts.items() if len(own.get("rates", ()))},
        weights={run: _weights(own["weights"]) for run, own in parts.items() if len(own.get("weights", ()))},
        runs=tuple(parts),
        links=links,
        withheld=withheld,
        failed=failed,
    )
    write_atomically(path, functools.partial(Path.write_text, data=text, encoding="utf-8"))
    return path


def _rates(table: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """Condition, rate on the logged questions and rate for new ones, and the level of both intervals, of one run."""
    probability = probability_of(table)
    shown = {
        scope: {
            place_of(row): _shown(row, "rate", probability, share)
            for row in records(table[table["scope"] == scope].drop(columns="run"))
        }
        for scope in ("these", "new")
    }
    said = level(probability) if probability else ""
    return [(place, own, shown["new"][place], said) for place, own in shown["these"].items()]


def _weights(table: pd.DataFrame) -> tuple[list[str], dict[str, list[str]], str]:
    """The personas of one run, their weights in every condition with their marks, and the level of the intervals."""
    probability = probability_of(table)
    personas = [str(name) for name in table["persona"].unique()]
    rows = {
        str(condition): {
            row["persona"]: marked_number(_shown(row, "mean", probability, number), row["status"])
            for row in records(own)
        }
        for condition, own in table.groupby("condition", sort=False)
    }
    cells = {condition: [own.get(name, "") for name in personas] for condition, own in rows.items()}
    return personas, cells, level(probability) if probability else ""


def _shown(row: Mapping[str, Any], mean: str, probability: float | None, show: Callable[..., str]) -> str:
    """An estimate of a run with its interval; the columns are absent where the run withholds all of its kind."""
    if probability is None or pd.isna(row.get(mean)):
        return WITHHELD
    return show(*interval(row, mean))
