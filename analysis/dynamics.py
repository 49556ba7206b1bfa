r"""Change over training: when a rate or the weight of a persona crosses a level, and whether the change is sudden.

The checkpoints of a training run, ranks of adapters or doses are fitted as separate conditions, so the fit assumes
nothing about the order. A path is a function of its draws, under one of two assumptions
(:mod:`simulacra.formalism.dynamics`): a random walk in the log-odds of a persona (or of the event) over the covariate,
or a monotone path, which may reach a ceiling. Neither is a line: a formula with a linear dose forces every change to be
proportional to the dose.

* *When*: the posterior of the first value of the covariate at which the path reaches a level, or a share of its total
  change. A path may never reach it within the observed range, with a probability that is stated.
* *Sudden or gradual*: the share of the total change that falls into every step between neighbouring checkpoints. On a
  straight path, a step has the share of the covariate's range that it covers.

References:
    Rue & Held (2005), Gaussian Markov Random Fields, doi:10.1201/9780203492024 (random walks with unequal spacing);
    Dunson & Neelon (2003), doi:10.1111/1541-0420.00035 (monotone projection); Turner et al. (2025), Model organisms for
    emergent misalignment, arXiv:2506.11613 (a sudden transition during training).
"""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy import special

from simulacra.analysis.checks import expect_result
from simulacra.analysis.paths import SCALES, Alone, TrainingPath
from simulacra.formalism.dynamics import LogitPrior, effective_counts, monotone_path, random_walk
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.formalism.new_cells import logits_of_new_cells
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.rates import logged_rate_given, logged_rate_prior
from simulacra.formalism.simplex import inverse_ilr
from simulacra.formalism.weights import named_columns
from simulacra.inference.groups import Group, names_of
from simulacra.inference.posterior import parameters_of
from simulacra.inference.result import Result

__all__ = ["training_path"]

_SHAPES = ("walk", "monotone")
_NAMES = ("draw", "checkpoint", "scope", "mean", "alone", "ess_bulk", "ess_tail", "r_hat", "status")
_FEWEST = 3
_PRIOR_DRAWS = 1000


def training_path(
    result: Result,
    checkpoints: Mapping[str, float | int],
    *,
    of: str = "rates",
    persona: str | None = None,
    outcome: Outcome | str | None = None,
    covariate: str = "step",
    scale: str = "linear",
    shape: str = "walk",
    num_draws: int = 4000,
    seed: int = 0,
) -> TrainingPath:
    """A rate, or the weight of a persona, along an ordered covariate that distinguishes conditions.

    Args:
        result: a fit with a condition for every checkpoint, each with an effect of its own, as in the default formula.
        checkpoints: the value of the covariate (steps, tokens, rank, dose) of at least three conditions: ``{"base": 0,
            "narrow-step-5": 5, "narrow": 120}``; with their context if the log has contexts: ``"ft, trigger=on"``.
        of: ``"rates"`` or ``"weights"``.
        persona: for weights, whose.
        outcome: for rates. Default: the outcome of the model.
        covariate: name of the covariate, for tables and figures.
        scale: ``"linear"``, ``"log"`` or, with a value of zero, ``"log1p"``: the scale on which equal distances mean
            equal expected change.
        shape: ``"walk"``, a random walk in log-odds; or ``"monotone"``, a path that never turns back and may reach a
            ceiling.
        num_draws: draws of a random walk; a monotone path has as many draws as the fit.
        seed: random seed of the path.

    A random walk replaces the prior of the fit, under which the checkpoints are exchangeable: for rates, the prior that
    the other groups give to a checkpoint is divided out. A monotone path keeps it, and adds the order. Errors of
    different checkpoints are treated as independent by the random walk, which those of weights are approximately: what
    they share, the uncertainty of emissions, is not reduced by smoothing, and the interval does not include that part
    of it.

    Raises:
        InputError: fewer than three checkpoints; values that are not finite, not different, or not positive for
            ``"log"``; an unknown scale or shape; no draws; for a random walk of weights, a formula without
            ``(1 | condition)``; and whatever ``Result.contrast`` raises.

    When not to trust it: the intervals are about the logged questions and about this training run. Another run with
    another seed may change at another step. Nothing is known about what happens between two checkpoints except through
    the assumption about the path: a change that is over within one step is located no better than this step.
    Checkpoints that were asked different base questions also differ because questions do, which the scope says.
    """
    expect_result(result, "training_path")
    values = _ordered(checkpoints)
    positions = _positions(np.array(list(values.values()), dtype=float), scale)
    expect_type(covariate, str, "covariate", "training_path", expected="a name such as 'step'")
    if not covariate or covariate in _NAMES or covariate.endswith(("_lb", "_ub")):
        what = "the name of another column" if covariate else "not a name"
        found = f"training_path: covariate={covariate!r} is {what}"
        raise InputError(found, expected="a name such as 'step'", argument="covariate")
    expect_whole(num_draws, "num_draws", "training_path", least=1)
    expect_whole(seed, "seed", "training_path")
    if shape not in _SHAPES:
        raise InputError(f"training_path: shape={shape!r}", expected="'walk' or 'monotone'", argument="shape")
    alone = _estimates(result, list(values), of, persona, outcome)
    draws = alone.draws
    coords = {"checkpoint": list(values), covariate: ("checkpoint", list(values.values()))}
    rng = np.random.default_rng(seed)
    if shape == "monotone":
        path = monotone_path(positions, draws, increasing=bool(alone.difference().mean() >= 0), rng=rng)
    else:
        first, priors = _priors(result, alone, persona)
        with np.errstate(divide="ignore"):
            logits = np.clip(special.logit(draws), -40, 40)
        counts = np.array([effective_counts(own, prior) for own, prior in zip(logits.T, priors, strict=True)])
        path = random_walk(positions, counts, first, num_draws=num_draws, rng=rng)
    at = {covariate: SCALES[scale][1](path.positions)}
    return TrainingPath(
        draws=xr.DataArray(path.paths[:, path.checkpoint], dims=("draw", "checkpoint"), coords=coords, name="path"),
        dense=xr.DataArray(path.paths, dims=("draw", covariate), coords=at, name="path"),
        covariate=covariate,
        scale=scale,
        shape=shape,
        persona=persona,
        alone=alone,
    )


def _ordered(checkpoints: object) -> dict[str, float]:
    """The checkpoints in increasing order of the covariate.

    Raises:
        InputError: fewer than three, or values that are not finite or not different.
    """
    expected = "at least three conditions with different values, such as {'base': 0, 'step-5': 5, 'step-40': 40}"
    expect_type(checkpoints, Mapping, "checkpoints", "training_path", expected=expected)
    pairs = list(checkpoints.items())  # type: ignore[attr-defined]
    for name, value in pairs:
        expect_type(value, numbers.Real, "checkpoints", f"training_path: the value of {name}", expected="a number")
    ordered = {str(name): float(value) for name, value in sorted(pairs, key=lambda pair: pair[1])}
    if len(pairs) < _FEWEST:
        found = f"training_path: there are {len(pairs)} checkpoints"
        raise InputError(found, expected=expected, remedy="compare two with Result.contrast", argument="checkpoints")
    if not np.isfinite(list(ordered.values())).all() or len(set(ordered.values())) < len(pairs):
        found = f"training_path: the values of the checkpoints are {ordered}"
        raise InputError(found, expected="finite numbers, all different", argument="checkpoints")
    return ordered


def _positions(values: np.ndarray, scale: str) -> np.ndarray:
    """The values on their scale, increasing.

    Raises:
        InputError: an unknown scale, or values that it does not have.
    """
    if scale not in SCALES:
        expected = ", ".join(map(repr, SCALES))
        raise InputError(f"training_path: scale={scale!r}", expected=f"one of {expected}", argument="scale")
    if (scale == "log" and values[0] <= 0) or (scale == "log1p" and values[0] < 0):
        raise InputError(
            f"training_path: the value {values[0]:g} has no place on the scale {scale!r}",
            expected="positive values" if scale == "log" else "values that are not negative",
            remedy="leave it out, or choose scale='log1p' or 'linear'" if scale == "log" else None,
            argument=("checkpoints", "scale"),
        )
    return np.asarray(SCALES[scale][0](values))


def _estimates(result: Result, names: list[str], of: str, persona: str | None, outcome: Outcome | str | None) -> Alone:
    """The estimates of the fit at the checkpoints, which are compared with one another."""
    first: Group = names[0]
    if of not in ("rates", "weights"):
        raise InputError(f"training_path: of={of!r}", expected="'rates' or 'weights'", argument="of")
    changes = [result.contrast(name, first, of=of, persona=persona, outcome=outcome) for name in names[1:]]
    rows = [int(changes[0].coefficients.argmin()), *(int(own.coefficients.argmax()) for own in changes)]
    return Alone(changes[0].compared, tuple(rows))


def _priors(result: Result, alone: Alone, persona: str | None) -> tuple[LogitPrior, list[LogitPrior]]:
    """The prior of the first logit of a random walk, and those of the checkpoints in the fit, which it replaces.

    For weights, both are that of one more condition.

    Raises:
        InputError: for weights, conditions have no group-specific effect.
    """
    if persona is None:
        rates = alone.compared.rates
        assert rates is not None
        names = ("logits", "location", "cell_scale", "question_scale")
        arrays = [rates[name].to_numpy() for name in names]
        every = max(arrays[-1].size // _PRIOR_DRAWS, 1)
        logits, location, cell_scale, scale = (own.reshape(-1, *own.shape[2:])[::every].astype(float) for own in arrays)
        return logged_rate_prior(logits.shape[2]), _given_others(logits, location, cell_scale, scale, alone.rows)
    prior = _prior_of_weights(result, alone, persona)
    return prior, [prior] * len(alone.rows)


def _given_others(
    logits: np.ndarray, location: np.ndarray, cell_scale: np.ndarray, scale: np.ndarray, rows: Sequence[int]
) -> list[LogitPrior]:
    """The prior of every row that the other groups give it; arrays as of :func:`logged_rate_given`."""
    others = (np.delete(np.arange(logits.shape[1]), row) for row in rows)
    return [logged_rate_given(logits[:, own], location[:, own], cell_scale[:, own], scale) for own in others]


def _prior_of_weights(result: Result, alone: Alone, persona: str) -> LogitPrior:
    """The logit of the weight of a persona in one more condition of the fit.

    Raises:
        InputError: conditions have no group-specific effect.
    """
    design, group = result.design, alone.rows[0] // len(result.personas)
    shares = result.prepared.group_shares[group]
    cells = design.cells[shares > 0].assign(condition=f"not {', '.join(names_of(result.prepared.groups))}")
    remedy = "fit the checkpoints with '(1 | condition)' in the formula, or choose shape='monotone'"
    if "condition" not in named_columns(design.formula):
        found = f"training_path: the weights {design.formula!r} have no effect for every checkpoint"
        raise InputError(found, remedy=remedy, argument="shape")
    try:
        logits_of = logits_of_new_cells(design, cells)
    except InputError as error:
        found = f"training_path: the prior of a checkpoint in the weights {design.formula!r} is not known"
        raise InputError(found, remedy=remedy, argument="shape") from error
    posterior = result.posterior
    size, chains = posterior.sizes["draw"], posterior.sizes["chain"]
    thinned = posterior.isel(draw=np.linspace(0, size - 1, min(-(-_PRIOR_DRAWS // chains), size)).astype(int))
    parameters = parameters_of(thinned, result.prepared)
    logits: Any = logits_of(parameters.latents, parameters.scales, np.random.default_rng(0))
    weights = np.einsum("...nk,n->...k", inverse_ilr(logits), shares[shares > 0])
    own = special.logit(weights[..., result.personas.index(persona)])
    return LogitPrior(float(own.mean()), float(own.std()))
