"""The sampler of the rate model, against its posterior by brute force: weighted draws from the prior."""

import itertools

import numpy as np
import pytest
from arviz_stats.sampling_diagnostics import ess
from scipy import special, stats

from simulacra.formalism.rates import RatePrior, new_question_rate, rate_prior
from simulacra.inference.sampling.rates import RateDraws, sample_rates
from simulacra.inference.sampling.slices import slice_sample

_PRIOR = RatePrior(level=(-1.0, 1.0), location=0.8, question=(0.8, 0.4), cell=(0.7, 0.5))
_DRAWS = 300_000

PROBLEMS = {
    "ordinary": (np.array([[1, 4], [3, 6]]), np.array([[8, 8], [8, 8]])),
    "no event in one group": (np.array([[0, 0], [2, 5]]), np.array([[9, 9], [9, 9]])),
    "a cell that was not logged": (np.array([[2, 0], [1, 7]]), np.array([[8, 0], [8, 10]])),
}


def moments(draws: RateDraws, weights: np.ndarray) -> np.ndarray:
    """Posterior means of rates, their squares and products, and of all scales, from weighted draws (one axis)."""
    rates = special.expit(draws.logits)
    flat = rates.reshape(len(rates), -1)
    parts = [
        flat, flat**2, flat[:, :1] * flat, draws.location, draws.location**2, draws.question, draws.question**2,
        np.log(draws.cell_scale), np.log(draws.cell_scale) ** 2, draws.location * np.log(draws.cell_scale),
        np.log(draws.question_scale)[:, None], np.log(draws.question_scale)[:, None] ** 2,
    ]  # fmt: skip
    return weights @ np.concatenate(parts, axis=1)


@pytest.fixture(scope="module")
def prior() -> RateDraws:
    """Draws from the prior of two groups and two questions."""
    rng, groups, questions = np.random.default_rng(20240607), 2, 2
    location = rng.normal(rng.normal(*_PRIOR.level, (_DRAWS, 1)), _PRIOR.location, (_DRAWS, groups))
    cell = np.exp(rng.normal(np.log(_PRIOR.cell[0]), _PRIOR.cell[1], (_DRAWS, groups)))
    scale = np.exp(rng.normal(np.log(_PRIOR.question[0]), _PRIOR.question[1], _DRAWS))
    question = scale[:, None] * rng.standard_normal((_DRAWS, questions))
    logits = (
        location[:, :, None] + question[:, None] + cell[:, :, None] * rng.standard_normal((_DRAWS, groups, questions))
    )
    return RateDraws(logits, location, question, cell, scale)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_posterior_is_that_of_brute_force(name: str, prior: RateDraws) -> None:
    """The standard error of a difference is largest for the squared location of the group without events: .08.

    Its standard deviation is 4.9, with effective sample sizes of 5,500 here and 8,600 by brute force. So .25 is three
    standard errors there, and five or more elsewhere; rates and their products, with standard deviations below .2, are
    compared to .02.
    """
    events, totals = PROBLEMS[name]
    log_weights = stats.binom.logpmf(events, totals, special.expit(prior.logits)).sum(axis=(1, 2))
    weights = special.softmax(log_weights)
    assert 1 / (weights**2).sum() > 1500
    drawn = next(sample_rates(events, totals, _PRIOR, num_samples=1000, seed=3))
    flat = RateDraws(*(values.reshape(-1, *values.shape[2:]) for values in drawn))
    ours, theirs = moments(flat, np.full(len(flat.logits), 1 / len(flat.logits))), moments(prior, weights)
    np.testing.assert_allclose(ours, theirs, atol=0.25)
    cells = 3 * events.size
    np.testing.assert_allclose(ours[:cells], theirs[:cells], atol=0.02)


def test_many_groups_do_not_raise_the_rate_for_new_questions() -> None:
    """24 groups, in truth 2.5%: with locations that share no level, the mean of the estimates is 12%, and here 4%."""
    rng = np.random.default_rng(2)
    prior, logits = rate_prior(8), rng.normal(-4.5, 0.8, (8, 24, 8)) + rng.normal(0, 1.1, (8, 1, 8))
    events = rng.binomial(50, special.expit(logits))
    drawn = next(sample_rates(events, np.full(events.shape, 50), prior, num_samples=100, seed=0))
    assert new_question_rate(drawn.location, drawn.question_scale[..., None], drawn.cell_scale).mean() < 0.06


def test_the_scale_of_questions_mixes_if_conditions_have_the_same_profile() -> None:
    """Deviations are then small and pin the effects of questions while logits are fixed.

    With every effect moved along with its cells, the ESS is 540 to 680 for seeds 0 to 4; without, 58 to 380.
    """
    rng = np.random.default_rng(5)
    rates = special.expit(-3 + 1.5 * rng.standard_normal(24) + np.zeros((4, 1)))
    events, totals = np.vstack([np.zeros((1, 24), int), rng.binomial(50, rates)]), np.full((5, 24), 50)
    drawn = next(sample_rates(events, totals, rate_prior(24), num_samples=250, seed=0))
    assert ess(np.log(drawn.question_scale), method="bulk") > 400


def test_more_draws_continue_the_chains_and_the_seed_determines_them() -> None:
    events, totals = PROBLEMS["ordinary"]
    first, second = itertools.islice(sample_rates(events, totals, rate_prior(2), num_samples=60, seed=1), 2)
    assert first.logits.shape == (8, 60, 2, 2)
    assert second.location.shape == (8, 120, 2)
    np.testing.assert_array_equal(first.question_scale, second.question_scale[:, :60])
    again = next(sample_rates(events, totals, rate_prior(2), num_samples=60, seed=1))
    np.testing.assert_array_equal(first.cell_scale, again.cell_scale)
    assert not (
        next(sample_rates(events, totals, rate_prior(2), num_samples=60, seed=2)).cell_scale == again.cell_scale
    ).any()


def test_many_numbers_are_slice_sampled_each_from_its_own_density(rng: np.random.Generator) -> None:
    """Normals of several widths and a gamma, from 4,000 chains of 60 updates: a test that fails once in 10^4 runs."""
    scale = np.array([0.1, 1.0, 30.0])

    def log_density(x: np.ndarray, kind: np.ndarray, location: np.ndarray) -> np.ndarray:
        normal = -0.5 * ((x - location[:, 0]) / scale[np.minimum(kind, 2)]) ** 2
        gamma = np.where(x > 0, 1.5 * np.log(np.maximum(x, 1e-300)) - x, -np.inf)
        return np.where(kind < 3, normal, gamma)

    value = np.tile([2.0, 2.0, 2.0, 1.0], (4000, 1))
    width = np.tile([0.6, 0.5, 500.0, 8.0], (4000, 1))  # about right, too small, too large
    fixed = [np.tile(np.arange(4), (4000, 1)), np.full((4000, 4, 1), 2.0)]
    for _ in range(60):
        value = slice_sample(log_density, value, width, rng, fixed)
    targets = [stats.norm(2, own).cdf for own in scale] + [stats.gamma(2.5).cdf]
    for column, cdf in zip(value.T, targets, strict=True):
        assert stats.kstest(column, cdf).pvalue > 1e-4
