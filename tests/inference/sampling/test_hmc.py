"""The driver leaves a distribution as it is: chains that start from exact draws are exact draws after any iterations.

Each chain starts from its own draw, so that after the iterations all chains together are an independent sample. The
targets are hard on purpose: correlated, curved, and with a long tail on one side.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from simulacra.inference.sampling import hmc
from simulacra.inference.sampling.arrow import dense_arrow
from simulacra.inference.sampling.space import Given, Space
from simulacra.inference.sampling.trajectory import trajectory

_CHAINS = 4000
_LEAST = 1e-4
"""Level of every Kolmogorov-Smirnov test; there are 24 of them, so that chance alone fails one in 400 suites."""
_ROOT = np.array([[1.0, 0.0, 0.0], [0.9, 0.3, 0.0], [-0.5, 0.2, 2.0]])


class _Target(NamedTuple):
    """A density with exact draws, and functions of draws that are uniform on [0, 1] under it."""

    log_density: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    draw: Callable[[np.random.Generator, int], np.ndarray]
    uniform: Callable[[np.ndarray], np.ndarray]


def _gaussian() -> _Target:
    inverse = np.linalg.inv(_ROOT)
    precision = inverse.T @ inverse
    return _Target(
        lambda x: -0.5 * np.einsum("ni,ij,nj->n", x, precision, x),
        lambda x: -x @ precision,
        lambda rng, size: rng.standard_normal((size, 3)) @ _ROOT.T,
        lambda x: stats.norm.cdf(x @ inverse.T),
    )


def _draw_funnel(rng: np.random.Generator, size: int) -> np.ndarray:
    first, second = rng.standard_normal((2, size))
    return np.stack([first, second * np.exp(first / 2)], axis=1)


def _funnel() -> _Target:
    """x_1 ~ N(0, 1), x_2 ~ N(0, exp(x_1))."""
    return _Target(
        lambda x: -0.5 * (x[:, 0] ** 2 + x[:, 1] ** 2 * np.exp(-x[:, 0]) + x[:, 0]),
        lambda x: np.stack(
            [-x[:, 0] + 0.5 * x[:, 1] ** 2 * np.exp(-x[:, 0]) - 0.5, -x[:, 1] * np.exp(-x[:, 0])], axis=1
        ),
        _draw_funnel,
        lambda x: stats.norm.cdf(np.stack([x[:, 0], x[:, 1] * np.exp(-x[:, 0] / 2)], axis=1)),
    )


def _log_gamma() -> _Target:
    return _Target(
        lambda x: (0.7 * x - np.exp(x)).sum(axis=1),
        lambda x: 0.7 - np.exp(x),
        lambda rng, size: np.log(rng.gamma(0.7, size=(size, 1))),
        lambda x: stats.gamma(0.7).cdf(np.exp(x)),
    )


TARGETS = {"correlated Gaussian": _gaussian(), "funnel": _funnel(), "log gamma": _log_gamma()}


class _Density:
    problem = chart = given = None

    def __init__(self, target: _Target) -> None:
        self.target = target

    def value_and_gradient(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.target.log_density(points), self.target.slope(points)

    def gradient(self, points: np.ndarray) -> np.ndarray:
        return self.target.slope(points)

    def arrow(self, points: np.ndarray) -> None:
        raise NotImplementedError


def _after(target: _Target, iterations: int, step: float) -> tuple[np.ndarray, hmc.Draws]:
    rng = np.random.default_rng(8)
    exact = target.draw(rng, _CHAINS)
    space = Space(_Density(target), np.full(exact.shape[1], 0.3), dense_arrow(1.3 * np.eye(exact.shape[1]), 1))
    state = hmc.begin(space, space.whiten(exact), step)
    *_, (_, draws) = hmc.run(space, state, rng, num_steps=iterations, adapt=False, target=0.8)
    return exact, draws


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("step", [0.2, 0.7])
def test_exact_draws_stay_exact(name: str, step: float) -> None:
    target = TARGETS[name]
    exact, draws = _after(target, hmc.BLOCK, step)
    assert not np.allclose(draws.position[-1], exact)
    assert draws.acceptance_rate.mean() < 0.999  # some proposals are rejected
    for start, end in zip(target.uniform(exact).T, target.uniform(draws.position[-1]).T, strict=True):
        assert stats.kstest(start, "uniform").pvalue > _LEAST
        assert stats.kstest(end, "uniform").pvalue > _LEAST


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("given", [None, Given(slice(0, 1), np.random.default_rng(5).standard_normal((50, 1)))])
def test_a_trajectory_run_backwards_returns_and_preserves_volume(name: str, given: Given | None) -> None:
    """With the acceptance probability, these are what detailed balance needs."""
    target, rng, step, num_steps = TARGETS[name], np.random.default_rng(2), 0.3, 4
    size = target.draw(rng, 1).shape[1]
    density = _Density(target)
    density.given = given
    arrow = dense_arrow(1.3 * np.eye(size), 1)
    double = arrow._replace(border=arrow.border.astype(float), linear=arrow.linear.astype(float))  # for differences
    space = Space(density, np.full(size, 0.3), double)
    start, momentum = 0.5 * rng.standard_normal((1, size)), space.momentum(rng, (1, size))

    def moved(state: np.ndarray) -> np.ndarray:
        points, momenta = state[:, :size], state[:, size:]
        end = trajectory(space, points, momenta, space.value_and_gradient(points)[1], step, num_steps)
        np.testing.assert_allclose(end[2], space.value_and_gradient(end[0])[0])
        return np.hstack(end[:2])

    mirror = np.concatenate([np.ones(size), -np.ones(size)])
    state = np.hstack([start, momentum])
    there = moved(state)
    assert np.abs(there - state).max() > (0.1 if size > 1 or given is None else -1)
    np.testing.assert_allclose(moved(there * mirror) * mirror, state, atol=1e-12)
    free = np.flatnonzero(np.arange(2 * size) % size > (-1 if given is None else 0))
    if free.size:
        shifts = 1e-5 * np.eye(2 * size)[free]
        jacobian = (moved(state + shifts) - moved(state - shifts))[:, free] / 2e-5
        assert abs(np.linalg.det(jacobian)) == pytest.approx(1.0, abs=1e-7)


def test_accepting_the_wrong_proposals_would_be_noticed() -> None:
    target = TARGETS["log gamma"]
    tilted = target._replace(log_density=lambda x: 0.0 * x[:, 0])  # acceptance by momentum alone
    _, draws = _after(tilted, hmc.BLOCK, 0.7)
    assert stats.kstest(target.uniform(draws.position[-1])[:, 0], "uniform").pvalue < _LEAST


def test_draws_are_positions_with_their_density() -> None:
    target = TARGETS["correlated Gaussian"]
    _, draws = _after(target, hmc.BLOCK, 0.2)
    np.testing.assert_allclose(draws.lp[7], target.log_density(draws.position[7]), rtol=1e-10)
    assert (draws.energy > -draws.lp - 50).all()
    assert not draws.diverging.any()


def test_a_step_that_is_far_too_long_is_rejected_as_divergent() -> None:
    _, draws = _after(TARGETS["log gamma"], hmc.BLOCK, 60.0)
    assert draws.diverging.mean() > 0.5
    assert np.isfinite(draws.position).all()


@pytest.mark.parametrize("goal", [0.6, 0.9])
def test_the_step_size_reaches_the_target_acceptance_rate(goal: float) -> None:
    """In whitened coordinates; 30 of them, because with few the rate hardly falls before the step is unstable."""
    target = _Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x, lambda r, n: r.standard_normal((n, 30)), abs)
    rng = np.random.default_rng(3)
    space = Space(_Density(target), np.zeros(30), dense_arrow(np.eye(30), 1))
    state = hmc.begin(space, target.draw(rng, 4), 3.0)
    *_, (state, _) = hmc.run(space, state, rng, num_steps=400, adapt=True, target=goal)
    rates = [draws.acceptance_rate for _, draws in hmc.run(space, state, rng, num_steps=400, adapt=False, target=goal)]
    assert abs(np.mean(rates) - goal) < 0.07
