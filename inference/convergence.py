"""R-hat and effective sample sizes of draws, which are computed once for the same draws.

References:
    Vehtari et al. (2021), Rank-normalization, folding, and localization: an improved R-hat, doi:10.1214/20-BA1221.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import xarray as xr

__all__ = ["convergence"]

_known: dict[tuple, np.ndarray] = {}
_KEPT = 500  # arrays of a few kilobytes: those of several results


def convergence(posterior: xr.Dataset, variables: Sequence[str]) -> xr.Dataset:
    """R-hat, bulk ESS and tail ESS of every variable, along a new dimension ``diagnostic``."""
    found = {}
    for name in variables:
        draws = posterior[name].transpose("chain", "draw", ...)
        place = draws.isel(chain=0, draw=0, drop=True).expand_dims(diagnostic=["r_hat", "ess_bulk", "ess_tail"])
        found[name] = place.copy(data=_diagnostics_of(draws.to_numpy()))
    return xr.Dataset(found)


def _diagnostics_of(draws: np.ndarray) -> np.ndarray:
    """R-hat, bulk ESS and tail ESS of draws of shape ``(chain, draw, ...)``, shape ``(3, ...)``.

    One estimate takes up to a millisecond, and checks, tables and reports ask for the same ones again: the last
    that were computed are kept in memory, under the hash of the draws. (``functools.lru_cache`` would keep the draws.)
    """
    from arviz_stats.sampling_diagnostics import ess, rhat

    key = (draws.shape, draws.dtype.str, hashlib.sha256(np.ascontiguousarray(draws).data).digest())
    if key in _known:
        return _known[key].copy()
    with np.errstate(invalid="ignore"):  # constant draws have no R-hat
        found = np.stack([rhat(draws), ess(draws, method="bulk"), ess(draws, method="tail", prob=(0.05, 0.95))])
    found[:, ~np.isfinite(draws).all(axis=(0, 1))] = np.array([np.inf, 0.0, 0.0])[:, None]  # useless
    if len(_known) >= _KEPT:
        _known.pop(next(iter(_known)), None)
    _known[key] = found
    return found.copy()
