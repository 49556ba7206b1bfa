r"""Conduct without known personas: a model in which what personas do is tilted in every condition.

If no completions of known personas are at hand (:mod:`simulacra.analysis.conduct`), whether a fine-tune changed what
personas do, rather than which of them speak, can be asked of held-out questions: does a model with bounded tilts
(:mod:`simulacra.formalism.tilts`) predict them better than one without? :func:`~simulacra.analysis.compare` answers,
with :class:`Tilted` among its models.

The tilts are anchored at a fit without them, and all conditions are treated alike, the baseline included. At the
posterior mean of the emissions, the tilts d of a condition, the mean logits μ of its cells and the logits η of every
cell maximise

.. math:: \sum_{c,y} n_{cy} \log \sum_z w_z(η_c)\, f_{zm}(y) + \sum_c \log \mathrm{N}(η_c \mid μ, v I)
    + \log \mathrm{N}(μ \mid m, v I) + \log \mathrm{N}(u \mid 0, ½^2 I), \qquad d = B \tanh(u / B),

with m and v the mean and the variance of the logits of a new question in the fit. New cells are then predicted with
tilted emissions, draw by draw, and with the shift of μ that the tilts bring about.

References:
    Byrd et al. (1995), doi:10.1137/0916069 (L-BFGS-B).
"""

import dataclasses
import numbers
from typing import NamedTuple

import numpy as np
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

_SPREAD = 0.5
"""Prior standard deviation of a tilt before it is bounded."""


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


class _Tilt(NamedTuple):
    """Tilts of the personas in a condition, shape ``(K,)``, and the mean logits of its cells, ``(K - 1,)``."""

    tilts: np.ndarray
    mean: np.ndarray


def tilted_predictive(candidate: Tilted, result: Result, fitted: CollapsedLog, counts: CollapsedLog) -> Predictive:
    """What a tilted model predicts of new cells.

    Args:
        candidate: the tilted model.
        result: a fit of the model without tilts.
        fitted: the counts it was fitted to.
        counts: the new cells.
    """
    column = result.model.measurements.index(candidate.measurement)
    parts = {name: np.flatnonzero(fitted.cells["condition"] == name) for name in counts.conditions}
    before, new = predictive_of(result, fitted), predictive_of(result, counts)
    means, components = new.means.copy(), dict[str, np.ndarray]()
    patterns = np.asarray(counts.patterns)
    tables = [result.posterior[f"{name}_probs"].to_numpy() for name in result.model.measurements]
    flat = [table.reshape(-1, *table.shape[2:]) for table in tables]
    for name, cells in parts.items():
        here = (counts.cells["condition"] == name).to_numpy()
        location, variance = new.means[:, here].mean(axis=(0, 1)), max(float(new.variances[:, here].mean()), 1e-6)
        fit_to = _Condition(
            np.asarray(fitted.counts)[cells].astype(float),
            before.components[name].mean(axis=0),
            flat[column].mean(axis=0),
            patterns[:, column],
            location,
            variance,
        )
        size = flat[column].shape[1]
        chosen = np.ones((size, 1)) if candidate.by == "condition" else np.eye(size)
        none, tilt = (_best(fit_to, owner, candidate.bound) for owner in (np.zeros((size, 0)), chosen))
        means[:, here] += tilt.mean - none.mean
        moved = [*flat[:column], tilted(flat[column], tilt.tilts), *flat[column + 1 :]]
        components[name] = component_probabilities(moved, patterns)
    return Predictive(means, new.variances, components)


class _Condition(NamedTuple):
    """What the tilts of a condition are estimated from.

    Attributes:
        counts: completions of its cells by pattern, shape ``(C, P)``.
        components: f without tilts, shape ``(K, P)``.
        table: category probabilities of the tilted measurement, shape ``(K, J)``.
        codes: the category of every pattern, shape ``(P,)``.
        location: prior mean of the logits, shape ``(K - 1,)``.
        variance: their prior variance.
    """

    counts: np.ndarray
    components: np.ndarray
    table: np.ndarray
    codes: np.ndarray
    location: np.ndarray
    variance: float


def _best(data: _Condition, owner: np.ndarray, bound: float | int) -> _Tilt:
    """The tilts and the mean logits of largest posterior density; ``owner @ u`` are the tilts of K personas."""
    number, size, cells = owner.shape[1], len(data.location), len(data.counts)
    contrasts, totals = ilr_basis(size + 1), data.counts.sum(axis=1, keepdims=True)
    scores = tilt_scores(data.table.shape[1])

    def negative(point: np.ndarray) -> tuple[float, np.ndarray]:
        u, mean, logits = np.split(point, [number, number + size])
        logits = logits.reshape(cells, size)
        tilts = owner @ bounded(u, bound)
        table = tilted(data.table, tilts)
        components = data.components * (table / data.table)[:, data.codes]
        weights = special.softmax(logits @ contrasts, axis=1)
        probabilities = weights @ components
        ratio = data.counts / probabilities
        away, moved = logits - mean, mean - data.location
        value = (away**2).sum() + (moved**2).sum()
        value = value / (2 * data.variance) + (u**2).sum() / (2 * _SPREAD**2)
        value -= (data.counts * np.log(probabilities)).sum()
        by_logits = away / data.variance - (weights * (ratio @ components.T) - totals * weights) @ contrasts.T
        centred = scores[data.codes] - (table @ scores)[:, None]
        by_tilts = -(components * centred * (weights.T @ ratio)).sum(axis=1)
        by_u = (by_tilts @ owner) * (1 - np.tanh(u / bound) ** 2) + u / _SPREAD**2
        by_mean = (moved - away.sum(axis=0)) / data.variance
        return float(value), np.concatenate([by_u, by_mean, by_logits.ravel()])

    start = np.concatenate([np.zeros(number), np.tile(data.location, cells + 1)])
    found = optimize.minimize(negative, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    return _Tilt(owner @ bounded(found[:number], bound), found[number : number + size])
