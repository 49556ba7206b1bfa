r"""Sensitivity of weights to the concentration of the archetypes.

Where the log does not separate two personas, their archetypes do, and weights depend on how firmly they do it. The
posterior mean of a weight is therefore also given for half and for twice the concentration of every archetype. With
concentrations multiplied by c, the prior density of the emissions is multiplied by :math:`e^{(c-1)S}` up to a constant,
with :math:`S = Σ α \log θ` over personas and categories, so that

.. math:: \frac{\mathrm{d}\,\mathrm{E}[w]}{\mathrm{d}\log c} = \mathrm{Cov}(w, S) \quad \text{at } c = 1,

the covariance over the posterior draws. The mean moves by this slope times log c, its linear response.

Importance sampling from the same draws would not need the linear extrapolation, but S varies by 4 to 10 nats between
draws, so that few draws carry all the weight: its Pareto k exceeds 0.7 in all logs tried.

References:
    Giordano, Broderick & Jordan (2018), Covariances, robustness, and variational Bayes, arXiv:1709.02536, section 2;
    Kallioinen et al. (2023), Detecting and diagnosing prior and likelihood sensitivity with power-scaling,
    doi:10.1007/s11222-023-10366-5.
"""

import numpy as np
import xarray as xr

from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.personas import Persona

__all__ = ["FACTORS", "weight_sensitivity"]

FACTORS = (0.5, 2.0)
"""By which the concentrations of all archetypes are multiplied."""


def weight_sensitivity(weights: xr.DataArray, posterior: xr.Dataset, model: PersonaMixture) -> xr.DataArray:
    """Mean weights at other concentrations, dims ``factor`` and those of the weights without the draws, in [0, 1].

    Args:
        weights: draws of weights, dims ``chain, draw`` and, for example, ``condition, persona``.
        posterior: the posterior group of the fit.
        model: its model.
    """
    mean = weights.mean(("chain", "draw"))
    slope = xr.cov(weights, _log_prior_slope(posterior, model), dim=("chain", "draw"), ddof=0)
    logs = xr.DataArray(np.log(FACTORS), dims="factor", coords={"factor": list(FACTORS)})
    return (mean + slope * logs).clip(0, 1).transpose("factor", ...).rename("weights")


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
