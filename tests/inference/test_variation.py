"""Total variation without bias: nothing where nothing differs, covered where something does."""

import numpy as np
import pytest

from simulacra.formalism import total_variation
from simulacra.inference.variation import sample_variation


def sets(rng: np.random.Generator, distance: float, number: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of 89% and p-values of two samples of 80 and 120 completions in 8 categories."""
    base = rng.dirichlet(np.ones(8), size=number)
    base[:, 0] += 0.5
    base /= base.sum(axis=-1, keepdims=True)
    moved = base.copy()
    moved[:, 0] -= distance
    moved[:, 1] += distance
    np.testing.assert_allclose(total_variation(moved, base), distance)
    found = [
        sample_variation(rng.multinomial(80, own).astype(float), rng.multinomial(120, other).astype(float), 200, rng)
        for own, other in zip(moved, base, strict=True)
    ]
    return np.array([np.quantile(draws, [0.055, 0.945]) for draws, _ in found]), np.array([p for _, p in found])


def test_nothing_is_found_where_nothing_differs(rng: np.random.Generator) -> None:
    intervals, p_values = sets(rng, 0.0)
    assert (p_values <= 0.1).sum() <= 8  # 3 expected
    assert (intervals[:, 0] == 0).sum() >= 22
    assert 0.3 < p_values.mean() < 0.75


def test_a_distance_is_covered(rng: np.random.Generator) -> None:
    intervals, p_values = sets(rng, 0.3)
    covered = (intervals[:, 0] <= 0.3) & (intervals[:, 1] >= 0.3)
    assert covered.sum() >= 22  # 27 expected
    assert (p_values < 0.05).sum() >= 24
    assert 0.26 < intervals.mean() < 0.365  # .33 expected; the distance of the samples is .385 on average


def test_equal_and_disjoint_samples_are_the_ends(rng: np.random.Generator) -> None:
    counts = np.array([40.0, 30.0, 0.0, 0.0])
    draws, p_value = sample_variation(counts, counts, 100, rng)
    assert p_value > 0.9
    assert np.median(draws) == 0
    draws, p_value = sample_variation(counts, counts[::-1].copy(), 100, rng)
    assert p_value == 0
    assert np.quantile(draws, 0.1) > 0.85
    assert draws.max() == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("distance", [0.0, 0.1, 0.3])
def test_forty_pairs_of_samples(distance: float) -> None:
    intervals, _ = sets(np.random.default_rng(11), distance, 40)
    covered = ((intervals[:, 0] <= distance) & (distance <= intervals[:, 1])).sum()
    print(f"{distance}: {covered} of 40 intervals")
    assert covered >= 32
