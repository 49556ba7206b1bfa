"""Initialisation: EM runs from jittered archetypes, which find the modes and identify the personas.

Labels cannot be corrected after a run that merged two personas, so initial values matter more than priors. Every run
starts near the archetypes (the first exactly at them), with one weight vector per condition, and continues until it
has converged: on a ridge EM gains little per step for hundreds of steps, and a run that stopped there would look like
another mode. Runs that converge to different weights with similar log evidence are reported by the check "competing
modes".

References:
    Dempster, Laird & Rubin (1977), doi:10.1111/j.2517-6161.1977.tb01600.x.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from simulacra.formalism.mixture import component_probabilities

__all__ = ["Start", "cell_weights", "continued", "em_starts", "weights_given"]

_ARCHETYPE_PRECISION = 20.0  # pseudo-counts of the Dirichlet that jitters archetypes between runs
_WEIGHT_PSEUDOCOUNT = 0.5
_SMALLEST = 1e-4
_WIDEST = 2**20
"""Products of runs, groups and patterns that are computed at once: bounds memory."""
_STRIDE = 25
"""Steps between two evaluations of the log evidence."""
_LEAST_GAIN = 1e-3
"""Gain in log evidence over a stride, in nats, below which a run has converged."""


class Start(NamedTuple):
    """The end of one EM run.

    Attributes:
        log_evidence: penalised log likelihood, in nats.
        weights: persona weights of every group, shape ``(G, K)``.
        probabilities: category probabilities of every emission, shapes ``(K, J)``.
    """

    log_evidence: float
    weights: np.ndarray
    probabilities: tuple[np.ndarray, ...]


def em_starts(
    counts: np.ndarray,
    patterns: np.ndarray,
    concentrations: Sequence[np.ndarray],
    *,
    num_starts: int,
    rng: np.random.Generator,
    ratios: np.ndarray | None = None,
    num_steps: int = 5000,
) -> list[Start]:
    """Run EM from jittered archetypes; the runs are returned in order of decreasing log evidence.

    Args:
        counts: completions by group (usually condition) and pattern, shape ``(G, P)``.
        patterns: category codes, shape ``(P, E)``.
        concentrations: Dirichlet prior of every emission, shapes ``(K, J)``.
        num_starts: number of runs; the first starts at the archetypes without jitter.
        rng: random generator of the jitter.
        ratios: an additional factor of f_z of every pattern, shape ``(K, P)``.
        num_steps: largest number of EM steps per run.
    """
    means = [table / table.sum(axis=1, keepdims=True) for table in concentrations]
    if not means:  # there is nothing to jitter
        num_starts = 1
    jittered = [[_jitter(mean, rng) for mean in means] for _ in range(num_starts - 1)]
    begin = [np.stack(tables) for tables in zip(means, *jittered, strict=True)]
    width = _WIDEST // counts.size + 1
    starts = []
    for first in range(0, num_starts, width):
        chosen = slice(first, min(first + width, num_starts))
        tables = [table[chosen] for table in begin]
        starts += _em(counts, patterns, concentrations, tables, ratios, chosen.stop - first, num_steps)
    return sorted(starts, key=lambda start: -start.log_evidence)


def continued(
    counts: np.ndarray,
    patterns: np.ndarray,
    concentrations: Sequence[np.ndarray],
    probabilities: Sequence[np.ndarray],
) -> Start:
    """The EM run that begins at given emissions, shapes ``(K, J)``; other arguments as for :func:`em_starts`."""
    return _em(counts, patterns, concentrations, [table[None] for table in probabilities], None, 1, 5000)[0]


def _jitter(mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    drawn = np.stack([rng.dirichlet(_ARCHETYPE_PRECISION * row + 0.05) for row in mean]) + _SMALLEST
    return drawn / drawn.sum(axis=1, keepdims=True)


def _em(
    counts: np.ndarray,
    patterns: np.ndarray,
    concentrations: Sequence[np.ndarray],
    probabilities: list[np.ndarray],
    ratios: np.ndarray | None,
    num_runs: int,
    num_steps: int,
) -> list[Start]:
    """EM runs side by side, from emissions with a leading axis of runs; those that have converged leave the others."""
    size = component_probabilities(probabilities, patterns, ratios).shape[-2]
    weights = np.full((num_runs, len(counts), size), 1 / size)
    one_hot = [np.eye(table.shape[1])[patterns[:, column]] for column, table in enumerate(concentrations)]
    reached, done = np.full(num_runs, -np.inf), []
    for step in range(num_steps + 1):
        components = component_probabilities(probabilities, patterns, ratios)
        components = np.broadcast_to(components, (len(weights), *components.shape[-2:]))
        mixed = weights @ components
        if step % _STRIDE == 0 or step == num_steps:
            before, reached = reached, _log_evidence(counts, mixed, concentrations, weights, probabilities)
            ended = (reached - before < _LEAST_GAIN) | (step == num_steps)
            done += [
                Start(float(reached[run]), weights[run], tuple(table[run] for table in probabilities))
                for run in np.flatnonzero(ended)
            ]
            going = ~ended
            if not going.any():
                break
            weights, components, mixed, reached = (own[going] for own in (weights, components, mixed, reached))
            probabilities = [table[going] for table in probabilities]
        shares = counts / mixed
        expected = components * (weights.mT @ shares)
        weights = weights * (shares @ components.mT) + _WEIGHT_PSEUDOCOUNT
        weights /= weights.sum(axis=-1, keepdims=True)
        tables = [alpha + expected @ hot for alpha, hot in zip(concentrations, one_hot, strict=True)]
        probabilities = [table / table.sum(axis=-1, keepdims=True) for table in tables]
    return done


def _log_evidence(
    counts: np.ndarray,
    mixed: np.ndarray,
    concentrations: Sequence[np.ndarray],
    weights: np.ndarray,
    probabilities: Sequence[np.ndarray],
) -> np.ndarray:
    """The penalised log likelihood that EM increases, in nats, of every run."""
    likelihood = (counts * np.log(mixed)).sum(axis=(-2, -1))
    prior = [
        (alpha * np.log(table)).sum(axis=(-2, -1)) for alpha, table in zip(concentrations, probabilities, strict=True)
    ]
    return likelihood + sum(prior) + _WEIGHT_PSEUDOCOUNT * np.log(weights).sum(axis=(-2, -1))


def cell_weights(
    start: Start,
    counts: np.ndarray,
    patterns: np.ndarray,
    group: np.ndarray,
    *,
    ratios: np.ndarray | None = None,
    num_steps: int = 20,
) -> np.ndarray:
    """Weights of every cell, shrunken to those of its group by eight pseudo-completions, ``(C, K)``; sum to one."""
    components = component_probabilities(start.probabilities, patterns, ratios)
    prior = start.weights[group]
    return weights_given(counts, components, prior, pseudocounts=8 * prior, num_steps=num_steps)


def weights_given(
    counts: np.ndarray,
    components: np.ndarray,
    weights: np.ndarray,
    *,
    pseudocounts: np.ndarray | float = _WEIGHT_PSEUDOCOUNT,
    num_steps: int = 500,
) -> np.ndarray:
    """Weights of every group at the end of EM with known emissions, shape ``(G, K)``; they sum to one.

    Args:
        counts: completions by group and pattern, shape ``(G, P)``.
        components: f_z of every pattern, shape ``(K, P)``.
        weights: where EM begins, shape ``(G, K)``.
        pseudocounts: completions of every persona that the prior is worth, shape ``(G, K)`` or the same for all.
        num_steps: number of EM steps.
    """
    for _ in range(num_steps):
        weights = weights * ((counts / (weights @ components)) @ components.T) + pseudocounts
        weights = weights / weights.sum(axis=1, keepdims=True)
    return weights
