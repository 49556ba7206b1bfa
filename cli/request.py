"""From the words of a command line to a log and a model: which columns, which emissions, which formula."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from simulacra.data import CompletionLog, ScannedLog, read_completions, scan_completions
from simulacra.formalism import (
    AbstractEmission,
    LabelEmission,
    LikelihoodEmission,
    Outcome,
    Persona,
    PersonaMixture,
    ScoreEmission,
    persona_set,
)
from simulacra.formalism.mixture import CROSSED_WEIGHTS

__all__ = [
    "NESTED_WEIGHTS",
    "build_model",
    "parse_columns",
    "parse_cuts",
    "parse_judgments",
    "parse_missing",
    "parse_names",
    "parse_scores",
    "read_log",
]

_LIKELIHOOD = "log_likelihood_"

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


def parse_judgments(files: Sequence[str]) -> list[str] | dict[str, str] | None:
    """``["gpt4o=a.jsonl", "claude=b.jsonl"]`` by judge; files without a judge as a list.

    Raises:
        ValueError: some files with a judge and some without, or a judge twice.
    """
    pairs = [file.partition("=") for file in files]
    named = {judge: file for judge, equals, file in pairs if equals}
    if not named:
        return list(files) or None  # one judge
    if len(named) < len(files):
        raise ValueError(
            f"--judgments {' '.join(map(repr, files))}: expected JUDGE=FILE for every judge, or files only."
        )
    return named


def parse_scores(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """``["medical:0-10"]`` as the range of every score.

    Raises:
        ValueError: any other text.
    """
    number = r"(-?\d+(?:\.\d+)?)"
    found = {text: re.fullmatch(rf"(.+):{number}-{number}", text) for text in texts}
    for text, match in found.items():
        if match is None:
            raise ValueError(f"--score {text!r}: expected NAME:LOW-HIGH, such as medical:0-10 or valence:-5-5.")
    return {match[1]: (float(match[2]), float(match[3])) for match in found.values() if match is not None}


def parse_cuts(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``["aligned:<30,<=75"]`` as the cuts of every score.

    Raises:
        ValueError: a text without a name.
    """
    pairs = {text: text.partition(":") for text in texts}
    for text, (name, colon, cuts) in pairs.items():
        if not (name and colon and parse_names(cuts)):
            raise ValueError(f"--cuts {text!r}: expected NAME:CUTS, such as 'aligned:<30,<=75'.")
    return {name: parse_names(cuts) for name, _, cuts in pairs.values()}


def read_log(
    logs: Sequence[str],
    *,
    scan: bool = False,
    condition: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    measurements: Sequence[str] = (),
    layout: str | None = None,
    judgments: Sequence[str] | Mapping[str, str] | None = None,
    on: Sequence[str] | None = None,
    progress_bar: bool | None = None,
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
        return read_completions(
            list(logs),
            **where,
            measurements=chosen,
            layout=layout,
            judgments=judgments,
            on=on,
            duplicates=duplicates,
            encoding=encoding,
            progress_bar=progress_bar,
        )
    if duplicates != "keep" or encoding != "utf-8":
        raise ValueError(
            "--scan looks for no repeated rows and reads UTF-8 only: leave out --duplicates and --encoding, or --scan."
        )
    if layout not in (None, "rows") or judgments is not None or on is not None:
        raise ValueError("--scan reads one row a completion: leave out --layout, --judgments and --on, or --scan.")
    return scan_completions(list(logs), **where)


def build_model(
    log: CompletionLog | ScannedLog,
    *,
    personas: str = "emergent-misalignment",
    measurements: Sequence[str] = (),
    scores: Mapping[str, tuple[float, float]] | None = None,
    cuts: Mapping[str, Sequence[str]] | None = None,
    weights: str | None = None,
    baseline: str = "base",
    outcome: str | None = None,
    of: str | None = None,
    likelihoods: bool = False,
    references: str | None = None,
) -> PersonaMixture:
    """The model that a log is fitted with.

    Args:
        log: the log; measurements and formula depend on what it has.
        personas: name of a shipped set.
        measurements: columns to model. Left out: those that the personas are known by and the log has.
        scores: lowest and highest value of scores.
        cuts: where the bins of scores end.
        weights: a formula. Left out: crossed, or nested where questions nest in base questions.
        baseline: the condition that shifts are measured against.
        outcome: a rule. Left out: the usual one.
        of: its denominator, ``all`` when left out.
        likelihoods: take ``log_likelihood_<persona>`` columns as evidence; personas are those that have one, with the
            archetype and gates that the shipped set knows for the name, if any.
        references: the column that names the persona whose prompt elicited a completion, to calibrate likelihoods.

    Raises:
        ValueError: nothing to measure, likelihoods of fewer than two personas, references without likelihoods, a range
            or cuts of a score that is not modelled, or a range in which the personas are not known.
    """
    chosen: Sequence[Persona] = persona_set(personas)
    if likelihoods:
        chosen = _prompted(log, chosen)
    elif references is not None:
        raise ValueError("--references calibrate likelihoods: add --likelihoods, or leave them out.")
    names = tuple(measurements) or _known(log, chosen, personas, needed=not likelihoods)
    formula = weights or (NESTED_WEIGHTS if _nested(log) else CROSSED_WEIGHTS)
    declared = {name: _Declared((scores or {}).get(name), (cuts or {}).get(name)) for name in names}
    unknown = [name for name in (*(scores or ()), *(cuts or ())) if name not in names]
    if unknown:
        raise ValueError(
            f"--score and --cuts name {unknown[0]!r}, which is not modelled; the model measures {', '.join(names)}. "
            f"Add --measure {unknown[0]}."
        )
    emissions: list[AbstractEmission | LikelihoodEmission] = [
        _emission(name, chosen, log, declared[name]) for name in names
    ]
    if likelihoods:
        emissions.append(LikelihoodEmission(reference=references))
    model = PersonaMixture(chosen, emissions=emissions, weights=formula, baseline=baseline)
    if outcome is not None or of is not None:
        rule = outcome or (model.outcome.rule if model.outcome else None)
        if rule is None:
            raise ValueError("--of says out of which completions, but of which event? Name it with --outcome.")
        model = PersonaMixture(
            chosen, emissions=emissions, weights=formula, baseline=baseline, outcome=Outcome(rule, of=of or "all")
        )
    return model


class _Declared(NamedTuple):
    """What the command line says about a score."""

    bounds: tuple[float, float] | None
    cuts: Sequence[str] | None


def _prompted(log: CompletionLog | ScannedLog, personas: Sequence[Persona]) -> list[Persona]:
    """The personas that the log has log-likelihoods of."""
    there = log.measurements if isinstance(log, CompletionLog) else log.columns
    names = [column.removeprefix(_LIKELIHOOD) for column in there if column.startswith(_LIKELIHOOD)]
    if len(names) < 2:
        raise ValueError(
            f"--likelihoods: expected columns {_LIKELIHOOD}<persona> of two personas or more, as 'simulacra score' "
            f"writes them; the log measures {', '.join(there) or 'nothing'}."
        )
    known = {persona.name: persona for persona in personas}
    return [known.get(name, Persona(name, f"What the prompt of {name!r} makes likely.")) for name in names]


def _known(log: CompletionLog | ScannedLog, personas: Sequence[Persona], name: str, *, needed: bool) -> tuple[str, ...]:
    known = tuple(dict.fromkeys(column for persona in personas for column in persona.scores))
    there = log.measurements if isinstance(log, CompletionLog) else log.columns
    found = tuple(column for column in known if column in there)
    if not found and needed:
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


def _emission(
    name: str, personas: Sequence[Persona], log: CompletionLog | ScannedLog, declared: _Declared
) -> AbstractEmission:
    """Bins or labels as the personas' archetypes have them; without archetypes as the log has them."""
    archetype = next((persona.scores[name] for persona in personas if name in persona.scores), None)
    is_score = declared.bounds is not None or declared.cuts is not None
    if archetype is not None and len(archetype.knots) == len(archetype.masses):
        if is_score:
            raise ValueError(
                f"--score and --cuts: the personas know {name!r} by single values, {list(archetype.knots)}, which have "
                "neither range nor cuts. Leave the option out, or choose others with --personas."
            )
        return LabelEmission(name, archetype.knots)
    if archetype is not None:
        known = float(archetype.knots[0]), float(archetype.knots[-1])
        low, high = declared.bounds or known
        if low > known[0] or high < known[1]:
            raise ValueError(
                f"--score {name}:{low:g}-{high:g}: the personas know {name!r} from {known[0]:g} to {known[1]:g}, and "
                "their names would mean nothing in another range. Rescale the score, or choose others with --personas."
            )
        return ScoreEmission(name, cuts=declared.cuts, bounds=(low, high))
    words = isinstance(log, CompletionLog) and name in log.measurements and log.table[name].dtype == object
    if words and not is_score:
        return LabelEmission(name, sorted(log.table[name].dropna().unique()))  # type: ignore[union-attr]
    return ScoreEmission(name, cuts=declared.cuts, bounds=declared.bounds or (0.0, 100.0))
