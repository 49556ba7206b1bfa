"""Predicted rates: of questions that were not fitted, and at values of covariates that were not logged.

Weights of new cells follow from the formula (:mod:`simulacra.formalism.new_cells`), and rates from weights and
personas, eq. (7). Effects of new questions are drawn from their prior at the posterior scales, so the interval is wider
than the in-sample one by the variation between questions.

References:
    Gelman & Hill (2007), Data analysis using regression and multilevel/hierarchical models, section 12.8
    (predictions for new groups), doi:10.1017/CBO9780511790942.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.analysis.checks import expect_own_categories, expect_passed, expect_result
from simulacra.data import CollapsedLog, CompletionLog, ScannedLog, collapse
from simulacra.data.counting.collapse import expect_log
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_whole
from simulacra.formalism.new_cells import logits_of_new_cells
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.simplex import inverse_ilr
from simulacra.formalism.weights import named_columns
from simulacra.inference.compared import Compared
from simulacra.inference.contrasts import Contrast, contrast_of
from simulacra.inference.draws import chosen_outcome
from simulacra.inference.groups import Group, names_of
from simulacra.inference.posterior import parameters_of
from simulacra.inference.result import Result
from simulacra.inference.tables import Terms, bounds, ends, places

__all__ = ["Prediction", "predict", "predict_rates"]

_QUESTIONS = ("question_id", "base_question")
_NOTHING = np.finfo(float).tiny  # for a denominator of probability zero; its event has probability zero as well


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """Predicted rates of conditions, in contexts or at values of covariates. Returned by :func:`predict`.

    Attributes:
        compared: the groups and the draws of their predicted rates.
        replicated: rates in as many completions as were logged, binomial noise included, shape ``(draws, G)``; ``None``
            for cells without completions.
        counted: events and completions in the denominator, shape ``(G, 2)``; ``None`` for cells without completions.
    """

    compared: Compared
    replicated: np.ndarray | None
    counted: np.ndarray | None

    @property
    def draws(self) -> xr.DataArray:
        """Draws of the predicted rates, dims ``(chain, draw, group)``, in [0, 1], as ``Result.draws("rates")``."""
        return self.compared.draws

    def rates(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per group: its columns, what was observed, and what is predicted; see :func:`predict_rates`.

        Raises:
            InputError: a probability outside (0, 1).
        """
        ci_prob = self.compared.terms.at(ci_prob).ci_prob
        flat = self.draws.stack(sample=("chain", "draw")).transpose("group", "sample").to_numpy()  # noqa: PD013
        table = places(self.draws)
        if self.counted is not None:
            events, total = self.counted.T
            table = table.assign(events=events, total=total, observed=events / np.where(total > 0, total, np.nan))
        table["predicted"] = flat.mean(axis=1)
        lower, upper = np.quantile(flat, ends(ci_prob), axis=1)
        table = table.assign(**dict(zip(bounds(ci_prob), (lower, upper), strict=True)))
        if self.counted is not None and self.replicated is not None:
            least, most = np.quantile(self.replicated, ends(ci_prob), axis=0)
            inside = (least <= table["observed"]) & (table["observed"] <= most)
            covered = inside.astype(object).where(table["total"] > 0, None).infer_objects()
            table = table.assign(predictive_lb=least, predictive_ub=most, covered=covered)
        return table

    def contrast(self, group: Group, minus: Group) -> Contrast:
        """The difference of the predicted rates of two groups or means of groups, as ``Result.contrast``.

        There is no claim, because a difference that is predicted through personas does not support one.

        Args:
            group: a group of the prediction: ``"ft"``, ``"condition=ft, dose=16"``, a mapping, or several.
            minus: the group that is subtracted.

        Raises:
            InputError: an unknown group, or the same group twice.
        """
        return contrast_of(self.compared, group, minus, None)

    def __repr__(self) -> str:
        return card(
            f"Prediction of {grouped(len(self.compared.groups))} rates",
            f"groups: {listing(names_of(self.compared.groups))}",
            self.compared.words,
            "next: prediction.rates(), .contrast(group, minus), .draws",
        )


def predict(
    result: Result,
    log: CompletionLog | ScannedLog | CollapsedLog | pd.DataFrame,
    outcome: Outcome | str | None = None,
    *,
    num_draws: int = 1000,
    seed: int = 0,
) -> Prediction:
    """Predict rates through the personas: on the questions of another log, or at values of covariates.

    Args:
        result: a fit.
        log: completions on held-out (or known) questions, of which only the cells and their numbers of completions
            enter the prediction; or a table of cells, with a row for every group and the columns that the formula
            names, such as ``DataFrame({"condition": ["ft", "ft"], "dose": [1, 16]})``. Without ``question_id``, each
            row of a table is predicted on all questions of the fit, with equal proportions. A condition that was not
            fitted can be predicted if the formula does not name ``condition``.
        outcome: event and denominator. Default: the outcome of the model.
        num_draws: number of posterior draws used, evenly spaced.
        seed: random seed of the prediction.

    When not to trust it: values of a covariate that were not logged are predicted by the formula, whose own error the
    interval does not contain; and the prediction is that of the personas, without what they leave unexplained.

    Raises:
        InputError: a column that the formula names is absent; a condition, or another level of a common effect, that
            was not fitted; there is no outcome; or the fit failed its checks.
    """
    swapped = "the result comes first: predict(result, log)" if isinstance(log, Result) else None
    expect_result(result, "predict", swapped)
    for name, value in (("num_draws", num_draws), ("seed", seed)):
        expect_whole(value, name, "predict", least=int(name == "num_draws"))
    outcome = chosen_outcome(outcome, result.prepared)
    if isinstance(log, pd.DataFrame):
        cells, counts = _given(result, log), None
        sizes, by = np.ones(len(cells), dtype=int), [name for name in map(str, log) if name not in _QUESTIONS]
    else:
        expect_log(log, "predict", also=", or a table of cells")
        collapsed = _collapsed(result, log)
        cells, counts, sizes = collapsed.cells, collapsed, collapsed.counts.sum(axis=1)
        by = ["condition", *(name for name in result.prepared.contexts if name in cells)]
    _refuse_unknown(result, cells)
    expect_passed(result, "predict: rates cannot be predicted", "implied_rates")
    rng = np.random.default_rng(seed)
    inside, happens = _cell_probabilities(result, cells, outcome, num_draws, rng)
    groups, within = _groups(result, cells, by)
    rate = ((happens * sizes) @ within) / np.maximum((inside * sizes) @ within, _NOTHING)
    columns = {name: ("group", groups[name].to_numpy(str)) for name in groups}
    draws = xr.DataArray(rate, dims=("chain", "draw", "group"), coords=columns, name="predicted_rates")
    replicated, counted = None, None
    if counts is not None:
        totals = rng.binomial(sizes, np.clip(inside, 0, 1))
        events = rng.binomial(totals, np.clip(happens / np.maximum(inside, _NOTHING), 0, 1))
        replicated = ((events @ within) / np.maximum(totals @ within, 1)).reshape(-1, len(groups))
        counted = within.T @ _observed(result, counts, outcome)
    terms, provenance = (
        Terms(result.failed, result.thresholds, result.ci_prob).of("implied_rates"),
        result.provenance(outcome),
    )
    compared = Compared("predicted_rates", "these", _words(cells), groups, draws, (), None, None, terms, provenance)
    return Prediction(compared, replicated, counted)


def predict_rates(
    result: Result,
    log: CompletionLog | ScannedLog | CollapsedLog | pd.DataFrame,
    outcome: Outcome | str | None = None,
    *,
    num_draws: int = 1000,
    seed: int = 0,
    ci_prob: float | None = None,
) -> pd.DataFrame:
    """Predict rates and compare them with the observed ones; :func:`predict` also returns draws and contrasts.

    Args:
        result: a fit.
        log: as for :func:`predict`.
        outcome: event and denominator. Default: the outcome of the model.
        num_draws: number of posterior draws used.
        seed: random seed of the prediction.
        ci_prob: probability of both intervals.

    Returns:
        One row per condition and context, or per row of a table of cells: ``condition``, contexts, ``events, total,
        observed, predicted`` (posterior mean of the rate), ``eti89_lb, eti89_ub`` (interval of the rate),
        ``predictive_lb, predictive_ub`` (interval of the rate observed in this number of completions, binomial noise
        included) and ``covered``, whether the observed rate lies within the latter; None if the denominator has no
        completions. A table of cells has no observed rates.

    Raises:
        InputError: as :func:`predict`, or a probability outside (0, 1).
    """
    if ci_prob is not None:
        bounds(ci_prob)  # raises before anything is drawn
    return predict(result, log, outcome, num_draws=num_draws, seed=seed).rates(ci_prob=ci_prob)


def _collapsed(result: Result, log: CompletionLog | ScannedLog | CollapsedLog) -> CollapsedLog:
    """The counts of the log, in cells by the columns of the formula."""
    by = tuple(map(str, result.design.cells.columns))
    if not isinstance(log, CollapsedLog):
        return collapse(log, result.model.emissions, by=by)
    expect_own_categories(log, result, "predict")
    return log


def _given(result: Result, table: pd.DataFrame) -> pd.DataFrame:
    """The cells of a table; without questions, on all of those that were fitted."""
    columns = list(map(str, result.design.cells))
    unknown = [str(name) for name in table if name not in columns]
    if unknown or "condition" not in table or table.empty:
        raise InputError(
            f"predict: the table has {f'a column {unknown[0]!r}' if unknown else f'the columns {list(table)}'}",
            expected=f"one row per cell, with condition and columns among {', '.join(columns)}",
            remedy="read a table of completions first: read_completions(...)" if unknown else None,
            argument="log",
        )
    asked = [name for name in _QUESTIONS if name in table]
    unnamed = [name for name in ("condition", *asked) if not table[name].map(lambda own: isinstance(own, str)).all()]
    if unnamed:
        raise InputError(
            f"predict: the column {unnamed[0]!r} of the table has values that are not text",
            expected="names of conditions and questions",
            remedy=f"table.astype({{{unnamed[0]!r}: str}}), without empty cells",
            argument="log",
        )
    if "question_id" in table:
        return table.assign(base_question=table.get("base_question", table["question_id"])).reset_index(drop=True)
    asked = [name for name in _QUESTIONS if name in result.design.cells]
    return table.merge(result.design.cells[asked].dropna().drop_duplicates(), how="cross")


def _refuse_unknown(result: Result, cells: pd.DataFrame) -> None:
    """Refuse conditions about which the formula says nothing."""
    unknown = sorted(set(cells["condition"]) - set(result.conditions))
    if unknown and "condition" in named_columns(result.design.formula):
        raise InputError(
            f"predict: {', '.join(unknown)} was not fitted; the fitted conditions are {', '.join(result.conditions)}",
            remedy="exclude unknown conditions, or fit a formula that describes conditions by covariates",
            argument="log",
        )


def _cell_probabilities(
    result: Result, cells: pd.DataFrame, outcome: Outcome, num_draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """P(denominator) and P(event) in new cells, shapes ``(chain, draw, cell)``."""
    model, posterior = result.model, result.posterior
    size = posterior.sizes["draw"]
    each = min(-(-num_draws // posterior.sizes["chain"]), size)
    posterior = posterior.isel(draw=np.linspace(0, size - 1, each).astype(int))
    parameters = parameters_of(posterior, result.prepared)
    weights = inverse_ilr(logits_of_new_cells(result.design, cells)(parameters.latents, parameters.scales, rng))
    tables = parameters.probabilities
    happens = np.einsum("cdnk,cdk->cdn", weights, outcome.numerator.probability(model.emissions, tables))
    if outcome.denominator is None:
        return np.ones_like(happens), happens
    return np.einsum("cdnk,cdk->cdn", weights, outcome.denominator.probability(model.emissions, tables)), happens


def _groups(result: Result, cells: pd.DataFrame, by: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """The groups, as text, in the order of the conditions of the fit; and which cells are theirs, shape ``(C, G)``."""
    order = {name: place for place, name in enumerate(result.conditions)}
    first = cells[list(by)].drop_duplicates()
    first = first.sort_values("condition", key=lambda own: own.map(order).fillna(len(order)), kind="stable")
    first = first.reset_index(drop=True)
    group = cells[list(by)].merge(first.assign(group=range(len(first))), how="left")["group"].to_numpy()
    return first.astype(str), np.equal.outer(group, np.arange(len(first))).astype(int)


def _observed(result: Result, collapsed: CollapsedLog, outcome: Outcome) -> np.ndarray:
    """Events and completions in the denominator of every cell, shape ``(C, 2)``."""
    emissions, patterns = result.model.emissions, collapsed.patterns
    counted = np.ones(len(patterns), dtype=bool)
    if outcome.denominator is not None:
        counted = outcome.denominator.holds(emissions, patterns)
    return np.asarray(collapsed.counts @ np.stack([outcome.numerator.holds(emissions, patterns), counted], axis=1))


def _words(cells: pd.DataFrame) -> str:
    questions = cells["question_id"].nunique() if "question_id" in cells else 1
    return f"predicted through the personas for {grouped(questions)} question{'s' * (questions != 1)}"
