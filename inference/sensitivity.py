r"""Sensitivity of weights to the concentration of the archetypes, and to the purity of prompts.

Where the log does not separate two personas, their archetypes do, and weights depend on how firmly they do it. The
posterior mean of a weight is therefore also given for half and for twice the concentration of every archetype. With
concentrations multiplied by c, the prior density of the emissions is multiplied by :math:`e^{(c-1)S}` up to a constant,
with :math:`S = Σ α \log θ` over personas and categories, so that

.. math:: \frac{\mathrm{d}\,\mathrm{E}[w]}{\mathrm{d}\log c} = \mathrm{Cov}(w, S) \quad \text{at } c = 1,

the covariance over the posterior draws. The mean moves by this slope times log c, its linear response.

Importance sampling from the same draws would not need the linear extrapolation, but S varies by 4 to 10 nats between
draws, so that few draws carry all the weight: its Pareto k exceeds 0.7 in all logs tried.

Weights from log-likelihoods of texts depend on the purity ρ of the prompts. References determine what prompts elicit,
the densities g = M(ρ) f, but hardly ρ itself: an impure prompt and a persona that behaves like others in part give the
same texts. What they say about ρ comes from the form of f, K softmax(τ ℓ + b), which is a convenience. Texts with
weights w of the personas have weights :math:`M(ρ)^{-\top} w` of the prompts. At a purity ρ' the same texts have

.. math:: w' = M(ρ')^\top M(ρ)^{-\top} w.

References:
    Giordano, Broderick & Jordan (2018), Covariances, robustness, and variational Bayes, arXiv:1709.02536, section 2;
    Kallioinen et al. (2023), Detecting and diagnosing prior and likelihood sensitivity with power-scaling,
    doi:10.1007/s11222-023-10366-5; Katz-Samuels, Blanchard & Scott (2019), Decontamination of mutual contamination
    models, arXiv:1710.01167 (which mixing proportions samples of contaminated distributions leave open).
"""

import numpy as np
import xarray as xr
from scipy import special

from simulacra.formalism.density_ratios import prompt_weights
from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.personas import Persona
from simulacra.inference.prepare import Prepared
from simulacra.inference.tables import CI_PROB, ends

__all__ = ["FACTORS", "purity_sensitivity", "weight_sensitivity"]

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


def purity_sensitivity(weights: xr.DataArray, posterior: xr.Dataset, prepared: Prepared) -> xr.DataArray | None:
    """Mean weights at the ends of the prior's 89% interval of all purities, dims ``quantile`` and those of the weights.

    The purity of a prompt with references that a judge labelled is measured, and stays at its posterior mean.

    Args:
        weights: draws of weights, dims ``chain, draw`` and, for example, ``condition, persona``; persona is the last.
        posterior: the posterior group of the fit.
        prepared: data and model.

    Returns:
        Weights in [0, 1] that sum to one; ``None`` if the model has no texts, or these have no references.
    """
    texts, emission = prepared.texts, prepared.model.likelihood
    if texts is None or emission is None or not texts.calibrated:
        return None
    labelled = np.unique(np.asarray(texts.reference_persona)[np.asarray(texts.reference_label) >= 0])
    measured = np.isin(np.arange(texts.num_personas), labelled)
    fitted = posterior["purity"].mean(("chain", "draw")).to_numpy()
    location, spread = emission.purity_prior
    levels = ends(CI_PROB)
    mean = weights.mean(("chain", "draw"))
    of_prompts = mean.to_numpy() @ np.linalg.inv(np.asarray(prompt_weights(fitted), float))
    moved = [
        of_prompts @ np.asarray(prompt_weights(np.where(measured, fitted, special.expit(value))), float)
        for value in location + spread * special.ndtri(levels)
    ]
    inside = np.clip(
        moved, 0, None
    )  # a purity below the share of a persona in a condition would need others below zero
    values = inside / inside.sum(axis=-1, keepdims=True)
    coords = {name: mean[name] for name in mean.dims if name in mean.coords}
    return xr.DataArray(values, dims=("quantile", *mean.dims), coords={"quantile": list(levels), **coords})


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
