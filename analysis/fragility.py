r"""Fragility: the share of a persona shift, or of a rate, that remains after further training.

For an organism that was trained from a base model and then subjected to an intervention, such as further training on
harmless data, the share that is retained is a ratio of two differences,

.. math:: ρ = \frac{r_{after} - r_{base}}{r_{trained} - r_{base}},

where r is a rate, or the weight of a persona. A ratio has no meaningful interval if its denominator may be zero. The
interval is therefore a Fieller-type set: all ρ for which the difference r_after − r_base − ρ (r_trained − r_base) has
an equal-tailed interval that contains zero. If the sign of the shift is certain, this is the equal-tailed interval of
the ratio; if the interval of the shift contains zero, the set is unbounded. A share is given only if the sign of the
shift is as certain as a claim about its direction requires
(:func:`~simulacra.inference.claims.sure_of_sign`). For new questions, the set is extended to that of Fieller's
paired *t* over base questions, as intervals of contrasts are.

An intervention that removes a behaviour may remove other abilities as well. With a capability, any event of the log,
the table has a second axis: the rate of the capability after the intervention divided by that before it.

References:
    Fieller (1954), Some problems in interval estimation, doi:10.1111/j.2517-6161.1954.tb00159.x; Franz (2007), Ratios:
    a short guide to confidence limits and proper use, arXiv:0710.2024.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from simulacra.analysis.checks import expect_result
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.outcomes import Outcome
from simulacra.inference.citation import Citation, cited
from simulacra.inference.claims import sure_of_sign
from simulacra.inference.contrasts import Contrast
from simulacra.inference.groups import Group
from simulacra.inference.rates import Scope, logged_shares, scope_name
from simulacra.inference.result import Result
from simulacra.inference.tables import CI_PROB, bounds, ends

__all__ = ["Fragility", "Ratio", "fragility", "paired_ratio_set", "ratio_set"]


@dataclasses.dataclass(frozen=True)
class Ratio:
    """An estimate of a ratio with its set; all NaN if the set is unbounded.

    Attributes:
        estimate: the ratio that is as likely too small as too large.
        lower: lower end of the set.
        upper: upper end of the set.
    """

    estimate: float
    lower: float
    upper: float

    @property
    def bounded(self) -> bool:
        """Whether the sign of the denominator is certain enough for a ratio."""
        return bool(np.isfinite(self.estimate))


_UNBOUNDED = Ratio(np.nan, np.nan, np.nan)


def ratio_set(part: np.ndarray, whole: np.ndarray, ci_prob: float = CI_PROB) -> Ratio:
    """All ρ for which the equal-tailed interval of part − ρ · whole contains zero.

    Args:
        part: joint draws of the numerator, any shape.
        whole: draws of the denominator, the same shape.
        ci_prob: probability of the interval.

    Raises:
        InputError: draws of different shapes, or a probability outside (0, 1).
    """
    low, high = ends(ci_prob)
    if np.shape(part) != np.shape(whole):
        raise InputError(
            f"ratio_set: part has the shape {np.shape(part)} and whole {np.shape(whole)}",
            expected="joint draws, one of each for every draw",
            argument=("part", "whole"),
        )
    part, whole = np.ravel(part), np.ravel(whole)
    if (whole > 0).mean() < 0.5:
        part, whole = -part, -whole
    if not (whole > 0).mean() > high:
        return _UNBOUNDED
    crossing = whole != 0
    ratios, sign = part[crossing] / whole[crossing], np.sign(whole[crossing])
    order = np.argsort(ratios)
    # the share of draws with part - ρ whole > 0 falls where ρ passes the ratio of a draw with a positive denominator
    above = ((whole > 0).sum() + ((whole == 0) & (part > 0)).sum() - np.cumsum(sign[order])) / len(whole)
    ratios = ratios[order]
    inside = ratios[(above <= high) & (above >= low)]
    return Ratio(float(ratios[(above <= 0.5).argmax()]), float(inside[0]), float(inside[-1]))


def paired_ratio_set(part: np.ndarray, whole: np.ndarray, ci_prob: float = CI_PROB) -> Ratio:
    """Fieller's set of the ratio of two means over base questions, from their paired differences.

    Args:
        part: the difference in the numerator by base question, shape ``(Q,)``.
        whole: that in the denominator, shape ``(Q,)``.
        ci_prob: probability of the interval.
    """
    size = len(part)
    if size < 2:
        return _UNBOUNDED
    covariance = special.stdtrit(size - 1, ends(ci_prob)[1]) ** 2 * np.cov(part, whole) / size
    square = whole.mean() ** 2 - covariance[1, 1]
    if square <= 0:
        return _UNBOUNDED
    centre = (part.mean() * whole.mean() - covariance[0, 1]) / square
    rest = (part.mean() ** 2 - covariance[0, 0]) / square
    half = np.sqrt(max(centre**2 - rest, 0.0))
    return Ratio(float(part.mean() / whole.mean()), float(centre - half), float(centre + half))


@dataclasses.dataclass(frozen=True)
class _Retained:
    """One organism after one intervention."""

    organism: str
    intervention: str
    shift: Contrast
    remains: Contrast
    capability: Contrast | None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Fragility:
    """Organisms and interventions: what remains of a shift, and of a capability.

    Attributes:
        rows: the contrasts of every organism and intervention: ``organism, intervention, shift, remains, capability``.
    """

    rows: tuple[Any, ...]

    def __repr__(self) -> str:
        shown = [
            f"{row['organism']} after {row['intervention']} {row['retained']:.2f}"
            for row in self.table().to_dict("records")
        ]
        return card(
            f"Fragility: shares of shifts that {len(shown)} interventions left",
            f"scope: {self.rows[0].shift.words}",
            f"retained: {listing(shown)}",
            "next: .table(), .cite(organism, intervention)",
        )

    def table(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per organism and intervention.

        Columns ``organism, intervention, scope, shift, shift_lb, shift_ub`` (before the intervention), ``retained,
        eti89_lb, eti89_ub`` (the share of the shift that remains), ``capability, capability_lb, capability_ub`` (the
        rate of the capability after the intervention divided by that before it; NaN if none is given),
        ``comparisons, ess_bulk, ess_tail, r_hat, status``. A share is withheld if the shift may be zero, or if a check
        on which the shift depends failed.

        Raises:
            InputError: a probability outside (0, 1).
        """
        return pd.DataFrame([self._row(own, self._probability(ci_prob)) for own in self.rows])

    def cite(self, organism: str, intervention: str, *, ci_prob: float | None = None) -> Citation:
        """The share that an organism retains after an intervention, with interval, scope and provenance.

        Raises:
            InputError: there is no such row, or the share is withheld (with the reason).
        """
        own = [each for each in self.rows if (each.organism, each.intervention) == (organism, intervention)]
        if not own:
            known = ", ".join(f"{each.organism} after {each.intervention}" for each in self.rows)
            raise InputError(
                f"cite: there is no {organism!r} after {intervention!r}",
                expected=f"one of {known}",
                argument=("organism", "intervention"),
            )
        ci_prob = self._probability(ci_prob)
        row, columns = self._row(own[0], ci_prob), ("retained", *bounds(ci_prob))
        words, provenance = own[0].shift.words, own[0].shift.compared.provenance
        return cited(f"retained[{organism}, {intervention}]", row, columns, words, provenance, probability=ci_prob)

    def _probability(self, ci_prob: float | None) -> float:
        own: Contrast = self.rows[0].shift
        return own.compared.terms.at(ci_prob).ci_prob

    def _row(self, own: _Retained, ci_prob: float) -> dict[Any, Any]:
        lower, upper = bounds(ci_prob)
        parts = [each.table(ci_prob=ci_prob).iloc[0] for each in (own.shift, own.remains)]
        ratio = _retained(own, ci_prob)
        status = next((part["status"] for part in parts if part["status"] != "ok"), "ok")
        if status == "ok" and not ratio.bounded:
            status = "withheld: the shift may be zero, so no share of it can be estimated"
        withheld = status.startswith("withheld")
        capability = _UNBOUNDED if own.capability is None else _capability(own.capability, ci_prob)
        return {
            "organism": own.organism,
            "intervention": own.intervention,
            "scope": scope_name(own.shift.compared.scope),
            "shift": parts[0]["mean"],
            "shift_lb": parts[0][lower],
            "shift_ub": parts[0][upper],
            "retained": np.nan if withheld else ratio.estimate,
            lower: np.nan if withheld else ratio.lower,
            upper: np.nan if withheld else ratio.upper,
            "capability": capability.estimate,
            "capability_lb": capability.lower,
            "capability_ub": capability.upper,
            "comparisons": len(self.rows),
            "ess_bulk": min(part["ess_bulk"] for part in parts),
            "ess_tail": min(part["ess_tail"] for part in parts),
            "r_hat": max(part["r_hat"] for part in parts),
            "status": status,
        }


def fragility(
    result: Result,
    interventions: Mapping[str, Mapping[str, Group]],
    *,
    of: str = "rates",
    persona: str | None = None,
    outcome: Outcome | str | None = None,
    capability: Outcome | str | None = None,
    scope: Scope = "these",
    against: Group | None = None,
) -> Fragility:
    """What remains of the shift of organisms after interventions.

    Args:
        result: a fit with the base model, the organisms, and the organisms after the interventions.
        interventions: for every organism (a condition), the conditions that it became, by the name of the intervention:
            ``{"narrow": {"pirate training": "untargeted"}}``.
        of: ``"rates"`` or ``"weights"``.
        persona: for weights, whose.
        outcome: for rates. Default: the outcome of the model.
        capability: an event whose rate an intervention may reduce, such as ``Outcome("coherent > 50",
            name="coherent")``, or any score of the log above a bin edge. Default: none.
        scope: for rates: these questions, new ones, or a mix, as for ``Result.rates``.
        against: the model before training. Default: the baseline of the fit.

    Raises:
        InputError: no intervention, an intervention that changed nothing, and whatever ``Result.contrast`` raises.

    When not to trust it: an interval says nothing about interventions that were not tried, or about other amounts of
    the same training. A share below zero or above one is possible: the intervention went beyond the base model, or
    strengthened the behaviour. On these questions, intervals are about these questions.
    """
    expect_result(result, "fragility")
    expected = "conditions by organism and intervention, such as {'narrow': {'pirate training': 'untargeted'}}"
    expect_type(interventions, Mapping, "interventions", "fragility", expected=expected)
    base: Group = result.model.baseline if against is None else against
    rows = []
    for organism, after in interventions.items():
        expect_type(after, Mapping, "interventions", "fragility", expected=expected)
        for name, group in after.items():
            shift = result.contrast(organism, base, of=of, persona=persona, scope=scope, outcome=outcome)
            remains = result.contrast(group, base, of=of, persona=persona, scope=scope, outcome=outcome)
            if np.array_equal(shift.coefficients, remains.coefficients):
                found = f"fragility: {organism} after {name} is {organism} itself"
                raise InputError(found, expected="another condition", argument="interventions")
            able = None if capability is None else result.contrast(group, organism, scope=scope, outcome=capability)
            rows.append(_Retained(str(organism), str(name), shift, remains, able))
    if not rows:
        raise InputError("fragility: there are no interventions", expected=expected, argument="interventions")
    return Fragility(tuple(rows))


def _retained(own: _Retained, ci_prob: float) -> Ratio:
    """The share that remains, over all readings and, for new questions, over base questions."""
    compared = own.shift.compared
    if not sure_of_sign(own.shift.draws.to_numpy(), compared.scope):
        return _UNBOUNDED
    sets = [
        ratio_set(_combined(own.remains, draws), _combined(own.shift, draws), ci_prob)
        for draws in (compared.draws, *compared.others)
    ]
    if compared.scope == "new" and compared.rates is not None:
        shares = logged_shares(compared.rates)
        used = (own.shift.coefficients != 0) | (own.remains.coefficients != 0)
        asked = np.isfinite(shares[used]).all(axis=0)
        part, whole = (each.coefficients[used] @ shares[used][:, asked] for each in (own.remains, own.shift))
        sets.append(paired_ratio_set(part, whole, ci_prob))
    if not all(each.bounded for each in sets):
        return _UNBOUNDED
    return Ratio(sets[0].estimate, min(each.lower for each in sets), max(each.upper for each in sets))


def _capability(change: Contrast, ci_prob: float) -> Ratio:
    draws, shares = change.compared.draws, change.coefficients
    return ratio_set(_weighted(draws, np.maximum(shares, 0)), _weighted(draws, np.maximum(-shares, 0)), ci_prob)


def _combined(contrast: Contrast, draws: xr.DataArray) -> np.ndarray:
    return _weighted(draws, contrast.coefficients)


def _weighted(draws: xr.DataArray, shares: np.ndarray) -> np.ndarray:
    used = np.flatnonzero(shares)  # unused groups may have no rate
    return np.asarray(draws.to_numpy()[..., used] @ shares[used])
