"""The columns that scoring adds to a log, and its account of what was not scored."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from simulacra.data.account import Account, LeftOut
from simulacra.data.errors import LogError, place
from simulacra.data.log import CompletionLog
from simulacra.formalism.emissions.likelihoods import COLUMN
from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.work import Work

__all__ = ["NUM_TOKENS", "from_file", "refuse_taken", "with_scores"]

NUM_TOKENS = "num_tokens"
"""The context with the number of tokens of the completion; the same for every persona."""

_NO_TEXT = "no completion text"


def with_scores(
    log: CompletionLog, work: Work, scores: pd.DataFrame, personas: Sequence[str], notes: Sequence[str]
) -> CompletionLog:
    """The log with a column for every persona, and an account of unscored rows.

    Args:
        log: the log.
        work: its distinct completions.
        scores: for each of them a log-likelihood per persona, ``num_tokens`` and ``unscored``, a reason or None.
        personas: names of the personas.
        notes: what else the account states.
    """
    by_row = scores.reindex(work.row_of).reset_index(drop=True)  # -1 is not in any block: NaN
    reasons = by_row["unscored"].where(work.row_of >= 0, _NO_TEXT)
    added = {COLUMN.format(name): by_row[name].to_numpy() for name in personas}
    account = dataclasses.replace(log.account, unscored=_by_reason(log, reasons), notes=(*log.account.notes, *notes))
    return _extended(log, {**added, NUM_TOKENS: by_row[NUM_TOKENS].to_numpy()}, account)


def from_file(log: CompletionLog, target: Path, personas: Sequence[str], account: Mapping) -> CompletionLog:
    """The log with the columns of a finished file.

    Raises:
        InputError: the file cannot be read.
    """
    names = [*(COLUMN.format(name) for name in personas), NUM_TOKENS]
    try:
        table = pd.read_parquet(target, columns=names)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{target}: is damaged ({error})", remedy="remove it, and score again", argument="out"
        ) from error
    return _extended(log, {name: table[name].to_numpy() for name in names}, Account.from_dict(account))


def refuse_taken(log: CompletionLog, personas: Sequence[str]) -> None:
    """Check that the log has none of the columns yet.

    Raises:
        LogError: it has one.
    """
    for name in (*(COLUMN.format(persona) for persona in personas), NUM_TOKENS):
        if name in log.table:
            raise LogError(
                "the log already has this column",
                column=name,
                expected="a log that was not scored for this persona",
                remedy=f'read it with columns={{"{name}": None}}',
                argument="columns",
            )


def _by_reason(log: CompletionLog, reasons: pd.Series) -> dict[str, LeftOut]:
    found = {}
    for reason in dict.fromkeys(reasons.dropna()):
        rows = np.flatnonzero(reasons == reason)
        first = log.table.iloc[rows[:3]]
        examples = tuple(place(file, int(row)) for file, row in zip(first["source"], first["record"], strict=True))
        found[reason] = LeftOut(len(rows), examples)
    return found


def _extended(log: CompletionLog, columns: Mapping[str, np.ndarray], account: Account) -> CompletionLog:
    """The log with more columns: ``num_tokens`` is a context, the others are measurements."""
    from simulacra.data.reading.schema import check_table  # pandera takes as long to import as pandas

    measurements = (*log.measurements, *(name for name in columns if name != NUM_TOKENS))
    contexts = (*log.contexts, NUM_TOKENS)
    order = ["condition", "question_id", "base_question", "completion", *measurements, *contexts, "source", "record"]
    table = log.table.assign(**columns)[order]
    return CompletionLog(check_table(table, measurements, contexts), measurements, contexts, account)
