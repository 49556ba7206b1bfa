"""Sampler diagnostics: trace and ranks of the slowest-mixing quantity, and energy."""

import math
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import scipy  # loads scipy.stats when it is used
import xarray as xr

from simulacra.inference import Result
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.options import Names, Options
from simulacra.report.figures.style import tones

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["energy", "rank", "rank_band", "rank_differences", "trace", "worst_quantity"]

_CHAINS = ["#6a6fb0", "#2a9d8f", "#a08a2c", "#b3566e", "#7f7f88", "#4f8fbf"]  # distinct from the colours of personas


def worst_quantity(result: Result) -> tuple[str, xr.DataArray]:
    """The rate, weight, emission or scale with the smallest effective sample size, and its draws.

    Draws have dims ``(chain, draw)``. Weights below the threshold ``small_weight`` are not considered.
    """
    found = []
    small = result.posterior["weights"].mean(("chain", "draw")) < result.settings["thresholds"]["small_weight"]
    for name, table in result.diagnostics.data_vars.items():
        size = table.sel(diagnostic=["ess_bulk", "ess_tail"]).min("diagnostic", skipna=True)
        if name == "weights":
            size = size.where(~small)
        if bool(size.notnull().any()):
            place = {str(dim): int(index) for dim, index in size.argmin(list(size.dims)).items()}
            found.append((float(size.isel(place)), str(name), place))
    _, name, place = min(found)
    draws = result.posterior[name].isel(place)
    labels = ", ".join(str(draws[dim].item()) for dim in place)
    return f"{name}[{labels}]" if labels else name, draws.reset_coords(drop=True)


@drawing
def trace(result: Result, **options: Unpack[Options]) -> "Figure":
    """Draws of the log density and of the slowest-mixing quantity by chain; chains should be indistinguishable.

    Args:
        result: a fit.
        options: ``ax`` or ``figsize`` (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: another option.
    """
    Names(options)
    sheet, (name, draws) = Sheet(options), worst_quantity(result)
    density = result.tree["sample_stats"]["lp"]
    grid = sheet.grid(19.5, 2, sharex=True)[:, 0]
    for axes, title, shown in zip(grid, ("log density", name), (density, draws), strict=True):
        for number, chain in enumerate(shown.transpose("chain", "draw").to_numpy()):
            axes.plot(chain, color=_CHAINS[number % len(_CHAINS)], linewidth=0.5, rasterized=True)
        axes.set_title(sheet.wrap(title, 0.8))
    grid[-1].set_xlabel("draw")
    check = next(check for check in result.checks if check.name == "r_hat")
    return sheet.finish(
        f"Trace of the log density and of {name}, the slowest-mixing quantity. The largest R-hat is {check.value:.3f}."
    )


@drawing
def rank(result: Result, **options: Unpack[Options]) -> "Figure":
    """Δ-ECDF of the ranks of the slowest-mixing quantity among all chains; chains that agree stay within the band.

    The draws of a chain are thinned to their effective number, because autocorrelated draws would leave a band computed
    for independent ones even if the chains agree.

    Args:
        result: a fit.
        options: ``ax`` or ``figsize`` (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: another option.

    References:
        Säilynoja, Bürkner & Vehtari (2022), doi:10.1007/s11222-022-10090-6 (the picture).
    """
    from arviz_stats.sampling_diagnostics import ess

    name, draws = worst_quantity(result)
    worth = float(ess(draws, sample_dims=["draw"]).mean())
    thinned = draws.transpose("chain", "draw").to_numpy()[:, :: max(1, math.ceil(draws.sizes["draw"] / worth))]
    lines, half_width = rank_differences(thinned), rank_band(*thinned.shape)
    Names(options)
    sheet = Sheet(options)
    axes = sheet.axes(11.5)
    axes.axhspan(-half_width, half_width, color=tones().band, linewidth=0)
    for number, line in enumerate(lines[:, :: len(lines)]):
        axes.plot(np.linspace(0, 1, len(line)), line, color=_CHAINS[number % len(_CHAINS)], linewidth=1)
    widest = np.abs(lines).max(axis=1)
    limit = 1.15 * max(half_width, widest.max())
    axes.set_title(sheet.wrap(name, 0.8))
    axes.set(xlim=(0, 1), ylim=(-limit, limit), xlabel="rank among all chains, as a fraction", ylabel="Δ-ECDF")
    out = int((widest > half_width).sum())
    return sheet.finish(
        f"Ranks of {name}: {out or 'none'} of {len(lines)} chains leave the band that contains all of them with a "
        "probability of 99% if they agree.",
    )


def rank_differences(draws: np.ndarray) -> np.ndarray:
    """Proportion of each chain's draws among the k smallest of all draws, minus its expectation, for every k.

    Args:
        draws: shape ``(chain, draw)``.

    Returns:
        Shape ``(chain, chain * draw + 1)``; zero at both ends.
    """
    chains, size = draws.shape
    ranks = scipy.stats.rankdata(draws, method="ordinal", axis=None).reshape(draws.shape).astype(int)
    mine = np.zeros((chains, draws.size + 1))
    np.put_along_axis(mine, ranks, 1 / size, axis=1)
    return mine.cumsum(axis=1) - np.linspace(0, 1, draws.size + 1)


def rank_band(chains: int, draws: int, *, probability: float = 0.99) -> float:
    r"""Half the width of the band that contains the :func:`rank_differences` of chains that agree.

    A chain minus all chains is (1 - 1/L) times the chain minus the others, so the band is that of L
    simultaneous two-sample Kolmogorov-Smirnov tests, :math:`K^{-1}(α/L) \sqrt{(L - 1) / (L N)}` with
    :math:`α = 1 -` ``probability``. It needs no simulation and is slightly conservative, as are the limiting
    distribution K and Bonferroni's α/L.

    Args:
        chains: L, two or more.
        draws: N, the number of independent draws per chain.
        probability: probability that all lines stay within the band.
    """
    return float(scipy.special.kolmogi((1 - probability) / chains) * math.sqrt((chains - 1) / (chains * draws)))


@drawing
def energy(result: Result, **options: Unpack[Options]) -> "Figure":
    """E-BFMI of every chain, marginal energy and energy transitions; if these are much narrower, tails are unexplored.

    Args:
        result: a fit.
        options: ``ax`` or ``figsize`` (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: another option.

    References:
        Betancourt (2016), arXiv:1604.00695.
    """
    from arviz_stats.sampling_diagnostics import bfmi

    Names(options)
    sheet, (ink, muted, _) = Sheet(options), tones()
    energies = result.tree["sample_stats"]["energy"].transpose("chain", "draw")
    check = next(check for check in result.checks if check.name == "e_bfmi")
    left, right = sheet.panels(11.5, [{"E-BFMI": 2, "energy": 3}]).values()
    fractions = bfmi(energies).to_numpy().ravel()
    left.plot(fractions, range(len(fractions)), "o", color=ink, markersize=5)
    left.axvline(check.threshold, color=muted, linestyle="--")
    left.set(xlabel="E-BFMI", xlim=(0, 1.1 * max(*fractions, 1)), ylabel="chain", ylim=(-0.5, len(fractions) - 0.5))
    left.set_yticks(range(len(fractions)))
    marginal = (energies - energies.mean()).to_numpy()
    transitions = np.diff(energies.to_numpy(), axis=1)
    low, high = np.quantile(marginal, [0.001, 0.999])
    shared: dict[str, Any] = {"bins": np.linspace(low, high, 40).tolist(), "density": True}
    filled = right.hist(marginal.ravel(), **shared, color=_CHAINS[0], alpha=0.45)[2]
    right.hist(transitions.ravel(), **shared, histtype="step", color=_CHAINS[1], linewidth=1.4)
    right.set(xlabel="energy", yticks=[])
    right.spines["left"].set_visible(False)
    sheet.legend(right, [filled, right.patches[-1]], ["marginal", "transition"])
    for axes in (left, right):
        axes.locator_params(axis="x", nbins=4)
    return sheet.finish(f"Energy. The smallest E-BFMI of a chain is {check.value:.2f}; threshold {check.threshold:g}.")
