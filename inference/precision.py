r"""Precision of draws: digits that sampling error makes meaningless are zero, so that files compress.

A draw has 52 binary digits in memory, and its distribution is known to two or three decimal ones. The others are noise
that no compression removes: they were nine tenths of every file. They are removed before anything is computed from the
draws, so that a result prints the same numbers when it is read from its file.

- Weights, emissions and scales keep 20 binary digits after the first (:func:`significant`): a relative error of at
  most :math:`2^{-21}`, in whatever order of magnitude. Where numbers are proportions of a whole, the largest makes up
  for the others, so that the sum remains one (:func:`proportions`).
- Latents of single cells, the bulk of all draws, are multiples of a power of two, at most 1/64 of the standard
  deviation of the logit of their cell (:func:`latent_steps`). Rounding then adds at most :math:`1/(12 · 64^2)`,
  0.002%, to the variance of the logit. The errors are independent between cells, so that an average over cells is
  rounded less in proportion to its own standard deviation. Latents that cells share keep 16 binary digits, because
  their errors do not average out. The standard deviation is that of the end of the warm-up, so that draws are rounded
  one block after the other, and memory holds them once.
- The logits of the rate model are rounded likewise, relative to their own standard deviations (:func:`coarse`).

References:
    Klöwer et al. (2021), Compressing atmospheric data into its real information content,
    doi:10.1038/s43588-021-00156-2 (rounding before lossless compression); Widrow, Kollár & Liu (1996), Statistical
    theory of quantization, doi:10.1109/19.492748 (a twelfth of the squared step).
"""

import numpy as np

from simulacra.formalism.weights import WeightDesign, cell_logits

__all__ = ["coarse", "coarse_latents", "latent_steps", "proportions", "significant", "steps"]

_DIGITS, _SHARED_DIGITS = 20, 16
_PARTS = 64
"""Steps per posterior standard deviation, at least."""
_USED_DRAWS = 100
"""Draws per chain, about, from which the standard deviations of the logits of cells are computed."""
_BLOCK = 2_000_000
"""Draws of latents whose standard deviations are computed at once."""


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


def steps(sd: np.ndarray) -> np.ndarray:
    """Powers of two between 1/128 and 1/64 of positive finite numbers, any shape; zero where they are not."""
    usable = np.isfinite(sd) & (sd > 0)
    return np.where(usable, 2.0 ** np.floor(np.log2(np.where(usable, sd, 1.0) / _PARTS)), 0.0)


def coarse(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Draws ``(..., *S)``, rounded to multiples of steps of shape ``S``; where a step is zero, draws are kept."""
    return np.where(step > 0, np.round(values / np.where(step > 0, step, 1.0)) * step, values).astype(values.dtype)


def latent_steps(latents: np.ndarray, design: WeightDesign) -> np.ndarray:
    """Steps for latents of single cells, from draws ``(chain, draw, L, K - 1)``; shape ``(L, K - 1)``, else zero."""
    own = design.own
    cells, found = np.flatnonzero(own >= 0), np.zeros(latents.shape[2:])
    some = latents[:, :: max(latents.shape[1] // _USED_DRAWS, 1)]
    block = max(_BLOCK // some[..., 0, :].size, 1)
    for start in range(0, len(cells), block):
        part = cells[start : start + block]
        logits = cell_logits(design.shared[part], own[part], design.own_value[part], some)
        of_logit = _sd(logits) / np.abs(design.own_value[part, None])
        found[own[part]] = steps(np.minimum(_sd(some[..., own[part], :]), of_logit))
    return found


def coarse_latents(latents: np.ndarray, step: np.ndarray, design: WeightDesign) -> np.ndarray:
    """Latents ``(..., L, K - 1)`` as multiples of their steps; those that cells share keep 16 binary digits."""
    shared = design.shared.shape[1]
    rounded = coarse(latents, step)
    rounded[..., :shared, :] = significant(latents[..., :shared, :], _SHARED_DIGITS)
    return rounded


def _sd(draws: np.ndarray) -> np.ndarray:
    return np.asarray(draws.std(axis=(0, 1), dtype=float))
