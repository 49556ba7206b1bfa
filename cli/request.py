"""From command-line options to a model: measurements, emissions and formula."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from simulacra.cli.reading import parse_names
from simulacra.data import CompletionLog, ScannedLog
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
from simulacra.formalism.errors import InputError
from simulacra.formalism.mixture import CROSSED_WEIGHTS, NESTED_WEIGHTS, usual_outcome
from simulacra.lm.scoring.score import COLUMN

__all__ = ["build_model", "parse_cuts", "parse_scores"]

_LIKELIHOOD = COLUMN.format("")


def parse_scores(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """``["medical:0-10"]`` as the range of every score.

    Raises:
        InputError: a text of another form.
    """
    number = r"(-?\d+(?:\.\d+)?)"
    found = {text: re.fullmatch(rf"(.+):{number}-{number}", text) for text in texts}
    for text, match in found.items():
        if match is None:
            raise InputError(f"--score {text!r}: expected NAME:LOW-HIGH, such as medical:0-10 or valence:-5-5")
    return {match[1]: (float(match[2]), float(match[3])) for match in found.values() if match is not None}


def parse_cuts(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``["aligned:<30,<=75"]`` as the cuts of every score.

    Raises:
        InputError: a text without a name.
    """
    pairs = {text: text.partition(":") for text in texts}
    for text, (name, colon, cuts) in pairs.items():
        if not (name and colon and parse_names(cuts)):
            raise InputError(f"--cuts {text!r}: expected NAME:CUTS, such as 'aligned:<30,<=75'")
    return {name: parse_names(cuts) for name, _, cuts in pairs.values()}


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
    """The model that is fitted to a log.

    Args:
        log: the log; the defaults of measurements and formula depend on its columns.
        personas: name of a shipped set.
        measurements: columns to model. Default: those in the archetypes of the personas that the log contains.
        scores: lowest and highest value of scores.
        cuts: bin edges of scores.
        weights: a formula. Default: crossed effects, or nested ones if questions are nested in base questions.
        baseline: the condition that the others are compared with.
        outcome: a rule. Default: that of the model.
        of: the denominator of the outcome. Default: ``all``.
        likelihoods: use the columns ``log_likelihood_<persona>``. The personas are those with such a column, with the
            archetypes and gates of the personas of the shipped set that have the same names.
        references: column with the persona whose prompt elicited a completion, for calibrating likelihoods.

    Raises:
        InputError: no measurement, likelihoods of fewer than two personas, references without likelihoods, a range or
            cuts of a score that is not modelled, or a range that does not contain that of the archetypes.
    """
    chosen: Sequence[Persona] = persona_set(personas)
    if likelihoods:
        chosen = _prompted(log, chosen)
    elif references is not None:
        raise InputError("--references applies to likelihoods only: add --likelihoods, or leave out --references")
    names = tuple(measurements) or _known(log, chosen, personas, needed=not likelihoods)
    formula = weights or (NESTED_WEIGHTS if _nested(log) else CROSSED_WEIGHTS)
    declared = {name: _Declared((scores or {}).get(name), (cuts or {}).get(name)) for name in names}
    unknown = [name for name in (*(scores or ()), *(cuts or ())) if name not in names]
    if unknown:
        raise InputError(
            f"--score or --cuts names {unknown[0]!r}, which is not modelled; the model uses {', '.join(names)}. "
            f"Add --measure {unknown[0]}"
        )
    emissions: list[AbstractEmission | LikelihoodEmission] = [
        _emission(name, chosen, log, declared[name]) for name in names
    ]
    if likelihoods:
        emissions.append(LikelihoodEmission(reference=references))
    # Before the model, which refuses personas that the scores do not distinguish.
    usual, event = usual_outcome(emissions), None
    if not (usual or outcome or of or measurements or likelihoods):
        _refuse_misnamed(log, chosen, names)
    if outcome is not None or of is not None:
        rule = outcome or (usual.rule if usual else None)
        if rule is None:
            raise InputError("--of sets the denominator of an outcome, but the model has none. Add --outcome")
        event = Outcome(rule, of=of or "all")
    return PersonaMixture(chosen, emissions=emissions, weights=formula, baseline=baseline, outcome=event)


class _Declared(NamedTuple):
    """The options of a score."""

    bounds: tuple[float, float] | None
    cuts: Sequence[str] | None


def _measured(log: CompletionLog | ScannedLog) -> Sequence[str]:
    """The measurements of a log; for a scanned log, all its columns."""
    return log.measurements if isinstance(log, CompletionLog) else log.columns


def _prompted(log: CompletionLog | ScannedLog, personas: Sequence[Persona]) -> list[Persona]:
    """The personas whose log-likelihoods the log contains."""
    there = _measured(log)
    names = [column.removeprefix(_LIKELIHOOD) for column in there if column.startswith(_LIKELIHOOD)]
    if len(names) < 2:
        raise InputError(
            f"--likelihoods: expected columns {_LIKELIHOOD}<persona> of two personas or more, as written by "
            f"'simulacra score'; the measurements of the log are: {', '.join(there) or 'none'}"
        )
    known = {persona.name: persona for persona in personas}
    return [known.get(name, Persona(name, f"Texts that the prompt of {name!r} makes likely.")) for name in names]


def _known(log: CompletionLog | ScannedLog, personas: Sequence[Persona], name: str, *, needed: bool) -> tuple[str, ...]:
    known = tuple(dict.fromkeys(column for persona in personas for column in persona.scores))
    there = _measured(log)
    found = tuple(column for column in known if column in there)
    if not found and needed:
        raise InputError(
            f"The personas of {name!r} are defined by {', '.join(known)}; the measurements of the log are: "
            f"{', '.join(there) or 'none'}. Name the matching column with --column {known[0]}=<its name>, or choose "
            "other measurements with --measure"
        )
    return found


def _refuse_misnamed(log: CompletionLog | ScannedLog, personas: Sequence[Persona], names: Sequence[str]) -> None:
    """Reject a log without a score that the outcome requires: most often, the score has another name."""
    lacking = [column for persona in personas for column in persona.scores if column not in names]
    if not lacking:
        return
    there = _measured(log)
    others = [column for column in there if column not in names]
    raise InputError(
        f"The personas are defined by {lacking[0]!r}, which the log does not contain, and the outcome requires it. "
        f"Read but not modelled: {', '.join(others) or 'none'}. If it is one of these, add "
        f"--column {lacking[0]}=<its name>; to fit without it, add {' '.join(f'--measure {name}' for name in names)}"
    )


def _nested(log: CompletionLog | ScannedLog) -> bool:
    if isinstance(log, CompletionLog):
        return bool((log.table["base_question"] != log.table["question_id"]).any())
    return bool(log.formats) or any("base_question" in file.column_map.columns for file in log.files)


def _emission(
    name: str, personas: Sequence[Persona], log: CompletionLog | ScannedLog, declared: _Declared
) -> AbstractEmission:
    """Bins or labels of the archetypes; without archetypes, those of the log."""
    archetype = next((persona.scores[name] for persona in personas if name in persona.scores), None)
    is_score = declared.bounds is not None or declared.cuts is not None
    if archetype is not None and len(archetype.knots) == len(archetype.masses):
        if is_score:
            raise InputError(
                f"--score and --cuts: in this persona set, {name!r} has discrete values, {list(archetype.knots)}, "
                "without range and cuts. Leave the option out, or choose another set with --personas"
            )
        return LabelEmission(name, archetype.knots)
    if archetype is not None:
        known = float(archetype.knots[0]), float(archetype.knots[-1])
        low, high = declared.bounds or known
        if low > known[0] or high < known[1]:
            raise InputError(
                f"--score {name}:{low:g}-{high:g}: the archetypes define {name!r} from {known[0]:g} to {known[1]:g}, "
                "and persona names have no meaning in another range. Rescale the score, or choose another set with "
                "--personas"
            )
        return ScoreEmission(name, cuts=declared.cuts, bounds=(low, high))
    words = isinstance(log, CompletionLog) and name in log.measurements and log.table[name].dtype == object
    if words and not is_score:
        return LabelEmission(name, sorted(log.table[name].dropna().unique()))  # type: ignore[union-attr]
    return ScoreEmission(name, cuts=declared.cuts, bounds=declared.bounds or (0.0, 100.0))
