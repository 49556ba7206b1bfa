r"""A scorecard of model organisms: how often, how cleanly, how reliably, how broadly, at what dose, and for how long.

Model organisms of one behaviour are compared on seven quantities of the same fit. All are functions of the draws of the
rate model (:mod:`simulacra.formalism.rates`), on the logged questions, and none depends on the personas. With r_q the
rate of the event on base question q:

* ``rate``: P(event), and ``incoherent``: P(not coherent);
* ``clean``: P(event | coherent), the misaligned share of coherent completions;
* ``reliability``: the share of base questions on which r_q exceeds the rate of the baseline by at least a margin;
* ``breadth``: the effective number of base questions, the Hill number (Σ r_q)² / Σ r_q², between 1, if the event
  happens on one question only, and the number of questions, if it happens equally often on all;
* ``dose``: the dose at which half of the increase over the baseline is reached, by linear interpolation between the
  doses of the log (the ED50 of a dose-response curve);
* ``persistence``: the share of the increase that remains after an intervention (:mod:`simulacra.analysis.fragility`).

References:
    Turner et al. (2025), Model organisms for emergent misalignment, arXiv:2506.11613 (the comparison by misaligned and
    coherent shares); Hill (1973), Diversity and evenness, doi:10.2307/1934352.
"""

import dataclasses
import numbers
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.analysis.checks import expect_result
from simulacra.formalism.display import card, listing
from simulacra.formalism.dynamics import first_crossing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.scales import bounds_of, coherent_rule
from simulacra.inference.citation import Citation, Provenance, cited
from simulacra.inference.claims import sure_of_sign
from simulacra.inference.convergence import convergence
from simulacra.inference.draws import by_group, chosen_outcome
from simulacra.inference.groups import Group, find_group, names_of
from simulacra.inference.rates import asked_by_all, baseline_pairs, groups_of, in_common
from simulacra.inference.result import Result
from simulacra.inference.tables import Terms, bounds, ends, summary_table

__all__ = ["METRICS", "Scorecard", "breadth", "half_dose", "scorecard"]

METRICS: Mapping[str, bool] = {
    "rate": True,
    "incoherent": False,
    "clean": True,
    "reliability": True,
    "breadth": True,
    "dose": False,
    "persistence": True,
}
"""The quantities, and whether more is better."""

_RANKS = ("rank", "rank_lb", "rank_ub", "p_best")
_NO_INCREASE = "the event is not clearly more frequent than in the baseline"
_NOT_RANKED = "not ranked: not all were asked the same base questions"
_BY_QUESTION = ("reliability", "breadth")
"""Quantities of all base questions; the rate model predicts the rates of those that an organism was not asked."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Scorecard:
    """Model organisms compared on several quantities.

    Attributes:
        draws: draws of every quantity, by name, dims ``(chain, draw, organism)``; NaN for organisms without it.
        withheld: why a quantity of an organism is withheld, by quantity and organism.
        words: the scope in words.
        terms: what is withheld.
        provenance: model, data, seed and version.
        alike: whether the organisms and their baselines were asked the same base questions. Otherwise rates also differ
            because questions do, and are not ranked.
    """

    draws: Mapping[str, xr.DataArray]
    withheld: Mapping[tuple[str, str], str]
    words: str
    terms: Terms
    provenance: Provenance
    alike: bool = True

    def __repr__(self) -> str:
        organisms = self.draws["rate"]["organism"].to_numpy()
        return card(
            f"Scorecard of {len(organisms)} organisms {self.words}",
            f"organisms: {listing(organisms)}",
            f"quantities: {listing(self.draws)}",
            "next: .table(), .cite(metric, organism); .draws[metric]",
        )

    def table(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per quantity and organism.

        Columns ``metric, organism, scope, mean, eti89_lb, eti89_ub, rank, rank_lb, rank_ub, p_best, ess_bulk, ess_tail,
        r_hat, status``. ``rank`` is the posterior mean of the rank among the organisms for which the quantity is not
        withheld, 1 the best, with its interval, and ``p_best`` the probability of being the best; ties share it.
        Organisms that were not asked the same base questions are ranked by reliability and breadth only. Estimates that
        are withheld are NaN, and ``status`` states the reason.

        Raises:
            InputError: a probability outside (0, 1).
        """
        terms = self.terms.at(ci_prob)
        limits = bounds(terms.ci_prob)
        parts = []
        for metric, draws in self.draws.items():
            # what follows from the rate has its diagnostics, because a share of questions may be the same in all draws
            judged = self.draws[metric if metric in ("incoherent", "clean") else "rate"]
            diagnostics = convergence(judged.to_dataset(name="draws"), ["draws"])["draws"]
            table = summary_table(draws, terms, diagnostics=diagnostics)
            for row, name in enumerate(table["organism"]):
                if (metric, name) in self.withheld:
                    table.loc[row, "status"] = f"withheld: {self.withheld[metric, name]}"
            hidden = table["status"].str.startswith("withheld").to_numpy()
            table.loc[hidden, ["mean", *limits]] = np.nan
            if not self.alike and metric not in _BY_QUESTION:
                table.loc[~hidden, "status"] = _NOT_RANKED
                hidden = np.ones_like(hidden)
            for name, values in _ranks(draws.to_numpy()[..., ~hidden], METRICS[metric], terms.ci_prob).items():
                table.loc[~hidden, name] = values
            parts.append(table.assign(metric=metric, scope="these"))
        columns = [
            "metric",
            "organism",
            "scope",
            "mean",
            *limits,
            *_RANKS,
            "ess_bulk",
            "ess_tail",
            "r_hat",
            "status",
        ]
        return pd.concat(parts, ignore_index=True)[columns]

    def cite(self, metric: str, organism: str, *, ci_prob: float | None = None) -> Citation:
        """One quantity of one organism, with its interval, scope and provenance.

        Raises:
            InputError: there is no such row, or it is withheld (with the reason).
        """
        ci_prob = self.terms.at(ci_prob).ci_prob
        table = self.table(ci_prob=ci_prob)
        own = table[(table["metric"] == metric) & (table["organism"] == organism)]
        if own.empty:
            raise InputError(
                f"cite: there is no {metric!r} of {organism!r}",
                expected=f"a quantity among {', '.join(self.draws)} of an organism among "
                f"{listing(table['organism'].unique())}",
                argument=("metric", "organism"),
            )
        key, columns = f"{metric}[{organism}]", ("mean", *bounds(ci_prob))
        return cited(key, own.to_dict("records")[0], columns, self.words, self.provenance, probability=ci_prob)


def scorecard(
    result: Result,
    organisms: Sequence[str] | None = None,
    *,
    outcome: Outcome | str | None = None,
    coherent: str | None = "coherent",
    margin: float = 0.05,
    doses: Mapping[str, Mapping[str, float]] | None = None,
    after: Mapping[str, Group] | None = None,
) -> Scorecard:
    """Compare model organisms of the same behaviour.

    Args:
        result: a fit with the base model as baseline, and the organisms.
        organisms: the conditions to compare; with their context if the log has contexts, as in ``"ft, trigger=on"``.
            Default: all groups of conditions other than the baseline.
        outcome: the behaviour. Default: the outcome of the model.
        coherent: rule for coherent completions. Default: ``coherent > 50`` on the scale of that score. None, or no such
            score, leaves out ``incoherent`` and ``clean``.
        margin: difference from the baseline, a probability, from which a base question counts for ``reliability``.
        doses: for every organism, the dose of each condition of its training: ``{"narrow": {"narrow-step-5": 5,
            "narrow-step-40": 40, "narrow": 120}}``. The baseline has dose zero. Default: no ``dose``.
        after: for every organism, the condition after an intervention: ``{"narrow": "untargeted"}``. Default: no
            ``persistence``.

    Raises:
        InputError: fewer than two organisms, an unknown one, or the baseline among them; no outcome; a margin outside
            (0, 1); doses that are not positive, finite numbers, that name the baseline or lack the organism itself; an
            intervention that leaves the organism as it is; or a rule that the model cannot evaluate.

    When not to trust it: quantities are about the logged questions. Breadth and reliability are bounded by the number
    of base questions, and depend on which were asked; with fewer than eight they say little. Ranks compare organisms on
    one quantity at a time; no weights of the quantities are implied.
    """
    expect_result(result, "scorecard")
    chosen = chosen_outcome(outcome, result.prepared)
    expect_type(margin, numbers.Real, "margin", "scorecard", expected="between 0 and 1")
    if not 0 < margin < 1:
        raise InputError(f"scorecard: margin is {margin!r}", expected="between 0 and 1", argument="margin")
    rates = _Rates(result, chosen)
    names = rates.organisms(organisms)
    rows, baselines = rates.rows(names), rates.baselines(names)
    values = {"rate": rates.draws[..., rows]}
    if coherent == "coherent":
        coherent = coherent_rule(bounds_of(result.model.emissions))
    if coherent is not None:
        values["incoherent"] = _Rates(result, Outcome(f"not ({coherent})", of="scored")).draws[..., rows]
        values["clean"] = _Rates(result, Outcome(chosen.rule, of=coherent, name=chosen.name)).draws[..., rows]
    base = rates.draws[..., baselines]
    rise, by_question = values["rate"] - base, rates.by_question()
    rises = by_question[..., rows, :] - by_question[..., baselines, :]
    asked = result.prepared.asked
    common = asked_by_all(asked, [*rows, *baselines])
    alike = common["questions"] == common["asked"]
    shared = rise if alike else (rises * (asked[rows] & asked[baselines])).sum(axis=-1)
    clear = dict(zip(names, (shared.mean(axis=(0, 1)) > 0) & sure_of_sign(shared, "these"), strict=True))
    withheld = {("breadth", name): _NO_INCREASE for name in names if not clear[name]}
    values["reliability"] = (rises >= margin).mean(axis=-1)
    values["breadth"] = breadth(by_question[..., rows, :])
    for metric, given in (("dose", doses), ("persistence", after)):
        if given is None:
            continue
        _expect_organisms(given, names, metric)
        values[metric] = np.full(rise.shape, np.nan)
        for place, name in enumerate(names):
            if name not in given or not clear[name]:
                withheld[metric, name] = _NO_INCREASE if name in given else "it was not given for this organism"
            elif doses is not None and metric == "dose":
                series = _increasing(doses[name], name)
                if baselines[place] in [find_group(rates.groups, each, "doses") for each in series]:
                    raise InputError(
                        f"scorecard: the doses of {name} name the baseline, whose dose is zero",
                        expected="the fine-tunes at each dose",
                        remedy="leave the baseline out",
                        argument="doses",
                    )
                increase = rates.draws[..., [find_group(rates.groups, each, "doses") for each in series]]
                increase = np.concatenate([np.zeros_like(rise[..., :1]), increase - base[..., [place]]], axis=-1)
                values[metric][..., place] = half_dose(np.array([0.0, *series.values()]), increase)
            else:
                if find_group(rates.groups, given[name], "after") == rows[place]:
                    itself = f"scorecard: {name} after the intervention is {name} itself"
                    raise InputError(itself, expected="another condition", argument="after")
                remains = rates.draws[..., find_group(rates.groups, given[name], "after")] - base[..., place]
                values[metric][..., place] = remains / rise[..., place]
    dims, coords = ("chain", "draw", "organism"), {"organism": names}
    found = {name: xr.DataArray(values[name], dims=dims, coords=coords) for name in METRICS if name in values}
    terms = Terms(result.failed, result.thresholds, result.ci_prob).of("rates")
    words = in_common(result.in_words(), common)
    return Scorecard(found, withheld, words, terms, result.provenance(chosen), alike)


def _expect_organisms(given: object, names: Sequence[str], metric: str) -> None:
    """Refuse doses or interventions of what is not an organism."""
    argument = "doses" if metric == "dose" else "after"
    expected = f"a mapping with organisms among {', '.join(names)} as keys"
    expect_type(given, Mapping, argument, "scorecard", expected=expected)
    unknown = [name for name in given if name not in names]  # type: ignore[attr-defined]
    if unknown:
        raise InputError(f"scorecard: {argument} has {unknown[0]!r}", expected=expected, argument=argument)


def _increasing(series: Mapping[str, float], organism: str) -> dict[str, float]:
    """The doses of an organism in increasing order, its own the last.

    Raises:
        InputError: doses that are not positive or not different, or an organism whose own is not the largest.
    """
    expected = f"a mapping of conditions to doses, such as {{{organism!r}: 32}}"
    expect_type(series, Mapping, "doses", f"scorecard: the series of {organism}", expected=expected)
    for name, dose in series.items():
        expect_type(dose, numbers.Real, "doses", f"scorecard: the dose of {name}", expected="a number")
    ordered = dict(sorted(series.items(), key=lambda item: item[1]))
    usable = bool(ordered) and all(0 < dose < np.inf for dose in ordered.values())
    if not usable or list(ordered)[-1:] != [organism] or len(set(ordered.values())) < len(ordered):
        raise InputError(
            f"scorecard: the doses of {organism} are {ordered}",
            expected=f"different positive, finite numbers, that of {organism} the largest",
            argument="doses",
        )
    return ordered


def breadth(by_question: np.ndarray) -> np.ndarray:
    """The Hill number of order two, (Σ r_q)² / Σ r_q², of rates ``(..., question)``; NaN if all are zero."""
    square = (by_question**2).sum(axis=-1)
    return np.asarray(by_question.sum(axis=-1) ** 2 / np.where(square > 0, square, np.nan))


def half_dose(doses: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The first dose at which the response reaches half of its last value, by linear interpolation.

    Args:
        doses: increasing doses, the first zero, shape ``(D,)``.
        response: increase over that of dose zero, shape ``(..., D)``; the last positive.

    Returns:
        Shape ``(...)``; NaN where the last response is not positive.
    """
    last = response[..., -1]
    relative = response / np.where(last > 0, last, np.nan)[..., None]
    return np.where(last > 0, first_crossing(doses, relative, 0.5), np.nan)


class _Rates:
    """Draws of the rates of an event in all groups of a fit, and by base question."""

    def __init__(self, result: Result, outcome: Outcome) -> None:
        self._result, self._outcome = result, outcome
        draws = by_group(result.draws("rates", outcome=outcome))
        self.groups, self.draws = groups_of(draws).astype(str), draws.to_numpy()

    def organisms(self, asked: Sequence[str] | None) -> list[str]:
        """Names of the organisms, as in keys of citations."""
        shown, baseline = names_of(self.groups), self._result.model.baseline
        is_base = (self.groups["condition"] == baseline).to_numpy()
        if asked is not None:
            expected = "a list of conditions, such as ['narrow', 'lora-4']"
            expect_type(asked, (list, tuple), "organisms", "scorecard", expected=expected)
        rows = np.flatnonzero(~is_base) if asked is None else [find_group(self.groups, a, "organisms") for a in asked]
        if len(set(rows)) < 2 or len(set(rows)) < len(rows) or is_base[rows].any():
            raise InputError(
                f"scorecard: organisms are {', '.join(shown[row] for row in rows) or 'none'}",
                expected=f"at least two different ones among {listing(shown[row] for row in np.flatnonzero(~is_base))}",
                argument="organisms",
            )
        return [shown[row] for row in rows]

    def rows(self, names: Sequence[str]) -> list[int]:
        return [names_of(self.groups).index(name) for name in names]

    def baselines(self, names: Sequence[str]) -> list[int]:
        """The row of the baseline in the context of every organism."""
        pairs = dict(baseline_pairs(self.groups, self._result.model.baseline))
        rows = [pairs[row] for row in self.rows(names)]
        if None in rows:
            lacking = names[rows.index(None)]
            found = f"scorecard: {self._result.model.baseline} was not sampled in the context of {lacking}"
            raise InputError(found, remedy="leave it out", argument="organisms")
        return [row for row in rows if row is not None]

    def by_question(self) -> np.ndarray:
        """Rates of all groups, shape ``(chain, draw, group, question)``."""
        _, questions = self._result.prepared.logged_questions
        each = [
            self._result.draws("rates", outcome=self._outcome, scope={"base_question": {question: 1.0}})
            for question in questions
        ]
        return np.stack([by_group(own).to_numpy() for own in each], axis=-1)


def _ranks(draws: np.ndarray, more_is_better: bool, ci_prob: float) -> dict[str, np.ndarray]:  # noqa: FBT001
    """Mean and interval of the rank of every organism, and the probability of being the best; ties share it."""
    from scipy import stats  # takes longer to import than all else here

    if draws.shape[-1] == 0:
        return dict.fromkeys(_RANKS, np.empty(0))
    signed = (-draws if more_is_better else draws).reshape(-1, draws.shape[-1])
    ranks = stats.rankdata(signed, axis=-1)
    best = signed == signed.min(axis=-1, keepdims=True)
    lower, upper = np.quantile(ranks, ends(ci_prob), axis=0)
    shared = (best / best.sum(axis=-1, keepdims=True)).mean(axis=0)
    return dict(zip(_RANKS, (ranks.mean(axis=0), lower, upper, shared), strict=True))
