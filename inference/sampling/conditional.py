"""The density of rows of texts given the calibration of their log-likelihoods, for cut posteriors.

Given τ and b, the density ratios r_zi of every row are known, so that a row of cell c and pattern s is a draw from a
mixture of known densities, with probability p_i = Σ_z w_cz f_zs r_zi. All that the density and its gradient need of the
rows are sums over those of the same cell and pattern, a *group*,

    R_z = Σ_i n_i r_zi / p_i,    R_zy = Σ_i n_i r_zi r_yi / p_i²,

from where everything is as for counts (:mod:`~simulacra.inference.sampling.collapsed`). The information is the
empirical one, with the rows that were observed. Ratios are computed once for every draw of the calibration.

Terms that depend on the calibration alone are left out. Tests compare value and gradient with JAX's.

References:
    Plummer (2015), Cuts in Bayesian graphical models, doi:10.1007/s11222-014-9503-z; Louis (1982), Finding the observed
    information matrix when using the EM algorithm, doi:10.1111/j.2517-6161.1982.tb01203.x.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from simulacra.formalism.density_ratios import Texts, points_density_ratios
from simulacra.formalism.prior import calibrated
from simulacra.inference.sampling.arrow import light, through
from simulacra.inference.sampling.collapsed import CollapsedDensity, Emissions
from simulacra.inference.sampling.problem import Chart, Problem
from simulacra.inference.sampling.space import Given

__all__ = ["ConditionalDensity"]

_KEPT = 16
"""Draws of the calibration whose ratios are kept: those of up to as many chains."""

_LONGEST = 128
"""Rows of a piece at most."""

_OF_ROWS = Texts._fields.index("reference_persona")
"""Texts begin with the fields of rows; the others are about references."""


@functools.partial(jax.jit, static_argnums=3)
def _ratios_of_pieces(rows: Texts, temperature: jax.Array, offset: jax.Array, shape: tuple[int, int]) -> jax.Array:
    return points_density_ratios(rows, temperature, offset).reshape(-1, *shape).swapaxes(0, 1)


class ConditionalDensity(CollapsedDensity):
    """Log posterior density of rows of texts in a chart, given the calibration.

    Rows are stored in *pieces*, which have one length and belong to one group, so that sums over rows are products of
    small matrices. The last piece of a group is filled up with rows that do not count.

    Args:
        problem: data and prior of the fit, with texts.
        chart: the coordinates.
        given: the coordinates of the calibration and their draws.
    """

    def __init__(self, problem: Problem, chart: Chart, given: Given) -> None:
        assert problem.texts is not None
        texts, cells, patterns = problem.texts, len(problem.shared), len(problem.patterns)
        group = np.asarray(texts.cell) * patterns + np.asarray(texts.pattern)
        found, group, size = np.unique(group, return_inverse=True, return_counts=True)
        self._cell, self._pattern = np.divmod(found, patterns)
        length = int(min(max(np.median(size), 1), _LONGEST))
        pieces = -(-size // length)
        self._first, self._group = np.cumsum(pieces) - pieces, np.repeat(np.arange(len(found)), pieces)
        order = np.argsort(group, kind="stable")
        rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
        self._shape = len(self._group), length
        place = (np.repeat(self._first, size) + rank // length) * length + rank % length
        filled = [
            np.zeros((math.prod(self._shape), *own.shape[1:]), own.dtype) for own in map(np.asarray, texts[:_OF_ROWS])
        ]
        for own, values in zip(filled, texts, strict=False):
            own[place] = np.asarray(values)[order]
        self._rows = Texts(*filled, *texts[_OF_ROWS:])
        self._total = np.asarray(self._rows.total).reshape(self._shape)
        counts = np.zeros((cells, patterns))
        counts[self._cell, self._pattern] = self._of_groups(self._total.sum(axis=1))
        super().__init__(problem._replace(counts=counts), chart)
        self.problem = problem
        self.given: Given | None = given
        self._in_cell = light(np.equal.outer(np.arange(cells), self._cell).astype(float))
        self._in_pattern = light(np.equal.outer(np.arange(patterns), self._pattern).astype(float))
        self._ratios = functools.lru_cache(maxsize=_KEPT)(self._computed_ratios)

    def _of_groups(self, of_pieces: np.ndarray) -> np.ndarray:
        """Sums over the pieces of every group, the first axis."""
        return np.add.reduceat(of_pieces, self._first, axis=0)

    def _computed_ratios(self, calibration: bytes) -> np.ndarray:
        """R of all rows, shape ``(piece, K, row)``, at coordinates of the calibration."""
        temperature, offset, _ = calibrated(np.frombuffer(calibration), self.problem.num_personas)
        with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature; the setting belongs to a thread)
            known = jnp.asarray(temperature), jnp.asarray(offset)
            return np.asarray(_ratios_of_pieces(self._rows, *known, self._shape))

    def _probabilities(
        self, calibration: np.ndarray, components: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """R ``(piece, K, row)`` and p ``(piece, row)``, of f ``(K, P)`` and weights ``(K, C)``."""
        ratios = self._ratios(calibration.tobytes())
        known = (components[:, self._pattern] * weights[:, self._cell]).T[self._group]
        return ratios, np.matmul(known[:, None], ratios)[:, 0]

    def _of_patterns(
        self, calibration: np.ndarray, components: np.ndarray, weights: np.ndarray, *, value: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        sums, log_likelihood = [], np.zeros(len(weights))
        for index, own in enumerate(calibration):
            ratios, probabilities = self._probabilities(own, components[index], weights[index])
            if value:
                log_likelihood[index] = (self._total * np.log(probabilities)).sum()
            relative = np.divide(self._total, probabilities, out=probabilities)
            sums.append(self._of_groups(np.matmul(ratios, relative[..., None])[..., 0]).T)
        of_groups = np.stack(sums)
        by_weight = through(self._in_cell, components[..., self._pattern] * of_groups)
        return by_weight, through(self._in_pattern, weights[..., self._cell] * of_groups), log_likelihood

    def _of_pairs(self, calibration: np.ndarray, now: Emissions, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        f = now.components[0]
        ratios, probabilities = self._probabilities(calibration, f, weights)
        scaled = ratios / probabilities[:, None]
        sums = self._of_groups(np.matmul(scaled * self._total[:, None], scaled.swapaxes(1, 2))).transpose(1, 2, 0)
        of_cells = (f[:, None] * f)[..., self._pattern] * sums
        by_category = of_cells[:, :, None] * self._one_hot[self._pattern].T
        of_patterns = through(self._in_pattern, (weights[:, None] * weights)[..., self._cell] * sums)
        return through(self._in_cell, of_cells), through(self._in_cell, by_category), f[:, None] * f * of_patterns
