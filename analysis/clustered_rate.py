"""A proportion with an interval that is clustered, for example by conversation or question.

References:
    Korn & Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data, Survey Methodology 24:193-201.
"""

from typing import NamedTuple

import numpy as np
import scipy  # loads scipy.stats when it is used

__all__ = ["ClusteredRate", "clustered_rate"]


class ClusteredRate(NamedTuple):
    """Counts and interval.

    Attributes:
        events: completions with the event.
        total: completions.
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


def clustered_rate(events: np.ndarray, total: np.ndarray, probability: float) -> ClusteredRate:
    """Rate with a Korn-Graubard interval, from the events and totals of clusters, each of shape ``(clusters,)``.

    NaN if the totals are zero; ``probability`` is the confidence level.
    """
    count, size, clusters = float(events.sum()), float(total.sum()), len(total)
    if size == 0:
        return ClusteredRate(0, 0, float("nan"), float("nan"))
    rate = count / size
    effective = size
    if clusters > 1 and 0 < rate < 1:
        variance = clusters / (clusters - 1) * ((events - rate * total) ** 2).sum() / size**2
        tail = (1 + probability) / 2
        widen = scipy.stats.t.ppf(tail, max(size - 1, 1)) / scipy.stats.t.ppf(tail, clusters - 1)
        if variance > 0:
            effective = min(size, rate * (1 - rate) / variance * widen**2)
    alpha = (1 - probability) / 2
    successes, failures = rate * effective, (1 - rate) * effective
    lower = float(scipy.stats.beta.ppf(alpha, successes, failures + 1)) if count > 0 else 0.0
    upper = float(scipy.stats.beta.ppf(1 - alpha, successes + 1, failures)) if count < size else 1.0
    return ClusteredRate(round(count), round(size), lower, upper)
