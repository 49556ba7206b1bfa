"""Paths: effective counts against known counts, the walk against exact answers, projections, crossings, recovery."""

import numpy as np
import pytest
from scipy import special, stats

from simulacra.formalism.dynamics import (
    LogitPrior,
    effective_counts,
    first_crossing,
    monotone_path,
    monotone_projection,
    random_walk,
)
from simulacra.formalism.rates import logged_rate_given, logged_rate_prior, rate_prior

PRIOR = LogitPrior(-2.0, 3.0)
POSITIONS = np.log1p([0.0, 5.0, 10.0, 20.0, 40.0, 120.0])
_GRID = np.linspace(-25, 15, 4001)


def posterior(events: int, total: int, rng: np.random.Generator, draws: int = 1000) -> np.ndarray:
    """Draws of a logit given a binomial, under the prior, by inversion of its distribution function."""
    log_density = stats.norm.logpdf(_GRID, *PRIOR)
    log_density += events * special.log_expit(_GRID) + (total - events) * special.log_expit(-_GRID)
    cumulated = np.cumsum(np.exp(log_density - log_density.max()))
    return np.interp(rng.uniform(size=draws) * cumulated[-1], cumulated, _GRID)


@pytest.mark.parametrize(("events", "total"), [(0, 400), (3, 400), (40, 400), (400, 400), (5, 20)])
def test_effective_counts_are_the_counts_of_a_binomial(events: int, total: int, rng: np.random.Generator) -> None:
    """The variance of 20 000 draws is known to 1%, and with it the counts."""
    a, b = effective_counts(posterior(events, total, rng, 20_000), PRIOR)
    assert a == pytest.approx(events, rel=0.06, abs=0.05)
    assert b == pytest.approx(total - events, rel=0.06, abs=0.05)


def test_a_walk_with_one_informative_checkpoint_spreads_with_the_distance(rng: np.random.Generator) -> None:
    counts = np.array([[500.0, 500.0], [0.0, 0.0], [0.0, 0.0]])
    walk = random_walk(np.array([0.0, 1.0, 10.0]), counts, PRIOR, num_draws=20_000, rng=rng)
    moved = special.logit(walk.paths[:, walk.checkpoint[1:]]) - special.logit(walk.paths[:, :1])
    for place, distance in enumerate((0.1, 1.0)):
        # without data, the scale has its prior, log-normal; the grid ends at 14 logits, which quartiles do not feel
        scale = np.exp(np.random.default_rng(0).normal(np.log(2.8), 1.0, 200_000)) * np.sqrt(distance)
        expected = np.quantile(np.abs(scale * np.random.default_rng(1).standard_normal(200_000)), 0.5)
        assert np.median(np.abs(moved[:, place])) == pytest.approx(expected, rel=0.06)


def test_equal_checkpoints_of_a_short_distance_share_their_counts(rng: np.random.Generator) -> None:
    """Two checkpoints close to each other and one far away: the posterior of the pair is that of their sum."""
    counts = np.array([[10.0, 90.0], [30.0, 70.0], [20.0, 80.0]])
    walk = random_walk(np.array([0.0, 1e-7, 1.0]), counts, PRIOR, num_draws=4000, rng=rng)
    pair = walk.paths[:, walk.checkpoint[:2]]
    assert pair.mean() == pytest.approx(0.2, abs=0.02)
    assert np.abs(pair[:, 0] - pair[:, 1]).max() < 0.03


def test_checkpoints_without_events_bound_a_rate_and_do_not_pull_it_to_zero(rng: np.random.Generator) -> None:
    """A normal approximation in logits would put three checkpoints with 0 of 400 events well below 1 in 10 000."""
    counts = np.array([effective_counts(posterior(0, 400, rng), PRIOR) for _ in range(3)])
    walk = random_walk(np.array([0.0, 1.0, 2.0]), counts, PRIOR, num_draws=4000, rng=rng)
    high = np.quantile(walk.paths[:, walk.checkpoint], 0.945, axis=0)
    assert (high > 0.0003).all()
    assert (high < 0.01).all()


def test_the_order_of_checkpoints_can_be_turned_around(rng: np.random.Generator) -> None:
    """With a prior of the first logit that says little, forwards and backwards agree."""
    counts = np.array([[2.0, 198.0], [60.0, 140.0], [150.0, 50.0]])
    wide, positions = LogitPrior(0.0, 30.0), np.array([0.0, 1.0, 4.0])
    there = random_walk(positions, counts, wide, num_draws=8000, rng=rng)
    back = random_walk(-positions[::-1], counts[::-1], wide, num_draws=8000, rng=rng)
    for level in (0.055, 0.5, 0.945):
        own, turned = (np.quantile(walk.paths[:, walk.checkpoint], level, axis=0) for walk in (there, back))
        np.testing.assert_allclose(own, turned[::-1], atol=0.02)


def test_the_walk_between_checkpoints_joins_them(rng: np.random.Generator) -> None:
    counts = np.array([[2.0, 198.0], [60.0, 140.0], [150.0, 50.0]])
    walk = random_walk(np.array([0.0, 1.0, 4.0]), counts, PRIOR, num_draws=500, rng=rng)
    np.testing.assert_allclose(walk.positions[walk.checkpoint], [0.0, 1.0, 4.0])
    assert (np.diff(walk.positions) > 0).all()
    spread = np.std(special.logit(walk.paths), axis=0)
    between = np.setdiff1d(np.arange(len(spread)), walk.checkpoint)
    assert spread[between].mean() > spread[walk.checkpoint].mean()


def test_a_jump_that_slow_walks_cannot_make(rng: np.random.Generator) -> None:
    counts = np.array([[5.0, 1e5], [1e5, 5.0], [1e5, 5.0]])
    walk = random_walk(np.array([0.0, 1e-3, 1.0]), counts, PRIOR, num_draws=100, rng=rng)
    np.testing.assert_allclose(walk.paths[:, walk.checkpoint].mean(axis=0), [0.0, 1.0, 1.0], atol=0.001)


def test_projections_are_monotone_and_leave_monotone_draws_alone(rng: np.random.Generator) -> None:
    draws = rng.uniform(size=(50, 5))
    for increasing in (True, False):
        found = monotone_projection(draws, increasing=increasing)
        assert (np.diff(found if increasing else -found, axis=1) >= -1e-12).all()
    ordered = np.sort(draws, axis=1)
    np.testing.assert_allclose(monotone_projection(ordered, increasing=True), ordered)
    mirrored = 1 - monotone_projection(1 - draws, increasing=False)
    np.testing.assert_allclose(monotone_projection(draws, increasing=True), mirrored)


def test_a_monotone_path_stays_between_its_checkpoints(rng: np.random.Generator) -> None:
    path = monotone_path(np.array([0.0, 1.0, 4.0]), rng.uniform(size=(200, 3)), increasing=False, rng=rng)
    assert (np.diff(path.paths, axis=1) <= 1e-12).all()
    half = path.paths[:, path.checkpoint[:-1] + 8]  # half-way through every step
    low, high = path.paths[:, path.checkpoint[1:]], path.paths[:, path.checkpoint[:-1]]
    share = ((high - half) / np.where(high > low, high - low, np.nan))[high > low]
    assert share.mean() == pytest.approx(0.5, abs=0.06)  # 400 shares with a standard deviation of .35
    assert share.std() > 0.25  # of an even change, it would be 0


def test_the_first_crossing_is_interpolated() -> None:
    positions = np.array([0.0, 1.0, 3.0, 7.0])
    assert first_crossing(positions, np.array([0.0, 0.2, 0.6, 0.4]), 0.4) == pytest.approx(2.0)
    assert first_crossing(positions, np.array([0.5, 0.2, 0.6, 0.4]), 0.4) == 0.0
    assert first_crossing(positions, np.array([0.0, 0.2, 0.3, 0.2]), 0.4) == np.inf
    both = first_crossing(positions, np.array([[0.0, 0.2, 0.6, 0.4], [0.0, 1.0, 1.0, 1.0]]), np.array([0.2, 0.5]))
    np.testing.assert_allclose(both, [1.0, 0.5])


def test_the_prior_of_a_logged_rate_is_that_of_the_rate_model() -> None:
    """On one question the logit is a sum of independent terms; more questions have less extreme means."""
    prior, own = rate_prior(1), logged_rate_prior(1)
    variance = (
        prior.level[1] ** 2
        + prior.location**2
        + sum(median**2 * np.exp(2 * sd**2) for median, sd in (prior.question, prior.cell))
    )
    assert own.mean == pytest.approx(prior.level[0], abs=0.15)
    assert own.sd == pytest.approx(np.sqrt(variance), rel=0.1)
    assert 0.4 * own.sd < logged_rate_prior(5).sd < 0.9 * own.sd


def test_the_rate_of_one_more_group_follows_from_those_of_others(rng: np.random.Generator) -> None:
    """Standardised by it, rates of 400 simulated groups have mean 0 and variance 1, within four standard errors."""
    questions, groups, prior = 6, 3, rate_prior(6)
    found = []
    for _ in range(400):
        level, scale = rng.normal(*prior.level), prior.question[0] * np.exp(prior.question[1] * rng.standard_normal())
        location = level + prior.location * rng.standard_normal(groups + 1)
        cell = prior.cell[0] * np.exp(prior.cell[1] * rng.standard_normal(groups + 1))
        noise = rng.standard_normal((groups + 1, questions))
        logits = location[:, None] + scale * rng.standard_normal(questions) + cell[:, None] * noise
        others = (np.broadcast_to(own[:groups], (2000, *own[:groups].shape)) for own in (logits, location, cell))
        given = logged_rate_given(*others, np.full(2000, scale))
        found.append((special.logit(special.expit(logits[groups]).mean()) - given.mean) / given.sd)
    assert np.mean(found) == pytest.approx(0, abs=4 / 20)
    assert np.var(found) == pytest.approx(1, abs=4 * np.std(np.square(found)) / 20)


@pytest.mark.long
def test_paths_crossings_and_steps_are_recovered(rng: np.random.Generator) -> None:
    """Forty curves, half of them sudden, with 60 completions at every checkpoint, under both assumptions.

    Of 40 intervals with a coverage of 89%, fewer than 32 contain the truth in one of 25 repetitions.
    """
    fine = np.linspace(POSITIONS[0], POSITIONS[-1], 400)
    hits: dict[tuple[str, str], list[bool]] = {}
    for number in range(40):
        low, high, middle = rng.uniform(0.005, 0.1), rng.uniform(0.5, 0.95), rng.uniform(1.0, 3.8)
        truth = low + (high - low) * special.expit((fine - middle) / (0.08 if number % 2 else 0.6))
        at = np.interp(POSITIONS, fine, truth)
        logits = np.stack([posterior(events, 60, rng) for events in rng.binomial(60, at)], axis=1)
        counts = np.array([effective_counts(own, PRIOR) for own in logits.T])
        paths = {
            "walk": random_walk(POSITIONS, counts, PRIOR, num_draws=1000, rng=rng),
            "monotone": monotone_path(POSITIONS, special.expit(logits), increasing=True, rng=rng),
        }
        for shape, own in paths.items():
            values = own.paths[:, own.checkpoint]
            shares, true_shares = (
                np.diff(values) / np.ptp(values[:, [0, -1]], axis=1)[:, None],
                np.diff(at) / np.ptp(at),
            )
            steepest = np.bincount(shares.argmax(axis=1)).argmax()
            level = (low + high) / 2
            for name, draws, true in (
                ("path", values[:, number % 6], at[number % 6]),
                ("crossing", first_crossing(own.positions, own.paths, level), first_crossing(fine, truth, level)),
                ("steepest", shares[:, steepest], true_shares[steepest]),
            ):
                lower, upper = np.quantile(draws, [0.055, 0.945], method="inverted_cdf")
                hits.setdefault((shape, name), []).append(bool(lower <= true <= upper))
    found = {key: sum(own) for key, own in hits.items()}
    print(found)
    assert all(32 <= number <= 40 for number in found.values()), found
