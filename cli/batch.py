"""``simulacra batch``: many fits from one file, several at a time, resumed, and compared in one table.

.. code-block:: toml

    [defaults]
    personas = "trait"

    [runs.organism-a]
    logs = ["a/*.csv"]

    [runs.organism-b]
    logs = ["b/*.csv"]
    baseline = "base-b"

Every run is a ``simulacra fit`` with these options, in a process and a folder of its own. A run whose folder contains a
result with the same options is not repeated, and one that was killed continues from its checkpoint.
"""

import concurrent.futures
import re
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape

from simulacra.cli.config import checked_options, format_config, resolved_options
from simulacra.cli.folder import checkpoint_of, read_summary
from simulacra.cli.session import BAD_INPUT, NOT_OK, Session
from simulacra.cli.tables import simple_table
from simulacra.data.extras import MissingExtraError
from simulacra.formalism.errors import InputError
from simulacra.formalism.toml_files import read_toml
from simulacra.inference.checkpoint import remove_checkpoint
from simulacra.report.comparison import claims_of_runs, write_comparison
from simulacra.report.tables import format_table, json_rows

__all__ = ["Run", "compare_runs", "fit_runs", "print_batch", "read_batch", "run_batch"]

_COMPARED = ("rates", "contrasts", "weights", "shifts")
_OWN = ("out", "checkpoint")
"""Options that the batch itself gives."""
_ENDS = {0: "all checks passed", NOT_OK: "checks failed", BAD_INPUT: "not fitted"}
"""What the exit codes of a fit mean."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Run(NamedTuple):
    """One fit of a batch.

    Attributes:
        name: its name, that of its folder.
        options: all options of ``simulacra fit`` in force, by the names of its parameters.
        folder: its folder.
    """

    name: str
    options: Mapping[str, Any]
    folder: Path

    @property
    def done(self) -> bool:
        """Whether the folder contains a result with these options."""
        stored = read_summary(self.folder).get("config", {}) if self.folder.is_dir() else {}
        return {name: value for name, value in stored.items() if name not in _OWN} == self.options


def fit_runs(session: Session, file: Path, out: Path, command: Any, *, jobs: int) -> None:
    """Fit the runs of a file that are not done, and print and write the tables of all.

    Args:
        session: the run of the command.
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
    session.say(f"{len(runs)} runs, of which {len(runs) - len(todo)} are done")
    failed = {}
    for run, code, said in run_batch(todo, jobs=jobs):
        session.say(f"{escape(run.name)}: {_ENDS.get(code, f'exit code {code}')}")
        if code not in (0, NOT_OK):
            failed[run.name] = said
            session.say_error(f"{run.name}: {said}")
    tables = compare_runs(runs, out) if len(failed) < len(runs) else {}
    withheld = [run.name for run in runs if run.name not in failed and not read_summary(run.folder).get("ok")]
    print_batch(session.console, tables, withheld)
    if tables:
        written = [f"{name}.csv" for name in tables]
        try:
            reports = {run.name: f"{run.name}/report.html" for run in runs if (run.folder / "report.html").exists()}
            page = write_comparison(out / "batch.html", tables, links=reports, withheld=withheld, failed=tuple(failed))
            written.append(page.name)
        except MissingExtraError as error:  # the tables are useful without the page
            session.say(escape(str(error)))
        session.say(f"[bold]Written[/bold] to {escape(str(out))}: {', '.join(written)}")
    if session.as_json:
        found = {"ok": not (failed or withheld), "failed": failed, "withheld": withheld}
        session.say_json({**found, "tables": {name: json_rows(table) for name, table in tables.items()}})
    if failed or withheld:
        raise typer.Exit(BAD_INPUT if failed else NOT_OK)


def read_batch(path: Path, out: Path, command: Any) -> list[Run]:
    """The runs of a file.

    Args:
        session: the run of the command.
        path: the TOML file.
        out: the folder in which every run has its own.
        command: the command ``fit``, whose options runs have.

    Raises:
        InputError: a file that is not TOML, without runs, or with other tables; or a name that cannot be a folder.
        typer.BadParameter: an option that the command does not have, or a value that it refuses.
    """
    found = read_toml(path, "a batch", expected="a TOML file with a table [runs.NAME] for every fit")
    runs, defaults = found.get("runs"), found.get("defaults", {})
    unknown = found.keys() - {"runs", "defaults"}
    tables = [defaults, *(runs.values() if isinstance(runs, dict) else [])]
    if not runs or not isinstance(runs, dict) or unknown or not all(isinstance(own, dict) for own in tables):
        raise InputError(
            f"{path}: is no batch" + (f": there is no table {min(unknown)!r}" if unknown else ""),
            expected="tables [runs.NAME] with the options of simulacra fit, and possibly [defaults]",
        )
    shared = checked_options(command, defaults, f"{path}: defaults")
    listed = []
    for name, own in runs.items():
        if not _NAME.fullmatch(name):
            raise InputError(f"{path}: the run {name!r} needs a name of letters, digits, '.', '_' and '-'")
        options = {**shared, **checked_options(command, own, f"{path}: runs.{name}")}
        if "out" in options or not options.get("logs"):
            raise InputError(f"{path}: runs.{name}: expected logs, and no out, which is {out / name}")
        resolved = resolved_options(command, options, f"{path}: runs.{name}")
        in_force = {option: value for option, value in resolved.items() if option not in _OWN}
        listed.append(Run(name, in_force, out / name))
    return listed


def run_batch(runs: list[Run], *, jobs: int) -> Generator[tuple[Run, int, str]]:
    """Fit runs that are not done; yields every run when it ends, with its exit code and what it said of errors."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(_fit, run): run for run in runs}
        try:
            for ended in concurrent.futures.as_completed(waiting):
                yield waiting[ended], *ended.result()
        finally:  # after Ctrl-C, runs that have not begun do not begin
            pool.shutdown(wait=False, cancel_futures=True)


def _fit(run: Run) -> tuple[int, str]:
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    config = run.folder.with_suffix(run.folder.suffix + ".toml")
    config.write_text(format_config(run.options), encoding="utf-8")
    words = ["fit", "--config", str(config), "--out", str(run.folder), "--checkpoint", "--quiet"]
    command = [sys.executable, "-m", "simulacra.cli", *words]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace", check=False)
    return ended.returncode, ended.stderr.strip()


def compare_runs(runs: list[Run], out: Path) -> dict[str, pd.DataFrame]:
    """The tables of all runs that are done, each with a column ``run``, also written to ``out`` as CSV.

    Tables that no run has, such as rates without an outcome, are left out.
    """
    stored = {run.name: read_summary(run.folder)["tables"] for run in runs if run.done}
    tables = {}
    for name in _COMPARED:
        parts = {run: pd.DataFrame(own[name]) for run, own in stored.items() if own.get(name)}
        if parts:
            table = pd.concat(parts, names=["run"]).reset_index(0).reset_index(drop=True)
            tables[name] = table[["run", *_ordered(list(parts.values()))]]
            (out / f"{name}.csv").write_text(format_table(tables[name], "csv"), encoding="utf-8")
    return tables


def _ordered(parts: Sequence[pd.DataFrame]) -> list[str]:
    """All columns, contexts that only some runs have before the estimates."""
    places = [{name: place for place, name in enumerate(part)} for part in parts]
    names = dict.fromkeys(str(name) for part in parts for name in part)
    return sorted(names, key=lambda name: max(own[name] for own in places if name in own))


def print_batch(console: Console, tables: Mapping[str, pd.DataFrame], withheld: list[str]) -> None:
    """Print the claims of all runs about the logged questions, and the runs with failed checks."""
    if "contrasts" in tables:
        columns = ("run", "condition", "claim", "percentage points", "interval", "for new questions")
        table = simple_table(columns, texts=3)
        for claim in claims_of_runs(tables["contrasts"]):
            table.add_row(*map(escape, claim))
        console.print("[bold]Claims of all runs[/bold], each relative to its baseline", highlight=False)
        console.print(table)
    if withheld:
        console.print(f"Checks failed, and estimates are withheld: {escape(', '.join(withheld))}", highlight=False)
