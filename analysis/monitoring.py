r"""Monitoring: weights and rates of windows of a deployment, or of new checkpoints, from the emissions of a fit.

A window is a log of completions of one condition. What the personas do is kept from the fit, draw by draw; the weights
of the window are estimated anew, which takes less than a second. For draw s of the emissions f,

.. math:: w \sim \mathrm{Dirichlet}(1/2, …, 1/2), \qquad
    p(\text{window} \mid w) = \prod_y \Big(\sum_z w_z f^{(s)}_z(y)\Big)^{n_y},

eq. (1) with n_y completions of pattern y. The log-likelihood is concave in w; a draw of w is the state of a Gibbs
sampler that alternates between personas and weights, started near the mode. The window therefore does not change
what the personas do, and weights are those of its own completions, whatever questions they answer.

Personas can only explain what they do. The *unexplained share* of a window is that of
:mod:`simulacra.inference.misfit`, and an alarm is raised for behaviour that is more frequent than any weights of the
personas allow. No set of personas is exact: what a bin b of patterns deviates by is learnt from the *reference*, a
condition of the fit. With N and M completions in window and reference, predicted shares e_b and r_b, and a factor λ_b
by which the personas are wrong about the bin in both,

.. math:: λ_b \sim \mathrm{Gamma}(a, a), \quad m_b \sim \mathrm{Poisson}(λ_b M r_b), \quad
    n_b \sim \mathrm{Poisson}(λ_b N e_b),

so that n_b is negative binomial given m_b. A standard deviation of .3 of λ is assumed, a = 1/.3². The p-value of a bin
is the probability of as many as n_b, averaged over draws; that of the window is the smallest over all patterns,
categories of every measurement and the event, times their number (Bonferroni).

Windows are examined one after the other, so that some alarm would be raised sooner or later. The level of window t is
α γ_t with γ_t proportional to t^(-1.6) and Σ γ_t = 1 (alpha spending): over all windows, however many, the probability
of any false alarm is at most α. This holds although all windows share the emissions and the reference.

References:
    Tian & Ramdas (2021), Online control of the familywise error rate, doi:10.1177/0962280220983381 (alpha spending);
    Box (1980), Sampling and Bayes' inference in scientific modelling and robustness,
    doi:10.2307/2982063 (predictive p-values); Diebolt & Robert
    (1994), doi:10.1111/j.2517-6161.1994.tb01985.x (Gibbs sampling of mixture weights).
"""

import dataclasses
import math
import numbers
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from simulacra.analysis.checks import expect_own_categories, expect_result, withheld_emissions
from simulacra.data import CollapsedLog, CompletionLog, ScannedLog, collapse
from simulacra.data.counting.collapse import expect_log
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.formalism.mixture import PersonaMixture, component_probabilities
from simulacra.inference.citation import Citation, cited
from simulacra.inference.known_personas import sample_weights
from simulacra.inference.misfit import described, every_pattern, misfit_of_counts, pattern_bins
from simulacra.inference.result import Result
from simulacra.inference.tables import Terms, bounds, chosen_probability, summary_table

__all__ = ["Monitor", "Window", "update"]

_DRAWS = 1000
_CONCENTRATION = 0.5
_DECAY = 1.6
_WRONG_BY = 0.3
"""Standard deviation of the factor by which personas are wrong about the share of a bin."""
_COUNTED = ("window", "condition", "completions", "new_questions", "events", "total")
_TESTED = ("unexplained", "p_value", "level", "alarm", "excess")
_ALARM = "withheld: behaviour that no persona describes"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Window:
    """One window.

    Attributes:
        name: its name.
        condition: the condition of its completions.
        weights: draws of its persona weights, dims ``(chain, draw, persona)``.
        shifts: the same minus the weights of the reference, dims ``(chain, draw, persona)``.
        rate: draws of the rate of the outcome, dims ``(chain, draw)``; None without an outcome.
        events: completions with the event.
        total: completions in the denominator.
        completions: all completions.
        new_questions: base questions that the fit does not have.
        unexplained: share of the completions that no weights of the personas account for.
        p_value: of behaviour beyond the personas and beyond that of the reference.
        level: the level at which an alarm is raised.
        excess: the bin with the smallest p-value, in words.
        content_hash: SHA-256 of its counts.
        withheld: why ``unexplained`` and ``p_value`` are NaN, and weights withheld: the checks that the emissions of
            the fit failed; empty if they passed.
    """

    name: str
    condition: str
    weights: xr.DataArray
    shifts: xr.DataArray
    rate: xr.DataArray | None
    events: int
    total: int
    completions: int
    new_questions: tuple[str, ...]
    unexplained: float
    p_value: float
    level: float
    excess: str
    content_hash: str
    withheld: str = ""

    @property
    def alarm(self) -> bool:
        """Whether the window shows behaviour that no persona describes; never if that is withheld."""
        return self.p_value <= self.level

    def __repr__(self) -> str:
        return card(
            f"Window {self.name}: {grouped(self.completions)} completions of {self.condition}",
            self.withheld
            or f"unexplained {self.unexplained:.3f}; p = {self.p_value:.2g}, level {self.level:.2g}"
            + ("; alarm" if self.alarm else ""),
            "" if self.withheld else "most frequent beyond the personas:",
            self.excess,
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Monitor:
    """Windows in their order, estimated from the emissions of one fit.

    Attributes:
        result: the fit.
        reference: the condition of the fit that windows are compared with.
        alpha: probability of any false alarm over all windows.
        windows: the windows so far.
    """

    result: Result
    reference: str
    alpha: float
    windows: tuple[Window, ...] = ()

    @property
    def alarms(self) -> tuple[Window, ...]:
        """The windows with an alarm."""
        return tuple(window for window in self.windows if window.alarm)

    def __repr__(self) -> str:
        raised = listing(window.name for window in self.alarms)
        withheld = next((window.withheld for window in self.windows if window.withheld), "")
        return card(
            f"Monitor: {grouped(len(self.windows))} windows, {grouped(len(self.alarms))} alarms",
            f"reference: {self.reference}; any false alarm has a probability of {self.alpha:g} at most",
            f"alarms: {withheld or raised}",
            "next: update(monitor, log), .table(), .weights(), .cite(metric, window)",
        )

    def table(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per window.

        Columns ``window, condition, completions, new_questions`` (how many base questions the fit does not have),
        ``events, total, rate, eti89_lb, eti89_ub`` (of the outcome, on the questions of the window, without personas),
        ``unexplained, p_value, level, alarm``, ``excess`` (the bin of patterns that departs most from the personas) and
        ``status``: ``ok``, or which of ``rate`` and ``alarm`` is withheld because the fit failed a check on which it
        depends. What is withheld is NaN, and NA in the column ``alarm``.

        Raises:
            InputError: a probability outside (0, 1).
        """
        ci_prob = chosen_probability(ci_prob, self.result.ci_prob)
        columns = [*_COUNTED, "rate", *bounds(ci_prob), *_TESTED, "status"]
        table = pd.DataFrame([self._row(window, ci_prob) for window in self.windows], columns=columns)
        return table.astype({"alarm": "boolean"})

    def weights(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per window and persona.

        Columns ``window, persona, mean, eti89_lb, eti89_ub, shift, shift_lb, shift_ub`` (difference from the
        reference), ``ess_bulk, ess_tail, r_hat, status``. Weights of a window with an alarm are withheld, and those
        that the fit withholds for the condition. A shift is also withheld if the fit withholds the weights of the
        reference; ``status`` is that of the weight.

        Raises:
            InputError: a probability outside (0, 1).
        """
        ci_prob = chosen_probability(ci_prob, self.result.ci_prob)
        lower, upper = bounds(ci_prob)
        columns = ["window", "persona", "mean", lower, upper, "shift", "shift_lb", "shift_ub"]
        columns += ["ess_bulk", "ess_tail", "r_hat", "status"]
        parts = [pd.DataFrame(columns=columns)] if not self.windows else []
        for window in self.windows:
            table, shifts = self._summaries(window, ci_prob)
            for name, column in (("shift", "mean"), ("shift_lb", lower), ("shift_ub", upper)):
                table.insert(list(table).index("ess_bulk"), name, shifts[column])
            if window.withheld or window.alarm:
                table["status"] = window.withheld or _ALARM
                table[["mean", lower, upper, "shift", "shift_lb", "shift_ub"]] = np.nan
            parts.append(table.drop(columns="condition").assign(window=window.name))
        return pd.concat(parts, ignore_index=True)[columns]

    def cite(
        self, metric: str, window: str | None = None, persona: str | None = None, *, ci_prob: float | None = None
    ) -> Citation:
        """One estimate of a window, with its interval and provenance.

        Args:
            metric: ``"rate"``, or ``"weight"`` or ``"shift"`` of a persona.
            window: the name of the window.
            persona: the persona.
            ci_prob: probability of the interval.

        Raises:
            InputError: there is no such estimate, or it is withheld (with the reason).
        """
        ci_prob = chosen_probability(ci_prob, self.result.ci_prob)
        names = [own.name for own in self.windows]
        if metric not in ("rate", "weight", "shift") or window not in names or (persona is None) != (metric == "rate"):
            place = "without a window" if window is None else f"in window {window!r}"
            raise InputError(
                f"cite: there is no {metric!r} of {persona or 'the event'} {place}",
                expected=f"'rate', or 'weight' or 'shift' of a persona, in one of {listing(map(repr, names), 300)}",
                argument=("metric", "window", "persona"),
            )
        own, limits = self.windows[names.index(window)], bounds(ci_prob)
        if metric == "rate" and own.rate is not None:
            row, columns = self._summary(own, ci_prob), ("mean", *limits)
            key = f"rate[{window}]"
        else:
            table = self.weights(ci_prob=ci_prob)
            found = table[(table["window"] == window) & (table["persona"] == persona)].to_dict("records")
            if not found:
                expected = "an outcome of the model" if metric == "rate" else f"one of {listing(self.result.personas)}"
                raise InputError(f"cite: there is no {metric} of {persona!r}", expected=expected, argument="persona")
            row, key = found[0], f"{metric}[{window}, {persona}]"
            if metric == "shift" and row["status"] == "ok":
                shifts = self._summaries(own, ci_prob)[1]
                row["status"] = shifts.loc[shifts["persona"] == persona, "status"].iloc[0]
            columns = ("mean", *limits) if metric == "weight" else ("shift", "shift_lb", "shift_ub")
        provenance = dataclasses.replace(self.result.provenance(), data_hash=own.content_hash)
        return cited(key, row, columns, f"on the questions of window {window}", provenance, probability=ci_prob)

    def _summaries(self, window: Window, ci_prob: float) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The tables of the weights of a window and of its shifts from the reference, without its alarm."""
        terms = self._terms("weights", ci_prob)
        weights, shifts = (
            own.expand_dims(condition=[window.condition], axis=2) for own in (window.weights, window.shifts)
        )
        return summary_table(weights, terms), summary_table(shifts, terms, against=self.reference)

    def _row(self, window: Window, ci_prob: float) -> dict[Hashable, Any]:
        lower, upper = bounds(ci_prob)
        rate = self._summary(window, ci_prob)
        reasons = {"rate": str(rate["status"]), "alarm": window.withheld}
        kept = [f"{name} {reason}" for name, reason in reasons.items() if reason.startswith("withheld")]
        return {
            "window": window.name,
            "condition": window.condition,
            "completions": window.completions,
            "new_questions": len(window.new_questions),
            "events": window.events,
            "total": window.total,
            "rate": rate["mean"],
            lower: rate[lower],
            upper: rate[upper],
            "unexplained": window.unexplained,
            "p_value": window.p_value,
            "level": window.level,
            "alarm": None if window.withheld else window.alarm,
            "excess": window.excess,
            "status": "; ".join(kept) or "ok",
        }

    def _summary(self, window: Window, ci_prob: float) -> dict[Hashable, Any]:
        if window.rate is None:
            return {**dict.fromkeys(("mean", *bounds(ci_prob)), np.nan), "status": "ok"}
        own = window.rate.expand_dims(window=[window.name], axis=-1)
        return dict(summary_table(own, self._terms("rates", ci_prob)).iloc[0])

    def _terms(self, quantity: str, ci_prob: float) -> Terms:
        return Terms(self.result.failed, self.result.thresholds, ci_prob).of(quantity)


def update(
    source: Result | Monitor,
    log: CompletionLog | ScannedLog | CollapsedLog,
    *,
    name: str | None = None,
    reference: str | None = None,
    alpha: float | None = None,
    seed: int = 0,
) -> Monitor:
    """Add a window to a fit, or to the windows so far.

    Args:
        source: a fit for the first window; for the following ones, what the previous call returned.
        log: completions of one condition, with the scores of the fit; or their counts, as ``collapse`` returns.
        name: name of the window. Default: ``"window 1"``, ``"window 2"``, …
        reference: for the first window, the condition of the fit that windows are compared with. Default: the condition
            of the window if it was fitted, otherwise the baseline.
        alpha: for the first window, the probability of any false alarm over all windows. Default: 0.05.
        seed: random seed.

    Raises:
        InputError: completions of several conditions, a score that is missing, on another scale or not among the
            categories of the fit, the name of another window, an unknown reference, a probability outside
            (0, 1), a fit with log-likelihoods of texts, without measurements, or with several readings.

    A failed check of the fit withholds what depends on it, with the reason, and nothing else: alarms and weights if
    what the personas do is not warranted, and rates if those of the fit are withheld.

    When not to trust it: an alarm says that something happens more often than the personas and the reference account
    for, not that it is harmful, and no alarm does not exclude behaviour that is rare, or that resembles what a persona
    does. A new judge or prompt format raises alarms too. Completions are treated as independent; many completions of a
    few unusual questions are not, and weights and rates are those of the questions in the window, so compare windows
    with similar questions. ``new_questions`` counts those that the fit does not have.
    """
    expect_log(log, "update")
    expect_type(name, (str, type(None)), "name", "update", expected="a name such as 'week 2'")
    expect_whole(seed, "seed", "update")
    before = source if isinstance(source, Monitor) else None
    if before is not None and (reference is not None or alpha is not None):
        found = "update: reference and alpha are those of the first window"
        raise InputError(found, remedy="leave them out", argument=("reference", "alpha"))
    result = source.result if isinstance(source, Monitor) else source
    expect_result(result, "update")
    _expect_emissions(result)
    window = _collapsed(log, result)
    if len(window.conditions) != 1:
        raise InputError(
            f"update: the window has the conditions {', '.join(window.conditions)}",
            expected="completions of one condition",
            remedy="add one window for each: log.select(condition=...)",
            argument="log",
        )
    monitor = before or _started(result, window.conditions[0], reference, alpha)
    label = name or f"window {len(monitor.windows) + 1}"
    if label in [other.name for other in monitor.windows]:
        raise InputError(f"update: there is already a window {label!r}", argument="name")
    return dataclasses.replace(monitor, windows=(*monitor.windows, _estimated(monitor, window, label, seed)))


def _collapsed(log: CompletionLog | ScannedLog | CollapsedLog, result: Result) -> CollapsedLog:
    """Counts of the patterns of a window by base question."""
    emissions = result.model.emissions
    if not isinstance(log, CollapsedLog):
        return collapse(log, emissions, ("condition", result.collapsed.question_column))
    expect_own_categories(log, result, "update")
    return log


def _expect_emissions(result: Result) -> None:
    """Refuse a fit whose emissions cannot be kept."""
    if result.prepared.texts is not None or not result.model.measurements:
        raise InputError(
            "update: this fit has log-likelihoods of texts or no measurements, so that there are no patterns to count",
            expected="a fit of scores or labels",
            argument="source",
        )
    if len(result.readings()["reading"].unique()) > 1:
        raise InputError(
            "update: the data of this fit support several readings, with different emissions",
            remedy="Result.readings lists them; fit more data, or other personas",
            argument="source",
        )


def _started(result: Result, condition: str, reference: str | None, alpha: float | None) -> Monitor:
    level = 0.05 if alpha is None else alpha
    expect_type(level, numbers.Real, "alpha", "update", expected="a probability such as 0.05")
    if not 0 < level < 1:
        raise InputError(f"update: alpha is {alpha!r}", expected="a probability such as 0.05", argument="alpha")
    chosen = reference or (condition if condition in result.conditions else result.model.baseline)
    if chosen not in result.conditions:
        found = f"update: there is no condition {chosen!r} in the fit"
        raise InputError(found, expected=f"one of {', '.join(result.conditions)}", argument="reference")
    return Monitor(result, chosen, float(level))


def _estimated(monitor: Monitor, window: CollapsedLog, label: str, seed: int) -> Window:
    result, model = monitor.result, monitor.result.model
    rng = np.random.default_rng([seed, 3, len(monitor.windows)])
    posterior = _thinned(result.posterior)
    shape = posterior["weights"].shape[:2]
    tables = [_flat(posterior[f"{name}_probs"]) for name in model.measurements]
    patterns, counts = _counted(monitor, window)
    components = component_probabilities(tables, patterns)
    weights = sample_weights(counts[0], components, rng, concentration=_CONCENTRATION)
    base = _flat(posterior["weights"].sel(condition=monitor.reference))
    predicted = np.stack([(own[:, None] @ components)[:, 0] for own in (weights, base)], axis=1)
    withheld = next(iter(withheld_emissions(result).values()), "")
    p_value, excess = _departure(result.model, patterns, counts, predicted)
    dims, coords = ("chain", "draw", "persona"), {"persona": posterior["persona"].to_numpy()}
    events, total, rate = _rate(monitor, window, shape, rng)
    return Window(
        name=label,
        condition=str(window.conditions[0]),
        weights=xr.DataArray(weights.reshape(*shape, -1), dims=dims, coords=coords),
        shifts=xr.DataArray((weights - base).reshape(*shape, -1), dims=dims, coords=coords),
        rate=rate,
        events=events,
        total=total,
        completions=int(counts[0].sum()),
        new_questions=tuple(sorted(set(window.base_questions) - set(result.prepared.logged_questions[1]))),
        unexplained=np.nan if withheld else misfit_of_counts(counts[0], predicted[:, 0], rng)[0],
        p_value=np.nan if withheld else p_value,
        level=monitor.alpha * (len(monitor.windows) + 1) ** -_DECAY / float(special.zeta(_DECAY)),
        excess="" if withheld else excess,
        content_hash=window.content_hash,
        withheld=withheld,
    )


def _thinned(posterior: xr.Dataset) -> xr.Dataset:
    """Draws at equal distances in every chain, about a thousand."""
    each = max(_DRAWS // posterior.sizes["chain"], 1)
    kept = np.unique(np.linspace(0, posterior.sizes["draw"] - 1, each).astype(int))
    return posterior.isel(draw=kept)


def _flat(draws: xr.DataArray) -> np.ndarray:
    values = draws.to_numpy()
    return values.reshape(-1, *values.shape[2:])


def _counted(monitor: Monitor, window: CollapsedLog) -> tuple[np.ndarray, np.ndarray]:
    """Patterns of window and reference, shape ``(P, measurements)``, and their counts in both, shape ``(2, P)``."""
    prepared = monitor.result.prepared
    row = prepared.conditions.index(monitor.reference)
    reference = (prepared.in_condition[row] @ prepared.counts)[None]
    own = np.asarray(window.counts).sum(axis=0)[None]
    patterns, place = np.unique(np.concatenate([window.patterns, prepared.patterns]), axis=0, return_inverse=True)
    counts = np.zeros((2, len(patterns)))
    counts[0, place[: own.shape[1]]], counts[1, place[own.shape[1] :]] = own, reference
    return every_pattern(prepared.model.emissions, patterns, counts)


def _departure(
    model: PersonaMixture, patterns: np.ndarray, counts: np.ndarray, predicted: np.ndarray
) -> tuple[float, str]:
    """The p-value of the window, and the bin with the smallest in words.

    Args:
        model: emissions and outcome.
        patterns: P patterns.
        counts: of window and reference, shape ``(2, P)``.
        predicted: shares of patterns in both, shape ``(S, 2, P)``.
    """
    names = [f"{own.measurement} {category}" for own in model.emissions for category in own.categories]
    names += [] if model.outcome is None else [model.outcome.name, f"not {model.outcome.name}"]
    wider = np.concatenate(pattern_bins(model.emissions, model.outcome, patterns), axis=1)
    observed, shares = (np.concatenate([own, own @ wider], axis=-1) for own in (counts, predicted))
    logged = np.flatnonzero(observed.sum(axis=0))
    observed, shares = observed[:, logged], shares[..., logged]
    expected = shares * counts.sum(axis=1)[:, None]
    known = _WRONG_BY**-2
    part = expected[:, 0] / (expected.sum(axis=1) + known)
    # the tail of a negative binomial
    tails = np.where(observed[0] > 0, special.betainc(np.maximum(observed[0], 1), observed[1] + known, part), 1.0)
    own = tails.mean(axis=0)
    least = int(own.argmin())
    place = int(logged[least])
    name = described(model.emissions, patterns[place]) if place < len(patterns) else names[place - len(patterns)]
    text = f"{name}: {observed[0, least]:.0f} of {counts[0].sum():.0f}, {expected[:, 0, least].mean():.1f} expected"
    return float(min(own[least] * _number_of_bins(model), 1.0)), text


def _number_of_bins(model: PersonaMixture) -> int:
    """All bins that a window might have completions in, whether or not it has."""
    sizes = [len(emission.categories) for emission in model.emissions]
    return math.prod(sizes) + sum(sizes) + (0 if model.outcome is None else 2)


def _rate(
    monitor: Monitor, window: CollapsedLog, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[int, int, xr.DataArray | None]:
    """Events, denominator, and draws of the rate, Beta(events + 1/2, others + 1/2)."""
    model = monitor.result.model
    if model.outcome is None:
        return 0, 0, None
    patterns, counts = np.asarray(window.patterns), np.asarray(window.counts).sum(axis=0)
    holds, inside = model.outcome.numerator, model.outcome.denominator
    events = int(counts[holds.holds(model.emissions, patterns)].sum())
    total = int(counts.sum() if inside is None else counts[inside.holds(model.emissions, patterns)].sum())
    if total == 0:
        return events, total, None
    draws = rng.beta(events + _CONCENTRATION, total - events + _CONCENTRATION, size=shape)
    return events, total, xr.DataArray(draws, dims=("chain", "draw"))
