"""Influence of a condition on the personas that its own weights refer to.

Emissions are shared between conditions, so weights are comparable as far as the conditions agree about what a persona
does. If one condition alone determines it, whatever this condition does counts as that persona: a judge that lowers all
scores of one fine-tune, or half-misaligned answers that no other condition has, become the emission of a persona that
nothing else needs. The model then fits, and the unexplained share does not reveal it.

The weights of every condition are therefore also estimated with emissions from which that condition is left out: EM
continues from the posterior mean of the emissions with the completions of all other conditions, and then estimates the
weights of the left-out condition with the emissions known. The posterior mean moves by the difference of this estimate
from the same one with no condition left out. Where no other condition shows a persona, its archetype defines it.

References:
    Cook (1977), Detection of influential observation in linear regression, doi:10.1080/00401706.1977.10489493
    (estimates without the case in question); Marshall & Spiegelhalter (2007), Identifying outliers in Bayesian
    hierarchical models, doi:10.1214/07-BA218 (a unit against the prediction of all others).
"""

import numpy as np
import xarray as xr

from simulacra.formalism.mixture import component_probabilities
from simulacra.inference.draws import group_weights
from simulacra.inference.prepare import Prepared
from simulacra.inference.sampling.initialise import continued, weights_given

__all__ = ["of_conditions", "weights_left_out"]


def weights_left_out(prepared: Prepared, posterior: xr.Dataset) -> xr.DataArray:
    """Mean weights of all groups with one condition left out of the emissions, dims ``left_out, group, persona``.

    Only the groups of that condition have other weights than with all conditions; see the module. NaN if there is no
    other condition, or if texts tie the personas to their prompts.

    Args:
        prepared: data and model.
        posterior: the posterior group of a fit.
    """
    weights = group_weights(posterior, prepared).mean(axis=(0, 1))
    names, conditions = prepared.model.measurements, prepared.conditions
    found = xr.DataArray(
        np.tile(weights, (len(conditions), 1, 1)),
        dims=("left_out", "group", "persona"),
        coords={"left_out": list(conditions), "persona": posterior["persona"].to_numpy()},
    )
    if prepared.texts is not None or not names or len(conditions) == 1:
        return found * np.nan
    patterns, by_group = prepared.patterns, prepared.group_counts
    by_condition = prepared.in_condition @ prepared.counts
    concentrations = prepared.model.concentrations
    means = [posterior[f"{name}_probs"].to_numpy().mean(axis=(0, 1)) for name in names]
    whole = continued(by_condition, patterns, concentrations, means)
    for number, condition in enumerate(conditions):
        rest = np.delete(by_condition, number, axis=0)
        others = continued(rest, patterns, concentrations, whole.probabilities)
        own = (prepared.groups["condition"] == condition).to_numpy()
        without, within = (
            weights_given(by_group[own], component_probabilities(start.probabilities, patterns), weights[own])
            for start in (others, whole)
        )
        found[number, own] += without - within
    return found.clip(0, 1)


def of_conditions(prepared: Prepared, by_group: xr.DataArray) -> xr.DataArray:
    """The same for conditions, averaged over their logged completions, dims ``left_out, condition, persona``."""
    member = np.equal.outer(np.array(prepared.conditions), prepared.groups["condition"].to_numpy())
    completions = member * prepared.group_counts.sum(axis=1)
    shares = xr.DataArray(
        completions / completions.sum(axis=1, keepdims=True),
        dims=("condition", "group"),
        coords={"condition": list(prepared.conditions)},
    )
    return xr.dot(shares, by_group, dim="group").transpose("left_out", "condition", "persona")
