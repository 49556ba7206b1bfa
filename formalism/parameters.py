"""The parameters of a persona mixture, and the function that renumbers personas."""

from typing import Any, NamedTuple

import numpy as np

from simulacra.formalism.simplex import ilr_basis

__all__ = ["Parameters", "permute"]


class Parameters(NamedTuple):
    """Parameters in their natural spaces, NumPy or JAX arrays; each may have leading axes such as (chain, draw).

    Attributes:
        probabilities: category probabilities of every emission, shapes ``(..., K, J)``; rows sum to one.
        latents: ILR coordinates of the effects that determine the weights, shape ``(..., L, K - 1)``.
        scales: standard deviations σ of the terms of the formula, shape ``(..., T)``.
        temperature: τ of eq. (4), shape ``(...)``; ``None`` without log-likelihoods of texts.
        offset: b, shape ``(..., K)``, summing to zero; ``None`` without references.
        purity: ρ, the share of its own persona in what every prompt elicits, shape ``(..., K)``; ``None`` likewise.
    """

    probabilities: tuple[Any, ...]
    latents: Any
    scales: Any
    temperature: Any = None
    offset: Any = None
    purity: Any = None


def permute(parameters: Parameters, order: np.ndarray) -> Parameters:
    """Renumber personas: new persona k is old persona ``order[..., k]``.

    Args:
        parameters: with any leading axes; persona is the first axis after them in every per-persona array.
        order: a permutation of 0..K-1, or one for every leading index, shape ``(..., K)``.

    The latents are isometric log-ratio coordinates, so they rotate; prior and likelihood do not change. Columns of
    log-likelihoods of texts belong to the personas and have to be renumbered as well.
    """
    order = np.broadcast_to(order, (*parameters.latents.shape[:-2], np.shape(order)[-1]))
    probabilities = tuple(np.take_along_axis(table, order[..., None], axis=-2) for table in parameters.probabilities)
    basis = ilr_basis(order.shape[-1])
    rotation = np.einsum("ik,...jk->...ij", basis, np.moveaxis(basis[:, order], 0, -2))
    # Logits are basisᵀζ; renumbered they are the columns of basis in that order, so ζ turns by basis[:, order] basisᵀ.
    latents = np.einsum("...li,...ji->...lj", parameters.latents, rotation)
    offset, purity = (
        None if own is None else np.take_along_axis(np.asarray(own), order, axis=-1)
        for own in (parameters.offset, parameters.purity)
    )
    return Parameters(probabilities, latents, parameters.scales, parameters.temperature, offset, purity)
