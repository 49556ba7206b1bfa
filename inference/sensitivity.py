r"""Sensitivity to the archetypes: of weights, of what personas do, and of what they imply for rates.

Where the log does not separate two personas, their archetypes do, and weights depend on how firmly they do it. The
posterior mean of a weight is therefore also given for half and for twice the concentration of every archetype. With
concentrations multiplied by c, the prior density of the emissions is multiplied by :math:`e^{(c-1)S}` up to a constant,
with :math:`S = Σ α \log θ` over personas and categories, so that

.. math:: \frac{\mathrm{d}\,\mathrm{E}[w]}{\mathrm{d}\log c} = \mathrm{Cov}(w, S) \quad \text{at } c = 1,

the covariance over the posterior draws. The mean moves by this slope times log c, its linear response.

Importance sampling from the same draws would not need the linear extrapolation, but S varies by 4 to 10 nats between
draws, so that few draws carry all the weight: its Pareto k exceeds 0.7 in all logs tried.

An archetype that is worth more completions than the log attributes to its persona determines what the persona does
whatever its concentration. P(outcome | persona) and implied rates are therefore also given without archetypes:
emissions are the shares of categories among the attributed completions, one step of EM with a flat prior from the
posterior mean, and the probability of the event has Jeffreys' prior, as for name gates
(:mod:`simulacra.inference.names`). Attribution itself still uses the archetypes.

References:
    Giordano, Broderick & Jordan (2018), Covariances, robustness, and variational Bayes, arXiv:1709.02536, section 2;
    Kallioinen et al. (2023), Detecting and diagnosing prior and likelihood sensitivity with power-scaling,
    doi:10.1007/s11222-023-10366-5.
"""

import numpy as np
import xarray as xr

from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.outcomes import Outcome, implied_rates
from simulacra.formalism.personas import Persona
from simulacra.inference.draws import group_weights
from simulacra.inference.prepare import Prepared
from simulacra.inference.responsibilities import mean_responsibilities

__all__ = ["FACTORS", "implied_sensitivity", "outcome_sensitivity", "prior_sensitivity"]

FACTORS = (0.5, 2.0)
"""By which the concentrations of all archetypes are multiplied."""
_NONE = 0.0
"""The factor that stands for no archetypes."""
_JEFFREYS = 0.5


def prior_sensitivity(draws: xr.DataArray, posterior: xr.Dataset, model: PersonaMixture) -> xr.DataArray:
    """Means of probabilities at other concentrations, dims ``factor`` and those of the draws without ``chain, draw``.

    Args:
        draws: draws in [0, 1], such as weights, dims ``chain, draw`` and, for example, ``condition, persona``.
        posterior: the posterior group of the fit.
        model: its model.
    """
    mean = draws.mean(("chain", "draw"))
    slope = xr.cov(draws, _log_prior_slope(posterior, model), dim=("chain", "draw"), ddof=0)
    logs = xr.DataArray(np.log(FACTORS), dims="factor", coords={"factor": list(FACTORS)})
    return (mean + slope * logs).clip(0, 1).transpose("factor", ...)


def outcome_sensitivity(
    draws: xr.DataArray, outcome: Outcome, posterior: xr.Dataset, prepared: Prepared
) -> xr.DataArray:
    """Means of P(outcome | persona) with other archetypes and, at the factor 0, with none; dims ``factor, persona``.

    Args:
        draws: its draws, dims ``chain, draw, persona``.
        outcome: the event.
        posterior: the posterior group of the fit.
        prepared: data and model.
    """
    attributed, tables = _without_archetypes(posterior, prepared)
    shown = outcome.numerator.probability(prepared.model.emissions, tables)
    alone = draws.mean(("chain", "draw")).copy(data=shown + (_JEFFREYS - shown) / (2 * _JEFFREYS + attributed))
    return _with_none(prior_sensitivity(draws, posterior, prepared.model), alone)


def implied_sensitivity(
    draws: xr.DataArray, outcome: Outcome, posterior: xr.Dataset, prepared: Prepared
) -> xr.DataArray:
    """Means of the implied rates with other archetypes and, at the factor 0, with none; dims ``factor, group``.

    Weights are those of the fit. Arguments as for :func:`outcome_sensitivity`; draws have dims ``chain, draw, group``.
    """
    _, tables = _without_archetypes(posterior, prepared)
    weights = group_weights(posterior, prepared).mean(axis=(0, 1))
    rates = implied_rates(outcome, prepared.model.emissions, weights, tables)
    alone = draws.mean(("chain", "draw")).copy(data=rates)
    return _with_none(prior_sensitivity(draws, posterior, prepared.model), alone)


def _with_none(moved: xr.DataArray, alone: xr.DataArray) -> xr.DataArray:
    return xr.concat([moved, alone.expand_dims(factor=[_NONE])], dim="factor")


def _without_archetypes(posterior: xr.Dataset, prepared: Prepared) -> tuple[np.ndarray, list[np.ndarray]]:
    """Completions attributed to every persona, shape ``(K,)``, and shares of categories among them, ``(K, J)``.

    The shares of a persona without completions are its posterior means. All are, as if of any number of completions, if
    texts are modelled, which tie every persona to its prompt.
    """
    names, patterns = prepared.model.measurements, prepared.patterns
    means = [posterior[f"{name}_probs"].to_numpy().mean(axis=(0, 1)) for name in names]
    if prepared.texts is not None:
        return np.full(len(prepared.model.personas), np.inf), means
    counts = prepared.in_condition @ prepared.counts
    by_pattern = np.einsum("mp,mpk->kp", counts, mean_responsibilities(posterior, prepared))
    attributed = by_pattern.sum(axis=1)
    tables = []
    for column, mean in enumerate(means):
        own = by_pattern @ np.eye(mean.shape[1])[patterns[:, column]]
        least = np.finfo(float).tiny
        tables.append((own + least * mean) / (attributed + least)[:, None])
    return attributed, tables


def _log_prior_slope(posterior: xr.Dataset, model: PersonaMixture) -> xr.DataArray:
    """S of every draw: the derivative of the log prior density with respect to log c, in nats, up to a constant."""
    total = xr.zeros_like(posterior["weights"].isel(condition=0, persona=0, drop=True))
    for emission in model.emissions:
        name = emission.measurement
        probabilities = np.maximum(posterior[f"{name}_probs"].to_numpy(), np.finfo(float).tiny)
        archetypes = np.stack([_pseudo_completions(emission, persona) for persona in model.personas])
        total = total + (archetypes * np.log(probabilities)).sum(axis=(-2, -1))
    return total


def _pseudo_completions(emission: AbstractEmission, persona: Persona) -> np.ndarray:
    """Concentration times archetype, shape ``(J,)``; zeros for a persona without an archetype for the measurement."""
    archetype = persona.scores.get(emission.measurement)
    if archetype is None:
        return np.zeros(len(emission.categories))
    return archetype.concentration * emission.archetype_probabilities(archetype)
