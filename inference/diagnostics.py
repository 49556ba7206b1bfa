"""Checks of a fit: convergence, agreement of readings, switched labels, and what the personas leave unexplained.

Every check declares which estimates it withholds if it fails, and of which persona or condition; no check withholds an
estimate that does not depend on it. In particular, rates and claims do not depend on personas, and only their own
convergence can withhold them. Every check reports the value that it found, its threshold, where the value was worst,
and the usual remedy.

References:
    Betancourt (2016), Diagnosing suboptimal cotangent disintegrations (E-BFMI), arXiv:1604.00695.
"""

import contextlib
import dataclasses
import itertools
import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.data.numerals import grouped
from simulacra.formalism.display import WIDTH, card, html_table, listing, place
from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Rule
from simulacra.formalism.scales import bounds_of, rescaled_rule
from simulacra.inference.readings import compare_readings, in_each_reading

__all__ = [
    "PERSONA_ESTIMATES",
    "Check",
    "Thresholds",
    "check_baseline",
    "check_calibration",
    "check_labels",
    "check_misfit",
    "check_rates",
    "check_readings",
    "check_sampling",
    "check_uncovered",
    "checks_html",
    "lacks_draws",
]


_LOWER_IS_LOOSER = ("ess", "e_bfmi", "mode_gap", "misfit_p", "gate", "calibration_p")


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Thresholds of the checks.

    Attributes:
        r_hat: largest acceptable rank-normalised split R-hat.
        ess: smallest acceptable bulk and tail effective sample size.
        e_bfmi: smallest acceptable energy fraction of missing information in any chain.
        small_weight: R-hat and ESS of weights with a posterior mean below this value are reported but not checked.
        mode_gap: difference in log evidence from the best mode, in nats, up to which a mode with other weights is
            sampled as another reading (:mod:`simulacra.inference.readings`).
        mode_distance: largest difference of any persona weight at which two EM runs count as the same mode, and of the
            means of a probability at which two readings agree.
        unexplained: largest acceptable unexplained share of a condition (:mod:`simulacra.inference.misfit`), unless
            replicated logs show as large a discrepancy.
        misfit_p: smallest p-value at which a discrepancy counts as one that replicated logs show.
        calibration_p: smallest acceptable p-value of the fitted temperature and offsets given the references alone
            (:mod:`simulacra.inference.calibration`), and of as many uncovered texts by chance.
        pareto_k: largest acceptable Pareto k of the draws of a cut calibration.
        uncovered: largest acceptable share of texts of a condition that are unlike any reference, beyond those that
            chance explains (:mod:`simulacra.inference.uncovered`), unless chance explains as many.
        gate: smallest acceptable probability that a name gate holds (:mod:`simulacra.inference.names`).
        switched: largest acceptable proportion of draws whose labels had to be corrected.
        baseline: largest acceptable share of the baseline's completions that are misaligned, or that are incoherent.
    """

    r_hat: float | int = 1.01
    ess: float | int = 400
    e_bfmi: float | int = 0.3
    small_weight: float | int = 0.01
    mode_gap: float | int = 10.0
    mode_distance: float | int = 0.05
    unexplained: float | int = 0.02
    misfit_p: float | int = 0.05
    calibration_p: float | int = 0.01
    pareto_k: float | int = 0.7
    uncovered: float | int = 0.05
    gate: float | int = 0.9
    switched: float | int = 0.01
    baseline: float | int = 0.9

    @property
    def loosened(self) -> str:
        """The thresholds that are easier to meet than by default, for display; empty if there are none."""
        parts = []
        for field in dataclasses.fields(self):
            own, usual = getattr(self, field.name), field.default
            if (own < usual) if field.name in _LOWER_IS_LOOSER else (own > usual):
                parts.append(f"{field.name} {own:g} (default {usual:g})")
        return f"thresholds loosened: {', '.join(parts)}" if parts else ""


@dataclasses.dataclass(frozen=True, repr=False)
class Check:
    """One check.

    Attributes:
        name: name of the check, for example ``"r_hat"`` or ``"name: misaligned"``.
        passed: whether the check passed.
        value: the value that was found.
        threshold: the threshold that it was compared with.
        where: the quantity, chain or condition for which the value was found.
        remedy: what usually fixes a failure, in terms of Python arguments.
        withholds: names of the quantities (of :meth:`~simulacra.inference.Result.draws`) that a failure withholds.
        each: whether it withholds only those estimates that themselves miss the threshold, not all.
        persona: the persona that a failure concerns; ``None`` concerns all.
        condition: the condition that a failure concerns; ``None`` concerns all.
        argument: names of the Python arguments that the remedy refers to, as in
            :class:`~simulacra.formalism.InputError`.
    """

    name: str
    passed: bool
    value: float | int
    threshold: float | int
    where: str
    remedy: str
    withholds: tuple[str, ...] = ()
    each: bool = False
    persona: str | None = None
    condition: str | None = None
    argument: tuple[str, ...] = ()

    @property
    def _of(self) -> str:
        of = self.persona or self.condition
        return f" of {of}" if of else ""

    @property
    def found(self) -> str:
        """The value as text."""
        if math.isfinite(self.value):
            return f"{self.value:.4g}" if self.value < 1000 else grouped(self.value)
        return "not available"

    def __repr__(self) -> str:
        return card(
            f"Check {self.name!r}: {'ok' if self.passed else 'FAILED'}",
            f"found {self.found}, threshold {self.threshold:g}, {self.where}",
            f"concerns {listing(self.withholds) or 'no estimate'}{self._of}{', one by one' if self.each else ''}",
            *([] if self.passed else textwrap.wrap(self.remedy, WIDTH - 2)),
        )

    def __str__(self) -> str:
        sign = "ok" if self.passed else "FAILED"
        text = f"{self.name}: {sign} ({self.found}, threshold {self.threshold:g}; {self.where})"
        return text if self.passed else f"{text}. {self.remedy}"


PERSONA_ESTIMATES = (
    "weights",
    "shifts",
    "implied_rates",
    "implied_contrasts",
    "outcome_given_persona",
    "emissions",
    "scales",
)
"""The quantities that depend on the personas; rates and contrasts do not."""
_RATES = ("rates", "contrasts")
_OF_A_CONDITION = ("weights", "shifts")
_SOMETIMES = 0.02  # share of draws near zero from which a weight alternates
_NEARLY = 1.05  # R-hat below which more draws of the same chains are likely to suffice
_LONGER = (
    "Sample longer: num_samples=8000 and num_warmup=800. If the check still fails, the data do not determine this "
    "quantity: use fewer personas."
)
_ALTERNATES = (
    "Some chains alternate between a weight near zero and a larger one: the log hardly determines whether the "
    "condition contains this persona at all. Only the estimates that this concerns are withheld. Sample longer, until "
    "the chains have changed often: num_samples=16000 and num_warmup=800."
)
_RATES_LONGER = (
    "The chains of the rate model, which choose their own length, disagree. Fit again with another seed; if the check "
    "still fails, please report it, with the counts of the log."
)
_LENGTHS = ("num_samples", "num_warmup")


def check_sampling(
    diagnostics: xr.Dataset, posterior: xr.Dataset, sample_stats: xr.Dataset, thresholds: Thresholds
) -> list[Check]:
    """R-hat, ESS, divergences and E-BFMI.

    R-hat and ESS withhold estimates one by one (:func:`simulacra.inference.tables.summary_table`), the others all.
    """
    from arviz_stats.sampling_diagnostics import bfmi

    gated, alternating = _gated(diagnostics, posterior, thresholds), _alternating(posterior, thresholds)
    checks = []
    for name, limit in (("r_hat", thresholds.r_hat), ("ess_bulk", thresholds.ess), ("ess_tail", thresholds.ess)):
        row = int(gated[name].argmax() if name == "r_hat" else gated[name].argmin())
        worst, value = gated.index[row], float(gated[name].iloc[row])
        passed = value <= limit if name == "r_hat" else value >= limit
        where = f"worst at {worst}"
        remedy = _ALTERNATES if worst in alternating else _LONGER
        checks.append(Check(name, passed, value, limit, where, remedy, PERSONA_ESTIMATES, each=True, argument=_LENGTHS))
    divergent = int(sample_stats["diverging"].sum())
    remedy = (
        "Increase target_accept_prob (0.98, 0.99). If divergences remain, remove a persona or an effect that the data "
        "do not determine."
    )
    argument = ("target_accept_prob",)
    passed = divergent == 0
    checks.append(
        Check("divergences", passed, divergent, 0, "all chains", remedy, PERSONA_ESTIMATES, argument=argument)
    )
    energies = bfmi(sample_stats["energy"]).to_numpy()
    worst_chain, lowest = int(energies.argmin()), float(energies.min())
    passed = lowest >= thresholds.e_bfmi
    where = f"chain {worst_chain}"
    limit = thresholds.e_bfmi
    checks.append(Check("e_bfmi", passed, lowest, limit, where, _LONGER, PERSONA_ESTIMATES, argument=_LENGTHS))
    return checks


def checks_html(checks: Sequence[Check]) -> str:
    """Checks as HTML for notebooks: failed checks with their remedies, and all checks in a collapsed table."""
    failed = [
        (check.name, check.found, f"{check.threshold:.4g}", check.where, check.remedy)
        for check in checks
        if not check.passed
    ]
    rows = [
        (check.name, "passed" if check.passed else "failed", check.found, f"{check.threshold:.4g}", check.where)
        for check in checks
    ]
    every = html_table(("check", "result", "found", "threshold", "where"), rows)
    shown = html_table(("failed check", "found", "threshold", "where", "remedy"), failed) if failed else ""
    summary = f"{len(checks) - len(failed)} of {len(checks)} checks passed"
    return f"{shown}<details><summary>{summary}</summary>{every}</details>"


def lacks_draws(checks: Sequence[Check]) -> bool:
    """Whether only R-hat or ESS failed, and R-hat is small enough for more draws to be likely to fix it."""
    others = ("unexplained share", "readings", "references", "pareto_k", "uncovered texts", "rates: ")
    failed = [check for check in checks if not check.passed and not check.name.startswith(others)]
    r_hat = max(check.value for check in checks if check.name == "r_hat")
    return bool(failed) and all(check.name in ("r_hat", "ess_bulk", "ess_tail") for check in failed) and r_hat < _NEARLY


def _gated(diagnostics: xr.Dataset, posterior: xr.Dataset, thresholds: Thresholds) -> pd.DataFrame:
    """Diagnostics of every scalar that is checked, one row each, labelled like ``weights[base, mid]``."""
    parts = []
    for name, table in diagnostics.data_vars.items():
        dims = [dim for dim in table.dims if dim != "diagnostic"]
        values = table.transpose("diagnostic", *dims).to_numpy().reshape(table.sizes["diagnostic"], -1).T
        places = list(itertools.product(*(table[dim].to_numpy() for dim in dims)))
        labels = [f"{name}[{', '.join(map(str, place))}]" if place else str(name) for place in places]
        part = pd.DataFrame(values, index=labels, columns=list(map(str, diagnostics["diagnostic"].to_numpy())))
        if name == "weights":
            mean = posterior["weights"].mean(("chain", "draw")).transpose(*dims).to_numpy().ravel()
            part = part[mean >= thresholds.small_weight]
        parts.append(part.dropna())  # constant draws have no R-hat
    return pd.concat(parts)


def _alternating(posterior: xr.Dataset, thresholds: Thresholds) -> set[str]:
    """Labels of the weights of conditions in which a weight that is not small is near zero in some of the draws."""
    if "weights" not in posterior:  # of evidence in a context, whose posterior has parameters alone
        return set()
    weights = posterior["weights"]
    near = (weights < thresholds.small_weight / 10).mean(("chain", "draw"))
    mixed = (weights.mean(("chain", "draw")) >= thresholds.small_weight) & (near > _SOMETIMES)
    names = weights["persona"].to_numpy()
    return {
        f"weights[{condition}, {name}]"
        for condition in weights["condition"].to_numpy()[mixed.any("persona").to_numpy()]
        for name in names
    }


def check_baseline(
    emissions: Sequence[AbstractEmission], patterns: np.ndarray, counts: np.ndarray, thresholds: Thresholds
) -> list[Check]:
    """Whether nearly every completion of the baseline is misaligned or incoherent by the usual rule.

    Then a score is probably on another scale than declared, or high values of it are bad. Rates depend on both, so this
    check withholds them as well.

    Args:
        emissions: the emissions of the model.
        patterns: category codes of the patterns, shape ``(P, len(emissions))``.
        counts: completions of the baseline by pattern, shape ``(P,)``.
        thresholds: the thresholds.

    Returns:
        One check; none if there are no scores ``aligned`` and ``coherent`` whose bins determine the usual rule.
    """
    scales = {name: own for name, own in bounds_of(emissions).items() if name in ("aligned", "coherent")}
    shares = {}
    for usual in ("aligned < 30", "coherent <= 50"):
        rule = Rule(usual)
        if set(rule.measurements) <= set(scales):
            rule = Rule(rescaled_rule(usual, scales))
            with contextlib.suppress(InputError):  # other bins
                shares[rule.text] = float(counts[rule.holds(emissions, patterns)].sum() / max(counts.sum(), 1))
    if not shares:
        return []
    worst = max(shares, key=lambda name: shares[name])
    remedy = (
        "Scale or direction? A baseline hardly ever answers like this: a score is probably on another scale than "
        "declared, or its high values are bad. Compare its range with inspect-log, declare its scale, "
        "ScoreEmission(..., bounds=(low, high)), and do not read a score of harm as 'aligned'. If the baseline is as "
        "it should be, pass thresholds=Thresholds(baseline=1)."
    )
    limit = float(thresholds.baseline)
    passed = shares[worst] <= limit
    where = f"P({worst} | the baseline), observed"
    withholds = (*PERSONA_ESTIMATES, *_RATES)
    found = shares[worst]
    return [Check("baseline", passed, found, limit, where, remedy, withholds, argument=("bounds", "columns"))]


def check_readings(readings: Sequence[xr.Dataset], more: int, thresholds: Thresholds) -> Check:
    """Whether the readings agree about all probabilities; see :mod:`simulacra.inference.readings`.

    Args:
        readings: the posterior of every reading, the first first.
        more: number of further modes that were not sampled; if there are any, nothing is known to agree.
        thresholds: thresholds of the checks.
    """
    limit = thresholds.mode_distance
    other = ("latents", "scale", "temperature", "offset", "purity")
    names = [str(name) for name in readings[0].data_vars if name not in other]
    worst, where, passed = 0.0, f"no other solution within {thresholds.mode_gap:g} nats", not more
    for name in names if len(readings) > 1 else ():
        first, *others = (own[name] for own in readings)
        ranges = compare_readings(first, others, limit)
        passed &= not ranges["disagree"].any()
        apart = (ranges["reading_ub"] - ranges["reading_lb"]).fillna(1.0).to_numpy()  # named in one reading only
        row = int(apart.argmax())
        if apart[row] >= worst:
            dims = first.dims[2:]
            place = np.unravel_index(row, [first.sizes[dim] for dim in dims])
            at = ", ".join(str(first[dim].to_numpy()[index]) for dim, index in zip(dims, place, strict=True))
            worst, where = float(apart[row]), f"{len(readings)} readings; they differ most at {name}[{at}]"
    if more:
        where += f"; {more} more were not sampled"
    remedy = (
        "The data support several solutions, and estimates that differ between them are withheld; Result.readings() "
        "shows all. Use more concentrated archetypes (Archetype.concentration) or a smaller persona set; if several "
        "remain, report the range over readings."
    )
    withheld = PERSONA_ESTIMATES
    return Check("readings", passed, worst, limit, where, remedy, withheld, each=not more, argument=("personas",))


def check_labels(
    switched: np.ndarray, before: Sequence[np.ndarray], after: Sequence[np.ndarray], thresholds: Thresholds
) -> Check:
    """Whether labels had to be corrected in few draws only.

    Args:
        switched: number of corrected draws in every chain, shape ``(chain,)``.
        before: emission probabilities before the correction, shapes ``(chain, draw, K, J)``.
        after: the same after it, in the same shapes.
        thresholds: the largest acceptable proportion.
    """
    from arviz_stats.sampling_diagnostics import rhat

    count, draws = int(switched.sum()), before[0].shape[0] * before[0].shape[1] if before else 1
    share, where = count / draws, "no draw"
    if count:
        dims = ("chain", "draw", "persona", "category")
        worst = [max(float(rhat(xr.DataArray(own, dims=dims)).max()) for own in each) for each in (before, after)]
        where = (
            f"{grouped(count)} of {grouped(draws)} draws; largest R-hat of an emission {worst[0]:.2f} before the "
            f"correction, {worst[1]:.2f} after it"
        )
    remedy = (
        "The chains exchanged the labels of personas that the data hardly distinguish, so their estimates depend on "
        "how labels were corrected. Remove one of them, give their archetypes a larger concentration, or add a "
        "measurement on which they differ."
    )
    limit, argument = float(thresholds.switched), ("personas",)
    return Check("label switching", share <= limit, share, limit, where, remedy, PERSONA_ESTIMATES, argument=argument)


def check_misfit(misfit: xr.Dataset, thresholds: Thresholds) -> list[Check]:
    """Whether the personas account for the patterns of every group; see :mod:`simulacra.inference.misfit`.

    A condition, in one of its contexts, fails if its unexplained share exceeds the threshold and replicated logs hardly
    ever deviate as much, in any of the readings: its weights are given with their range over all of them.
    """
    remedy = (
        "The personas do not account for the scores of this condition, so its weights are withheld; its rate does not "
        "depend on them. simulacra.analysis.try_persona_sets fits larger persona sets and reports which of them pass; "
        "if none does, the condition behaves in a way that no mixture of these personas describes."
    )
    checks = []
    contexts = [str(name) for name, own in misfit.coords.items() if own.dims == ("group",) and name != "condition"]
    argument: tuple[str, ...] = ("personas",)
    if contexts:
        remedy += f" If the weights may differ between contexts, name {', '.join(map(str, contexts))} in weights=."
        argument += ("weights",)
    readings = in_each_reading(misfit)
    limit = float(thresholds.unexplained)
    for group in range(misfit.sizes["group"]):
        found = []
        for number, reading in enumerate(readings, start=1):
            own = reading.isel(group=group)
            share, p_value = float(own["unexplained"]), float(own["p_value"])
            found.append((share > limit and p_value < thresholds.misfit_p, share, p_value, number))
        failed, share, p_value, number = max(found)
        own = misfit.isel(group=group)
        group_place = place({key: own[key].item() for key in ("condition", *contexts)})
        where = f"{group_place}: p = {p_value:.3f}" + (f", reading {number}" if len(readings) > 1 else "")
        checks.append(
            Check(
                "unexplained share", not failed, share, limit, where, remedy, _OF_A_CONDITION,
                condition=str(own["condition"].item()), argument=argument,
            )
        )  # fmt: skip
    return checks


def check_calibration(calibration: xr.Dataset, thresholds: Thresholds) -> list[Check]:
    """Whether references support the fitted temperature and offsets, and whether a cut calibration was sampled well.

    They withhold everything that depends on personas; see :mod:`simulacra.inference.calibration`.
    """
    p_value, ratio = float(calibration["p_value"]), float(calibration["likelihood_ratio"])
    remedy = (
        "The rows outvote the references: the fitted temperature and offsets make the references much less likely than "
        "their own would, so texts of the rows are distributed unlike those of references. Use "
        "LikelihoodEmission(calibration='cut'), in which rows do not inform the calibration."
    )
    where = f"likelihood ratio {ratio:.1f}, {grouped(int(calibration['references']))} references"
    limit, passed = float(thresholds.calibration_p), p_value >= thresholds.calibration_p
    withheld, pareto_k = PERSONA_ESTIMATES, float(calibration["pareto_k"])
    own = Check("references", passed, p_value, limit, where, remedy, withheld, argument=("calibration",))
    remedy = (
        "Importance sampling of the calibration failed, usually because there are very few references. Add references "
        "for every persona, or use fewer personas."
    )
    limit, passed = float(thresholds.pareto_k), pareto_k <= thresholds.pareto_k
    where = "draws of the calibration"
    return [own, Check("pareto_k", passed, pareto_k, limit, where, remedy, withheld, argument=("reference",))]


def check_uncovered(uncovered: xr.Dataset, thresholds: Thresholds, *, cut: bool) -> list[Check]:
    """Whether the texts of every condition are like those of references; see :mod:`simulacra.inference.uncovered`.

    They withhold the weights of their condition if the calibration is cut. In a joint one all rows take part in it, so
    that everything that depends on personas is withheld, of all conditions.
    """
    what = "Texts of this condition are unlike those that any persona's prompt elicits"
    remedies = (
        f"{what}, and in a joint calibration they change the weights of all conditions. Use "
        "LikelihoodEmission(calibration='cut'), in which rows do not inform the calibration.",
        f"{what}, so its weights are withheld. Add the persona that writes them, with references; or collect "
        "references from the model of this condition.",
    )
    withheld, argument = (_OF_A_CONDITION, ("personas", "reference")) if cut else (PERSONA_ESTIMATES, ("calibration",))
    checks = []
    for index, name in enumerate(map(str, uncovered["condition"].to_numpy())):
        own = {key: float(values[index]) for key, values in uncovered.data_vars.items()}
        where = (
            f"{name}: {grouped(round(own['uncovered']))} of {grouped(round(own['texts']))} texts, "
            f"{own['expected']:.1f} expected; p = {own['p_value']:.3f}"
        )
        limit, share = float(thresholds.uncovered), own["excess"]
        passed = share <= limit or own["p_value"] >= thresholds.calibration_p
        checks.append(
            Check(
                "uncovered texts", passed, share, limit, where, remedies[cut], withheld,
                condition=name if cut else None, argument=argument,
            )
        )  # fmt: skip
    return checks


def check_rates(diagnostics: xr.DataArray, thresholds: Thresholds) -> list[Check]:
    """R-hat and ESS of the rates, dims ``(diagnostic, scope, group)``; they withhold rates one by one."""
    checks = []
    for name, limit in (("r_hat", thresholds.r_hat), ("ess_bulk", thresholds.ess), ("ess_tail", thresholds.ess)):
        own = diagnostics.sel(diagnostic=name)
        if not np.isfinite(own).any():  # no rate has a denominator
            continue
        index: Any = own.argmax(...) if name == "r_hat" else own.argmin(...)
        worst = own.isel(index)
        value = float(worst)
        passed = value <= limit if name == "r_hat" else value >= limit
        group = ", ".join(str(own.item()) for key, own in worst.coords.items() if key not in ("diagnostic", "scope"))
        where = f"worst at {group}, {worst['scope'].item()} questions"
        checks.append(
            Check(f"rates: {name}", passed, value, limit, where, _RATES_LONGER, _RATES, each=True, argument=("seed",))
        )
    return checks
