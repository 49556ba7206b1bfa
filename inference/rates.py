"""Rates of an outcome: observed, with an interval clustered by base question, and implied by the mixture, eq. (7).

The observed rate is the estimate of the rate. The implied rate decomposes it into personas and checks the model: if the
two differ, the personas do not account for the logged rate.

References:
    Korn & Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data, Survey Methodology 24:193-201.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from simulacra.formalism.outcomes import Outcome
from simulacra.inference.prepare import Prepared

__all__ = ["ObservedRate", "clustered_rate", "implied_rates", "judged_shares", "observed_rates"]


class ObservedRate(NamedTuple):
    """Counts and interval of one condition.

    Attributes:
        events: completions for which the outcome happened.
        total: completions in the denominator.
        lower: lower end of the interval.
        upper: upper end.
    """

    events: int
    total: int
    lower: float
    upper: float

    @property
    def rate(self) -> float:
        """Events / total; NaN if the denominator is empty."""
        return self.events / self.total if self.total else float("nan")


def observed_rates(prepared: Prepared, outcome: Outcome, *, probability: float = 0.89) -> dict[str, ObservedRate]:
    """Observed rate of every condition with a Korn-Graubard interval clustered by base question.

    Args:
        prepared: the counts.
        outcome: event and denominator.
        probability: confidence level.

    Returns:
        Rates by condition. The interval is an exact binomial interval at the effective sample size implied by the
        variance between base questions. With a single base question it is binomial and too narrow. If no completion or
        every completion is an event, the variance is zero and the nominal sample size is used, as in Korn and Graubard.
    """
    event = outcome.numerator.holds(prepared.model.emissions, prepared.patterns)
    inside = (
        np.ones(len(prepared.patterns), dtype=bool)
        if outcome.denominator is None
        else outcome.denominator.holds(prepared.model.emissions, prepared.patterns)
    )
    table = pd.DataFrame(
        {
            "condition": prepared.condition,
            "cluster": prepared.base_question,
            "events": prepared.counts @ event,
            "total": prepared.counts @ inside,
        }
    )
    rates = {}
    for index, name in enumerate(prepared.conditions):
        clusters = table[table["condition"] == index].groupby("cluster")[["events", "total"]].sum()
        clusters = clusters[clusters["total"] > 0]
        rates[name] = clustered_rate(clusters["events"].to_numpy(), clusters["total"].to_numpy(), probability)
    return rates


def clustered_rate(events: np.ndarray, total: np.ndarray, probability: float) -> ObservedRate:
    """Rate with a Korn-Graubard interval, from the events and totals of clusters, each of shape ``(clusters,)``.

    NaN if the totals are zero; ``probability`` is the confidence level.
    """
    count, size, clusters = float(events.sum()), float(total.sum()), len(total)
    if size == 0:
        return ObservedRate(0, 0, float("nan"), float("nan"))
    rate = count / size
    effective = size
    if clusters > 1 and 0 < rate < 1:
        variance = clusters / (clusters - 1) * ((events - rate * total) ** 2).sum() / size**2
        tail = (1 + probability) / 2
        widen = stats.t.ppf(tail, max(size - 1, 1)) / stats.t.ppf(tail, clusters - 1)
        if variance > 0:
            effective = min(size, rate * (1 - rate) / variance * widen**2)
    alpha = (1 - probability) / 2
    successes, failures = rate * effective, (1 - rate) * effective
    lower = float(stats.beta.ppf(alpha, successes, failures + 1)) if count > 0 else 0.0
    upper = float(stats.beta.ppf(1 - alpha, successes + 1, failures)) if count < size else 1.0
    return ObservedRate(round(count), round(size), lower, upper)


def judged_shares(prepared: Prepared, outcome: Outcome) -> np.ndarray:
    """Proportion of the completions of every condition that can show the event of the outcome, shape ``(M,)``.

    See :attr:`~simulacra.formalism.outcomes.Outcome.judged`. The proportion is of all completions, regardless of the
    denominator of the outcome.
    """
    if outcome.judged is None:
        return np.ones(len(prepared.conditions))
    judged = outcome.judged.holds(prepared.model.emissions, prepared.patterns)
    by_pattern = prepared.in_condition @ prepared.counts
    return np.asarray(by_pattern @ judged / by_pattern.sum(axis=1))


def implied_rates(
    prepared: Prepared, outcome: Outcome, cell_weights: np.ndarray, probabilities: tuple[np.ndarray, ...]
) -> np.ndarray:
    """r_m = Σ_z w_z(m) μ_z for every draw and condition, eq. (7); conditional on the denominator.

    Args:
        prepared: model and data of the fit.
        outcome: event and denominator.
        cell_weights: weights of every condition averaged over its completions, shape ``(..., M, K)``.
        probabilities: emission probabilities, shapes ``(..., K, J)``.

    Returns:
        Probabilities, shape ``(..., M)``.
    """
    emissions = prepared.model.emissions
    happens = outcome.numerator.probability(emissions, probabilities)
    rate = np.einsum("...mk,...k->...m", cell_weights, happens)
    if outcome.denominator is None:
        return rate
    inside = outcome.denominator.probability(emissions, probabilities)
    return rate / np.einsum("...mk,...k->...m", cell_weights, inside)
