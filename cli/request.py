"""From command-line options to a model: measurements, emissions and formula."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from simulacra.cli.reading import parse_names, suggested_columns
from simulacra.data import CompletionLog, ScannedLog
from simulacra.data.reading.columns import is_trait
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
from simulacra.formalism.persona_sets import OPEN_SETS
from simulacra.formalism.scales import bounds_of, rescaled_personas
from simulacra.lm.scoring.columns import COLUMN

__all__ = ["build_model", "parse_cuts", "parse_scores", "parse_template_kwargs"]

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


def parse_template_kwargs(texts: Sequence[str]) -> dict[str, Any]:
    """``["enable_thinking=false"]`` as arguments of a chat template; a value that is not JSON is text.

    Raises:
        InputError: a text without a name or ``=``.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--template-kwargs {text!r}: expected NAME=VALUE, such as enable_thinking=false")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


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
        scores: lowest and highest value of scores, to which the persona set is rescaled.
        cuts: bin edges of scores.
        weights: a formula. Default: crossed effects, or nested ones if questions are nested in base questions.
        baseline: the condition that the others are compared with.
        outcome: a rule. Default: that of the model.
        of: the denominator of the outcome. Default: ``all``.
        likelihoods: use the columns ``log_likelihood_<persona>``. The personas are those with such a column, with the
            archetypes and gates of the personas of the shipped set that have the same names.
        references: column with the persona whose prompt elicited a completion, for calibrating likelihoods.

    Raises:
        InputError: no measurement, likelihoods of fewer than two personas, references without likelihoods, or a range
            or cuts of a score that is not modelled.
    """
    chosen: Sequence[Persona] = () if personas in OPEN_SETS else persona_set(personas)
    if likelihoods:
        chosen = _prompted(log, chosen)
    elif references is not None:
        raise InputError("--references applies to likelihoods only: add --likelihoods, or leave out --references")
    if personas in OPEN_SETS and not measurements:
        raise InputError(
            f"--personas {personas}: name the measurement with --measure; those of the log are "
            f"{', '.join(_measured(log)) or 'none (a text column is one only if --measure names it)'}"
        )
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
        _emission(name, chosen, log, declared[name], event=personas == "event") for name in names
    ]
    if likelihoods:
        emissions.append(LikelihoodEmission(reference=references))
    if "aligned" not in names and personas not in OPEN_SETS and outcome is None:
        # Before the model is made, because the personas may look alike without this score.
        if of is not None:
            raise InputError("--of sets the denominator of an outcome, but the model has none. Add --outcome")
        if not (measurements or likelihoods):
            _refuse_misnamed(log, chosen, names)
    scales = bounds_of([each for each in emissions if isinstance(each, AbstractEmission)])
    named = rescaled_personas(chosen, scales) if likelihoods else personas
    model = PersonaMixture(named, emissions=emissions, weights=formula, baseline=baseline)
    if outcome is not None or of is not None:
        rule = outcome or (model.outcome.rule if model.outcome else None)
        if rule is None:  # of log-likelihoods on other scales
            raise InputError("--of sets the denominator of an outcome, but the model has none. Add --outcome")
        model = PersonaMixture(
            named, emissions=emissions, weights=formula, baseline=baseline, outcome=Outcome(rule, of=of or "all")
        )
    return model


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
            f"The personas of {name!r} are defined by {', '.join(known)}, none of which the log contains."
            f"{_candidates(there, (), known[0])} Other measurements are chosen with --measure"
        )
    return found


def _refuse_misnamed(log: CompletionLog | ScannedLog, personas: Sequence[Persona], names: Sequence[str]) -> None:
    """Reject a log without a score that the outcome requires: most often, the score has another name."""
    lacking = [column for persona in personas for column in persona.scores if column not in names]
    if not lacking:
        return
    there = _measured(log)
    raise InputError(
        f"The personas are defined by {lacking[0]!r}, which the log does not contain, and the outcome requires it."
        f"{_candidates(there, names, lacking[0])} To fit without it, add "
        f"{shlex.join(word for name in names for word in ('--measure', name))}"
    )


def _candidates(there: Sequence[str], names: Sequence[str], lacking: str) -> str:
    """Which other measurements may be the one that is lacking; scores of which high values are bad are not."""
    others = [column for column in there if column not in names]
    traits = [column for column in others if is_trait(column)]
    rest = [column for column in others if column not in traits]
    text = f" Read but not modelled: {', '.join(others) or 'none'}."
    if not others:
        text += f" If the log has it under another name, add --column {lacking}=<its name>."
    if rest:
        text += f" If one of them is it, add {suggested_columns(lacking, rest)}."
    if traits:
        text += (
            f" High values of {', '.join(traits)} are bad, so none of them is 'aligned': model it under its own name, "
            f"--personas trait {shlex.join(('--measure', traits[0]))}."
        )
    return text


def _nested(log: CompletionLog | ScannedLog) -> bool:
    if isinstance(log, CompletionLog):
        return bool((log.table["base_question"] != log.table["question_id"]).any())
    return bool(log.formats) or any("base_question" in file.column_map.columns for file in log.files)


def _emission(
    name: str, personas: Sequence[Persona], log: CompletionLog | ScannedLog, declared: _Declared, *, event: bool
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
        return ScoreEmission(name, cuts=declared.cuts, bounds=declared.bounds)
    words = isinstance(log, CompletionLog) and name in log.measurements and log.table[name].dtype == object
    if event and not words and not is_score:
        return LabelEmission(name, [0, 1])
    if words and not is_score:
        return LabelEmission(name, sorted(log.table[name].dropna().unique()))  # type: ignore[union-attr]
    return ScoreEmission(name, cuts=declared.cuts, bounds=declared.bounds)
