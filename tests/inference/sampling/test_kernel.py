"""The NumPyro kernel: moments of a correlated Gaussian, no resonance, and states that keep the mean length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arviz_stats.base import array_stats
from numpyro.infer import HMC, MCMC

from simulacra.inference.sampling.kernel import JitteredHMC

COVARIANCE = np.array([[4.0, 1.5], [1.5, 1.0]])
PRECISION = jnp.asarray(np.linalg.inv(COVARIANCE))


def potential(position: jax.Array) -> jax.Array:
    return 0.5 * position @ PRECISION @ position


def isotropic(position: jax.Array) -> jax.Array:
    return 0.5 * position @ position


def sampled(kernel: HMC, chains: int, key: jax.Array, draws: int = 1000) -> np.ndarray:
    sampler = MCMC(
        kernel, num_warmup=300, num_samples=draws, num_chains=chains, chain_method="vectorized", progress_bar=False
    )
    sampler.run(key, init_params=jnp.ones((chains, 2) if chains > 1 else 2), extra_fields=("trajectory_length",))
    lengths = np.asarray(sampler.get_extra_fields()["trajectory_length"])
    np.testing.assert_allclose(lengths, lengths.flat[0])
    return np.asarray(sampler.get_samples(group_by_chain=True))


@pytest.mark.parametrize("chains", [1, 2])
def test_moments_of_a_correlated_gaussian(chains: int, key: jax.Array) -> None:
    """Within five Monte Carlo standard errors, which a right sampler exceeds once in 10**6."""
    draws = sampled(JitteredHMC(potential_fn=potential, dense_mass=True), chains, key)
    for values, true in ((draws, np.zeros(2)), (draws[..., :, None] * draws[..., None, :], COVARIANCE)):
        flat = values.reshape(*values.shape[:2], -1)
        for column, expected in enumerate(true.ravel()):
            own = flat[..., column]
            assert abs(own.mean() - expected) < 5 * float(
                array_stats.mcse(own, method="mean", chain_axis=0, draw_axis=1)
            )


def test_lengths_at_which_hmc_returns_to_where_it_began(key: jax.Array) -> None:
    """At 2π, a trajectory of a standard Gaussian ends where it began, except for what the steps are wrong."""
    settings = {"trajectory_length": 2 * np.pi, "adapt_mass_matrix": False, "step_size": 0.1, "adapt_step_size": False}
    plain, jittered = (
        sampled(kind(potential_fn=isotropic, **settings), 1, key)[0, :, 0] for kind in (HMC, JitteredHMC)
    )
    correlations = [abs(np.corrcoef(own[1:], own[:-1])[0, 1]) for own in (plain, jittered)]
    assert correlations[0] > 0.9
    assert correlations[1] < 0.5
