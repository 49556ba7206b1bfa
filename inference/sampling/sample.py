"""Sampling from the posterior: initialise, precondition, warm up in stages, and sample.

Four steps lead from prepared data to draws:

1. EM runs from jittered archetypes find the modes (:mod:`~simulacra.inference.sampling.initialise`). Chains rarely move
   between modes, so all chains of one call start near the same one.
2. A Laplace approximation at this mode gives the coordinates, in which latents are partially non-centred, and a first
   preconditioner (:mod:`~simulacra.inference.sampling.laplace`).
3. The warm-up has four stages, in all of which the step size is adapted. Before every stage but the first, the
   preconditioner is updated: the space is centred at the mean of the draws of the last two stages, and the curvature at
   the mode is replaced by its average over some of these draws, because curvature varies over the posterior.
4. Sampling runs HMC in ensembles of chains (:mod:`~simulacra.inference.sampling.ensembles`), or NumPyro's NUTS in the
   same space (:mod:`~simulacra.inference.sampling.nuts`).

References:
    Neal (2011), MCMC using Hamiltonian dynamics, arXiv:1206.1901, section 5.4.1 (preconditioning by a linear map);
    Papaspiliopoulos, Roberts & Sköld (2007), doi:10.1214/088342307000000014 (partial non-centring).
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from simulacra.formalism.mixture import component_probabilities
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.simplex import ilr_basis
from simulacra.inference.prepare import Prepared
from simulacra.inference.sampling import ensembles, hmc, laplace, nuts
from simulacra.inference.sampling.initialise import Start, cell_weights, em_starts
from simulacra.inference.sampling.problem import (
    Chart,
    Problem,
    Space,
    constrain,
    make_problem,
    make_space,
    natural_chart,
    unconstrain,
)
from simulacra.inference.texts import Calibration, calibrate

__all__ = ["Sampled", "Settings", "Target", "find_modes", "num_iterations", "sample_posterior"]

_STAGES = (0.125, 0.25, 0.5, 0.125)  # of the warm-up; the preconditioner is updated before all but the first
_POINTS = 8  # number of draws over which curvature is averaged
_FIRST_STEP = 0.2
_SEARCH_SEED = 0
_DISPERSION = 0.5  # of the initial positions of chains, in Laplace standard deviations


class Settings(NamedTuple):
    """Settings of the sampler; names as in NumPyro."""

    seed: int
    num_warmup: int
    num_samples: int
    num_chains: int
    engine: Literal["hmc", "nuts"]
    chain_method: Literal["parallel", "sequential", "vectorized"]
    target_accept_prob: float
    num_starts: int


class Target(NamedTuple):
    """The posterior density of a fit, the calibration of its texts, and the EM runs that searched for its modes.

    ``starts`` are in order of decreasing log evidence.
    """

    problem: Problem
    calibration: Calibration | None
    starts: list[Start]


class Sampled(NamedTuple):
    """Draws with leading axes (chain, draw), and sample statistics named as in ArviZ."""

    parameters: Parameters
    stats: dict[str, np.ndarray]


def num_iterations(settings: Settings) -> int:
    """Number of iterations of :func:`sample_posterior` for progress bars: warm-up and sampling, in whole blocks."""
    lengths = [*_stage_lengths(settings.num_warmup), settings.num_samples]
    return sum(-(-length // hmc.BLOCK) * hmc.BLOCK for length in lengths)


def find_modes(prepared: Prepared, num_starts: int) -> Target:
    """Search for the modes of the posterior; the search does not depend on the seed of the chains."""
    patterns, counts = prepared.points
    problem = make_problem(prepared.model, prepared.design, prepared.patterns, prepared.counts, prepared.texts)
    calibration = None if prepared.texts is None else calibrate(prepared.texts, problem.prior)
    if calibration is not None:
        problem = problem._replace(common_weights=jnp.asarray(calibration.common))
    starts = em_starts(
        prepared.in_condition @ counts,
        patterns,
        prepared.model.concentrations,
        num_starts=num_starts,
        rng=np.random.default_rng(_SEARCH_SEED),
        ratios=None if calibration is None else calibration.ratios,
    )
    return Target(problem, calibration, starts)


def sample_posterior(
    prepared: Prepared, target: Target, start: Start, settings: Settings, progress: Callable[[str, int], None]
) -> Iterator[Sampled]:
    """Yield posterior draws around the mode of ``start``: ``num_samples`` per chain, then, each time, twice the length.

    Each time the same chains are continued; NUTS yields once. ``progress(stage, iterations)`` is called after every
    block of iterations.
    """
    rng = np.random.default_rng(settings.seed)
    key = jax.random.key(settings.seed)
    problem = target.problem
    chart, mode = _chart_at_mode(prepared, problem, start, target.calibration)
    space, states = _warm_up(problem, chart, mode, settings, key, rng, progress)
    sampling_key = jax.random.fold_in(key, len(_STAGES))
    if settings.engine == "nuts":
        positions, stats = nuts.run(
            space,
            jnp.concatenate([state.position for state in states]),
            sampling_key,
            num_samples=settings.num_samples,
            target=settings.target_accept_prob,
            chain_method=settings.chain_method,
        )
        progress("sampling", settings.num_samples)
        yield Sampled(_parameters(problem, chart, positions), stats)
        return
    drawn: list[tuple[Parameters, dict[str, np.ndarray]]] = []
    for positions, stats in _sample_hmc(space, states, sampling_key, settings, progress):
        drawn.append((_parameters(problem, chart, positions), stats))
        parameters, stats = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *drawn)
        yield Sampled(parameters, stats)


def _chart_at_mode(
    prepared: Prepared, problem: Problem, start: Start, calibration: Calibration | None
) -> tuple[Chart, np.ndarray]:
    """Partially non-centred coordinates, chosen by a Laplace approximation, and its mode in these coordinates."""
    patterns, counts = prepared.points
    ratios = None if calibration is None else calibration.ratios
    weights = cell_weights(start, counts, patterns, prepared.condition, ratios=ratios)
    components = component_probabilities(start.probabilities, patterns, ratios)
    by_pattern = components * (weights.T @ (counts / (weights @ components)))
    expected = [
        by_pattern @ np.eye(table.shape[1])[patterns[:, column]] for column, table in enumerate(start.probabilities)
    ]
    chart = natural_chart(problem, expected)
    coordinates = np.log(weights) @ ilr_basis(weights.shape[1]).T
    latents = np.linalg.lstsq(prepared.design.basis, coordinates, rcond=None)[0]
    calibrated = () if calibration is None else (calibration.temperature, calibration.offset)
    begin = Parameters(start.probabilities, latents, np.exp(prepared.design.scale_location), *calibrated)
    mode = laplace.find_mode(problem, chart, unconstrain(problem, chart, begin))
    parameters = jax.tree.map(lambda draws: draws[0, 0], _parameters(problem, chart, mode.vector[None, None]))
    reference = prepared.design.variances(parameters.scales)
    shrinkage = np.clip(mode.latent_variances / reference[:, None], 0, 1)
    chart = chart._replace(noncentring=jnp.asarray(shrinkage), reference=jnp.asarray(reference))
    return chart, unconstrain(problem, chart, parameters)


def _warm_up(
    problem: Problem,
    chart: Chart,
    mode: np.ndarray,
    settings: Settings,
    key: jax.Array,
    rng: np.random.Generator,
    progress: Callable[[str, int], None],
) -> tuple[Space, list[hmc.State]]:
    points = mode[None]
    space = make_space(problem, chart, mode, laplace.average_factor(problem, chart, points))
    whitened = _DISPERSION * rng.standard_normal((settings.num_chains, mode.size))
    states = ensembles.begin(space, whitened, [_FIRST_STEP])
    kept: list[np.ndarray] = []
    for stage, length in enumerate(_stage_lengths(settings.num_warmup)):
        if kept:
            flat = np.concatenate(kept[-2:]).reshape(-1, mode.size)  # long directions are visible in many draws only
            points = flat[rng.permutation(len(flat))[:_POINTS]]
            factor = laplace.stretch(laplace.average_factor(problem, chart, points), flat)
            space = make_space(problem, chart, flat.mean(axis=0), factor)
            steps = [float(jnp.exp(state.log_step_average)) for state in states]
            states = ensembles.begin(space, space.whiten(kept[-1][-1]), steps)
        states, draws = ensembles.run(
            space,
            states,
            jax.random.fold_in(key, stage),
            num_steps=length,
            adapt=True,
            target=settings.target_accept_prob,
            progress=functools.partial(progress, "warming up"),
        )
        kept.append(draws.position)
    return space, states


def _stage_lengths(num_warmup: int) -> list[int]:
    return [math.ceil(share * num_warmup / hmc.BLOCK) * hmc.BLOCK for share in _STAGES]


def _sample_hmc(
    space: Space, states: list[hmc.State], key: jax.Array, settings: Settings, progress: Callable[[str, int], None]
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yield consecutive segments of the chains: ``num_samples`` draws, then each time as many as drawn so far."""
    for again in itertools.count():
        length = settings.num_samples << max(again - 1, 0)
        states, draws = ensembles.run(
            space,
            states,
            jax.random.fold_in(key, again) if again else key,
            num_steps=length,
            adapt=False,
            target=settings.target_accept_prob,
            progress=functools.partial(progress, "continuing sampling" if again else "sampling"),
        )
        stats = {name: value[:length].swapaxes(0, 1) for name, value in draws._asdict().items()}
        yield stats.pop("position"), stats


@jax.jit
def _constrain_draws(problem: Problem, chart: Chart, positions: jax.Array) -> Parameters:
    return jax.vmap(jax.vmap(lambda vector: constrain(problem, chart, vector)))(positions)


def _parameters(problem: Problem, chart: Chart, positions: np.ndarray) -> Parameters:
    return jax.tree.map(np.asarray, _constrain_draws(problem, chart, jnp.asarray(positions)))
