"""The checks that follow from the draws of a fit, made when it is fitted and again when it is read from a file.

References:
    Gelman et al. (2020), Bayesian workflow, arXiv:2011.01808 (what is checked before a fit is interpreted).
"""

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Sequence

import xarray as xr

from simulacra.inference.convergence import convergence
from simulacra.inference.diagnostics import (
    Check,
    Thresholds,
    check_baseline,
    check_calibration,
    check_misfit,
    check_rates,
    check_sampling,
    check_uncovered,
)
from simulacra.inference.names import check_names, find_evidence, fitting_name
from simulacra.inference.posterior import parameters_of
from simulacra.inference.prepare import Prepared
from simulacra.inference.rates import rate_diagnostics

__all__ = ["check_again", "check_draws", "with_fitting_names"]


def check_draws(prepared: Prepared, tree: xr.DataTree, thresholds: Thresholds) -> list[Check]:
    """All checks that need nothing but the draws: names, convergence, unexplained shares and rates.

    Args:
        prepared: data and model.
        tree: the groups ``posterior`` and ``sample_stats`` and, where the model has them, ``misfit, calibration,
            uncovered`` and ``rates``.
        thresholds: thresholds of the checks.
    """
    posterior, model = tree["posterior"].to_dataset(), prepared.model
    gated = [str(name) for name in posterior.data_vars if name not in ("latents", "outcome_given_persona")]
    probabilities = parameters_of(posterior, prepared).probabilities
    evidence = find_evidence(prepared, posterior, thresholds)
    of_baseline = prepared.counts[prepared.condition == 0].sum(axis=0)

    def found(group: str, check: Callable[[xr.Dataset, Thresholds], list[Check]]) -> list[Check]:
        return check(tree[group].to_dataset(), thresholds) if group in tree.children else []

    return [
        *check_names(model, probabilities, evidence, thresholds),  # first: an absent persona causes poor mixing
        *check_sampling(convergence(posterior, gated), posterior, tree["sample_stats"].to_dataset(), thresholds),
        *check_baseline(model.emissions, prepared.patterns, of_baseline, thresholds),
        *found("misfit", check_misfit),
        *found("calibration", check_calibration),
        *found("uncovered", functools.partial(check_uncovered, cut=prepared.is_cut)),
        *found("rates", lambda rates, limits: check_rates(rate_diagnostics(rates), limits)),
    ]


def with_fitting_names(checks: Sequence[Check], prepared: Prepared) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """The checks with the names that the personas have after the name gates, and these names."""
    model = prepared.model
    fitting = tuple(fitting_name(persona, index, checks) for index, persona in enumerate(model.personas))
    renamed = dict(zip(model.names, fitting, strict=True))
    return tuple(_replaced(check, renamed.get(check.persona or "", check.persona)) for check in checks), fitting


def check_again(stored: Sequence[Check], found: Sequence[Check]) -> tuple[Check, ...]:
    """Stored checks, each replaced by the one that was found now if they disagree, and those that were not stored.

    Checks that do not follow from these draws alone, such as that of readings, are kept.
    """
    now = dict(zip(_keys(found), found, strict=True))
    kept = [now.pop(key, check) for key, check in zip(_keys(stored), stored, strict=True)]
    return (*(old if _agree(old, new) else new for old, new in zip(stored, kept, strict=True)), *now.values())


def _replaced(check: Check, persona: str | None) -> Check:
    return check if check.persona == persona else dataclasses.replace(check, persona=persona)


def _keys(checks: Iterable[Check]) -> list[tuple[str, str | None, str | None, int]]:
    """What a check is about; a condition with contexts has several of the same name."""
    seen: collections.Counter[tuple] = collections.Counter()
    keys = []
    for check in checks:
        about = (check.name, check.persona, check.condition)
        keys.append((*about, seen[about]))
        seen[about] += 1
    return keys


def _agree(one: Check, other: Check) -> bool:
    """Whether two checks found the same; the values of libraries of other versions differ in the last digits."""
    same = one.value == other.value or math.isclose(one.value, other.value, rel_tol=1e-6) or one.found == other.found
    return same and (one.passed, one.threshold, one.withholds, one.each) == (
        other.passed,
        other.threshold,
        other.withholds,
        other.each,
    )
