"""Hamiltonian Monte Carlo with jittered trajectory lengths, for all chains of an ensemble at once.

In well preconditioned coordinates all directions have about the same width, so the search for the turning point in each
iteration of NUTS finds what is known in advance. Trajectories of random length mix equally well with fewer gradients.
All chains take the same number of steps, so no chain waits for another.

The posterior is then a standard normal times a correction. A step solves the normal part exactly, by a rotation of
position and momentum, and applies the correction in kicks before and after. Like a leapfrog step it is reversible and
preserves volume; its error is that of the correction alone, so it may be about twice as long.

For a cut posterior (:mod:`~simulacra.inference.sampling.space`) every iteration begins with new draws of the given
coordinates. The other coordinates then have to forget the last ones: there are two trajectories, whose mean length is a
quarter of the period of a Gaussian.

References:
    Neal (2011), MCMC using Hamiltonian dynamics, arXiv:1206.1901, section 5.4.2 (random trajectory lengths);
    Shahbaba, Lan, Johnson & Neal (2014), Split Hamiltonian Monte Carlo, arXiv:1106.5941 (the splitting);
    Casas, Sanz-Serna & Shaw (2022), Split Hamiltonian Monte Carlo revisited, arXiv:2207.07516 (after preconditioning);
    Hoffman & Gelman (2014), arXiv:1111.4246, section 3.2 (dual averaging of the step size).
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from simulacra.inference.sampling.space import Space
from simulacra.inference.sampling.trajectory import Move, mover

__all__ = ["BLOCK", "JITTER", "TRAJECTORY", "Draws", "State", "begin", "run"]

BLOCK = 50
"""Iterations between two reports of progress; numbers of iterations are rounded up to whole blocks."""

TRAJECTORY = 3.2
"""Mean trajectory length in posterior standard deviations: about half a turn, longer where the posterior is longer."""

_QUARTER_TURN = np.pi / 2
"""Mean length after which the positions of a Gaussian are uncorrelated on average, with the jitter below."""

_REPEATS = 2
"""Iterations after every draw of given coordinates, so that the others forget the last ones."""

JITTER = (0.5, 1.5)
"""Range of trajectory lengths, relative to the mean."""

_MAX_STEPS = 64
_DIVERGENCE = 1000.0  # energy error of a divergent trajectory; NumPyro's threshold


class Adaptation(NamedTuple):
    """Dual averaging of the log step size; ``average`` is used when it has ended."""

    log_step: float
    average: float
    anchor: float
    error: float = 0.0
    iteration: int = 0

    def after(self, acceptance: float, target: float) -> "Adaptation":
        """The next state, after an iteration with this mean acceptance rate."""
        iteration = self.iteration + 1
        blend, forget = 1 / (iteration + 10), iteration**-0.75
        error = (1 - blend) * self.error + blend * (target - acceptance)
        log_step = self.anchor - np.sqrt(iteration) / 0.05 * error
        average = forget * log_step + (1 - forget) * self.average
        return Adaptation(log_step, average, self.anchor, error, iteration)


class State(NamedTuple):
    """State of all chains of an ensemble: whitened points, the density there, and the step size."""

    whitened: np.ndarray
    log_density: np.ndarray
    gradient: np.ndarray
    adaptation: Adaptation

    @property
    def step(self) -> float:
        """The adapted step size."""
        return float(np.exp(self.adaptation.average))


class Draws(NamedTuple):
    """Draws of iterations, shapes ``(iteration, chain)``, and ``(iteration, chain, D)`` for ``position``.

    ``position`` is in the chart, not whitened, or what was made of it. ``energy`` is the negative log joint density of
    position and momentum.
    """

    position: Any
    lp: np.ndarray
    energy: np.ndarray
    acceptance_rate: np.ndarray
    n_steps: np.ndarray
    step_size: np.ndarray
    diverging: np.ndarray


def begin(space: Space, whitened: np.ndarray, step: float) -> State:
    """State of chains at whitened positions ``(chain, D)``, with an initial step size."""
    log_step = float(np.log(step))
    adaptation = Adaptation(log_step, log_step, log_step + float(np.log(10.0)))
    return State(whitened, *space.value_and_gradient(whitened), adaptation)


def run(
    space: Space,
    state: State,
    rng: np.random.Generator,
    *,
    num_steps: int,
    adapt: bool,
    target: float,
    check: Callable[[], object] = lambda: None,
) -> Iterator[tuple[State, Draws]]:
    """Yield the state and the draws after each block of iterations.

    Args:
        space: the whitened posterior.
        state: state of the chains.
        rng: the only source of randomness.
        num_steps: number of iterations, rounded up to whole blocks.
        adapt: whether to adapt the step size.
        target: target acceptance rate of the adaptation.
        check: called before every iteration; ends the run if it raises.
    """
    iterate = _iterate if space.density.given is None else _iterate_anew
    move = mover(space)
    for _ in range(-(-num_steps // BLOCK)):
        drawn = []
        for _ in range(BLOCK):
            check()
            adaptation = state.adaptation
            step = float(np.exp(adaptation.log_step if adapt else adaptation.average))
            with np.errstate(all="ignore"):  # a trajectory that diverges overflows, and is rejected
                state, draw = iterate(space, move, state, rng, step)
            drawn.append(draw)
            if adapt:
                state = state._replace(adaptation=adaptation.after(float(draw.acceptance_rate.mean()), target))
        draws = Draws(*(np.stack(values) for values in zip(*drawn, strict=True)))
        yield state, draws._replace(position=space.positions(draws.position))


def _iterate_anew(space: Space, move: Move, state: State, rng: np.random.Generator, step: float) -> tuple[State, Draws]:
    """New draws of the given coordinates, and iterations of all others; the draw is that of the last one."""
    whitened = space.renewed(state.whitened, rng)
    value, gradient = space.value_and_gradient(whitened)
    state = state._replace(whitened=whitened, log_density=value, gradient=gradient)
    for _ in range(_REPEATS - 1):
        state, _draw = _iterate(space, move, state, rng, step, _QUARTER_TURN)
    return _iterate(space, move, state, rng, step, _QUARTER_TURN)


def _iterate(
    space: Space, move: Move, state: State, rng: np.random.Generator, step: float, length: float = TRAJECTORY
) -> tuple[State, Draws]:
    """One iteration; the position of the draw is still whitened."""
    momentum = space.momentum(rng, state.whitened.shape)
    num_steps = int(np.clip(np.ceil(length * rng.uniform(*JITTER) / step), 1, _MAX_STEPS))
    energy = -state.log_density + 0.5 * (momentum**2).sum(axis=1)
    whitened, momentum, value, gradient = move(state.whitened, momentum, state.gradient, step, num_steps)
    error = -value + 0.5 * (momentum**2).sum(axis=1) - energy
    error = np.where(np.isfinite(error), error, np.inf)
    accepted = np.log(rng.uniform(size=error.shape)) < -error
    kept = accepted[:, None]
    state = state._replace(
        whitened=np.where(kept, whitened, state.whitened),
        log_density=np.where(accepted, value, state.log_density),
        gradient=np.where(kept, gradient, state.gradient),
    )
    return state, Draws(
        position=state.whitened,
        lp=state.log_density,
        energy=energy,
        acceptance_rate=np.exp(-np.maximum(error, 0.0)),
        n_steps=np.full(error.shape, num_steps),
        step_size=np.full(error.shape, step),
        diverging=error > _DIVERGENCE,
    )
