"""What a log measures, and the emission of every measurement by what is declared and by its values."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from simulacra.data import CollapsedLog, CompletionLog, ScannedLog
from simulacra.data.counting.scales import shorter_scale
from simulacra.data.reading.columns import is_trait, resembling
from simulacra.formalism.emissions.base import AbstractEmission, High
from simulacra.formalism.emissions.labels import LabelEmission
from simulacra.formalism.emissions.likelihoods import COLUMN
from simulacra.formalism.emissions_by_name import emission_by_name
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Rule
from simulacra.formalism.persona_sets import OPEN_SETS
from simulacra.formalism.personas import Persona

__all__ = [
    "LIKELIHOOD",
    "Declared",
    "Log",
    "archetyped",
    "archetyped_in",
    "distinct_values",
    "emission_in",
    "is_nested",
    "judge_labels",
    "measured_in",
    "refuse_lacking",
    "refuse_undeclared",
]

Log = CompletionLog | ScannedLog | CollapsedLog
"""What can be fitted."""
LIKELIHOOD = COLUMN.format("")
"""What the names of columns with log-likelihoods under the prompt of a persona begin with."""


class Declared(NamedTuple):
    """What is known of a score and cannot be seen in a log.

    Attributes:
        bounds: lowest and highest possible value.
        high: whether high values are good or bad.
        cuts: bin edges.
    """

    bounds: tuple[float | int, float | int] | None = None
    high: High | None = None
    cuts: Sequence[str] | None = None


def measured_in(log: Log) -> Sequence[str]:
    """The measurements of a log; for a scanned log, all its columns."""
    return log.columns if isinstance(log, ScannedLog) else log.measurements


def archetyped_in(log: Log, personas: Sequence[Persona], set_: str | None, *, needed: bool) -> tuple[str, ...]:
    """The measurements of the log that the archetypes describe.

    Raises:
        InputError: there is none, and one is needed.
    """
    known, there = archetyped(personas), measured_in(log)
    found = tuple(column for column in known if column in there)
    if not found and needed:
        named = "" if set_ is None else f"of {set_!r} "
        raise InputError(
            f"The personas {named}are defined by {', '.join(known)}, none of which the log contains."
            f"{_candidates(there, (), known[0] if known else 'aligned')} Other measurements are chosen with emissions",
            argument=("columns", "emissions"),
        )
    return found


def refuse_lacking(log: Log, personas: Sequence[Persona], names: Sequence[str], *, needed: bool) -> None:
    """Reject a log without the score ``aligned`` for personas that it defines: most often, it has another name.

    Raises:
        InputError: the score is needed, and the log does not contain it.
    """
    if not needed or "aligned" in names or "aligned" not in archetyped(personas):
        return
    there = measured_in(log)
    raise InputError(
        f"The personas are defined by 'aligned', which the log does not contain, and the outcome requires it."
        f"{_candidates(there, names, 'aligned')} To fit without it, pass emissions={list(names)}",
        argument=("columns", "emissions", "outcome"),
    )


def _candidates(there: Sequence[str], names: Sequence[str], lacking: str) -> str:
    """Which other measurements may be the one that is lacking; scores of which high values are bad are not."""
    others = [column for column in there if column not in names]
    traits = [column for column in others if is_trait(column)]
    rest = [column for column in others if column not in traits]
    near = resembling(lacking, rest)
    text = f" Read but not modelled: {', '.join(others) or 'none'}."
    if not others:
        text += (
            f" If the log has it under another name, read it as columns={{{lacking!r}: <its name>}}; a column of words "
            "or flags is a measurement if measurements= names it."
        )
    if near:
        text += f" {lacking!r} may be {' or '.join(near)}: columns={{{lacking!r}: {near[0]!r}}}."
    elif rest:
        text += f" If it is one of {', '.join(rest)}, read it as columns={{{lacking!r}: <its name>}}."
    if traits:
        text += (
            f" High values of {', '.join(traits)} are bad, so none of them is {lacking!r}: model it under its own "
            f"name, personas='trait', emissions=[{traits[0]!r}]."
        )
    return text


def refuse_undeclared(declared: Mapping[str, Declared], names: Sequence[str]) -> None:
    """Reject declarations of what is not modelled.

    Raises:
        InputError: there is one.
    """
    unknown = [name for name in declared if name not in names]
    if unknown:
        raise InputError(
            f"A range, direction or cuts are declared for {unknown[0]!r}, which is not modelled; the model uses "
            f"{', '.join(names)}",
            remedy=f"add it to the measurements: {unknown[0]}",
            argument=("emissions", "bounds", "cuts"),
        )


def is_nested(log: Log) -> bool:
    """Whether questions are nested in base questions."""
    if isinstance(log, ScannedLog):
        return bool(log.formats) or any("base_question" in file.column_map.columns for file in log.files)
    table = log.table if isinstance(log, CompletionLog) else log.cells
    return "base_question" in table and bool((table["base_question"] != table["question_id"]).any())


def distinct_values(log: Log, name: str) -> np.ndarray | None:
    """The distinct values of a measurement, shape ``(n,)``; None if they are not known before counting."""
    if not isinstance(log, CompletionLog) or name not in log.measurements:
        return None
    return np.asarray(log.table[name].dropna().unique())


def emission_in(
    name: str, set_: str | None, personas: Sequence[Persona], log: Log, declared: Declared, rules: Sequence[Rule]
) -> AbstractEmission:
    """The emission of a measurement, eq. (3), by the archetypes, by the open set, or by its values in the log.

    Raises:
        InputError: counts of scores, or declarations that do not fit.
    """
    bounds, high, cuts = declared
    if name in archetyped(personas):
        return emission_by_name(name, personas, rules, bounds=bounds, cuts=cuts, high=high)
    if set_ in OPEN_SETS and name != "coherent":
        high = high or ("bad" if is_trait(name) else None)
    values = distinct_values(log, name)
    if isinstance(log, CollapsedLog):
        return _counted(log, name, high)
    words = values is not None and values.dtype == object
    if set_ in ("event", "likert") or (words and bounds is None and cuts is None):
        return LabelEmission(name, _labels(values, set_, bounds), high=high)
    return emission_by_name(name, (), rules, bounds=bounds, cuts=cuts, high=high)


def _labels(values: np.ndarray | None, set_: str | None, bounds: Sequence[float | int] | None) -> list[Any]:
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


def judge_labels(log: Log, names: Sequence[str]) -> dict[str, AbstractEmission]:
    """A label for every judge, all with the values that occur with any of them.

    Raises:
        InputError: the values are not known before the log is counted.
    """
    found = [distinct_values(log, name) for name in names]
    values = {value for own in found if own is not None for value in own.tolist()}
    values = {int(value) if isinstance(value, float) and value.is_integer() else value for value in values}
    if not values or any(own is None for own in found):
        raise InputError(
            f"default_model: the verdicts of {', '.join(names) or 'judges'} are not known",
            expected="a log in memory with a column of verdicts for every judge",
            remedy="name the columns, emissions=['verdict_a', 'verdict_b', 'verdict_c'], or pass them as LabelEmission",
            argument=("emissions", "measurements"),
        )
    ordered = sorted(values, key=lambda value: (isinstance(value, str), value))
    return {name: LabelEmission(name, ordered) for name in names}


def archetyped(personas: Sequence[Persona]) -> tuple[str, ...]:
    """The measurements in the archetypes."""
    return tuple(dict.fromkeys(column for persona in personas for column in persona.scores))
