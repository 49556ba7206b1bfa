"""Numbers and findings in words: the same sentences on the terminal and in the report."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from simulacra.data.numerals import grouped
from simulacra.formalism import Outcome
from simulacra.formalism.display import place
from simulacra.formalism.rates import unseen_share
from simulacra.formalism.shifts import claim
from simulacra.inference import Check, Result, Thresholds
from simulacra.inference.citation import decimals
from simulacra.inference.marks import is_marked
from simulacra.inference.rate_tables import rest_is_clear
from simulacra.inference.rates import in_common
from simulacra.inference.tables import CI_PROB, bounds, level, probability_of

__all__ = [
    "WITHHELD",
    "baseline_clause",
    "checks_sentence",
    "claim_sentence",
    "difference",
    "explained_clause",
    "explanations",
    "failure",
    "fitted_sentence",
    "gate_sentence",
    "headline",
    "interval",
    "listed",
    "marked_number",
    "number",
    "percent",
    "place_of",
    "points",
    "records",
    "rope_width",
    "sensitivity_sentence",
    "share",
    "unjudged_clause",
    "unjudged_sentence",
    "unrated_sentence",
    "withheld_reason",
    "withheld_sentence",
]

WITHHELD = "withheld"
"""Shown in place of a number that failed a check."""

_MOSTLY = 0.5
"""A claim is qualified if a smaller proportion than this of a condition's completions can be judged."""

_READINGS = {
    "increase": "increase, the interval lies above +{rope}",
    "decrease": "decrease, the interval lies below −{rope}",
    "equivalent": "equivalent, the interval lies within ±{rope}",
    "undecided": "undecided, the data support neither a difference nor equivalence (within ±{rope})",
}


def number(mean: float, lower: float, upper: float) -> str:
    """A mean and its interval, ``0.931 (.902–.953)``, or ``withheld``."""
    if math.isnan(mean):
        return WITHHELD
    digits = decimals(lower, upper)
    lower_text, upper_text = (f"{bound:.{digits}f}".removeprefix("0") for bound in (lower, upper))
    return f"{mean:.{digits}f} ({lower_text}–{upper_text})"


def percent(rate: float) -> str:
    """A rate in per cent, ``16.3%``, with two decimals below one per cent."""
    return f"{rate:.{1 if rate >= 0.01 else 2}%}"


def share(rate: float, lower: float, upper: float) -> str:
    """A rate and its interval in per cent, ``16.3% (14.1–18.6)``, or ``withheld``."""
    if math.isnan(rate):
        return WITHHELD
    digits = decimals(lower, upper) - 2
    return f"{rate:.{digits}%} ({lower * 100:.{digits}f}–{upper * 100:.{digits}f})"


def points(value: float, digits: int = 1) -> str:
    """A difference between rates or weights in percentage points, ``+17.5`` or ``−0.2``; zero has no sign."""
    text = f"{100 * value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def difference(mean: float, lower: float, upper: float) -> tuple[str, str, str]:
    """A difference and its interval in percentage points, ``("+2.1", "−0.4", "+4.6")``."""
    mean_text, lower_text, upper_text = (points(each, decimals(lower, upper) - 2) for each in (mean, lower, upper))
    return mean_text, lower_text, upper_text


def marked_number(text: str, status: str) -> str:
    """A number with its mark, if it has one: ``"0.779 (.735–.823), prior-driven (0.774 to 0.935)"``."""
    return f"{text}, {status}" if is_marked(status) else text


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries by column name."""
    return table.to_dict("records")  # type: ignore[return-value]


def interval(row: Mapping[str, Any], mean: str = "mean") -> tuple[float, float, float]:
    """Mean and equal-tailed interval of a row; ``"implied"`` and ``"unexplained"`` have intervals of their own."""
    own = mean in ("implied", "explained", "unexplained")
    lower, upper = (f"{mean}_lb", f"{mean}_ub") if own else bounds(probability_of(row) or CI_PROB)
    return float(row[mean]), float(row[lower]), float(row[upper])


def listed(names: Sequence[str]) -> str:
    """``"a, b and c"``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def place_of(row: Mapping[str, Any]) -> str:
    """The condition of a row of rates, claims or unexplained shares, with its contexts: ``"backdoor, trigger=on"``."""
    return place({name: row[name] for name in ("condition", *_contexts(row))})


def _contexts(row: Mapping[str, Any]) -> list[str]:
    return list(itertools.takewhile(lambda name: name not in ("scope", "unexplained"), row))[1:]


def claim_sentence(
    row: Mapping[str, Any],
    new: Mapping[str, Any],
    outcome: Outcome,
    baseline: str,
    words: str,
    rope: float | int,
    *,
    ci_prob: float,
) -> str:
    """The claims about one condition on these and for new questions, without the condition's name.

    Args:
        row: its row of ``Result.contrasts()``.
        new: its row of ``Result.contrasts(scope="new")``.
        outcome: the event.
        baseline: the condition that it is compared with.
        words: the scope of ``row`` in words.
        rope: half-width of the region of practical equivalence.
        ci_prob: probability of the intervals. Default: that of the fit.
    """
    if row["claim"] == WITHHELD:
        held = f"claim withheld ({row['status'].removeprefix('withheld: ')})."
        return held if new["claim"] == WITHHELD else f"{held} {_new_clause(new, rope, ci_prob)}"
    mean, lower, upper = difference(*interval(row, "rate_difference"))
    contexts = [name for name in _contexts(row) if name != "category"]
    same, where = " in the same context" if contexts else "", in_common(words, row)
    claimed = (
        f"{outcome.name} rate {mean} points relative to {baseline}{same} {where} ({level(ci_prob)} interval {lower} to "
        f"{upper}): {_reading(row, rope, ci_prob)}."
    )
    new_questions, unjudged = _new_clause(new, rope, ci_prob), unjudged_clause(row["judged"], outcome)
    return " ".join(filter(None, (claimed, explained_clause(row, rope), new_questions, unjudged)))


def _reading(row: Mapping[str, Any], rope: float | int, ci_prob: float) -> str:
    region, allowed = f"{rope * 100:g}", _by_interval(row, rope, ci_prob)
    if row["claim"] == "undecided" and allowed == "equivalent":
        return f"undecided, because it is not within ±{region} with the questions in the same proportions"
    if row["claim"] == "undecided" and allowed != "undecided":
        return (
            "undecided, because its sign is not certain enough, or because it depends on the proportions in which the "
            "questions were asked"
        )
    return _READINGS[row["claim"]].format(rope=region)


def _by_interval(row: Mapping[str, Any], rope: float | int, ci_prob: float) -> str:
    """What the interval alone would allow to be claimed."""
    lower, upper = (row[name] for name in bounds(ci_prob))
    return claim(lower, upper, rope=rope)


def explained_clause(row: Mapping[str, Any], rope: float | int) -> str:
    """How much of a difference the personas account for, as a sentence.

    Args:
        row: a row of ``Result.contrasts()``.
        rope: half-width of the region of practical equivalence: a smaller rest is not mentioned.
    """
    if math.isnan(row["implied"]):
        return "What the personas account for is withheld."
    share = "" if math.isnan(row["explained"]) else f" ({row['explained']:.0%})"
    mark = f", {row['implied_status']}" if is_marked(row["implied_status"]) else ""
    explained = f"Personas account for {points(row['implied'])} points{share}{mark}"
    if abs(row["unexplained"]) > rope:
        return f"{explained}; {_rest(row)} points of the difference are not explained by personas."
    return f"{explained}." if row["claim"] in ("increase", "decrease") or mark else ""


def _rest(row: Mapping[str, Any]) -> str:
    """What personas do not explain, with its interval, in percentage points."""
    return "{} ({} to {})".format(*difference(*interval(row, "unexplained")))


def baseline_clause(row: Mapping[str, Any], rope: float | int) -> str:
    """A qualification of every comparison if the personas do not account for the baseline's rate; otherwise empty.

    Args:
        row: its row of ``Result.rates()``.
        rope: half-width of the region of practical equivalence: a smaller rest is not mentioned, nor one whose interval
            contains zero.
    """
    if not rest_is_clear(row, rope):  # or it is withheld
        return ""
    return (
        f"Personas account for a rate of {marked_number(percent(row['implied']), row['implied_status'])}; {_rest(row)} "
        "points are not explained by personas. If they miss the rate of another condition by as much, the difference "
        "from it appears explained, although neither rate is."
    )


def _new_clause(row: Mapping[str, Any], rope: float | int, ci_prob: float) -> str:
    if row["claim"] == WITHHELD:
        return f"For new questions, withheld ({row['status'].removeprefix('withheld: ')})."
    mean, lower, upper = difference(*interval(row, "rate_difference"))
    said = f"For new questions of this kind {mean} ({lower} to {upper}): {row['claim']}"
    allowed = _by_interval(row, rope, ci_prob)
    if row["claim"] == "undecided" and row.get("questions") == 0:
        return f"{said}, because they have no base question in common."
    if row["claim"] == "undecided" and allowed == "equivalent":
        unseen = unseen_share(int(row["questions"]), ci_prob)
        return f"{said}, because {row['questions']} base questions may leave up to {unseen:.0%} of the kind unseen."
    if row["claim"] == "undecided" and allowed != "undecided":
        return f"{said}, because {row['questions']} base questions are too few to be certain of its sign."
    return f"{said}."


def unjudged_clause(judged: float, outcome: Outcome) -> str:
    """A qualification if most completions of a condition cannot be judged; otherwise empty.

    Args:
        judged: proportion of completions that can be judged, from a row of ``Result.rates``.
        outcome: the event.
    """
    if outcome.judged is None or judged >= _MOSTLY:
        return ""
    lack = "are incoherent or have no score" if "coherent" in outcome.event.measurements else "have no score"
    rest = "none" if judged == 0 else f"only {percent(judged)}"
    return f"{percent(1 - judged)} of its completions {lack} and cannot count as {outcome.name}; {rest} can be judged."


def headline(claims: Mapping[str, pd.DataFrame], outcome: Outcome, baseline: str, rope: float | int) -> str:
    """All claims in one sentence, in which scopes with the same claims share a clause.

    Args:
        claims: the claims in every scope, by the scope in words.
        outcome: the event.
        baseline: the condition that the others are compared with.
        rope: half-width of the region of practical equivalence.
    """
    scopes: dict[tuple[str, ...], list[str]] = {}
    for words, own in claims.items():
        scopes.setdefault(tuple(own["claim"]), []).append(words)
    contrasts = next(iter(claims.values()))
    split = len(contrasts) > contrasts["condition"].nunique()
    compared = f"{len(contrasts)} {'comparison' if split else 'condition'}{'s' * (len(contrasts) != 1)}"
    said = "; ".join(f"{_counted(own, outcome, rope)} {listed(words)}" for own, words in scopes.items())
    return f"Of {compared} {'with' if split else 'compared with'} {baseline}, {said}."


def _counted(claims: Sequence[str], outcome: Outcome, rope: float | int) -> str:
    """How many claims there are of every kind."""
    limit = rope_width(rope)
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
    count = {name: claims.count(name) for name in phrases}
    return listed([f"{count[name]} {own[int(count[name] > 1)]}" for name, own in phrases.items() if count[name]])


def unjudged_sentence(contrasts: pd.DataFrame) -> str:
    """In how many claims most completions cannot be judged; empty if in none."""
    blind = int(((contrasts["judged"] < _MOSTLY) & (contrasts["claim"] != WITHHELD)).sum())
    return f"In {blind} of these, most completions cannot be judged." if blind else ""


def rope_width(rope: float | int) -> str:
    """Half the width of the region of practical equivalence, ``"1 percentage point"``."""
    return f"{rope * 100:g} percentage point{'s' * (rope != 0.01)}"


def unrated_sentence(result: Result) -> str:
    """Why there are no rates and no claims; empty if the model has an outcome."""
    if result.model.outcome is not None:
        return ""
    why = "" if result.model.measurements else " and no judge scores from which one could be defined"
    return f"Rates and claims are not available: the model has no outcome{why}."


def explanations(
    result: Result, rope: float | int, *, examples: bool, ci_prob: float, log_given: bool = False
) -> dict[str, str]:
    """How to read each section of a report, by its name.

    Args:
        result: the fit.
        rope: half-width of the region of practical equivalence.
        examples: whether the report shows example completions.
        ci_prob: probability of its intervals.
        log_given: whether the log was given, and therefore only its texts were left out.
    """
    measured = bool(result.model.measurements)
    return {
        "claims": f"A difference is claimed if its {level(ci_prob)} interval lies outside the region of practical "
        f"equivalence, ±{rope_width(rope)}, and the probability of its sign is at least 99.5% (99% for new questions); "
        "equivalence is claimed if the interval lies within the region. Every "
        "claim follows from its own interval, so that of many comparisons some are expected to miss. Claims do not "
        "depend on the personas.",
        "rates": f"Rates are estimated from the events alone, without personas: {result.in_words('these')}, in their "
        f"logged proportions, and {result.in_words('new')}, of which the logged base questions are a sample. The "
        "implied rate is what the persona weights account for.",
        "weights": "Interpret a weight only together with the behaviour of its persona, and only for this number of "
        "personas.",
        "personas": "A persona is defined by "
        + ("its score distributions. " if measured else "the texts that its prompt makes likely. ")
        + "If it fails the gates of all its names, it is reported as unnamed and its estimates are withheld. "
        + (
            "Examples are the completions attributed to a persona with the highest probability: its clearest cases, "
            "not typical ones. They may be harmful or wrong; they are shown as text."
            if examples
            else "The texts were left out of this report, so it shows no example completions."
            if log_given
            else "The log was not given to this report, so it shows no example completions; write_report(…, log=log) "
            "includes them."
        ),
        "fit": "The unexplained share of a condition is the proportion of its completions that these personas do not "
        "account for, beyond chance; p is the proportion of logs drawn from the fitted model that deviate as much. It "
        "concerns all scores, not only the rate: a rate may equal its implied rate although the share is large."
        if measured
        else "Likelihood ratios do not define a distribution to simulate from, so there is no predictive check of "
        "texts. If references are available, the portraits show how well their personas are distinguished.",
    }


def sensitivity_sentence(driven: int, examined: int, outcome: Outcome | None) -> str:
    """How many estimates leave their interval with other archetypes, and what that means.

    Args:
        driven: their number.
        examined: the number of all estimates that depend on archetypes and are shown.
        outcome: the outcome, without which only weights were examined.
    """
    if not examined:
        return "Personas have archetypes, which are a prior. No estimate that depends on them is shown."
    kinds = "weights" if outcome is None else "weights, P(outcome | persona) and implied rates"
    meaning = (
        "For these, archetypes separate personas that the log does not: state them with this range. " if driven else ""
    )
    return (
        f"Personas have archetypes, which are a prior. With archetypes half or twice as concentrated and, for what "
        f"personas do and imply, with none, the mean of {grouped(driven)} of {grouped(examined)} {kinds} leaves its "
        f"interval. {meaning}Rates and claims do not depend on archetypes."
    )


def fitted_sentence(result: Result) -> str:
    """What was fitted: numbers of completions, conditions and questions, the measurements, and the personas."""
    questions, bases = len(result.collapsed.questions), len(set(result.prepared.base_question))
    nested = f" ({grouped(bases)} base questions in several prompt formats)" if bases < questions else ""
    return (
        f"{grouped(len(result.collapsed))} completions in {len(result.conditions)} conditions on "
        f"{grouped(questions)} questions{nested}, measured by {listed(result.model.observables)}, fitted as a "
        f"mixture of {len(result.personas)} personas. Baseline: {result.model.baseline}."
    )


def checks_sentence(checks: Sequence[Check], thresholds: Thresholds) -> str:
    """How many checks passed, with the extremes of R-hat, ESS and divergences, and thresholds that were loosened."""
    values = {check.name: check.value for check in checks}
    passed = sum(check.passed for check in checks)
    r_hat = max(value for name, value in values.items() if name.endswith("r_hat"))  # of personas and of rates
    ess = min(value for name, value in values.items() if name.endswith(("ess_bulk", "ess_tail")))
    return (
        f"{passed} of {len(checks)} passed; R-hat at most {r_hat:.3f}, ESS at least {grouped(ess)}, "
        f"{values['divergences']:.0f} divergences" + (f"; {thresholds.loosened}" if thresholds.loosened else "")
    )


def failure(check: Check) -> str:
    """The value of a failed check and the usual remedy: a sentence that follows the check's name."""
    if math.isnan(check.value):
        return f"could not be checked: {check.where}. {check.remedy}"
    return f"failed: {check.found}, threshold {check.threshold:.4g} ({check.where}). {check.remedy}"


_COUNTED = {
    "rates": "rate",
    "contrasts": "claim",
    "weights": "weight",
    "shifts": "shift",
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
        return f"Withheld: {none}; the failed quantity is not part of the tables."
    return f"Withheld: {'; '.join(filter(None, (listed(held), none)))}."


def gate_sentence(check: Check) -> str:
    """The requirement of a name gate, and the probability that it holds."""
    if math.isnan(check.value):
        return f"{check.where}, so the name cannot be verified"
    return f"{check.where}. Probability {check.value:.2f} (required: {check.threshold:.2f})"


def withheld_reason(result: Result, persona: str) -> str:
    """The reason if everything about a persona is withheld; otherwise empty."""
    emissions = result.emissions()
    table = emissions if len(emissions) else result.weights()
    status = table.loc[table["persona"] == persona, "status"]
    return str(status.iloc[0]) if status.str.startswith(WITHHELD).all() else ""
