"""Tilts of emissions: identity, bound, direction."""

import numpy as np
import pytest

from simulacra.formalism.tilts import bounded, tilt_scores, tilted


def test_a_tilt_changes_odds_by_what_it_says(rng: np.random.Generator) -> None:
    table, tilts = rng.dirichlet(np.ones(6), size=(7, 3)), rng.normal(size=(7, 3))
    np.testing.assert_allclose(tilted(table, np.zeros((7, 3))), table)
    moved = tilted(table, tilts)
    np.testing.assert_allclose(moved.sum(axis=-1), 1)
    odds = np.log(moved[..., 4] / moved[..., 0]) - np.log(table[..., 4] / table[..., 0])
    np.testing.assert_allclose(odds, 2 * tilts)
    np.testing.assert_allclose(tilted(moved, -tilts), table)
    np.testing.assert_allclose(tilt_scores(6), [-1, -0.5, 0, 0.5, 1, 0])


def test_no_tilt_exceeds_the_bound() -> None:
    found = bounded(np.array([-50.0, -1e-6, 0.0, 50.0]), 0.7)
    assert found == pytest.approx([-0.7, -1e-6, 0.0, 0.7])
