"""The persona mixture as NumPyro distributions, for use in custom models.

:class:`PersonaMixtureDistribution` is eq. (1) for one completion; :class:`CollapsedMixture` is the same for the counts
of all completions of a cell, so that the cost of fitting does not depend on the number of completions.
"""

# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false
# NumPyro declares properties and signatures that all its own distributions override like this.

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jax.typing import ArrayLike
from numpyro.distributions import constraints
from numpyro.distributions.util import validate_sample

from simulacra.formalism.arrays import Array, Float, Key

__all__ = ["CollapsedMixture", "PersonaMixtureDistribution", "pattern_log_prob"]


def pattern_log_prob(
    log_weights: Float[Array, "*batch persona"], component_log_probs: Float[Array, "persona pattern"]
) -> Float[Array, "*batch pattern"]:
    """Log probability of every measurement pattern, eq. (1): log Σ_z w_z f_z(pattern), in nats.

    A matrix product of shifted probabilities: one exponential per component and pattern instead of one per cell,
    component and pattern.
    """
    shift = jax.lax.stop_gradient(component_log_probs.max(axis=0, keepdims=True))
    mixed = jnp.exp(log_weights) @ jnp.exp(component_log_probs - shift)
    return jnp.log(jnp.maximum(mixed, jnp.finfo(mixed.dtype).tiny)) + jnp.broadcast_to(shift[0], mixed.shape)


class CollapsedMixture(dist.Distribution):
    """Counts of measurement patterns among the completions of a cell: a multinomial whose probabilities are eq. (1).

    Args:
        log_weights: log persona weights of every cell, shape ``(*batch, K)``; the mixing distribution.
        component_log_probs: log f_z of every pattern, shape ``(K, P)``.
        total_count: completions in every cell, shape ``(*batch,)``.

    ``log_prob`` includes the multinomial coefficient. It needs only the patterns that occur; ``sample`` needs the
    complete table of patterns, whose probabilities sum to one under every persona, and renormalises otherwise.
    """

    arg_constraints = {  # noqa: RUF012 (the name and form NumPyro prescribes)
        "log_weights": constraints.independent(constraints.real, 1),
        "component_log_probs": constraints.independent(constraints.real, 2),
        "total_count": constraints.nonnegative_integer,
    }
    pytree_data_fields = ("log_weights", "component_log_probs", "total_count")

    def __init__(
        self,
        log_weights: Float[Array, "*batch persona"],
        component_log_probs: Float[Array, "persona pattern"],
        total_count: ArrayLike,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.log_weights = log_weights
        self.component_log_probs = component_log_probs
        self.total_count = total_count
        super().__init__(log_weights.shape[:-1], component_log_probs.shape[-1:], validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """Non-negative counts that sum to ``total_count``."""
        return constraints.multinomial(self.total_count)

    @property
    def mixture_size(self) -> int:
        """K, the number of personas."""
        return self.component_log_probs.shape[0]

    @validate_sample
    def log_prob(self, value: Array | np.ndarray) -> Array:
        """Log probability of counts ``(*sample, *batch, P)``, in nats; shape ``(*sample, *batch)``."""
        log_probs = pattern_log_prob(self.log_weights, self.component_log_probs)
        coefficient = gammaln(value.sum(-1) + 1.0) - gammaln(value + 1.0).sum(-1)
        counts, log_probs = jnp.broadcast_arrays(value, log_probs)
        return jnp.broadcast_to(coefficient, counts.shape[:-1]) + (counts * log_probs).sum(-1)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw counts, shape ``(*sample_shape, *batch, P)``."""
        shape = (*sample_shape, *self.batch_shape, *self.event_shape)
        probabilities = jax.nn.softmax(pattern_log_prob(self.log_weights, self.component_log_probs), axis=-1)
        cells = jnp.broadcast_to(probabilities, shape).reshape(-1, shape[-1])
        totals = jnp.broadcast_to(self.total_count, shape[:-1]).reshape(-1)
        # The cost of JAX's sampler does not depend on the total; NumPyro's draws every completion. One cell per call,
        # since releases of JAX differ in broadcasting.
        drawn = jax.vmap(jax.random.multinomial)(jax.random.split(key, len(totals)), totals, cells)
        return drawn.reshape(shape).astype(int)


class PersonaMixtureDistribution(dist.Distribution):
    """Measurements of one completion, eq. (1) with the product emissions of eq. (3).

    Args:
        log_weights: log persona weights, shape ``(*batch, K)``.
        category_log_probs: for every measurement, log probability of each category, shape ``(K, J)``.

    The event is the vector of category codes, one for every measurement; a code beyond the last has probability zero.
    """

    arg_constraints = {"log_weights": constraints.independent(constraints.real, 1)}  # noqa: RUF012
    support = constraints.independent(constraints.nonnegative_integer, 1)
    pytree_data_fields = ("log_weights", "category_log_probs")

    def __init__(
        self,
        log_weights: Float[Array, "*batch persona"],
        category_log_probs: tuple[Float[Array, "persona _"], ...],
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.log_weights = log_weights
        self.category_log_probs = tuple(category_log_probs)
        super().__init__(log_weights.shape[:-1], (len(self.category_log_probs),), validate_args=validate_args)

    @property
    def mixture_size(self) -> int:
        """K, the number of personas."""
        return self.log_weights.shape[-1]

    def component_log_probs(self, value: Array | np.ndarray) -> Array:
        """Log f_z(value) + log w_z of every persona, in nats; shape ``(*sample, *batch, K)``."""
        shape = (*jnp.broadcast_shapes(value.shape[:-1], self.batch_shape), self.mixture_size)
        total = jnp.broadcast_to(self.log_weights, shape)
        for position, table in enumerate(self.category_log_probs):
            known = table.at[:, value[..., position]].get(mode="fill", fill_value=-jnp.inf)
            total = total + jnp.broadcast_to(jnp.moveaxis(known, 0, -1), shape)
        return total

    @validate_sample
    def log_prob(self, value: Array | np.ndarray) -> Array:
        """Log probability of codes ``(*sample, *batch, measurements)``, in nats."""
        return jax.nn.logsumexp(self.component_log_probs(value), axis=-1)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw codes, shape ``(*sample_shape, *batch, measurements)``: first the persona, then its measurements."""
        keys = jax.random.split(key, 1 + len(self.category_log_probs))
        persona = jax.random.categorical(keys[0], self.log_weights, shape=sample_shape + self.batch_shape)
        codes = [
            jax.random.categorical(own, table[persona])
            for own, table in zip(keys[1:], self.category_log_probs, strict=True)
        ]
        return jnp.stack(codes, axis=-1)
