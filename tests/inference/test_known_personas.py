"""Known personas: emissions and weights against brute force, and the check of the mixture."""

import numpy as np
import pytest
from scipy import stats

from simulacra.inference.known_personas import sample_emissions, sample_weights
from simulacra.inference.misfit import misfit_of_counts


def test_emissions_have_their_posterior(rng: np.random.Generator) -> None:
    counts = np.array([[30.0, 5.0, 0.0, 15.0], [0.0, 0.0, 10.0, 10.0]])
    draws = sample_emissions(counts, 4000, rng)
    np.testing.assert_allclose(draws.sum(axis=-1), 1)
    exact = stats.beta(5 + 15 + 0.5, 30 + 0.5)  # an event is a sum of patterns
    assert stats.kstest(draws[:, 0, 1] + draws[:, 0, 3], exact.cdf).pvalue > 1e-3


def test_weights_agree_with_brute_force(rng: np.random.Generator) -> None:
    emissions = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])  # much overlap
    counts = np.array([40.0, 30.0, 30.0])
    draws = sample_weights(counts, np.broadcast_to(emissions, (3000, 2, 3)), rng)
    grid = np.linspace(0, 1, 20001)[1:-1]
    log_density = np.log(np.stack([grid, 1 - grid], axis=1) @ emissions) @ counts - 0.5 * np.log(grid * (1 - grid))
    exact = np.cumsum(np.exp(log_density - log_density.max()))
    exact /= exact[-1]
    assert stats.kstest(draws[:, 0], lambda own: np.interp(own, grid, exact)).pvalue > 1e-3


def test_the_order_of_personas_does_not_matter(rng: np.random.Generator) -> None:
    emissions = rng.dirichlet(np.ones(6), size=3)
    counts = rng.multinomial(500, np.array([0.5, 0.3, 0.2]) @ emissions).astype(float)
    means = [
        sample_weights(counts, np.broadcast_to(emissions[order], (2000, 3, 6)), rng).mean(axis=0)[np.argsort(order)]
        for order in ([0, 1, 2], [2, 0, 1])
    ]
    np.testing.assert_allclose(*means, atol=0.01)


def test_counts_that_are_not_whole_have_the_same_posterior_mean(rng: np.random.Generator) -> None:
    emissions = np.broadcast_to(np.eye(2), (4000, 2, 2))
    draws = sample_weights(np.array([1.5, 2.5]), emissions, rng)
    assert draws[:, 0].mean() == pytest.approx(2 / 5, abs=0.02)


def test_a_pattern_that_no_persona_shows_is_unexplained(rng: np.random.Generator) -> None:
    predicted = np.broadcast_to([0.5, 0.4, 0.1], (400, 3))
    share, p_value = misfit_of_counts(np.array([400.0, 320.0, 280.0]), predicted, rng)
    assert share == pytest.approx(0.18, abs=0.03)
    assert p_value == pytest.approx(1 / 401)
    share, p_value = misfit_of_counts(np.array([500.0, 400.0, 100.0]), predicted, rng)
    assert share == 0
    assert p_value == 1
