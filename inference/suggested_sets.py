"""Which persona set, a choice of emissions in eq. (3), fits what a log measures."""

from collections.abc import Mapping, Sequence

import numpy as np

from simulacra.data import CollapsedLog, ScannedLog
from simulacra.data.reading.columns import is_trait
from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.emissions.labels import LabelEmission
from simulacra.formalism.emissions.scores import ScoreEmission
from simulacra.formalism.errors import InputError
from simulacra.formalism.persona_sets import persona_set
from simulacra.inference.log_measurements import (
    LIKELIHOOD,
    Declared,
    Log,
    archetyped,
    distinct_values,
    measured_in,
)

__all__ = ["USUAL_SET", "open_measurement", "suggested_set"]

USUAL_SET = "emergent-misalignment"
"""The set of a log with a score ``aligned``, and of one of which nothing is known."""
_MOST_STEPS = 6  # from the lowest grade to the highest of a Likert scale


def suggested_set(
    log: Log,
    names: Sequence[str],
    declared: Mapping[str, Declared],
    given: Mapping[str, AbstractEmission],
) -> str:
    """The set that fits the measurements; that of emergent misalignment if nothing is known of any other.

    Raises:
        InputError: several measurements, or one whose direction is not known.
    """
    there = names or measured_in(log)
    if "aligned" in there:
        return USUAL_SET
    others = [each for each in there if each != "coherent" and not each.startswith(LIKELIHOOD)]
    own = others if names else _telling(log, others, declared)
    if not own or (names and set(own) <= set(archetyped(persona_set(USUAL_SET)))):
        return USUAL_SET
    if len(own) > 1:
        raise InputError(
            f"default_model: {', '.join(own)} may each be what is fitted, and no persona set describes them together",
            expected="one measurement, with 'coherent' if it is scored",
            remedy=f"choose one, emissions={_with_coherence(own[0], there)}, or pass personas that describe all",
            argument=("emissions", "personas"),
        )
    name, known = own[0], declared.get(own[0], Declared())
    if name == "grade" and name not in declared and name not in given:
        return "ordinal-5"
    suggested = _kind(log, name, known, given.get(name))
    if suggested != "event" and not (known.high or getattr(given.get(name), "high", None) or is_trait(name)):
        raise InputError(
            f"default_model: the name of {name!r} does not say whether high values are good or bad",
            expected="a declaration of its direction",
            remedy=f"pass declared={{{name!r}: Declared(high='bad')}}; if it scores alignment, read it as such, "
            f"columns={{'aligned': {name!r}}}",
            argument=("high", "columns"),
        )
    return suggested


def _telling(log: Log, names: Sequence[str], declared: Mapping[str, Declared]) -> list[str]:
    """Measurements that are declared; without any, those whose names say what they are. Counts are of one event."""
    if isinstance(log, CollapsedLog):
        return list(names)
    own = [name for name in names if name in declared]
    return own or [name for name in names if is_trait(name) or name == "grade"]


def _kind(log: Log, name: str, declared: Declared, given: AbstractEmission | None) -> str:
    """The open set for a measurement, by its emission, its declaration or its values."""
    if isinstance(given, LabelEmission):
        return "event" if len(given.values) == 2 else "likert"
    if isinstance(given, ScoreEmission):
        return "trait"
    values = distinct_values(log, name)
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


def open_measurement(log: Log, name: str, declared: Mapping[str, Declared]) -> tuple[str, ...]:
    """The measurement of an open set, if there is only one candidate; for a trait, with coherence; for judges, all.

    Raises:
        InputError: there are several, or none.
    """
    there = measured_in(log)
    others = [each for each in there if each != "coherent" and not each.startswith(LIKELIHOOD)]
    if name == "judges":
        return tuple(others)
    own = _telling(log, others, declared) or ([] if isinstance(log, ScannedLog) else others)
    if len(own) != 1:
        raise InputError(
            f"The persona set {name!r} is for one measurement; those of the log are {', '.join(there) or 'none'}",
            expected="the name of one, and 'coherent' if it is scored",
            remedy="pass emissions=[name] (a text column is a measurement only if measurements= names it)",
            argument=("emissions", "measurements"),
        )
    return tuple(_with_coherence(own[0], there)) if name == "trait" else (own[0],)
