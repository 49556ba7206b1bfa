"""Trajectories are the same in NumPy and as a program of JAX; which of them a fit uses."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from simulacra.formalism import InputError
from simulacra.inference.sampling import arrow, collapsed, device, trajectory
from simulacra.inference.sampling.collapsed import CollapsedDensity
from simulacra.inference.sampling.problem import Chart, make_problem
from simulacra.inference.sampling.space import Space
from simulacra.inference.sampling.trajectory import mover
from tests.formalism.models import MODELS, ModelCase

_STEP = 0.2


def _space(case: ModelCase, rng: np.random.Generator) -> Space:
    """A random chart; all in double precision, so that both are compared as exactly as they are."""
    problem = make_problem(case.model, case.design, case.patterns, case.counts)
    latents, coordinates = problem.prior.multiplicity.shape[0], problem.num_personas - 1
    tails = rng.normal(-1, 1, (problem.num_personas, sum(problem.categories)))
    chart = Chart(tails, rng.uniform(size=(coordinates, latents)), rng.lognormal(size=latents))
    density, centre = CollapsedDensity(problem, chart), 0.1 * rng.standard_normal(sum(problem.sizes))
    density._counts_single = density._counts
    own = density.arrow(centre[None])
    return Space(density, centre, own._replace(linear=own.linear.astype(float), border=own.border.astype(float)))


@pytest.mark.parametrize("name", [name for name, case in MODELS.items() if case.texts is None])
def test_both_move_alike_and_back(name: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "_DENSE", 0)  # sparse in NumPy
    monkeypatch.setattr(collapsed, "_IN_CACHE", 0)  # and point by point
    space = _space(MODELS[name], rng)
    compiled = mover(space._replace(device=jax.devices()[0]))
    start, momentum = 0.5 * rng.standard_normal((2, 3, len(space.centre)))
    gradient = space.value_and_gradient(start)[1]
    for steps in (1, 4):
        programs = trajectory._compiled._cache_size()
        here, there = (move(start, momentum, gradient, _STEP, steps) for move in (mover(space), compiled))
        assert (trajectory._compiled._cache_size() > programs) == (steps == 1)  # one program for all numbers of steps
        assert np.abs(here[0] - start).max() > _STEP
        for own, other in zip(here, there, strict=True):
            assert type(other) is np.ndarray
            np.testing.assert_allclose(other, own, rtol=1e-8, atol=1e-8)
    back = compiled(there[0], -there[1], there[3], _STEP, 4)
    np.testing.assert_allclose(back[0], start, atol=1e-9)
    np.testing.assert_allclose(back[1], -momentum, atol=1e-9)


def test_large_problems_of_scores_and_labels_use_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    case = MODELS["score and label, cells"]
    small = make_problem(case.model, case.design, case.patterns, case.counts)
    large = small._replace(counts=np.tile(small.counts, 10_000))
    texts = large._replace(texts=MODELS["texts"].texts)
    assert [device.chosen_device(large, wanted) for wanted in ("auto", "cpu")] == [None, None]
    gpu, full = (SimpleNamespace(memory_stats=lambda limit=limit: {"bytes_limit": limit}) for limit in (8e10, 1e6))
    monkeypatch.setattr(device, "_gpus", lambda: [gpu, full])
    assert device.chosen_device(large, "auto") is device.chosen_device(small, "gpu") is gpu
    for problem, wanted in ((small, "auto"), (large, "cpu"), (texts, "auto")):
        assert device.chosen_device(problem, wanted) is None
    monkeypatch.setattr(device, "_gpus", lambda: [full])
    assert device.chosen_device(large, "auto") is None
    assert device.chosen_device(large, "gpu") is full
    with pytest.raises(InputError, match="has texts with log-likelihoods; expected device='gpu' for scores"):
        device.expect_gpu(texts=True)


def test_the_name_of_a_device() -> None:
    assert device.described(None) == "cpu"
    assert device.described(SimpleNamespace(device_kind="NVIDIA H100")) == "NVIDIA H100"
