r"""Bounded tilts of an emission: a persona that does, in one condition, more of what one end of a scale stands for.

With θ_zj the probability that persona z is given category j of a measurement, its tilt in condition m gives

.. math:: θ_{zmj} \propto θ_{zj}\, \exp(d_{zm}\, s_j), \qquad |d_{zm}| < B,

with scores s that are equally spaced from -1 to 1 over the categories of values, in their order, and 0 for *missing*.
The odds of the last of these categories against the first change by a factor of at most exp(2B). The bound is part of
the model: without one, personas trade meanings, and neither weights nor tilts are identified. A tilt that all personas
share is what a change of mechanisms common to all characters looks like.

References:
    Cox & Barndorff-Nielsen (1994), Inference and Asymptotics (exponential tilting).
"""

import numpy as np
from scipy import special

__all__ = ["bounded", "tilt_scores", "tilted"]


def tilt_scores(categories: int) -> np.ndarray:
    """The scores s of the categories of a measurement, of which the last is *missing*; shape ``(categories,)``."""
    return np.append(np.linspace(-1.0, 1.0, categories - 1), 0.0)


def bounded(unbounded: np.ndarray, bound: float | int) -> np.ndarray:
    """Tilts d = B tanh(u / B) in (-B, B), whose derivative at zero is one, of the shape of u."""
    return np.asarray(bound * np.tanh(unbounded / bound))


def tilted(table: np.ndarray, tilts: np.ndarray) -> np.ndarray:
    """Category probabilities ``(..., K, J)``, tilted by d, shape ``(..., K)``.

    Example:
        >>> tilted(np.array([[0.5, 0.4, 0.1]]), np.array([0.5])).round(2).tolist()
        [[0.27, 0.59, 0.14]]
    """
    return np.asarray(special.softmax(np.log(table) + tilts[..., None] * tilt_scores(table.shape[-1]), axis=-1))
