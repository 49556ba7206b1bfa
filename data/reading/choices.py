"""The caller's choices of what columns and values mean, the same for every function that reads a log."""

import dataclasses
import numbers
from collections.abc import Iterable, Mapping
from typing import Any, cast

from simulacra.data.reading.filenames import is_pattern
from simulacra.data.reading.values import sentinels
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["JOINED", "Choices", "choices_of", "names_of"]

JOINED = "+"
"""Between the names of columns that together form the condition."""


@dataclasses.dataclass(frozen=True)
class Choices:
    """The caller's choices of what columns and values mean, as in ``read_completions``.

    Attributes:
        condition: a column, or a pattern of file names.
        combined: the columns whose values together form the column ``condition``; empty if it is one column.
        columns: canonical name to the file's own; None excludes a column.
        measurements: the measurement columns; None recognises them.
        contexts: the context columns; None recognises them.
        missing: values of measurements that mean *missing*; None is the usual sentinel.
        base_question: the column with the base question.
        formats: suffixes of question ids that mark a prompt format.
        decimal: the decimal mark of numbers written as text.
    """

    condition: str | None = None
    combined: tuple[str, ...] = ()
    columns: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    measurements: tuple[str, ...] | None = None
    contexts: tuple[str, ...] | None = None
    missing: tuple[int | float | str, ...] | None = None
    base_question: str | None = None
    formats: tuple[str, ...] = ()
    decimal: str = "."

    @property
    def claimed(self) -> tuple[str, ...]:
        """Columns requested as measurements or contexts."""
        return (*(self.measurements or ()), *(self.contexts or ()))


def choices_of(
    call: str,
    *,
    condition: object,
    columns: object,
    measurements: object,
    contexts: object,
    missing: object,
    base_question: object,
    formats: object,
    decimal: object,
) -> Choices:
    """The arguments of a call that reads a log, with their types checked.

    Raises:
        InputError: an argument of another type.
    """
    nothing = type(None)
    for argument, value, types, expected in (
        ("condition", condition, (str, list, tuple, nothing), "a column, several, or a pattern '{model}-{condition}'"),
        ("columns", columns, (Mapping, nothing), "a dictionary such as {'completion': 'answer'}"),
        ("measurements", measurements, (Iterable, nothing), "a list of columns"),
        ("contexts", contexts, (Iterable, nothing), "a list of columns"),
        ("missing", missing, (numbers.Real, Iterable, nothing), "a value or a list of values, such as (-1, 'REFUSAL')"),
        ("base_question", base_question, (str, nothing), "a column"),
        ("formats", formats, (Iterable, nothing), "a list of suffixes"),
        ("decimal", decimal, str, "'.' or ','"),
    ):
        expect_type(value, types, argument, call, expected=expected)
    if decimal not in (".", ","):
        raise InputError(f"decimal={decimal!r}", expected="'.' or ','", argument="decimal")
    parts = () if isinstance(condition, str) or condition is None else tuple(cast("list[str]", condition))
    if len(set(parts)) < len(parts) or any(not isinstance(part, str) or is_pattern(part) for part in parts):
        raise InputError(
            f"condition={condition!r}", expected="different columns, or one pattern of file names", argument="condition"
        )
    return Choices(
        condition=JOINED.join(parts) if parts else cast("str | None", condition),
        combined=parts if len(parts) > 1 else (),
        columns=cast("Mapping[str, str | None]", columns or {}),
        measurements=names_of(measurements),
        contexts=names_of(contexts),
        missing=sentinels(cast("Any", missing)),
        base_question=cast("str | None", base_question),
        formats=names_of(formats) or (),
        decimal=str(decimal),
    )


def names_of(names: Any) -> tuple[str, ...] | None:
    """One name or several as a tuple."""
    return (names,) if isinstance(names, str) else None if names is None else tuple(names)
