"""Tables of rates and claims: what is known without personas, and what the personas explain of it.

Rates and differences come from the rate model (:mod:`simulacra.inference.rates`); no check of the personas withholds
them. Beside them stands what the weights and the personas imply for the same completions, eq. (7).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.formalism.shifts import claim, jensen_shannon, sign_probability, total_variation
from simulacra.inference.rates import baseline_pairs, extended_interval, groups_of, logged_shares, shows_event
from simulacra.inference.tables import Terms, bounds, ends, places, summary_table

__all__ = ["about_new", "contrast_table", "rate_table", "sure_of_sign"]

_EMPTY = "the denominator has no completions"
_FEW_QUESTIONS = 4
"""Base questions below which nothing is claimed about new ones."""
_ENOUGH_QUESTIONS = 32
"""Base questions below which new ones are not claimed to be equivalent: too large a part of their kind is unseen."""
_SURE, _SURE_OF_NEW = 0.995, 0.99
"""Least probability of the sign for a claim about a direction. Without a difference, 2% of comparisons at most lead to
one; intervals for new questions are wider than they need to be, so a smaller probability suffices."""


def rate_table(
    draws: xr.DataArray, implied: xr.DataArray | None, rates: xr.Dataset, scope: str, terms: Terms
) -> pd.DataFrame:
    """Rates of every group, and the rates that its personas imply; see :meth:`simulacra.inference.Result.rates`.

    Args:
        draws: draws of the rates, dims ``(chain, draw, group)``.
        implied: draws of the implied rates on the logged questions, the same dims; ``None`` in any other scope.
        rates: posterior of the rate model, with its counts.
        scope: name of the scope.
        terms: what is withheld.
    """
    keys, upper = list(map(str, places(draws))), bounds(terms.ci_prob)[1]
    counted = groups_of(rates).assign(
        events=rates["events"].sum("base_question").to_numpy(),
        total=rates["totals"].sum("base_question").to_numpy(),
        judged=(rates["judged"] * rates["completions"]).to_numpy(),
        completions=rates["completions"].to_numpy(),
    )
    sums = counted.groupby(keys, sort=False)[["events", "total", "judged", "completions"]].sum().reset_index()
    sums["judged"] /= sums["completions"]
    table = summary_table(draws, terms.of("rates")).rename(columns={"mean": "rate"})
    table = _after(table, keys[-1], {"scope": scope, **{name: sums[name] for name in ("events", "total", "judged")}})
    if implied is not None:
        table = _after(table, upper, _part("implied", summary_table(implied, terms.of("implied_rates")), terms))
    empty = (sums["total"].to_numpy() == 0) | np.isnan(draws.to_numpy().sum(axis=(0, 1)))
    return _impossible(table, empty, ["rate", *bounds(terms.ci_prob)], _EMPTY)


def contrast_table(
    draws: xr.DataArray,
    implied: xr.DataArray | None,
    weights: xr.DataArray,
    diagnostics: xr.DataArray,
    rates: xr.Dataset,
    baseline: str,
    scope: str,
    rope: float,
    terms: Terms,
) -> pd.DataFrame:
    """Claims relative to the baseline; see :meth:`simulacra.inference.Result.contrasts`.

    Args:
        draws: draws of the differences, dims ``(chain, draw, group)``.
        implied: draws of the implied differences on the logged questions, the same dims; ``None`` in any other scope.
        weights: draws of the weights, dims ``(chain, draw, condition, persona)``.
        diagnostics: their diagnostics, with the dim ``diagnostic`` in place of ``chain, draw``.
        rates: posterior of the rate model, with its counts.
        baseline: the condition that the others are compared with.
        scope: name of the scope.
        rope: half-width of the region of practical equivalence.
        terms: what is withheld.
    """
    lower, upper = bounds(terms.ci_prob)
    table = summary_table(draws, terms.of("contrasts")).rename(columns={"mean": "rate_difference"})
    pairs = baseline_pairs(groups_of(rates), baseline) if scope in ("these", "new") else []
    shares = logged_shares(rates)
    unasked = np.full(shares.shape[1], np.nan)
    by_question = [unasked if base is None else shares[row] - shares[base] for row, base in pairs]
    questions = [int(np.isfinite(own).sum()) for own in by_question]
    if scope == "new":
        limits = table[[lower, upper]].to_numpy()
        for place, (_, base) in enumerate(pairs):
            reduced = base is not None and shows_event(rates, base, rope)
            own = by_question[place]
            limits[place] = extended_interval(tuple(limits[place]), own, terms.ci_prob, reduced=reduced)
        table[[lower, upper]] = limits
    limits_and_sign = zip(table[lower], table[upper], sure_of_sign(draws.to_numpy(), scope), strict=True)
    said: list[str] = [claim(low, high, rope=rope, sure=bool(sure)) for low, high, sure in limits_and_sign]
    if scope == "new":
        said = [about_new(*each) for each in zip(said, questions, strict=True)]
    table = _after(table, upper, {"claim": said})
    counted = {"questions": questions} if pairs else {}
    table = _after(table, str(list(places(draws))[-1]), {"scope": scope, **counted})
    if implied is not None:
        own = _part("implied", summary_table(implied, terms.of("implied_rates"), against=baseline), terms)
        hidden = np.isnan(own["implied"]) | table["rate_difference"].isna().to_numpy()
        table = _after(table, "claim", own | _unexplained(draws, implied, hidden=hidden, terms=terms))
    judged = {"judged": rates["judged"].to_numpy()[[row for row, _ in pairs]]} if pairs else {}
    table = _before(table, "ess_bulk", judged | _distances(table, weights, diagnostics, baseline, terms))
    numbers = ["rate_difference", lower, upper]
    totals = rates["totals"].sum("base_question").to_numpy()
    own_empty = np.array([totals[row] == 0 for row, _ in pairs], dtype=bool)
    no_baseline = np.array([base is None or totals[base] == 0 for _, base in pairs], dtype=bool)
    if pairs:
        table = _impossible(table, no_baseline, numbers, f"{baseline} has no completions to compare with")
        table = _impossible(table, own_empty, numbers, _EMPTY)
    else:
        table = _impossible(table, np.isnan(draws.to_numpy().sum(axis=(0, 1))), numbers, _EMPTY)
    if terms.withhold:
        table.loc[table["status"].str.startswith("withheld"), "claim"] = "withheld"
    return table


def sure_of_sign(draws: np.ndarray, scope: str) -> np.ndarray:
    """Whether the sign of a difference is certain enough for a claim about its direction.

    Args:
        draws: draws of the difference, shape ``(chain, draw, ...)``.
        scope: name of the scope.
    """
    return np.asarray(sign_probability(draws, axis=(0, 1)) >= (_SURE_OF_NEW if scope == "new" else _SURE))


def about_new(said: str, questions: int) -> str:
    """A claim about new questions, if there are enough base questions to make it."""
    return said if questions >= (_ENOUGH_QUESTIONS if said == "equivalent" else _FEW_QUESTIONS) else "undecided"


def _unexplained(draws: xr.DataArray, implied: xr.DataArray, hidden: np.ndarray, terms: Terms) -> dict[str, np.ndarray]:
    """The difference minus the implied one, and their ratio; posteriors taken as independent, which is conservative.

    There is a ratio only for a difference whose interval excludes zero.
    """
    known, explained = (each.to_numpy().reshape(-1, each.sizes["group"]) for each in (draws, implied))
    size = min(len(known), len(explained))
    known_part, explained_part = (own[np.linspace(0, len(own) - 1, size).astype(int)] for own in (known, explained))
    low, high = np.quantile(known, ends(terms.ci_prob), axis=0)
    no_ratio = hidden | ~((low > 0) | (high < 0))
    ratio = explained_part / np.where(no_ratio, np.nan, known_part)
    parts = {
        "explained": (explained.mean(axis=0) / np.where(no_ratio, np.nan, known.mean(axis=0)), ratio),
        "unexplained": (known.mean(axis=0) - explained.mean(axis=0), known_part - explained_part),
    }
    columns = {}
    for name, (mean, own) in parts.items():
        columns[name] = np.where(hidden, np.nan, mean)
        for end, values in zip(("lb", "ub"), np.quantile(own, ends(terms.ci_prob), axis=0), strict=True):
            columns[f"{name}_{end}"] = np.where(hidden, np.nan, values)
    return columns


def _distances(
    table: pd.DataFrame, weights: xr.DataArray, diagnostics: xr.DataArray, baseline: str, terms: Terms
) -> dict[str, np.ndarray]:
    """Total variation and Jensen-Shannon divergence (nats) of the weights from the baseline's, by condition."""
    others, base = weights.drop_sel(condition=baseline), weights.sel(condition=baseline)
    own = diagnostics.drop_sel(condition=baseline)
    estimates = summary_table(others, terms.of("weights"), diagnostics=own, against=baseline)
    known = estimates.groupby("condition", sort=False)["mean"].apply(lambda own: own.notna().all())
    found = {}
    for name, distance in (("total_variation", total_variation), ("jensen_shannon", jensen_shannon)):
        mean = distance(others.to_numpy(), base.to_numpy()[:, :, None]).mean(axis=(0, 1))
        values = pd.Series(mean, index=others["condition"].to_numpy()).where(known)
        found[name] = table["condition"].map(values).to_numpy()
    return found


def _part(name: str, table: pd.DataFrame, terms: Terms) -> dict[str, np.ndarray]:
    """Mean and interval of another table as columns of this one."""
    lower, upper = bounds(terms.ci_prob)
    return {
        own: table[source].to_numpy() for own, source in ((name, "mean"), (f"{name}_lb", lower), (f"{name}_ub", upper))
    }


def _after(table: pd.DataFrame, column: str, new: Mapping[str, Any]) -> pd.DataFrame:
    """The table with new columns to the right of one of its columns."""
    return _inserted(table, list(table).index(column) + 1, new)


def _before(table: pd.DataFrame, column: str, new: Mapping[str, Any]) -> pd.DataFrame:
    return _inserted(table, list(table).index(column), new)


def _inserted(table: pd.DataFrame, position: int, new: Mapping[str, Any]) -> pd.DataFrame:
    order = list(table)
    return table.assign(**new)[[*order[:position], *new, *order[position:]]]


def _impossible(table: pd.DataFrame, rows: np.ndarray, numbers: list[str], reason: str) -> pd.DataFrame:
    """State why there is no estimate at all, in place of the prior and of diagnostics of nothing."""
    table.loc[rows, "status"] = f"withheld: {reason}"
    table.loc[rows, numbers] = np.nan
    return table
