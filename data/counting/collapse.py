"""Collapsing a log to counts: rows with the same measurements in the same cell are interchangeable.

The likelihood of eq. (1) depends on a completion only through its cell and its category codes. A log of millions of
rows reduces to a few thousand counts, and the cost of a fit does not depend on the number of rows.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from simulacra.data.counting.aggregate import aggregate
from simulacra.data.counting.collapsed import CollapsedLog, Tally, tabulate
from simulacra.data.counting.refusals import refuse_empty_cell, refuse_unknown, refuse_value
from simulacra.data.counting.scales import refuse_scale, refuse_sentinel
from simulacra.data.counting.scan import ScannedLog
from simulacra.data.counting.texts import bin_texts, read_texts
from simulacra.data.errors import LogError
from simulacra.data.log import CompletionLog
from simulacra.data.reading.columns import PROVENANCE
from simulacra.formalism.emissions import AbstractEmission, LikelihoodEmission, OutOfRange
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["collapse", "expect_log"]


def collapse(
    source: CompletionLog | ScannedLog,
    emissions: Sequence[AbstractEmission],
    by: Sequence[str] = ("condition", "question_id"),
    *,
    likelihood: LikelihoodEmission | None = None,
    personas: Sequence[str] = (),
) -> CollapsedLog:
    """Count the patterns of category codes in every cell.

    Args:
        source: a log in memory, or a scanned log that is counted as its files are read; both give the same counts.
        emissions: the categories of each measurement.
        by: the columns that define a cell: ``condition``, ``question_id``, ``base_question`` and contexts.
        likelihood: the emission of the texts, ``model.likelihood``. Its references are not counted in any cell.
        personas: names of the personas that have log-likelihoods, ``model.names``.

    Raises:
        LogError: a measurement or cell column that the log does not have, a row without a value in a cell column, or
            a value outside an emission's categories, with its file and line; scores on another scale than assumed;
            log-likelihoods of a scanned log.
        InputError: no emissions, or two for one measurement.
    """
    expected = "a log, as read_completions or scan_completions returns"
    expect_type(source, (CompletionLog, ScannedLog), "source", "collapse", expected=expected)
    expected = "a list such as [ScoreEmission('aligned')]"
    expect_type(emissions, (list, tuple), "emissions", "collapse", expected=expected)
    for emission in emissions:
        expect_type(emission, AbstractEmission, "emissions", "collapse", expected=expected)
    expect_type(by, (list, tuple), "by", "collapse", expected="a list of columns such as ['condition', 'question_id']")
    names = tuple(emission.measurement for emission in emissions)
    if not (names or likelihood) or len(set(names)) < len(names):
        raise InputError(
            f"collapse: expected one emission for each measurement, at least one; got {list(names)}",
            argument="emissions",
        )
    if not by or len(set(by)) < len(by):
        raise InputError(f"collapse: expected one or more different columns in by=; got {list(by)}", argument="by")
    texts, row_cell, row_pattern = None, None, None
    if isinstance(source, ScannedLog):
        if likelihood is not None:
            raise LogError(
                "log-likelihoods of texts cannot be counted by a scan",
                expected="a log in memory",
                remedy="read the log with read_completions",
            )
        found = aggregate(source, [*(part.measurement for each in emissions for part in each.parts), *by])
        log = CompletionLog(found.table, found.measurements, found.contexts, found.account)
        tally = _tally_rows(log, emissions, tuple(by), found.count)
    elif likelihood is None:
        log = source
        tally = _tally_rows(log, emissions, tuple(by))
        row_cell, row_pattern = tally.row_cell, tally.row_pattern
    else:
        log = source
        read = read_texts(log, likelihood, tuple(personas))
        own = read.reference < 0
        tally = _tally_rows(dataclasses.replace(log, table=log.table[own]), emissions, tuple(by))
        row_cell, row_pattern = (_spread(numbers, own) for numbers in (tally.row_cell, tally.row_pattern))
        texts = bin_texts(read, row_cell, row_pattern, likelihood.bin_width)
    return CollapsedLog(
        cells=tally.cells,
        patterns=tally.patterns,
        counts=tally.counts,
        measurements=names,
        categories=tuple(tuple(emission.categories) for emission in emissions),
        account=log.account,
        row_cell=row_cell,
        row_pattern=row_pattern,
        texts=texts,
    )


def expect_log(log: object, call: str, *, also: str = "") -> CompletionLog | ScannedLog | CollapsedLog:
    """Return a log, and reject an argument that is none; ``also`` says in the message what else it may be.

    Raises:
        InputError: it is not a CompletionLog, ScannedLog or CollapsedLog.
    """
    expect_type(
        log,
        (CompletionLog, ScannedLog, CollapsedLog),
        "log",
        call,
        expected=f"a log, as read_completions, scan_completions or collapse returns{also}",
        remedy="read the table, the file or the folder first: read_completions(...)",
    )
    assert isinstance(log, (CompletionLog, ScannedLog, CollapsedLog))
    return log


def _spread(numbers: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Numbers of some rows extended to all rows, -1 for the others."""
    every = np.full(len(own), -1)
    every[own] = numbers
    return every


def _tally_rows(
    log: CompletionLog, emissions: Sequence[AbstractEmission], by: tuple[str, ...], count: np.ndarray | None = None
) -> Tally:
    """Encode every row and count; ``count`` is the number of completions that every row represents, one by default."""
    cell_columns = [name for name in log.table.columns if name not in ("completion", *PROVENANCE)]
    reasons = {**log.account.set_aside, **log.account.not_numbers}
    refuse_unknown(
        [part.measurement for each in emissions for part in each.parts], log.measurements, "measurement", reasons
    )
    refuse_unknown(by, cell_columns, "cell column", reasons)
    for name in by:
        empty = np.flatnonzero(log.table[name].isna().to_numpy())
        if empty.size:
            file, line, column = _place(log, int(empty[0]), name)
            raise refuse_empty_cell(file=file, line=line, column=column)
    codes = np.zeros((len(log), len(emissions)), dtype=np.int64)
    for index, emission in enumerate(emissions):
        codes[:, index] = emission.joint(np.stack([_encode(log, part, count) for part in emission.parts], axis=1))
    return tabulate(log.table[list(by)], codes, count)


def _encode(log: CompletionLog, emission: AbstractEmission, count: np.ndarray | None) -> np.ndarray:
    """Category codes of every row, int64, shape ``(N,)``."""
    values = log.table[emission.measurement].to_numpy()
    column = _own_name(log, emission.measurement)
    refuse_sentinel(emission, log.account, column=column)
    refuse_scale(emission, values, count, column=column)
    try:
        return np.asarray(emission.encode(values), dtype=np.int64)
    except OutOfRange as error:
        row, value = error.index, error.value
    except (TypeError, ValueError):  # words where the emission expects numbers
        row = next(index for index, value in enumerate(values) if isinstance(value, str))
        value = values[row]
    file, line, column = _place(log, row, emission.measurement)
    raise refuse_value(emission, value, file=file, line=line, column=column)


def _place(log: CompletionLog, row: int, name: str) -> tuple[str, int, str]:
    """File and line of a row, and the file's name for a column."""
    return log.table["source"].iloc[row], int(log.table["record"].iloc[row]), _own_name(log, name)


def _own_name(log: CompletionLog, name: str) -> str:
    return next((own for own, canonical in log.account.renamed.items() if canonical == name), name)
