"""An arrow-shaped preconditioner: a linear map to coordinates in which the posterior is close to standard normal.

Given the parameters that cells share (the *border*: emissions, scales and shared effects) cells are independent. The
precision of the posterior therefore has one small block for every cell, with K - 1 rows, a dense border, and zeros
elsewhere:

    P = [ D  B ]     D = diag(D_1, …, D_C),   S = border - Bᵀ D⁻¹ B.
        [ Bᵀ · ]

The map T with T Tᵀ = P⁻¹ follows from the Cholesky factors of the blocks and of S. It sends a standard normal vector
(border part v, cell part e_c) to

    x = root(S)⁻ᵀ v,    z_c = root(D_c)⁻ᵀ e_c - D_c⁻¹ B_c x.

A cell depends on the shared effects h only through their sum in it, a_c = (A h)_c, so that D_c⁻¹ B_c x is stored as a
matrix of emissions and scales and one block that multiplies a_c. All costs are linear in the number of cells.
Without cells of their own, everything is border and the map is dense.

Arrays have the cell as their last axis, for which NumPy's loops over small blocks are fastest.

References:
    Rue & Held (2005), Gaussian Markov Random Fields, doi:10.1201/9780203492024, section 2.4 (sampling by Cholesky
    factors of sparse precision matrices); Neal (2011), arXiv:1206.1901, section 5.4.1 (preconditioning by a linear
    map).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg, sparse

from simulacra.formalism.arrays import namespace

__all__ = ["Arrow", "Precision", "dense_arrow", "factorise", "follow", "gram", "light", "stretch", "through"]

_DENSE = 50_000
"""Entries of a matrix up to which a dense product is faster than a sparse one."""
_STRETCH_ABOVE = 1.5


class Precision(NamedTuple):
    """An arrow-shaped precision matrix, with k = K - 1 coordinates, O own latents and g border coordinates.

    Attributes:
        own: D, shape ``(O, k, k)``.
        linear: B of the first e border coordinates, which are not shared effects; shape ``(O, k, e)``.
        effects: B of the sum of shared effects in the cell, shape ``(O, k, k)``.
        border: the border, shape ``(g, g)``; its last coordinates are the shared effects, order (coordinate, effect).
        shared: the rows of A of the cells with own latents, shape ``(O, S)``.
        units: the effects h are these times the coordinates, shape ``(k, S)``.
    """

    own: np.ndarray
    linear: np.ndarray
    effects: np.ndarray
    border: np.ndarray
    shared: np.ndarray
    units: np.ndarray


class Arrow(NamedTuple):
    """The map T and its transpose; see the module.

    Attributes:
        border: x = v @ border, shape ``(g, g)``, in single precision.
        root: transposed inverse roots of D, shape ``(k, k, O)``.
        linear: D⁻¹ B of the first e border coordinates, shape ``(k O, e)``, in single precision, column by column.
            Reading it dominates large fits, and the density is evaluated at the point that the rounded map gives.
        effects: D⁻¹ B of the sum of shared effects in the cell, shape ``(k, k, O)``.
        shared: the rows of A of the cells, ``(O, S)``, dense or sparse, and its transpose.
        units: the effects h are these times the coordinates, shape ``(k, S)``.
    """

    border: Any
    root: Any
    linear: Any
    effects: Any
    shared: Any
    shared_transposed: Any
    units: Any

    def positions(self, whitened: Any) -> Any:
        """T u of whitened vectors, shape ``(..., D)``."""
        v, own = self.parts(whitened)
        x = (v.astype(self.border.dtype) @ self.border).astype(v.dtype)
        z = _each(self.root, own)
        return namespace(x).concatenate([x, _flat(z) + self.conditional_means(x)], axis=-1)

    def pull(self, gradient: Any) -> Any:
        """Tᵀ g of gradients with respect to positions, shape ``(..., D)``."""
        xp, (x, own) = namespace(gradient), self.parts(gradient)
        flat = _flat(own).astype(self.linear.dtype)
        back = through(self.shared_transposed, _each(self.effects.swapaxes(0, 1), own))
        x = x - xp.concatenate([flat @ self.linear, _flat(back * self.units)], axis=-1)
        z = _each(self.root.swapaxes(0, 1), own)
        v = x.astype(self.border.dtype) @ self.border.T
        return xp.concatenate([v.astype(x.dtype), _flat(z)], axis=-1)

    def whiten(self, positions: np.ndarray) -> np.ndarray:
        """T⁻¹ x, the inverse of :meth:`positions`, shape ``(..., D)``."""
        x, z = self.parts(positions)
        z = z - self.conditional_means(x).reshape(z.shape)
        inverse = np.linalg.inv(self.root.transpose(2, 0, 1)).transpose(1, 2, 0)
        own = _each(inverse, z)
        v = np.linalg.solve(self.border.T.astype(x.dtype), x[..., None])[..., 0]
        return np.concatenate([v, _flat(own)], axis=-1)

    def parts(self, vector: Any) -> tuple[Any, Any]:
        """Border and cells of vectors ``(..., D)``, shapes ``(..., g)`` and ``(..., k, O)``."""
        size = len(self.border)
        return vector[..., :size], vector[..., size:].reshape(*vector.shape[:-1], *self.root.shape[1:])

    def conditional_means(self, x: Any) -> Any:
        """Means of the coordinates of cells given the border ``(..., g)``, shape ``(..., k O)``."""
        first = x[..., : self.linear.shape[1]].astype(self.linear.dtype)
        return -(first @ self.linear.T) - _flat(_each(self.effects, self._sums(x)))

    def _sums(self, x: Any) -> Any:
        """The sum of shared effects in every cell, shape ``(..., k, O)``."""
        effects = x[..., self.linear.shape[1] :].reshape(*x.shape[:-1], *self.units.shape)
        return through(self.shared, effects * self.units)


def factorise(precision: Precision) -> Arrow:
    """The map of a precision matrix.

    Raises:
        numpy.linalg.LinAlgError: the matrix is not positive definite.
    """
    root = np.linalg.inv(np.linalg.cholesky(precision.own)).swapaxes(-1, -2)
    covariance = root @ root.swapaxes(-1, -2)
    linear, effects = covariance @ precision.linear, covariance @ precision.effects
    first = precision.linear.shape[2]
    matrix = light(precision.shared)
    schur = precision.border.copy()
    schur[:first, :first] -= np.einsum("oie,oif->ef", precision.linear, linear, optimize=True)
    across = through(light(precision.shared.T), (precision.effects.swapaxes(1, 2) @ linear).transpose(1, 2, 0))
    across = _flat((across * precision.units[:, None]).swapaxes(0, 1))
    schur[:first, first:] -= across
    schur[first:, :first] -= across.T
    inner = (precision.effects.swapaxes(1, 2) @ effects).transpose(1, 2, 0)
    schur[first:, first:] -= gram(matrix, inner, precision.units)
    border = linalg.solve_triangular(linalg.cholesky(schur, lower=True), np.eye(len(schur)), lower=True)
    return Arrow(
        border=border.astype(np.float32),
        root=np.ascontiguousarray(root.transpose(1, 2, 0)),
        linear=_flat(linear.transpose(2, 1, 0)).astype(np.float32).T,
        effects=np.ascontiguousarray(effects.transpose(1, 2, 0)),
        shared=matrix,
        shared_transposed=light(precision.shared.T),
        units=precision.units,
    )


def dense_arrow(root: np.ndarray, coordinates: int) -> Arrow:
    """The map x = root v, shape ``(D, D)``, of a posterior without latents of single cells or of unknown structure."""
    blocks, nothing = np.zeros((coordinates, coordinates, 0)), np.zeros((0, 0))
    border = np.ascontiguousarray(root.T, dtype=np.float32)
    linear, units = np.zeros((0, len(root)), dtype=np.float32), np.zeros((coordinates, 0))
    return Arrow(border, blocks, linear, blocks, nothing, nothing, units)


def stretch(arrow: Arrow, draws: np.ndarray, given: slice = slice(0)) -> Arrow:
    """Lengthen the few directions of the border in which draws spread much further than the precision suggests.

    If personas can exchange mass, the posterior is long and bent, and its curvature at any point understates its
    length. A direction is lengthened only if the variance of the draws clearly exceeds the largest that sampling noise
    would produce with this number of draws. Given the border, cells are narrow.

    Args:
        arrow: the map.
        draws: positions, shape ``(n, D)``.
        given: coordinates of the border that chains do not move, which keep their lengths.

    References:
        Marchenko & Pastur (1967), doi:10.1070/SM1967v001n04ABEH001994 (the upper edge of the noise spectrum).
    """
    size = len(arrow.border)
    own = draws[:, :size] - draws[:, :size].mean(axis=0)
    whitened = np.linalg.solve(arrow.border.T.astype(own.dtype), own.T).T
    whitened[:, given] = 0.0
    _, singular, directions = linalg.svd(whitened, full_matrices=False)
    variances = singular**2 / len(draws)
    long = variances > _STRETCH_ABOVE * (1 + np.sqrt(size / len(draws))) ** 2
    lengths = np.sqrt(variances[long]) - 1
    longer = directions[long].T @ (lengths[:, None] * (directions[long] @ arrow.border))
    longer[:, given] = 0.0  # not even by rounding: what depends on them is computed once for every value
    return arrow._replace(border=arrow.border + longer.astype(arrow.border.dtype))


def follow(arrow: Arrow, draws: np.ndarray, given: slice) -> Arrow:
    """Let all coordinates move along with given ones, by the linear regression of draws on these.

    Args:
        arrow: a map in which given coordinates, of the first of the border, depend on nothing else.
        draws: positions, shape ``(n, D)``.
        given: the coordinates that chains do not move.
    """
    own = draws - draws.mean(axis=0)
    x, z = arrow.parts(own)
    left = _flat(z) - arrow.conditional_means(x)
    response, of_cells = (np.linalg.lstsq(own[:, given], each, rcond=None)[0] for each in (x, left))
    border, linear = arrow.border.copy(), arrow.linear.copy(order="F")
    border[given] = arrow.border[given, given] @ response.astype(border.dtype)
    linear[:, given] -= of_cells.T.astype(linear.dtype)
    return arrow._replace(border=border, linear=linear)


def light(matrix: np.ndarray) -> Any:
    """A matrix for :func:`through`, of the same shape: sparse if it is large, else with contiguous columns."""
    return sparse.csr_array(matrix) if matrix.size > _DENSE else np.asfortranarray(matrix)


def through(matrix: Any, values: Any) -> Any:
    """Apply a matrix ``(m, n)``, dense or sparse, to the last axis of values ``(..., n)``; shape ``(..., m)``."""
    flat = values.reshape(math.prod(values.shape[:-1]), values.shape[-1])
    mapped = np.ascontiguousarray((matrix @ flat.T).T) if isinstance(matrix, sparse.csr_array) else flat @ matrix.T
    return mapped.reshape(*values.shape[:-1], mapped.shape[-1])


def gram(matrix: Any, blocks: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Σ_c (A_c h)ᵀ blocks_c (A_c h) as a matrix in the coordinates of h, shape ``(k S, k S)``.

    Args:
        matrix: A, shape ``(C, S)``, dense or sparse.
        blocks: symmetric, shape ``(k, k, C)``.
        units: h are these times the coordinates, shape ``(k, S)``.
    """
    coordinates, effects = units.shape
    total = np.empty((coordinates, effects, coordinates, effects))
    for row, column in np.ndindex(coordinates, coordinates):
        if column <= row:
            product = matrix.T @ (matrix * blocks[row, column][:, None])
            product = product if isinstance(product, np.ndarray) else product.toarray()
            total[row, :, column] = product * np.multiply.outer(units[row], units[column])
            total[column, :, row] = total[row, :, column].T
    return total.reshape(coordinates * effects, coordinates * effects)


def _each(matrices: Any, vectors: Any) -> Any:
    """The products of the small matrix of every cell, ``(i, j, O)``, with its vector, ``(..., j, O)``."""
    return namespace(vectors).einsum("ijo,...jo->...io", matrices, vectors)


def _flat(values: Any) -> Any:
    """The last two axes as one."""
    return values.reshape(*values.shape[:-2], values.shape[-2] * values.shape[-1])
