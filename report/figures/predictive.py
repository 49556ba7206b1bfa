"""Posterior predictive check: observed scores of every condition, and scores drawn from the fitted model."""

from typing import TYPE_CHECKING

import numpy as np

from simulacra.data.visible import visible
from simulacra.formalism.display import shorten
from simulacra.formalism.errors import InputError
from simulacra.inference import Result
from simulacra.inference.tables import CI_PROB, ends, level
from simulacra.report.figures.canvas import drawing, labelled, sheet
from simulacra.report.palette import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["posterior_predictive"]


@drawing
def posterior_predictive(result: Result, measurement: str | None = None, *, ci_prob: float = CI_PROB) -> "Figure":
    """Proportion of every category of a measurement: observed (bars) and drawn from the fitted model (intervals).

    Args:
        result: a fit.
        measurement: name of the measurement. Default: the first one of the model.
        ci_prob: probability of the intervals.

    Raises:
        InputError: the model does not measure it.
    """
    names = result.model.measurements
    name = measurement or names[0]
    if name not in names:
        expected = f"one of {', '.join(names)}"
        raise InputError(f"The model does not measure {name!r}", expected=expected, argument="measurement")
    observed = result.tree["observed_data"][name]
    totals = observed.sum(f"{name}_category").to_numpy()[:, None]
    drawn = result.tree["posterior_predictive"][name].to_numpy() / totals
    seen = observed.to_numpy() / totals
    lower, upper = ends(ci_prob)
    low, middle, high = np.quantile(drawn, [lower, 0.5, upper], axis=(0, 1))
    rows = (len(seen) + 1) // 2
    figure, grid = sheet(0.6 + 1.0 * rows, rows, 2, sharex=True, sharey=True)
    places = np.arange(seen.shape[1])
    for axes, index in zip(grid.ravel(), range(rows * 2), strict=True):
        if index >= len(seen):
            axes.set_visible(False)
            continue
        axes.bar(places, seen[index], width=0.82, color="#8a8a94", alpha=0.55, linewidth=0)
        axes.vlines(places, low[index], high[index], color=INK, linewidth=1.4)
        axes.plot(places, middle[index], "_", color=INK, markersize=5)
        axes.set_title(shorten(result.conditions[index], 26), fontsize=8.5)
        axes.tick_params(length=0)
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.5, 1])
    labels = [visible(str(label)) for label in observed[f"{name}_category"].to_numpy()]
    for axes in grid[-1]:
        axes.set_xticks(places, labels, rotation=90, fontsize=8)
    figure.supxlabel(f"{name}: observed (bars) and predicted (lines)", fontsize=8.5, color=MUTED)
    inside = float(((low <= seen) & (seen <= high)).mean())
    return labelled(
        figure,
        f"Posterior predictive check of {name}: {inside:.0%} of the observed proportions lie within the "
        f"{level(ci_prob)} interval of those drawn from the model.",
    )
