"""Posterior predictive check: observed scores of every condition, and scores drawn from the fitted model."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np

from simulacra.formalism.errors import InputError
from simulacra.formalism.visible import visible
from simulacra.inference import Result
from simulacra.inference.tables import chosen_probability, ends, level
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.hover import set_hover
from simulacra.report.figures.options import Names, Options
from simulacra.report.figures.style import LINE, line_height, tones
from simulacra.report.prose import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["posterior_predictive"]

_PANEL = 5.0  # height of a panel in lines, without its title
_TWO = 3.0  # width in inches from which there are two columns of panels
_LABEL = 1.2  # room for the label of a bar, in font sizes


@drawing
def posterior_predictive(
    result: Result, measurement: str | None = None, *, ci_prob: float | None = None, **options: Unpack[Options]
) -> "Figure":
    """Proportion of every category of a measurement: observed (bars) and drawn from the fitted model (intervals).

    Args:
        result: a fit.
        measurement: name of the measurement. Default: the first one of the model.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: the model does not measure it, or an unknown option.
    """
    measured = result.model.measurements
    name = measurement or measured[0]
    if name not in measured:
        expected = f"one of {', '.join(measured)}"
        raise InputError(f"The model does not measure {name!r}", expected=expected, argument="measurement")
    names, sheet = Names(options, result.conditions), Sheet(options)
    conditions = names.ordered(result.conditions)
    observed = result.tree["observed_data"][name].sel(condition=conditions)
    totals = observed.sum(f"{name}_category").to_numpy()[:, None]
    drawn = result.tree["posterior_predictive"][name].sel(condition=conditions).to_numpy() / totals
    seen = observed.to_numpy() / totals
    ci_prob = chosen_probability(ci_prob, result.ci_prob)
    lower, upper = ends(ci_prob)
    low, middle, high = np.quantile(drawn, [lower, 0.5, upper], axis=(0, 1))
    titles = [sheet.wrap(names.text(condition), 0.43) for condition in conditions]
    columns = 2 if sheet.width >= _TWO and len(conditions) > 1 else 1
    rows = -(-len(seen) // columns)
    height = _PANEL + 1.2 * max(1 + title.count("\n") for title in titles)
    grid = sheet.grid(rows * height + 5, rows, columns, sharex=True, sharey=True)
    panels = grid.ravel()[grid.size - len(seen) :]
    labels = [visible(str(label)) for label in observed[f"{name}_category"].to_numpy()]
    for axes, title, *shown in zip(panels, titles, seen, low, middle, high, strict=True):
        _draw(axes, labels, *shown)
        axes.set_title(title)
    handles = [panels[0].containers[0], panels[0].collections[0]]
    places = np.arange(seen.shape[1])
    room = (sheet.width / columns - 4 * line_height()) / (_LABEL * line_height() / LINE)  # for so many labels
    kept = places[:: -math.ceil(len(places) / room)]
    grid[0, 0].set_xticks(kept, [labels[place] for place in kept])
    for axes in grid[-1]:
        axes.tick_params(axis="x", rotation=90)
    keys = [f"{name}, observed", f"drawn from the model ({level(ci_prob)} interval)"]
    if len(seen) < grid.size:
        grid[0, 0].set_axis_off()
        grid[0, 0].legend(handles, [sheet.wrap(key, 0.35) for key in keys], loc="center", handlelength=1)
    else:
        sheet.legend(grid[0, 0], handles, keys)
    inside = float(((low <= seen) & (seen <= high)).mean())
    return sheet.finish(
        f"Posterior predictive check of {name}: {inside:.0%} of the observed proportions lie within the "
        f"{level(ci_prob)} interval of those drawn from the model.",
    )


def _draw(
    axes: "Axes", labels: Sequence[str], seen: np.ndarray, low: np.ndarray, middle: np.ndarray, high: np.ndarray
) -> None:
    """Proportions of the categories of one condition, each of shape ``(category,)``."""
    places, (ink, muted, _) = np.arange(len(seen)), tones()
    bars = axes.bar(places, seen, width=0.82, color=muted, alpha=0.5, linewidth=0)
    for bar, label, own, *drawn in zip(bars, labels, seen, low, high, strict=True):
        lower, upper = map(percent, drawn)
        set_hover(f"{label}: observed {percent(own)}, drawn from the model {lower} to {upper}", bar)
    axes.vlines(places, low, high, color=ink, linewidth=1.4)
    axes.plot(places, middle, "_", color=ink, markersize=5)
    axes.set(ylim=(0, 1), yticks=[0, 0.5, 1])
    axes.tick_params(length=0)
