"""Paths of rates and weights over an ordered covariate, such as the steps of a training run."""

import itertools
from typing import TYPE_CHECKING, Unpack

import numpy as np

from simulacra.analysis.paths import SCALES, TrainingPath
from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference.tables import CI_PROB, ends, level, probability_of
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.numbered import per_cent
from simulacra.report.figures.options import Names, Options
from simulacra.report.figures.style import tones
from simulacra.report.prose import listed, percent, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["training_paths"]

_MARKERS = "osD^v"


@drawing
def training_paths(
    path: TrainingPath, *others: TrainingPath, ci_prob: float | None = None, **options: Unpack[Options]
) -> "Figure":
    """Paths over one covariate: median and interval of every path, and the estimates of single checkpoints.

    Args:
        path: what :func:`~simulacra.analysis.training_path` returned.
        others: further paths over the same covariate and scale, such as the weights of personas next to a rate.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`);
            names are those of the paths, such as ``"rate"`` and ``"weight of villain"``.

    Raises:
        InputError: paths over different covariates or scales, an unknown option, or a probability outside (0, 1).
    """
    paths = (path, *others)
    for own in paths:
        expect_type(own, TrainingPath, "path", "training_paths", expected="a path, as training_path returns")
        if (own.covariate, own.scale) != (path.covariate, path.scale):
            raise InputError(
                f"training_paths: paths over {path.covariate} ({path.scale}) and {own.covariate} ({own.scale})",
                expected="one covariate and one scale",
                argument="others",
            )
    sheet = Sheet(options)
    named = {_name(own): own for own in paths}
    names = Names(options, named)
    personas = names.personas([own.persona for own in paths if own.persona is not None])
    ci_prob = probability_of(path.table(ci_prob=ci_prob)) or CI_PROB
    axes, ink = sheet.axes(14 + len(paths)), tones().ink
    found = []
    for name, marker in zip(names.ordered(named), itertools.cycle(_MARKERS), strict=False):
        own = named[name]
        usual = ink if own.persona is None else personas[own.persona]
        label = f"{names.text(name)} ({'random walk' if own.shape == 'walk' else 'monotone'})"
        found.append(_draw(axes, own, label, names.color(name, default=usual), marker, ci_prob))
    marks = np.unique(np.concatenate([own.draws[path.covariate].to_numpy() for own in paths]))
    axes.set_xticks(SCALES[path.scale][0](marks), [f"{mark:g}" for mark in marks])
    axes.set_ylim(-0.02, 1.02)
    per_cent(axes.yaxis)
    axes.set_xlabel(sheet.label(f"{path.covariate} (bands and lines: {level(ci_prob)} intervals)"))
    sheet.legend(axes, *axes.get_legend_handles_labels(), handlelength=1.6)
    return sheet.finish(f"Change over {path.covariate}: {listed(found)}.")


def _name(path: TrainingPath) -> str:
    return path.alone.compared.of.removesuffix("s") if path.persona is None else f"weight of {path.persona}"


def _draw(axes: "Axes", path: TrainingPath, name: str, color: str, marker: str, ci_prob: float) -> str:
    """Draw one path; what it shows, in words."""
    table, place = path.table(ci_prob=ci_prob), SCALES[path.scale][0]
    withheld = bool(table["status"].str.startswith("withheld").any())
    if not withheld:
        at, (low, high) = place(path.dense[path.covariate].to_numpy()), ends(ci_prob)
        below, middle, above = np.quantile(path.dense.to_numpy(), [low, 0.5, high], axis=0)
        axes.fill_between(at, below, above, color=color, alpha=0.18, linewidth=0)
        axes.plot(at, middle, color=color, linewidth=1.2)
    for row in records(table.dropna(subset="alone")):
        axes.plot([place(row[path.covariate])] * 2, [row["alone_lb"], row["alone_ub"]], color=color, linewidth=2)
        axes.plot(place(row[path.covariate]), row["alone"], marker, color=color, markersize=4.5)
    axes.plot([], [], f"{marker}-", color=color, markersize=4.5, label=f"{name}{' (withheld)' * withheld}")
    if withheld:
        return f"the {name} is withheld"
    first, last = (row["mean"] for row in (records(table)[0], records(table)[-1]))
    return f"the {name} goes from {percent(first)} to {percent(last)}"
