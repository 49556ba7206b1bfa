"""PyMC with nutpie on the posterior of the package: collapsed counts, effects integrated out, same priors.

The arrays (counts, orthonormal basis of the crossed design, prior) are prepared in advance, so reading, collapsing and
the design are not part of its time. nutpie compiles with numba, adapts a diagonal mass matrix from gradients, and
starts at the prior means, which are the archetypes. Compiled functions are kept in the caches of PyTensor and numba.
"""

from collections.abc import Mapping

import numpy as np

from benchmarks.contestant import Clock, Task, load_arrays, run_contestant
from benchmarks.quality import Draws, condition_weights, draws_of

__all__ = ["build_model", "contestant", "race_nutpie"]

WARMUP, DRAWS, CHAINS, CORES = 1000, 1000, 4, 2


def build_model(arrays: Mapping[str, np.ndarray]):
    """The marginalised model as a ``pymc.Model``."""
    import pymc as pm
    import pytensor.tensor as pt

    patterns = arrays["patterns"]
    with pm.Model() as built:
        scale = pm.LogNormal(
            "scale", arrays["scale_location"], arrays["scale_spread"], shape=arrays["scale_spread"].shape
        )
        variances = arrays["fixed_variance"] + pt.dot(arrays["multiplicity"], scale**2)
        shape = (arrays["basis"].shape[1], len(arrays["contrasts"]))
        latents = pm.Normal("latents", 0.0, pt.sqrt(variances)[:, None], shape=shape)
        weights = pm.math.softmax(pt.dot(pt.dot(arrays["basis"], latents), arrays["contrasts"]), axis=1)
        aligned = pm.Dirichlet("aligned_probs", arrays["alpha_aligned"])
        coherent = pm.Dirichlet("coherent_probs", arrays["alpha_coherent"])
        mixed = pt.dot(weights, aligned[:, patterns[:, 0]] * coherent[:, patterns[:, 1]])
        pm.Potential("counts", (arrays["counts"] * pt.log(mixed)).sum())
    return built


def race_nutpie(task: Task, clock: Clock, **options: bool) -> tuple[Draws, dict]:
    """Compile and sample with options of ``nutpie.sample``."""
    import nutpie

    clock.mark("imported")
    arrays = load_arrays(task)
    compiled = nutpie.compile_pymc_model(build_model(arrays))
    clock.mark("compiled")
    settings = {"tune": task.warmup or WARMUP, "draws": task.draws or DRAWS, "chains": CHAINS, "cores": CORES}
    trace = nutpie.sample(compiled, **settings, seed=task.seed, progress_bar=False, save_warmup=False, **options)
    clock.mark("drawn")
    posterior = {name: values.to_numpy() for name, values in trace.posterior.data_vars.items()}
    draws = draws_of(
        arrays,
        weights=condition_weights(arrays, arrays["basis"] @ posterior["latents"] @ arrays["contrasts"]),
        aligned_probs=posterior["aligned_probs"],
        coherent_probs=posterior["coherent_probs"],
        scale=posterior["scale"],
        divergences=int(trace.sample_stats["diverging"].sum()),
    )
    steps = float(trace.sample_stats["n_steps"].mean())
    return draws, {"settings": settings, "mean_gradients_per_draw": steps}


def contestant(task: Task, clock: Clock) -> tuple[Draws, dict]:
    """Sample with the defaults of nutpie."""
    return race_nutpie(task, clock)


if __name__ == "__main__":
    run_contestant(contestant)
