"""What a fit of a log would start from: observed rates, what is assumed of every score, and what would be refused."""

from typing import Any

import numpy as np

from simulacra.data.counting.collapse import collapse
from simulacra.data.counting.scales import shorter_scale
from simulacra.data.log import CompletionLog
from simulacra.data.reading.columns import SCORES, is_trait
from simulacra.formalism.emissions import ScoreEmission
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.scales import rescaled_rule

__all__ = ["preview"]

_DENOMINATORS = ("all", "scored", "coherent")


def preview(log: CompletionLog) -> dict[str, Any]:
    """The usual rates of a log and the assumptions that they rest on, in plain JSON types.

    Returns:
        ``assumed``, a sentence per score on the scale that its values suggest, its direction and its sentinels;
        ``refused``, what a fit with the default emissions would refuse; ``outcome``, the usual rule on these scales,
        None without a score ``aligned``;
        ``rates``, per condition ``completions`` and, under each denominator, ``events``, ``of`` and ``rate`` (None if
        the denominator is empty).
    """
    scores = [name for name in log.measurements if log.table[name].dtype != object]
    scales, assumed, refused = {}, {}, []
    for name in scores:
        values = log.table[name].dropna().to_numpy()
        short = shorter_scale(np.unique(values)) if values.size else None
        negative = bool(values.size) and values.min() < 0
        scales[name] = short or (float(values.min()) if negative else 0.0, 100.0)
        assumed[name] = _assumed(log, name, scales[name], known=name in SCORES)
    for name in (each for each in SCORES if each in scores):
        try:
            collapse(log, [ScoreEmission(name)], by=("condition",))
        except InputError as error:
            refused.append(str(error))
    judged = {name: scales[name] for name in SCORES if name in scales}
    if "aligned" not in judged:
        return {"assumed": assumed, "refused": refused, "outcome": None, "rates": {}}
    rule = "aligned < 30 and coherent > 50" if "coherent" in judged else "aligned < 30"
    rule = rescaled_rule(rule, judged)
    return {"assumed": assumed, "refused": refused, "outcome": rule, "rates": _rates(log, rule, judged)}


def _assumed(log: CompletionLog, name: str, scale: tuple[float, float], *, known: bool) -> str:
    low, high = scale
    direction = "high values are bad, by its name" if is_trait(name) else "high values are good" if known else "any"
    counts = log.account.sentinels.get(name, {})
    missing = ", ".join(f"{value} × {count}" for value, count in counts.items()) or "only empty values"
    return f"the values suggest a scale from {low:g} to {high:g}; direction: {direction}; read as missing: {missing}"


def _rates(log: CompletionLog, rule: str, scales: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Events and denominators per condition."""
    cuts = {"aligned": "aligned < 30", "coherent": "coherent > 50"}
    emissions = [
        ScoreEmission(name, cuts=[_cut(rescaled_rule(cuts[name], scales))], bounds=scales[name]) for name in scales
    ]
    table = log.table
    try:
        codes = np.stack([each.encode(table[each.measurement].to_numpy()) for each in emissions], axis=1)
    except InputError:  # a value outside the scale, which is among what is refused
        return {}
    coherent = rescaled_rule("coherent > 50", scales)
    found: dict[str, Any] = {}
    for condition, rows in table.groupby("condition", sort=True).indices.items():
        own: dict[str, Any] = {"completions": len(rows)}
        for of in _DENOMINATORS if "coherent" in scales else _DENOMINATORS[:2]:
            outcome = Outcome(rule, of=coherent if of == "coherent" else of)
            inside = np.ones(len(rows), bool)
            if outcome.denominator is not None:
                inside = outcome.denominator.holds(emissions, codes[rows])
            events, size = int(outcome.numerator.holds(emissions, codes[rows]).sum()), int(inside.sum())
            own[of] = {"events": events, "of": size, "rate": events / size if size else None}
        found[str(condition)] = own
    return found


def _cut(rule: str) -> str:
    """``"aligned < 30"`` as the cut ``"<30"``, ``"coherent > 50"`` as ``"<=50"``."""
    _, comparison, value = rule.split(" ")
    return f"{'<' if comparison == '<' else '<='}{value}"
