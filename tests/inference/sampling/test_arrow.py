"""The preconditioner: a root of the inverse precision, with its transpose and its inverse, in every shape."""

import numpy as np
import pytest

from simulacra.inference.sampling import arrow
from simulacra.inference.sampling.arrow import (
    Arrow,
    Precision,
    dense_arrow,
    factorise,
    follow,
    gram,
    light,
    stretch,
    through,
)

SHAPES = {
    "cells, emissions and effects": (5, 2, 4, 3),
    "three coordinates": (7, 3, 5, 2),
    "no effects": (5, 2, 4, 0),
    "no emissions": (5, 2, 0, 3),
    "no cells": (0, 2, 4, 3),
}
"""Own latents, coordinates, first border coordinates, shared effects."""


def _precision(shape: tuple[int, int, int, int], rng: np.random.Generator) -> tuple[Precision, np.ndarray]:
    """A precision that is an arrow, and the same as a dense matrix: a Gram matrix of random derivatives of logits."""
    cells, k, first, effects = shape
    a, units, own = rng.normal(size=(cells, effects)), rng.lognormal(size=(k, effects)), rng.lognormal(size=(cells, k))
    slopes = rng.normal(size=(cells, k, first))
    roots = rng.normal(size=(cells, k, k))
    info = roots @ roots.swapaxes(1, 2)
    border, size = first + k * effects, first + k * effects + k * cells
    dense = np.diag(rng.lognormal(size=size))
    blocks = info * own[:, :, None] * own[:, None]
    blocks[:, np.arange(k), np.arange(k)] += np.diag(dense)[border:].reshape(k, cells).T
    for c in range(cells):
        jacobian = np.zeros((k, size))
        jacobian[:, :first] = slopes[c]
        for i in range(k):
            jacobian[i, first + i * effects : first + (i + 1) * effects] = a[c] * units[i]
            jacobian[i, border + i * cells + c] = own[c, i]
        dense += jacobian.T @ info[c] @ jacobian
    across, linear = own[:, :, None] * info, own[:, :, None] * (info @ slopes)
    return Precision(blocks, linear, across, dense[:border, :border], a, units), dense


@pytest.fixture(params=SHAPES)
def both(request: pytest.FixtureRequest, rng: np.random.Generator) -> tuple[Arrow, np.ndarray]:
    precision, dense = _precision(SHAPES[request.param], rng)
    return factorise(precision), dense


def _close(found: np.ndarray, expected: np.ndarray) -> None:
    """The border and one part of the map are in single precision."""
    np.testing.assert_allclose(found, expected, atol=3e-6 * np.abs(expected).max())


def test_the_map_is_a_root_of_the_inverse(both: tuple[Arrow, np.ndarray]) -> None:
    own, dense = both
    factor = own.positions(np.eye(len(dense)))
    _close(factor.T @ factor, np.linalg.inv(dense))


def test_pull_is_the_transpose_and_whiten_the_inverse(both: tuple[Arrow, np.ndarray], rng: np.random.Generator) -> None:
    own, dense = both
    factor, points = own.positions(np.eye(len(dense))), rng.normal(size=(2, 3, len(dense)))
    _close(own.pull(points), points @ factor.T)
    _close(own.whiten(own.positions(points)), points)


def test_large_matrices_are_sparse_and_map_alike(
    both: tuple[Arrow, np.ndarray], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, dense = both
    monkeypatch.setattr(arrow, "_DENSE", -1)
    matrix = rng.normal(size=(6, 4))
    sparse, values = light(matrix), rng.normal(size=(2, 3, 4))
    assert not isinstance(sparse, np.ndarray)
    np.testing.assert_allclose(through(sparse, values), values @ matrix.T, rtol=1e-12)
    blocks, units = rng.normal(size=(3, 3, 6)), rng.lognormal(size=(3, 4))
    blocks = blocks + blocks.swapaxes(0, 1)
    np.testing.assert_allclose(gram(sparse, blocks, units), gram(matrix, blocks, units), rtol=1e-12)
    points = rng.normal(size=(2, len(dense)))
    light_own = own._replace(shared=light(own.shared), shared_transposed=light(own.shared_transposed))
    np.testing.assert_allclose(light_own.positions(points), own.positions(points), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(light_own.pull(points), own.pull(points), rtol=1e-10, atol=1e-12)


def test_a_dense_map_is_its_root(rng: np.random.Generator) -> None:
    root, points = np.eye(5) + 0.1 * rng.normal(size=(5, 5)), rng.normal(size=(3, 5))
    own = dense_arrow(root, 2)
    np.testing.assert_allclose(own.positions(points), points @ root.T, atol=1e-6)
    np.testing.assert_allclose(own.pull(points), points @ root, atol=1e-6)
    np.testing.assert_allclose(own.whiten(own.positions(points)), points, atol=1e-6)


def test_only_directions_in_which_draws_are_clearly_long_are_stretched(rng: np.random.Generator) -> None:
    precision, dense = _precision(SHAPES["cells, emissions and effects"], rng)
    own = factorise(precision)
    whitened = rng.normal(size=(4000, len(dense)))
    same = stretch(own, own.positions(whitened))
    np.testing.assert_array_equal(same.border, own.border)
    whitened[:, 0] *= 5.0
    longer = stretch(own, own.positions(whitened))
    factor = longer.positions(np.eye(len(dense)))
    assert np.cov(np.linalg.solve(factor.T, own.positions(whitened).T)[0]) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", ["cells, emissions and effects", "three coordinates", "no effects", "no cells"])
def test_all_coordinates_follow_given_ones(name: str, rng: np.random.Generator) -> None:
    """Draws that are a line through their mean: moving the given coordinate moves all others along this line."""
    precision, dense = _precision(SHAPES[name], rng)
    alone = np.arange(len(precision.border)) == 0
    precision.border[alone], precision.border[:, alone] = 4.0 * alone, 4.0 * alone[:, None]
    precision.linear[..., 0] = 0.0
    own = factorise(precision)
    slope = np.concatenate([[1.0], rng.normal(size=len(dense) - 1)])
    moving = follow(own, np.outer(rng.normal(size=200), slope) + 3.0, slice(0, 1))
    unit = np.eye(len(dense))
    np.testing.assert_allclose(moving.positions(unit[0]), 0.5 * slope, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(moving.positions(unit[1:]), own.positions(unit[1:]))
    points = rng.normal(size=(3, len(dense)))
    np.testing.assert_allclose(moving.whiten(moving.positions(points)), points, atol=1e-5)
