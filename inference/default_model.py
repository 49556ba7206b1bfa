"""The model that a log suggests: what is measured and how, which persona set, which formula and which outcome.

A log with a score ``aligned`` is fitted with the personas of emergent misalignment. Any other log is fitted with a set
for its one measurement (:mod:`simulacra.formalism.open_sets`): *event* for flags and counts, *likert* for grades whose
range is declared, *trait* for scores of which high values are bad by their names, or by declaration. Questions nest in
base questions where they do in the log. If the log suggests several models or none, an error names the declarations
that choose one.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulacra.data.counting.collapse import expect_log
from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.emissions.families import FamilyEmission, joined_families
from simulacra.formalism.emissions.likelihoods import LikelihoodEmission
from simulacra.formalism.emissions.scores import ScoreEmission
from simulacra.formalism.emissions_by_name import rules_of
from simulacra.formalism.errors import InputError
from simulacra.formalism.mixture import CROSSED_WEIGHTS, NESTED_WEIGHTS, PersonaMixture
from simulacra.formalism.outcomes import Outcome, as_outcome
from simulacra.formalism.persona_files import PersonaFile, is_persona_file, read_personas
from simulacra.formalism.persona_sets import OPEN_SETS, adjusted_personas, base_set, persona_set
from simulacra.formalism.personas import Persona
from simulacra.formalism.scales import bounds_of, rescaled_personas
from simulacra.inference.log_measurements import (
    Declared,
    Log,
    archetyped_in,
    emission_in,
    is_nested,
    judge_labels,
    measured_in,
    refuse_lacking,
    refuse_undeclared,
)
from simulacra.inference.suggested_sets import USUAL_SET, open_measurement, suggested_set

__all__ = ["default_model", "model_in_words"]


def default_model(
    log: Log,
    *,
    personas: str | Path | Sequence[Persona] | None = None,
    emissions: Sequence[str | AbstractEmission] = (),
    declared: Mapping[str, Declared] | None = None,
    weights: str | None = None,
    baseline: str = "base",
    outcome: Outcome | str | None = None,
    of: str | None = None,
    likelihoods: bool | LikelihoodEmission = False,
    without: Sequence[str] = (),
    concentration: Mapping[str, float | int] | None = None,
    families: Mapping[str, Sequence[str]] | None = None,
    silent: bool = False,
) -> PersonaMixture:
    """Choose the model of a log, and say on standard error what was chosen; any part of it can be given instead.

    Args:
        log: the log; counts of an event, as from ``read_counts``, are one as well.
        personas: name of a shipped set, a TOML file (:mod:`simulacra.formalism.persona_files`), or a list. Default: the
            set that fits the measurements.
        emissions: measurements to model, by name or as emissions. Default: those in the archetypes of the personas, or
            the one that is a trait by its name or its declaration, with ``coherent`` if it is scored.
        declared: range, direction and bin edges of measurements that are given by name, or not at all.
        weights: a formula. Default: crossed effects, or nested ones if questions are nested in base questions.
        baseline: the condition that the others are compared with.
        outcome: an event or its rule. Default: that of the model.
        of: the denominator of the outcome, unless it is an Outcome. Default: ``all``.
        likelihoods: use the log-likelihoods of texts: an emission, which names the column of references, or ``True``
            for the columns ``log_likelihood_<persona>`` without references. The personas are those with such a column,
            with the archetypes and gates of the personas of the set that have the same names.
        without: personas of the set that are left out.
        concentration: weight of the archetypes of some personas relative to the data, in pseudo-completions.
        families: judges that may share errors, by a name for the family: their verdicts are modelled jointly
            (:class:`~simulacra.formalism.FamilyEmission`).
        silent: say nothing.

    Returns:
        The model; ``fit(model, log)`` fits it.

    Raises:
        InputError: no measurement, or several that may be the trait; a direction that is not known; likelihoods of
            fewer than two personas; an unknown persona; a declaration of a score that is not modelled; or a log that
            was collapsed with emissions, which are then part of a model already.
    """
    expect_log(log, "default_model")
    texts = LikelihoodEmission() if likelihoods is True else likelihoods or None
    emissions = (emissions,) if isinstance(emissions, str) else tuple(emissions)
    without = (without,) if isinstance(without, str) else tuple(without)
    known = dict(declared or {})
    given = {each.measurement: each for each in emissions if isinstance(each, AbstractEmission)}
    names = tuple(each if isinstance(each, str) else each.measurement for each in emissions)
    event = None if outcome is None else as_outcome(outcome, "default_model", of=of or "all")
    if isinstance(personas, (str, Path)) and is_persona_file(personas):
        file = _read(str(personas), known)
        personas, given, event = file.personas, {**file.emissions, **given}, event or file.outcome
    if personas is None:
        personas = USUAL_SET if texts else suggested_set(log, names, known, given)
    name: str | None = None
    kind: str | None = None
    if isinstance(personas, (str, Path)):
        name, kind = str(personas), base_set(str(personas))
        chosen = () if kind in OPEN_SETS else persona_set(name)
    else:
        chosen = tuple(personas)
    if texts:
        chosen = _prompted(log, chosen, texts)
    if not names and kind in OPEN_SETS:
        names = open_measurement(log, kind, known)
    elif not names:
        names = archetyped_in(log, chosen, kind, needed=texts is None)
        refuse_lacking(log, chosen, names, needed=event is None and texts is None)
    refuse_undeclared(known, names)
    rules = rules_of(() if name else chosen, event)
    if kind == "judges":
        given = {**judge_labels(log, [each for each in names if each not in given]), **given}
    measured = [
        given[each] if each in given else emission_in(each, kind, chosen, log, known.get(each, Declared()), rules)
        for each in names
    ]
    measured = joined_families(measured, families or {})
    model = PersonaMixture(
        rescaled_personas(chosen, bounds_of(measured)) if texts else name or chosen,
        emissions=[*measured, *([texts] if texts else [])],
        weights=weights or (NESTED_WEIGHTS if is_nested(log) else CROSSED_WEIGHTS),
        baseline=baseline,
        outcome=event,
    )
    model = _with_denominator(model, of) if outcome is None and of is not None else model
    if without or concentration is not None:
        model = model.with_personas(adjusted_personas(model.personas, without, concentration))
    if not silent:
        print(model_in_words(model), file=sys.stderr)
    return model


def model_in_words(model: PersonaMixture) -> str:
    """What a model measures, with which personas, formula and outcome, for display."""
    outcome = "none" if model.outcome is None else f"{model.outcome.rule}, of {model.outcome.of} completions"
    return "\n".join(
        [
            f"Model: {len(model.personas)} personas ({', '.join(model.names)}"
            + (f"; {model.set_in_words}" if model.set_in_words else "")
            + f"); baseline {model.baseline!r}",
            *(f"  measurement {_emission_in_words(each)}" for each in model.emissions),
            *(["  log-likelihoods under persona prompts"] if model.likelihood else []),
            f"  outcome     {outcome}",
            f"  weights     {model.weights}",
        ]
    )


def _emission_in_words(emission: AbstractEmission) -> str:
    direction = getattr(emission, "high", None)
    said = f"; high values are {direction}" if direction else ""
    if isinstance(emission, ScoreEmission):
        low, high = emission.bounds
        return f"{emission.measurement}: score from {low:g} to {high:g} in {len(emission.categories) - 1} bins{said}"
    if isinstance(emission, FamilyEmission):
        return f"{emission.measurement}: jointly {'; '.join(map(_emission_in_words, emission.parts))}"
    return f"{emission.measurement}: {', '.join(emission.categories[:-1])}{said}"


def _read(path: str, declared: Mapping[str, Declared]) -> PersonaFile:
    """The personas of a file, whose measurements are declared in it."""
    file = read_personas(path)
    twice = [name for name in declared if name in file.emissions]
    if twice:
        raise InputError(
            f"default_model: {twice[0]!r} is a measurement of {path}, which declares its range, direction and cuts",
            remedy=f"declare them there, in [measurements.{twice[0]}]",
            argument="personas",
        )
    return file


def _prompted(log: Log, personas: Sequence[Persona], texts: LikelihoodEmission) -> tuple[Persona, ...]:
    """The personas whose log-likelihoods the log contains."""
    there = measured_in(log)
    if isinstance(texts.columns, str):
        before, _, after = texts.columns.partition("{}")
        pattern = re.compile(f"{re.escape(before)}(.+){re.escape(after)}")
        names = [found[1] for column in there if (found := pattern.fullmatch(column))]
    else:
        names = [name for name, column in texts.columns if column in there]
    if len(names) < 2:
        columns = texts.columns.replace("{}", "<persona>") if isinstance(texts.columns, str) else "of its emission"
        raise InputError(
            f"default_model: likelihoods need columns {columns} of two personas or more, as written by score_log; the "
            f"measurements of the log are: {', '.join(there) or 'none'}",
            argument="likelihoods",
        )
    known = {persona.name: persona for persona in personas}
    described = {name: Persona(name, f"Texts that the prompt of {name!r} makes likely.") for name in names}
    return tuple(known.get(name, own) for name, own in described.items())


def _with_denominator(model: PersonaMixture, of: str) -> PersonaMixture:
    """The model with another denominator of its outcome."""
    if model.outcome is None:
        raise InputError(
            "default_model: of is the denominator of an outcome, but the model has none",
            remedy="pass outcome",
            argument=("outcome", "of"),
        )
    return model.with_outcome(Outcome(model.outcome.rule, of=of, name=model.outcome.name))
