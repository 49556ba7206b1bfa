"""BlackJAX on the posterior of the package: collapsed counts, effects integrated out, same priors.

The model is written in NumPyro, from which BlackJAX takes its log density on unconstrained parameters; NUTS with the
window adaptation of BlackJAX (diagonal mass matrix), four chains vectorised, initialised at the prior medians.
"""

from collections.abc import Mapping

import numpy as np

from benchmarks.contestant import Clock, Task, load_arrays, run_contestant
from benchmarks.quality import Draws, condition_weights, draws_of

__all__ = ["contestant", "model"]

WARMUP, DRAWS, CHAINS = 1000, 1000, 4


def model(arrays: Mapping[str, np.ndarray]) -> None:
    """The marginalised model of ``benchmarks.contestants.pymc``, in NumPyro."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    scale = numpyro.sample("scale", dist.LogNormal(arrays["scale_location"], arrays["scale_spread"]).to_event(1))
    sd = jnp.sqrt(arrays["fixed_variance"] + arrays["multiplicity"] @ scale**2)
    shape = (arrays["basis"].shape[1], len(arrays["contrasts"]))
    latents = numpyro.sample("latents", dist.Normal(0.0, sd[:, None]).expand(shape).to_event(2))
    aligned = numpyro.sample("aligned_probs", dist.Dirichlet(arrays["alpha_aligned"]).to_event(1))
    coherent = numpyro.sample("coherent_probs", dist.Dirichlet(arrays["alpha_coherent"]).to_event(1))
    weights = jax.nn.softmax(arrays["basis"] @ latents @ arrays["contrasts"], axis=1)
    patterns = arrays["patterns"]
    mixed = weights @ (aligned[:, patterns[:, 0]] * coherent[:, patterns[:, 1]])
    numpyro.factor("counts", (arrays["counts"] * jnp.log(mixed)).sum())


def contestant(task: Task, clock: Clock) -> tuple[Draws, dict]:
    """Adapt and run NUTS."""
    import blackjax
    import jax
    import numpyro
    from numpyro.infer import init_to_median
    from numpyro.infer.util import initialize_model

    numpyro.enable_x64()
    jax.config.update("jax_compilation_cache_dir", str(task.cache / "xla"))
    clock.mark("imported")
    arrays = load_arrays(task)
    settings = {"num_warmup": task.warmup or WARMUP, "num_samples": task.draws or DRAWS, "num_chains": CHAINS}
    start, adapt, draw = jax.random.split(jax.random.key(task.seed), 3)
    info = initialize_model(start, model, model_args=(arrays,), init_strategy=init_to_median)

    def log_density(position: dict) -> jax.Array:
        return -info.potential_fn(position)

    def chain(adapt_key: jax.Array, draw_key: jax.Array) -> tuple[dict, jax.Array, jax.Array]:
        adaptation = blackjax.window_adaptation(blackjax.nuts, log_density)
        (state, parameters), _ = adaptation.run(adapt_key, info.param_info.z, num_steps=settings["num_warmup"])
        step = blackjax.nuts(log_density, **parameters).step

        def iterate(state, key):
            state, about = step(key, state)
            return state, (state.position, about.is_divergent, about.num_integration_steps)

        return jax.lax.scan(iterate, state, jax.random.split(draw_key, settings["num_samples"]))[1]

    positions, diverged, steps = jax.jit(jax.vmap(chain))(
        jax.random.split(adapt, CHAINS), jax.random.split(draw, CHAINS)
    )
    samples = jax.vmap(jax.vmap(info.postprocess_fn))(positions)
    clock.mark("drawn")
    latents = np.asarray(samples["latents"])
    draws = draws_of(
        arrays,
        weights=condition_weights(arrays, arrays["basis"] @ latents @ arrays["contrasts"]),
        aligned_probs=np.asarray(samples["aligned_probs"]),
        coherent_probs=np.asarray(samples["coherent_probs"]),
        scale=np.asarray(samples["scale"]),
        divergences=int(diverged.sum()),
    )
    return draws, {"settings": settings, "mean_gradients_per_draw": float(steps.mean())}


if __name__ == "__main__":
    run_contestant(contestant)
