"""From the words of a command line to a model: which measurements, which emissions, which formula."""

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
from simulacra.formalism.mixture import CROSSED_WEIGHTS, NESTED_WEIGHTS
from simulacra.lm.scoring.score import COLUMN

__all__ = ["build_model", "parse_cuts", "parse_scores"]

_LIKELIHOOD = COLUMN.format("")


def parse_scores(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """``["medical:0-10"]`` as the range of every score.

    Raises:
        InputError: any other text.
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
        InputError: nothing to measure, likelihoods of fewer than two personas, references without likelihoods, a range
            or cuts of a score that is not modelled, or a range in which the personas are not known.
    """
    chosen: Sequence[Persona] = persona_set(personas)
    if likelihoods:
        chosen = _prompted(log, chosen)
    elif references is not None:
        raise InputError("--references calibrate likelihoods: add --likelihoods, or leave them out")
    names = tuple(measurements) or _known(log, chosen, personas, needed=not likelihoods)
    formula = weights or (NESTED_WEIGHTS if _nested(log) else CROSSED_WEIGHTS)
    declared = {name: _Declared((scores or {}).get(name), (cuts or {}).get(name)) for name in names}
    unknown = [name for name in (*(scores or ()), *(cuts or ())) if name not in names]
    if unknown:
        raise InputError(
            f"--score and --cuts name {unknown[0]!r}, which is not modelled; the model measures {', '.join(names)}. "
            f"Add --measure {unknown[0]}"
        )
    emissions: list[AbstractEmission | LikelihoodEmission] = [
        _emission(name, chosen, log, declared[name]) for name in names
    ]
    if likelihoods:
        emissions.append(LikelihoodEmission(reference=references))
    model = PersonaMixture(chosen, emissions=emissions, weights=formula, baseline=baseline)
    if not (model.outcome or outcome or of or measurements or likelihoods):
        _refuse_misnamed(log, chosen, names)
    if outcome is not None or of is not None:
        rule = outcome or (model.outcome.rule if model.outcome else None)
        if rule is None:
            raise InputError("--of says out of which completions, but of which event? Name it with --outcome")
        model = PersonaMixture(
            chosen, emissions=emissions, weights=formula, baseline=baseline, outcome=Outcome(rule, of=of or "all")
        )
    return model


class _Declared(NamedTuple):
    """What the command line says about a score."""

    bounds: tuple[float, float] | None
    cuts: Sequence[str] | None


def _measured(log: CompletionLog | ScannedLog) -> Sequence[str]:
    """What the log measures; of one that is counted where it lies, every column."""
    return log.measurements if isinstance(log, CompletionLog) else log.columns


def _prompted(log: CompletionLog | ScannedLog, personas: Sequence[Persona]) -> list[Persona]:
    """The personas that the log has log-likelihoods of."""
    there = _measured(log)
    names = [column.removeprefix(_LIKELIHOOD) for column in there if column.startswith(_LIKELIHOOD)]
    if len(names) < 2:
        raise InputError(
            f"--likelihoods: expected columns {_LIKELIHOOD}<persona> of two personas or more, as 'simulacra score' "
            f"writes them; the log measures {', '.join(there) or 'nothing'}"
        )
    known = {persona.name: persona for persona in personas}
    return [known.get(name, Persona(name, f"What the prompt of {name!r} makes likely.")) for name in names]


def _known(log: CompletionLog | ScannedLog, personas: Sequence[Persona], name: str, *, needed: bool) -> tuple[str, ...]:
    known = tuple(dict.fromkeys(column for persona in personas for column in persona.scores))
    there = _measured(log)
    found = tuple(column for column in known if column in there)
    if not found and needed:
        raise InputError(
            f"The personas of {name!r} are known by {', '.join(known)}, and the log measures "
            f"{', '.join(there) or 'nothing'}. Say which column is which with --column {known[0]}=<its name>, or "
            "choose others with --measure"
        )
    return found


def _refuse_misnamed(log: CompletionLog | ScannedLog, personas: Sequence[Persona], names: Sequence[str]) -> None:
    """Refuse a log without a score that the outcome needs: most often it is there under another name."""
    lacking = [column for persona in personas for column in persona.scores if column not in names]
    if not lacking:
        return
    there = _measured(log)
    others = [column for column in there if column not in names]
    raise InputError(
        f"The personas are known by {lacking[0]!r}, which the log does not have, and without it there is no outcome. "
        f"Read, and not modelled: {', '.join(others) or 'nothing'}. If it is one of these, say "
        f"--column {lacking[0]}=<its name>; to fit without it, say {' '.join(f'--measure {name}' for name in names)}"
    )


def _nested(log: CompletionLog | ScannedLog) -> bool:
    if isinstance(log, CompletionLog):
        return bool((log.table["base_question"] != log.table["question_id"]).any())
    return bool(log.formats) or any("base_question" in file.column_map.columns for file in log.files)


def _emission(
    name: str, personas: Sequence[Persona], log: CompletionLog | ScannedLog, declared: _Declared
) -> AbstractEmission:
    """Bins or labels as the personas' archetypes have them; without archetypes as the log has them."""
    archetype = next((persona.scores[name] for persona in personas if name in persona.scores), None)
    is_score = declared.bounds is not None or declared.cuts is not None
    if archetype is not None and len(archetype.knots) == len(archetype.masses):
        if is_score:
            raise InputError(
                f"--score and --cuts: the personas know {name!r} by single values, {list(archetype.knots)}, which have "
                "neither range nor cuts. Leave the option out, or choose others with --personas"
            )
        return LabelEmission(name, archetype.knots)
    if archetype is not None:
        known = float(archetype.knots[0]), float(archetype.knots[-1])
        low, high = declared.bounds or known
        if low > known[0] or high < known[1]:
            raise InputError(
                f"--score {name}:{low:g}-{high:g}: the personas know {name!r} from {known[0]:g} to {known[1]:g}, and "
                "their names would mean nothing in another range. Rescale the score, or choose others with --personas"
            )
        return ScoreEmission(name, cuts=declared.cuts, bounds=(low, high))
    words = isinstance(log, CompletionLog) and name in log.measurements and log.table[name].dtype == object
    if words and not is_score:
        return LabelEmission(name, sorted(log.table[name].dropna().unique()))  # type: ignore[union-attr]
    return ScoreEmission(name, cuts=declared.cuts, bounds=declared.bounds or (0.0, 100.0))
