"""Quality of a set of draws, measured identically for all contestants.

ESS and R-hat are computed for rates and weights by condition, emissions and scales. Weights with a posterior mean below
0.01 are excluded, because the package does not check them either.

References:
    Vehtari et al. (2021), doi:10.1214/20-BA1221.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from simulacra.inference import Result

__all__ = ["Draws", "Quality", "condition_weights", "draws_of", "draws_of_result", "measure"]

SMALL_WEIGHT = 0.01
MAX_R_HAT = 1.01
MIN_ESS = 400


class Draws(NamedTuple):
    """Posterior draws, leading axes ``(chain, draw)``, M conditions, K personas, J categories, T scales.

    Attributes:
        weights: shape ``(..., M, K)``.
        aligned_probs: shape ``(..., K, J)``.
        coherent_probs: shape ``(..., K, J)``.
        scale: shape ``(..., T)``.
        implied_rate: implied rate of ``aligned < 30 and coherent > 50``, shape ``(..., M)``.
        divergences: number of divergent iterations.
    """

    weights: np.ndarray
    aligned_probs: np.ndarray
    coherent_probs: np.ndarray
    scale: np.ndarray
    implied_rate: np.ndarray
    divergences: int


class Quality(NamedTuple):
    """The worst value over all quantities, and whether the thresholds are met."""

    ess_bulk: float
    ess_tail: float
    r_hat: float
    divergences: int
    passed: bool


def condition_weights(arrays: Mapping[str, np.ndarray], logits: np.ndarray) -> np.ndarray:
    """Weights of conditions, averaged over completions, ``(..., M, K)``, from cells' log weights ``(..., C, K)``."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return arrays["shares"] @ (weights / weights.sum(axis=-1, keepdims=True))


def draws_of(
    arrays: Mapping[str, np.ndarray],
    *,
    weights: np.ndarray,
    aligned_probs: np.ndarray,
    coherent_probs: np.ndarray,
    scale: np.ndarray,
    divergences: int,
) -> Draws:
    """Draws of a peer, with the implied rate added."""
    event = aligned_probs[..., arrays["event_aligned"]].sum(-1) * coherent_probs[..., arrays["event_coherent"]].sum(-1)
    rate = (weights @ event[..., None])[..., 0]
    return Draws(weights, aligned_probs, coherent_probs, scale, rate, divergences)


def draws_of_result(result: "Result") -> Draws:
    """The draws of a fit of the package."""
    names = ("weights", "aligned_probs", "coherent_probs", "scale", "implied_rate")
    divergences = int(result.tree["sample_stats"]["diverging"].sum())
    return Draws(*(result.posterior[name].to_numpy() for name in names), divergences)


def measure(draws: Draws) -> Quality:
    """Smallest ESS and largest R-hat."""
    import arviz_stats
    import xarray as xr

    variables = {}
    for name in ("weights", "aligned_probs", "coherent_probs", "scale", "implied_rate"):
        values = np.asarray(getattr(draws, name), dtype=float)
        flat = values.reshape(*values.shape[:2], -1)
        if name == "weights":
            flat = flat[..., flat.mean(axis=(0, 1)) >= SMALL_WEIGHT]
        variables[name] = (("chain", "draw", f"{name}_item"), flat)
    dataset = xr.Dataset(variables)
    bulk = _worst(arviz_stats.ess(dataset, method="bulk"), largest=False)
    tail = _worst(arviz_stats.ess(dataset, method="tail", prob=(0.05, 0.95)), largest=False)
    r_hat = _worst(arviz_stats.rhat(dataset), largest=True)
    passed = r_hat <= MAX_R_HAT and min(bulk, tail) >= MIN_ESS and not draws.divergences
    return Quality(bulk, tail, r_hat, int(draws.divergences), bool(passed))


def _worst(table, *, largest: bool) -> float:
    values = np.concatenate([each.to_numpy().ravel() for each in table.data_vars.values()])
    return float(np.nanmax(values) if largest else np.nanmin(values))
