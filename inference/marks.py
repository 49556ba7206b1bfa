"""Marks of estimates that depend on personas: what the status of one that is shown says beyond its checks.

A mark withholds nothing. It states that a persona is absent, because hardly any completions are attributed to it
(:mod:`simulacra.inference.names`); that an estimate is *prior-driven*, because its mean leaves its interval if
archetypes are half or twice as concentrated or, for what personas do and imply, if there are none
(:mod:`simulacra.inference.sensitivity`); that it is *purity-driven*, because its mean leaves its interval at other
purities of the prompts that elicited the references (:mod:`simulacra.inference.purity`); that it is *condition-driven*,
because its mean leaves its interval if a condition is left out of the emissions that its weights refer to
(:mod:`simulacra.inference.influence`); or that the outcome does not differ although a weight does.

The interval of a *purity-driven* estimate is extended to the range of its mean at these purities. They have a prior,
which belongs to the model, and data hardly inform them, so an interval at fitted ones alone is too narrow. The
alternatives of the other marks are outside the model that was fitted, and change no interval.

References:
    Kallioinen et al. (2023), Detecting and diagnosing prior and likelihood sensitivity with power-scaling,
    doi:10.1007/s11222-023-10366-5.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.shifts import claim
from simulacra.inference.claims import sure_of_sign
from simulacra.inference.rates import against_baseline, rates_in
from simulacra.inference.tables import Terms, bounds, ends

__all__ = [
    "ABSENT",
    "CONDITION_DRIVEN",
    "PRIOR_DRIVEN",
    "PURITY_DRIVEN",
    "SAME_OUTCOME",
    "graded_personas",
    "is_marked",
    "marked",
    "marked_prior",
    "marks_of_contrast",
    "range_of_mark",
    "same_outcome",
]

ABSENT = "absent"
"""Of a persona to which hardly any completions are attributed."""
_ABSENT = f"{ABSENT}: hardly any completions are attributed to this persona"
PRIOR_DRIVEN = "prior-driven"
"""Of an estimate that leaves its interval at other concentrations of the archetypes."""
PURITY_DRIVEN = "purity-driven"
"""Of an estimate from texts that leaves its interval at other purities of the prompts that elicited the references."""
CONDITION_DRIVEN = "condition-driven"
"""Of an estimate that leaves its interval if only the other conditions show what the personas do."""
SAME_OUTCOME = "no difference in outcome claimed; may be the judge's use of its scale"
"""Of a shift in a condition whose rate is not claimed to differ."""
_MOSTLY = 0.5
"""Proportion of completions that can be judged below which a condition's outcome says little about its weights."""


def marked(
    table: pd.DataFrame,
    moved: Mapping[str, xr.DataArray],
    terms: Terms,
    *,
    absent: Sequence[str],
    same: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """A table of weights or shifts with marks in the status of the rows that are not withheld.

    The intervals of rows that are marked as purity-driven contain the range of that mark.

    Args:
        table: one row per condition and persona.
        moved: by mark, their means in the alternatives that it concerns: the first dim, before ``condition, persona``.
        terms: the probability of the intervals.
        absent: personas to which hardly any completions are attributed.
        same: for shifts, the conditions whose outcome does not differ from the baseline's, with the personas
            whose shift that concerns.
    """
    lower, upper = bounds(terms.ci_prob)
    statuses, intervals = [], []
    for row in table.to_dict("records"):
        place, limits = {name: row[name] for name in ("condition", "persona")}, (row[lower], row[upper])
        if row["status"].startswith("withheld"):
            statuses.append(row["status"])
            intervals.append(limits)
            continue
        means = {mark: own.sel(place).to_numpy() for mark, own in moved.items()}
        marks, shown = _driven_marks(means, limits)
        if row["persona"] in absent:
            marks.insert(0, _ABSENT)
        if row["persona"] in (same or {}).get(row["condition"], ()) and not shown[0] <= 0 <= shown[1]:
            marks.append(SAME_OUTCOME)
        statuses.append("; ".join(marks) or row["status"])
        intervals.append(shown)
    ends_shown = np.reshape(np.asarray(intervals, dtype=float), (-1, 2)).T
    return table.assign(status=statuses, **dict(zip((lower, upper), ends_shown, strict=True)))


def marked_prior(
    table: pd.DataFrame, means: np.ndarray, columns: tuple[str, str], status: str = "status"
) -> pd.DataFrame:
    """A table whose estimates are marked as prior-driven where they are, unless they are withheld.

    Args:
        table: R rows.
        means: means of the estimates with other archetypes, shape ``(A, R)``.
        columns: the ends of the intervals.
        status: the column of their status.
    """
    limits = table[list(columns)].to_numpy(float)
    found = [
        own if own.startswith("withheld") else _driven(PRIOR_DRIVEN, row, (low, high)) or own
        for own, row, (low, high) in zip(table[status], means.T, limits, strict=True)
    ]
    return table.assign(**{status: found})


def _driven_marks(
    moved: Mapping[str, np.ndarray], limits: tuple[float, float]
) -> tuple[list[str], tuple[float, float]]:
    """The marks of an estimate whose means, by mark, leave its interval, and the interval that is shown."""
    marks = {mark: _driven(mark, means, limits) for mark, means in moved.items()}
    if marks.get(PURITY_DRIVEN):
        means = moved[PURITY_DRIVEN]
        limits = min(limits[0], float(means.min())), max(limits[1], float(means.max()))
    return [*filter(None, marks.values())], limits


def _driven(mark: str, means: np.ndarray, limits: tuple[float, float]) -> str:
    """The mark with the range of the means in its alternatives, if one leaves the interval; otherwise empty."""
    low, high = means.min(), means.max()
    if not (low < limits[0] or high > limits[1]):
        return ""
    return f"{mark} ({low:.3f} to {high:.3f})".replace("(-", "(−").replace(" -", " −")


def range_of_mark(status: str, mark: str) -> str:
    """The range that a mark of a status states, ``"0.774 to 0.935"``; empty without this mark."""
    _, found, rest = status.partition(f"{mark} (")
    return rest.partition(")")[0] if found else ""


def is_marked(status: str) -> bool:
    """Whether the status of a weight or shift has any mark."""
    return any(mark in status for mark in (ABSENT, PRIOR_DRIVEN, PURITY_DRIVEN, CONDITION_DRIVEN, SAME_OUTCOME))


def same_outcome(
    rates: xr.Dataset, model: PersonaMixture, personas: Sequence[str], ci_prob: float
) -> dict[str, tuple[str, ...]]:
    """Conditions whose rate is not claimed to differ from the baseline's, although most completions can be judged.

    Args:
        rates: posterior of the rate model for the outcome of the model.
        model: the model.
        personas: the names of its personas after the name gates.
        ci_prob: probability of the intervals, which determines claims.

    Returns:
        For each, the personas whose shifts may come from the judge's use of its scale: those without evidence of their
        own, such as a missing score.
    """
    draws = against_baseline(rates_in(rates, "these"), model.baseline)
    judged = rates["judged"].groupby("condition").min()
    seen = {str(name) for name in judged["condition"].to_numpy() if judged.sel(condition=name) >= _MOSTLY}
    if model.baseline not in seen:
        return {}
    apart = np.isnan(draws.to_numpy()).any(axis=(0, 1)) | _claimed(draws.to_numpy(), ci_prob)
    differing = {str(name) for name in draws["condition"].to_numpy()[apart]}
    return dict.fromkeys(seen - differing - {model.baseline}, graded_personas(personas, model))


def _claimed(draws: np.ndarray, ci_prob: float) -> np.ndarray:
    """Whether differences on these questions are claimed, from draws ``(chain, draw, n)``; shape ``(n,)``."""
    limits, sure = np.quantile(draws, ends(ci_prob), axis=(0, 1)).T.tolist(), sure_of_sign(draws, "these")
    said = [claim(low, high, sure=bool(own)) for (low, high), own in zip(limits, sure, strict=True)]
    return np.isin(said, ["increase", "decrease"])


def graded_personas(personas: Sequence[str], model: PersonaMixture) -> tuple[str, ...]:
    """Personas without evidence of their own, such as a missing score; ``personas`` are their fitting names."""
    return tuple(name for name, own in zip(personas, model.personas, strict=True) if own.evidence is None)


def marks_of_contrast(
    coefficients: np.ndarray,
    limits: tuple[float, float],
    ci_prob: float,
    *,
    moved: Mapping[str, np.ndarray],
    personas: Sequence[str],
    absent: Sequence[str],
    graded: Sequence[str],
    rates: xr.Dataset | None,
) -> tuple[str, tuple[float, float]]:
    """The marks of a contrast of weights, empty if there are none, and its interval, extended as in :func:`marked`.

    Args:
        coefficients: the coefficient of every group and persona, K of each group in turn, shape ``(G K,)``.
        limits: the interval of the contrast.
        ci_prob: its probability.
        moved: by mark, mean weights of the groups in the alternatives that it concerns, shape ``(A, G, K)``.
        personas: names of the K personas.
        absent: personas to which hardly any completions are attributed.
        graded: personas whose weight may come from the judge's use of its scale; see :func:`same_outcome`.
        rates: posterior of the rate model for the outcome of the model, if it has one.
    """
    coefficients = coefficients.reshape(-1, len(personas))
    used = np.flatnonzero(coefficients.any(axis=0)).tolist()
    own = {personas[persona] for persona in used}
    means = {mark: np.einsum("agk,gk->a", each, coefficients) for mark, each in moved.items()}
    marks, shown = _driven_marks(means, limits)
    if own & set(absent):
        marks.insert(0, _ABSENT)
    changes = not shown[0] <= 0 <= shown[1]
    if rates is not None and changes and own <= set(graded) and _no_claim(rates, coefficients[:, used], ci_prob):
        marks.append(SAME_OUTCOME)
    return "; ".join(marks), shown


def _no_claim(rates: xr.Dataset, coefficients: np.ndarray, ci_prob: float) -> bool:
    """Whether no contrast of rates with these coefficients, shape ``(G, R)``, is claimed, and most can be judged."""
    groups = coefficients.any(axis=1)
    draws = rates_in(rates, "these").to_numpy()[..., groups] @ coefficients[groups]
    judged = rates["judged"].to_numpy()[groups] >= _MOSTLY
    return bool(judged.all()) and not _claimed(draws, ci_prob).any()
