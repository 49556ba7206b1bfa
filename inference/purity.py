r"""Sensitivity of weights from texts to the purity of the prompts that elicited the references.

References determine what prompts elicit, the densities g = M(ρ) f, but hardly the purity ρ itself: an impure prompt and
a persona that behaves like others in part give the same texts. What they say about ρ comes from the form of f,
K softmax(τ ℓ + b), which is a convenience. Texts with weights w of the personas have weights :math:`M(ρ)^{-\top} w` of
the prompts. At a purity ρ' the same texts have

.. math:: w' = M(ρ')^\top M(ρ)^{-\top} w.

References:
    Katz-Samuels, Blanchard & Scott (2019), Decontamination of mutual contamination models, arXiv:1710.01167 (which
    mixing proportions samples of contaminated distributions leave open).
"""

import numpy as np
import xarray as xr
from scipy import special

from simulacra.formalism.density_ratios import prompt_weights
from simulacra.inference.prepare import Prepared
from simulacra.inference.tables import CI_PROB, ends

__all__ = ["purity_sensitivity"]


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
    # A purity below the share of a persona in a condition would need others below zero.
    inside = np.clip(moved, 0, None)
    values = inside / inside.sum(axis=-1, keepdims=True)
    coords = {name: mean[name] for name in mean.dims if name in mean.coords}
    return xr.DataArray(values, dims=("quantile", *mean.dims), coords={"quantile": list(levels), **coords})
