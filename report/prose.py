"""Numbers and findings in words: the same sentence on the terminal, on a page and in a paper."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from simulacra.inference import Check, Result

__all__ = [
    "WITHHELD",
    "checks_sentence",
    "claim_sentence",
    "fitted_sentence",
    "headline",
    "interval",
    "listed",
    "number",
    "percent",
    "points",
    "records",
    "share",
]

WITHHELD = "withheld"
"""What stands in a table in place of a number that its checks do not warrant."""

_READINGS = {
    "increase": "an increase: the interval lies above +{rope}",
    "decrease": "a decrease: the interval lies below −{rope}",
    "equivalent": "practically no difference: within ±{rope} (probability 94.5 % or more)",
    "undecided": "undecided: neither a difference nor its absence (within ±{rope}) is sure",
}


def number(mean: float, lower: float, upper: float) -> str:
    """A mean and its interval, ``0.93 (.90–.95)``; a digit more below 0.01; what is withheld says so."""
    if math.isnan(mean):
        return WITHHELD
    digits = 2 if mean >= 0.01 else 3
    lower_text, upper_text = (f"{bound:.{digits}f}".removeprefix("0") for bound in (lower, upper))
    return f"{mean:.{digits}f} ({lower_text}–{upper_text})"


def percent(rate: float) -> str:
    """A rate in per cent, ``16.3 %``; a digit more below one per cent."""
    return f"{rate * 100:.{1 if rate >= 0.01 else 2}f} %"


def share(rate: float, lower: float, upper: float) -> str:
    """A rate and its interval in per cent, ``16.3 % (14.1–18.6)``; a digit more below one per cent."""
    if math.isnan(rate):
        return WITHHELD
    digits = 1 if rate >= 0.01 else 2
    return f"{rate * 100:.{digits}f} % ({lower * 100:.{digits}f}–{upper * 100:.{digits}f})"


def points(difference: float) -> str:
    """A difference of two rates or weights in percentage points, ``+17.5`` or ``−0.2``; zero has no sign."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("-0.0", "+0.0") else text.replace("-", "−")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table by column name."""
    return table.to_dict("records")  # type: ignore[return-value]


def interval(
    row: Mapping[str, Any], mean: str = "mean", lower: str = "eti89_lb", upper: str = "eti89_ub"
) -> tuple[float, float, float]:
    """Mean and interval of a row."""
    return float(row[mean]), float(row[lower]), float(row[upper])


def listed(names: Sequence[str]) -> str:
    """``"a, b and c"``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def claim_sentence(row: Mapping[str, Any], outcome: str, baseline: str, rope: float | int) -> str:
    """What may be claimed of one condition, from its row of ``Result.contrasts``, without the condition's name."""
    if row["claim"] == WITHHELD:
        return f"nothing may be claimed ({row['status'].removeprefix('withheld: ')})."
    difference, lower, upper = (points(value) for value in interval(row, "rate_difference"))
    return (
        f"{difference} points {outcome} against {baseline} (89 % interval {lower} to {upper}), "
        f"{_READINGS[row['claim']].format(rope=f'{rope * 100:g}')}."
    )


def headline(contrasts: pd.DataFrame, outcome: str, baseline: str, rope: float | int) -> str:
    """All claims in one sentence."""
    limit = f"{rope * 100:g} percentage point{'s' * (rope != 0.01)}"
    phrases = {
        "increase": (
            f"raises the {outcome} rate by more than {limit}",
            f"raise the {outcome} rate by more than {limit}",
        ),
        "decrease": (
            f"lowers the {outcome} rate by more than {limit}",
            f"lower the {outcome} rate by more than {limit}",
        ),
        "equivalent": (f"stays within ±{limit}", f"stay within ±{limit}"),
        "undecided": ("is undecided", "are undecided"),
        WITHHELD: ("is withheld", "are withheld"),
    }
    count = contrasts["claim"].value_counts()
    parts = [f"{count[name]} {phrase[int(count[name] > 1)]}" for name, phrase in phrases.items() if name in count]
    return f"Against {baseline}: of {len(contrasts)} condition{'s' * (len(contrasts) != 1)}, {listed(parts)}."


def fitted_sentence(result: Result) -> str:
    """What was fitted: how many completions of what, measured how, as a mixture of what."""
    prepared = result.prepared
    questions, bases = len(prepared.collapsed.questions), len(set(prepared.base_question))
    nested = f" ({bases} base questions in several prompt formats)" if bases < questions else ""
    return (
        f"{len(prepared.collapsed):,} completions in {len(result.conditions)} conditions on {questions} "
        f"questions{nested}, measured by {listed(prepared.model.measurements)}, fitted as a mixture of "
        f"{len(result.personas)} personas. Baseline: {prepared.model.baseline}."
    )


def checks_sentence(checks: Sequence[Check]) -> str:
    """How many checks passed, and how closely."""
    values = {check.name: check.value for check in checks}
    passed = sum(check.passed for check in checks)
    return (
        f"{passed} of {len(checks)} passed; R-hat at most {values['r_hat']:.3f}, ESS at least "
        f"{min(values['ess_bulk'], values['ess_tail']):,.0f}, {values['divergences']:.0f} divergences"
    )
