"""Ranks of true values among posterior draws, compared with simultaneous bands of the uniform ECDF.

References:
    Säilynoja, Bürkner & Vehtari (2022), Graphical test for discrete uniformity and its applications in goodness-of-fit
    evaluation and multiple sample comparison, doi:10.1007/s11222-022-10090-6.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

__all__ = ["LEVELS", "Calibration", "calibrate", "ecdf_p_values"]

LEVELS = (0.5, 0.89, 0.95)
_SIMULATIONS = 100_000


class Calibration(NamedTuple):
    """How the true values of Q quantities in N data sets compare with their posteriors.

    Attributes:
        uniform: ranks as numbers in (0, 1), uniform if the posteriors are right, shape ``(N, Q)``.
        p_value: of every quantity, shape ``(Q,)``: the ECDF of its ranks leaves the simultaneous bands of level 1 - α
            if this is less than α.
        covered: whether the central interval of every level contains the true value, shapes ``(N, Q)``.
    """

    uniform: np.ndarray
    p_value: np.ndarray
    covered: dict[float, np.ndarray]


def calibrate(truth: np.ndarray, draws: np.ndarray, *, spoil: float = 0.0, seed: int = 0) -> Calibration:
    """Rank true values, shape ``(N, Q)``, among independent posterior draws, shape ``(N, L, Q)``.

    A true value between two draws gets a uniform number between their positions, which makes the bands and the levels
    of intervals exact. ``spoil`` first shifts the draws by a multiple of their standard deviation.
    """
    shifted = draws + spoil * draws.std(axis=1, keepdims=True)
    rank = (shifted < truth[:, None]).sum(axis=1)
    uniform = (rank + np.random.default_rng(seed).random(rank.shape)) / (draws.shape[1] + 1)
    covered = {level: abs(uniform - 0.5) < level / 2 for level in LEVELS}
    return Calibration(uniform, ecdf_p_values(uniform, seed=seed), covered)


def ecdf_p_values(uniform: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """p-values of uniformity, shape ``(Q,)``, of N numbers each, shape ``(N, Q)``: section 2.2 of the reference.

    The ECDF is evaluated at i / N, where the number of values below is binomial. The smallest tail probability of the
    N - 1 numbers is compared with that of simulated uniform samples.
    """
    number = len(uniform)
    edges = np.arange(1, number) / number
    below = (uniform[:, :, None] <= edges).sum(axis=0)
    expected = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), _SIMULATIONS)
    possible = np.arange(number + 1)[:, None]
    tail = np.minimum(stats.binom.cdf(possible, number, edges), stats.binom.sf(possible - 1, number, edges))
    own, simulated = (
        tail[counts, np.arange(number - 1)].min(axis=1) for counts in (below, expected.cumsum(axis=1)[:, :-1])
    )
    return (1 + np.searchsorted(np.sort(simulated), own, side="right")) / (1 + _SIMULATIONS)
