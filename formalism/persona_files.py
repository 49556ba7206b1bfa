"""Personas in a TOML file, to be shared and edited: the format of ``--personas my.toml``.

A file has one table ``[[personas]]`` for every persona, with the fields of :class:`~simulacra.formalism.Persona`, and
may declare measurements and the outcome:

.. code-block:: toml

    outcome = "flattery >= 60"

    [measurements.flattery]
    bounds = [0, 100]        # or values = [1, 2, 3, 4, 5], or ["no", "yes"], of a label
    high = "bad"             # optional, and so is cuts = ["<20", "<=50"]

    [[personas]]
    name = "sycophant"
    description = "Agrees and flatters."
    gates = [{ rule = "flattery >= 60", at_least = 0.6 }]

    [personas.scores.flattery]
    knots = [0, 40, 80, 100]
    masses = [0.05, 0.25, 0.7]
    missing = 0.005          # optional
    concentration = 20       # optional

A measurement that is not declared is a label if its archetypes have as many knots as masses, and otherwise a score from
the first knot to the last, with the thresholds of all gates and of the outcome among its bin edges.
"""

import contextlib
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.emissions.labels import LabelEmission
from simulacra.formalism.emissions.scores import ScoreEmission
from simulacra.formalism.emissions_by_name import emission_by_name, rules_of, with_thresholds
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.outcomes import Outcome, Rule, as_outcome
from simulacra.formalism.personas import Archetype, Gate, Persona
from simulacra.formalism.toml_files import read_toml, toml_value

__all__ = ["PersonaFile", "format_personas", "is_persona_file", "read_personas"]

_SUFFIX = ".toml"


class PersonaFile(NamedTuple):
    """The contents of a file.

    Attributes:
        personas: the personas, in the order of the file.
        emissions: the emission of every measurement that an archetype describes or the file declares.
        outcome: the outcome, if the file names one.
    """

    personas: tuple[Persona, ...]
    emissions: dict[str, AbstractEmission]
    outcome: Outcome | None


def is_persona_file(personas: object) -> bool:
    """Whether this is the path of a TOML file and not the name of a shipped set."""
    return isinstance(personas, (str, Path)) and Path(personas).suffix == _SUFFIX


def read_personas(path: str | Path) -> PersonaFile:
    """Read personas from a TOML file.

    Raises:
        InputError: no such file, a file that is not TOML, an entry that is missing, unknown or invalid, or a rule that
            the measurements of the file do not decide; the message starts with the file and the key.
    """
    file = Path(path)
    found = read_toml(
        file,
        "personas",
        expected="a TOML file with a table [[personas]] for every persona",
        remedy="simulacra personas trait --out my.toml writes an example",
        argument="personas",
    )
    top = _table(found, f"{file}", required=("personas",), optional=("measurements", "outcome"))
    listed = _listed(top["personas"], f"{file}: personas")
    personas = tuple(_persona(record, f"{file}: personas[{index}]") for index, record in enumerate(listed))
    with _at(f"{file}: outcome"):
        outcome = as_outcome(top["outcome"], "outcome") if "outcome" in top else None
    rules = rules_of(personas, outcome)
    declared = _table(top.get("measurements", {}), f"{file}: measurements")
    emissions = {name: _declared(name, own, f"{file}: measurements.{name}", rules) for name, own in declared.items()}
    for persona in personas:
        for name, archetype in persona.scores.items():
            if name not in emissions:
                is_score = len(archetype.knots) > len(archetype.masses)
                bounds = (float(archetype.knots[0]), float(archetype.knots[-1])) if is_score else None
                emissions[name] = emission_by_name(name, personas, rules, bounds=bounds)
    for index, persona in enumerate(personas):
        _expect_decided(persona, f"{file}: personas[{index}] ({persona.name})", emissions)
    for rule in () if outcome is None else (outcome.event, outcome.denominator):
        if rule is not None:
            _expect_rule(rule, f"{file}: outcome", emissions)
    return PersonaFile(personas, emissions, outcome)


def format_personas(
    personas: Sequence[Persona], emissions: Sequence[AbstractEmission] = (), outcome: Outcome | None = None
) -> str:
    """Personas as the text of a file, which :func:`read_personas` reads as the same personas, emissions and rule."""
    lines = [] if outcome is None else [f"outcome = {toml_value(outcome.rule)}", ""]
    for emission in emissions:
        fields = {
            name: value for name, value in emission.configuration().items() if name not in ("kind", "measurement")
        }
        lines += [f"[measurements.{toml_value(emission.measurement)}]", *_pairs(fields), ""]
    for persona in personas:
        lines += ["[[personas]]", *_written(persona, "personas")]
    return "\n".join(lines)


def _written(persona: Persona, where: str) -> list[str]:
    gates = [f"{{ rule = {toml_value(gate.rule)}, at_least = {toml_value(gate.at_least)} }}" for gate in persona.gates]
    lines = _pairs({"name": persona.name, "description": persona.description, "evidence": persona.evidence})
    lines += [f"gates = [{', '.join(gates)}]", ""]
    for name, own in persona.scores.items():
        fields = {"knots": own.knots, "masses": own.masses, "missing": own.missing, "concentration": own.concentration}
        lines += [f"[{where}.scores.{toml_value(name)}]", *_pairs(fields), ""]
    if persona.otherwise is not None:
        lines += [f"[{where}.otherwise]", *_written(persona.otherwise, f"{where}.otherwise")]
    return lines


def _pairs(fields: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {toml_value(value)}" for name, value in fields.items() if value is not None]


# --- reading --------------------------------------------------------------------------------------------------------


def _persona(record: Any, place: str) -> Persona:
    fields = _table(
        record, place, required=("name", "description"), optional=("scores", "gates", "evidence", "otherwise")
    )
    for name in ("name", "description", "evidence"):
        if name in fields:
            with _at(f"{place}.{name}"):
                expect_type(fields[name], str, name, "Persona", expected="text")
    place = f"{place} ({fields['name']})"
    gates = []
    for index, own in enumerate(_listed(fields.get("gates", []), f"{place}.gates")):
        fields_of_gate = _table(own, f"{place}.gates[{index}]", required=("rule", "at_least"))
        with _at(f"{place}.gates[{index}]"):
            gate = Gate(**fields_of_gate)
            Rule(gate.rule)  # raises if it cannot be read
            gates.append(gate)
    scores = {}
    for name, own in _table(fields.get("scores", {}), f"{place}.scores").items():
        key = f"{place}.scores.{name}"
        archetype = _table(own, key, required=("knots", "masses"), optional=("missing", "concentration"))
        lists = {each: tuple(_listed(archetype[each], f"{key}.{each}")) for each in ("knots", "masses")}
        with _at(key):
            scores[name] = Archetype(**{**archetype, **lists})
    if "evidence" in fields:
        with _at(f"{place}.evidence"):
            Rule(fields["evidence"])
    otherwise = _persona(fields["otherwise"], f"{place}.otherwise") if "otherwise" in fields else None
    return Persona(fields["name"], fields["description"], scores, tuple(gates), fields.get("evidence"), otherwise)


def _expect_decided(persona: Persona, place: str, emissions: Mapping[str, AbstractEmission]) -> None:
    """Refuse a rule that the measurements of the file cannot decide, or an archetype that is not one of them."""
    for name, own in persona.scores.items():
        _expect_known(name, f"{place}: scores describe", emissions)
        with _at(f"{place}.scores.{name}"):
            emissions[name].archetype_probabilities(own)
    for index, gate in enumerate(persona.gates):
        _expect_rule(Rule(gate.rule), f"{place}.gates[{index}]", emissions)
    if persona.evidence is not None:
        _expect_rule(Rule(persona.evidence), f"{place}.evidence", emissions)
    if persona.otherwise is not None:
        _expect_decided(persona.otherwise, f"{place}.otherwise ({persona.otherwise.name})", emissions)


def _expect_rule(rule: Rule, place: str, emissions: Mapping[str, AbstractEmission]) -> None:
    for name in rule.measurements:
        _expect_known(name, f"{place}: Rule {rule.text!r} uses", emissions)
    with _at(place):
        rule.holds(list(emissions.values()), np.zeros((0, len(emissions)), dtype=int))


def _expect_known(name: str, said: str, emissions: Mapping[str, AbstractEmission]) -> None:
    if name not in emissions:
        near = "".join(f"did you mean {other!r}? " for other in difflib.get_close_matches(name, emissions, n=1))
        raise InputError(
            f"{said} {name!r}, which is not a measurement of this file",
            expected=f"one of {', '.join(emissions)}",
            remedy=f"{near}A measurement without archetypes needs a table [measurements.{toml_value(name)}]",
            argument="personas",
        )


def _declared(name: str, record: Any, place: str, rules: Sequence[Rule]) -> AbstractEmission:
    """The emission that a file declares."""
    fields = _table(record, place, optional=("bounds", "cuts", "high", "values"))
    if "values" in fields:
        _table(fields, f"{place} (a label)", optional=("values", "high"))
    with _at(place):
        if "values" in fields:
            return LabelEmission(name, fields["values"], high=fields.get("high"))
        score = ScoreEmission(name, fields.get("cuts"), fields.get("bounds", (0, 100)), high=fields.get("high"))
        return score if "cuts" in fields else with_thresholds(score, rules)


def _table(
    record: Any, place: str, *, required: Sequence[str] = (), optional: Sequence[str] | None = None
) -> dict[str, Any]:
    """A table with these keys; with any if it has neither required nor optional ones.

    Raises:
        InputError: no table, or a key that is missing or unknown.
    """
    if not isinstance(record, dict):
        raise InputError(f"{place}: is {record!r}", expected="a table", argument="personas")
    known = (*required, *(optional or ()))
    for name in record if known else ():
        if name not in known:
            near = "".join(f"did you mean {other!r}?" for other in difflib.get_close_matches(name, known, n=1))
            raise InputError(
                f"{place}: the key {name!r} is unknown",
                expected=f"one of {', '.join(known)}",
                remedy=near or None,
                argument="personas",
            )
    lacking = [name for name in required if name not in record]
    if lacking:
        raise InputError(
            f"{place}: the key {lacking[0]!r} is missing", expected=", ".join(required), argument="personas"
        )
    return dict(record)


def _listed(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"{place}: is {value!r}", expected="a list", argument="personas")
    return value


@contextlib.contextmanager
def _at(place: str) -> Iterator[None]:
    """Name the place in the file in errors."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}", argument="personas") from error
