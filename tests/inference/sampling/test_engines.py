"""The samplers against an integral computed without them, against each other, and against themselves."""

import itertools
import signal
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import NamedTuple

import arviz_stats
import jax
import numpy as np
import pytest
from scipy import special

from simulacra.formalism.parameters import Parameters
from simulacra.inference.posterior import weights_of_cells
from simulacra.inference.prepare import Prepared
from simulacra.inference.sampling import device, ensembles, hmc, laplace, trajectory
from simulacra.inference.sampling.collapsed import CollapsedDensity
from simulacra.inference.sampling.compiled import CompiledDensity
from simulacra.inference.sampling.problem import layout, make_problem, natural_chart, unconstrain
from simulacra.inference.sampling.sample import Sampled, Settings, find_modes, num_iterations, sample_posterior
from simulacra.inference.sampling.space import Space

_SIGMAS = 4.5
"""Every comparison of means allows this many standard errors: 30 of them fail by chance with probability 2e-4."""


def _settings(**changes: object) -> Settings:
    usual = Settings(
        seed=3,
        num_warmup=800,  # its last stage, which adapts the step size, has 100 iterations
        num_samples=4000,
        num_chains=4,
        engine="hmc",
        chain_method="vectorized",
        target_accept_prob=0.6,  # coarse trajectories, so that accepting the wrong ones would show
        num_starts=4,
    )
    return usual._replace(**changes)


def _sample(prepared: Prepared, progress: Callable[[str, int], None] | None = None, **changes: object) -> Sampled:
    with jax.numpy_rank_promotion("allow" if changes.get("engine") == "nuts" else "raise"):  # NumPyro promotes ranks
        return next(_segments(prepared, _settings(**changes), progress or (lambda stage, iterations: None)))


def _segments(prepared: Prepared, settings: Settings, progress: Callable[[str, int], None]) -> Iterator[Sampled]:
    target = find_modes(prepared, settings.num_starts)
    return sample_posterior(prepared, target, target.starts[0], settings, progress)


def _quantities(prepared: Prepared, parameters: Parameters) -> dict[str, np.ndarray]:
    """What is compared, each with leading axes kept: weights, emissions, log scale, and their squares."""
    weights = weights_of_cells(prepared.design, parameters.latents)
    first = {
        **{f"weight {cell}": weights[..., cell, 0] for cell in range(weights.shape[-2])},
        **{f"P({j} | {z})": parameters.probabilities[0][..., z, j] for z in range(2) for j in range(3)},
        "log scale": np.log(parameters.scales[..., 0]),
    }
    return first | {f"{name} squared": value**2 for name, value in first.items()}


class Moments(NamedTuple):
    mean: float
    error: float


@pytest.fixture(scope="module")
def integral(tiny: Prepared) -> dict[str, Moments]:
    """Posterior means as ratios of integrals over the prior: draws from it, weighted by the likelihood, in NumPy."""
    rng, size = np.random.default_rng(1), 400_000
    design, alpha = tiny.design, tiny.model.concentrations[0]
    scales = np.exp(design.scale_location + design.scale_spread * rng.standard_normal((size, 1)))
    spread = np.sqrt(design.fixed_variance + scales**2 @ design.multiplicity.T)
    latents = spread[..., None] * rng.standard_normal((*spread.shape, 1))
    table = np.stack([rng.dirichlet(row, size=size) for row in alpha], axis=1)
    parameters = Parameters((table,), latents, scales)
    weights = weights_of_cells(design, latents)
    likelihood = special.xlogy(tiny.counts, weights @ table[:, :, tiny.patterns[:, 0]]).sum(axis=(1, 2))
    importance = np.exp(likelihood - likelihood.max())
    importance /= importance.sum()
    moments = {}
    for name, value in _quantities(tiny, parameters).items():
        mean = float(importance @ value)
        moments[name] = Moments(mean, float(np.sqrt((importance**2 * (value - mean) ** 2).sum())))
    assert 1 / (importance**2).sum() > 10_000  # effective draws
    return moments


@pytest.fixture(scope="module")
def sampled(tiny: Prepared) -> Sampled:
    return _sample(tiny)


def _assert_same_means(prepared: Prepared, parameters: Parameters, expected: dict[str, Moments]) -> None:
    for name, draws in _quantities(prepared, parameters).items():
        error = np.hypot(float(arviz_stats.mcse(draws)), expected[name].error)
        assert abs(draws.mean() - expected[name].mean) < _SIGMAS * error, name


@pytest.mark.long
def test_hmc_agrees_with_the_integral(tiny: Prepared, sampled: Sampled, integral: dict[str, Moments]) -> None:
    assert sampled.stats["diverging"].mean() < 1e-3
    _assert_same_means(tiny, sampled.parameters, integral)


@pytest.mark.long
def test_divergent_draws_are_discarded_and_sampled_again_with_shorter_steps(
    tiny: Prepared, sampled: Sampled, integral: dict[str, Moments], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hmc, "_DIVERGENCE", 2.0)  # nats; coarse trajectories exceed it, careful ones do not
    again = _sample(tiny, num_samples=1000)
    assert sampled.diverged == 0
    assert again.diverged > 0
    assert again.stats["diverging"].sum() < again.diverged / 100
    assert again.stats["acceptance_rate"].mean() > 0.95
    assert again.stats["step_size"].max() < sampled.stats["step_size"].min()
    _assert_same_means(tiny, again.parameters, integral)


@pytest.mark.long
def test_nuts_agrees_with_the_integral(tiny: Prepared, integral: dict[str, Moments]) -> None:
    run = _sample(tiny, engine="nuts", num_samples=500)
    assert run.parameters.scales.shape == (4, 500, 1)
    assert set(run.stats) == {"lp", "energy", "acceptance_rate", "n_steps", "step_size", "diverging"}
    _assert_same_means(tiny, run.parameters, integral)


@pytest.mark.long
def test_shapes_and_statistics(sampled: Sampled) -> None:
    assert sampled.parameters.latents.shape[:2] == (4, 4000)
    assert set(sampled.stats) == {"lp", "energy", "acceptance_rate", "n_steps", "step_size", "diverging"}
    for value in sampled.stats.values():
        assert value.shape == (4, 4000)
    assert abs(sampled.stats["acceptance_rate"].mean() - 0.6) < 0.12
    steps = sampled.stats["step_size"]
    np.testing.assert_array_equal(steps, np.broadcast_to(steps[:, :1], steps.shape))  # no adaptation while sampling
    assert (sampled.stats["energy"] > -sampled.stats["lp"] - 50).all()


@pytest.mark.long
def test_a_gpu_samples_the_same(tiny: Prepared, integral: dict[str, Moments], monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX on the processor stands for the GPU: one program for all stages, and one ensemble whatever the size."""
    monkeypatch.setattr(device, "_gpus", jax.devices)
    monkeypatch.setattr(ensembles, "_LARGE", 0)
    programs = trajectory._compiled._cache_size()
    run = _sample(tiny, num_samples=500, device="gpu")
    assert trajectory._compiled._cache_size() == programs + 1
    assert len({*run.stats["step_size"][:, 0]}) == 1
    _assert_same_means(tiny, run.parameters, integral)


# --- the same seed --------------------------------------------------------------------------------------------------


def _short(tiny: Prepared, progress: Callable[[str, int], None] | None = None, **changes: object) -> Sampled:
    return _sample(tiny, progress, **{"num_warmup": 200, "num_samples": 70, **changes})


def _leaves(run: Sampled) -> list[np.ndarray]:
    return [*jax.tree.leaves(run.parameters), *run.stats.values()]


@pytest.fixture(scope="module")
def short(tiny: Prepared) -> Sampled:
    return _short(tiny)


def test_the_same_seed_gives_the_same_draws_with_or_without_progress(tiny: Prepared, short: Sampled) -> None:
    calls: list[tuple[str, int]] = []
    loud = _short(tiny, lambda stage, iterations: calls.append((stage, iterations)))
    for own, other in zip(_leaves(short), _leaves(loud), strict=True):
        np.testing.assert_array_equal(own, other)
    assert sum(iterations for _, iterations in calls) == num_iterations(_settings(num_warmup=200, num_samples=70))
    assert list(dict.fromkeys(stage for stage, _ in calls)) == ["warming up", "sampling"]
    other = _short(tiny, seed=4)
    assert not np.array_equal(other.parameters.latents, short.parameters.latents)


def test_draws_are_as_many_as_asked_for_and_longer_runs_begin_alike(tiny: Prepared, short: Sampled) -> None:
    long = _short(tiny, num_samples=130)
    assert short.parameters.scales.shape == (4, 70, 1)
    np.testing.assert_array_equal(long.parameters.scales[:, :70], short.parameters.scales)


def test_chains_go_on_where_they_stood(tiny: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, run = [], ensembles.run

    def watched(space: Space, states: list[hmc.State], seed: list[int], **how: object) -> tuple:
        moved, draws = run(space, states, seed, **how)
        runs.append((states, moved, tuple(seed)))
        return moved, draws

    monkeypatch.setattr(ensembles, "run", watched)
    settings = _settings(num_warmup=200, num_samples=70)
    short, twice, more = itertools.islice(_segments(tiny, settings, lambda stage, iterations: None), 3)
    assert [run.parameters.scales.shape for run in (short, twice, more)] == [(4, 70, 1), (4, 140, 1), (4, 280, 1)]
    for shorter, longer in ((short, twice), (twice, more)):
        for own, other in zip(_leaves(shorter), _leaves(longer), strict=True):
            np.testing.assert_array_equal(own, other[:, : own.shape[1]])
    for chain in more.parameters.scales[..., 0]:  # six of ten proposals are accepted; a stretch drawn twice adds none
        assert len(np.unique(chain)) > len(chain) / 2
    for (_, moved, _), (states, _, _) in itertools.pairwise(runs[-3:]):
        assert states is moved
    assert len({seed for *_, seed in runs}) == len(runs), "no two stretches share their randomness"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_all_ensembles_end_when_one_fails_or_ctrl_c_is_pressed(
    error: type[BaseException], tiny: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has hours of work."""
    monkeypatch.setattr(ensembles, "_LARGE", 0)
    first = threading.Lock()  # a second Ctrl-C would end the wait for the chains, which then end by themselves

    def progress(stage: str, iterations: int) -> None:
        if error is not KeyboardInterrupt:
            raise error
        if first.acquire(blocking=False):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(error):
            _short(tiny, progress, num_warmup=10**7)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_draws_of_a_run_exist_once(unadapted: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """Next to them, there is room for one block of the ten, in its two orders."""

    states = ensembles.begin(unadapted, np.zeros((2, unadapted.centre.size)), [0.2])

    def blocks(*given: object, **how: object) -> Iterator[tuple[hmc.State, hmc.Draws]]:
        for number in range(10):
            of_chains = np.full((hmc.BLOCK, 2), float(number))
            yield states[0], hmc.Draws(np.ones((hmc.BLOCK, 2, 5000)), *[of_chains] * (len(hmc.Draws._fields) - 1))

    monkeypatch.setattr(ensembles, "continued", blocks)
    tracemalloc.start()
    try:
        _, draws = ensembles.run(
            unadapted, states, [0], num_steps=10 * hmc.BLOCK, adapt=False, target=0.8, progress=lambda length: None
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert draws.position.shape == (2, 10 * hmc.BLOCK, 5000)
    np.testing.assert_array_equal(draws.lp, np.repeat(np.arange(10.0), hmc.BLOCK)[None].repeat(2, axis=0))
    assert peak < 1.25 * draws.position.nbytes


def test_counts_compile_nothing(tiny: Prepared) -> None:
    compiled: list[str] = []

    def listen(event: str, _: float, **__: object) -> None:
        compiled.extend([event] if "compile" in event else [])

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        _short(tiny)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert not compiled


@pytest.mark.long
def test_ensembles_of_two_chains_and_one_of_all_sample_the_same(
    tiny: Prepared, integral: dict[str, Moments], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensembles, "_LARGE", 0)
    run = _sample(tiny, num_samples=1000)
    assert len({*run.stats["step_size"][:, 0]}) == 2
    _assert_same_means(tiny, run.parameters, integral)


@pytest.mark.long
def test_the_compiled_density_samples_the_same(
    tiny: Prepared, integral: dict[str, Moments], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of texts, with a dense map, on counts."""
    monkeypatch.setattr("simulacra.inference.sampling.sample.CollapsedDensity", CompiledDensity)
    _assert_same_means(tiny, _sample(tiny, num_samples=500).parameters, integral)


# --- preconditioning ------------------------------------------------------------------------------------------------


def test_the_mode_is_one(prepared: Prepared) -> None:
    """No emission or latent direction goes up from it, and the curvature there is the preconditioner's."""
    problem = make_problem(prepared.model, prepared.design, prepared.patterns, prepared.counts)
    chart = natural_chart(problem, [np.full(table.shape, 30.0) for table in problem.prior.concentrations])
    means = tuple(alpha / alpha.sum(axis=1, keepdims=True) for alpha in prepared.model.concentrations)
    latents = np.zeros((len(prepared.design.latents), 2))
    begin = unconstrain(problem, chart, Parameters(means, latents, np.exp(prepared.design.scale_location)))
    density = CollapsedDensity(problem, chart)
    mode = laplace.find_mode(density, begin, np.random.default_rng(1))
    values, gradients = density.value_and_gradient(np.stack([begin, mode.vector]))
    assert values[1] > values[0] + 10
    assert mode.latent_variances.shape == latents.T.shape
    assert (mode.latent_variances > 0).all()
    # The last round moved the scales, so a little is left to climb: less than half a standard deviation.
    gradients[:, layout(problem).parts[2]] = 0.0
    arrow = density.arrow(mode.vector[None])
    assert np.abs(arrow.pull(gradients[1])).max() < 0.5
    # Along the directions of the preconditioner the curvature is about one, because the counts are about expected.
    curvature = []
    for column in arrow.positions(np.eye(mode.vector.size)):
        ahead, behind = density.gradient(mode.vector + 1e-4 * np.outer([1, -1], column))
        curvature.append(-column @ (ahead - behind) / 2e-4)
    assert np.quantile(curvature, 0.05) > 0.5
    assert np.quantile(curvature, 0.95) < 1.5
