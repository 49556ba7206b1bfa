"""Category codes as SQL: the same bins that an emission's ``encode`` makes, for DuckDB to compute."""

from simulacra.data.counting.duckdb import Value, literal, missing_number_sql, trimmed
from simulacra.data.errors import LogError
from simulacra.data.reading.values import VERDICTS
from simulacra.formalism.emissions import AbstractEmission, LabelEmission, ScoreEmission

__all__ = ["code_sql", "missing_of"]

_OUT_OF_RANGE, _NOT_A_NUMBER = -1, -2


def missing_of(emission: AbstractEmission, missing: tuple[int | float | str, ...]) -> tuple[int | float | str, ...]:
    """The values that mean *missing* to an emission; for numbers also the words that judges give in their place."""
    words = isinstance(emission, LabelEmission) and any(isinstance(label, str) for label in emission.values)
    return missing if words else tuple(dict.fromkeys([*missing, *VERDICTS]))


def code_sql(emission: AbstractEmission, value: Value, missing: tuple[int | float | str, ...]) -> str:
    """The category code of a value as a SQL expression; -1 is out of range, -2 is text instead of a number.

    Args:
        emission: a ScoreEmission or a LabelEmission.
        value: SQL of the value.
        missing: values that mean *missing*.

    Raises:
        LogError: an emission of another class.
    """
    last = len(emission.categories) - 1
    labels = tuple(emission.values) if isinstance(emission, LabelEmission) else ()
    if any(isinstance(label, str) for label in labels):
        word = trimmed(value.text)
        words = ", ".join(literal(sentinel) for sentinel in ("", *missing) if isinstance(sentinel, str))
        whens = [f"WHEN {value.text} IS NULL OR {word} IN ({words}) THEN {last}"]
        whens += [f"WHEN {word} = {literal(str(label))} THEN {code}" for code, label in enumerate(labels)]
        return f"CASE {' '.join(whens)} ELSE {_OUT_OF_RANGE} END"
    number = value.number
    whens = [
        f"WHEN {missing_number_sql(value, missing_of(emission, missing))} THEN {last}",
        f"WHEN {number} IS NULL THEN {_NOT_A_NUMBER}",
    ]
    if labels:
        whens += [f"WHEN {number} = {float(label)!r} THEN {code}" for code, label in enumerate(labels)]
        return f"CASE {' '.join(whens)} ELSE {_OUT_OF_RANGE} END"
    if isinstance(emission, ScoreEmission):
        low, high = emission.bounds
        whens.append(f"WHEN {number} < {low!r} OR {number} > {high!r} THEN {_OUT_OF_RANGE}")
        for code, cut in enumerate(emission.cuts):
            whens.append(f"WHEN {number} {'<=' if cut.closed else '<'} {cut.value!r} THEN {code}")
        return f"CASE {' '.join(whens)} ELSE {len(emission.cuts)} END"
    raise LogError(
        f"a {type(emission).__name__} cannot be counted by DuckDB",
        column=emission.measurement,
        expected="ScoreEmission or LabelEmission for a scanned log",
        remedy="read the log with read_completions",
    )
