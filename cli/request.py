"""From the words of a command line to a log and a model: which columns, which emissions, which formula."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from simulacra.data import CompletionLog, ScannedLog, read_completions, scan_completions
from simulacra.formalism import (
    AbstractEmission,
    LabelEmission,
    Outcome,
    Persona,
    PersonaMixture,
    ScoreEmission,
    persona_set,
)
from simulacra.formalism.mixture import CROSSED_WEIGHTS

__all__ = ["NESTED_WEIGHTS", "build_model", "parse_columns", "parse_missing", "parse_names", "read_log"]

NESTED_WEIGHTS = (
    "(1 | condition) + (1 | base_question) + (1 | question_id) + (1 | condition:base_question) "
    "+ (1 | condition:question_id)"
)
"""The formula for prompt formats that nest in their base question."""


def parse_names(text: str | None) -> tuple[str, ...]:
    """``"_json,_template"`` as names; an empty or absent text is none."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def parse_columns(pairs: Sequence[str]) -> dict[str, str | None]:
    """``["completion=answer", "notes="]`` as the ``columns=`` of ``read_completions``.

    Raises:
        ValueError: a pair without "=".
    """
    unreadable = [pair for pair in pairs if not re.match(r"[^=]+=", pair)]
    if unreadable:
        raise ValueError(
            f"--column {unreadable[0]!r}: expected NAME=OWN, such as completion=answer, or NAME= to leave a column out."
        )
    return {name: own or None for name, _, own in (pair.partition("=") for pair in pairs)}


def parse_missing(text: str | None) -> tuple[float | str, ...]:
    """``"-1,REFUSAL"`` as values that mean *missing*: numbers as numbers, the rest as words."""
    return tuple(float(part) if re.fullmatch(r"-?\d+(\.\d+)?", part) else part for part in parse_names(text))


def read_log(
    logs: Sequence[str],
    *,
    scan: bool = False,
    condition: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    measurements: Sequence[str] = (),
    missing: Sequence[float | str] = (-1,),
    base_question: str | None = None,
    formats: Sequence[str] = (),
    duplicates: Literal["keep", "drop"] = "keep",
    delimiter: str | None = None,
    encoding: str = "utf-8",
) -> CompletionLog | ScannedLog:
    """Read the logs, or look at their layout only; arguments as in ``read_completions``.

    Raises:
        LogError: see there.
        ValueError: an option that a scan cannot honour.
    """
    where: dict[str, Any] = {
        "condition": condition,
        "columns": columns,
        "missing": tuple(missing),
        "base_question": base_question,
        "formats": tuple(formats),
        "delimiter": delimiter,
    }
    if not scan:
        chosen = list(measurements) or None
        return read_completions(list(logs), **where, measurements=chosen, duplicates=duplicates, encoding=encoding)
    if duplicates != "keep" or encoding != "utf-8":
        raise ValueError(
            "--scan looks for no repeated rows and reads UTF-8 only: leave out --duplicates and --encoding, or --scan."
        )
    return scan_completions(list(logs), **where)


def build_model(
    log: CompletionLog | ScannedLog,
    *,
    personas: str = "emergent-misalignment",
    measurements: Sequence[str] = (),
    weights: str | None = None,
    baseline: str = "base",
    outcome: str | None = None,
    of: str | None = None,
) -> PersonaMixture:
    """The model that a log is fitted with.

    Args:
        log: the log; measurements and formula depend on what it has.
        personas: name of a shipped set.
        measurements: columns to model. Left out: those that the personas are known by and the log has.
        weights: a formula. Left out: crossed, or nested where questions nest in base questions.
        baseline: the condition that shifts are measured against.
        outcome: a rule. Left out: the usual one.
        of: its denominator, ``all`` when left out.

    Raises:
        ValueError: nothing to measure, or a rule that the bins cannot answer.
    """
    chosen = persona_set(personas)
    names = tuple(measurements) or _known(log, chosen, personas)
    formula = weights or (NESTED_WEIGHTS if _nested(log) else CROSSED_WEIGHTS)
    emissions = [_emission(name, chosen, log) for name in names]
    model = PersonaMixture(chosen, emissions=emissions, weights=formula, baseline=baseline)
    if outcome is not None or of is not None:
        rule = outcome or (model.outcome.rule if model.outcome else None)
        if rule is None:
            raise ValueError("--of says out of which completions, but of which event? Name it with --outcome.")
        model = PersonaMixture(
            chosen, emissions=emissions, weights=formula, baseline=baseline, outcome=Outcome(rule, of=of or "all")
        )
    if model.outcome is not None:  # refused here, rather than after sampling
        model.outcome.numerator.holds(emissions, np.zeros((1, len(emissions)), dtype=int))
    return model


def _known(log: CompletionLog | ScannedLog, personas: Sequence[Persona], name: str) -> tuple[str, ...]:
    known = tuple(dict.fromkeys(column for persona in personas for column in persona.scores))
    there = log.measurements if isinstance(log, CompletionLog) else log.columns
    found = tuple(column for column in known if column in there)
    if not found:
        raise ValueError(
            f"The personas of {name!r} are known by {', '.join(known)}, and the log measures "
            f"{', '.join(there) or 'nothing'}. Say which column is which with --column {known[0]}=<its name>, or "
            "choose others with --measure."
        )
    return found


def _nested(log: CompletionLog | ScannedLog) -> bool:
    if isinstance(log, CompletionLog):
        return bool((log.table["base_question"] != log.table["question_id"]).any())
    return bool(log.formats) or any("base_question" in file.layout.columns for file in log.files)


def _emission(name: str, personas: Sequence[Persona], log: CompletionLog | ScannedLog) -> AbstractEmission:
    """Bins or labels as the personas' archetypes have them; without archetypes as the log has them."""
    archetype = next((persona.scores[name] for persona in personas if name in persona.scores), None)
    if archetype is not None and len(archetype.knots) == len(archetype.masses):
        return LabelEmission(name, archetype.knots)
    if archetype is not None:
        return ScoreEmission(name, bounds=(float(archetype.knots[0]), float(archetype.knots[-1])))
    if isinstance(log, CompletionLog) and name in log.measurements and log.table[name].dtype == object:
        return LabelEmission(name, sorted(log.table[name].dropna().unique()))
    return ScoreEmission(name)
