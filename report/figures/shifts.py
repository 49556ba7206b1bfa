"""Forest plots: differences of rates and of persona weights from the baseline."""

from typing import TYPE_CHECKING

from simulacra.inference import Result
from simulacra.inference.tables import CI_PROB, level
from simulacra.report.figures.canvas import band, drawing, intervals, labelled, name_rows, sheet
from simulacra.report.palette import INK, persona_colors
from simulacra.report.prose import difference, interval, listed, place_of, points, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["rate_differences", "shifts"]

_SIGNS = {"increase": "▲", "decrease": "▼", "equivalent": "=", "undecided": "?", "withheld": ""}


@drawing
def rate_differences(result: Result, *, rope: float | int = 0.01, ci_prob: float = CI_PROB) -> "Figure":
    """Rate of every condition on these questions minus the baseline's; the region of practical equivalence is shaded.

    Args:
        result: a fit whose model has an outcome.
        rope: half-width of the region of practical equivalence, a probability.
        ci_prob: probability of the intervals.

    Raises:
        InputError: the model has no outcome.
    """
    table = result.contrasts(rope=rope, ci_prob=ci_prob)
    figure, grid = sheet(0.75 + 0.46 * len(table))
    axes = grid[0, 0]
    for row, record in enumerate(records(table)):
        band(axes, -row - 0.62, -row - 0.98, rope)
        intervals(axes, -row - 0.8, interval(record, "rate_difference", ci_prob=ci_prob), INK)
        if record["claim"] != "withheld":
            moved = difference(*interval(record, "rate_difference", ci_prob=ci_prob))[0]
            text = f"{moved} {_SIGNS[record['claim']]}"
            axes.text(1, -row - 0.42, text, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8.5)
    name_rows(axes, [place_of(row) for row in records(table)])
    outcome, baseline = result.model.outcome, result.model.baseline
    _finish(
        axes, rope, len(table), f"{outcome and outcome.name} rate minus {baseline}, points ({level(ci_prob)} interval)"
    )
    shown = table.dropna(subset="rate_difference")
    if shown.empty:
        return labelled(figure, "All rate differences are withheld.")
    top = max(records(shown), key=lambda row: abs(row["rate_difference"]))
    claims = listed([f"{count} {claim}" for claim, count in table["claim"].value_counts().items()])
    largest = f"{place_of(top)}, {points(top['rate_difference'])} points"
    return labelled(figure, f"Rate differences relative to {baseline}: {claims}. Largest: {largest}.")


@drawing
def shifts(result: Result, *, rope: float | int = 0.01, ci_prob: float = CI_PROB) -> "Figure":
    """Shift of every persona's weight in every condition, eq. (8), with equal-tailed intervals.

    The band has the width of the region of practical equivalence of rates and is shown for scale; claims concern rates.
    """
    table = result.shifts(ci_prob=ci_prob)
    colors = persona_colors(result.personas)
    conditions, size = result.conditions[1:], len(result.personas)
    block = 0.62 + 0.3 * size
    figure, grid = sheet(0.9 + 0.42 * block * len(conditions))
    axes = grid[0, 0]
    for index, condition in enumerate(conditions):
        top = -index * block
        band(axes, top - 0.38, top - 0.42 - 0.3 * size, rope)
        axes.text(
            0, top - 0.2, condition, transform=axes.get_yaxis_transform(), ha="left", va="center", fontsize=8.5,
            fontweight="bold",
        )  # fmt: skip
        for place, row in enumerate(records(table[table["condition"] == condition])):
            intervals(axes, top - 0.55 - 0.3 * place, interval(row, ci_prob=ci_prob), colors[row["persona"]], size=4)
    for name, color in colors.items():
        axes.plot([], [], "o-", color=color, label=name, markersize=4)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, handlelength=1.2)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _finish(
        axes, rope, block * len(conditions), f"weight minus {result.model.baseline}, points ({level(ci_prob)} interval)"
    )
    shown = table.dropna(subset="mean")
    largest = sorted(records(shown), key=lambda row: -abs(row["mean"]))[:3]
    found = [f"{row['persona']} in {row['condition']} {points(row['mean'])} points" for row in largest]
    return labelled(figure, f"Shifts of persona weights. Largest: {listed(found) or 'all withheld'}.")


def _finish(axes: "Axes", rope: float | int, rows: float | int, label: str) -> None:
    axes.set_ylim(-rows - 0.15, 0)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -2 * rope), max(high, 2 * rope))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:+g}".replace("+0", "0").replace("-", "−"))
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(label)
