"""Kinds of columns: measurements of the completion, contexts in which it was generated, or neither."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from simulacra.data.errors import LogError, place
from simulacra.data.reading.columns import SCORES, is_context
from simulacra.data.reading.formats.sheet import object_array
from simulacra.data.reading.gather import Gathered
from simulacra.data.reading.score_text import refuse_text
from simulacra.data.reading.values import (
    MISSING_NUMBERS,
    USUAL_SENTINEL,
    VERDICTS,
    Numbers,
    holds_probabilities,
    is_usual_sentinel,
    read_numbers,
    tidy_context,
    tidy_words,
)

__all__ = ["Kinds", "sort_columns"]

_IDENTITY = ("condition", "question_id", "base_question", "completion")
_MOSTLY = 0.5  # a column with more numbers than text is assumed to be numeric


@dataclasses.dataclass(frozen=True)
class Kinds:
    """The columns other than the identifying ones.

    Attributes:
        measurements: name to values: float64 with NaN, or objects of str with None.
        contexts: name to values: int64, float64, or objects of str and None.
        set_aside: the rest, with the reason.
        sentinels: per measurement, values read as missing and their counts.
        parsed: per measurement, the number of numbers that a typed source stored as text.
        not_numbers: contexts that are mostly numbers, with the first value that is not a number.
        kept: per measurement, the number of values -1 that were read as values although nothing was declared.
    """

    measurements: dict[str, np.ndarray]
    contexts: dict[str, np.ndarray]
    set_aside: dict[str, str]
    sentinels: dict[str, dict[str, int]]
    parsed: dict[str, int]
    not_numbers: dict[str, str]
    kept: dict[str, int]


def sort_columns(
    raw: Gathered,
    *,
    measurements: Sequence[str] | None,
    contexts: Sequence[str] | None,
    missing: Sequence[int | float | str] | None,
    decimal: str = ".",
) -> Kinds:
    """Decide the kind of every column and read it.

    By default every numeric column is a measurement, unless its name is in
    :data:`~simulacra.data.reading.columns.KNOWN_CONTEXTS`, and every text column is a context.

    If a file itself marks its scores (Inspect, the long layout), those are the measurements.
    A column that mixes text and numbers and was not requested is kept as text, which the account reports.

    Raises:
        LogError: text in a score column; a score column of token probabilities.
    """
    wanted = None if measurements is None else [raw.renamed.get(name, name) for name in measurements]
    kinds = Kinds({}, {}, {}, {}, {}, {}, {})
    said = {name for column_map in raw.column_maps for name in column_map.fields}
    free = [name for name in raw.columns if name not in _IDENTITY]
    for name in sorted(free, key=lambda name: SCORES.index(name) if name in SCORES else len(SCORES)):
        values = raw.columns[name]
        usual = name in SCORES or name in raw.scores
        score = usual and (contexts is None or name not in contexts) if wanted is None else name in wanted
        if name in said or (contexts is not None and name in contexts):
            kinds.contexts[name] = tidy_context(values)
        elif holds_probabilities(values):
            if score:
                raise _probabilities(raw, name)
            kinds.set_aside[name] = "a judge's token probabilities, not a score"
        elif score or (wanted is None and not is_context(name) and name not in raw.others):
            by_name = wanted is None and name not in raw.scores
            _read_measurement(
                kinds, raw, name, score=score, by_name=by_name, missing=missing, decimal=decimal, keep=contexts
            )
        elif contexts is None and (is_context(name) or name in raw.others or not _all_numbers(values)):
            _keep_context(kinds, name, values)
        else:
            kinds.set_aside[name] = "not selected by measurements= or contexts="
    return kinds


def _read_measurement(
    kinds: Kinds,
    raw: Gathered,
    name: str,
    *,
    score: bool,
    by_name: bool,
    missing: Sequence[int | float | str] | None,
    decimal: str,
    keep: Sequence[str] | None,
) -> None:
    """Read a column as numbers if it contains them; text is a measurement only if it was requested."""
    values = raw.columns[name]
    words = tuple(value for value in missing or () if isinstance(value, str))
    numbers = read_numbers(values, (*words, *VERDICTS), decimal, raw.count)
    if numbers.text.any() and score and (by_name or numbers.share > 0):
        raise refuse_text(raw, name, numbers, missing, decimal)
    if numbers.identifiers.any() and not score:
        _keep_context(kinds, name, values)
        return
    # "NONE" in every row is a label in a column that was requested, and a missing number in a score.
    only_words = numbers.share == 0 and bool(numbers.words) and not by_name and name not in SCORES
    if not numbers.text.any() and (numbers.share > 0 or (score and not only_words)):
        usual = missing is None and is_usual_sentinel(numbers.numbers)
        declared = ((USUAL_SENTINEL,) if usual else ()) if missing is None else missing
        kinds.sentinels[name], kinds.measurements[name] = _without_sentinels(numbers, declared, raw.count)
        kinds.parsed[name] = raw.rows(numbers.parsed & raw.typed)
        if missing is None and not usual:
            kinds.kept[name] = raw.rows(numbers.numbers == USUAL_SENTINEL)
        _keep_verdicts(kinds, raw, name, numbers)
    elif score:
        kinds.measurements[name] = tidy_words(values, words)
        kinds.sentinels[name] = {word: raw.rows(values == word) for word in words if (values == word).any()}
    elif keep is None:
        _keep_context(kinds, name, values)
        if numbers.share > _MOSTLY:
            row = int(np.flatnonzero(numbers.text)[0])
            where = place(raw.column_maps[int(raw.file[row])].file, int(raw.record[row]))
            kinds.not_numbers[name] = f"because of {values[row]!r} at {where}; see missing= and measurements="
    else:
        kinds.set_aside[name] = "not selected by contexts="


def _keep_verdicts(kinds: Kinds, raw: Gathered, name: str, numbers: Numbers) -> None:
    """Words in place of scores are missing scores, and are kept as outcomes in a separate column."""
    said = {word for word in numbers.words if word.strip().casefold() not in MISSING_NUMBERS}
    own = f"{name}_verdict"
    if said and own not in raw.columns:
        kinds.measurements[own] = object_array(
            [value.strip() if value in said else None for value in raw.columns[name]]
        )


def _keep_context(kinds: Kinds, name: str, values: np.ndarray) -> None:
    if values.dtype == object and not any(value is not None and value != "" for value in values):
        kinds.set_aside[name] = "empty in every row"
    else:
        kinds.contexts[name] = tidy_context(values)


def _without_sentinels(
    numbers: Numbers, missing: Sequence[int | float | str], count: np.ndarray
) -> tuple[dict[str, int], np.ndarray]:
    values = numbers.numbers.copy()
    counts = dict(numbers.words)
    for sentinel in missing:
        if not isinstance(sentinel, str):
            hits = values == sentinel
            if hits.any():
                counts[f"{sentinel:g}"] = int(count[hits].sum())
                values[hits] = np.nan
    return counts, values


def _all_numbers(values: np.ndarray) -> bool:
    numbers = read_numbers(values)
    return not numbers.text.any() and numbers.share > 0


def _probabilities(raw: Gathered, name: str) -> LogError:
    row = next(index for index, value in enumerate(raw.columns[name]) if value)
    return raw.error(
        f"the column contains a judge's token probabilities ({str(raw.columns[name][row])[:40]!r}…)",
        row=row,
        column=name,
        expected="one score per row",
        remedy=f'name the column with the score, columns={{"{name}": "<score column>"}}, or average the tokens first',
        argument="columns",
    )
