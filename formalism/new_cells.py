"""Logits of cells that were not fitted, given the latents of those that were.

Effects that were fitted apply to new cells as they are. The effect of a level that was not fitted, such as that of a
new question, is drawn from its prior, N(0, σ²) at the posterior scale, so that predictions for new questions are less
certain than for known ones. Of a crossed design the effects were integrated out; there, the logits of new cells are
Gaussian given those of the fitted ones.

References:
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, eq. (2.19) (conditioning).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from simulacra.formalism.errors import InputError
from simulacra.formalism.weights import WeightDesign, named_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LogitsOf", "logits_of_new_cells"]

LogitsOf = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""One draw of the logits of N new cells, shape ``(N, K - 1)``, given latents, ``(L, K - 1)``, and scales, ``(T,)``."""

_RIDGE = 1e-9


def logits_of_new_cells(design: WeightDesign, cells: "pd.DataFrame") -> LogitsOf:
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
    return _conditioned(design, cells) if design.crossed else _of_effects(design, cells)


def _conditioned(design: WeightDesign, cells: "pd.DataFrame") -> LogitsOf:
    def draw(latents: np.ndarray, scales: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        across = design.kernel(scales, cells)
        known = design.covariance(scales) + _RIDGE * np.eye(len(design.cells))
        solved = np.linalg.solve(known, across.T).T
        mean = solved @ (design.basis @ latents)
        rest = design.kernel_between(scales, cells) - solved @ across.T
        values, vectors = np.linalg.eigh(rest)
        root = vectors * np.sqrt(np.maximum(values, 0))
        return np.asarray(mean + root @ rng.standard_normal((len(cells), latents.shape[1])))

    return draw


def _of_effects(design: WeightDesign, cells: "pd.DataFrame") -> LogitsOf:
    from formulae import design_matrices

    fitted: Any = design_matrices(design.formula, design.cells)
    blocks: list[np.ndarray] = []
    fresh: list[tuple[int, np.ndarray]] = []
    if fitted.common is not None:
        try:
            common = fitted.common.evaluate_new_data(cells)
        except ValueError as error:  # a level that was not fitted
            raise InputError(
                f"Weights {design.formula!r}: rates cannot be predicted ({str(error).rstrip('.')})",
                expected="levels that were fitted, because nothing is known about the common effect of another",
                remedy="fit a log with these levels, or a formula in which they are group-specific, such as "
                "'(1 | column)'",
                argument="log",
            ) from error
        blocks += [common[name].reshape(len(cells), -1) for name in fitted.common.terms]
    for place, own in enumerate(design.group_terms):
        term = fitted.group.terms[own.name.replace(" | ", "|")]
        values = np.asarray(term.expr.eval_new_data(cells), dtype=float).reshape(len(cells), -1)
        level = _levels(term, cells)
        effects = np.zeros((len(cells), max(len(term.groups), level.max() + 1), values.shape[1]))
        effects[np.arange(len(cells)), level] = values
        blocks.append(effects[:, : len(term.groups)].reshape(len(cells), -1))
        fresh.append((place, effects[:, len(term.groups) :].reshape(len(cells), -1)))
    basis = np.hstack(blocks)

    def draw(latents: np.ndarray, scales: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        logits = basis @ latents
        for place, effects in fresh:
            logits += scales[place] * effects @ rng.standard_normal((effects.shape[1], latents.shape[1]))
        return np.asarray(logits)

    return draw


def _levels(term: Any, cells: "pd.DataFrame") -> np.ndarray:
    """The number of the level of a group-specific term in every cell; those that were not fitted are numbered after."""
    import pandas as pd

    fitted = pd.MultiIndex.from_product([part.levels for part in term.factor.components])
    own = pd.MultiIndex.from_frame(cells[[part.name for part in term.factor.components]])
    level = fitted.get_indexer(own)
    new = level < 0
    level[new] = len(fitted) + pd.factorize(own[new])[0]
    return level
