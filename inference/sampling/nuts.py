"""NumPyro's No-U-Turn sampler in the same whitened space: slower here, and an independent check of our sampler.

References:
    Hoffman & Gelman (2014), The No-U-Turn Sampler, arXiv:1111.4246; Phan, Pradhan & Jankowiak (2019),
    Composable effects for flexible and accelerated probabilistic programming in NumPyro, arXiv:1912.11554.
"""

import functools
from typing import Literal

import jax
import numpy as np
from numpyro.infer import MCMC, NUTS

from simulacra.formalism.arrays import Array, Key
from simulacra.inference.sampling.problem import Space, whitened_log_density

__all__ = ["run"]

_STEP_SIZE_WARMUP = 100  # the space is already whitened, so only the step size is adapted

_FIELDS = ("potential_energy", "energy", "accept_prob", "num_steps", "adapt_state.step_size", "diverging")


def run(
    space: Space,
    position: Array,
    key: Key,
    *,
    num_samples: int,
    target: float,
    chain_method: Literal["parallel", "sequential", "vectorized"],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Sample from whitened starting positions ``(chain, D)``.

    Returns:
        Positions in the chart, shape ``(chain, draw, D)``, and sample statistics, shapes ``(chain, draw)``.
    """
    kernel = NUTS(potential_fn=functools.partial(_potential, space), adapt_mass_matrix=False, target_accept_prob=target)
    sampler = MCMC(
        kernel,
        num_warmup=_STEP_SIZE_WARMUP,
        num_samples=num_samples,
        num_chains=len(position),
        chain_method=chain_method,
        progress_bar=False,
    )
    sampler.run(key, init_params=position if len(position) > 1 else position[0], extra_fields=_FIELDS)
    whitened = sampler.get_samples(group_by_chain=True)
    fields = {name: np.asarray(value) for name, value in sampler.get_extra_fields(group_by_chain=True).items()}
    stats = {
        "lp": -fields["potential_energy"],
        "energy": fields["energy"],
        "acceptance_rate": fields["accept_prob"],
        "n_steps": fields["num_steps"],
        "step_size": fields["adapt_state.step_size"],
        "diverging": fields["diverging"].astype(bool),
    }
    return np.asarray(jax.jit(space.positions)(whitened)), stats


def _potential(space: Space, whitened: Array) -> Array:
    return -whitened_log_density(space, whitened)
