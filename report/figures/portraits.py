"""Portraits: the behaviour of a persona, by judge scores and by log-likelihoods of texts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from scipy import special

from simulacra.formalism.arrays import Array
from simulacra.formalism.density_ratios import Texts
from simulacra.formalism.errors import InputError
from simulacra.formalism.visible import visible
from simulacra.inference import Result
from simulacra.inference.tables import bounds, chosen_probability
from simulacra.report.figures.canvas import Sheet, drawing
from simulacra.report.figures.hover import set_hover
from simulacra.report.figures.options import Names, Options
from simulacra.report.figures.style import line_height, tones
from simulacra.report.prose import interval, listed, number, records, withheld_reason

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["portrait"]

_BAR = 1.5  # width of a bar with its label, in lines of text
_NARROWEST = 4  # bars
_TEXTS = object()  # key of the panel of texts, distinct from the name of any measurement
_SURE = 12.0  # nats; larger log-odds are drawn at the edge


@drawing
def portrait(result: Result, persona: str, *, ci_prob: float | None = None, **options: Unpack[Options]) -> "Figure":
    """P(category | persona) of every measurement, with intervals, and the log-odds of texts for the persona.

    The log-odds are those of this persona against all others, for equal prior probabilities, at the posterior mean of
    the calibration. A text with log-odds above zero supports the persona. The log-odds of references, whose persona is
    known, show how well it is distinguished.

    Args:
        result: a fit.
        persona: its name.
        ci_prob: probability of the intervals. Default: that of the fit.
        options: where to draw, at which size, and how names are shown (:class:`~simulacra.report.figures.Options`).

    Raises:
        InputError: the result has no such persona, or an unknown option.
    """
    if persona not in result.personas:
        raise InputError(
            f"This result has no persona {persona!r}; it has {', '.join(result.personas)}", argument="persona"
        )
    sheet = Sheet(options)
    names = Names(options, result.personas, result.model.measurements)
    texts, color = result.prepared.texts, names.personas(result.personas)[persona]
    ci_prob = chosen_probability(ci_prob, result.ci_prob)
    emissions = result.emissions(ci_prob=ci_prob)
    own = emissions[emissions["persona"] == persona]
    sizes = {each.measurement: len(each.categories) for each in result.model.emissions}
    bars = {name: sizes[name] for name in names.ordered(sizes)}
    rows = _rows(bars, int(sheet.width / line_height() / _BAR), texts=texts is not None)
    axes = sheet.panels(10 * len(rows), rows)
    found = []
    for row in rows:
        for name in (name for name in bars if name in row):
            mine = records(own[own["measurement"] == name])
            found.append(_scores(axes[name], names.text(name), mine, color, ci_prob=ci_prob))
            axes[name].set_title(sheet.wrap(names.text(name), 0.8 * row[name] / sum(row.values())))
        for key in list(row)[1:]:
            axes[key].tick_params(labelleft=False)
    findings = [f"Most frequent: {listed(list(filter(None, found))) or 'withheld'}."] if bars else []
    if texts is not None:
        findings.append(_texts(sheet, axes[_TEXTS], result, texts, persona, color, names.text(persona)))
    return sheet.finish(f"{'Scores' if bars else 'Texts'} of persona {names.text(persona)}. {' '.join(findings)}")


def _rows(bars: Mapping[str, int], most: int, *, texts: bool) -> list[dict[object, int]]:
    """Rows of panels, each as wide as its bars; a panel with more bars than a row has thinner ones."""
    rows: list[dict[object, int]] = []
    for name, size in bars.items():
        width = min(max(size, _NARROWEST), most)
        if not rows or sum(rows[-1].values()) + width > most:
            rows.append({})
        rows[-1][name] = width
    return [*rows, *([{_TEXTS: most}] if texts else [])]


def _scores(axes: "Axes", name: str, rows: Sequence[Mapping[str, Any]], color: str, *, ci_prob: float) -> str:
    """Draw one measurement; return its most frequent category, or an empty text if it is withheld."""
    known = [(place, row) for place, row in enumerate(rows) if not np.isnan(row["mean"])]
    for place, row in known:
        bar = axes.bar(place, row["mean"], width=0.82, color=color, linewidth=0)
        set_hover(f"{name} {row['category']}: {number(*interval(row))}", *bar)
        axes.plot([place] * 2, [row[end] for end in bounds(ci_prob)], color=tones().ink, linewidth=1.1)
    if not known:
        _withhold(axes)
    axes.set_xticks(range(len(rows)), [visible(str(row["category"])) for row in rows])
    steep = len(rows) > 4
    axes.tick_params(axis="x", length=0, labelrotation=90 if steep else 45)
    for label in axes.get_xticklabels() if not steep else ():
        label.set(ha="right", rotation_mode="anchor")
    axes.set(xlim=(-0.6, len(rows) - 0.4), ylim=(0, 1), yticks=[0, 0.5, 1])
    axes.tick_params(axis="y", length=0)
    top = max((row for _, row in known), key=lambda row: row["mean"], default=None)
    return f"{name} {top['category']} with probability {top['mean']:.2f}" if top else ""


def _texts(sheet: Sheet, axes: "Axes", result: Result, texts: Texts, persona: str, color: str, shown: str) -> str:
    """Draw the log-odds of texts for the persona; return the finding."""
    ink, muted, _ = tones()
    axes.set_title("texts")
    if withheld_reason(result, persona):
        _withhold(axes)
        return "The log-odds of texts are withheld."
    index = result.personas.index(persona)
    logged, known = (
        _log_odds(result, index, values) for values in (texts.log_likelihoods, texts.reference_log_likelihoods)
    )
    scored, own = np.asarray(texts.scored) > 0, np.asarray(texts.reference_persona) == index
    groups = {
        "its references": (known[own], np.asarray(texts.reference_total)[own]),
        "others' references": (known[~own], np.asarray(texts.reference_total)[~own]),
        "logged texts": (logged[scored], np.asarray(texts.total)[scored]),
    }
    styles: tuple[dict[str, Any], ...] = (
        {"color": color, "histtype": "stepfilled"},
        {"color": muted, "histtype": "stepfilled", "alpha": 0.5},
        {"color": ink, "histtype": "step", "linewidth": 1.3},
    )
    edges = np.linspace(-_SURE, _SURE, 49).tolist()
    shares: list[str] = []
    for (name, (odds, counts)), style in zip(groups.items(), styles, strict=True):
        if counts.sum() > 0:
            axes.hist(np.clip(odds, -_SURE, _SURE), edges, weights=counts / counts.sum(), label=name, **style)
            shares.append(f"{counts[odds > 0].sum() / counts.sum():.0%} of {name}")
    axes.axvline(0, color=muted, linewidth=0.8, zorder=0)
    axes.set(xlim=(-_SURE, _SURE), yticks=[], xlabel=sheet.label(f"log-odds for {shown} (nats)"))
    axes.spines["left"].set_visible(False)
    sheet.legend(axes, *axes.get_legend_handles_labels())
    return f"Texts that support it: {listed(shares)}."


def _log_odds(result: Result, index: int, log_likelihoods: Array | np.ndarray) -> np.ndarray:
    """Log-odds of a persona against all others for equal prior probabilities; shape ``(text,)``, nats."""
    posterior = result.posterior
    logits = float(posterior["temperature"].mean()) * np.asarray(log_likelihoods)
    if "offset" in posterior:
        logits = logits + posterior["offset"].mean(("chain", "draw")).to_numpy()[None]
    return logits[:, index] - np.asarray(special.logsumexp(np.delete(logits, index, axis=1), axis=1))


def _withhold(axes: "Axes") -> None:
    axes.text(0.5, 0.5, "withheld", transform=axes.transAxes, ha="center", color=tones().muted, fontstyle="italic")
