"""Hamiltonian Monte Carlo with jittered trajectory lengths as a NumPyro kernel, for models of one's own.

NumPyro's ``HMC`` has trajectories of one length. In directions whose period divides it, such as all directions of a
well preconditioned Gaussian at NumPyro's default of 2π, a trajectory ends where it began. Random lengths remove this
resonance, and mix as well as NUTS with fewer gradients where all directions have about the same width. The fit of
persona mixtures runs the same iteration (``simulacra.inference.sampling.hmc``) in a loop of its own, which shares
the steps of all chains, splits off the Gaussian part of the density, and compiles nothing.

References:
    Neal (2011), MCMC using Hamiltonian dynamics, arXiv:1206.1901, section 5.4.2 (random trajectory lengths); Phan,
    Pradhan & Jankowiak (2019), Composable effects in NumPyro, arXiv:1912.11554.
"""

from typing import Any

import jax
from numpyro.infer import HMC
from numpyro.util import is_prng_key

from simulacra.inference.sampling.hmc import JITTER, TRAJECTORY

__all__ = ["JitteredHMC"]


class JitteredHMC(HMC):
    """NumPyro's ``HMC`` with a trajectory length that is drawn anew in every iteration, from .5 to 1.5 times the mean.

    Takes the arguments of ``numpyro.infer.HMC`` except ``num_steps``, among them ``model`` or ``potential_fn``,
    ``dense_mass`` and ``target_accept_prob``. ``trajectory_length`` is the mean length, in standard deviations of the
    posterior after adaptation of the mass matrix. Default: 3.2, half the period of a Gaussian.

    When not to trust it: as any sampler with one step size, it does not reach the neck of a funnel; look for
    divergences. Where directions remain of very different widths, NUTS adapts its length and this does not.

    Example:
        >>> import jax, numpyro
        >>> from numpyro.infer import MCMC
        >>> kernel = JitteredHMC(lambda: numpyro.sample("x", numpyro.distributions.Normal()), dense_mass=True)
        >>> sampler = MCMC(kernel, num_warmup=200, num_samples=200, progress_bar=False)
        >>> sampler.run(jax.random.key(0))
        >>> sampler.get_samples()["x"].shape
        (200,)
    """

    def __init__(self, model: Any = None, *, trajectory_length: float = TRAJECTORY, **arguments: Any) -> None:
        super().__init__(model, trajectory_length=float(trajectory_length), **arguments)

    def sample(self, state: Any, model_args: Any, model_kwargs: Any) -> Any:
        """One iteration of every chain; the state keeps the mean length."""
        length, split, draw = state.trajectory_length, jax.random.split, _jitter
        if not is_prng_key(state.rng_key):  # one for every chain
            split, draw = jax.vmap(split, out_axes=1), jax.vmap(draw)
        own, rest = split(state.rng_key)
        begun = state._replace(rng_key=rest, trajectory_length=length * draw(own))
        return super().sample(begun, model_args, model_kwargs)._replace(trajectory_length=length)


def _jitter(key: Any) -> Any:
    low, high = JITTER
    return jax.random.uniform(key, minval=low, maxval=high)
