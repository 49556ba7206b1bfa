r"""Conduct without known personas: a model in which what personas do is tilted in every condition.

If no completions of known personas are at hand (:mod:`simulacra.analysis.conduct`), whether a fine-tune changed what
personas do, rather than which of them speak, can be asked of held-out questions: does a model with bounded tilts
(:mod:`simulacra.formalism.tilts`) predict them better than one without? :func:`~simulacra.analysis.compare` answers,
with :class:`Tilted` among its models.

A tilted model is anchored at a fit without tilts, and all conditions are treated alike, the baseline included. The
category probabilities θ of the tilted measurement, the tilts d_m and the mean logits μ_m of every condition, and the
logits η of every cell, maximise

.. math:: \sum_{c,y} n_{cy} \log \sum_z w_z(η_c)\, f_{zm}(y) + \sum_c \log \mathrm{N}(η_c \mid μ_m, v I)
    + \sum_m \log \mathrm{N}(μ_m \mid η_{0m}, v I) + \sum_m \log \mathrm{N}(u_m \mid 0, (B/2)^2 I)
    + \sum_{z,j} α_{zj} \log θ_{zj}, \qquad d_m = B \tanh((u_m - \bar u) / B),

once with tilts and once without, from the emissions of the fit and from the archetypes. Here η_0 and v are the mean and
the variance of the logits of a new question in the fit, and f the other measurements have is that of the fit. What the
tilts change in log θ and μ is added to every draw of the fit, by which new cells are then predicted.

References:
    Byrd et al. (1995), doi:10.1137/0916069 (L-BFGS-B).
"""

import dataclasses
import numbers
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, special

from simulacra.analysis.folds import Predictive, predictive_of
from simulacra.data import CollapsedLog
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.mixture import PersonaMixture, component_probabilities
from simulacra.formalism.simplex import ilr_basis
from simulacra.formalism.tilts import bounded, tilt_scores, tilted
from simulacra.formalism.weights import named_columns
from simulacra.inference.result import Result

__all__ = ["Tilted", "tilted_predictive"]


@dataclasses.dataclass(frozen=True, repr=False)
class Tilted:
    """A model whose emission of one measurement is tilted in every condition, for :func:`~simulacra.analysis.compare`.

    Attributes:
        model: the model without tilts, in whose formula weights depend on the condition.
        measurement: the measurement whose categories are tilted; they must be ordered.
        by: ``"condition"``, one tilt of all personas in each condition; or ``"persona"``, one of each persona in each.
        bound: largest size of a tilt; compare two bounds, since the result depends on it.

    Raises:
        InputError: an unknown measurement, weights that do not depend on the condition, a bound that is not positive,
            or another value of ``by``.
    """

    model: PersonaMixture
    measurement: str = "aligned"
    by: str = "condition"
    bound: float | int = 1.0

    def __post_init__(self) -> None:
        """Check the arguments."""
        expect_type(self.model, PersonaMixture, "model", "Tilted", expected="a PersonaMixture")
        expect_type(self.bound, numbers.Real, "bound", "Tilted", expected="a positive number")
        if self.measurement not in self.model.measurements:
            raise InputError(
                f"Tilted: the model has no measurement {self.measurement!r}",
                expected=f"one of {', '.join(self.model.measurements)}",
                argument="measurement",
            )
        if "condition" not in named_columns(self.model.weights):
            raise InputError(
                f"Tilted: the weights {self.model.weights!r} do not depend on the condition",
                expected="a formula with a term such as (1 | condition), which tilts compete with",
                argument="weights",
            )
        if self.bound <= 0:
            raise InputError(f"Tilted: bound is {self.bound}", expected="a positive number", argument="bound")
        if self.by not in ("condition", "persona"):
            raise InputError(f"Tilted: by is {self.by!r}", expected="'condition' or 'persona'", argument="by")

    def __repr__(self) -> str:
        whose = "all personas share" if self.by == "condition" else "every persona has"
        return card(
            f"Tilted: {whose} a tilt of {self.measurement!r} in every condition, at most {self.bound:g}",
            f"personas: {listing(self.model.names)}",
            "next: compare({'shared': model, 'tilted': Tilted(model)}, log)",
        )


class _Data(NamedTuple):
    """What tilts are estimated from.

    Attributes:
        counts: completions by cell and pattern, shape ``(C, P)``.
        condition: the condition of every cell, one of M, shape ``(C,)``.
        rest: f of the other measurements of every pattern, shape ``(K, P)``.
        codes: the category of every pattern in the tilted measurement, shape ``(P,)``.
        concentration: α, shape ``(K, J)``.
        location: prior mean of the logits of every condition, shape ``(M, K - 1)``.
        variance: their prior variance.
    """

    counts: np.ndarray
    condition: np.ndarray
    rest: np.ndarray
    codes: np.ndarray
    concentration: np.ndarray
    location: np.ndarray
    variance: float


class _Best(NamedTuple):
    """Maximum of the posterior density: θ ``(K, J)``, tilts ``(M, K)`` and mean logits ``(M, K - 1)``."""

    density: float
    table: np.ndarray
    tilts: np.ndarray
    means: np.ndarray


def tilted_predictive(candidate: Tilted, result: Result, fitted: CollapsedLog, counts: CollapsedLog) -> Predictive:
    """What a tilted model predicts of new cells.

    Args:
        candidate: the tilted model.
        result: a fit of the model without tilts.
        fitted: the counts it was fitted to.
        counts: the new cells.
    """
    model, new = result.model, predictive_of(result, counts)
    column, conditions = model.measurements.index(candidate.measurement), fitted.conditions
    index = pd.Index(conditions)
    here, own = (index.get_indexer(pd.Index(part.cells["condition"])) for part in (counts, fitted))
    tables = [result.posterior[f"{name}_probs"].to_numpy() for name in model.measurements]
    flat = [table.reshape(-1, *table.shape[2:]) for table in tables]
    patterns, others = np.asarray(counts.patterns), [place for place in range(len(flat)) if place != column]
    expected = predictive_of(result, fitted).means.mean(axis=0)
    data = _Data(
        np.asarray(fitted.counts, dtype=float),
        own,
        component_probabilities(
            [np.ones((len(model.personas), 1)), *(flat[place].mean(axis=0) for place in others)],
            np.column_stack([np.zeros(len(patterns), int), patterns[:, others]]),
        ),
        patterns[:, column],
        model.concentrations[column],
        np.stack([expected[own == place].mean(axis=0) for place in range(len(conditions))]),
        max(float(new.variances.mean()), 1e-6),
    )
    size = len(model.personas)
    owner = np.ones((size, 1)) if candidate.by == "condition" else np.eye(size)
    archetypes = data.concentration / data.concentration.sum(axis=1, keepdims=True)
    none, best = (
        max(
            (_best(data, each, candidate.bound, start) for start in (flat[column].mean(axis=0), archetypes)),
            key=lambda own: own.density,
        )
        for each in (np.zeros((size, 0)), owner)
    )
    moved = np.log(flat[column]) + np.log(best.table) - np.log(none.table)
    components = {}
    for place, name in enumerate(conditions):
        table = tilted(special.softmax(moved, axis=-1), best.tilts[place])
        components[name] = component_probabilities([*flat[:column], table, *flat[column + 1 :]], patterns)
    return Predictive(new.means + (best.means - none.means)[here], new.variances, components)


def _best(data: _Data, owner: np.ndarray, bound: float | int, table: np.ndarray) -> _Best:
    """The maximum that is reached from emissions ``table``; ``owner @ u`` are the tilts of the K personas."""
    (size, number), (groups, coordinates), cells = owner.shape, data.location.shape, len(data.counts)
    ends = np.cumsum([table.size, groups * number, groups * coordinates])
    contrasts, totals = ilr_basis(size), data.counts.sum(axis=1, keepdims=True)
    scores, one_hot = tilt_scores(table.shape[1]), np.eye(table.shape[1])[data.codes]
    member = np.equal.outer(np.arange(groups), data.condition)

    def parts(point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        log_table, u, means, logits = np.split(point, ends)
        return (
            special.log_softmax(log_table.reshape(table.shape), axis=1),
            u.reshape(groups, number),
            means.reshape(groups, coordinates),
            logits.reshape(cells, coordinates),
        )

    def tilts_of(u: np.ndarray) -> np.ndarray:
        return bounded(u - u.mean(axis=0), bound)

    def negative(point: np.ndarray) -> tuple[float, np.ndarray]:
        log_table, u, means, logits = parts(point)
        own = special.softmax(log_table + (tilts_of(u) @ owner.T)[..., None] * scores, axis=-1)  # (M, K, J)
        weights = special.softmax(logits @ contrasts, axis=1)
        away, moved = logits - means[data.condition], means - data.location
        value = ((away**2).sum() + (moved**2).sum()) / (2 * data.variance) + 2 * (u**2).sum() / bound**2
        value -= (data.concentration * log_table).sum()
        by_weights, expected = np.empty_like(weights), np.empty_like(own)
        for place, here in enumerate(member):
            components = data.rest * own[place][:, data.codes]
            probabilities = weights[here] @ components
            value -= (data.counts[here] * np.log(probabilities)).sum()
            ratio = data.counts[here] / probabilities
            by_weights[here] = weights[here] * (ratio @ components.T)
            expected[place] = (components * (weights[here].T @ ratio)) @ one_hot  # completions of persona and category
        total = expected.sum(axis=-1, keepdims=True)
        by_own = expected - total * own
        by_table = by_own.sum(axis=0) + data.concentration
        by_table -= data.concentration.sum(axis=1, keepdims=True) * np.exp(log_table)
        by_u = (by_own @ scores @ owner) * (1 - (tilts_of(u) / bound) ** 2)
        by_u = by_u - by_u.mean(axis=0) - 4 * u / bound**2
        by_means = member @ away / data.variance - moved / data.variance
        by_logits = (by_weights - totals * weights) @ contrasts.T - away / data.variance
        return float(value), -np.concatenate([part.ravel() for part in (by_table, by_u, by_means, by_logits)])

    start = [np.log(table), np.zeros((groups, number)), data.location, data.location[data.condition]]
    found = optimize.minimize(
        negative,
        np.concatenate([part.ravel() for part in start]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 3000},
    )
    log_table, u, means, _ = parts(found.x)
    return _Best(-float(found.fun), np.exp(log_table), tilts_of(u) @ owner.T, means)
