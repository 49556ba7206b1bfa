"""Text in a column of scores: words of judges, and numbers written in another way, each with its remedy."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.errors import LogError, shown
from simulacra.data.reading.gather import Gathered
from simulacra.data.reading.values import USUAL_SENTINEL, Numbers

__all__ = ["refuse_text"]

_MOST = 20
_NUMBER = r"[+-]?\d+(?:[.,]\d+)?"
_COMMA = re.compile(r"[+-]?\d+,\d+")
_MARKED = re.compile(rf"({_NUMBER})\s*(?:%|/\s*\d+)")
_DIGIT = re.compile(r"\d")


def refuse_text(
    raw: Gathered, name: str, numbers: Numbers, missing: Sequence[int | float | str] | None, decimal: str
) -> LogError:
    """The error for text in a column of scores: all of it, and how each kind is read.

    Args:
        raw: the log.
        name: the column.
        numbers: the column read as numbers.
        missing: the values declared as missing; None if none were declared.
        decimal: the decimal mark of numbers.
    """
    row = int(np.flatnonzero(numbers.text)[0])
    values = pd.Series(raw.columns[name][numbers.text]).map(lambda value: str(value).strip())
    counts = values.to_frame("value").assign(count=raw.count[numbers.text]).groupby("value", sort=False)["count"].sum()
    listed = ", ".join(f"{shown(value)} × {count}" for value, count in list(counts.items())[:_MOST])
    more = f", and {len(counts) - _MOST} other text(s)" if len(counts) > _MOST else ""
    own = raw.column_maps[int(raw.file[row])].own_name(name)
    remedies = _remedies(list(map(str, counts.index)), missing, decimal)
    return raw.error(
        f"{shown(raw.columns[name][row])} is not a number ({int(counts.sum())} such value(s) in this column: "
        f"{listed}{more})",
        row=row,
        column=name,
        expected="numbers, or empty fields if the judge gave no score",
        remedy="; ".join([*remedies, f'if the column is not a score, pass columns={{"{own}": None}}']),
        argument=("missing", "decimal", "columns"),
    )


def _remedies(texts: Sequence[str], missing: Sequence[int | float | str] | None, decimal: str) -> list[str]:
    words = [text for text in texts if not _DIGIT.search(text)]
    spelt = [text for text in texts if _DIGIT.search(text)]
    commas = [text for text in spelt if decimal != "," and _COMMA.fullmatch(text)]
    marked = [text for text in spelt if _MARKED.fullmatch(text)]
    others = [text for text in spelt if text not in commas and text not in marked]
    remedies = []
    if words and len(words) <= _MOST:
        declared = (USUAL_SENTINEL,) if missing is None else tuple(missing)
        remedies.append(f"if these words mean that there is no score, pass missing={(*declared, *words)!r}")
    if commas:
        remedies.append(f'for numbers with a decimal comma, such as {shown(commas[0])}, pass decimal=","')
    if marked:
        found = _MARKED.fullmatch(marked[0])
        remedies.append(f"write {shown(marked[0])} as {found[1] if found else ''}, without the mark")
    if others:
        remedies.append(f"write the number alone, without the text around it, for {shown(others[0])}")
    return remedies
