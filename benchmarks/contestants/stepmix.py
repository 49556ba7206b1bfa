"""StepMix: latent classes by maximum likelihood, with its non-parametric bootstrap.

Class weights depend on the condition (one-step covariate model). Random effects of questions are not available, and
classes are initialised at random, so the class "misaligned" must be identified afterwards. It provides bootstrap
intervals of the class emissions and of the covariate coefficients, but no posterior, and therefore no ESS and R-hat.
"""

import numpy as np

from benchmarks.contestant import Clock, Task, load_arrays, run_contestant

__all__ = ["contestant"]

REPETITIONS = 100


def contestant(task: Task, clock: Clock) -> tuple[None, dict]:
    """Fit, then bootstrap."""
    from stepmix import StepMix

    clock.mark("imported")
    arrays = load_arrays(task)
    condition = arrays["cell_condition"][arrays["row_cell"]]
    one_hot = np.eye(condition.max() + 1)[condition][:, 1:]
    model = StepMix(
        n_components=task.personas,
        n_steps=1,
        measurement="categorical",
        structural="covariate",
        structural_params={"method": "newton-raphson", "max_iter": 1},
        abs_tol=1e-6,
        random_state=task.seed,
        progress_bar=0,
    )
    model.fit(arrays["row_codes"], one_hot)
    clock.mark("fitted")
    settings = {"n_repetitions": task.draws or REPETITIONS}
    samples, _ = model.bootstrap(arrays["row_codes"], one_hot, **settings, progress_bar=False, random_state=task.seed)
    clock.mark("drawn")
    gives = [str(name) for name in samples.reset_index().columns]
    return None, {"settings": settings, "gives": gives, "mean_log_likelihood": float(model.lower_bound_)}


if __name__ == "__main__":
    run_contestant(contestant)
