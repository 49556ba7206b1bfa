"""Tables of rates and contrasts: what is known without personas, and what the personas explain of it.

Rates and differences come from the rate model (:mod:`simulacra.inference.rates`); no check of the personas withholds
them. They are shown next to what the weights and the personas imply for the same completions, eq. (7).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.formalism.shifts import jensen_shannon, total_variation
from simulacra.inference.claims import supported
from simulacra.inference.rates import baseline_pairs, common_questions, groups_of
from simulacra.inference.tables import Terms, bounds, ends, places, summary_table

__all__ = [
    "contrast_table",
    "no_common_question",
    "rate_table",
    "rest_is_clear",
]

_EMPTY = "the denominator has no scored completions"
_NO_QUESTION = "no base question in common"


def rate_table(
    draws: xr.DataArray, implied: Sequence[xr.DataArray], rates: xr.Dataset, scope: str, terms: Terms
) -> pd.DataFrame:
    """Rates of every group, and the rates that its personas imply; see :meth:`simulacra.inference.Result.rates`.

    Args:
        draws: draws of the rates, dims ``(chain, draw, group)``.
        implied: draws of the implied rates on the logged questions in every reading, the same dims; none in any other
            scope.
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
    if implied:
        estimates = summary_table(implied[0], terms.of("implied_rates"), others=implied[1:])
        own = _part("implied", estimates, terms)
        hidden = np.isnan(own["implied"]) | table["rate"].isna().to_numpy()
        rest = _unexplained(draws, implied, hidden, terms)
        table = _after(table, upper, own | rest | {"implied_status": estimates["status"]})
    empty = (sums["total"].to_numpy() == 0) | np.isnan(draws.to_numpy().sum(axis=(0, 1)))
    return _impossible(table, empty, ["rate", *bounds(terms.ci_prob)], _EMPTY)


def contrast_table(
    draws: xr.DataArray,
    implied: Sequence[xr.DataArray],
    weights: Sequence[xr.DataArray],
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
        implied: draws of the implied differences on the logged questions in every reading, the same dims; none in any
            other scope.
        weights: draws of the weights in every reading, dims ``(chain, draw, condition, persona)``.
        diagnostics: those of the first reading, with the dim ``diagnostic`` in place of ``chain, draw``.
        rates: posterior of the rate model, with its counts.
        baseline: the condition that the others are compared with.
        scope: name of the scope.
        rope: half-width of the region of practical equivalence.
        terms: what is withheld.
    """
    lower, upper = bounds(terms.ci_prob)
    table = summary_table(draws, terms.of("contrasts")).rename(columns={"mean": "rate_difference"})
    pairs = baseline_pairs(groups_of(rates), baseline) if scope in ("these", "new") else []
    coefficients = np.zeros((len(pairs), rates.sizes["group"]))
    for place, (row, base) in enumerate(pairs):
        coefficients[place, row] = 1
        coefficients[place, [] if base is None else base] = -1
    limits = table[[lower, upper]].to_numpy()
    limits, said = supported(draws.to_numpy(), limits, coefficients, rates, scope, rope, terms.ci_prob)
    table[[lower, upper]] = limits
    table = _after(table, upper, {"claim": said, "comparisons": len(table)})
    totals = rates["totals"].transpose("group", "base_question").to_numpy()
    questions, asked = common_questions(coefficients, totals > 0)
    counted = {"questions": questions * (coefficients < 0).any(axis=1), "asked": asked} if pairs else {}
    table = _after(table, str(list(places(draws))[-1]), {"scope": scope, **counted})
    apart = (questions == 0) & (scope == "these") if pairs else np.zeros(len(table), dtype=bool)
    numbers = ["rate_difference", lower, upper]
    for condition in dict.fromkeys(table["condition"][apart]):
        rows = apart & (table["condition"] == condition).to_numpy()
        table = _impossible(table, rows, numbers, no_common_question([condition, baseline]))
    if implied:
        estimates = summary_table(implied[0], terms.of("implied_rates"), against=baseline, others=implied[1:])
        own = _part("implied", estimates, terms)
        own = {name: np.where(apart, np.nan, values) for name, values in own.items()}
        hidden = np.isnan(own["implied"]) | table["rate_difference"].isna().to_numpy()
        rest = _explained(draws, implied, hidden, terms) | _unexplained(draws, implied, hidden, terms)
        status = estimates["status"].mask(apart, f"withheld: {_NO_QUESTION}")
        table = _after(table, "comparisons", own | rest | {"implied_status": status})
    judged = {"judged": rates["judged"].to_numpy()[[row for row, _ in pairs]]} if pairs else {}
    table = _before(table, "ess_bulk", judged | _distances(table, weights, diagnostics, baseline, terms))
    own_empty = np.array([not totals[row].any() for row, _ in pairs], dtype=bool)
    no_baseline = np.array([base is None or not totals[base].any() for _, base in pairs], dtype=bool)
    if pairs:
        table = _impossible(table, no_baseline, numbers, f"{baseline} has no scored completions to compare with")
        table = _impossible(table, own_empty, numbers, _EMPTY)
    else:
        table = _impossible(table, np.isnan(draws.to_numpy().sum(axis=(0, 1))), numbers, _EMPTY)
    if terms.withhold:
        table.loc[table["status"].str.startswith("withheld"), "claim"] = "withheld"
    return table


def rest_is_clear(rates: Any, rope: float | int) -> Any:
    """Whether what personas do not explain exceeds the region, and its interval excludes zero.

    Args:
        rates: a table of rates, or one of its rows; the answer has a value per row.
        rope: half-width of the region of practical equivalence.
    """
    excludes_zero = (rates["unexplained_lb"] > 0) | (rates["unexplained_ub"] < 0)
    return (abs(rates["unexplained"]) > rope) & excludes_zero


def no_common_question(names: Sequence[str]) -> str:
    """Why groups cannot be compared on the questions that they were asked."""
    return f"{', '.join(names[:-1])} and {names[-1]} have {_NO_QUESTION}"


def _unexplained(
    draws: xr.DataArray, implied: Sequence[xr.DataArray], hidden: np.ndarray, terms: Terms
) -> dict[str, np.ndarray]:
    """The rate or difference minus the implied one; posteriors taken as independent, which is conservative."""
    return _with_limits("unexplained", lambda known, explained: known - explained, draws, implied, hidden, terms)


def _explained(
    draws: xr.DataArray, implied: Sequence[xr.DataArray], hidden: np.ndarray, terms: Terms
) -> dict[str, np.ndarray]:
    """The implied difference in proportion to the difference, if the interval of the difference excludes zero."""
    low, high = np.quantile(draws.to_numpy(), ends(terms.ci_prob), axis=(0, 1))
    no_ratio = hidden | ~((low > 0) | (high < 0))

    def ratio(known: np.ndarray, explained: np.ndarray) -> np.ndarray:
        return explained / np.where(no_ratio, np.nan, known)

    return _with_limits("explained", ratio, draws, implied, no_ratio, terms)


def _with_limits(
    name: str,
    part: Callable[[np.ndarray, np.ndarray], np.ndarray],
    draws: xr.DataArray,
    implied: Sequence[xr.DataArray],
    hidden: np.ndarray,
    terms: Terms,
) -> dict[str, np.ndarray]:
    """A part of known and explained values with its interval, which contains those of all readings."""
    known = draws.to_numpy().reshape(-1, draws.sizes["group"])
    limits = []
    for each in implied:
        explained = each.to_numpy().reshape(-1, known.shape[1])
        size = min(len(known), len(explained))
        paired = [own[np.linspace(0, len(own) - 1, size).astype(int)] for own in (known, explained)]
        limits.append(np.quantile(part(*paired), ends(terms.ci_prob), axis=0))
    lower, upper = np.min([own[0] for own in limits], axis=0), np.max([own[1] for own in limits], axis=0)
    mean = part(known.mean(axis=0), implied[0].mean(("chain", "draw")).to_numpy())
    columns = {name: mean, f"{name}_lb": lower, f"{name}_ub": upper}
    return {column: np.where(hidden, np.nan, values) for column, values in columns.items()}


def _distances(
    table: pd.DataFrame, weights: Sequence[xr.DataArray], diagnostics: xr.DataArray, baseline: str, terms: Terms
) -> dict[str, np.ndarray]:
    """Total variation and Jensen-Shannon divergence (nats) of the weights from the baseline's, by condition.

    They are those of the first reading, and withheld where readings disagree about a weight.
    """
    others, *in_readings = (own.drop_sel(condition=baseline) for own in weights)
    base = weights[0].sel(condition=baseline)
    own = diagnostics.drop_sel(condition=baseline)
    estimates = summary_table(others, terms.of("weights"), diagnostics=own, against=baseline, others=in_readings)
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
