"""Label switching: personas that traded places between draws, found and put back.

One permutation function, :func:`permute`, is the only place where labels are exchanged. Matching labels afterwards
cannot repair a run that merged two personas; that is what the starts and the name gates are for.

References:
    Stephens (2000), Dealing with label switching in mixture models, doi:10.1111/1467-9868.00265;
    Papastamoulis & Iliopoulos (2010), doi:10.1198/jcgs.2010.09008 (assignment to a reference).
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from simulacra.formalism.simplex import ilr_basis
from simulacra.inference.sampling.problem import Parameters

__all__ = ["permute", "relabel"]


def permute(parameters: Parameters, order: np.ndarray) -> Parameters:
    """Renumber personas: new persona k is old persona ``order[..., k]``.

    Args:
        parameters: with any leading axes; persona is the first axis after them in every per-persona array.
        order: a permutation of 0..K-1, or one for every leading index, shape ``(..., K)``.

    The latents are isometric log-ratio coordinates, so they rotate; prior and likelihood do not change. Where texts
    have log-likelihoods, their columns belong to the personas and have to be renumbered alike.
    """
    order = np.broadcast_to(order, (*parameters.latents.shape[:-2], np.shape(order)[-1]))
    probabilities = tuple(np.take_along_axis(table, order[..., None], axis=-2) for table in parameters.probabilities)
    basis = ilr_basis(order.shape[-1])
    rotation = np.einsum("ik,...jk->...ij", basis, np.moveaxis(basis[:, order], 0, -2))
    # Logits are basisᵀζ; renumbered they are the columns of basis in that order, so ζ turns by basis[:, order] basisᵀ.
    latents = np.einsum("...li,...ji->...lj", parameters.latents, rotation)
    offset = None if parameters.offset is None else np.take_along_axis(np.asarray(parameters.offset), order, axis=-1)
    return Parameters(probabilities, latents, parameters.scales, parameters.temperature, offset)


def relabel(parameters: Parameters, reference: tuple[np.ndarray, ...]) -> tuple[Parameters, np.ndarray]:
    """Give every draw the labels that bring its emissions nearest to a reference.

    Args:
        parameters: draws, leading axes ``(chain, draw)``.
        reference: emission probabilities that carry the names, shapes ``(K, J)``.

    Returns:
        The relabelled draws and how many draws of every chain were changed, shape ``(chain,)``.
    """
    costs = [
        ((table[..., :, None, :] - target) ** 2).sum(axis=-1)
        for table, target in zip(parameters.probabilities, reference, strict=True)
    ]
    cost = np.sum(costs, axis=0)
    size = cost.shape[-1]
    identity = np.arange(size)
    switched = (cost.argmin(axis=-2) != identity).any(axis=-1)
    order = np.broadcast_to(identity, (*cost.shape[:-2], size)).copy()
    for index in np.argwhere(switched):
        rows, columns = linear_sum_assignment(cost[tuple(index)])
        order[tuple(index)][columns] = rows
    changed = (order != identity).any(axis=-1)
    return (permute(parameters, order) if changed.any() else parameters), changed.sum(axis=-1)
