r"""Sensitivity of weights from texts to the purity of the prompts that elicited the references.

References determine what prompts elicit, the densities g = M(ρ) f, but hardly the purity ρ itself: an impure prompt and
a persona that behaves like others in part give the same texts. What they say about ρ comes from the form of f,
K softmax(τ ℓ + b), which is a convenience. Texts with weights w of the personas have weights :math:`M(ρ)^{-\top} w` of
the prompts. If prompts have another purity ρ', or elicit the other personas in other proportions, as M' states, the
same texts have

.. math:: w' = M'^\top M(ρ)^{-\top} w.

A fit takes what a prompt elicits of other personas to be even. By eq. (6), a lapse returns to the weights of the
baseline. Both are computed. The range is too wide if measurements other than texts, such as scores, also determine the
weights.

References:
    Katz-Samuels, Blanchard & Scott (2019), Decontamination of mutual contamination models, arXiv:1710.01167 (which
    mixing proportions samples of contaminated distributions leave open).
"""

import itertools

import numpy as np
import xarray as xr
from scipy import special

from simulacra.formalism.density_ratios import prompt_weights
from simulacra.inference.prepare import Prepared
from simulacra.inference.tables import ends

__all__ = ["purity_sensitivity"]


def purity_sensitivity(
    weights: xr.DataArray, posterior: xr.Dataset, prepared: Prepared, ci_prob: float
) -> xr.DataArray | None:
    """Mean weights if prompts are as impure, or as pure, as the prior allows; dims ``alternative`` and the weights'.

    All purities are at either end of the prior's interval; the other personas that prompts then elicit are spread
    evenly, or as in the baseline. What the prompt of a persona elicits stays as fitted, at the posterior mean of its
    purity, if a judge labelled references of it: these measure the purity.

    Args:
        weights: draws of weights, dims ``chain, draw`` and, for example, ``condition, persona``; persona is the last.
        posterior: the posterior group of the fit.
        prepared: data and model.
        ci_prob: probability of the interval of the prior.

    Returns:
        Weights in [0, 1] that sum to one; ``None`` if the model has no texts, or these have no references.
    """
    texts, emission = prepared.texts, prepared.model.likelihood
    if texts is None or emission is None or not texts.calibrated:
        return None
    labelled = np.unique(np.asarray(texts.reference_persona)[np.asarray(texts.reference_label) >= 0])
    measured = np.isin(np.arange(texts.num_personas), labelled)
    fitted = posterior["purity"].mean(("chain", "draw")).to_numpy()
    elicited = np.asarray(prompt_weights(fitted), float)
    location, spread = emission.purity_prior
    purities = special.expit(location + spread * special.ndtri(ends(ci_prob)))
    baseline = posterior["weights"].isel(condition=prepared.conditions.index(prepared.model.baseline))
    base = baseline.mean(("chain", "draw")).to_numpy()
    mean = weights.mean(("chain", "draw"))
    of_prompts = mean.to_numpy() @ np.linalg.inv(elicited)
    moved = []
    for purity, lapse in itertools.product(purities, (None, base)):
        other = np.asarray(prompt_weights(np.full(len(fitted), purity), lapse), float)
        moved.append(of_prompts @ np.where(measured[:, None], elicited, other))
    # A purity below the share of a persona in a condition would need others below zero.
    inside = np.clip(moved, 0, None)
    values = inside / inside.sum(axis=-1, keepdims=True)
    coords = {name: mean[name] for name in mean.dims if name in mean.coords}
    return xr.DataArray(values, dims=("alternative", *mean.dims), coords=coords)
