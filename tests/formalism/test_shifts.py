"""Shifts against SciPy and by hand, and the rule by which a shift is claimed."""

import numpy as np
import pytest
from scipy.spatial.distance import cityblock, jensenshannon

from simulacra.formalism import claim, jensen_shannon, log_ratio, total_variation


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    left, right = rng.dirichlet(np.full(5, 0.4), size=(2, 7, 11))
    return left, right


def test_total_variation_is_half_the_city_block_distance(pair: tuple[np.ndarray, np.ndarray]) -> None:
    ours = total_variation(*pair)
    assert ours.shape == (7, 11)
    for index in np.ndindex(7, 11):
        assert ours[index] == pytest.approx(cityblock(pair[0][index], pair[1][index]) / 2)


def test_jensen_shannon_is_scipys_squared(pair: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(jensen_shannon(*pair), jensenshannon(*pair, axis=-1) ** 2, atol=1e-13)


@pytest.mark.parametrize("divergence", [total_variation, jensen_shannon])
def test_divergences_are_symmetric_zero_at_equality_and_bounded(
    divergence, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    left, right = pair
    bound = 1.0 if divergence is total_variation else np.log(2)
    np.testing.assert_allclose(divergence(left, right), divergence(right, left), atol=1e-15)
    np.testing.assert_allclose(divergence(left, left), 0, atol=1e-15)
    assert (divergence(left, right) >= 0).all()
    assert (divergence(left, right) <= bound).all()
    apart = np.array([1.0, 0.0]), np.array([0.0, 1.0])  # zero weights are allowed
    assert divergence(*apart) == pytest.approx(bound)


def test_log_ratio_is_centred_antisymmetric_and_blind_to_numbering(
    pair: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> None:
    left, right = rng.dirichlet(np.ones(5), size=(2, 7))
    shift = log_ratio(left, right)
    np.testing.assert_allclose(shift.sum(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(shift, -log_ratio(right, left), atol=1e-12)
    order = rng.permutation(5)
    np.testing.assert_allclose(log_ratio(left[:, order], right[:, order]), shift[:, order], atol=1e-12)
    pairwise = np.log(left[:, 0] / left[:, 1]) - np.log(right[:, 0] / right[:, 1])
    np.testing.assert_allclose(shift[:, 0] - shift[:, 1], pairwise, atol=1e-12)


def _draws(share: float, inside: float, outside: float) -> np.ndarray:
    return np.where(np.arange(1000) < round(1000 * share), inside, outside)


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        (_draws(0.945, 0.02, 0.0), "increase"),
        (_draws(0.944, 0.02, 0.0), "undecided"),
        (_draws(0.945, -0.02, 0.0), "decrease"),
        (_draws(0.944, -0.02, 0.0), "undecided"),
        (_draws(0.945, 0.0, 0.02), "equivalent"),
        (_draws(0.944, 0.0, 0.02), "undecided"),
        (np.full(10, 0.01), "equivalent"),  # on the edge of the region is inside it
        (np.full(10, -0.01), "equivalent"),
        (np.full((2, 5), 0.5), "increase"),
    ],
)
def test_claims_at_their_boundaries(draws: np.ndarray, expected: str) -> None:
    assert claim(draws) == expected


def test_an_increase_is_claimed_exactly_when_the_interval_clears_the_region(rng: np.random.Generator) -> None:
    """P(x > rope) >= .945 says that the lower end of the 89% interval exceeds the rope."""
    for centre in np.linspace(-0.02, 0.06, 81):
        draws = centre + 0.01 * rng.standard_normal(2001)
        lower, upper = np.quantile(draws, [0.055, 0.945], method="inverted_cdf")
        assert (claim(draws) == "increase") == (np.mean(draws > 0.01) >= 0.945)
        if claim(draws) == "increase":
            assert lower > 0.01
        if lower > 0.0105:
            assert claim(draws) == "increase"
        assert (claim(-draws) == "decrease") == (claim(draws) == "increase")
        assert upper >= lower


@pytest.mark.parametrize(
    "arguments", [{"rope": -0.01}, {"probability": 0.5}, {"probability": 1.0}, {"probability": 2.0}]
)
def test_claims_refuse(arguments: dict) -> None:
    with pytest.raises(ValueError, match=r"Expected rope >= 0 and 0\.5 < probability < 1; got"):
        claim(np.zeros(3), **arguments)
