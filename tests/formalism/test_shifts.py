"""Shifts against SciPy and by hand, and the rule by which a shift is claimed."""

import numpy as np
import pytest
from scipy.spatial.distance import cityblock, jensenshannon

from simulacra.formalism import claim, jensen_shannon, log_ratio, total_variation
from simulacra.formalism.shifts import sign_probability


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


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (0.0101, 0.5, "increase"),
        (0.01, 0.5, "undecided"),  # touches the region
        (-0.5, -0.0101, "decrease"),
        (-0.5, -0.01, "undecided"),
        (-0.01, 0.01, "equivalent"),  # the edge of the region is inside it
        (0.0, 0.0, "equivalent"),
        (-0.0101, 0.01, "undecided"),
        (-0.01, 0.0101, "undecided"),
    ],
)
def test_claims_at_their_boundaries(lower: float, upper: float, expected: str) -> None:
    assert claim(lower, upper) == expected
    mirrored = {"increase": "decrease", "decrease": "increase"}.get(expected, expected)
    assert claim(-upper, -lower) == mirrored


def test_a_direction_needs_a_sign_that_is_certain() -> None:
    assert claim(0.02, 0.04, sure=False) == "undecided"
    assert claim(-0.04, -0.02, sure=False) == "undecided"
    assert claim(-0.004, 0.006, sure=False) == "equivalent"
    draws = np.array([[0.1, 0.2], [-0.1, 0.3]])
    assert sign_probability(draws, axis=(0, 1)) == 0.75
    assert sign_probability(-draws, axis=(0, 1)) == 0.75


def test_the_region_of_practical_equivalence_is_the_callers() -> None:
    assert claim(0.02, 0.04, rope=0.03) == "undecided"
    assert claim(0.02, 0.04, rope=0.05) == "equivalent"
    assert claim(0.02, 0.04, rope=0.0) == "increase"
    with pytest.raises(ValueError, match=r"claim: rope is -0\.01; expected 0 or more"):
        claim(0.0, 0.1, rope=-0.01)


def test_an_interval_that_is_none_supports_no_claim() -> None:
    assert claim(float("nan"), float("nan")) == "undecided"
