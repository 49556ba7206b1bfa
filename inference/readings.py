"""Readings: the solutions that the data support, when there is more than one.

The posterior of a mixture can have several modes, which attribute the same completions to different personas. Chains do
not move between them, so every mode whose log evidence comes close to that of the best is sampled with chains of its
own. Each such *reading* is a posterior in its own right, in which personas are named by their own gates. Readings with
the same names and weights are one.

Nothing is claimed about which reading is right: the log evidence of an EM run orders the modes, but is not accurate
enough to weigh them. Instead, every estimate that depends on the personas is compared between readings. If its means
differ by more than a tolerance it is withheld, and otherwise its interval extends over those of all readings.

References:
    Stephens (2000), doi:10.1111/1467-9868.00265 (modes of mixtures); Yao, Vehtari & Gelman (2022), Stacking for
    non-mixing Bayesian computations, arXiv:2006.12335 (chains of several modes, and why their relative mass is not
    known).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.inference.sampling.initialise import Start

__all__ = ["READING", "compare_readings", "distinct_readings", "in_each_reading", "rival_modes"]

READING = "reading_"
"""How the groups of a tree that contain readings other than the first begin."""


def rival_modes(starts: Sequence[Start], *, gap: float, distance: float) -> list[Start]:
    """The best EM run of every mode other than the first whose log evidence is close to it.

    Args:
        starts: EM runs in order of decreasing log evidence.
        gap: largest difference in log evidence from the best run, in nats.
        distance: largest difference of any persona weight at which two runs count as the same mode.
    """
    modes: list[Start] = []
    for start in starts:
        close = starts[0].log_evidence - start.log_evidence < gap
        if close and all(np.abs(start.weights - mode.weights).max() > distance for mode in modes):
            modes.append(start)
    return modes[1:]


def distinct_readings(posteriors: Sequence[xr.Dataset], *, distance: float) -> list[xr.Dataset]:
    """The posteriors that differ from all earlier ones in a name, or in the mean of a weight by more than ``distance``.

    EM runs on a ridge of the posterior may end far apart, although chains that begin there reach the same distribution.
    """
    found: list[xr.Dataset] = []
    for own in posteriors:
        if all(compare_readings(own["weights"], [other["weights"]], distance)["disagree"].any() for other in found):
            found.append(own)
    return found


def in_each_reading(found: xr.Dataset) -> list[xr.Dataset]:
    """What was found for every reading, the first first: the entries along ``reading``, if there are several."""
    if "reading" not in found.dims:
        return [found]
    return [found.isel(reading=place) for place in range(found.sizes["reading"])]


def compare_readings(
    draws: xr.DataArray, others: Sequence[xr.DataArray], distance: float, quantiles: tuple[float, float] = (0.0, 1.0)
) -> pd.DataFrame:
    """The range of an estimate over readings, one row for every coordinate of its draws.

    Args:
        draws: draws in the first reading, dims ``chain, draw`` and those of the rows.
        others: draws of the same quantity in the other readings, the same dims.
        distance: largest difference of means at which readings agree.
        quantiles: the quantiles that bound an interval.

    Returns:
        ``reading_lb, reading_ub``, the smallest and largest mean; ``lower, upper``, the ends of an interval that
        contains those of all readings; and ``disagree``. Readings also disagree about a persona that they name
        differently: a mean exists in the first only.
    """
    every = [draws, *others]
    means = np.stack([own.mean(("chain", "draw")).to_numpy() for own in every])
    limits = np.stack([np.quantile(own.to_numpy(), quantiles, axis=(0, 1)) for own in every])
    renamed = np.zeros(means.shape[1:], dtype=bool)
    if "persona" in draws.dims:
        differ = np.any([own["persona"].to_numpy() != draws["persona"].to_numpy() for own in every], axis=0)
        axis = [dim for dim in draws.dims if dim not in ("chain", "draw")].index("persona")
        renamed |= np.expand_dims(differ, [i for i in range(renamed.ndim) if i != axis])
    low, high = means.min(axis=0), means.max(axis=0)
    return pd.DataFrame(
        {
            "reading_lb": np.where(renamed, np.nan, low).ravel(),
            "reading_ub": np.where(renamed, np.nan, high).ravel(),
            "lower": limits[:, 0].min(axis=0).ravel(),
            "upper": limits[:, 1].max(axis=0).ravel(),
            "disagree": (renamed | ~(high - low <= distance)).ravel(),  # also where a mean does not exist
        }
    )
