"""Logits of cells that were not fitted, given the latents of those that were.

Effects that were fitted apply to new cells as they are. The effect of a level that was not fitted, such as that of a
new question, is drawn from its prior, N(0, σ²) at the posterior scale, one for all cells of the level, so that
predictions for new questions are less certain than for known ones.

References:
    Gelman & Hill (2006), Data Analysis Using Regression and Multilevel/Hierarchical Models,
    doi:10.1017/CBO9780511790942, section 12.8 (prediction for new groups).
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simulacra.formalism.errors import InputError
from simulacra.formalism.weights import WeightDesign, evaluate_part, named_columns, parse_formula, written

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NewCells", "logits_of_new_cells"]


class NewCells(NamedTuple):
    """The distribution of the logits of N new cells, given latents ``(..., L, K - 1)`` and scales ``(..., T)``.

    Calling it draws logits, shape ``(..., N, K - 1)``.

    Attributes:
        basis: the columns of A of the fitted latents, shape ``(N, L)``.
        fresh: for every group-specific term, the columns of the levels that were not fitted, shape ``(N, new levels)``.
    """

    basis: np.ndarray
    fresh: tuple[np.ndarray, ...]

    def __call__(self, latents: np.ndarray, scales: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Logits with the effects of new levels drawn from their prior."""
        logits = self.mean(latents)
        for place, effects in enumerate(self.fresh):
            drawn = rng.standard_normal((*latents.shape[:-2], effects.shape[1], latents.shape[-1]))
            logits += effects @ (scales[..., place, None, None] * drawn)
        return np.asarray(logits)

    def mean(self, latents: np.ndarray) -> np.ndarray:
        """Mean of the logits over the effects of new levels, shape ``(..., N, K - 1)``."""
        return np.asarray(self.basis @ latents)

    def variance(self, scales: np.ndarray) -> np.ndarray:
        """Variance of the logits in every coordinate, due to the effects of new levels, shape ``(..., N)``."""
        squares = [(effects**2).sum(axis=1) for effects in self.fresh]
        return scales**2 @ np.reshape(squares, (scales.shape[-1], len(self.basis)))


def logits_of_new_cells(design: WeightDesign, cells: "pd.DataFrame") -> NewCells:
    """How the logits of new cells follow from the latents of a design.

    Args:
        design: the fitted design.
        cells: one row per new cell, N of them, with the columns that the formula names.

    Raises:
        InputError: a column that the formula names is absent or has no value; or a level whose effect has no prior
            distribution from which it could be drawn, that of a common effect.
    """
    named = named_columns(design.formula)
    for name in named:
        if name not in cells or cells[name].isna().any():
            raise InputError(
                f"Weights {design.formula!r}: the new cells have no values of {name!r}",
                expected=f"a value of {', '.join(named)} in every cell",
                argument="log",
            )
    common, groups = parse_formula(design.formula, design.cells)
    sloped = {term.factors for term in groups if not term.intercept}
    parts = [_common_columns(design, common, cells)]
    fresh: list[np.ndarray] = []
    slopes = [written(term, groups) for term in groups if term.factors in sloped]
    fitted = evaluate_part(" + ".join(["1", *slopes]), design.formula, design.cells)
    for term in groups:
        if term.factors in sloped:
            known, new = _slope_columns(fitted.group.terms[term.key], cells)
        else:
            known, new = _level_columns(design, term.factors, cells)
        parts.append(known)
        fresh.append(new)
    return NewCells(np.hstack(parts)[:, design.order], tuple(fresh))


def _common_columns(design: WeightDesign, common: list[str], cells: "pd.DataFrame") -> np.ndarray:
    fitted = evaluate_part(" + ".join(["1", *common]), design.formula, design.cells)
    try:
        new = fitted.common.evaluate_new_data(cells)
    except ValueError as error:  # a level that was not fitted
        raise InputError(
            f"Weights {design.formula!r}: rates cannot be predicted ({str(error).rstrip('.')})",
            expected="levels that were fitted, because nothing is known about the common effect of another",
            remedy="fit a log with these levels, or a formula in which they are group-specific, such as '(1 | column)'",
            argument="log",
        ) from error
    return np.hstack([np.reshape(new[name], (len(cells), -1)) for name in fitted.common.terms])


def _level_columns(
    design: WeightDesign, factors: tuple[str, ...], cells: "pd.DataFrame"
) -> tuple[np.ndarray, np.ndarray]:
    """Indicators of the fitted levels and of the new levels of a random intercept."""
    names = list(factors)
    codes = design.cells.groupby(names, observed=True).ngroup()
    fitted = design.cells[names].assign(level=codes).drop_duplicates("level")
    level = cells[names].merge(fitted, how="left", on=names)["level"].to_numpy()
    return _split_levels(level, cells[names], len(fitted), np.ones((len(cells), 1)))


def _slope_columns(term: Any, cells: "pd.DataFrame") -> tuple[np.ndarray, np.ndarray]:
    """Columns of the fitted levels and of the new levels of a term with slopes, whose levels formulae numbers."""
    import pandas as pd

    components = term.factor.components
    names = [part.name for part in components]
    fitted = pd.MultiIndex.from_product([part.levels for part in components])
    level = fitted.get_indexer(pd.MultiIndex.from_frame(cells[names])).astype(float)
    values = np.asarray(term.expr.eval_new_data(cells), dtype=float).reshape(len(cells), -1)
    return _split_levels(np.where(level < 0, np.nan, level), cells[names], len(fitted), values)


def _split_levels(
    level: np.ndarray, cells: "pd.DataFrame", number: int, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values ``(N, V)`` in the columns of their level, fitted or new; the level of a cell is NaN if it is new."""
    new = np.isnan(level)
    first = cells[new].groupby(list(cells), sort=False).ngroup().to_numpy()
    place = np.where(new, 0, level).astype(int)
    place[new] = number + first
    columns = np.zeros((len(cells), number + (first.max() + 1 if new.any() else 0), values.shape[1]))
    columns[np.arange(len(cells)), place] = values
    return columns[:, :number].reshape(len(cells), -1), columns[:, number:].reshape(len(cells), -1)
