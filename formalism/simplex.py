"""Geometry of the probability simplex: isometric log-ratio (ILR) coordinates and their inverse.

Persona weights live on a simplex. ILR coordinates map it to ordinary space without singling out a reference persona:
an isotropic Gaussian in these coordinates is the same whichever way the personas are numbered.

References:
    Egozcue et al. (2003), Isometric logratio transformations for compositional data analysis,
    doi:10.1023/A:1023818214614.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from simulacra.formalism.arrays import Array, Float

__all__ = ["ilr", "ilr_basis", "inverse_ilr", "log_weights"]


def ilr_basis(size: int) -> np.ndarray:
    """Orthonormal contrasts between ``size`` parts, shape ``(size - 1, size)``: rows sum to zero.

    Raises:
        ValueError: fewer than two parts.
    """
    if size < 2:
        raise ValueError(f"Expected at least 2 parts to contrast; got {size}.")
    basis = np.zeros((size - 1, size))
    for row in range(size - 1):
        norm = np.sqrt((row + 1) * (row + 2))
        basis[row, : row + 1] = 1 / norm
        basis[row, row + 1] = -(row + 1) / norm
    return basis


def ilr(weights: Float[Array, "*batch part"]) -> Float[Array, "*batch coordinate"]:
    """ILR coordinates of positive weights that sum to one; one coordinate fewer than parts."""
    return jnp.log(weights) @ ilr_basis(weights.shape[-1]).T


def log_weights(coordinates: Float[Array, "*batch coordinate"]) -> Float[Array, "*batch part"]:
    """Log weights at given ILR coordinates, the ``log_softmax`` of eq. (2), in nats; ``exp`` of it sums to one."""
    return jax.nn.log_softmax(coordinates @ ilr_basis(coordinates.shape[-1] + 1), axis=-1)


def inverse_ilr(coordinates: np.ndarray) -> np.ndarray:
    """Weights ``(..., K)`` at ILR coordinates ``(..., K - 1)``: the exp of :func:`log_weights`, on NumPy arrays."""
    return special.softmax(coordinates @ ilr_basis(coordinates.shape[-1] + 1), axis=-1)
