"""The scorecard of model organisms as a table, shaded by rank."""

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from simulacra.analysis import METRICS, Scorecard
from simulacra.inference.citation import decimals
from simulacra.inference.tables import CI_PROB, bounds, level, probability_of
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.cells import cell_table
from simulacra.report.figures.options import Names, Options
from simulacra.report.prose import listed, records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["scorecard"]

_FEW = 5  # organisms; with more, cells have no room for intervals


@drawing
def scorecard(card: Scorecard, *, ci_prob: float | None = None, **options: Unpack[Options]) -> "Figure":
    """Every quantity of every organism, shaded by its rank among the organisms: the better, the darker.

    With up to five organisms, the second line of a cell is the interval. Withheld quantities are dashes.

    Args:
        card: what :func:`simulacra.analysis.scorecard` returns.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`);
            names are those of organisms and quantities.

    Raises:
        InputError: an unknown option, or a probability outside (0, 1).
    """
    table, sheet = card.table(ci_prob=ci_prob), Sheet(options)
    ci_prob = probability_of(table) or CI_PROB
    names = Names(options, table["organism"], table["metric"])
    organisms, metrics = (names.ordered(dict.fromkeys(table[kind])) for kind in ("organism", "metric"))
    cells = {(row["metric"], row["organism"]): row for row in records(table)}
    number = table["organism"].nunique()
    rows = [[cells[metric, organism] for organism in organisms] for metric in metrics]
    shades = np.array([[(number - row["rank"]) / (number - 1) for row in own] for own in rows])
    texts = np.array([[_text(row, ci_prob, few=len(organisms) <= _FEW) for row in own] for own in rows], dtype=object)
    heads = [names.text(name) + ("" if METRICS[name] else " (less is better)") for name in metrics]
    height = 2.3 if len(organisms) <= _FEW else 1.15
    axes = cell_table(sheet, heads, [names.text(name) for name in organisms], shades, texts, height=height)
    label = f"mean and {level(ci_prob)} interval; " if len(organisms) <= _FEW else ""
    axes.set_xlabel(sheet.label(f"{label}the darker, the better the rank"))
    best = [max(own, key=lambda row: -1 if np.isnan(row["p_best"]) else row["p_best"]) for own in rows]
    found = [
        f"{names.text(row['organism'])} in {names.text(row['metric'])}" for row in best if not np.isnan(row["p_best"])
    ]
    return sheet.finish(f"Scorecard. Most probably the best: {listed(found) or 'all withheld'}.")


def _text(row: dict[str, Any], ci_prob: float, *, few: bool) -> str:
    mean, *ends = (row[name] for name in ("mean", *bounds(ci_prob)))
    if np.isnan(mean):
        return "–"
    digits = min(2, decimals(*ends)) if max(map(abs, ends)) < 10 else 1
    value, low, high = (f"{number:.{digits}f}".replace("-", "−") for number in (mean, *ends))
    return value + f"\n{low} {'to' if '−' in low else '–'} {high}".replace(" – ", "–") * few
