"""Posterior draws of the rate model (:mod:`simulacra.formalism.rates`) by Gibbs sampling, without compilation.

Every iteration updates all chains at once, in blocks:

1. the logit of every cell given its centre and scale, by slice sampling;
2. the level, locations and questions given the logits, one Gaussian of 1 + G + Q numbers;
3. the scale of every group and of the questions given the deviations (centred);
4. location and scale of every group with the standardised deviations fixed, so that its cells move along
   (non-centred), in random directions of the plane, whose covariance is learnt during warm-up;
5. likewise, in turn, the effect of every question with its deviations fixed, and the scale of the questions with their
   standardised effects fixed.

Blocks 3 and 4 complement each other: the first mixes if the data determine the cells, the second if they do not, as in
a condition without a single event. Block 5 is needed likewise: if the conditions have nearly the same profile over the
questions, their deviations are small, and an effect hardly moves while the logits are fixed.

References:
    Papaspiliopoulos, Roberts & Sköld (2007), doi:10.1214/088342307000000014 (centred and non-centred updates);
    Yu & Meng (2011), To center or not to center, doi:10.1198/jcgs.2011.203main (interweaving the two).
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from simulacra.formalism.rates import RatePrior
from simulacra.inference.sampling.slices import slice_sample

__all__ = ["CHAINS", "RateDraws", "sample_rates"]

CHAINS = 8
"""Number of chains."""
_WARMUP = 150
_LEARN = (0.16, 0.32, 0.56, 0.999)
"""Parts of the warm-up after which the covariances of location and scale are estimated from the second half of it."""
_DIRECTIONS = 2
_WIDE = 6.0  # standard deviations


class RateDraws(NamedTuple):
    """Draws, all with leading axes ``(chain, draw)``.

    Attributes:
        logits: η, shape ``(..., G, Q)``, in single precision, because they are most of the draws.
        location: μ, shape ``(..., G)``, in logits.
        question: u, shape ``(..., Q)``, in logits.
        cell_scale: τ, shape ``(..., G)``, in logits.
        question_scale: σ, shape ``(...)``, in logits.
    """

    logits: np.ndarray
    location: np.ndarray
    question: np.ndarray
    cell_scale: np.ndarray
    question_scale: np.ndarray


class _State(NamedTuple):
    logits: np.ndarray
    location: np.ndarray
    question: np.ndarray
    log_cell: np.ndarray
    log_question: np.ndarray
    level: np.ndarray


def sample_rates(
    events: np.ndarray,
    totals: np.ndarray,
    prior: RatePrior,
    *,
    num_samples: int,
    seed: int,
    num_warmup: int = _WARMUP,
) -> Iterator[RateDraws]:
    """Yield draws of 8 chains: ``num_samples`` per chain, then, each time, as many more of the same chains.

    Args:
        events: completions with the event, shape ``(G, Q)``; or those of many logs, one for each chain, shape
            ``(chain, G, Q)``.
        totals: completions, same shape; zero for a cell that was not logged.
        prior: the prior.
        num_samples: draws per chain.
        seed: random seed.
        num_warmup: iterations before them.
    """
    rng = np.random.default_rng(seed)
    chains = _Chains(np.asarray(events, dtype=float), np.asarray(totals, dtype=float), prior, num_warmup, rng)
    for _ in range(num_warmup):
        chains.iterate()
    kept: list[_State] = []
    while True:
        for _ in range(num_samples):
            chains.iterate()
            kept.append(chains.state._replace(logits=chains.state.logits.astype(np.float32)))
        stacked = _State(*(np.stack(parts, axis=1) for parts in zip(*kept, strict=True)))
        yield RateDraws(*stacked[:3], np.exp(stacked.log_cell), np.exp(stacked.log_question))


class _Chains:
    """The current state of all chains, arrays with the chain as their first axis.

    Log densities are those of :func:`~simulacra.inference.sampling.slices.slice_sample`: of the elements that it asks
    for, given what the block fixes for these elements.
    """

    def __init__(
        self, events: np.ndarray, totals: np.ndarray, prior: RatePrior, warmup: int, rng: np.random.Generator
    ) -> None:
        groups, questions = events.shape[-2:]
        chains = len(events) if events.ndim == 3 else CHAINS
        shape = (chains, groups, questions)
        self.events, self.totals = np.broadcast_to(events, shape), np.broadcast_to(totals, shape)
        self.prior, self.warmup, self.rng = prior, warmup, rng
        self.learn = {int(part * warmup) for part in _LEARN}
        share = (events + 0.3) / (totals + 0.6)
        self.information = totals * share * (1 - share)  # Fisher information of a logit
        logits = np.log(share / (1 - share)) + 0.3 * rng.standard_normal(shape)
        self.state = _State(
            logits,
            logits.mean(axis=2),
            np.zeros((chains, questions)),
            np.log(prior.cell[0]) + 0.3 * rng.standard_normal((chains, groups)),
            np.log(prior.question[0]) + 0.3 * rng.standard_normal(chains),
            logits.mean(axis=(1, 2)),
        )
        self.root = np.broadcast_to(np.diag([1.0, 0.5]), (groups, 2, 2))  # of the covariance of location and log scale
        self.history: list[np.ndarray] = []
        self.turns = itertools.cycle((self._questions, self._question_scale))

    def iterate(self) -> None:
        """One iteration of all blocks."""
        last = next(self.turns)
        for block in (self._cells, self._centres, self._scales, self._groups, last):
            self.state = block(self.state)
        if len(self.history) < self.warmup:
            self._learn()

    def _cells(self, now: _State) -> _State:
        centre = now.location[:, :, None] + now.question[:, None, :]
        precision = np.broadcast_to(np.exp(-2 * now.log_cell)[:, :, None], centre.shape)
        width = _WIDE / np.sqrt(precision + self.information)
        fixed = (centre, precision, self.events, self.totals)
        return now._replace(logits=slice_sample(_of_cells, now.logits, width, self.rng, fixed))

    def _centres(self, now: _State) -> _State:
        """Level, locations and questions given the logits, from their joint Gaussian.

        With the questions integrated out, the precision of the locations is a diagonal matrix minus one of rank one,
        whose inverse is known (Sherman & Morrison), so that the cost is proportional to G + Q. The level is drawn
        first, with the locations integrated out as well.
        """
        questions = now.question.shape[1]
        precision = np.exp(-2 * now.log_cell)
        (mean, spread_of_level), spread = self.prior.level, self.prior.location
        own = questions * precision + spread**-2  # the diagonal
        of_question = precision.sum(axis=1) + np.exp(-2 * now.log_question)
        weighted = precision[:, :, None] * now.logits
        sums = weighted.sum(axis=1)
        linear = weighted.sum(axis=2) - precision * (sums.sum(axis=1) / of_question)[:, None]
        slope = precision / own
        shared = questions / (np.exp(-2 * now.log_question) + (slope * spread**-2).sum(axis=1))
        per_level = spread**-2 * (1 / own + slope * (shared * slope.sum(axis=1))[:, None])  # of the mean of a location
        of_level = spread_of_level**-2 + spread**-2 * (1 - per_level).sum(axis=1)
        level = (mean * spread_of_level**-2 + (per_level * linear).sum(axis=1)) / of_level
        level = level + self.rng.standard_normal(len(level)) / np.sqrt(of_level)
        linear = linear + spread**-2 * level[:, None]
        common = shared * (slope * linear).sum(axis=1) + np.sqrt(shared) * self.rng.standard_normal(len(shared))
        location = (linear / own) + self.rng.standard_normal(own.shape) / np.sqrt(own) + slope * common[:, None]
        centre = (sums - (precision * location).sum(axis=1)[:, None]) / of_question[:, None]
        noise = self.rng.standard_normal(centre.shape) / np.sqrt(of_question)[:, None]
        return now._replace(location=location, question=centre + noise, level=level)

    def _scales(self, now: _State) -> _State:
        """The scales given the deviations."""
        deviations = now.logits - now.location[:, :, None] - now.question[:, None, :]
        squares = np.column_stack([(deviations**2).sum(axis=2), (now.question**2).sum(axis=1)])
        before = np.column_stack([now.log_cell, now.log_question])
        priors = np.array([self.prior.cell] * now.log_cell.shape[1] + [self.prior.question])
        median, sd = (np.broadcast_to(own, before.shape) for own in priors.T)
        density = functools.partial(_of_scale, now.question.shape[1])
        drawn = slice_sample(density, before, _WIDE * sd, self.rng, (squares, median, sd))
        return now._replace(log_cell=drawn[:, :-1], log_question=drawn[:, -1])

    def _groups(self, now: _State) -> _State:
        """Location and scale of every group, with its standardised deviations fixed."""
        location, log_cell = now.location, now.log_cell
        standard = (now.logits - location[:, :, None] - now.question[:, None, :]) * np.exp(-log_cell)[:, :, None]
        nothing, question = np.zeros(location.shape), np.broadcast_to(now.question[:, None, :], standard.shape)
        level = np.broadcast_to(now.level[:, None], location.shape)
        for _ in range(_DIRECTIONS):
            angle = self.rng.uniform(0, 2 * np.pi, location.shape)
            ways = (self.root @ np.stack([np.cos(angle), np.sin(angle)], axis=-1)[..., None])[..., 0]
            line = _Line(location, ways[..., 0], log_cell, ways[..., 1])
            fixed = (*line, level, question, standard, self.events, self.totals)
            location, log_cell = line.at(slice_sample(self._of_groups, nothing, nothing + _WIDE, self.rng, fixed))
        logits = location[:, :, None] + now.question[:, None, :] + standard * np.exp(log_cell)[:, :, None]
        return now._replace(logits=logits, location=location, log_cell=log_cell)

    def _of_groups(self, step: np.ndarray, *fixed: np.ndarray) -> np.ndarray:
        *line, level, question, standard, events, totals = fixed
        location, log_cell = _Line(*line).at(step)
        logits = location[..., None] + question + standard * np.exp(log_cell)[..., None]
        prior = -0.5 * ((location - level) / self.prior.location) ** 2
        return _log_likelihood(events, totals, logits).sum(axis=-1) + prior + _log_prior(log_cell, self.prior.cell)

    def _questions(self, now: _State) -> _State:
        """The effect of every question, with the deviations of its cells fixed."""
        precision = np.broadcast_to(np.exp(-2 * now.log_question)[:, None], now.question.shape)
        width = _WIDE / np.sqrt(precision + self.information.sum(axis=-2))
        of_question = [np.swapaxes(own, 1, 2) for own in (now.logits, self.events, self.totals)]
        fixed = (now.question, precision, *of_question)
        step = slice_sample(_of_question, np.zeros(width.shape), width, self.rng, fixed)
        return now._replace(logits=now.logits + step[:, None, :], question=now.question + step)

    def _question_scale(self, now: _State) -> _State:
        """The scale of the questions, with their standardised effects fixed."""
        width = np.full(now.log_question.shape, _WIDE * self.prior.question[1])
        fixed = (now.log_question, now.question, now.logits, self.events, self.totals)
        drawn = slice_sample(self._of_question_scale, now.log_question, width, self.rng, fixed)
        question = now.question * np.exp(drawn - now.log_question)[:, None]
        logits = now.logits + (question - now.question)[:, None, :]
        return now._replace(logits=logits, question=question, log_question=drawn)

    def _of_question_scale(self, log_question: np.ndarray, *fixed: np.ndarray) -> np.ndarray:
        before, question, logits, events, totals = fixed
        moved = question * np.expm1(log_question - before)[..., None]
        likelihood = _log_likelihood(events, totals, logits + moved[..., None, :]).sum(axis=(-2, -1))
        return likelihood + _log_prior(log_question, self.prior.question)

    def _learn(self) -> None:
        """Learn the covariance of location and log scale of every group from the second half of the warm-up so far."""
        self.history.append(np.stack([self.state.location, self.state.log_cell], axis=-1))
        if len(self.history) - 1 in self.learn:
            seen = np.concatenate(self.history[len(self.history) // 2 :])
            seen = seen - seen.mean(axis=0)
            covariance = np.einsum("igx,igy->gxy", seen, seen) / len(seen)
            self.root = np.linalg.cholesky(covariance + 1e-6 * np.eye(2))


class _Line(NamedTuple):
    """A line in the plane of location and log scale: a point, and a direction of each."""

    location: np.ndarray
    along_location: np.ndarray
    log_scale: np.ndarray
    along_log_scale: np.ndarray

    def at(self, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.location + step * self.along_location, self.log_scale + step * self.along_log_scale


def _log_likelihood(events: np.ndarray, totals: np.ndarray, logits: np.ndarray) -> np.ndarray:
    # log(1 + exp(logit)), in a quarter of the time of numpy.logaddexp
    softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
    return np.asarray(events * logits - totals * softplus)


def _of_cells(logits: np.ndarray, *fixed: np.ndarray) -> np.ndarray:
    centre, precision, events, totals = fixed
    return _log_likelihood(events, totals, logits) - 0.5 * precision * (logits - centre) ** 2


def _of_question(step: np.ndarray, *fixed: np.ndarray) -> np.ndarray:
    question, precision, logits, events, totals = fixed
    likelihood = _log_likelihood(events, totals, logits + step[..., None]).sum(axis=-1)
    return np.asarray(likelihood - 0.5 * precision * (question + step) ** 2)


def _of_scale(count: int, log_scale: np.ndarray, *fixed: np.ndarray) -> np.ndarray:
    """Log density of a log scale, given the sum of squares of ``count`` deviations, and median and spread a priori."""
    squares, *prior = fixed
    return np.asarray(-count * log_scale - 0.5 * squares * np.exp(-2 * log_scale) + _log_prior(log_scale, prior))


def _log_prior(log_scale: np.ndarray, prior: Sequence[np.ndarray | float]) -> np.ndarray:
    return np.asarray(-0.5 * ((log_scale - np.log(prior[0])) / prior[1]) ** 2)
