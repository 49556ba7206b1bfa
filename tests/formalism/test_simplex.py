"""Isometric log-ratio coordinates: inverse, isometry, and no persona that is special."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simulacra.formalism.simplex import ilr, ilr_basis, log_weights

_SIZES = (2, 3, 5, 8)


@pytest.mark.parametrize("size", _SIZES)
def test_basis_is_orthonormal_and_orthogonal_to_the_constant(size: int) -> None:
    basis = ilr_basis(size)
    np.testing.assert_allclose(basis @ basis.T, np.eye(size - 1), atol=1e-14)
    np.testing.assert_allclose(basis.sum(axis=1), 0, atol=1e-14)


@pytest.mark.parametrize("size", _SIZES)
def test_log_weights_inverts_ilr(size: int, rng: np.random.Generator) -> None:
    weights = jnp.asarray(rng.dirichlet(np.ones(size), size=(4, 6)))
    back = jnp.exp(log_weights(ilr(weights)))
    np.testing.assert_allclose(back, weights, rtol=1e-12)
    np.testing.assert_allclose(back.sum(axis=-1), 1, rtol=1e-14)
    coordinates = jnp.asarray(rng.normal(size=(4, 6, size - 1)))
    np.testing.assert_allclose(ilr(jnp.exp(log_weights(coordinates))), coordinates, atol=1e-12)


def _aitchison_inner(left: np.ndarray, right: np.ndarray) -> float:
    """Inner product of the simplex, from all pairs of log ratios (Egozcue et al. 2003, eq. 3)."""
    size = len(left)
    pairs = [(np.log(left[i] / left[j]) * np.log(right[i] / right[j])) for i in range(size) for j in range(size)]
    return sum(pairs) / (2 * size)


@pytest.mark.parametrize("size", _SIZES)
def test_ilr_is_an_isometry(size: int, rng: np.random.Generator) -> None:
    left, right = rng.dirichlet(np.ones(size), size=2)
    inner = float(ilr(jnp.asarray(left)) @ ilr(jnp.asarray(right)))
    assert inner == pytest.approx(_aitchison_inner(left, right), rel=1e-12)


@pytest.mark.parametrize("size", _SIZES)
def test_an_isotropic_gaussian_does_not_care_how_personas_are_numbered(size: int, rng: np.random.Generator) -> None:
    """Its density is a function of the norm, and renumbering rotates the coordinates."""
    coordinates = jnp.asarray(rng.normal(size=(50, size - 1)))
    order = rng.permutation(size)
    renumbered = ilr(jnp.exp(log_weights(coordinates))[:, order])
    np.testing.assert_allclose((renumbered**2).sum(axis=1), (coordinates**2).sum(axis=1), rtol=1e-10)


def test_logits_far_out_stay_finite() -> None:
    value, gradient = jax.value_and_grad(lambda x: log_weights(x)[0])(jnp.array([900.0, -900.0]))
    assert jnp.isfinite(value)
    assert jnp.isfinite(gradient).all()


def test_one_part_has_nothing_to_contrast() -> None:
    with pytest.raises(ValueError, match="at least 2 parts to contrast; got 1"):
        ilr_basis(1)
