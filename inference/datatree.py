"""A result as ArviZ's functions expect it: one value per completion, and no variable that they would misread.

``Result.tree`` is arranged for this package: observed data are counts, since completions with the same measurements in
the same cell are interchangeable. ArviZ's functions take every value of a group for an observation or a parameter of
interest. :func:`to_datatree` therefore

- lists completions one by one in ``observed_data`` and ``posterior_predictive``, as the codes of their categories;
- leaves out latents: their number grows with the log, and plots would show them all;
- leaves the prior of the latents out of ``log_prior``: it is a level of a hierarchy, and power-scaling is for the
  priors at its top (Kallioinen et al. 2023, section 2.5);
- has a ``log_likelihood`` only if its unit is stated. The likelihood of a pattern, of which a cell has many
  completions, is that of no observation.

References:
    Kumar et al. (2019), ArviZ a unified library for exploratory analysis of Bayesian models in Python,
    doi:10.21105/joss.01143 (the schema);
    Vehtari, Gelman & Gabry (2017), Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC,
    doi:10.1007/s11222-016-9696-4 (pointwise log likelihood);
    Kallioinen et al. (2023), Detecting and diagnosing prior and likelihood sensitivity with power-scaling,
    doi:10.1007/s11222-023-10366-5.
"""

import concurrent.futures
import os
from typing import Literal, get_args

import numpy as np
import xarray as xr

from simulacra.formalism.errors import InputError
from simulacra.formalism.parameters import Parameters
from simulacra.inference.posterior import chain_blocks, parameters_of, pattern_probabilities
from simulacra.inference.prepare import Prepared
from simulacra.inference.texts import pair_log_likelihood

__all__ = ["Unit", "to_datatree"]

Unit = Literal["completion", "question"]
"""What one value of a pointwise log likelihood is about."""

_MOST_NUMBERS = 2**25
"""Numbers in a group with one value per completion and draw; more are thinned."""
_REPLICATES = 200
"""Draws of replicated completions, over all chains."""


def to_datatree(tree: xr.DataTree, prepared: Prepared, unit: str | None) -> xr.DataTree:
    """The groups ``posterior, prior, log_prior, sample_stats, constant_data, observed_data, posterior_predictive``.

    Args:
        tree: that of the result.
        prepared: data and model.
        unit: the unit of the group ``log_likelihood``; ``None`` for none.

    Raises:
        InputError: an unknown unit, or completions whose likelihoods differ within a pattern.
    """
    if unit not in (None, *get_args(Unit)):
        raise InputError(
            f"to_datatree: log_likelihood={unit!r}",
            expected="'completion', 'question' or None",
            argument="log_likelihood",
        )
    groups = {
        "sample_stats": tree["sample_stats"].to_dataset(),
        "constant_data": tree["constant_data"].to_dataset().drop_dims("obs_id"),
    }
    for name in ("posterior", "prior", "log_prior"):
        groups[name] = tree[name].to_dataset().drop_vars(["latents", "latent", "coordinate"], errors="ignore")
    if prepared.model.measurements:
        groups |= _completions(tree, prepared)
    if unit is not None:
        every = _thinning(tree["posterior"].to_dataset(), len(prepared.collapsed)) if unit == "completion" else 1
        thin = {"draw": slice(None, None, every)}
        groups |= {name: groups[name].isel(thin) for name in ("posterior", "log_prior", "sample_stats")}
        groups["log_likelihood"] = _log_likelihood(tree["posterior"].to_dataset().isel(thin), prepared, unit)
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs=tree.attrs), **{f"/{name}": own for name, own in groups.items()}}
    )


def _thinning(posterior: xr.Dataset, size: int) -> int:
    """The step by which draws are thinned, so that a value for each of ``size`` completions and draw can be held."""
    return -(-posterior.sizes["chain"] * posterior.sizes["draw"] * size // _MOST_NUMBERS)


def _completions(tree: xr.DataTree, prepared: Prepared) -> dict[str, xr.Dataset]:
    """Category codes of all completions, observed and replicated, along ``obs_id``, the conditions one after another.

    Within a condition, completions are in the order of their categories: they are interchangeable, and an observed one
    is not that which has the same number in a replicate.
    """
    drawn, observed = tree["posterior_predictive"].to_dataset(), tree["observed_data"].to_dataset()
    chains, draws = drawn.sizes["chain"], drawn.sizes["draw"]
    kept = min(max(_REPLICATES // chains, 1), max(_MOST_NUMBERS // (chains * len(prepared.collapsed)), 1), draws)
    drawn = drawn.isel(draw=np.linspace(0, draws - 1, kept).round().astype(int))
    groups: dict[str, dict[str, tuple]] = {"observed_data": {}, "posterior_predictive": {}}
    for emission in prepared.model.emissions:
        name, about = emission.measurement, {"categories": list(emission.categories)}
        groups["observed_data"][name] = (("obs_id",), _listed(observed[name].to_numpy()), about)
        groups["posterior_predictive"][name] = (("chain", "draw", "obs_id"), _listed(drawn[name].to_numpy()), about)
    totals = (prepared.in_condition @ prepared.counts).sum(axis=1).round().astype(int)
    condition = np.repeat(np.asarray(prepared.conditions, dtype=str), totals)
    coords = {"obs_id": np.arange(len(condition)), "condition": ("obs_id", condition)}
    own = {name: coords | {dim: drawn[dim] for dim in ("chain", "draw") if name != "observed_data"} for name in groups}
    return {name: xr.Dataset(variables, coords=own[name]) for name, variables in groups.items()}


def _listed(counts: np.ndarray) -> np.ndarray:
    """Codes of completions from their counts ``(..., condition, category)``, shape ``(..., completions)``."""
    lead, (conditions, categories) = counts.shape[:-2], counts.shape[-2:]
    codes = np.broadcast_to(np.arange(categories), (*lead, conditions, categories))
    return np.repeat(codes.ravel(), counts.ravel()).reshape(*lead, -1)


def _log_likelihood(posterior: xr.Dataset, prepared: Prepared, unit: str) -> xr.Dataset:
    """Log likelihood of every completion, or of all completions of every base question, given all parameters; nats."""
    occurs = np.argwhere(prepared.counts > 0)
    counts = prepared.counts[occurs[:, 0], occurs[:, 1]].round().astype(int)
    parameters, texts = parameters_of(posterior, prepared), prepared.texts
    if texts is not None and unit == "completion":
        raise InputError(
            "to_datatree: the log-likelihoods of texts are grouped, and single completions cannot be told apart",
            expected="log_likelihood='question'",
            argument="log_likelihood",
        )
    pairs = (
        _pairs(prepared, parameters, occurs)
        if texts is None
        else pair_log_likelihood(prepared, texts, parameters, occurs)
    )
    draws = {name: posterior[name] for name in ("chain", "draw")}
    if unit == "completion":
        cell = np.repeat(occurs[:, 0], counts)
        columns = {
            str(name): ("obs_id", prepared.design.cells[name].astype(str).to_numpy(str)[cell])
            for name in prepared.design.cells
        }
        dims, values = ("chain", "draw", "obs_id"), np.repeat(pairs, counts, axis=-1)
        return xr.Dataset({"completion": (dims, values)}, coords={**draws, "obs_id": np.arange(len(cell)), **columns})
    names, asked = np.unique(prepared.base_question[occurs[:, 0]].astype(str), return_inverse=True)
    total = np.stack([pairs[..., asked == row] @ counts[asked == row] for row in range(len(names))], axis=-1)
    dims = ("chain", "draw", "base_question")
    return xr.Dataset({"question": (dims, total)}, coords=draws | {"base_question": names})


def _pairs(prepared: Prepared, parameters: Parameters, occurs: np.ndarray) -> np.ndarray:
    """Log p(y) of one completion of every occurring (cell, pattern), shape ``(chain, draw, pairs)``."""
    chains, draws = parameters.latents.shape[:2]
    result = np.empty((chains, draws, len(occurs)))

    def fill(part: tuple[tuple[int, slice], Parameters]) -> None:
        place, own = part
        values = pattern_probabilities(prepared, own)[:, occurs[:, 0], occurs[:, 1]]
        np.log(np.maximum(values, np.finfo(float).tiny, out=values), out=result[place])

    with concurrent.futures.ThreadPoolExecutor(min(chains, os.cpu_count() or 1)) as pool:
        list(pool.map(fill, chain_blocks(prepared, parameters, len(prepared.patterns))))
    return result
