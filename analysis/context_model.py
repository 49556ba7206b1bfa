r"""The model of eq. (6) with its variants, in NumPyro.

The answers of a model in a context, each attributed to a persona, are counted. Their likelihood is
Dirichlet-multinomial, because contexts differ in more than their evidence and the counts are overdispersed. Terms of
eq. (6) are switched on and off by a :class:`ContextModel`, so that variants can be compared.

References:
    Xie et al. (2022), An explanation of in-context learning as implicit Bayesian inference, arXiv:2111.02080; Bigelow
    et al. (2025), arXiv:2511.00617; Minka (2000), Estimating a Dirichlet distribution (the Dirichlet-multinomial).
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray as xr
from numpyro.infer import MCMC, NUTS

from simulacra.analysis.contexts import Contexts
from simulacra.formalism.arrays import Array
from simulacra.formalism.conditioning import context_weights
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.formalism.simplex import log_weights

__all__ = ["ContextModel", "ContextSampler", "conversation_log_likelihood"]

_LEAST = 1e-6  # a weight may underflow, a concentration may not
_REACH = 10.0  # nats by which training moves log odds, a priori


@dataclasses.dataclass(frozen=True)
class ContextModel:
    """Which terms of eq. (6) a model has.

    Attributes:
        lapse: a share ε of the answers does not depend on the context.
        exponent: turns count as N^(−α).
        separate: parameters that every condition has for itself, ``"temperature"``, ``"lapse"`` or both. If training
            and context add up in log odds, common ones suffice.
        training: the shift of every condition is λ e(D) of eq. (5), with λ of every condition, instead of free.

    Raises:
        InputError: ``separate`` names a parameter that the model does not have.
    """

    lapse: bool = True
    exponent: bool = False
    separate: tuple[str, ...] = ()
    training: bool = False

    def __post_init__(self) -> None:
        expect_type(self.separate, tuple, "separate", "ContextModel", expected="a tuple such as ('lapse',)")
        own = {"temperature", "lapse"} if self.lapse else {"temperature"}
        if not set(self.separate) <= own:
            found = f"ContextModel: separate is {self.separate!r}"
            raise InputError(found, expected=f"a tuple of names among {', '.join(sorted(own))}", argument="separate")

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms, for display."""
        named = {
            "temperature": True,
            "lapse": self.lapse,
            "exponent": self.exponent,
            "training": self.training,
        }
        each = " of every condition"
        return tuple(f"{name}{each if name in self.separate else ''}" for name, has in named.items() if has)


class ContextSampler:
    """Samples a model; repeated calls with other answers, or other contexts left out, compile nothing.

    Attributes:
        model: the model.

    Raises:
        InputError: the contexts lack the turns or the evidence of training sets that the model needs; no model; fewer
            than 50 draws or two chains.
    """

    def __init__(
        self, model: ContextModel, contexts: Contexts, *, num_warmup: int, num_samples: int, num_chains: int
    ) -> None:
        """Set up the sampler for contexts of this shape, with these conditions and training sets."""
        expect_type(model, ContextModel, "model", "In-context model", expected="a ContextModel, such as ContextModel()")
        for name, value, least in (
            ("num_warmup", num_warmup, 1),
            ("num_samples", num_samples, 50),
            ("num_chains", num_chains, 2),
        ):
            expect_whole(value, name, "In-context model", least=least)
        if model.exponent and not contexts.turns.any():
            raise InputError("An exponent needs the number of turns of every context", argument="turns")
        if model.training and contexts.training is None:
            raise InputError("A model with training needs the evidence of the training sets", argument="training")
        self.model = model
        self._mcmc = MCMC(
            NUTS(_program(model, contexts), dense_mass=True, target_accept_prob=0.9),
            num_warmup=num_warmup,
            num_samples=num_samples,
            num_chains=num_chains,
            chain_method="vectorized",
            progress_bar=False,
            jit_model_args=True,
        )

    def run(self, contexts: Contexts, seed: int, kept: np.ndarray | None = None) -> tuple[xr.Dataset, xr.Dataset]:
        """Draws and sample statistics, dims ``(chain, draw, ...)``.

        Args:
            contexts: the contexts, of the shape of those given before.
            seed: random seed.
            kept: whether a context is fitted, shape ``(C,)``. Default: all.
        """
        fitted = np.ones(len(contexts.turns), dtype=bool) if kept is None else kept
        with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
            arrays = (contexts.evidence, contexts.answers, contexts.turns, contexts.condition, fitted)
            self._mcmc.run(jax.random.key(seed), *map(jnp.asarray, arrays), extra_fields=("diverging", "energy"))
            draws = self._mcmc.get_samples(group_by_chain=True)
            stats = self._mcmc.get_extra_fields(group_by_chain=True)
        first = ("chain", "draw")
        dims = {
            **dict.fromkeys(self.model.separate, ("condition",)),
            "strength": ("trained",),
            "coordinates": ("coordinate",) if self.model.training else ("condition", "coordinate"),
            "weights": ("context", "persona"),
        }
        posterior = xr.Dataset(
            {name: ((*first, *dims.get(name, ())), np.asarray(own)) for name, own in draws.items()},
            coords={"persona": list(contexts.personas), "condition": list(contexts.conditions)},
        )
        if self.model.training:
            posterior = posterior.assign_coords(trained=[contexts.conditions[index] for index in contexts.trained])
        return posterior, xr.Dataset({name: (first, np.asarray(own)) for name, own in stats.items()})


def _program(model: ContextModel, contexts: Contexts) -> Callable[..., None]:
    """The NumPyro model, a function of the data and of which contexts are fitted."""
    conditions, size = len(contexts.conditions), len(contexts.personas)
    training = contexts.training if model.training else None

    def program(evidence: Array, answers: Array, turns: Array, condition: Array, kept: Array) -> None:
        if training is None:
            log_w = log_weights(_normal("coordinates", 3.0, conditions, size - 1))
        else:
            trained = contexts.trained
            strength = _normal("strength", _REACH / np.abs(training).max(), len(trained))
            shift = jnp.zeros((conditions, size)).at[trained].set(strength[:, None] * training[trained])
            log_w = log_weights(_normal("coordinates", 3.0, size - 1))[None] + shift
        shapes = dict.fromkeys(model.separate, (conditions,))
        temperature = _normal("temperature", 3.0, *shapes.get("temperature", ()))
        concentration = jnp.asarray(numpyro.sample("concentration", dist.LogNormal(jnp.log(50.0), 1.5)))
        exponent = numpyro.sample("exponent", dist.Normal(0.0, 1.0)) if model.exponent else 0.0
        lapse = _lapse(*shapes.get("lapse", ())) if model.lapse else jnp.zeros(())
        own = [jnp.broadcast_to(each, conditions)[condition] for each in (temperature, lapse)]
        weights = context_weights(log_w[condition], evidence, turns, own[0], jnp.asarray(exponent), own[1])
        numpyro.deterministic("weights", weights)
        with numpyro.plate("context", len(turns)), numpyro.handlers.mask(mask=kept):
            numpyro.sample("answers", _likelihood(weights, concentration, answers), obs=answers)

    return program


def _normal(name: str, scale: float, *shape: int) -> Array:
    return jnp.asarray(numpyro.sample(name, dist.Normal(0.0, scale).expand(shape).to_event(len(shape))))


def _lapse(*shape: int) -> Array:
    prior = dist.Beta(jnp.full(shape, 1.0), jnp.full(shape, 9.0))  # an expanded one promotes ranks
    return jnp.asarray(numpyro.sample("lapse", prior.to_event(len(shape))))


def _likelihood(weights: Array, concentration: Array, answers: Array) -> dist.Distribution:
    shape = concentration[..., None, None] * weights + _LEAST
    return dist.DirichletMultinomial(shape, total_count=answers.sum(axis=-1))


def conversation_log_likelihood(posterior: xr.Dataset, contexts: Contexts) -> xr.DataArray:
    """Log density of the answers of every conversation, nats, dims ``(chain, draw, conversation)``.

    Args:
        posterior: draws of ``weights`` and ``concentration``, as :meth:`ContextSampler.run` returns them.
        contexts: the contexts that these weights are about.
    """
    with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
        weights, concentration = (jnp.asarray(posterior[name].to_numpy()) for name in ("weights", "concentration"))
        answers = jnp.broadcast_to(jnp.asarray(contexts.answers), weights.shape)
        each = np.asarray(_likelihood(weights, concentration, answers).log_prob(answers))
    together = each @ np.eye(contexts.conversation.max() + 1)[contexts.conversation]
    return xr.DataArray(together, dims=("chain", "draw", "conversation"), name="answers")
