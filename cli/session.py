"""A run of a command: printed output, written files and the exit code."""

import contextlib
import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TextIO, cast

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape

from simulacra.analysis.alternatives import alternatives_in_words, try_persona_sets
from simulacra.analysis.judges import judges
from simulacra.cli.batch import compare_runs, print_batch, read_batch, run_batch
from simulacra.cli.folder import (
    FIGURES,
    RESULT,
    Reserved,
    checkpoint_of,
    read_summary,
    rescue_result,
    reserve_folder,
    write_result_folder,
)
from simulacra.cli.inspection import print_description
from simulacra.cli.judges import print_judges
from simulacra.cli.output import Output, PlainConsole
from simulacra.cli.reading import Reading
from simulacra.cli.shifts import print_shifts
from simulacra.cli.summary import log_summary, summarise
from simulacra.cli.tables import print_checks, print_rates, print_result, print_table
from simulacra.cli.truth import TRUTH, compare_truth, print_truth
from simulacra.data import CollapsedLog, CompletionLog, ScannedLog, describe
from simulacra.data.extras import MissingExtraError
from simulacra.data.numerals import grouped
from simulacra.formalism import InputError, Outcome, Partition, PersonaMixture
from simulacra.formalism.visible import visible
from simulacra.inference import Result, fit
from simulacra.inference.checkpoint import remove_checkpoint
from simulacra.inference.citation import WithheldError
from simulacra.inference.default_model import model_in_words
from simulacra.inference.log_measurements import Log
from simulacra.inference.preview import preview
from simulacra.inference.tables import chosen_probability, chosen_rope, ends
from simulacra.report import (
    bibliography,
    format_citation,
    result_tables,
    verify_paper,
    write_figures,
    write_report,
    write_reports,
)
from simulacra.report.comparison import write_comparison
from simulacra.report.document import ATTRIBUTIONS, WITHOUT_TEXTS
from simulacra.report.prose import WITHHELD, marked_number
from simulacra.report.tables import json_rows, tables_of_rates

__all__ = ["BAD_INPUT", "INTERRUPTED", "NOT_OK", "Session"]

BAD_INPUT = 2
NOT_OK = 3
INTERRUPTED = 130  # as shells have it

_OPTIONS = {
    "against": "--against NAME",
    "baseline": "--baseline NAME",
    "base_question": "--base-question COLUMN",
    "batch_tokens": "--batch-tokens N",
    "block_rows": "--block-rows N",
    "bounds": "--score NAME:LOW-HIGH",
    "calibration": "--calibration cut|joint",
    "checkpoint": "--checkpoint",
    "ci_prob": "--ci-prob P",
    "columns": "--column NAME=OWN",
    "condition": "--condition PATTERN",
    "contexts": "--context NAME",
    "concentration": "--concentration PERSONA=NUMBER",
    "cuts": "--cuts NAME:CUTS",
    "date": "--date YYYY-MM-DD",
    "decimal": "--decimal ,",
    "delimiter": "--delimiter CHAR",
    "device": "--device NAME",
    "device_map": "--device-map auto",
    "dtype": "--dtype NAME",
    "duplicates": "--duplicates drop",
    "encoding": "--encoding NAME",
    "errors": "--errors keep",
    "events": "--counts EVENTS,SCORED",
    "emissions": "--measure NAME",
    "end_token": "--end-token TOKEN",
    "engine": "--engine hmc|nuts",
    "format": "--format FORMATS",
    "families": "--family NAME=JUDGE,JUDGE",
    "formats": "--formats SUFFIXES",
    "high": "--score NAME:high-is-bad",
    "judgments": "--judgments JUDGE=FILE",
    "label": "--reference-label COLUMN",
    "layout": "--layout NAME",
    "likelihoods": "--likelihoods",
    "log": "--log FILE",
    "measurements": "--measure NAME",
    "missing": "--missing VALUES",
    "model": "--model DIR",
    "num_chains": "--num-chains N",
    "num_samples": "--num-samples N",
    "num_warmup": "--num-warmup N",
    "of": "--of all|coherent|scored",
    "on": "--on COLUMNS",
    "only": "--only NAMES",
    "out": "--out PATH",
    "outcome": "--outcome RULE",
    "overwrite": "--overwrite",
    "personas": "--personas SET|FILE.toml",
    "question": "--question COLUMN",
    "reference": "--references COLUMN",
    "rest": "--rest NAME",
    "revision": "--revision NAME",
    "rope": "--rope WIDTH",
    "rows": "--rows KEY",
    "rules": "--category NAME=RULE",
    "seed": "--seed N",
    "server": "--server URL",
    "shard": "--shard I/N",
    "target_accept_prob": "--target-accept-prob P",
    "split_special_tokens": "--split-special-tokens",
    "template": "--template TEXT",
    "template_kwargs": "--template-kwargs NAME=VALUE",
    "too_long": "--too-long exclude|truncate",
    "trust_remote_code": "--trust-remote-code",
    "weights": "--weights FORMULA",
    "width": "--width INCHES",
    "without": "--without PERSONA",
}
"""The options that set the Python arguments named by errors and checks."""


_MOST_CELLS = 1000
"""Cells of a log up to which other persona sets are tried, in a few seconds, if these leave something unexplained."""
_ENDS = {0: "all checks passed", NOT_OK: "checks failed", BAD_INPUT: "not fitted"}
"""What the exit codes of a fit mean."""


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
        self._out, self._as_json, self._quiet = out, as_json, quiet
        self._rope, self._ci_prob, self._texts = rope, ci_prob, texts
        self._output, self._errors = Output(sys.stdout), Output(sys.stderr)
        width = None if self._output.isatty() else int(os.environ.get("COLUMNS", "120"))
        self._console = PlainConsole(file=cast(TextIO, self._output), width=width, quiet=quiet or as_json)
        self._reserved: Reserved | None = None

    def __enter__(self) -> "Session":
        try:
            if self._ci_prob is not None:
                ends(self._ci_prob)  # rejected before anything is computed
            if self._out is not None:
                self._reserved = reserve_folder(self._out)
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
        self._output.flush()
        if self._output.error is not None and (error is None or isinstance(error, typer.Exit)):
            self._fail(self._output.error)

    @property
    def _shown(self) -> dict[str, Any]:
        """What reports show of a result."""
        return {"rope": self._rope, "ci_prob": self._ci_prob, "texts": self._texts}

    def _probability(self, result: Result) -> float:
        """The probability of the intervals that are printed."""
        return chosen_probability(self._ci_prob, result.ci_prob)

    def _of_claims(self, result: Result) -> dict[str, float]:
        """The region of practical equivalence and the probability of intervals of the claims that are printed."""
        return {"rope": chosen_rope(self._rope, result.rope), "ci_prob": self._probability(result)}

    def say(self, text: str) -> None:
        """Print text with Rich markup."""
        self._console.print(text, highlight=False, soft_wrap=True)

    @property
    def console(self) -> Console:
        """Where tables are printed."""
        return self._console

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

    def _say_json(self, found: Mapping[str, Any]) -> None:
        """Print an object as JSON, in ASCII: it is the same on every terminal."""
        self._output.write(json.dumps(found, allow_nan=False) + "\n")

    def _say_error(self, text: str) -> None:
        self._errors.write(f"simulacra: {visible(text)}\n")
        self._errors.flush()

    def describe(self, log: CompletionLog | CollapsedLog, measure: Sequence[str] = (), baseline: str = "base") -> None:
        """Print the contents of a log.

        Args:
            log: the log.
            measure: measurements that a fit would model.
            baseline: the condition that a fit would compare the others with.

        Raises:
            InputError: counts.
        """
        if isinstance(log, CollapsedLog):
            raise InputError("inspect-log shows logs of completions: leave out --counts, and fit the counts")
        described = {**describe(log), **preview(log, measure, baseline)}
        print_description(self._console, described)
        spelling = _spelling(described["argument"])
        if spelling is not None:
            self.say(escape(spelling))
        if self._as_json:
            self._say_json({"ok": True, **described})

    def show_scores(self, log: CompletionLog, path: Path) -> None:
        """Print a summary of a scored log and its path, if it is complete."""
        self.show_log(log)
        written = path.exists()  # not before the last shard has ended
        self.say(
            f"[bold]Written[/bold] to {escape(str(path))}" if written else "Not written yet: other shards are left"
        )
        if self._as_json:
            account = log.account.to_dict()
            summary = {"ok": True, "file": str(path) if written else None, "completions": len(log), "account": account}
            self._say_json(summary)

    def fit(
        self,
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
                shown = False if self._quiet else None
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
            tables, summary = self._tabulate(result, log, read, truth, reported)
            summary["config"] = dict(options or {})
            written = self._write(result, tables, summary, log if isinstance(log, CompletionLog) else None)
        except (Exception, KeyboardInterrupt) as error:
            self._rescue(result, error)
            raise
        if checkpoint is not None:
            remove_checkpoint(checkpoint)
        if isinstance(log, ScannedLog):
            self.say(escape(str(result.account)) + "\n")
        self._print(result, tables, reported, described)
        self._say_written(written, summary)
        self._finish(result, summary)

    def _tabulate(
        self,
        result: Result,
        log: Log,
        read: Mapping[str, Any] | None,
        truth: pd.DataFrame | None,
        warned: tuple[str, ...],
    ) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
        """The tables of a fit, and its summary."""
        tables = result_tables(result, rope=self._rope, ci_prob=self._ci_prob)
        summary = {
            **summarise(result, tables, rope=self._rope, ci_prob=self._ci_prob, warnings=warned),
            "log": {**(read or {}), **log_summary(log, result)},
        }
        if truth is not None:
            tables[TRUTH] = compare_truth(truth, tables["weights"], ci_prob=self._probability(result))
            summary[TRUTH] = json_rows(tables[TRUTH])
        return tables, summary

    def load(self, path: Path) -> None:
        """Load a saved result and print it."""
        result = Result.load(path)
        tables = result_tables(result, rope=self._rope, ci_prob=self._ci_prob)
        self._print(result, tables)
        self._finish(result, summarise(result, tables, rope=self._rope, ci_prob=self._ci_prob))

    def rates(self, path: Path, outcome: Outcome | Partition) -> None:
        """Load a saved result and print the rates of another outcome, or of the categories of a partition."""
        result = Result.load(path)
        tables = tables_of_rates(result, outcome, rope=self._rope, ci_prob=self._ci_prob)
        print_rates(self._console, result, tables, outcome, **self._of_claims(result))
        held = _withholds(tables)
        if self._as_json:
            rows = {name: json_rows(table) for name, table in tables.items()}
            self._say_json({"ok": not held, "outcome": str(outcome), "tables": rows})
        if held:
            raise typer.Exit(NOT_OK)

    def report(self, path: Path, out: Path | None, logs: Sequence[str], reading: Reading) -> None:
        """Write the report of a saved result: a single file, or both files into a folder.

        Args:
            path: the result.
            out: a file or a folder. Default: the folder of the result.
            logs: the log that was fitted, for examples; it is read with the options of the fit.
            reading: options that override those of the fit.
        """
        if not logs and reading.to_dict():
            raise InputError(f"{reading}: this option applies to reading a log, but no log was given. Add --log")
        if logs and path.is_file() and path.suffix != Path(RESULT).suffix:
            raise InputError(
                f"{path}: is not a result; expected {RESULT} or its folder, before the logs. The shell expands an "
                "unquoted glob to several files, but --log takes one value: quote it, --log 'logs/*.csv'."
            )
        if out is not None and out.suffix.lower() == ".pdf":
            raise InputError(
                f"{out}: reports are written as HTML and Markdown",
                expected="a file that ends in .html or .md, or a folder",
                remedy="print the HTML from a browser to make a PDF",
                argument="out",
            )
        result = Result.load(path)
        summary = read_summary(path)
        fitted = summary.get("log", {})
        again = Reading.from_dict({**fitted.get("options", {}), **reading.to_dict()})
        folder = out or (path if path.is_dir() else path.parent)
        texts = summary.get("config", {}).get("texts", True) if self._texts is None else self._texts
        options = {**self._shown, "texts": bool(texts)}
        try:
            log = again.read_completions(logs, quiet=self._quiet) if logs else None
            written = (
                (write_report(result, folder, log=log, **options),)
                if folder.suffix in (".html", ".md")
                else write_reports(result, folder, log=log, **options)
            )
        except InputError as error:
            if logs and "options" in fitted:
                own = _describe_reading("The fit", fitted["paths"], Reading.from_dict(fitted["options"]))
                error.add_note(f"{own} {_describe_reading('This report', logs, again)}")
            raise
        without = "" if logs else ", without completions (use --log to include them)"
        self.say(f"[bold]Written[/bold]: {escape(', '.join(map(str, written)))}{without}")
        if any(each.name == WITHOUT_TEXTS for each in written):
            self.say(f"[yellow]Note:[/yellow] {ATTRIBUTIONS} of the fit, which has texts, was left as it is")
        self._finish(result, {"ok": result.ok, "files": list(map(str, written))}, printed=False)

    def figures(self, path: Path, out: Path | None, *, against: str | None, **options: Any) -> None:
        """Write the figures of a saved result.

        Args:
            path: the result.
            out: a folder. Default: ``figures`` in the folder of the result.
            against: the condition that the others are compared with. Default: the baseline.
            options: arguments of :func:`~simulacra.report.write_figures`.
        """
        result = Result.load(path)
        folder = out or (path if path.is_dir() else path.parent) / FIGURES
        asked: dict[str, Any] = {} if against is None else {"against": against}
        written = write_figures(result, folder, **options, **asked, rope=self._rope, ci_prob=self._ci_prob)
        self.say(f"[bold]Written[/bold] to {escape(str(folder))}: {escape(', '.join(each.name for each in written))}")
        self._finish(result, {"ok": result.ok, "files": list(map(str, written))}, printed=False)

    def batch(self, file: Path, out: Path, command: Any, *, jobs: int) -> None:
        """Fit the runs of a file that are not done, and print and write the tables of all.

        Args:
            file: the TOML file.
            out: the folder in which every run has its own.
            command: the command ``fit``.
            jobs: fits at a time.
        """
        runs = read_batch(file, out, command)
        todo = [run for run in runs if not run.done]
        for run in runs:
            if run.done:  # of a batch that was killed between the result and its clean-up
                remove_checkpoint(checkpoint_of(run.folder))
        self.say(f"{len(runs)} runs, of which {len(runs) - len(todo)} are done")
        failed = {}
        for run, code, said in run_batch(todo, jobs=jobs):
            self.say(f"{escape(run.name)}: {_ENDS.get(code, f'exit code {code}')}")
            if code not in (0, NOT_OK):
                failed[run.name] = said
                self._say_error(f"{run.name}: {said}")
        tables = compare_runs(runs, out) if len(failed) < len(runs) else {}
        withheld = [run.name for run in runs if run.name not in failed and not read_summary(run.folder).get("ok")]
        print_batch(self._console, tables, withheld)
        if tables:
            written = [f"{name}.csv" for name in tables]
            try:
                reports = {run.name: f"{run.name}/report.html" for run in runs if (run.folder / "report.html").exists()}
                page = write_comparison(
                    out / "batch.html", tables, links=reports, withheld=withheld, failed=tuple(failed)
                )
                written.append(page.name)
            except MissingExtraError as error:  # the tables are useful without the page
                self.say(escape(str(error)))
            self.say(f"[bold]Written[/bold] to {escape(str(out))}: {', '.join(written)}")
        if self._as_json:
            found = {"ok": not (failed or withheld), "failed": failed, "withheld": withheld}
            self._say_json({**found, "tables": {name: json_rows(table) for name, table in tables.items()}})
        if failed or withheld:
            raise typer.Exit(BAD_INPUT if failed else NOT_OK)

    def judges(self, path: Path) -> None:
        """Print what each judge of a saved result adds, and which judges depend on one another."""
        result = Result.load(path)
        found = judges(result)
        table, pairs = found.table(ci_prob=self._ci_prob), found.pairs()
        print_judges(self._console, table, pairs, ci_prob=self._probability(result))
        self._finish(result, {"ok": result.ok, "judges": json_rows(table), "pairs": json_rows(pairs)}, printed=False)

    def cite(self, path: Path, keys: Sequence[str], style: str, *, bibtex: bool) -> None:
        """Print citations of a saved result; without keys, those that there are, with their values and intervals.

        Args:
            path: the result.
            keys: as for :meth:`~simulacra.inference.Result.cite`.
            style: as for :func:`~simulacra.report.format_citation`.
            bibtex: whether to print the methods of the fit in BibTeX.
        """
        result = Result.load(path)
        citations = [format_citation(result.cite(key, ci_prob=self._ci_prob), style) for key in keys]
        entries = [bibliography(result)] if bibtex else []
        if self._as_json:
            asked = {"citations": citations, "bibtex": "".join(entries)}
            self._say_json(asked if keys or bibtex else {"keys": list(result.citable)})
        elif keys or bibtex:
            self._output.write("\n\n".join([*citations, *entries]) + "\n")
        else:
            width = max(map(len, result.citable))
            for key in result.citable:
                self._output.write(f"{key:{width}}  {_value_of(result, key, self._ci_prob)}\n")

    def verify(self, papers: Sequence[Path], results: Sequence[Path]) -> None:
        """Compare the keyed numbers of papers with saved results, and print those that have drifted.

        Args:
            papers: Markdown, LaTeX or text files.
            results: the results that they cite.
        """
        loaded = [Result.load(path) for path in results]
        table = pd.concat([verify_paper(paper, loaded) for paper in papers], ignore_index=True)
        drifted = table[table["status"] != "ok"]
        for row in json_rows(table):
            place = escape(f"{row['file']}:{row['line']}: {row['key']}: {row['written']}")
            if row["status"] == "ok":
                self.say(f"[green]ok[/green]      {place}")
            else:
                self.say(f"[red]drifted[/red] {place}")
                self.say(escape(f"        {row['status']}\n        now: {row['derived'] or 'no such number'}"))
        self.say(f"{len(table) - len(drifted)} of {len(table)} keyed numbers agree")
        if self._as_json:
            self._say_json({"ok": drifted.empty, "numbers": json_rows(table)})
        if not drifted.empty:
            if self._quiet:
                places = ", ".join(f"{row.file}:{row.line}" for row in drifted.itertuples())
                self._say_error(f"{len(drifted)} of {len(table)} keyed numbers have drifted: {places}")
            raise typer.Exit(NOT_OK)

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
        withheld = _withholds(tables)
        if words:
            self.say(escape(words))
        for own in tables.values():
            print_table(self._console, own.drop(columns=list(hidden), errors="ignore"))
        if self._as_json:
            rows = {key: json_rows(own) for key, own in tables.items()}
            self._say_json({"ok": not withheld, "about": words, **rows})
        if withheld:
            self._say_error("some estimates are withheld; the column 'status' states why")
            raise typer.Exit(NOT_OK)

    def _print(
        self,
        result: Result,
        tables: Mapping[str, pd.DataFrame],
        warned: tuple[str, ...] = (),
        described: Mapping[str, str] | None = None,
    ) -> None:
        for note in (*warned, *result.notes):
            self.say(f"[yellow]Note:[/yellow] {escape(note)}")
        print_result(self._console, result, tables, **self._of_claims(result))
        ci_prob = self._probability(result)
        print_shifts(self._console, tables["shifts"], result.model.baseline, described or {}, ci_prob=ci_prob)
        if TRUTH in tables:
            print_truth(self._console, tables[TRUTH], result.conditions)
        print_checks(self._console, result, tables)
        spelling = _spelling(name for check in result.failed for name in check.argument)
        if spelling is not None:
            self.say(f"  {escape(spelling)}")

    def _write(
        self,
        result: Result,
        tables: Mapping[str, pd.DataFrame],
        summary: dict[str, Any],
        log: CompletionLog | None,
    ) -> tuple[Path, ...]:
        """Write the output folder, if there is one; returns its files."""
        if self._reserved is None:
            return ()

        def report(folder: Path) -> None:
            try:
                write_reports(result, folder, log=log, **self._shown)
            except MissingExtraError as error:  # the other files are useful without the report
                self.say(f"[yellow]Note:[/yellow] no report was written: {escape(str(error))}")

        return write_result_folder(self._reserved, result, tables, summary, report)

    def _rescue(self, result: Result, error: BaseException) -> None:
        """Save a fit whose tables or reports could not be made or written."""
        if self._reserved is None:
            return
        with contextlib.suppress(OSError):  # no disk has space: ``error`` says so
            kept = f"The fit itself is complete and saved: simulacra show {rescue_result(self._reserved, result)}"
            error.add_note(kept)

    def _say_written(self, files: tuple[Path, ...], summary: dict[str, Any]) -> None:
        if not files:
            return
        folder = files[0].parent
        if folder != self._out:
            self._say_error(f"{self._out} cannot be replaced, or was changed during the fit; see {folder} instead")
        self.say(f"\n[bold]Written[/bold] to {escape(str(folder))}: {', '.join(path.name for path in files)}")
        summary["files"] = [str(path) for path in files]

    def _finish(self, result: Result, summary: Mapping[str, Any], *, printed: bool = True) -> None:
        """End a command; if the checks were not printed, those that failed are named."""
        if self._as_json:
            self._say_json(summary)
        if not result.ok:
            if self._quiet or not printed:
                names = ", ".join(dict.fromkeys(check.name for check in result.failed))
                self._say_error(f"{len(result.failed)} of {len(result.checks)} checks failed: {names}")
            raise typer.Exit(NOT_OK)

    def _fail(self, error: BaseException, code: int = BAD_INPUT) -> NoReturn:
        message = str(error) or "interrupted"
        spelling = _spelling(error.argument) if isinstance(error, InputError) else None
        hint = "\n".join(filter(None, [*getattr(error, "__notes__", ()), spelling])) or None
        self._say_error(message + (f"\n{hint}" if hint else ""))
        if self._as_json:
            fields = ("argument", "file", "line", "column")
            place = {name: getattr(error, name) for name in fields if hasattr(error, name)}
            found = {"type": type(error).__name__, "message": message, "hint": hint, **place}
            self._say_json({"ok": False, "error": found})
        raise typer.Exit(code) from error


def _value_of(result: Result, key: str, ci_prob: float | None) -> str:
    """The number of a key with its interval and its mark, or why it is withheld."""
    try:
        cited = result.cite(key, ci_prob=ci_prob)
    except WithheldError as error:
        return visible(error.status)
    return marked_number(cited.in_brief, cited.status)


def _describe_reading(who: str, paths: Sequence[str], reading: Reading) -> str:
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return f"{who} read {shown} with {str(reading) or 'no options'}."


def _spelling(arguments: Iterable[str]) -> str | None:
    """The options that set these Python arguments; None if there are none."""
    known = [f"{name}= is {_OPTIONS[name]}" for name in dict.fromkeys(arguments) if name in _OPTIONS]
    return f"On the command line: {', '.join(known)}." if known else None


def _withholds(tables: Mapping[str, pd.DataFrame]) -> bool:
    """Whether an estimate of one of the tables is withheld."""
    return any("status" in own and own["status"].str.startswith(WITHHELD).any() for own in tables.values())


def _is_worth_trying(result: Result) -> bool:
    missed = any(check.name == "unexplained share" for check in result.failed)
    return missed and result.model.likelihood is None and len(result.collapsed.cells) <= _MOST_CELLS
