"""Array types, imported by all other modules.

Axis names used in annotations: ``persona`` (K), ``cell`` (C, a unique combination of condition, question and
context), ``pattern`` (P, a unique combination of measurement categories), ``category`` (J, the categories of one
measurement), ``coordinate`` (K - 1, isometric log-ratio coordinates). The first axis of any per-persona parameter is
the persona.
"""

from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from jaxtyping import UInt32 as _UInt32

__all__ = ["Array", "Bool", "Float", "Int", "Key", "namespace"]

Key = PRNGKeyArray | _UInt32[Array, "2"]
"""A JAX random key, new style (``jax.random.key``) or raw (``jax.random.PRNGKey``)."""


def namespace(array: Any) -> Any:
    """The functions for an array, ``numpy`` or ``jax.numpy``: one formula then serves draws and traced programs.

    References:
        The Python array API standard, https://data-apis.org/array-api/.
    """
    return np if isinstance(array, np.ndarray) else array.__array_namespace__()  # in a fifth of the time for NumPy
