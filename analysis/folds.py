"""Cross-validation over base questions: folds, fits without the questions of a fold, and scores of its completions.

The scores are defined in :mod:`simulacra.analysis.comparison`.

References:
    Roberts et al. (2017), doi:10.1111/ecog.02881 (leaving out blocks of dependent observations).
"""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from simulacra.analysis.held_out import Prior, log_predictive_density
from simulacra.data import CollapsedLog
from simulacra.formalism.errors import InputError
from simulacra.formalism.mixture import PersonaMixture, component_probabilities
from simulacra.formalism.new_cells import logits_of_new_cells
from simulacra.inference.diagnostics import Thresholds
from simulacra.inference.fit import fit
from simulacra.inference.posterior import parameters_of
from simulacra.inference.result import Result

__all__ = ["SCORES", "Predictive", "folds_of", "part_of", "predictive_of", "refit", "scores"]

SCORES = ("adapted", "plain")
"""The two scores."""

_FEWEST = 4


class Predictive(NamedTuple):
    """What a fit with S draws predicts of N new cells.

    Attributes:
        means: prior means of the logits, shape ``(S, N, K - 1)``.
        variances: their prior variances, shape ``(S, N)``.
        components: f of every pattern, shape ``(S, K, P)``.
    """

    means: np.ndarray
    variances: np.ndarray
    components: np.ndarray


def folds_of(counts: CollapsedLog, number: int, seed: int) -> dict[str, int]:
    """The fold of every base question, of sizes that differ by one at most.

    Raises:
        InputError: fewer than 4 base questions, or a condition that was asked the questions of one fold only.
    """
    questions = sorted(counts.base_questions.unique())
    if len(questions) < _FEWEST:
        raise InputError(
            f"compare: the log has {len(questions)} base question(s)",
            expected=f"at least {_FEWEST}, because they are the units of cross-validation",
            remedy="log more questions; samples of the same questions do not replace them",
            argument="log",
        )
    order = np.random.default_rng(seed).permutation(len(questions))
    folds = {questions[place]: position % number for position, place in enumerate(order)}
    asked = counts.base_questions.map(folds).groupby(counts.cells["condition"]).nunique()
    if (asked < 2).any():
        raise InputError(
            f"compare: {str(asked.index[asked < 2][0])!r} was asked the questions of one fold only, without which it "
            "cannot be fitted",
            expected="every condition on questions of two folds or more",
            remedy="leave the condition out: log.select(condition=...), or increase num_folds",
            argument=("log", "num_folds"),
        )
    return dict(sorted(folds.items()))


def part_of(counts: CollapsedLog, chosen: np.ndarray) -> CollapsedLog:
    """The counts of the cells that are chosen, bool, shape ``(cells,)``."""
    cells = counts.cells[chosen].reset_index(drop=True)
    return dataclasses.replace(counts, cells=cells, counts=counts.counts[chosen], row_cell=None, row_pattern=None)


def refit(model: PersonaMixture, counts: CollapsedLog, settings: Mapping[str, Any]) -> Result:
    """Fit a model to some of the cells; what was said about the whole log is not said again."""
    # What withholds estimates or lengthens a fit does not matter to predictions: R-hat is judged in the comparison.
    thresholds = dataclasses.replace(Thresholds(), r_hat=np.inf, ess=0, mode_gap=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(model, counts, thresholds=thresholds, progress_bar=False, **settings)


def predictive_of(result: Result, counts: CollapsedLog) -> Predictive:
    """What a fit predicts of cells with new questions, whose effects have their prior at the posterior scales."""
    flat = result.posterior.stack(sample=("chain", "draw")).transpose("sample", ...)  # noqa: PD013 (xarray)
    parameters = parameters_of(flat, result.prepared)
    components = component_probabilities(parameters.probabilities, np.asarray(counts.patterns))
    new = logits_of_new_cells(result.design, counts.cells)
    means, variances = new.mean(parameters.latents), new.variance(parameters.scales)
    return Predictive(means, variances, components)


def scores(
    predictive: Predictive, counts: CollapsedLog, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Both scores of every held-out cell, and the Monte Carlo standard errors of their sums over cells.

    Args:
        predictive: what a fit predicts of these cells.
        counts: the completions of the cells.
        shape: number of chains and draws of each.
        rng: source of the halves and of the estimates.
    """
    from arviz_stats.sampling_diagnostics import mcse

    elpd, influence = {score: list[float]() for score in SCORES}, {score: np.zeros(shape) for score in SCORES}
    # All halves come first, so that they are the same for all models.
    halves = [rng.multivariate_hypergeometric(own, own.sum() // 2) for own in np.asarray(counts.counts)]
    for cell, (own, half) in enumerate(zip(np.asarray(counts.counts), halves, strict=True)):
        prior = Prior(predictive.means[:, cell], predictive.variances[:, cell])
        both, one, other = (
            log_predictive_density(part.astype(float), prior, predictive.components, rng)
            for part in (own, half, own - half)
        )
        elpd["plain"].append(both.value)
        elpd["adapted"].append(2 * both.value - one.value - other.value)
        influence["plain"] += both.influence.reshape(shape)
        influence["adapted"] += (2 * both.influence - one.influence - other.influence).reshape(shape)
    cells = counts.cells[["condition", "question_id"]].assign(
        base_question=counts.base_questions, completions=np.asarray(counts.counts).sum(axis=1)
    )
    table = pd.concat([cells.assign(score=score, elpd=elpd[score]) for score in SCORES])
    return table, {score: float(mcse(values, method="mean")) for score, values in influence.items()}
