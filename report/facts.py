"""The content of a report as texts, before it is rendered as HTML or Markdown."""

import contextlib
import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from simulacra.data import CompletionLog
from simulacra.data.numerals import grouped
from simulacra.formalism import Outcome, Persona
from simulacra.inference import Check, Result
from simulacra.inference.citation import WithheldError
from simulacra.inference.marks import PRIOR_DRIVEN, range_of_mark
from simulacra.inference.tables import chosen_probability, chosen_rope, level
from simulacra.report.browser import Browser, make_browser
from simulacra.report.examples import Example, choose_examples
from simulacra.report.palette import persona_colors
from simulacra.report.prose import (
    WITHHELD,
    baseline_clause,
    checks_sentence,
    claim_sentence,
    difference,
    explanations,
    fitted_sentence,
    headline,
    interval,
    marked_number,
    number,
    percent,
    place_of,
    records,
    sensitivity_sentence,
    share,
    unjudged_clause,
    unjudged_sentence,
    unrated_sentence,
    withheld_reason,
    withheld_sentence,
)
from simulacra.report.tables import SCOPES, result_tables

__all__ = ["Claim", "Facts", "Portrait", "make_facts"]


@dataclasses.dataclass(frozen=True)
class Claim:
    """The claim about one condition.

    Attributes:
        condition: its name, with its contexts.
        claim: ``increase``, ``decrease``, ``equivalent``, ``undecided``, ``withheld`` or ``baseline``; on these
            questions.
        sentence: the claims as sentences.
        events: events / total in the log.
        rate: rate on these questions and its interval.
        new: rate for new questions and its interval.
        implied: implied rate and interval.
    """

    condition: str
    claim: str
    sentence: str
    events: str
    rate: str
    new: str
    implied: str


@dataclasses.dataclass(frozen=True)
class Portrait:
    """One persona.

    Attributes:
        name: the name after the name gates were applied.
        description: its expected behaviour.
        color: its colour in every figure.
        acts: P(outcome | persona) with interval; None if the model has no outcome.
        gates: its name gates, passed or failed.
        withheld: the reason if its estimates are withheld; otherwise empty.
        examples: completions attributed to it with the highest probability; None without the log.
    """

    name: str
    description: str
    color: str
    acts: str | None
    gates: tuple[Check, ...]
    withheld: str
    examples: tuple[Example, ...] | None


@dataclasses.dataclass(frozen=True)
class Facts:
    """The content of a report.

    Attributes:
        ok: whether every check passed.
        fitted: what was fitted, in a sentence.
        outcome: the event whose rates are reported; None if the model has none.
        baseline: the condition that all others are compared with.
        unrated: why there are no rates and no claims; empty with an outcome.
        headline: all claims in a sentence; empty without an outcome.
        checked: how many checks passed, with the extremes of the diagnostics.
        failed: the checks that failed.
        withheld: how many results are withheld.
        verdict: ``good``, every check passed; ``bad``, a weight, shift, rate or claim is withheld; ``fair``, none is.
        explained: how to read each section, by its name.
        notes: adjustments made by the fit.
        claims: one per condition, the baseline first.
        personas: one portrait per persona.
        weights: columns condition, persona, weight, shift, R-hat, ESS, status; texts.
        unexplained: columns condition, unexplained share, p, most missed; texts. Empty without measurements.
        checks: columns check, result, value, threshold, where; texts.
        prior_driven: what depends on the archetypes: columns estimate, value, other archetypes; texts.
        sensitivity: how many estimates depend on them, in a sentence; empty without measurements.
        data: rows and columns read, excluded and duplicated; label and lines.
        provenance: versions, seed, hashes, model; label and text.
        browser: the completions, to be filtered and sorted; None without the log, and if they are not packed.
        citations: citable keys with their citations, one of each kind.
        measurements: names of the measurements.
        level: probability of all intervals, for display.
    """

    ok: bool
    fitted: str
    outcome: Outcome | None
    baseline: str
    unrated: str
    headline: str
    checked: str
    failed: tuple[Check, ...]
    withheld: str
    verdict: str
    explained: Mapping[str, str]
    notes: tuple[str, ...]
    claims: tuple[Claim, ...]
    personas: tuple[Portrait, ...]
    weights: pd.DataFrame
    unexplained: pd.DataFrame
    checks: pd.DataFrame
    prior_driven: pd.DataFrame
    sensitivity: str
    data: Mapping[str, tuple[str, ...]]
    provenance: Mapping[str, str]
    browser: Browser | None
    citations: tuple[str, ...]
    measurements: tuple[str, ...]
    level: str


def make_facts(
    result: Result,
    *,
    log: CompletionLog | None = None,
    attributed: pd.DataFrame | None = None,
    browsed: bool = True,
    rope: float | int | None = None,
    ci_prob: float | None = None,
) -> Facts:
    """The content of the report of a result; with the log, also its completions.

    Args:
        result: the fit.
        log: the log that was fitted.
        attributed: its completions with responsibilities, with or without their texts
            (:meth:`~simulacra.inference.Result.attributions`). Default: with texts.
        browsed: whether all completions are packed for the table in the page, and not only those shown as examples.
        rope: half-width of the region of practical equivalence of rate differences, a probability. Default: that
            of the fit.
        ci_prob: probability of all intervals. Default: that of the fit.

    Raises:
        InputError: the log is not the one that was fitted.
    """
    ci_prob, rope = chosen_probability(ci_prob, result.ci_prob), chosen_rope(rope, result.rope)
    outcome, baseline = result.model.outcome, result.model.baseline
    if log is not None and attributed is None:
        attributed = result.attributions(log)
    texts = attributed is not None and "completion" in attributed
    tables = result_tables(result, rope=rope, ci_prob=ci_prob)
    driven, examined = _prior_driven(tables, outcome)
    claimed = () if outcome is None else tuple(_claims(result, tables, outcome, rope, ci_prob))
    missed = any(
        table["status"].str.startswith(WITHHELD).any()
        for name, table in tables.items()
        if name not in ("emissions", "unexplained")
    )
    return Facts(
        ok=result.ok,
        fitted=fitted_sentence(result),
        outcome=outcome,
        baseline=baseline,
        unrated=unrated_sentence(result),
        headline="" if outcome is None else _headline(result, tables["contrasts"], outcome, rope),
        checked=checks_sentence(result.checks, result.thresholds),
        failed=result.failed,
        withheld=withheld_sentence(tables),
        verdict="good" if result.ok else "bad" if missed else "fair",
        explained=explanations(result, rope, examples=texts, log_given=log is not None, ci_prob=ci_prob),
        notes=result.notes,
        claims=claimed,
        personas=tuple(_portraits(result, log, attributed if texts else None, ci_prob)),
        weights=_weights(tables),
        unexplained=_unexplained(tables),
        checks=_checks(result.checks),
        prior_driven=driven,
        sensitivity=sensitivity_sentence(len(driven), examined, outcome) if result.model.measurements else "",
        data=_data(result, log),
        provenance=_provenance(result, log),
        browser=None if log is None or attributed is None or not browsed else make_browser(result, log, attributed),
        citations=tuple(_citations(result, ci_prob)),
        measurements=result.model.measurements,
        level=level(ci_prob),
    )


def _headline(result: Result, contrasts: pd.DataFrame, outcome: Outcome, rope: float | int) -> str:
    """All claims on these questions, and on new ones."""
    by_scope = {scope: contrasts[contrasts["scope"] == scope] for scope in SCOPES}
    said = headline(
        {result.in_words(scope): own for scope, own in by_scope.items()}, outcome, result.model.baseline, rope
    )
    return " ".join(filter(None, (said, unjudged_sentence(by_scope["these"]))))


def _claims(
    result: Result, tables: Mapping[str, pd.DataFrame], outcome: Outcome, rope: float | int, ci_prob: float
) -> list[Claim]:
    baseline, words = result.model.baseline, result.in_words("these")
    rates = {(row["scope"], place_of(row)): row for row in records(tables["rates"])}
    contrasts = {(row["scope"], place_of(row)): row for row in records(tables["contrasts"])}
    claims = []
    for (scope, place), row in rates.items():
        if scope != "these":
            continue
        own, new = contrasts.get((scope, place)), contrasts.get(("new", place))
        if own and new:
            sentence = claim_sentence(own, new, outcome, baseline, words, rope, ci_prob=ci_prob)
        else:
            within = "" if place == row["condition"] else " in this context"
            clauses = baseline_clause(row, rope), unjudged_clause(row["judged"], outcome)
            sentence = " ".join(filter(None, (f"baseline of all comparisons{within}.", *clauses)))
        claims.append(
            Claim(
                condition=place,
                claim=own["claim"] if own else "baseline",
                sentence=sentence,
                events=f"{grouped(row['events'])} / {grouped(row['total'])}",
                rate=share(*interval(row, "rate")),
                new=share(*interval(rates["new", place], "rate")),
                implied=marked_number(share(*interval(row, "implied")), row["implied_status"]),
            )
        )
    return claims


def _portraits(
    result: Result, log: CompletionLog | None, attributed: pd.DataFrame | None, ci_prob: float
) -> list[Portrait]:
    examples = None if log is None or attributed is None else choose_examples(result, log, attributed)
    colors = persona_colors(result.personas)
    known = records(result.outcome_given_persona(ci_prob=ci_prob)) if result.model.outcome is not None else []
    acts = {row["persona"]: row for row in known}
    portraits = []
    for name, persona in zip(result.personas, result.model.personas, strict=True):
        withheld = withheld_reason(result, name)
        gates = tuple(c for c in result.checks if c.name.startswith("name: ") and c.persona in (name, persona.name))
        portraits.append(
            Portrait(
                name=name,
                description=_described(persona, name, gates),
                color=colors[name],
                acts=marked_number(number(*interval(acts[name])), acts[name]["status"]) if name in acts else None,
                gates=gates,
                withheld=withheld,
                examples=None if examples is None else examples[name] if not withheld else (),
            )
        )
    return portraits


def _described(persona: Persona, name: str, gates: Sequence[Check]) -> str:
    if name == persona.name:
        return persona.description
    if any(math.isnan(gate.value) for gate in gates):
        return f"{persona.description} (Intended as {persona.name!r}, a name that the measurements cannot verify.)"
    if persona.otherwise is not None and name == persona.otherwise.name:
        return f"{persona.otherwise.description} (Intended as {persona.name!r}; its scores match this name instead.)"
    return f"Intended as {persona.name!r}, but failed the gates of that name; interpret it by its scores."


def _weights(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    shifts = {(row["condition"], row["persona"]): row for row in records(tables["shifts"])}
    rows = []
    for row in records(tables["weights"]):
        shift = shifts.get((row["condition"], row["persona"]))
        rows.append(
            {
                "condition": row["condition"],
                "persona": row["persona"],
                "weight": number(*interval(row)),
                "shift (points)": _shift(shift) if shift else "baseline",
                "R-hat": f"{row['r_hat']:.3f}",
                "ESS": grouped(min(row["ess_bulk"], row["ess_tail"])),
                "status": row["status"],
            }
        )
    return pd.DataFrame(rows)


def _unexplained(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "condition": place_of(row),
            "unexplained share": percent(row["unexplained"]),
            "p": f"{row['p_value']:.3f}",
            "most missed": row["most_missed"],
        }
        for row in (records(tables["unexplained"]) if "unexplained" in tables else ())
    )


def _prior_driven(tables: Mapping[str, pd.DataFrame], outcome: Outcome | None) -> tuple[pd.DataFrame, int]:
    """The estimates whose mean leaves its interval with other archetypes, and how many were examined.

    These are the weights, P(outcome | persona), and the rates that they imply, as far as they are shown.
    """
    examined = [
        (f"weight of {row['persona']} in {row['condition']}", number(*interval(row)), row["status"])
        for row in records(tables["weights"])
    ]
    if outcome is not None:
        emissions, rates = tables["emissions"], tables["rates"]
        examined += [
            (f"P({outcome.name} | {row['persona']})", number(*interval(row)), row["status"])
            for row in records(emissions[emissions["measurement"] == "outcome_given_persona"])
        ]
        examined += [
            (
                f"implied rate of {place_of(row)}",
                share(*interval(row, "implied")),
                row["implied_status"],
            )
            for row in records(rates[rates["scope"] == "these"])
        ]
    shown = [row for row in examined if not row[2].startswith(WITHHELD)]
    driven = [(*row[:2], ends) for row in shown if (ends := range_of_mark(row[2], PRIOR_DRIVEN))]
    return pd.DataFrame(driven, columns=["estimate", "value", "other archetypes"]), len(shown)


def _shift(row: Mapping[str, object]) -> str:
    mean, lower, upper = interval(row)
    return WITHHELD if math.isnan(mean) else "{} ({} to {})".format(*difference(mean, lower, upper))


def _checks(checks: Sequence[Check]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "check": check.name,
            "result": "passed" if check.passed else "failed",
            "value": check.found,
            "threshold": f"{check.threshold:.4g}",
            "where": check.where,
        }
        for check in checks
    )


def _data(result: Result, log: CompletionLog | None) -> dict[str, tuple[str, ...]]:
    """The account of the data: everything that the reader counted."""
    account = result.account
    lines = {
        "Rows read": [grouped(sum(account.rows_read.values()))]
        + [f"{grouped(rows)} from {name}" for name, rows in account.rows_read.items()],
        "Rows excluded": [f"{reason}: {left}" for reason, left in account.left_out.items()],
        "Rows kept": [grouped(account.rows_kept)],
        "Exact duplicates": [str(account.duplicates)],
        "Same rows under different conditions": list(account.duplicates.copies),
        "Layouts": [f"{files}: {layout}" for layout, files in account.by_layout()],
        "Columns read": [f"{own} as {name}" for own, name in account.renamed.items()],
        "Columns not used": [f"{name}: {why}" for name, why in account.set_aside.items()],
        "Values read as missing": [
            f"{name} {value}: {grouped(count)}"
            for name, own in account.sentinels.items()
            for value, count in own.items()
        ],
        "Missing values in total": [
            f"{name}: {grouped(absent)} of {grouped(total)}" for name, absent, total in _missing(result)
        ],
        "Numbers written as text": [f"{name}: {grouped(count)}" for name, count in account.parsed.items()],
        "Kept as text": [f"{name}: {reason}" for name, reason in account.not_numbers.items()],
        "Not in every file": [f"{name}: not in {', '.join(files)}" for name, files in account.absent.items()],
        "Without log-likelihoods": [f"{reason}: {rows}" for reason, rows in account.unscored.items()],
        "Produced by": [
            f"{name}: {', '.join(f'{what} {value}' for what, value in fields.items())}"
            for name, fields in account.provenance.items()
        ],
        "Notes": list(account.notes),
        "Completions": [] if log is not None else ["not given to this report, which therefore shows no examples"],
    }
    always = ("Rows excluded", "Same rows under different conditions")
    return {label: tuple(own) or ("none",) for label, own in lines.items() if own or label in always}


def _missing(result: Result) -> list[tuple[str, int, int]]:
    """For each measurement: its name, completions without a value, and all completions."""
    observed = result.tree["observed_data"]
    counts = {name: observed[name].sum("condition").to_numpy() for name in result.model.measurements}
    return [(name, int(own[-1]), int(own.sum())) for name, own in counts.items()]


def _provenance(result: Result, log: CompletionLog | None) -> dict[str, str]:
    model, settings, attrs = result.model, result.settings, result.tree.attrs
    versions = attrs.get("versions", [f"simulacra {attrs['inference_library_version']}"])
    made = datetime.datetime.fromisoformat(str(attrs["created_at"]))
    scores = [f"{each.measurement}: {', '.join(each.categories)}" for each in model.emissions]
    if model.likelihood is not None:
        scores.append(f"texts: {', '.join(model.likelihood.columns_of(model.names))}")
    made_by = {
        "Fitted": f"{made:%Y-%m-%d %H:%M %Z}",
        "Personas": ", ".join(result.personas),
        "Measurements": "; ".join(scores),
        "Weights": result.design.formula,
        "Baseline": model.baseline,
        "Outcome": str(model.outcome) if model.outcome else "none",
        "Sampler": f"{settings['engine']}, {settings['num_chains']} chains of {grouped(settings['num_samples'])} draws "
        f"after {grouped(settings['num_warmup'])} warm-up iterations, {settings['num_starts']} starts, "
        f"seed {settings['seed']}, computed on {settings.get('device', 'cpu')}",
        "Counts SHA-256": result.collapsed.content_hash,
        "Versions": ", ".join(np.atleast_1d(versions).tolist()),
    }
    return made_by | ({} if log is None else {"Log SHA-256": log.content_hash})


def _citations(result: Result, ci_prob: float) -> list[str]:
    """The first citable number of every kind."""
    shown: dict[str, str] = {}
    for key in result.citable:
        kind = key.partition("[")[0]
        if kind not in shown:
            with contextlib.suppress(WithheldError):  # the next one of its kind may not be
                shown[kind] = f"{key}: {result.cite(key, ci_prob=ci_prob)}"
    return list(shown.values())
