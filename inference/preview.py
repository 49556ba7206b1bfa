"""What a fit of eq. (1) to a log would start from: model, observed rates, assumptions on every score, and refusals."""

import contextlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from simulacra.data import CompletionLog, collapse
from simulacra.data.counting.scales import shorter_scale
from simulacra.data.reading.columns import SCORES, is_trait
from simulacra.formalism.emissions import AbstractEmission, LabelEmission, ScoreEmission
from simulacra.formalism.errors import InputError
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.outcomes import Outcome, quoted
from simulacra.formalism.scales import bounds_of, coherent_rule
from simulacra.inference.default_model import default_model, model_in_words
from simulacra.inference.log_measurements import LIKELIHOOD, Declared
from simulacra.inference.prepare import prepare

__all__ = ["preview"]

_MOST = 6  # values of a label


def preview(log: CompletionLog, measure: Sequence[str] = (), baseline: str = "base") -> dict[str, Any]:
    """The default model of a log, observed rates, and the assumptions that they rest on, in plain JSON types.

    Args:
        log: the log.
        measure: measurements that are modelled. Default: as for :func:`~simulacra.inference.default_model`.
        baseline: the condition that the others are compared with.

    Returns:
        ``assumed``, a sentence per measurement on the scale that its values suggest, its direction and its sentinels;
        ``modelled``, the measurements of the default model, none if it needs more options; ``default_model``, the model
        or what it needs, without the personas that a fit leaves out; ``notes``, what a fit changes or leaves out, and
        why; ``refused``, what its fit would refuse before it samples; ``argument``, the Python arguments that what is
        needed or refused concerns; ``rates``, by rule and condition:
        ``completions`` and, under each denominator, ``events``, ``of`` and ``rate`` (None if the denominator is empty).
        The rule is the outcome of the model, on the scales that the values suggest; without a model, every value of
        every label.
    """
    judged = [name for name in log.measurements if not name.startswith(LIKELIHOOD)]
    scales = {name: scale for name in judged if (scale := _scale(log, name)) is not None}
    found: dict[str, Any] = {"assumed": {name: _assumed(log, name, scales.get(name)) for name in judged}}
    try:
        model = default_model(log, emissions=measure, baseline=baseline, silent=True)
    except InputError as error:
        emissions = [ScoreEmission(name) for name in SCORES if name in scales]
        found |= {"modelled": [], "default_model": f"Options are needed: {error}", "rates": _shares(log)}
        return found | {"notes": [], **_said([error, *_refused(log, emissions)], after=1)}
    outcomes = _on_scales(log, model, measure, scales)
    fitted, notes, unprepared = _prepared(log, model)
    found |= {"modelled": list(model.measurements), "default_model": model_in_words(fitted), "notes": notes}
    found["rates"] = {} if outcomes.outcome is None else _rates(log, outcomes.emissions, outcomes.outcome.rule)
    return found | _said(_refused(log, model.emissions) or unprepared)


def _scale(log: CompletionLog, name: str) -> tuple[float, float] | None:
    """The scale that the values of a score suggest; None for a label."""
    if log.table[name].dtype == object:
        return None
    values = np.unique(log.table[name].dropna().to_numpy())
    if not values.size:
        return 0.0, 100.0
    low, high = float(values[0]), float(values[-1])
    return (low, high) if low < 0 and low < high else shorter_scale(values) or (0.0, 100.0)


def _assumed(log: CompletionLog, name: str, scale: tuple[float, float] | None) -> str:
    counts = log.account.sentinels.get(name, {})
    missing = ", ".join(f"{value} × {count}" for value, count in counts.items()) or "only empty values"
    if scale is None:
        return f"a label, not a score; read as missing: {missing}"
    direction = "high values are bad, by its name" if is_trait(name) else "unknown"
    direction = "high values are good" if name in SCORES else direction
    low, high = scale
    return f"the values suggest a scale from {low:g} to {high:g}; direction: {direction}; read as missing: {missing}"


def _on_scales(
    log: CompletionLog, model: PersonaMixture, measure: Sequence[str], scales: dict[str, tuple[float, float]]
) -> PersonaMixture:
    """The default model with its scores on the scales that their values suggest."""
    scores = {each.measurement: tuple(each.bounds) for each in model.emissions if isinstance(each, ScoreEmission)}
    declared = {name: Declared(scales[name]) for name in scales if scores.get(name, scales[name]) != scales[name]}
    with contextlib.suppress(InputError):
        return default_model(log, emissions=measure, declared=declared, silent=True)
    return model


def _refused(log: CompletionLog, emissions: Sequence[AbstractEmission]) -> list[InputError]:
    refused = []
    for emission in emissions:
        try:
            collapse(log, [emission], by=("condition",))
        except InputError as error:
            refused.append(error)
    return refused


def _said(errors: Sequence[InputError], after: int = 0) -> dict[str, list[str]]:
    """What is refused, from the error of this number on, and the arguments that any error concerns."""
    arguments = dict.fromkeys(name for error in errors for name in error.argument)
    return {"refused": [str(error) for error in errors[after:]], "argument": list(arguments)}


def _prepared(log: CompletionLog, model: PersonaMixture) -> tuple[PersonaMixture, list[str], list[InputError]]:
    """The model that a fit samples, what it notes, and what it refuses before: no baseline, terms of one level."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            prepared = prepare(model, log)
        except InputError as error:
            return model, [], [error]
    return prepared.model, list(prepared.notes), []


def _shares(log: CompletionLog) -> dict[str, Any]:
    """The rate of every value of every label with a few values, with the score of coherence if there is one."""
    found: dict[str, Any] = {}
    scale = _scale(log, "coherent") if "coherent" in log.measurements else None
    coherence = [] if scale is None else [ScoreEmission("coherent", bounds=scale)]
    for name in log.measurements:
        values = sorted(log.table[name].dropna().unique().tolist())
        flags = values == [0, 1]
        if flags or (log.table[name].dtype == object and 2 <= len(values) <= _MOST):
            for value in [0, 1] if flags else values:
                rule = f"{quoted(name)} == {value!r}"
                found |= _rates(log, [LabelEmission(name, values), *coherence], rule)
    return found


def _rates(log: CompletionLog, emissions: Sequence[AbstractEmission], rule: str) -> dict[str, Any]:
    """Events and denominators of a rule per condition; empty if a value is outside its scale, which is refused."""
    of = {"all": "all", "scored": "scored"}
    if coherent := coherent_rule(bounds_of(emissions)):
        of["coherent"] = coherent
    outcomes = {name: Outcome(rule, of=denominator) for name, denominator in of.items()}
    try:
        codes = np.stack([each.encode(log.table[each.measurement].to_numpy()) for each in emissions], axis=1)
        holds = {name: own.numerator.holds(emissions, codes) for name, own in outcomes.items()}
        inside = {name: own.denominator.holds(emissions, codes) for name, own in outcomes.items() if own.denominator}
    except InputError:
        return {}
    found: dict[str, Any] = {}
    for condition, rows in log.table.groupby("condition", sort=True).indices.items():
        found[str(condition)] = {"completions": len(rows)}
        for name in outcomes:
            events, size = int(holds[name][rows].sum()), int(inside[name][rows].sum()) if name in inside else len(rows)
            found[str(condition)][name] = {"events": events, "of": size, "rate": events / size if size else None}
    return {rule: found}
