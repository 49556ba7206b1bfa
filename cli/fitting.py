"""``simulacra fit`` and ``demo`` once the log is read: fit, print, write, and end with the corresponding exit code."""

import contextlib
import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.markup import escape

from simulacra.analysis.alternatives import alternatives_in_words, try_persona_sets
from simulacra.cli.folder import rescue_result, write_result_folder
from simulacra.cli.session import Session
from simulacra.cli.summary import log_summary, summarise
from simulacra.cli.truth import TRUTH, compare_truth
from simulacra.data import CompletionLog, ScannedLog
from simulacra.data.extras import MissingExtraError
from simulacra.formalism import PersonaMixture
from simulacra.inference import Result, fit
from simulacra.inference.checkpoint import remove_checkpoint
from simulacra.inference.log_measurements import Log
from simulacra.report import result_tables, write_reports
from simulacra.report.tables import json_rows

__all__ = ["fit_log"]

_MOST_CELLS = 1000
"""Cells of a log up to which other persona sets are tried, in a few seconds, if these leave something unexplained."""


def fit_log(
    session: Session,
    model: PersonaMixture,
    log: Log,
    *,
    read: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    truth: pd.DataFrame | None = None,
    described: Mapping[str, str] | None = None,
    checkpoint: Path | None = None,
    **settings: Any,
) -> None:
    """Fit, print, write, and end with the corresponding exit code.

    Args:
        session: the run of the command.
        model: the model.
        log: the log.
        read: the paths and options that it was read with, so that a report can read it again.
        options: the options of the command, to be stored in the summary.
        truth: true proportions of personas, conditions × personas, to be compared with the estimates.
        described: descriptions of conditions, shown with their shifts.
        checkpoint: the folder in which the chains are kept until the result is written.
        settings: arguments of :func:`~simulacra.inference.fit`.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            shown = False if session.quiet else None
            result = fit(model, log, progress_bar=shown, checkpoint=checkpoint, **settings)
        except KeyboardInterrupt as error:
            if checkpoint is not None:
                error.add_note(f"The chains are kept in {checkpoint}: the same command resumes the fit.")
            raise
    reported = tuple(str(warning.message) for warning in caught if warning.category is UserWarning)
    for warning in caught:
        if warning.category is not UserWarning:  # of another library, so not a note
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
    try:
        if _is_worth_trying(result):
            tried = alternatives_in_words(try_persona_sets(result))
            result = dataclasses.replace(result, notes=(*result.notes, tried))
        tables, summary = _tabulate(session, result, log, read, truth, reported)
        summary["config"] = dict(options or {})
        written = _write(session, result, tables, summary, log if isinstance(log, CompletionLog) else None)
    except (Exception, KeyboardInterrupt) as error:
        _rescue(session, result, error)
        raise
    if checkpoint is not None:
        remove_checkpoint(checkpoint)
    if isinstance(log, ScannedLog):
        session.say(escape(str(result.account)) + "\n")
    session.show_result(result, tables, reported, described)
    _say_written(session, written, summary)
    session.finish(result, summary)


def _tabulate(
    session: Session,
    result: Result,
    log: Log,
    read: Mapping[str, Any] | None,
    truth: pd.DataFrame | None,
    warned: tuple[str, ...],
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables of a fit, and its summary."""
    tables = result_tables(result, rope=session.rope, ci_prob=session.ci_prob)
    summary = {
        **summarise(result, tables, rope=session.rope, ci_prob=session.ci_prob, warnings=warned),
        "log": {**(read or {}), **log_summary(log, result)},
    }
    if truth is not None:
        tables[TRUTH] = compare_truth(truth, tables["weights"], ci_prob=session.probability(result))
        summary[TRUTH] = json_rows(tables[TRUTH])
    return tables, summary


def _write(
    session: Session,
    result: Result,
    tables: Mapping[str, pd.DataFrame],
    summary: dict[str, Any],
    log: CompletionLog | None,
) -> tuple[Path, ...]:
    """Write the output folder, if there is one; returns its files."""
    if session.reserved is None:
        return ()

    def report(folder: Path) -> None:
        try:
            write_reports(result, folder, log=log, **session.shown)
        except MissingExtraError as error:  # the other files are useful without the report
            session.say(f"[yellow]Note:[/yellow] no report was written: {escape(str(error))}")

    return write_result_folder(session.reserved, result, tables, summary, report)


def _rescue(session: Session, result: Result, error: BaseException) -> None:
    """Save a fit whose tables or reports could not be made or written."""
    if session.reserved is None:
        return
    with contextlib.suppress(OSError):  # no disk has space: ``error`` says so
        kept = f"The fit itself is complete and saved: simulacra show {rescue_result(session.reserved, result)}"
        error.add_note(kept)


def _say_written(session: Session, files: tuple[Path, ...], summary: dict[str, Any]) -> None:
    if not files:
        return
    folder = files[0].parent
    if folder != session.out:
        session.say_error(f"{session.out} cannot be replaced, or was changed during the fit; see {folder} instead")
    session.say(f"\n[bold]Written[/bold] to {escape(str(folder))}: {', '.join(path.name for path in files)}")
    summary["files"] = [str(path) for path in files]


def _is_worth_trying(result: Result) -> bool:
    missed = any(check.name == "unexplained share" for check in result.failed)
    return missed and result.model.likelihood is None and len(result.collapsed.cells) <= _MOST_CELLS
