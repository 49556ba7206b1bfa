"""Claims about a difference of rates: which of them its posterior supports, for these questions and for new ones.

A direction is claimed where the interval leaves the region of practical equivalence and the sign is nearly certain
(:func:`~simulacra.formalism.shifts.claim`). For new questions the base questions are the sample, so their number, and
what they say by themselves, must support the claim as well.

References:
    Cameron, Gelbach & Miller (2008), Bootstrap-based improvements for inference with clustered errors,
    doi:10.1162/rest.90.3.414 (few clusters).
"""

import numpy as np
import scipy  # loads scipy.stats when it is used
import xarray as xr

from simulacra.formalism.shifts import claim, sign_probability
from simulacra.inference.rates import Scope, logged_shares
from simulacra.inference.tables import ends

__all__ = [
    "SHOWN",
    "claim_for_new",
    "extended_interval",
    "paired_interval",
    "shows_event",
    "signs_agree",
    "supported",
    "sure_of_sign",
]

SHOWN = 0.01
"""Proportion of its completions above which a group shows the event. It does not depend on the region of practical
equivalence, so that the interval of a difference does not either."""
_FEW_QUESTIONS = 4
"""Base questions below which nothing is claimed about new ones."""
_ENOUGH_QUESTIONS = 32
"""Base questions below which new ones are not claimed to be equivalent: too large a part of their kind is unseen."""
_SURE, _SURE_OF_NEW = 0.995, 0.99
"""Least probability of the sign for a claim about a direction. Without a difference, 2% of comparisons at most lead to
one; intervals for new questions are wider than they need to be, so a smaller probability suffices."""
_MANY_QUESTIONS = 20
"""Base questions from which the interval for new ones is extended to that of a paired t-test in any case."""
_DISAGREE = 0.02
"""Proportion of logs without a difference whose base questions are taken to agree in its sign."""
_CHANGES = 4096  # of signs: all of them up to 12 questions


def supported(
    draws: np.ndarray,
    limits: np.ndarray,
    coefficients: np.ndarray,
    rates: xr.Dataset | None,
    scope: Scope,
    rope: float | int,
    ci_prob: float,
) -> tuple[np.ndarray, list[str]]:
    """Intervals of R contrasts of rates, shape ``(R, 2)``, and the claims that they support.

    For new questions, intervals are extended and claims need the support of base questions (:func:`claim_for_new`). For
    these questions, what is claimed also holds if the groups are compared in the same proportions of the questions that
    all were asked: groups that behave alike differ in their rates if one has more completions of a question that shows
    the event often.

    Args:
        draws: draws of the contrasts, shape ``(chain, draw, R)``; without a nearly certain sign, no direction is
            claimed.
        limits: intervals of the rate model, shape ``(R, 2)``.
        coefficients: the coefficient of every group, shape ``(R, G)``.
        rates: posterior of the rate model, with its counts; not used for a mix.
        scope: the scope of the rates.
        rope: half-width of the region of practical equivalence.
        ci_prob: probability of the intervals.

    Raises:
        InputError: ``rope`` is negative.
    """
    sure = sure_of_sign(draws, scope).tolist()
    if scope != "new" or rates is None:
        each = zip(limits.tolist(), sure, strict=True)
        claims: list[str] = [claim(lower, upper, rope=rope, sure=own) for (lower, upper), own in each]
        alike = _in_same_proportions(coefficients, rates) if scope == "these" and rates is not None else {}
        for row, own in alike.items():
            lower, upper = np.quantile(own, ends(ci_prob)).tolist()
            same = claim(lower, upper, rope=rope, sure=bool(sure_of_sign(own, scope)))
            claims[row] = claims[row] if claims[row] == same else "undecided"
        return limits, claims
    limits, shares, shows = limits.copy(), logged_shares(rates), shows_event(rates)
    claims = []
    for row, own in enumerate(coefficients):
        used = own != 0
        limits[row], said = claim_for_new(
            tuple(limits[row].tolist()),
            own[used] @ shares[used],
            sure=sure[row],
            reduced=bool((shows & (own < 0)).any()),
            rope=rope,
            ci_prob=ci_prob,
        )
        claims.append(said)
    return limits, claims


def claim_for_new(
    interval: tuple[float, float],
    difference: np.ndarray,
    *,
    sure: bool,
    reduced: bool,
    rope: float | int,
    ci_prob: float,
) -> tuple[tuple[float, float], str]:
    """The interval of one difference for new questions, and the claim that it supports.

    Args:
        interval: that of the rate model.
        difference: the difference of logged shares by base question, shape ``(Q,)``; NaN if a group was not asked it.
        sure: whether the sign is nearly certain under the rate model (:func:`sure_of_sign`).
        reduced: whether a group that is subtracted shows the event (:func:`shows_event`). Then base questions must
            agree about a direction (:func:`signs_agree`).
        rope: half-width of the region of practical equivalence.
        ci_prob: probability of the interval.

    Raises:
        InputError: ``rope`` is negative.
    """
    lower, upper = extended_interval(interval, difference, ci_prob, reduced=reduced)
    said = claim(lower, upper, rope=rope, sure=sure and (not reduced or signs_agree(difference)))
    enough = np.isfinite(difference).sum() >= (_ENOUGH_QUESTIONS if said == "equivalent" else _FEW_QUESTIONS)
    return (lower, upper), said if enough else "undecided"


def _in_same_proportions(coefficients: np.ndarray, rates: xr.Dataset) -> dict[int, np.ndarray]:
    """Draws ``(chain, draw)`` of the contrasts whose groups differ in the proportions of their questions, by row.

    All groups of a contrast have the mean of their proportions, of the questions that all were asked.
    """
    totals = rates["totals"].transpose("group", "base_question").to_numpy()
    found: dict[int, np.ndarray] = {}
    for row, own in enumerate(coefficients):
        used = np.flatnonzero(own)
        common = (totals[used] > 0).all(axis=0)
        shares = totals[used] / np.maximum(totals[used].sum(axis=1, keepdims=True), 1)
        if common.any() and not np.allclose(shares, shares[0]):
            shared = shares[:, common].mean(axis=0)
            logits = rates["logits"].transpose("group", "chain", "draw", "base_question")[used].to_numpy()[..., common]
            found[row] = np.einsum("gcdq,q,g->cd", scipy.special.expit(logits), shared / shared.sum(), own[used])
    return found


def sure_of_sign(draws: np.ndarray, scope: Scope) -> np.ndarray:
    """Whether the sign of a difference is certain enough for a claim about its direction.

    Args:
        draws: draws of the difference, shape ``(chain, draw, ...)``.
        scope: the scope of the rates.
    """
    return np.asarray(sign_probability(draws, axis=(0, 1)) >= (_SURE_OF_NEW if scope == "new" else _SURE))


def extended_interval(
    interval: tuple[float, float], difference: np.ndarray, ci_prob: float, *, reduced: bool
) -> tuple[float, float]:
    """The interval of a difference for new questions, extended to that of a paired t-test over base questions.

    It is extended in two cases. If a group that is subtracted shows the event (:func:`shows_event`), questions can
    disagree in the sign of the difference, which the rate model describes badly. With 20 base questions or more, the
    t-test no longer needs normal differences, and protects against tails that are heavier than the model's.

    Args:
        interval: that of the rate model.
        difference: the difference of logged shares by base question, shape ``(Q,)``; NaN if a group was not asked it.
        ci_prob: probability of the interval.
        reduced: whether a group that is subtracted shows the event.
    """
    asked = difference[np.isfinite(difference)]
    if not reduced and len(asked) < _MANY_QUESTIONS:
        return interval
    paired = paired_interval(asked, ci_prob)
    return interval if paired is None else (min(interval[0], paired[0]), max(interval[1], paired[1]))


def shows_event(rates: xr.Dataset) -> np.ndarray:
    """Whether each group shows the event in a larger proportion of its completions than :data:`SHOWN`, ``(G,)``."""
    events, totals = (rates[name].sum("base_question").to_numpy() for name in ("events", "totals"))
    return np.asarray(events > SHOWN * totals)


def paired_interval(difference: np.ndarray, ci_prob: float) -> tuple[float, float] | None:
    """The interval of a paired t-test for the mean of differences, shape ``(Q,)``; ``None`` if they do not vary."""
    if len(difference) < 2 or np.ptp(difference) == 0:
        return None
    sem = scipy.stats.sem(difference)
    lower, upper = scipy.stats.t.interval(ci_prob, len(difference) - 1, difference.mean(), sem)
    return float(lower), float(upper)


def signs_agree(difference: np.ndarray) -> bool:
    """Whether base questions agree in the sign of a difference, by a randomization test of its mean at 2%.

    If it is as likely to be positive as to be negative on every question, whatever its size, all changes of its signs
    are equally likely, and the mean is among the 2% that are farthest from zero in 2% of logs at most. It can only be
    with seven questions or more on which there is a difference. A few questions of the kind with large differences that
    none of the logged ones shows are not noticed.

    Args:
        difference: the difference of logged shares by base question, shape ``(Q,)``; NaN if a group was not asked it.

    References:
        Ernst (2004), Permutation methods: a basis for exact inference, doi:10.1214/088342304000000396.
    """
    differing = difference[np.isfinite(difference) & (difference != 0)]
    if 0.5 ** (len(differing) - 1) > _DISAGREE:
        return False
    found = scipy.stats.permutation_test(
        (differing,), np.mean, permutation_type="samples", n_resamples=_CHANGES, random_state=0
    )
    return bool(found.pvalue <= _DISAGREE)
