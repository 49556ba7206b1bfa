"""Sampler diagnostics: trace and ranks of the slowest-mixing quantity, and energy."""

import math
from typing import TYPE_CHECKING

import numpy as np
import scipy  # loads scipy.stats when it is used
import xarray as xr

from simulacra.data.extras import import_extra
from simulacra.formalism.display import shorten
from simulacra.inference import Result
from simulacra.report.figures.canvas import WIDTH, drawing, figure_class, labelled, sheet
from simulacra.report.palette import BAND, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["energy", "rank", "rank_band", "rank_differences", "trace", "worst_quantity"]

_TITLE = 36  # characters of a title that fit above a panel

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
def trace(result: Result) -> "Figure":
    """Draws of the log density and of the slowest-mixing quantity by chain; chains should be indistinguishable."""
    name, draws = worst_quantity(result)
    stats = result.tree["sample_stats"]
    shown = xr.Dataset({"lp": stats["lp"].reset_coords(drop=True), "worst": draws})
    figure = _arviz("plot_trace", shown, 3.4, col_wrap=1)
    for axes, title, label in zip(figure.axes, ("log density", name), ("", "draw"), strict=True):
        _label(axes, title, label)
        for line in axes.get_lines():
            line.set(linewidth=0.5, rasterized=True)
    check = next(check for check in result.checks if check.name == "r_hat")
    return labelled(
        figure,
        f"Trace of the log density and of {name}, the slowest-mixing quantity. The largest R-hat is {check.value:.3f}.",
    )


@drawing
def rank(result: Result) -> "Figure":
    """Δ-ECDF of the ranks of the slowest-mixing quantity among all chains; chains that agree stay within the band.

    The draws of a chain are thinned to their effective number, because autocorrelated draws would leave a band computed
    for independent ones even if the chains agree.

    References:
        Säilynoja, Bürkner & Vehtari (2022), doi:10.1007/s11222-022-10090-6 (the picture).
    """
    from arviz_stats.sampling_diagnostics import ess

    name, draws = worst_quantity(result)
    worth = float(ess(draws, sample_dims=["draw"]).mean())
    thinned = draws.transpose("chain", "draw").to_numpy()[:, :: max(1, math.ceil(draws.sizes["draw"] / worth))]
    lines, half_width = rank_differences(thinned), rank_band(*thinned.shape)
    figure, grid = sheet(2.0)
    axes = grid[0, 0]
    axes.axhspan(-half_width, half_width, color=BAND, linewidth=0)
    for number, line in enumerate(lines[:, :: len(lines)]):
        axes.plot(np.linspace(0, 1, len(line)), line, color=_CHAINS[number % len(_CHAINS)], linewidth=1)
    widest = np.abs(lines).max(axis=1)
    limit = 1.15 * max(half_width, widest.max())
    _label(axes, name, "rank among all chains, as a fraction")
    axes.set(xlim=(0, 1), ylim=(-limit, limit), ylabel="Δ-ECDF")
    out = int((widest > half_width).sum())
    return labelled(
        figure,
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
def energy(result: Result) -> "Figure":
    """E-BFMI of every chain, marginal energy and energy transitions; if these are much narrower, tails are unexplored.

    References:
        Betancourt (2016), arXiv:1604.00695.
    """
    stats = result.tree["sample_stats"].to_dataset()
    points = {"bfmi_points": {"color": INK}, "ref_line": {"color": MUTED}}
    figure = _arviz("plot_energy", xr.DataTree.from_dict({"/sample_stats": stats}), 2.0, visuals=points)
    figure.set_layout_engine("constrained", wspace=0.12)
    for axes, title in zip(figure.axes, ("E-BFMI", "energy"), strict=False):
        _label(axes, title, "")
        axes.locator_params(axis="x", nbins=3)
    check = next(check for check in result.checks if check.name == "e_bfmi")
    return labelled(
        figure, f"Energy. The smallest E-BFMI of a chain is {check.value:.2f}; threshold {check.threshold:g}."
    )


def _arviz(plot: str, data: xr.Dataset | xr.DataTree, height: float, **options: object) -> "Figure":
    tree = data if isinstance(data, xr.DataTree) else xr.DataTree.from_dict({"/posterior": data})
    style = {"axes.prop_cycle": import_extra("cycler", "report").cycler(color=_CHAINS)}
    settings = {"figsize": (WIDTH, height), "layout": "constrained", "FigureClass": figure_class()}
    with import_extra("matplotlib", "report").rc_context(style):
        drawn = getattr(import_extra("arviz_plots", "report"), plot)(
            tree, backend="matplotlib", figure_kwargs=settings, **options
        )
    figure = drawn.viz["figure"].item()
    import_extra("matplotlib.pyplot", "report").close(figure)  # ArviZ draws with pyplot, which would keep it open
    return figure


def _label(axes: "Axes", title: str, label: str) -> None:
    """Title and labels in our colours; ArviZ uses black, which the report could not replace."""
    axes.set_title("")
    axes.set_title(shorten(title, _TITLE), loc="left", fontsize=9, color=INK)
    axes.set_xlabel(label, color=INK, fontsize=8.5)
    axes.set_ylabel(axes.get_ylabel().lower(), color=INK, fontsize=8.5)
