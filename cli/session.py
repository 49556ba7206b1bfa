"""A run of a command: its output folder, what it prints, and the exit code with which it ends."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TextIO, cast

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape

from simulacra.cli.folder import Reserved, reserve_folder
from simulacra.cli.output import Output, PlainConsole
from simulacra.cli.shifts import print_shifts
from simulacra.cli.spelling import spelled
from simulacra.cli.tables import print_checks, print_result, print_table
from simulacra.cli.truth import TRUTH, print_truth
from simulacra.data import CollapsedLog, CompletionLog
from simulacra.data.extras import MissingExtraError
from simulacra.data.numerals import grouped
from simulacra.formalism import InputError, PersonaMixture
from simulacra.formalism.visible import visible
from simulacra.inference import Result
from simulacra.inference.default_model import model_in_words
from simulacra.inference.log_measurements import Log
from simulacra.inference.tables import chosen_probability, chosen_rope, ends
from simulacra.report.prose import WITHHELD
from simulacra.report.tables import json_rows

__all__ = ["BAD_INPUT", "INTERRUPTED", "NOT_OK", "Session", "withholds"]

BAD_INPUT = 2
NOT_OK = 3
INTERRUPTED = 130  # as shells have it


class Session:
    """Context manager for a run of a command.

    An :class:`~simulacra.formalism.InputError`, an error of the operating system or a missing extra ends the run with
    exit code 2, a message on standard error and, with ``--json``, an object ``{"error": …}`` on standard output; no
    file is written, except that a fit that has run is always saved, and the message says where. Ctrl-C ends it in the
    same way, with exit code 130. Any other exception is a bug and receives a note that says so. A result that failed
    checks ends the run with exit code 3.

    Args:
        out: output folder; ``None`` writes no files.
        as_json: print a JSON object instead of text.
        quiet: print errors only.
        rope: half-width of the region of practical equivalence. Default: that of the fit.
        ci_prob: probability of intervals. Default: that of the fit.
        texts: whether the texts of completions are written; None is as in the fit of a report.

    Attributes:
        console: where text and tables are printed.
        output: standard output, for what is printed as it is.
        reserved: the output folder, which no other run can take.
    """

    def __init__(
        self,
        *,
        out: Path | None,
        as_json: bool = False,
        quiet: bool = False,
        rope: float | None = None,
        ci_prob: float | None = None,
        texts: bool | None = True,
    ) -> None:
        self.out, self.as_json, self.quiet = out, as_json, quiet
        self.rope, self.ci_prob, self.texts = rope, ci_prob, texts
        self.output, self._errors = Output(sys.stdout), Output(sys.stderr)
        width = None if self.output.isatty() else int(os.environ.get("COLUMNS", "120"))
        self.console: Console = PlainConsole(file=cast(TextIO, self.output), width=width, quiet=quiet or as_json)
        self.reserved: Reserved | None = None

    def __enter__(self) -> "Session":
        try:
            if self.ci_prob is not None:
                ends(self.ci_prob)  # rejected before anything is computed
            if self.out is not None:
                self.reserved = reserve_folder(self.out)
        except (InputError, OSError) as error:
            self._fail(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, (InputError, OSError, MissingExtraError)):
            self._fail(error)
        if isinstance(error, KeyboardInterrupt):
            self._fail(error, INTERRUPTED)
        if isinstance(error, Exception) and not isinstance(error, (typer.Exit, typer.Abort)):
            error.add_note(
                "This is a bug in simulacra, not an error in your data. Please report it with this traceback."
            )
        self.output.flush()
        if self.output.error is not None and (error is None or isinstance(error, typer.Exit)):
            self._fail(self.output.error)

    @property
    def shown(self) -> dict[str, Any]:
        """What reports show of a result."""
        return {"rope": self.rope, "ci_prob": self.ci_prob, "texts": self.texts}

    def probability(self, result: Result) -> float:
        """The probability of the intervals that are printed."""
        return chosen_probability(self.ci_prob, result.ci_prob)

    def of_claims(self, result: Result) -> dict[str, float]:
        """The region of practical equivalence and the probability of intervals of the claims that are printed."""
        return {"rope": chosen_rope(self.rope, result.rope), "ci_prob": self.probability(result)}

    def say(self, text: str) -> None:
        """Print text with Rich markup."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def show_model(self, model: PersonaMixture) -> None:
        """Print what a model measures, with which personas."""
        self.say(escape(model_in_words(model)) + "\n")

    def show_log(self, log: Log) -> None:
        """Print a summary of a log; for a scanned log, only what is known before it is counted."""
        if isinstance(log, CompletionLog):
            self.say(escape(log.summary()) + "\n")
        elif isinstance(log, CollapsedLog):
            self.say(escape(f"{grouped(len(log))} completions, read as counts\n{log.account}") + "\n")
        else:
            names = [f"read {own!r} as {name!r}" for own, name in log.renamed.items()]
            self.say(escape("\n".join([f"{len(log.files)} file(s), counted without loading", *names])) + "\n")

    def say_json(self, found: Mapping[str, Any]) -> None:
        """Print an object as JSON, in ASCII: it is the same on every terminal."""
        self.output.write(json.dumps(found, allow_nan=False) + "\n")

    def say_error(self, text: str) -> None:
        """Print a line on standard error."""
        self._errors.write(f"simulacra: {visible(text)}\n")
        self._errors.flush()

    def show_scores(self, log: CompletionLog, path: Path) -> None:
        """Print a summary of a scored log and its path, if it is complete."""
        self.show_log(log)
        written = path.exists()  # not before the last shard has ended
        self.say(
            f"[bold]Written[/bold] to {escape(str(path))}" if written else "Not written yet: other shards are left"
        )
        if self.as_json:
            account = log.account.to_dict()
            summary = {"ok": True, "file": str(path) if written else None, "completions": len(log), "account": account}
            self.say_json(summary)

    def show_table(
        self, name: str, table: pd.DataFrame, words: str, hidden: Sequence[str] = (), /, **more: pd.DataFrame
    ) -> None:
        """Print the table of an analysis, and end with exit code 3 if it withholds something.

        Args:
            name: its key in the JSON object.
            table: the table.
            words: what it is about.
            hidden: columns that are not printed, because the table would be too wide; JSON has them.
            more: further tables by key.
        """
        tables = {name: table, **more}
        withheld = withholds(tables)
        if words:
            self.say(escape(words))
        for own in tables.values():
            print_table(self.console, own.drop(columns=list(hidden), errors="ignore"))
        if self.as_json:
            rows = {key: json_rows(own) for key, own in tables.items()}
            self.say_json({"ok": not withheld, "about": words, **rows})
        if withheld:
            self.say_error("some estimates are withheld; the column 'status' states why")
            raise typer.Exit(NOT_OK)

    def show_result(
        self,
        result: Result,
        tables: Mapping[str, pd.DataFrame],
        warned: tuple[str, ...] = (),
        described: Mapping[str, str] | None = None,
    ) -> None:
        """Print what a fit has found.

        Args:
            result: the fit.
            tables: its tables, and possibly that of true values.
            warned: warnings of the fit.
            described: descriptions of conditions, shown with their shifts.
        """
        for note in (*warned, *result.notes):
            self.say(f"[yellow]Note:[/yellow] {escape(note)}")
        print_result(self.console, result, tables, **self.of_claims(result))
        ci_prob = self.probability(result)
        print_shifts(self.console, tables["shifts"], result.model.baseline, described or {}, ci_prob=ci_prob)
        if TRUTH in tables:
            print_truth(self.console, tables[TRUTH], result.conditions)
        print_checks(self.console, result, tables)
        spelling = spelled(name for check in result.failed for name in check.argument)
        if spelling is not None:
            self.say(f"  {escape(spelling)}")

    def finish(self, result: Result, summary: Mapping[str, Any], *, printed: bool = True) -> None:
        """End a command; if the checks were not printed, those that failed are named."""
        if self.as_json:
            self.say_json(summary)
        if not result.ok:
            if self.quiet or not printed:
                names = ", ".join(dict.fromkeys(check.name for check in result.failed))
                self.say_error(f"{len(result.failed)} of {len(result.checks)} checks failed: {names}")
            raise typer.Exit(NOT_OK)

    def _fail(self, error: BaseException, code: int = BAD_INPUT) -> NoReturn:
        message = str(error) or "interrupted"
        spelling = spelled(error.argument) if isinstance(error, InputError) else None
        hint = "\n".join(filter(None, [*getattr(error, "__notes__", ()), spelling])) or None
        self.say_error(message + (f"\n{hint}" if hint else ""))
        if self.as_json:
            fields = ("argument", "file", "line", "column")
            place = {name: getattr(error, name) for name in fields if hasattr(error, name)}
            found = {"type": type(error).__name__, "message": message, "hint": hint, **place}
            self.say_json({"ok": False, "error": found})
        raise typer.Exit(code) from error


def withholds(tables: Mapping[str, pd.DataFrame]) -> bool:
    """Whether an estimate of one of the tables is withheld."""
    return any("status" in own and own["status"].str.startswith(WITHHELD).any() for own in tables.values())
