"""Sampling from the posterior: initialise, precondition, warm up in stages, and sample.

Five steps lead from prepared data to draws:

1. EM runs from jittered archetypes find the modes (:mod:`~simulacra.inference.sampling.initialise`). Chains rarely move
   between modes, so all chains of one call start near the same one.
2. A Laplace approximation at this mode gives the coordinates, in which latents are partially non-centred, and a first
   preconditioner (:mod:`~simulacra.inference.sampling.laplace`, :mod:`~simulacra.inference.sampling.arrow`).
3. If the calibration of texts is cut from the rows, it is drawn first, given the references alone
   (:mod:`~simulacra.inference.calibration`), and anew in every iteration of the chains, which move the other parameters
   only. See :func:`sample_posterior` for what this approximates.
4. The warm-up has four stages, in all of which the step size is adapted. Before every stage but the first, the
   preconditioner is updated: the space is centred at the mean of the draws of the last two stages, and the information
   at the mode is replaced by its average over some of these draws, because it varies over the posterior.
5. Sampling runs HMC in ensembles of chains (:mod:`~simulacra.inference.sampling.ensembles`), or NumPyro's NUTS in the
   same space (:mod:`~simulacra.inference.sampling.nuts`). Where transitions of HMC diverge, its steps were too long:
   these draws are discarded, the step size is adapted to a higher acceptance rate, and sampling is repeated once.

The densities of counts (:mod:`~simulacra.inference.sampling.collapsed`) and of texts with a cut calibration
(:mod:`~simulacra.inference.sampling.conditional`) are computed in NumPy; trajectories of the former on a GPU, if JAX
sees one and the problem is large (:mod:`~simulacra.inference.sampling.device`). For the latter, JAX computes the
density ratios, once for every draw of the calibration. The joint density of texts and calibration is compiled by JAX
(:mod:`~simulacra.inference.sampling.compiled`).

References:
    Neal (2011), MCMC using Hamiltonian dynamics, arXiv:1206.1901, section 5.4.1 (preconditioning by a linear map);
    Papaspiliopoulos, Roberts & Sköld (2007), doi:10.1214/088342307000000014 (partial non-centring); Plummer (2015),
    doi:10.1007/s11222-014-9503-z (cuts); Jacob et al. (2017), arXiv:1708.08719 (modular inference).
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import jax
import numpy as np

from simulacra.formalism.mixture import component_probabilities
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.simplex import ilr_basis
from simulacra.formalism.weights import WeightDesign
from simulacra.inference.calibration import Calibration, calibrate, sample_calibration
from simulacra.inference.precision import coarse_latents, latent_steps
from simulacra.inference.prepare import Prepared
from simulacra.inference.sampling import ensembles, hmc, laplace, nuts
from simulacra.inference.sampling.arrow import follow, stretch
from simulacra.inference.sampling.collapsed import CollapsedDensity
from simulacra.inference.sampling.compiled import CompiledDensity
from simulacra.inference.sampling.conditional import ConditionalDensity
from simulacra.inference.sampling.cost import Cost, expected_cost
from simulacra.inference.sampling.device import Devices, chosen_device
from simulacra.inference.sampling.initialise import Start, cell_weights, em_starts
from simulacra.inference.sampling.journal import Journal
from simulacra.inference.sampling.problem import (
    Chart,
    Problem,
    constrain,
    layout,
    make_problem,
    natural_chart,
    unconstrain,
)
from simulacra.inference.sampling.space import Density, Given, Space

__all__ = ["Sampled", "Settings", "Target", "find_modes", "num_iterations", "sample_posterior"]

_STAGES = (0.125, 0.25, 0.5, 0.125)  # of the warm-up; the preconditioner is updated before all but the first
_POINTS = 8  # number of draws over which curvature is averaged
_FIRST_STEP = 0.2
_SEARCH_SEED = 0
_CALIBRATION = 1_000  # of the seed of the calibration, after the stages of the chains
_DISPERSION = 0.5  # of the initial positions of chains, in Laplace standard deviations
_CAREFUL = 0.98  # target acceptance rate after divergent transitions
_READAPTATION = 100  # iterations


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
    device: Devices = "auto"


class Target(NamedTuple):
    """The posterior density of a fit, the calibration of its texts, and the EM runs that searched for its modes.

    ``starts`` are in order of decreasing log evidence. ``given`` are the coordinates of the calibration if it is cut
    from the rows, with ``pareto_k`` of their draws.
    """

    problem: Problem
    calibration: Calibration | None
    starts: list[Start]
    given: Given | None
    pareto_k: float


class Sampled(NamedTuple):
    """Draws with leading axes (chain, draw), and sample statistics named as in ArviZ.

    ``diverged`` is the number of divergent transitions for which earlier draws were discarded.
    """

    parameters: Parameters
    stats: dict[str, np.ndarray]
    diverged: int = 0


def num_iterations(settings: Settings) -> int:
    """Number of iterations of :func:`sample_posterior` for progress bars: warm-up and sampling, in whole blocks."""
    lengths = [*_stage_lengths(settings.num_warmup), settings.num_samples]
    return sum(-(-length // hmc.BLOCK) * hmc.BLOCK for length in lengths)


def find_modes(prepared: Prepared, num_starts: int, seed: int = 0) -> Target:
    """Search for the modes of the posterior.

    The search does not depend on the seed, from which the calibration is drawn if it is cut from the rows.
    """
    patterns, counts = prepared.points
    problem = make_problem(prepared.model, prepared.design, prepared.patterns, prepared.counts, prepared.texts)
    calibration, given, pareto_k = None, None, 0.0
    if prepared.texts is not None:
        calibration = calibrate(prepared.texts, problem.prior)
        problem = problem._replace(common_weights=calibration.common)
        if prepared.is_cut:
            rng = np.random.default_rng([seed, _CALIBRATION])
            draws, pareto_k = sample_calibration(prepared.texts, problem.prior, calibration, rng)
            given = Given(layout(problem).parts[1], draws)
    starts = em_starts(
        prepared.in_condition @ counts,
        patterns,
        prepared.model.concentrations,
        num_starts=num_starts,
        rng=np.random.default_rng(_SEARCH_SEED),
        ratios=None if calibration is None else calibration.ratios,
    )
    return Target(problem, calibration, starts, given, pareto_k)


def sample_posterior(
    prepared: Prepared,
    target: Target,
    start: Start,
    settings: Settings,
    progress: Callable[[str, int], None],
    journal: Journal | None = None,
    announce: Callable[[Cost], None] = lambda cost: None,
) -> Iterator[Sampled]:
    """Yield posterior draws around the mode of ``start``: ``num_samples`` per chain, then, each time, twice the length.

    Each time the same chains are continued; NUTS yields once. ``announce`` is called with the expected cost before the
    chains run, and ``progress(stage, iterations)`` after every block of iterations. What a journal has of the chains is
    not computed again.

    If the calibration of texts is cut from the rows, draws have the distribution of multiple imputation, with one draw
    of the calibration for every draw of the rest, as far as the trajectories between two of them forget the first
    (:mod:`~simulacra.inference.sampling.hmc`).
    """
    rng = np.random.default_rng(settings.seed)
    density, mode = _density_at_mode(prepared, target, start, rng)
    device = chosen_device(density.problem, settings.device)
    space = Space(density, mode, density.arrow(mode[None]), device)
    whitened = _DISPERSION * rng.standard_normal((settings.num_chains, mode.size))
    states = ensembles.begin(space, whitened, [_FIRST_STEP])
    iterations, draws = num_iterations(settings), settings.num_chains * settings.num_samples
    announce(expected_cost(space, states, num_iterations=iterations, num_draws=draws))
    space, states, warm = _warm_up(space, states, settings, rng, progress, journal)
    # draws may fill the memory: every second one is enough, and none is needed afterwards
    latents = [constrain(density.problem, density.chart, part[:, ::2]).latents for part in warm]
    steps = latent_steps(np.concatenate(latents, axis=1), prepared.design)
    del warm, latents
    keep = functools.partial(_parameters, density, prepared.design, steps)
    if settings.engine == "nuts":
        positions, stats = nuts.run(
            space,
            np.concatenate([state.whitened for state in states]),
            settings.seed,
            num_samples=settings.num_samples,
            target=settings.target_accept_prob,
            chain_method=settings.chain_method,
        )
        progress("sampling", settings.num_samples)
        yield Sampled(keep(positions), stats)
        return
    yield from _sample_hmc(space, states, settings, keep, progress, journal)


def _density_at_mode(
    prepared: Prepared, target: Target, start: Start, rng: np.random.Generator
) -> tuple[Density, np.ndarray]:
    """The density in partially non-centred coordinates, chosen by a Laplace approximation, and its mode in these."""
    (patterns, counts), (problem, calibration, _, given, _) = prepared.points, target
    ratios = None if calibration is None else calibration.ratios
    weights = cell_weights(start, counts, patterns, prepared.condition, ratios=ratios)
    components = component_probabilities(start.probabilities, patterns, ratios)
    by_pattern = components * (weights.T @ (counts / (weights @ components)))
    expected = [
        by_pattern @ np.eye(table.shape[1])[patterns[:, column]] for column, table in enumerate(start.probabilities)
    ]

    def make(problem: Problem, chart: Chart) -> Density:
        if given is not None:
            return ConditionalDensity(problem, chart, given)
        return CollapsedDensity(problem, chart) if calibration is None else CompiledDensity(problem, chart)

    chart = natural_chart(problem, expected)
    scales = np.exp(prepared.design.scale_location)
    latents = prepared.design.project(np.log(weights) @ ilr_basis(weights.shape[1]).T, scales)
    known = ("temperature", "offset", "purity")
    calibrated = () if calibration is None else (getattr(calibration, name) for name in known)
    begin = Parameters(start.probabilities, latents, scales, *calibrated)
    mode = laplace.find_mode(make(problem, chart), unconstrain(problem, chart, begin), rng)
    parameters = constrain(problem, chart, mode.vector)
    reference = prepared.design.variances(parameters.scales)
    shrinkage = np.clip(mode.latent_variances / reference, 0, 1)
    chart = chart._replace(noncentring=shrinkage, reference=reference)
    return make(problem, chart), unconstrain(problem, chart, parameters)


def _warm_up(
    space: Space,
    states: list[hmc.State],
    settings: Settings,
    rng: np.random.Generator,
    progress: Callable[[str, int], None],
    journal: Journal | None,
) -> tuple[Space, list[hmc.State], list[np.ndarray]]:
    """The adapted space, the states of the chains, and positions of the last two stages, ``(chain, draw, D)``."""
    kept: list[np.ndarray] = []
    for stage, length in enumerate(_stage_lengths(settings.num_warmup)):
        if kept:
            space = _adapted(space, kept, rng)
            states = ensembles.begin(space, space.whiten(kept[-1][:, -1]), [state.step for state in states])
        states, draws = ensembles.run(
            space,
            states,
            [settings.seed, stage],
            num_steps=length,
            adapt=True,
            target=settings.target_accept_prob,
            progress=functools.partial(progress, "warming up"),
            journal=journal,
        )
        kept = [*kept[-1:], draws.position]
    return space, states, kept


def _adapted(space: Space, kept: list[np.ndarray], rng: np.random.Generator) -> Space:
    """The space of the preconditioner that follows from two stages: long directions are visible in many draws only."""
    density, flat = space.density, np.concatenate(kept, axis=1).reshape(-1, space.centre.size)
    points = flat[rng.permutation(len(flat))[:_POINTS]]
    given = slice(0) if density.given is None else density.given.where
    arrow = density.arrow(points) if density.given is None else follow(density.arrow(points), flat, given)
    return space._replace(centre=flat.mean(axis=0), arrow=stretch(arrow, flat, given))


def _stage_lengths(num_warmup: int) -> list[int]:
    return [math.ceil(share * num_warmup / hmc.BLOCK) * hmc.BLOCK for share in _STAGES]


def _sample_hmc(
    space: Space,
    states: list[hmc.State],
    settings: Settings,
    keep: Callable[[np.ndarray], Parameters],
    progress: Callable[[str, int], None],
    journal: Journal | None,
) -> Iterator[Sampled]:
    """Yield ``num_samples`` draws of all chains, then, each time, twice as many of the same chains."""
    seeds = ([settings.seed, phase] for phase in itertools.count(len(_STAGES)))
    run = functools.partial(ensembles.run, space, journal=journal)

    def sample(states: list[hmc.State], length: int, stage: str) -> tuple[list[hmc.State], Sampled]:
        states, draws = run(
            states,
            next(seeds),
            num_steps=length,
            adapt=False,
            target=settings.target_accept_prob,
            progress=functools.partial(progress, stage),
            transform=keep,
        )
        stats = jax.tree.map(lambda values: values[:, :length], draws._asdict())
        return states, Sampled(stats.pop("position"), stats)

    wanted, diverged, stage = settings.num_samples, 0, "sampling"
    states, so_far = sample(states, wanted, stage)
    while True:
        if not diverged and so_far.stats["diverging"].any():
            diverged = int(so_far.stats["diverging"].sum())
            states = ensembles.begin(
                space, np.concatenate([state.whitened for state in states]), [state.step for state in states]
            )
            states, _ = run(
                states,
                next(seeds),
                num_steps=_READAPTATION,
                adapt=True,
                target=max(settings.target_accept_prob, _CAREFUL),
                progress=functools.partial(progress, "shortening steps"),
            )
            states, so_far = sample(states, wanted, stage)
        yield so_far._replace(diverged=diverged)
        wanted, stage = 2 * wanted, "continuing sampling"
        states, more = sample(states, wanted // 2, stage)
        so_far = _joined(so_far, more)
        del more  # draws may fill the memory


def _joined(earlier: Sampled, later: Sampled) -> Sampled:
    return Sampled(*jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), earlier[:2], later[:2]))


def _parameters(density: Density, design: WeightDesign, steps: np.ndarray, positions: np.ndarray) -> Parameters:
    """Parameters at positions; latents, which take most of the memory of a fit, rounded and in single precision."""
    parameters = constrain(density.problem, density.chart, positions)
    latents = coarse_latents(parameters.latents.astype(np.float32), steps, design)
    return parameters._replace(latents=latents)
