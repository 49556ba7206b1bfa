"""The schema of a log, which pandera validates before a log is returned."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pa

from simulacra.data.errors import LogError

__all__ = ["check_table", "log_schema"]

_TEXT = "text that is not empty"
_FILLED = {"condition": _TEXT, "question_id": _TEXT, "base_question": _TEXT, "source": _TEXT}


def log_schema(measurements: Sequence[str], contexts: Sequence[str]) -> pa.DataFrameSchema:
    """The schema of a log's table: its columns in order, and no others.

    ``condition``, ``question_id``, ``base_question`` and ``source`` are text and never empty; ``completion`` is text
    or None; a measurement is float64 (NaN is *missing*) or text (None is *missing*); a context is text or numbers;
    ``record`` is 1 or more.
    """
    text = {name: _text(name, nullable=name == "completion") for name in (*_FILLED, "completion")}
    mixed = {name: _numbers_or_text(name) for name in (*measurements, *contexts)}
    record = pa.Column("int64", pa.Check.ge(1), name="record")
    order = ["condition", "question_id", "base_question", "completion", *measurements, *contexts, "source"]
    return pa.DataFrameSchema(
        {**{name: (text | mixed)[name] for name in order}, "record": record}, strict=True, ordered=True
    )


def check_table(table: pd.DataFrame, measurements: Sequence[str], contexts: Sequence[str]) -> pd.DataFrame:
    """Validate a table against its schema.

    Raises:
        LogError: the first row that violates it, with file, line and column.
    """
    try:
        return log_schema(measurements, contexts).validate(table)
    except pa.errors.SchemaError as error:
        raise _located(error, table) from error


def _text(name: str, *, nullable: bool) -> pa.Column:
    check = pa.Check(_is_text, name="text", error=_TEXT, ignore_na=False)
    return pa.Column(object, check, nullable=nullable, name=name)


def _numbers_or_text(name: str) -> pa.Column:
    check = pa.Check(_is_numbers_or_text, name="numbers or text", error="numbers or text", ignore_na=False)
    return pa.Column(None, check, nullable=True, name=name)


def _is_text(values: pd.Series) -> pd.Series:
    return pd.Series([value is None or (isinstance(value, str) and value != "") for value in values], values.index)


def _is_numbers_or_text(values: pd.Series) -> pd.Series:
    if values.dtype in (np.dtype(np.float64), np.dtype(np.int64)):
        return pd.Series(data=True, index=values.index)
    return _is_text(values)


def _located(error: pa.errors.SchemaError, table: pd.DataFrame) -> LogError:
    column = getattr(error.schema, "name", None)
    cases = error.failure_cases
    index = cases["index"].iloc[0] if isinstance(cases, pd.DataFrame) and "index" in cases else None
    if index is None or pd.isna(index):
        return LogError(str(error).splitlines()[0], column=column, expected="the documented schema of a log")
    row = table.loc[index]
    value = row[column] if column in table else None
    return LogError(
        "the value is empty" if value is None else f"the value {value!r} is not valid",
        file=row["source"],
        line=int(row["record"]),
        column=column,
        expected=_FILLED.get(str(column), str(error.check)),
        remedy="fill it in, or remove the row from the file",
    )
