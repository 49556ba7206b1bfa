"""Object arrays: what text columns are held in, so that no column depends on an extension type."""

from collections.abc import Sequence

import numpy as np

__all__ = ["object_array"]


def object_array(values: Sequence[object]) -> np.ndarray:
    """The values as an object array of shape ``(N,)``; numpy never looks into them, not even into lists."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
