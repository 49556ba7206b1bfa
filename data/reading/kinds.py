"""The kinds of column: a measurement of the completion, a context it was made in, or neither."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from simulacra.data.errors import LogError, place
from simulacra.data.reading.columns import KNOWN_CONTEXTS, SCORES, folded
from simulacra.data.reading.formats.sheet import object_array
from simulacra.data.reading.gather import Gathered
from simulacra.data.reading.values import (
    MISSING_NUMBERS,
    VERDICTS,
    Numbers,
    holds_probabilities,
    read_numbers,
    tidy_context,
    tidy_words,
)

__all__ = ["Kinds", "sort_columns"]

_IDENTITY = ("condition", "question_id", "base_question", "completion")
_MOSTLY = 0.5  # a column with more numbers than words was meant to hold numbers


@dataclasses.dataclass(frozen=True)
class Kinds:
    """The columns beside the identifying ones, read.

    Attributes:
        measurements: name to values: float64 with NaN, or objects of str with None.
        contexts: name to values: int64, float64, or objects of str and None.
        set_aside: the rest, with the reason.
        sentinels: per measurement, values read as missing and how often.
        parsed: per measurement, numbers that a typed source held as text.
        not_numbers: contexts that are mostly numbers, with the first value that is none.
    """

    measurements: dict[str, np.ndarray]
    contexts: dict[str, np.ndarray]
    set_aside: dict[str, str]
    sentinels: dict[str, dict[str, int]]
    parsed: dict[str, int]
    not_numbers: dict[str, str]


def sort_columns(
    raw: Gathered,
    *,
    measurements: Sequence[str] | None,
    contexts: Sequence[str] | None,
    missing: Sequence[int | float | str],
) -> Kinds:
    """Decide the kind of every column and read it.

    By default every column of numbers is a measurement, unless its name is in
    :data:`~simulacra.data.reading.columns.KNOWN_CONTEXTS`, and every column of words is a context.

    Where a file itself says which columns are scores (Inspect, the long layout), those are the measurements.
    A column that nobody asked for and that mixes words and numbers is kept as words, and the account says so.

    Raises:
        LogError: a column asked for that is not there (or not in every file); text in a score column; a score
            column of token probabilities.
    """
    wanted = None if measurements is None else [raw.renamed.get(name, name) for name in measurements]
    _refuse_absent(raw, wanted or (), "measurements")
    _refuse_absent(raw, contexts or (), "contexts")
    kinds = Kinds({}, {}, {}, {}, {}, {})
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
        elif score or (wanted is None and folded(name) not in KNOWN_CONTEXTS and name not in raw.others):
            by_name = wanted is None and name not in raw.scores
            _read_measurement(kinds, raw, name, score=score, by_name=by_name, missing=missing, keep=contexts)
        elif contexts is None and (folded(name) in KNOWN_CONTEXTS or name in raw.others or not _all_numbers(values)):
            _keep_context(kinds, name, values)
        else:
            kinds.set_aside[name] = "not asked for by measurements= or contexts="
    return kinds


def _read_measurement(
    kinds: Kinds,
    raw: Gathered,
    name: str,
    *,
    score: bool,
    by_name: bool,
    missing: Sequence[int | float | str],
    keep: Sequence[str] | None,
) -> None:
    """Read a column as numbers if it holds them; words are a measurement only where they were asked for."""
    values = raw.columns[name]
    words = tuple(value for value in missing if isinstance(value, str))
    numbers = read_numbers(values, (*words, *VERDICTS))
    if numbers.text.any() and score and (by_name or numbers.share > 0):
        raise _text_in_scores(raw, name, numbers)
    # "NONE" in every row is a word to whoever asked for the column, and a missing number in a score.
    only_words = numbers.share == 0 and bool(numbers.words) and not by_name and name not in SCORES
    if not numbers.text.any() and (numbers.share > 0 or (score and not only_words)):
        kinds.sentinels[name], kinds.measurements[name] = _without_sentinels(numbers, missing)
        kinds.parsed[name] = int((numbers.parsed & raw.typed).sum())
        _keep_verdicts(kinds, raw, name, numbers)
    elif score:
        kinds.measurements[name] = tidy_words(values, words)
        kinds.sentinels[name] = {word: int((values == word).sum()) for word in words if (values == word).any()}
    elif keep is None:
        _keep_context(kinds, name, values)
        if numbers.share > _MOSTLY:
            row = int(np.flatnonzero(numbers.text)[0])
            where = place(raw.column_maps[int(raw.file[row])].file, int(raw.record[row]))
            kinds.not_numbers[name] = f"because of {values[row]!r} at {where}; see missing= and measurements="
    else:
        kinds.set_aside[name] = "not asked for by contexts="


def _keep_verdicts(kinds: Kinds, raw: Gathered, name: str, numbers: Numbers) -> None:
    """Words in place of scores are missing scores, and are outcomes themselves in a column of their own."""
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


def _without_sentinels(numbers: Numbers, missing: Sequence[int | float | str]) -> tuple[dict[str, int], np.ndarray]:
    values = numbers.numbers.copy()
    counts = dict(numbers.words)
    for sentinel in missing:
        if not isinstance(sentinel, str):
            hits = values == sentinel
            if hits.any():
                counts[f"{sentinel:g}"] = int(hits.sum())
                values[hits] = np.nan
    return counts, values


def _all_numbers(values: np.ndarray) -> bool:
    numbers = read_numbers(values)
    return not numbers.text.any() and numbers.share > 0


def _refuse_absent(raw: Gathered, names: Sequence[str], argument: str) -> None:
    for name in names:
        if name not in raw.columns:
            reason = raw.set_aside.get(name)
            raise LogError(
                f"{argument}= names {name!r}, which " + (f"was set aside ({reason})" if reason else "no file has"),
                column=name,
                expected=f"names among {', '.join(raw.columns)}",
                remedy="correct the name in the call",
                argument=argument,
            )
        if name in raw.absent:
            raise LogError(
                f"{argument}= names {name!r}, which this file does not have",
                file=raw.absent[name][0],
                column=name,
                expected="the column in every file",
                remedy="leave the file out of the source, or add the column",
            )


def _text_in_scores(raw: Gathered, name: str, numbers: Numbers) -> LogError:
    row = int(np.flatnonzero(numbers.text)[0])
    value = raw.columns[name][row]
    return raw.error(
        f"{value!r} is not a number ({int(numbers.text.sum())} such value(s) in this column)",
        row=row,
        column=name,
        expected="numbers, empty where the judge gave none",
        remedy=f"if it means that there is no score, pass missing=(-1, {value!r}); if the column is no score, "
        f'pass columns={{"{raw.column_maps[int(raw.file[row])].own_name(name)}": None}}',
        argument=("missing", "columns"),
    )


def _probabilities(raw: Gathered, name: str) -> LogError:
    row = next(index for index, value in enumerate(raw.columns[name]) if value)
    return raw.error(
        f"the column holds a judge's token probabilities ({str(raw.columns[name][row])[:40]!r}…)",
        row=row,
        column=name,
        expected="one score a row",
        remedy=f'name the column with the score, columns={{"{name}": "<score column>"}}, or average the tokens first',
        argument="columns",
    )
