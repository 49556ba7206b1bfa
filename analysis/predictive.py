"""Predicted rates for questions that were not fitted.

The logits of new cells are Gaussian given those of the fitted cells, with which they share the effects of the condition
and of any known question. Effects of new questions are drawn from their prior at the posterior scales, so the interval
is wider than the in-sample one by the variation between questions.

References:
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, eq. (2.19) (conditioning).
"""

import numbers

import numpy as np
import pandas as pd

from simulacra.analysis.checks import expect_passed, expect_result
from simulacra.data import CollapsedLog, CompletionLog, ScannedLog, collapse
from simulacra.data.counting.collapse import expect_log
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.simplex import inverse_ilr
from simulacra.inference.draws import chosen_outcome
from simulacra.inference.posterior import parameters_of
from simulacra.inference.result import Result
from simulacra.inference.tables import CI_PROB, bounds, ends

__all__ = ["predict_rates"]

_RIDGE = 1e-9
_NOTHING = np.finfo(float).tiny  # for a denominator of probability zero; its event has probability zero as well


def predict_rates(
    result: Result,
    log: CompletionLog | ScannedLog | CollapsedLog,
    outcome: Outcome | None = None,
    *,
    num_draws: int = 1000,
    seed: int = 0,
    ci_prob: float = CI_PROB,
) -> pd.DataFrame:
    """Predict the rate of every condition on the questions of another log, and compare it with the observed rate.

    Args:
        result: a fit.
        log: completions of the fitted conditions on held-out (or known) questions. Only its cells and their numbers of
            completions enter the prediction.
        outcome: event and denominator. Default: the outcome of the model.
        num_draws: number of posterior draws used.
        seed: random seed of the prediction.
        ci_prob: probability of both intervals.

    Returns:
        One row per condition: ``condition, events, total, observed, predicted`` (posterior mean of the rate),
        ``eti89_lb, eti89_ub`` (interval of the rate), ``predictive_lb, predictive_ub`` (interval of the rate observed
        in this number of completions, binomial noise included) and ``covered``, whether the observed rate lies within
        the latter; None if the denominator has no completions.

    Raises:
        InputError: a condition that was not fitted; a formula with more than random intercepts; the fit failed its
            checks.
    """
    swapped = "the result comes first: predict_rates(result, log)" if isinstance(log, Result) else None
    expect_result(result, "predict_rates", swapped)
    expect_log(log, "predict_rates")
    for name, value in (("num_draws", num_draws), ("seed", seed)):
        expect_type(value, numbers.Integral, name, "predict_rates", expected="a whole number")
        least = int(name == "num_draws")
        if value < least:
            raise InputError(f"predict_rates: {name} is {value}", expected=f"{least} or more", argument=name)
    outcome = chosen_outcome(outcome, result.prepared)
    expect_passed(result, "predict_rates: rates cannot be predicted", "implied_rates")
    bounds(ci_prob)  # raises before anything is drawn
    collapsed = _collapsed(result, log)
    rng = np.random.default_rng(seed)
    inside, happens = _cell_probabilities(result, collapsed.cells, outcome, num_draws, rng)
    sizes = collapsed.counts.sum(axis=1)
    totals = rng.binomial(sizes, np.clip(inside, 0, 1))
    events = rng.binomial(totals, np.clip(happens / np.maximum(inside, _NOTHING), 0, 1))
    emissions = result.model.emissions
    counted = np.ones(len(collapsed.patterns), dtype=bool)
    if outcome.denominator is not None:
        counted = outcome.denominator.holds(emissions, collapsed.patterns)
    seen = collapsed.counts @ np.stack([outcome.numerator.holds(emissions, collapsed.patterns), counted], axis=1)
    rows = []
    for name in (name for name in result.conditions if name in collapsed.conditions):
        own = (collapsed.cells["condition"] == name).to_numpy()
        rate = (happens[:, own] @ sizes[own]) / np.maximum(inside[:, own] @ sizes[own], _NOTHING)
        shown = events[:, own].sum(axis=1) / np.maximum(totals[:, own].sum(axis=1), 1)
        rows.append(_row(name, rate, shown, ci_prob, *map(int, seen[own].sum(axis=0))))
    return pd.DataFrame(rows)


def _collapsed(result: Result, log: CompletionLog | ScannedLog | CollapsedLog) -> CollapsedLog:
    """The counts of the log; raises if one of its conditions was not fitted."""
    by = tuple(map(str, result.design.cells.columns))
    collapsed = log if isinstance(log, CollapsedLog) else collapse(log, result.model.emissions, by=by)
    unknown = sorted(set(collapsed.conditions) - set(result.conditions))
    if unknown:
        raise InputError(
            f"predict_rates: {', '.join(unknown)} was not fitted; the fitted conditions are "
            f"{', '.join(result.conditions)}",
            remedy="exclude unknown conditions from the log",
            argument="log",
        )
    return collapsed


def _cell_probabilities(
    result: Result, cells: pd.DataFrame, outcome: Outcome, num_draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """P(denominator) and P(event) in new cells, shapes ``(draw, cell)``."""
    model = result.model
    posterior = result.posterior.stack(sample=("chain", "draw")).transpose("sample", ...)  # noqa: PD013 (xarray)
    size = posterior.sizes["sample"]
    posterior = posterior.isel(sample=rng.choice(size, size=min(num_draws, size), replace=False))
    parameters = parameters_of(posterior, result.prepared)
    weights = inverse_ilr(result.design.new_logits(parameters.latents, parameters.scales, cells, rng))
    tables = parameters.probabilities
    happens = (weights @ outcome.numerator.probability(model.emissions, tables)[..., None])[..., 0]
    if outcome.denominator is None:
        return np.ones_like(happens), happens
    return (weights @ outcome.denominator.probability(model.emissions, tables)[..., None])[..., 0], happens


def _row(name: str, rate: np.ndarray, shown: np.ndarray, ci_prob: float, events: int, total: int) -> dict[str, object]:
    least, most = np.quantile(shown, ends(ci_prob))
    observed = events / total if total else float("nan")
    return {
        "condition": name,
        "events": events,
        "total": total,
        "observed": observed,
        "predicted": rate.mean(),
        **dict(zip(bounds(ci_prob), np.quantile(rate, ends(ci_prob)), strict=True)),
        "predictive_lb": least,
        "predictive_ub": most,
        "covered": bool(least <= observed <= most) if total else None,
    }
