r"""Change along an ordered covariate, such as the steps of a training run, the rank of adapters, or a dose.

A path is the probability y of an event, or the weight of a persona against all others, at checkpoints x₁ < … < x_S.
The isometric log-ratio coordinate of such a pair of parts is logit(y)/√2. Two assumptions about paths are available:

* a *random walk*: a Brownian motion of the logit over the covariate,

  .. math::

      \mathrm{logit}\, y_1 &\sim \mathrm{Normal}(m, s^2), \qquad \log ω \sim \mathrm{Normal}(\log 2.8, 1) \\
      \mathrm{logit}\, y_{i+1} &\sim
      \mathrm{Normal}\Bigl(\mathrm{logit}\, y_i,\; ω^2\, \frac{x_{i+1} - x_i}{x_S - x_1}\Bigr),

  so that ω is the standard deviation of the change over the whole range, and neighbours inform each other more the
  closer they are. No shape is assumed;
* a *monotone* path, which never turns back and may reach a ceiling: draws without any assumption about order are
  projected onto the monotone sequences.

Between checkpoints nothing is measured. A random walk is a Brownian bridge there, and a monotone path a gamma bridge,
which divides the change of the step from nearly evenly to a single jump.

The random walk replaces the prior under which the checkpoints were fitted, which treats them as exchangeable. Given the
others, the fit has a prior for every checkpoint, and this prior is divided out: the checkpoint contributes a likelihood
:math:`y^a (1 - y)^b`, a binomial with *effective counts* a and b, chosen so that prior × likelihood is as close as
possible to the draws of the fit (:func:`effective_counts`). Unlike a Gaussian in logits, it has the right shape near
zero, where a checkpoint without events only bounds its rate from above. For the first checkpoint of the walk, m and s
are the mean and the standard deviation of the prior without other checkpoints. The posterior of the walk is then
computed on a grid of logits, without approximation other than the grid (forward filtering, backward sampling), with ω
integrated out on a grid as well.

References:
    Egozcue et al. (2003), Isometric logratio transformations for compositional data analysis,
    doi:10.1023/A:1023818214614; Rue & Held (2005), Gaussian Markov Random Fields, doi:10.1201/9780203492024 (random
    walks with unequal spacing); Kitagawa (1987), Non-Gaussian state-space modeling of nonstationary time series,
    doi:10.1080/01621459.1987.10478534 (filtering on a grid); Dunson & Neelon (2003), Bayesian inference on order
    constrained parameters in generalized linear models, doi:10.1111/1541-0420.00035 (projection of draws).
"""

from typing import NamedTuple

import numpy as np
from scipy import optimize, special

__all__ = [
    "LogitPrior",
    "PathDraws",
    "effective_counts",
    "first_crossing",
    "monotone_path",
    "monotone_projection",
    "random_walk",
]

_WALK = (np.log(2.8), 1.0)
"""Mean and standard deviation of log ω: the change over the range of the covariate, in logits."""
_WALKS = _WALK[0] + _WALK[1] * np.linspace(-2.5, 2.5, 12)
_EDGE, _COARSE, _LOCAL = 14.0, 0.25, 25
"""Range of the grid of logits and its spacing, and the number of additional points in the range of every checkpoint."""
_BETWEEN = 16
"""Parts into which the distance between neighbouring checkpoints is divided."""
_PARTS = np.arange(1, _BETWEEN + 1) / _BETWEEN


class LogitPrior(NamedTuple):
    """A normal distribution of a logit.

    Attributes:
        mean: its mean, in logits.
        sd: its standard deviation.
    """

    mean: float
    sd: float


class PathDraws(NamedTuple):
    """Draws of a path.

    Attributes:
        positions: the checkpoints and the points between neighbours, increasing, shape ``(P,)``.
        checkpoint: which positions are checkpoints, indices of shape ``(S,)``.
        paths: draws of the probability at all positions, shape ``(draw, P)``.
    """

    positions: np.ndarray
    checkpoint: np.ndarray
    paths: np.ndarray


def effective_counts(logits: np.ndarray, prior: LogitPrior) -> tuple[float, float]:
    """Effective numbers a of events and b of others: the information about a probability in draws, without the prior.

    Of all densities proportional to prior(y) · y^a · (1 − y)^b with a, b ≥ 0, the one with the least Kullback-Leibler
    divergence from the draws. If these are from the posterior of a binomial under this prior, a and b are its counts.

    Args:
        logits: draws of logit y, shape ``(draw,)``.
        prior: the prior of logit y under which they were drawn.
    """
    middle, spread = logits.mean(), logits.std()
    low, high = min(logits.min(), middle - 6 * spread), max(logits.max(), middle + 6 * spread)
    grid = np.linspace(low, high, 501)
    statistics = np.stack([special.log_expit(grid), special.log_expit(-grid)])
    observed = np.array([special.log_expit(logits).mean(), special.log_expit(-logits).mean()])
    base = -0.5 * ((grid - prior.mean) / prior.sd) ** 2

    y, information = special.expit(middle), max(spread**-2 - prior.sd**-2, 1e-3)
    start = information / np.array([1 - y, y])  # the counts with this mean and information

    def divergence(ratio: np.ndarray) -> tuple[float, np.ndarray]:
        log_density = base + (ratio * start) @ statistics
        total = special.logsumexp(log_density)
        expected = statistics @ np.exp(log_density - total)
        return float(total - (ratio * start) @ observed), (expected - observed) * start

    found = optimize.minimize(divergence, np.ones(2), jac=True, method="L-BFGS-B", bounds=[(0, None)] * 2)
    a, b = found.x * start
    return float(a), float(b)


def random_walk(
    positions: np.ndarray,
    counts: np.ndarray,
    prior: LogitPrior,
    *,
    num_draws: int,
    rng: np.random.Generator,
) -> PathDraws:
    """Draws from the posterior of a random walk, given effective counts of its checkpoints.

    Between checkpoints, the walk is a Brownian bridge.

    Args:
        positions: increasing values of the covariate, shape ``(S,)``.
        counts: effective events and others, shape ``(S, 2)``.
        prior: the prior of the first logit.
        num_draws: number of draws.
        rng: source of the draws.
    """
    steps = np.diff(positions) / np.ptp(positions)
    grid = _grid(counts)
    width = np.gradient(grid)
    fits = counts @ np.stack([special.log_expit(grid), special.log_expit(-grid)])
    likelihood = np.exp(fits - fits.max(axis=1, keepdims=True))
    first = np.exp(-0.5 * ((grid - prior.mean) / prior.sd) ** 2) * width * likelihood[0]
    scales = np.exp(_WALKS)
    filtered, evidence = zip(
        *(_filter(grid, width, first, likelihood, scale**2 * steps) for scale in scales), strict=True
    )
    log_weight = np.array(evidence) - 0.5 * ((_WALKS - _WALK[0]) / _WALK[1]) ** 2
    chosen = np.sort(rng.choice(len(scales), size=num_draws, p=special.softmax(log_weight)))
    states = np.concatenate(
        [
            _backward(grid, width, filtered[index], scales[index] ** 2 * steps, int((chosen == index).sum()), rng)
            for index in np.unique(chosen)
        ]
    )
    scale = scales[chosen][:, None]
    logits = grid[states] + width[states] * rng.uniform(-0.5, 0.5, states.shape)
    noise = rng.standard_normal((*logits[:, 1:].shape, _BETWEEN)) * (scale * np.sqrt(steps / _BETWEEN))[..., None]
    walk = np.cumsum(noise, axis=-1)
    bridge = walk - _PARTS * walk[..., -1:]
    logits = _joined(logits, _PARTS * np.diff(logits, axis=1)[..., None] + bridge)
    return _path(positions, special.expit(logits[rng.permutation(num_draws)]))


def _path(positions: np.ndarray, paths: np.ndarray) -> PathDraws:
    between = np.interp(np.arange(paths.shape[1]) / _BETWEEN, np.arange(len(positions)), positions)
    return PathDraws(between, np.arange(len(positions)) * _BETWEEN, paths)


def _joined(values: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Paths through the values at checkpoints, ``(draw, S)``; ``moved`` since the last, ``(draw, S - 1, parts)``."""
    inner = values[:, :-1, None] + moved
    return np.concatenate([values[:, :1], inner.reshape(len(values), -1)], axis=1)


def _grid(counts: np.ndarray) -> np.ndarray:
    """Logits: a coarse range, and the quantiles of what every checkpoint says alone."""
    levels = special.ndtr(np.linspace(-4, 4, _LOCAL))
    alone = special.betaincinv(counts[:, :1] + 0.05, counts[:, 1:] + 0.05, levels)
    near = special.logit(np.clip(alone, special.expit(-_EDGE), special.expit(_EDGE)))
    return np.unique(np.concatenate([np.arange(-_EDGE, _EDGE + _COARSE, _COARSE), near.ravel()]).round(4))


def _transition(grid: np.ndarray, width: np.ndarray, variance: float) -> np.ndarray:
    """Probability of every logit of the grid after one step, given the logit before it (rows)."""
    moved = np.exp(-0.5 / variance * np.subtract.outer(grid, grid) ** 2) * width
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))


def _filter(
    grid: np.ndarray, width: np.ndarray, first: np.ndarray, likelihood: np.ndarray, variances: np.ndarray
) -> tuple[np.ndarray, float]:
    """Probabilities of the grid at every checkpoint given those up to it, shape ``(S, G)``, and the log evidence."""
    filtered = [first / first.sum()]
    evidence = float(np.log(first.sum()))
    for own, variance in zip(likelihood[1:], variances, strict=True):
        joint = filtered[-1] @ _transition(grid, width, variance) * own
        total = max(joint.sum(), np.finfo(float).tiny)  # of a walk that is too slow for a jump
        filtered.append(joint / total)
        evidence += float(np.log(total))
    return np.stack(filtered), evidence


def _backward(
    grid: np.ndarray,
    width: np.ndarray,
    filtered: np.ndarray,
    variances: np.ndarray,
    number: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws of the states at all checkpoints, from the last to the first, shape ``(number, S)``."""
    states = [rng.choice(len(grid), size=number, p=filtered[-1])]
    for own, variance in zip(filtered[-2::-1], variances[::-1], strict=True):
        weights = own * _transition(grid, width, variance).T[states[-1]]
        total = np.cumsum(weights, axis=1)
        states.append((total < rng.uniform(size=(number, 1)) * total[:, -1:]).sum(axis=1))
    return np.stack(states[::-1], axis=1)


def monotone_path(positions: np.ndarray, draws: np.ndarray, *, increasing: bool, rng: np.random.Generator) -> PathDraws:
    """Draws of a monotone path: every draw projected, and divided at random between checkpoints.

    Between checkpoints, the path is a gamma bridge: the change of a step is divided over it in proportions that follow
    a Dirichlet process with concentration one, from nearly even to a single jump.

    Args:
        positions: increasing values of the covariate, shape ``(S,)``.
        draws: draws of probabilities at the checkpoints, shape ``(draw, S)``, without an assumption about order.
        increasing: the direction.
        rng: source of the divisions.
    """
    values = monotone_projection(draws, increasing=increasing)
    change = np.diff(values, axis=1)
    parts = np.cumsum(rng.dirichlet(np.full(_BETWEEN, 1 / _BETWEEN), size=change.shape), axis=-1)
    return _path(positions, _joined(values, parts * change[..., None]))


def monotone_projection(draws: np.ndarray, *, increasing: bool) -> np.ndarray:
    """The monotone paths that are closest to draws of a path, by least squares with effective sizes as weights.

    Args:
        draws: draws of probabilities at ordered checkpoints, shape ``(draw, S)``.
        increasing: the direction.

    Returns:
        The same shape. Neighbours that contradict the direction share their weighted mean.
    """
    mean = draws.mean(axis=0)
    weights = mean * (1 - mean) / np.maximum(draws.var(axis=0), np.finfo(float).tiny)

    def project(path: np.ndarray) -> np.ndarray:
        return np.asarray(optimize.isotonic_regression(path, weights=weights, increasing=increasing).x)

    return np.apply_along_axis(project, 1, draws)


def first_crossing(positions: np.ndarray, paths: np.ndarray, level: float | np.ndarray) -> np.ndarray:
    """The first position at which a path reaches a level from below, by linear interpolation.

    Args:
        positions: increasing values of the covariate, shape ``(P,)``.
        paths: shape ``(..., P)``.
        level: one level, or one for every path, shape ``(...)``.

    Returns:
        Shape ``(...)``: the first position where the path starts at the level or above it, and infinity where it never
        reaches it.
    """
    above = paths >= np.asarray(level)[..., None]
    reached = above.argmax(axis=-1)
    before = np.maximum(reached - 1, 0)
    low, high = (np.take_along_axis(paths, index[..., None], axis=-1)[..., 0] for index in (before, reached))
    rise = np.where(high > low, high - low, 1.0)
    part = np.where(reached > 0, (level - low) / rise, 0.0)
    return np.where(above.any(axis=-1), positions[before] + part * (positions[reached] - positions[before]), np.inf)
