"""Tables of a result: draws summarised as one row per coordinate, with interval, diagnostics and status.

Intervals are equal-tailed, and their columns are named after their probability as in ArviZ, ``eti89_lb`` and
``eti89_ub`` (:func:`bounds`). An estimate that failed a check is NaN, and its status states the reason.
"""

import dataclasses
import numbers
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.data.numerals import grouped
from simulacra.formalism.display import html_table
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.shifts import log_ratio
from simulacra.inference.convergence import convergence
from simulacra.inference.diagnostics import Check, Thresholds
from simulacra.inference.draws import differences
from simulacra.inference.rates import groups_of
from simulacra.inference.readings import compare_readings

__all__ = [
    "CI_PROB",
    "ROPE",
    "Terms",
    "arviz_table",
    "bounds",
    "chosen_probability",
    "chosen_rope",
    "claims_html",
    "emission_table",
    "ends",
    "level",
    "places",
    "probability_of",
    "shift_table",
    "summary_table",
]

CI_PROB = 0.89
"""Default probability of the intervals of a fit: ArviZ's default. Name gates always use it."""
ROPE = 0.01
"""Default half-width of the region of practical equivalence of rates of a fit: one percentage point."""
_OF_EMISSIONS = ("emissions", "outcome_given_persona")


def ends(ci_prob: float) -> tuple[float, float]:
    """The quantiles that bound an equal-tailed interval.

    Raises:
        InputError: the probability is outside (0, 1).
    """
    expected = "a probability between 0 and 1, such as 0.89"
    expect_type(ci_prob, numbers.Real, "ci_prob", "intervals", expected=expected)
    if not 0 < ci_prob < 1:
        raise InputError(f"ci_prob is {ci_prob!r}", expected=expected, argument="ci_prob")
    return (1 - ci_prob) / 2, (1 + ci_prob) / 2


def bounds(ci_prob: float) -> tuple[str, str]:
    """Names of the columns of an equal-tailed interval: ``("eti89_lb", "eti89_ub")`` of 0.89."""
    ends(ci_prob)
    return f"eti{100 * ci_prob:g}_lb", f"eti{100 * ci_prob:g}_ub"


def chosen_probability(ci_prob: float | None, own: float) -> float:
    """The probability of intervals that is asked for, or that of the fit if none is.

    Args:
        ci_prob: the argument of a function.
        own: the probability of the fit, :attr:`simulacra.inference.Result.ci_prob`.

    Raises:
        InputError: the probability is outside (0, 1).
    """
    probability = own if ci_prob is None else ci_prob
    ends(probability)
    return probability


def chosen_rope(rope: float | int | None, own: float) -> float | int:
    """The half-width of the region of practical equivalence that is asked for, or that of the fit if none is.

    Args:
        rope: the argument of a function.
        own: the half-width of the fit, :attr:`simulacra.inference.Result.rope`.
    """
    return own if rope is None else rope


def probability_of(table: pd.DataFrame | Mapping[str, Any]) -> float | None:
    """The probability of the equal-tailed intervals of a table or row, from the names of its columns; None without."""
    found = [re.fullmatch(r"eti([\d.]+)_lb", str(name)) for name in table]
    return next((float(match[1]) / 100 for match in found if match), None)


def level(ci_prob: float) -> str:
    """The probability of an interval for display: ``"89%"``."""
    return f"{100 * ci_prob:g}%"


@dataclasses.dataclass(frozen=True)
class Terms:
    """What a table withholds, and the probability of its intervals.

    Attributes:
        failed: the failed checks.
        thresholds: thresholds of R-hat, ESS and small weights.
        ci_prob: probability of the intervals.
        withhold: whether estimates that a failed check concerns are withheld.
        absent: personas to which hardly any completions are attributed, so that their emissions are unknown.
    """

    failed: tuple[Check, ...]
    thresholds: Thresholds
    ci_prob: float
    withhold: bool = True
    absent: tuple[str, ...] = ()

    def of(self, quantity: str) -> "Terms":
        """The terms of one quantity: the failed checks that withhold it, and the personas for which it is unknown."""
        failed = tuple(c for c in self.failed if quantity in c.withholds and not c.each)
        return dataclasses.replace(self, failed=failed, absent=self.absent if quantity in _OF_EMISSIONS else ())

    def at(self, ci_prob: float | None) -> "Terms":
        """The same with intervals of another probability, if one is given."""
        return dataclasses.replace(self, ci_prob=chosen_probability(ci_prob, self.ci_prob))


def summary_table(
    draws: xr.DataArray,
    terms: Terms,
    *,
    diagnostics: xr.DataArray | None = None,
    size: np.ndarray | None = None,
    against: str | None = None,
    others: Sequence[xr.DataArray] = (),
    distance: float | None = None,
) -> pd.DataFrame:
    """One row for every coordinate of ``draws``: ``mean``, interval, ``ess_bulk, ess_tail, r_hat, status``.

    Args:
        draws: draws with dims ``chain, draw`` and those of the rows.
        terms: what is withheld, and the probability of intervals.
        diagnostics: diagnostics of the draws, with the dim ``diagnostic`` in place of ``chain, draw``. Default:
            computed from the draws.
        size: the weight of every row, shape ``(rows,)`` or that of the coordinates; small weights are not checked.
        against: a condition whose failed checks concern every row.
        others: draws of the other readings, the same dims, if the data support several
            (:mod:`simulacra.inference.readings`); the interval then contains those of all, the columns ``reading_lb,
            reading_ub`` are the range of their means, and estimates about which readings disagree are withheld.
        distance: largest difference of means at which they agree. Default: the threshold ``mode_distance``.
    """
    if diagnostics is None:
        diagnostics = convergence(draws.to_dataset(name="draws"), ["draws"])["draws"]
    lower, upper = bounds(terms.ci_prob)
    table = places(draws)
    table["mean"] = draws.mean(("chain", "draw")).to_numpy().ravel()
    quantiles = np.quantile(draws.to_numpy(), ends(terms.ci_prob), axis=(0, 1))
    table[lower], table[upper] = quantiles.reshape(2, -1)
    for name in ("ess_bulk", "ess_tail", "r_hat"):
        table[name] = diagnostics.sel(diagnostic=name).to_numpy().ravel()
    sizes = np.ones(len(table)) if size is None else size.ravel()
    table["status"] = [
        _status({**row, "against": against}, weight, terms)
        for (_, row), weight in zip(table.iterrows(), sizes, strict=True)
    ]
    if others:
        tolerance = terms.thresholds.mode_distance if distance is None else distance
        ranges = compare_readings(draws, others, tolerance, ends(terms.ci_prob))
        table[lower], table[upper] = ranges["lower"], ranges["upper"]
        for name in ("reading_lb", "reading_ub"):
            table.insert(list(table).index("ess_bulk"), name, ranges[name])
        apart = ranges["disagree"] & ~table["status"].str.startswith("withheld")
        table.loc[apart, "status"] = [
            "withheld: readings disagree" + ("" if np.isnan(low) else f", {low:.3f} to {high:.3f}")
            for low, high in zip(ranges["reading_lb"][apart], ranges["reading_ub"][apart], strict=True)
        ]
    return _without_withheld(table, ["mean", lower, upper], terms)


def places(draws: xr.DataArray) -> pd.DataFrame:
    """The coordinates of the draws, one row per estimate.

    Args:
        draws: draws with dims ``chain, draw`` and those of the rows.
    """
    dims = [str(dim) for dim in draws.dims if dim not in ("chain", "draw")]
    if dims == ["group"]:
        return groups_of(draws)
    index = pd.MultiIndex.from_product([draws[dim].to_numpy() for dim in dims], names=dims)
    return index.to_frame(index=False)


def shift_table(readings: Sequence[xr.DataArray], baseline: str, terms: Terms) -> pd.DataFrame:
    """Shifts of weights, eq. (8), with ``p_gt_0`` and ``log_ratio``; see :meth:`simulacra.inference.Result.shifts`.

    Args:
        readings: the weights in every reading, the first first, dims ``(chain, draw, condition, persona)``.
        baseline: the baseline.
        terms: what is withheld.

    ``p_gt_0`` and ``log_ratio``, in nats, are those of the first reading.
    """
    weights = readings[0]
    shifts, *others_shifts = (differences(own, baseline) for own in readings)
    others, base = weights.sel(condition=shifts["condition"]), weights.sel(condition=baseline, drop=True)
    size = np.maximum(others.mean(("chain", "draw")).to_numpy(), base.mean(("chain", "draw")).to_numpy())
    table = summary_table(shifts, terms, size=size, against=baseline, others=others_shifts)
    ratios = log_ratio(others.to_numpy(), base.to_numpy()[:, :, None, :]).mean(axis=(0, 1)).ravel()
    table.insert(5, "p_gt_0", (shifts > 0).mean(("chain", "draw")).to_numpy().ravel())
    table.insert(6, "log_ratio", ratios)
    table.insert(7, "comparisons", len(table))
    return _without_withheld(table, ["p_gt_0", "log_ratio"], terms)


def emission_table(
    readings: Mapping[str, Sequence[xr.DataArray]], diagnostics: Mapping[str, xr.DataArray], terms: Terms
) -> pd.DataFrame:
    """P(category | persona) of every measurement, and of any other quantity in ``readings``, concatenated.

    Draws in every reading have dims ``(chain, draw, persona, ...)``; diagnostics, of the first, have ``diagnostic`` in
    place of the first two.
    """
    parts = []
    for name, (own, *others) in readings.items():
        table = summary_table(own, terms, diagnostics=diagnostics[name], others=others)
        table.insert(0, "measurement", name)
        parts.append(table.rename(columns={f"{name}_category": "category"}))
    nothing = pd.DataFrame(columns=["measurement", "persona", "mean", "status"])
    return pd.concat(parts, ignore_index=True) if parts else nothing


def claims_html(contrasts: pd.DataFrame, baseline: str) -> str:
    """A table of contrasts as HTML for notebooks: the claim and the rate difference of every condition and context."""
    ci_prob = probability_of(contrasts) or CI_PROB
    shown = ("rate_difference", *bounds(ci_prob))
    place = list(map(str, contrasts))[: list(contrasts).index("scope")]
    rows = [
        (
            *(row[name] for name in place),
            row["claim"],
            *("" if np.isnan(row[name]) else f"{100 * row[name]:+.1f}".replace("-", "−") for name in shown),
        )
        for row in contrasts.to_dict("records")
    ]
    heads = (*place, f"claim relative to {baseline}", "percentage points", f"{level(ci_prob)} ETI from", "to")
    return html_table(heads, rows)


def arviz_table(tree: xr.DataTree, names: Sequence[str], ci_prob: float) -> pd.DataFrame:
    """ArviZ's summary of these variables of the posterior, with intervals named as in :func:`bounds`."""
    import arviz_stats

    lower, upper = bounds(ci_prob)
    table = arviz_stats.summary(  # type: ignore[attr-defined, unused-ignore]
        tree,
        var_names=list(names),
        ci_prob=ci_prob,
        ci_kind="eti",
        round_to="none",  # pyright: ignore[reportArgumentType] (its documented value)
    )
    cut = f"eti{int(100 * ci_prob)}"  # ArviZ truncates decimals
    return pd.DataFrame(table).rename(columns={f"{cut}_lb": lower, f"{cut}_ub": upper})


def _without_withheld(table: pd.DataFrame, columns: Sequence[str], terms: Terms) -> pd.DataFrame:
    if terms.withhold:
        table.loc[table["status"].str.startswith("withheld"), list(columns)] = np.nan
    return table


def _status(row: Mapping[Any, Any], weight: float, terms: Terms) -> str:
    """``"ok"``, or why the row is withheld or was not checked."""
    for check in terms.failed:
        of_persona = check.persona in (None, row.get("persona"))
        if of_persona and check.condition in (None, row.get("condition"), row["against"]):
            return f"withheld: {check.name} failed"
    if row.get("persona") in terms.absent:
        return "withheld: hardly any completions are attributed to this persona"
    limits = terms.thresholds
    ess = min(row["ess_bulk"], row["ess_tail"])
    if row["r_hat"] <= limits.r_hat and ess >= limits.ess:
        return "ok"
    if weight < limits.small_weight:
        return f"small: below {limits.small_weight:g}, not checked"
    r_hat = np.ceil(1000 * row["r_hat"]) / 1000  # rounded up, as ESS is rounded down: 1.0104 is above 1.01
    return f"withheld: R-hat {r_hat:.3f}, ESS {grouped(np.floor(ess))}"
