r"""Selection or conduct, without known personas: is the difference of two conditions a reweighting of the personas?

If fine-tuning only moves the weights of personas (*selection*), the distributions over patterns of measurements in two
conditions differ by a combination of the same emissions,

.. math:: p_m(y) - p_0(y) = \sum_z (w_{zm} - w_{z0})\, p(y \mid z),

whose coefficients sum to zero. What of the logged difference has no such form is *conduct*: what a persona does has
changed (or a persona that the model lacks is there, or the judge has changed). Both conditions are compared with what
the fit predicts for them, so whatever the model describes equally badly in both cancels; what is left is compared with
that of replicated logs of the same sizes. Unlike tilts of emissions, this needs no bound on how personas may change,
and unlike :func:`~simulacra.analysis.conduct`, no completions of known personas.

The statistic is Pearson's, :math:`T = \sum_b d_b^2 / v_b` over the categories of every measurement and the event of the
outcome: d is the logged minus the predicted difference of shares, less the combination of mean emissions that is
nearest to it, and v the sum over conditions of predicted share / completions. The data are used twice, to fit and to
compare, which makes its p-value conservative.

References:
    Gelman, Meng & Stern (1996), Posterior predictive assessment of model fitness via realized discrepancies,
    Statistica Sinica 6:733-807; Box & Tiao (1973), Bayesian Inference in Statistical Analysis,
    doi:10.1002/9781118033197, section 2.8 (whether a region of highest density contains a point); Saerens, Latinne &
    Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities,
    doi:10.1162/089976602753284446 (shifts of weights with components that stay the same).
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats when it is used
import xarray as xr

from simulacra.analysis.checks import expect_result
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.formalism.mixture import component_probabilities
from simulacra.formalism.shifts import total_variation
from simulacra.inference.contrasts import Contrast
from simulacra.inference.draws import group_weights
from simulacra.inference.groups import Group, mean_label
from simulacra.inference.misfit import MOST_PATTERNS, every_pattern, in_points, pattern_bins
from simulacra.inference.rates import baseline_pairs
from simulacra.inference.result import Result
from simulacra.inference.tables import Terms, bounds, level, summary_table

__all__ = ["LEVEL", "Reweighting", "reweighting"]

LEVEL = 0.01
"""Probability, in a comparison without any difference, of each of the verdicts *selection* and *conduct*."""
_REPLICATES = 1000
_LEAST_EXPECTED = 0.5
_EQUAL = 1e-9  # numbers that are equal differ by rounding
_ADAPTABLE = "weights moved, but with so few conditions emissions can adapt and hide a change of conduct"
_OWN_CHECK = "unexplained share"  # it withholds the weights of a condition for what is examined here


class _Residual(NamedTuple):
    """What no reweighting accounts for in one comparison.

    Attributes:
        share: the share of completions in which the difference is no reweighting, beyond chance.
        noticeable: the share that replicated logs exceed with probability :data:`LEVEL`.
        p_value: proportion of replicated logs that deviate as much.
        rest: the part of the logged difference of the share of every pattern, shape ``(P,)``.
    """

    share: float
    noticeable: float
    p_value: float
    rest: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Compared:
    """One comparison: its weights in every reading, the first first, and what is left.

    Attributes:
        contrast: the contrast of the first persona's weight, for scope and groups.
        moved: draws of the difference of weights, shapes ``(chain, draw, K)``.
        residual: what no reweighting accounts for.
        most_changed: the pattern with the largest difference that is not predicted, for display.
        withheld: why there is no estimate; empty if there is one.
    """

    contrast: Contrast
    moved: Sequence[np.ndarray]
    residual: _Residual
    most_changed: str
    withheld: str


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reweighting:
    """Whether differences between conditions are reweightings of the personas. Returned by :func:`reweighting`.

    Attributes:
        comparisons: what was compared, by name, such as ``"narrow − base"``.
        adaptable: whether there are so few conditions that emissions can adapt to each, and hide a change of conduct.
        terms: thresholds of the diagnostics.
        data_hash: SHA-256 of the counts.
        version: version of simulacra that fitted the model.
    """

    comparisons: dict[str, Any]
    adaptable: bool
    terms: Terms
    data_hash: str
    version: str

    def table(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per comparison.

        Columns ``comparison, scope, questions, asked`` (base questions that all of its conditions were asked, and that
        any was); ``unexplained``, the total variation between the logged difference and the predicted one beyond what
        replicated logs show by chance, a share of the completions; ``noticeable``, which one in a hundred replicated
        logs exceeds by chance; ``p_conduct``, the proportion of replicated logs that deviate as much from a
        reweighting; ``most_changed``, the pattern with the largest difference that is not predicted;
        ``total_variation`` of the weights with its interval, ``eti89_lb, eti89_ub``; ``p_selection``, the probability
        outside of the smallest region of highest density that contains equal weights, in a normal approximation;
        ``verdict``; ``comparisons``, the number of rows; and ``ess_bulk, ess_tail, r_hat, status``.

        The verdict is ``conduct`` if ``p_conduct`` is at most .01: no reweighting of these personas accounts for the
        difference, whether or not weights moved as well, and ``total_variation`` may be part of the same change. It
        is ``selection`` if only ``p_selection`` is and there are more conditions than personas, and otherwise
        ``undecided``. Each is that of its comparison alone.

        Raises:
            InputError: a probability outside (0, 1).
        """
        rows = [self._row(name, own, self.terms.at(ci_prob)) for name, own in self.comparisons.items()]
        return pd.DataFrame(rows)

    def cite(self, comparison: str, *, ci_prob: float | None = None) -> str:
        """One comparison in one line, with scope and provenance; ``"ft - base"`` is understood as ``"ft − base"``.

        Raises:
            InputError: there is no such comparison, or it is withheld (with the reason).
        """
        expect_type(comparison, str, "comparison", "cite", expected=f"one of {listing(self.comparisons, 300)}")
        comparison = comparison.replace(" - ", " − ")
        if comparison not in self.comparisons:
            known = listing(self.comparisons, 300)
            raise InputError(f"cite: there is no {comparison!r}", expected=f"one of {known}", argument="comparison")
        terms, own = self.terms.at(ci_prob), self.comparisons[comparison]
        row = self._row(comparison, own, terms)
        if row["verdict"] == "withheld":
            raise InputError(f"{comparison} is {row['status']}")
        shown = "–".join(f"{row[name]:.3f}" for name in bounds(terms.ci_prob))
        family = f"; one of {row['comparisons']} comparisons" if row["comparisons"] > 1 else ""
        return (
            f"{comparison}: {row['verdict']} {own.contrast.words} (total variation of weights "
            f"{row['total_variation']:.3f}, {level(terms.ci_prob)} ETI {shown}, p {_shown(row['p_selection'])}; share "
            f"that no reweighting accounts for {row['unexplained']:.3f}, p {_shown(row['p_conduct'])}{family}; "
            f"simulacra {self.version}, data {self.data_hash[:8]}…)"
        )

    def __repr__(self) -> str:
        table = self.table()
        said = table["comparison"].groupby(table["verdict"], sort=False).agg(list)
        return card(
            f"Reweighting: {len(table)} comparisons",
            *(f"{verdict}: {listing(names)}" for verdict, names in said.items()),
            "next: .table(), .cite(comparison)",
        )

    def _row(self, name: str, own: _Compared, terms: Terms) -> dict[Any, Any]:
        first, residual = own.contrast, own.residual
        distance, *others = (_distance(moved).expand_dims(comparison=[name], axis=-1) for moved in own.moved)
        free = [moved[..., :-1] for moved in own.moved]  # the last weight follows from the others
        p_selection = max(_joint_tail(moved.reshape(-1, moved.shape[-1])) for moved in free)
        summary = summary_table(distance, terms, others=others).iloc[0].to_dict()
        if float(distance.max()) < _EQUAL:  # the formula gives both sides the same weights
            summary |= {"mean": 0.0, **dict.fromkeys(bounds(terms.ci_prob), 0.0), "status": "ok"}
        status = f"withheld: {own.withheld}" if own.withheld else summary["status"]
        verdict = "selection" if p_selection <= LEVEL else "undecided"
        if verdict == "selection" and self.adaptable:
            verdict, status = "undecided", _ADAPTABLE if status == "ok" else status
        verdict = "conduct" if residual.p_value <= LEVEL else verdict
        weights = first.table().iloc[0]
        row = {
            "comparison": name,
            **{column: weights[column] for column in ("scope", "questions", "asked")},
            "unexplained": residual.share,
            "noticeable": residual.noticeable,
            "p_conduct": residual.p_value,
            "most_changed": own.most_changed,
            "total_variation": summary["mean"],
            **{column: summary[column] for column in bounds(terms.ci_prob)},
            "p_selection": p_selection,
            "verdict": verdict,
            "comparisons": len(self.comparisons),
            **{column: summary[column] for column in ("ess_bulk", "ess_tail", "r_hat")},
            "status": status,
        }
        if status.startswith("withheld"):
            hidden = (
                "unexplained",
                "noticeable",
                "p_conduct",
                "total_variation",
                *bounds(terms.ci_prob),
                "p_selection",
            )
            row |= {**dict.fromkeys(hidden, np.nan), "most_changed": "", "verdict": "withheld"}
        return row


def reweighting(
    result: Result, comparisons: Sequence[tuple[Group, Group]] | None = None, *, seed: int = 0
) -> Reweighting:
    """Whether conditions differ in the weights of personas only (selection), or in what personas do (conduct).

    Args:
        result: a fit of measurements.
        comparisons: pairs of groups as for :meth:`Result.contrast <simulacra.inference.Result.contrast>`, such as
            ``[("ft, trigger=on", "ft, trigger=off")]``. Default: every other condition and the baseline, in the same
            context.
        seed: random seed of the replicated logs.

    Raises:
        InputError: a model without measurements, or with more than 4096 combinations of categories; no comparison, and
            whatever ``Result.contrast`` raises.

    When not to trust it: a change of conduct in a direction in which weights could have moved cannot be distinguished
    from selection, and most changes have such a part; *selection* means that a reweighting suffices. It is about any
    difference of weights, however small, and no claim about a rate; ``Result.contrasts`` makes those. *Conduct* may
    also be a persona that the model lacks, or another use of the judge's scale in one of the conditions, so compare a
    benign fine-tune as well. Where conditions were asked different questions, what personas do on them may differ. If
    there are no more conditions than personas, emissions can adapt to each condition and hide a change of conduct:
    *selection* is then not stated. Completions of known personas (:func:`~simulacra.analysis.conduct`) decide more.
    """
    expect_result(result, "reweighting")
    prepared = result.prepared
    sizes = [len(emission.categories) for emission in result.model.emissions]
    if not sizes or math.prod(sizes) > MOST_PATTERNS:
        raise InputError(
            f"reweighting: {grouped(math.prod(sizes)) if sizes else 'no'} combinations of categories of measurements",
            expected=f"at least one measurement, and at most {grouped(MOST_PATTERNS)} combinations",
            remedy="fit with wider bins, ScoreEmission(..., cuts=[...]), or with fewer measurements",
            argument="result",
        )
    expect_whole(seed, "seed", "reweighting")
    expected = "a list of pairs of groups, such as [('tuned', 'base')]"
    expect_type(comparisons, (list, tuple, type(None)), "comparisons", "reweighting", expected=expected)
    for own in comparisons or ():
        if not isinstance(own, (list, tuple)) or len(own) != 2:
            raise InputError(f"reweighting: {own!r} is not a pair", expected=expected, argument="comparisons")
    pairs = _against_baseline(prepared.groups, result.model.baseline) if comparisons is None else comparisons
    if not pairs:
        raise InputError(
            "reweighting: there is nothing to compare", expected="a pair of groups", argument="comparisons"
        )
    rng = np.random.default_rng([seed, 9])
    found = {}
    for group, minus in pairs:
        contrast = result.contrast(group, minus, of="weights", persona=result.personas[0])
        found[_name(contrast)] = _examined(result, contrast, rng)
    provenance = result.provenance()
    adaptable = len(prepared.conditions) <= len(set(result.personas) - set(result.absent))
    return Reweighting(
        found, adaptable, Terms((), result.thresholds, result.ci_prob), provenance.data_hash, provenance.version
    )


def _against_baseline(groups: pd.DataFrame, baseline: str) -> list[tuple[Group, Group]]:
    """Every group of another condition with the baseline in the same context, where it was sampled there."""
    rows = groups.astype(str).to_dict("records")
    pairs = baseline_pairs(groups, baseline)
    return [(rows[own], rows[other]) for own, other in pairs if other is not None]


def _name(contrast: Contrast) -> str:
    """The groups of a contrast of weights, without the quantity and the persona."""
    groups = contrast.compared.groups
    sides = [np.maximum(sign * contrast.coefficients, 0) for sign in (1, -1)]
    plain = groups.drop(columns="persona")
    return " − ".join(mean_label(plain, side, "").replace("[", "").replace("]", "") for side in sides)


def _examined(result: Result, contrast: Contrast, rng: np.random.Generator) -> _Compared:
    """A comparison in every reading; the reading that accounts for it best counts."""
    prepared, emissions = result.prepared, result.model.emissions
    coefficients = contrast.coefficients.reshape(len(prepared.groups), -1)[:, 0]
    used = np.flatnonzero(coefficients)
    patterns, counts = every_pattern(emissions, prepared.patterns, prepared.group_counts[used])
    bins = np.concatenate(pattern_bins(emissions, result.model.outcome, patterns), axis=1)
    moved, found = [], []
    for posterior in result.posteriors:
        weights = group_weights(posterior, prepared)[:, :, used]
        moved.append(np.einsum("g,cdgk->cdk", coefficients[used], weights))
        flat = weights.reshape(-1, *weights.shape[2:])
        chosen = rng.integers(len(flat), size=_REPLICATES)
        tables = [posterior[f"{name}_probs"].to_numpy() for name in result.model.measurements]
        given = component_probabilities([own.reshape(-1, *own.shape[2:])[chosen] for own in tables], patterns)
        found.append(_residual(coefficients[used], counts, flat[chosen], given, bins, rng))
    best = max(found, key=lambda own: own.p_value)
    pattern = int(np.abs(best.rest).argmax())
    changed = in_points(emissions, patterns[pattern], best.rest[pattern])
    return _Compared(contrast, moved, best, changed, _withheld(result, contrast))


def _residual(
    coefficients: np.ndarray,
    counts: np.ndarray,
    weights: np.ndarray,
    given: np.ndarray,
    bins: np.ndarray,
    rng: np.random.Generator,
) -> _Residual:
    """What no reweighting accounts for in a contrast of groups.

    Args:
        coefficients: of the groups, shape ``(G,)``; they sum to zero.
        counts: completions by group and pattern, shape ``(G, P)``.
        weights: draws of the weights of the groups, shape ``(S, G, K)``.
        given: draws of the probability of a pattern given a persona, shape ``(S, K, P)``.
        bins: the categories whose shares are compared, as sets of patterns of zeros and ones, shape ``(P, B)``.
        rng: random generator.
    """
    predicted = weights @ given
    predicted = predicted / predicted.sum(axis=-1, keepdims=True)
    mean, sizes = predicted.mean(axis=0), counts.sum(axis=1).astype(int)
    shares = np.maximum(mean @ bins, _LEAST_EXPECTED / sizes[:, None])
    standardised = bins / np.sqrt((coefficients[:, None] ** 2 * shares / sizes[:, None]).sum(axis=0))
    moves = given.mean(axis=0)
    moves = moves[1:] - moves[0]
    nearest = standardised @ np.linalg.pinv(moves @ standardised) @ moves

    def rest(logged: np.ndarray) -> np.ndarray:
        """What is left of the differences of shares that were not predicted, without those of a reweighting."""
        excess = coefficients @ (logged - mean)
        return np.asarray(excess - excess @ nearest)

    found, replicates = rest(counts / sizes[:, None]), rest(rng.multinomial(sizes, predicted) / sizes[:, None])
    statistic, statistics = (((own @ standardised) ** 2).sum(axis=-1) for own in (found, replicates))
    distance, distances = (0.5 * np.abs(own).sum(axis=-1) for own in (found, replicates))
    chance = distances.mean()
    return _Residual(
        share=max(float(distance - chance), 0.0),
        noticeable=max(float(np.quantile(distances, 1 - LEVEL) - chance), 0.0),
        p_value=float((1 + (statistics >= statistic - _EQUAL).sum()) / (1 + len(statistics))),
        rest=found,
    )


def _withheld(result: Result, contrast: Contrast) -> str:
    """Why a comparison has no estimates: a failed check of its weights, except that of what is examined; or empty."""
    if contrast.impossible:
        return contrast.impossible
    conditions = contrast.compared.groups.loc[contrast.coefficients != 0, "condition"].tolist()
    concerned = [
        check.name
        for check in result.failed
        if "weights" in check.withholds
        and not check.each
        and check.name != _OWN_CHECK
        and check.persona is None
        and check.condition in (None, *conditions)
    ]
    return "; ".join(concerned)


def _shown(p_value: float) -> str:
    """A p-value with its sign of equality."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def _distance(moved: np.ndarray) -> xr.DataArray:
    """Draws of the total variation between weights, from their differences ``(chain, draw, K)``."""
    return xr.DataArray(total_variation(moved, np.zeros_like(moved)), dims=("chain", "draw"))


def _joint_tail(draws: np.ndarray) -> float:
    """The probability outside of the region of highest density whose border contains zero; draws ``(S, D)``, normal."""
    mean = draws.mean(axis=0)
    if np.abs(draws).max() < _EQUAL:
        return 1.0
    covariance = np.atleast_2d(np.cov(draws.T))
    distance = mean @ np.linalg.pinv(covariance, hermitian=True) @ mean
    return float(scipy.stats.chi2.sf(distance, np.linalg.matrix_rank(covariance, hermitian=True)))
