"""Row-wise NumPyro: the model as one would write it by hand, without collapsing or integrating anything out.

One categorical mixture per completion, its persona summed out by ``logsumexp``; centred hierarchical effects of
condition, question and cell in ILR coordinates with the priors of the package; NUTS with default settings, four chains
in parallel, initialised at the prior medians (uniform initial values lead to permuted labels). Single precision, JAX's
default.
"""

from collections.abc import Mapping

import numpy as np

from benchmarks.contestant import Clock, Task, load_arrays, run_contestant
from benchmarks.quality import Draws, condition_weights, draws_of

__all__ = ["contestant", "model"]

WARMUP, DRAWS, CHAINS = 500, 500, 4


def model(arrays: Mapping[str, np.ndarray]) -> None:
    """The generative model, row by row."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    size = len(arrays["alpha_aligned"])
    cells, conditions, questions = (len(np.unique(arrays[k])) for k in ("row_cell", "cell_condition", "cell_question"))
    scale = numpyro.sample("scale", dist.LogNormal(arrays["scale_location"], arrays["scale_spread"]).to_event(1))

    def effect(name: str, count: int, spread) -> jax.Array:
        return numpyro.sample(name, dist.Normal(0.0, spread).expand([count, size - 1]).to_event(2))

    logits = (
        effect("intercept", 1, 1.5)
        + effect("condition", conditions, scale[0])[arrays["cell_condition"]]
        + effect("question", questions, scale[1])[arrays["cell_question"]]
        + effect("cell", cells, scale[2])
    )
    log_weights = numpyro.deterministic("log_weights", jax.nn.log_softmax(logits @ arrays["contrasts"]))
    aligned = numpyro.sample("aligned_probs", dist.Dirichlet(arrays["alpha_aligned"]).to_event(1))
    coherent = numpyro.sample("coherent_probs", dist.Dirichlet(arrays["alpha_coherent"]).to_event(1))
    codes = arrays["row_codes"]
    terms = log_weights[arrays["row_cell"]] + jnp.log(aligned).T[codes[:, 0]] + jnp.log(coherent).T[codes[:, 1]]
    numpyro.factor("rows", jax.nn.logsumexp(terms, axis=1).sum())


def contestant(task: Task, clock: Clock) -> tuple[Draws, dict]:
    """Run NUTS on the row-wise model."""
    import jax
    import numpyro
    from numpyro.infer import MCMC, NUTS, init_to_median

    numpyro.set_host_device_count(CHAINS)
    jax.config.update("jax_compilation_cache_dir", str(task.cache / "xla"))
    clock.mark("imported")
    arrays = load_arrays(task)
    settings = {"num_warmup": task.warmup or WARMUP, "num_samples": task.draws or DRAWS, "num_chains": CHAINS}
    sampler = MCMC(NUTS(model, init_strategy=init_to_median), **settings, chain_method="parallel", progress_bar=False)
    sampler.run(jax.random.key(task.seed), arrays)
    samples = {name: np.asarray(value) for name, value in sampler.get_samples(group_by_chain=True).items()}
    clock.mark("drawn")
    draws = draws_of(
        arrays,
        weights=condition_weights(arrays, samples["log_weights"]),
        aligned_probs=samples["aligned_probs"],
        coherent_probs=samples["coherent_probs"],
        scale=samples["scale"],
        divergences=int(sampler.get_extra_fields()["diverging"].sum()),
    )
    return draws, {"settings": settings}


if __name__ == "__main__":
    run_contestant(contestant)
