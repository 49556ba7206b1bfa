"""Label switching: detection and correction of draws in which personas exchanged their labels.

Labels are exchanged by :func:`~simulacra.formalism.parameters.permute` only. Relabelling cannot correct a run that
merged two personas; the EM starts and the name gates address this.

References:
    Stephens (2000), Dealing with label switching in mixture models, doi:10.1111/1467-9868.00265;
    Papastamoulis & Iliopoulos (2010), doi:10.1198/jcgs.2010.09008 (assignment to a reference).
"""

import functools

import jax
import numpy as np
from scipy.optimize import linear_sum_assignment

from simulacra.formalism.parameters import Parameters, permute

__all__ = ["relabel"]


def relabel(parameters: Parameters, reference: tuple[np.ndarray, ...]) -> tuple[Parameters, np.ndarray]:
    """Permute the labels of every draw so that its emissions are closest to a reference.

    Args:
        parameters: draws, leading axes ``(chain, draw)``.
        reference: emission probabilities in the order of the names, shapes ``(K, J)``.

    Returns:
        The relabelled draws, and the number of changed draws in every chain, shape ``(chain,)``.
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
    if not changed.any():
        return parameters, changed.sum(axis=-1)
    corrected = permute(jax.tree.map(lambda values: values[changed], parameters), order[changed])
    return jax.tree.map(functools.partial(_replaced, changed), parameters, corrected), changed.sum(axis=-1)


def _replaced(where: np.ndarray, values: np.ndarray, new: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[where] = new
    return values
