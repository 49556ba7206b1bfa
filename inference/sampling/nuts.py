"""NumPyro's No-U-Turn sampler in the same whitened space: slower here, and an independent check of our sampler.

References:
    Hoffman & Gelman (2014), The No-U-Turn Sampler, arXiv:1111.4246; Phan, Pradhan & Jankowiak (2019),
    Composable effects for flexible and accelerated probabilistic programming in NumPyro, arXiv:1912.11554.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import MCMC, NUTS

from simulacra.formalism.arrays import Array
from simulacra.inference.sampling.problem import Chart, Problem, log_density
from simulacra.inference.sampling.space import Space

__all__ = ["run"]

_STEP_SIZE_WARMUP = 100  # the space is already whitened, so only the step size is adapted

_FIELDS = ("potential_energy", "energy", "accept_prob", "num_steps", "adapt_state.step_size", "diverging")


def run(
    space: Space,
    whitened: np.ndarray,
    seed: int,
    *,
    num_samples: int,
    target: float,
    chain_method: Literal["parallel", "sequential", "vectorized"],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Sample from whitened starting positions ``(chain, D)``, with the density in JAX and a dense map.

    Returns:
        Positions in the chart, shape ``(chain, draw, D)``, and sample statistics, shapes ``(chain, draw)``.
    """
    problem, chart = jax.tree.map(jnp.asarray, (space.density.problem, space.density.chart))
    factor = jnp.asarray(space.arrow.positions(np.eye(len(space.centre))))
    potential = functools.partial(_potential, problem, chart, jnp.asarray(space.centre), factor)
    kernel = NUTS(potential_fn=potential, adapt_mass_matrix=False, target_accept_prob=target)
    sampler = MCMC(
        kernel,
        num_warmup=_STEP_SIZE_WARMUP,
        num_samples=num_samples,
        num_chains=len(whitened),
        chain_method=chain_method,
        progress_bar=False,
    )
    first = jnp.asarray(whitened if len(whitened) > 1 else whitened[0])
    sampler.run(jax.random.key(seed), init_params=first, extra_fields=_FIELDS)
    draws = np.asarray(sampler.get_samples(group_by_chain=True))
    fields = {name: np.asarray(value) for name, value in sampler.get_extra_fields(group_by_chain=True).items()}
    stats = {
        "lp": -fields["potential_energy"],
        "energy": fields["energy"],
        "acceptance_rate": fields["accept_prob"],
        "n_steps": fields["num_steps"],
        "step_size": fields["adapt_state.step_size"],
        "diverging": fields["diverging"].astype(bool),
    }
    return space.positions(draws), stats


def _potential(problem: Problem, chart: Chart, centre: Array, factor: Array, whitened: Array) -> Array:
    return -log_density(problem, chart, centre + whitened @ factor)
