"""The model that a log suggests: what is measured and how, which persona set, which formula and which outcome.

A log with a score ``aligned`` is fitted with the personas of emergent misalignment. Any other log is fitted with a set
for its one measurement (:mod:`simulacra.formalism.open_sets`): *event* for flags and counts, *likert* for grades whose
range is declared, *trait* for scores of which high values are bad by their names, or by declaration. Questions nest in
base questions where they do in the log. If the log suggests several models or none, an error names the declarations
that choose one.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simulacra.data import CollapsedLog, CompletionLog, ScannedLog
from simulacra.data.counting.collapse import expect_log
from simulacra.data.counting.scales import shorter_scale
from simulacra.data.reading.columns import is_trait
from simulacra.formalism.emissions.base import AbstractEmission, High
from simulacra.formalism.emissions.labels import LabelEmission
from simulacra.formalism.emissions.likelihoods import LikelihoodEmission
from simulacra.formalism.emissions.scores import ScoreEmission
from simulacra.formalism.emissions_by_name import emission_by_name, rules_of
from simulacra.formalism.errors import InputError
from simulacra.formalism.mixture import CROSSED_WEIGHTS, NESTED_WEIGHTS, PersonaMixture
from simulacra.formalism.outcomes import Outcome, as_outcome
from simulacra.formalism.persona_files import is_persona_file, read_personas
from simulacra.formalism.persona_sets import OPEN_SETS, adjusted_personas, persona_set
from simulacra.formalism.personas import Persona
from simulacra.formalism.scales import bounds_of, rescaled_personas

__all__ = ["Declared", "Log", "default_model", "model_in_words"]

Log = CompletionLog | ScannedLog | CollapsedLog

_USUAL = "emergent-misalignment"
_LIKELIHOOD = "log_likelihood_"
_MOST_STEPS = 6  # from the lowest grade to the highest of a Likert scale


class Declared(NamedTuple):
    """What is known of a score and cannot be seen in a log.

    Attributes:
        bounds: lowest and highest possible value.
        high: whether high values are good or bad.
        cuts: bin edges.
    """

    bounds: tuple[float, float] | None = None
    high: High | None = None
    cuts: Sequence[str] | None = None


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
    likelihoods: bool = False,
    references: str | None = None,
    without: Sequence[str] = (),
    concentration: Mapping[str, float] | None = None,
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
        likelihoods: use the columns ``log_likelihood_<persona>``. The personas are those with such a column, with the
            archetypes and gates of the personas of the set that have the same names.
        references: column with the persona whose prompt elicited a completion, for calibrating likelihoods.
        without: personas of the set that are left out.
        concentration: weight of the archetypes of some personas relative to the data, in pseudo-completions.
        silent: say nothing.

    Returns:
        The model; ``fit(model, log)`` fits it.

    Raises:
        InputError: no measurement, or several that may be the trait; a direction that is not known; likelihoods of
            fewer than two personas; references without likelihoods; an unknown persona; a declaration of a score that
            is not modelled; or a log that was collapsed with emissions, which are then part of a model already.
    """
    expect_log(log, "default_model")
    known = dict(declared or {})
    objects = {each.measurement: each for each in emissions if isinstance(each, AbstractEmission)}
    names = tuple(each if isinstance(each, str) else each.measurement for each in emissions)
    event = None if outcome is None else as_outcome(outcome, "default_model", of=of or "all")
    if references is not None and not likelihoods:
        raise InputError(
            "default_model: references apply to likelihoods only",
            remedy="pass likelihoods=True, or leave out references",
            argument=("likelihoods", "references"),
        )
    file = read_personas(personas) if isinstance(personas, (str, Path)) and is_persona_file(personas) else None
    if file is not None:
        objects, event = {**file.emissions, **objects}, event or file.outcome
    if personas is None:
        personas = _USUAL if likelihoods else _suggested_set(log, names, known, objects, explicit=event is not None)
    chosen = _listed(personas) if file is None else file.personas
    name = personas if isinstance(personas, str) and file is None else None
    if likelihoods:
        chosen = _prompted(log, chosen)
    if not names:
        is_open = name in OPEN_SETS
        names = _open_names(log, str(name), known) if is_open else _known(log, chosen, personas, needed=not likelihoods)
        if event is None and not is_open:
            _refuse_lacking(log, chosen, names, likelihoods=likelihoods)
    _refuse_unmodelled(known, names)
    rules = rules_of(() if name else chosen, event)
    measured = [
        objects[each] if each in objects else _emission(each, name, chosen, log, known.get(each, Declared()), rules)
        for each in names
    ]
    every: list[AbstractEmission | LikelihoodEmission] = [*measured]
    if likelihoods:
        every.append(LikelihoodEmission(reference=references))
    model = PersonaMixture(
        rescaled_personas(chosen, bounds_of(measured)) if likelihoods else name or chosen,
        emissions=every,
        weights=weights or (NESTED_WEIGHTS if _nested(log) else CROSSED_WEIGHTS),
        baseline=baseline,
        outcome=event,
    )
    model = _with_denominator(model, of) if event is None and of is not None else model
    if without or concentration:
        model = model.with_personas(adjusted_personas(model.personas, without, concentration or {}))
    if not silent:
        print(model_in_words(model), file=sys.stderr)
    return model


def model_in_words(model: PersonaMixture) -> str:
    """What a model measures, with which personas, formula and outcome, for display."""
    outcome = "none" if model.outcome is None else f"{model.outcome.rule}, of {model.outcome.of} completions"
    return "\n".join(
        [
            f"Model: {len(model.personas)} personas ({', '.join(model.names)}); baseline {model.baseline!r}",
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
    return f"{emission.measurement}: {', '.join(emission.categories[:-1])}{said}"


# --- which set ------------------------------------------------------------------------------------------------------


def _suggested_set(
    log: Log,
    names: Sequence[str],
    declared: Mapping[str, Declared],
    objects: Mapping[str, AbstractEmission],
    *,
    explicit: bool,
) -> str:
    """The set that fits the measurements; that of emergent misalignment if nothing is known of any other."""
    there = names or _measured(log)
    if "aligned" in there:
        return _USUAL
    others = [each for each in there if each != "coherent" and not each.startswith(_LIKELIHOOD)]
    own = others if names else _telling(log, others, declared)
    if not own or (names and set(own) <= set(_archetyped(_USUAL))):
        return _USUAL
    if len(own) > 1:
        raise InputError(
            f"default_model: {', '.join(own)} may each be what is fitted, and no persona set describes them together",
            expected="one measurement, with 'coherent' if it is scored",
            remedy=f"choose one, emissions={_with_coherence(own[0], there)}, or pass personas that describe all",
            argument=("emissions", "personas"),
        )
    name, known = own[0], declared.get(own[0], Declared())
    if name == "grade" and name not in declared and name not in objects:
        return "ordinal-5"
    suggested = _kind(log, name, known, objects.get(name))
    if suggested != "event" and not (known.high or getattr(objects.get(name), "high", None) or is_trait(name)):
        raise InputError(
            f"default_model: the name of {name!r} does not say whether high values are good or bad",
            expected="a declaration of its direction",
            remedy=f"pass declared={{{name!r}: Declared(high='bad')}}; if it scores alignment, read it as such, "
            f"columns={{'aligned': {name!r}}}",
            argument=("high", "columns"),
        )
    return suggested


def _telling(log: Log, names: Sequence[str], declared: Mapping[str, Declared]) -> list[str]:
    """Measurements of which it is known what they are; counts are of one event."""
    if isinstance(log, CollapsedLog):
        return list(names)
    return [name for name in names if name in declared or is_trait(name) or name == "grade"]


def _kind(log: Log, name: str, declared: Declared, given: AbstractEmission | None) -> str:
    """The open set for a measurement, by its emission, its declaration or its values."""
    if isinstance(given, LabelEmission):
        return "event" if len(given.values) == 2 else "likert"
    if isinstance(given, ScoreEmission):
        return "trait"
    values = _values(log, name)
    if isinstance(log, CollapsedLog) or (values is not None and values.dtype == object):
        return "event"
    if declared.cuts is None and declared.bounds in (None, (0, 1)) and values is not None and set(values) == {0.0, 1.0}:
        return "event"
    if declared.bounds is None or declared.cuts is not None:
        return "trait"
    low, high = declared.bounds
    whole = low == int(low) and high == int(high) and (values is None or bool((values == np.floor(values)).all()))
    return "likert" if whole and 2 <= high - low <= _MOST_STEPS else "trait"


def _with_coherence(name: str, there: Sequence[str]) -> list[str]:
    return [name, *(each for each in ["coherent"] if each in there)]


def _open_names(log: Log, name: str, declared: Mapping[str, Declared]) -> tuple[str, ...]:
    """The measurement of an open set, if there is only one candidate; for a trait, with coherence."""
    there = _measured(log)
    others = [each for each in there if each != "coherent" and not each.startswith(_LIKELIHOOD)]
    own = _telling(log, others, declared) or ([] if isinstance(log, ScannedLog) else others)
    if len(own) != 1:
        raise InputError(
            f"The persona set {name!r} is for one measurement; those of the log are {', '.join(there) or 'none'}",
            expected="the name of one, and 'coherent' if it is scored",
            remedy="pass emissions=[name] (a text column is a measurement only if measurements= names it)",
            argument=("emissions", "measurements"),
        )
    return tuple(_with_coherence(own[0], there)) if name == "trait" else (own[0],)


# --- which personas -------------------------------------------------------------------------------------------------


def _listed(personas: str | Path | Sequence[Persona]) -> Sequence[Persona]:
    if not isinstance(personas, (str, Path)):
        return personas
    return () if personas in OPEN_SETS else persona_set(str(personas))


def _prompted(log: Log, personas: Sequence[Persona]) -> list[Persona]:
    """The personas whose log-likelihoods the log contains."""
    there = _measured(log)
    names = [column.removeprefix(_LIKELIHOOD) for column in there if column.startswith(_LIKELIHOOD)]
    if len(names) < 2:
        raise InputError(
            f"default_model: likelihoods need columns {_LIKELIHOOD}<persona> of two personas or more, as written by "
            f"score_log; the measurements of the log are: {', '.join(there) or 'none'}",
            argument="likelihoods",
        )
    known = {persona.name: persona for persona in personas}
    return [known.get(name, Persona(name, f"Texts that the prompt of {name!r} makes likely.")) for name in names]


def _archetyped(personas: str | Sequence[Persona]) -> tuple[str, ...]:
    """The measurements in the archetypes."""
    own = persona_set(personas) if isinstance(personas, str) else personas
    return tuple(dict.fromkeys(column for persona in own for column in persona.scores))


# --- which measurements ---------------------------------------------------------------------------------------------


def _measured(log: Log) -> Sequence[str]:
    """The measurements of a log; for a scanned log, all its columns."""
    return log.columns if isinstance(log, ScannedLog) else log.measurements


def _known(log: Log, personas: Sequence[Persona], what: Any, *, needed: bool) -> tuple[str, ...]:
    """The measurements of the log that the archetypes describe."""
    known, there = _archetyped(personas), _measured(log)
    found = tuple(column for column in known if column in there)
    if not found and needed:
        named = f"of {str(what)!r} " if isinstance(what, (str, Path)) else ""
        raise InputError(
            f"The personas {named}are defined by {', '.join(known)}, none of which the log contains."
            f"{_candidates(there, (), known[0] if known else 'aligned')} Other measurements are chosen with emissions",
            argument=("columns", "emissions"),
        )
    return found


def _refuse_lacking(log: Log, personas: Sequence[Persona], names: Sequence[str], *, likelihoods: bool) -> None:
    """Reject a log without the score ``aligned`` for personas that it defines: most often, it has another name."""
    if likelihoods or "aligned" in names or "aligned" not in _archetyped(personas):
        return
    there = _measured(log)
    raise InputError(
        f"The personas are defined by 'aligned', which the log does not contain, and the outcome requires it."
        f"{_candidates(there, names, 'aligned')} To fit without it, pass emissions={list(names)} and an outcome",
        argument=("columns", "emissions", "outcome"),
    )


def _candidates(there: Sequence[str], names: Sequence[str], lacking: str) -> str:
    """Which other measurements may be the one that is lacking; scores of which high values are bad are not."""
    others = [column for column in there if column not in names]
    traits = [column for column in others if is_trait(column)]
    rest = [column for column in others if column not in traits]
    text = f" Read but not modelled: {', '.join(others) or 'none'}."
    if not others:
        text += f" If the log has it under another name, read it as columns={{{lacking!r}: <its name>}}."
    if rest:
        text += f" If it is one of {', '.join(rest)}, read it as columns={{{lacking!r}: <its name>}}."
    if traits:
        text += (
            f" High values of {', '.join(traits)} are bad, so none of them is {lacking!r}: model it under its own name, "
            f"personas='trait', emissions=[{traits[0]!r}]."
        )
    return text


def _refuse_unmodelled(declared: Mapping[str, Declared], names: Sequence[str]) -> None:
    unknown = [name for name in declared if name not in names]
    if unknown:
        raise InputError(
            f"A range, direction or cuts are declared for {unknown[0]!r}, which is not modelled; the model uses "
            f"{', '.join(names)}",
            remedy=f"add it to the measurements: {unknown[0]}",
            argument=("emissions", "bounds", "cuts"),
        )


def _nested(log: Log) -> bool:
    if isinstance(log, ScannedLog):
        return bool(log.formats) or any("base_question" in file.column_map.columns for file in log.files)
    table = log.table if isinstance(log, CompletionLog) else log.cells
    return "base_question" in table and bool((table["base_question"] != table["question_id"]).any())


def _values(log: Log, name: str) -> np.ndarray | None:
    """The distinct values of a measurement; None if they are not known before counting."""
    if not isinstance(log, CompletionLog) or name not in log.measurements:
        return None
    return np.asarray(log.table[name].dropna().unique())


def _emission(
    name: str, set_: str | None, personas: Sequence[Persona], log: Log, declared: Declared, rules: Sequence[Any]
) -> AbstractEmission:
    """The emission of a measurement by the archetypes, by the open set, or by its values in the log."""
    bounds, high, cuts = declared
    if name in _archetyped(personas):
        return emission_by_name(name, personas, rules, bounds=bounds, cuts=cuts, high=high)
    if set_ in OPEN_SETS and name != "coherent":
        high = high or ("bad" if is_trait(name) else None)
    values = _values(log, name)
    if isinstance(log, CollapsedLog):
        return _counted(log, name, high)
    words = values is not None and values.dtype == object
    if set_ in ("event", "likert") or (words and bounds is None and cuts is None):
        return LabelEmission(name, _labels(values, set_, bounds), high=high)
    return emission_by_name(name, (), rules, bounds=bounds, cuts=cuts, high=high)


def _labels(values: np.ndarray | None, set_: str | None, bounds: tuple[float, float] | None) -> list[Any]:
    """The values of a label: the grades of a scale, the flags 0 and 1, or what occurs."""
    flags = values is None or (values.dtype != object and set(values) <= {0.0, 1.0})
    if set_ == "likert":
        scale = bounds or (None if values is None or values.dtype == object or flags else shorter_scale(values))
        if scale is not None:
            return list(range(int(scale[0]), int(scale[1]) + 1))
    return [0, 1] if flags or values is None else sorted(values.tolist())


def _counted(log: CollapsedLog, name: str, high: High | None) -> LabelEmission:
    """The label that was counted; categories of scores do not tell their emission."""
    labels = dict(zip(log.measurements, log.categories, strict=True)).get(name, ())[:-1]
    if len(labels) != 2 or any(label[:1] in "[(" for label in labels):
        raise InputError(
            "default_model: this log was collapsed with emissions, from which the model cannot be chosen",
            expected="a log of completions, or counts of one event",
            remedy="fit(model, log) with the model whose emissions it was collapsed with",
            argument="log",
        )
    return LabelEmission(name, labels, high=high)


def _with_denominator(model: PersonaMixture, of: str) -> PersonaMixture:
    """The model with another denominator of its outcome."""
    if model.outcome is None:
        raise InputError(
            "default_model: of is the denominator of an outcome, but the model has none",
            remedy="pass outcome",
            argument=("outcome", "of"),
        )
    return model.with_outcome(Outcome(model.outcome.rule, of=of, name=model.outcome.name))
