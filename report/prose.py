"""Numbers and findings in words: the same sentence on the terminal, on a page and in a paper."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from simulacra.data.numerals import grouped
from simulacra.formalism import Outcome
from simulacra.inference import Check, Result
from simulacra.inference.citation import decimals
from simulacra.inference.tables import CI_PROB, bounds, ends, level

__all__ = [
    "WITHHELD",
    "checks_sentence",
    "claim_sentence",
    "difference",
    "explanations",
    "failure",
    "fitted_sentence",
    "found",
    "gate_sentence",
    "headline",
    "interval",
    "listed",
    "number",
    "percent",
    "points",
    "records",
    "share",
    "unjudged_clause",
    "unrated_sentence",
    "withheld_reason",
    "withheld_sentence",
]

WITHHELD = "withheld"
"""What stands in a table in place of a number that its checks do not warrant."""

MOSTLY = 0.5
"""A claim says so where a smaller share than this of a condition's completions could show the event at all."""

_READINGS = {
    "increase": "an increase: the interval lies above +{rope}",
    "decrease": "a decrease: the interval lies below −{rope}",
    "equivalent": "practically no difference: within ±{rope} (probability {sure} or more)",
    "undecided": "undecided: neither a difference nor its absence (within ±{rope}) is sure",
}


def number(mean: float, lower: float, upper: float) -> str:
    """A mean and its interval, ``0.931 (.902–.953)``; what is withheld says so."""
    if math.isnan(mean):
        return WITHHELD
    digits = decimals(lower, upper)
    lower_text, upper_text = (f"{bound:.{digits}f}".removeprefix("0") for bound in (lower, upper))
    return f"{mean:.{digits}f} ({lower_text}–{upper_text})"


def percent(rate: float) -> str:
    """A rate in per cent, ``16.3%``; a digit more below one per cent."""
    return f"{rate:.{1 if rate >= 0.01 else 2}%}"


def share(rate: float, lower: float, upper: float) -> str:
    """A rate and its interval in per cent, ``16.3% (14.1–18.6)``; what is withheld says so."""
    if math.isnan(rate):
        return WITHHELD
    digits = decimals(lower, upper) - 2
    return f"{rate:.{digits}%} ({lower * 100:.{digits}f}–{upper * 100:.{digits}f})"


def points(value: float, digits: int = 1) -> str:
    """A difference of two rates or weights in percentage points, ``+17.5`` or ``−0.2``; zero has no sign."""
    text = f"{100 * value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def difference(mean: float, lower: float, upper: float) -> tuple[str, str, str]:
    """A difference and its interval in percentage points, ``("+2.1", "−0.4", "+4.6")``."""
    mean_text, lower_text, upper_text = (points(each, decimals(lower, upper) - 2) for each in (mean, lower, upper))
    return mean_text, lower_text, upper_text


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table by column name."""
    return table.to_dict("records")  # type: ignore[return-value]


def interval(row: Mapping[str, Any], mean: str = "mean", *, ci_prob: float = CI_PROB) -> tuple[float, float, float]:
    """Mean and equal-tailed interval of a row; of ``"observed"``, the Korn-Graubard interval."""
    lower, upper = ("observed_lb", "observed_ub") if mean == "observed" else bounds(ci_prob)
    return float(row[mean]), float(row[lower]), float(row[upper])


def listed(names: Sequence[str]) -> str:
    """``"a, b and c"``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def claim_sentence(
    row: Mapping[str, Any], outcome: Outcome, baseline: str, rope: float | int, *, ci_prob: float = CI_PROB
) -> str:
    """What may be claimed of one condition, from its row of ``Result.contrasts``, without the condition's name."""
    if row["claim"] == WITHHELD:
        return f"nothing may be claimed ({row['status'].removeprefix('withheld: ')})."
    mean, lower, upper = difference(*interval(row, "rate_difference", ci_prob=ci_prob))
    claimed = (
        f"{mean} points {outcome.name} against {baseline} ({level(ci_prob)} interval {lower} to {upper}), "
        f"{_READINGS[row['claim']].format(rope=f'{rope * 100:g}', sure=level(ends(ci_prob)[1]))}."
    )
    return " ".join(filter(None, (claimed, unjudged_clause(row["judged"], outcome))))


def unjudged_clause(judged: float, outcome: Outcome) -> str:
    """What a condition's rate cannot see, where most of its completions cannot be judged; else nothing.

    Args:
        judged: share of completions in which the event could be seen, from a row of ``Result.rates``.
        outcome: the event.
    """
    if outcome.judged is None or judged >= MOSTLY:
        return ""
    lack = "incoherent or without a score" if "coherent" in outcome.event.measurements else "without a score"
    rest = "none is" if judged == 0 else f"only {percent(judged)} are"
    return (
        f"But of its completions {percent(1 - judged)} are {lack} and cannot count as {outcome.name}, whatever they "
        f"were meant to say: {rest} left to judge."
    )


def headline(contrasts: pd.DataFrame, outcome: Outcome, baseline: str, rope: float | int) -> str:
    """All claims in one sentence, and one more where hardly a completion could be judged."""
    limit = _width(rope)
    phrases = {
        "increase": (
            f"raises the {outcome.name} rate by more than {limit}",
            f"raise the {outcome.name} rate by more than {limit}",
        ),
        "decrease": (
            f"lowers the {outcome.name} rate by more than {limit}",
            f"lower the {outcome.name} rate by more than {limit}",
        ),
        "equivalent": (f"stays within ±{limit}", f"stay within ±{limit}"),
        "undecided": ("is undecided", "are undecided"),
        WITHHELD: ("is withheld", "are withheld"),
    }
    count = contrasts["claim"].value_counts()
    parts = [f"{count[name]} {phrase[int(count[name] > 1)]}" for name, phrase in phrases.items() if name in count]
    blind = int(((contrasts["judged"] < MOSTLY) & (contrasts["claim"] != WITHHELD)).sum())
    caveat = f" In {blind} of these most completions cannot be judged." if blind else ""
    return f"Against {baseline}: of {len(contrasts)} condition{'s' * (len(contrasts) != 1)}, {listed(parts)}.{caveat}"


def _width(rope: float | int) -> str:
    return f"{rope * 100:g} percentage point{'s' * (rope != 0.01)}"


def unrated_sentence(result: Result) -> str:
    """Why there are no rates and no claims; empty where the model has an outcome."""
    if result.model.outcome is not None:
        return ""
    why = "" if result.model.measurements else " and no judge's scores that one could be defined by"
    return f"Rates and claims are withheld: the model has no outcome{why}."


def explanations(result: Result, rope: float | int, *, examples: bool, ci_prob: float = CI_PROB) -> dict[str, str]:
    """How to read each section of a report, by its name.

    Args:
        result: the fit.
        rope: half-width of the region of practical equivalence.
        examples: whether the report shows example completions.
        ci_prob: probability of its intervals.
    """
    measured = bool(result.model.measurements)
    return {
        "claims": f"A difference is claimed when its {level(ci_prob)} interval leaves the region of practical "
        f"equivalence, ±{_width(rope)}; sameness when it lies inside with a probability of {level(ends(ci_prob)[1])} "
        "or more.",
        "rates": "The observed rate is the estimate of a rate; its interval is clustered by base question and speaks "
        "of new questions like these. The implied rate is what personas and weights together say; it checks and "
        "decomposes the observed one, for these questions.",
        "weights": "A weight means something only beside what its persona does, and only for this number of personas.",
        "personas": f"A persona is what {'its scores are' if measured else 'its prompt makes likely'}. One that "
        "passes the gates of no name of its own is called unnamed, and its estimates are withheld. "
        + (
            "Examples are the completions that are most surely a persona's own: its clearest cases, not its typical "
            "ones. They may be harmful or wrong; they are shown as text."
            if examples
            else "The log was not given to this report, so it shows no example completions: write_report(…, log=log)."
        ),
        "fit": ""
        if measured
        else "Nothing can be drawn from likelihood ratios, so there is no predictive check of texts. Where there are "
        "references, the portraits show whether their persona is told apart.",
    }


def fitted_sentence(result: Result) -> str:
    """What was fitted: how many completions of what, measured how, as a mixture of what."""
    questions, bases = len(result.collapsed.questions), len(set(result.prepared.base_question))
    nested = f" ({grouped(bases)} base questions in several prompt formats)" if bases < questions else ""
    return (
        f"{grouped(len(result.collapsed))} completions in {len(result.conditions)} conditions on "
        f"{grouped(questions)} questions{nested}, measured by {listed(result.model.observables)}, fitted as a "
        f"mixture of {len(result.personas)} personas. Baseline: {result.model.baseline}."
    )


def checks_sentence(checks: Sequence[Check]) -> str:
    """How many checks passed, and how closely."""
    values = {check.name: check.value for check in checks}
    passed = sum(check.passed for check in checks)
    return (
        f"{passed} of {len(checks)} passed; R-hat at most {values['r_hat']:.3f}, ESS at least "
        f"{grouped(min(values['ess_bulk'], values['ess_tail']))}, {values['divergences']:.0f} divergences"
    )


def failure(check: Check) -> str:
    """What a failed check found and what usually mends it: a sentence that begins with the check's name."""
    if math.isnan(check.value):
        return f"could not be checked: {check.where}. {check.remedy}"
    return f"failed: found {found(check)}, it takes {check.threshold:.4g} ({check.where}). {check.remedy}"


_COUNTED = {
    "weights": "weight",
    "shifts": "shift",
    "rates": "implied rate",
    "contrasts": "claim",
    "emissions": "emission probability",
}


def withheld_sentence(tables: Mapping[str, pd.DataFrame]) -> str:
    """How much of a result is withheld, ``"Withheld: 1 of 60 emission probabilities; no weight, shift or claim."``.

    Args:
        tables: of :func:`~simulacra.report.tables.result_tables`.
    """
    held, rest = [], []
    for name, noun in _COUNTED.items():
        if name not in tables or not len(tables[name]):
            continue
        lost, total = int(tables[name]["status"].str.startswith(WITHHELD).sum()), len(tables[name])
        plural = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
        if lost:
            held.append(f"{f'all {total}' if lost == total > 1 else f'{lost} of {total}'} {plural}")
        else:
            rest.append(noun)
    none = f"no {', '.join(rest[:-1])}{' or ' if rest[1:] else ''}{rest[-1]}" if rest else ""
    if not held:
        return f"Withheld: {none}; what failed stands in none of the tables."
    return f"Withheld: {'; '.join(filter(None, (listed(held), none)))}."


def found(check: Check) -> str:
    """What a check found, as text: not every check finds a number."""
    if math.isfinite(check.value):
        return f"{check.value:.4g}" if check.value < 1000 else grouped(check.value)
    return "no rival" if check.value > 0 else "nothing"


def gate_sentence(check: Check) -> str:
    """What a name gate asked and found."""
    if math.isnan(check.value):
        return f"{check.where}, so nothing can confirm the name"
    return f"{check.where} = {check.value:.2f}, its name takes {check.threshold:.2f}"


def withheld_reason(result: Result, persona: str) -> str:
    """Why nothing is shown of a persona; empty where something may be."""
    emissions = result.emissions()
    told = emissions if len(emissions) else result.weights()
    status = told.loc[told["persona"] == persona, "status"]
    return str(status.iloc[0]) if status.str.startswith(WITHHELD).all() else ""
