r"""Selection and conduct, eq. (9): why the rate of an outcome differs between two conditions.

A rate is a mean over personas, r = Σ_z w_z μ_z, with weights w and μ_z = P(outcome | z). Its change between two
conditions is, exactly,

.. math:: r_m - r_0 = \sum_z (w_{zm} - w_{z0})\, \bar\mu_z + \sum_z \bar w_z\, (\mu_{zm} - \mu_{z0}),

where bars are means of the two conditions. The first sum is *selection*: the weights moved. The second is *conduct*: a
persona acts differently. With means of both conditions, unlike with the values of one, neither sum depends on which
condition comes first, and there is no interaction left over.

References:
    Kitagawa (1955), Components of a difference between two rates, doi:10.1080/01621459.1955.10501299; Oaxaca (1973),
    doi:10.2307/2525981; Blinder (1973), doi:10.2307/144855.
"""

import numpy as np

__all__ = ["split_change"]


def split_change(
    weights: np.ndarray, outcomes: np.ndarray, base_weights: np.ndarray, base_outcomes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Selection and conduct of every persona; both together sum over personas to the change of the rate, eq. (9).

    Args:
        weights: persona weights of a condition, shape ``(..., K)``.
        outcomes: μ_z = P(outcome | z) in that condition, shape ``(..., K)``.
        base_weights: weights in the condition it is compared with, shape ``(..., K)``.
        base_outcomes: μ_z there, shape ``(..., K)``.

    Returns:
        The part of every persona in selection and in conduct, differences of probabilities, shape ``(..., K)``.

    Example:
        >>> acts = np.array([0.0, 1.0])
        >>> selection, conduct = split_change(np.array([0.4, 0.6]), acts, np.array([0.9, 0.1]), acts)
        >>> float(selection.sum()), float(conduct.sum())
        (0.5, 0.0)
    """
    selection = (weights - base_weights) * (outcomes + base_outcomes) / 2
    conduct = (weights + base_weights) / 2 * (outcomes - base_outcomes)
    return selection, conduct
