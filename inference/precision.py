r"""Precision of draws: digits that sampling error makes meaningless are zero, so that files compress.

A draw has 52 binary digits in memory, and its distribution is known to two or three decimal ones. The others are noise
that no compression removes: they were nine tenths of every file. They are removed when a result is assembled, before
anything is computed from the draws, so that a result prints the same numbers when it is read from its file.

- Weights, emissions and scales keep 20 binary digits after the first (:func:`significant`): a relative error of at
  most :math:`2^{-21}`, in whatever order of magnitude. Where numbers are proportions of a whole, the largest makes up
  for the others, so that the sum remains one (:func:`proportions`).
- Latents of single cells, the bulk of all draws, are multiples of a power of two, at most 1/64 of the posterior
  standard deviation of the logit of their cell (:func:`coarse_latents`). Rounding then adds at most
  :math:`1/(12 · 64^2)`, 0.002%, to the variance of the logit. The errors are independent between cells, so that an
  average over cells is rounded less in proportion to its own standard deviation. Latents that cells share keep 16
  binary digits, because their errors do not average out.
- The logits of the rate model are rounded likewise, relative to their own standard deviations (:func:`coarse`).

References:
    Klöwer et al. (2021), Compressing atmospheric data into its real information content,
    doi:10.1038/s43588-021-00156-2 (rounding before lossless compression); Widrow, Kollár & Liu (1996), Statistical
    theory of quantization, doi:10.1109/19.492748 (a twelfth of the squared step).
"""

import numpy as np

from simulacra.formalism.weights import WeightDesign, cell_logits

__all__ = ["coarse", "coarse_latents", "proportions", "significant"]

_DIGITS, _SHARED_DIGITS = 20, 16
_PARTS = 64
"""Steps per posterior standard deviation, at least."""
_USED_DRAWS = 500
"""Draws per chain from which the standard deviations of the logits of cells are computed."""
_BLOCK = 2_000_000
"""Draws of latents that are rounded at once."""


def significant(values: np.ndarray, digits: int = _DIGITS) -> np.ndarray:
    """Values of any shape, rounded to a number of binary digits after the first; zeros, infinities and NaN are kept."""
    mantissa, exponent = np.frexp(values)  # the mantissa lies in [1/2, 1)
    return np.ldexp(np.round(mantissa * 2.0 ** (digits + 1)) / 2.0 ** (digits + 1), exponent).astype(values.dtype)


def proportions(values: np.ndarray) -> np.ndarray:
    """Proportions ``(..., K)``, rounded except for the largest, which is what the others leave of one; same shape."""
    rounded, largest = significant(values), values.argmax(axis=-1)[..., None]
    np.put_along_axis(rounded, largest, 0.0, axis=-1)
    np.put_along_axis(rounded, largest, 1 - rounded.sum(axis=-1, keepdims=True), axis=-1)
    return rounded


def coarse(values: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Draws rounded to multiples of a power of two between 1/128 and 1/64 of their standard deviations.

    Args:
        values: draws, shape ``(chain, draw, ...)``.
        sd: standard deviations, shape ``(...)``; where they are zero or not finite, draws are kept.
    """
    usable = np.isfinite(sd) & (sd > 0)
    step = 2.0 ** np.floor(np.log2(np.where(usable, sd, 1.0) / _PARTS))
    return np.where(usable, np.round(values / step) * step, values).astype(values.dtype)


def coarse_latents(latents: np.ndarray, design: WeightDesign, *, out: np.ndarray | None = None) -> np.ndarray:
    """Latents ``(chain, draw, L, K - 1)`` with the precision that the logits of their cells have.

    Args:
        latents: draws.
        design: what belongs to which cell.
        out: where to store them, as in NumPy; ``latents`` itself is possible. Default: in a new array.
    """
    shared, own = design.shared.shape[1], design.own
    cells = np.flatnonzero(own >= 0)
    rounded = latents.copy() if out is None else out
    some = latents[:, :: max(latents.shape[1] // _USED_DRAWS, 1)]
    block = max(_BLOCK // latents[..., 0, :].size, 1)
    for start in range(0, len(cells), block):
        part = cells[start : start + block]
        where = own[part]
        logits = cell_logits(design.shared[part], where, design.own_value[part], some)
        of_logit = _sd(logits) / np.abs(design.own_value[part, None])
        rounded[..., where, :] = coarse(latents[..., where, :], np.minimum(_sd(some[..., where, :]), of_logit))
    rounded[..., :shared, :] = significant(latents[..., :shared, :], _SHARED_DIGITS)  # last, since cells need them
    return rounded


def _sd(draws: np.ndarray) -> np.ndarray:
    return np.asarray(draws.std(axis=(0, 1), dtype=float))
