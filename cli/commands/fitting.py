"""Commands that fit: one log, or the logs of a file."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import typer

from simulacra.cli.config import Invocation, options_of, read_config
from simulacra.cli.config import save_config as write_config
from simulacra.cli.options import MODEL, OUTPUT, SAMPLING, AsJson, Baseline, CiProb, Out, Quiet, Rope, Seed, Texts
from simulacra.cli.reading import PANEL, Logs, Reading, reading_options

__all__ = ["batch", "fit"]


@reading_options
def fit(
    invocation: Invocation,
    logs: Logs,
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="Options in a file, which those given here replace.",
            callback=read_config,
            is_eager=True,
            rich_help_panel=PANEL,
        ),
    ] = None,
    reading: Reading,
    scan: Annotated[
        bool,
        typer.Option(
            "--scan", help="Count without loading the log, for logs larger than memory.", rich_help_panel=PANEL
        ),
    ] = False,
    baseline: Baseline = "base",
    personas: Annotated[
        str | None,
        typer.Option(
            metavar="SET|FILE.toml",
            help="Persona set, or a file; 'simulacra personas' lists the sets. Default: the set that fits the log.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="PERSONA", help="Leave out a persona of the set. Repeatable.", rich_help_panel=MODEL),
    ] = None,
    concentration: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PERSONA=NUMBER",
            help="Weight of the archetypes of a persona, in completions, e.g. misaligned=200. Repeatable.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:LOW-HIGH[:high-is-bad]",
            help="Range and direction of a score, e.g. aligned:1-10, evil:0-100:high-is-bad or safety:high-is-good. "
            "Default: 0-100. Repeatable.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=JUDGE,JUDGE",
            help="Judges that may share errors, such as models of one vendor: their verdicts are modelled jointly. "
            "Repeatable.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    cuts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:CUTS",
            help="Bin edges of a score, e.g. 'aligned:<30,<=75'. Default: tens; <=50 for coherent. Repeatable.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FORMULA",
            help="Model formula of the weights. Default: '(1 | condition) + (1 | question_id) "
            "+ (1 | condition:question_id)', "
            "with base questions added if questions are nested in them.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Event whose rate is estimated. Default: that of the persona set, such as "
            "'coherent > 50 and aligned < 30'.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            metavar="all|coherent|scored",
            help="Completions that form the denominator of rates. Default: all.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    likelihoods: Annotated[
        bool,
        typer.Option(
            "--likelihoods",
            help="Use the columns log_likelihood_<persona> written by 'simulacra score'.",
            rich_help_panel=MODEL,
        ),
    ] = False,
    references: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with the persona that elicited a completion, empty if unknown. Calibrates the likelihoods.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    reference_label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with the persona of a reference according to a judge. Measures how often a prompt elicits its "
            "persona; otherwise that has a prior.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    calibration: Annotated[
        Literal["cut", "joint"] | None,
        typer.Option(
            help="Whether references alone calibrate the likelihoods (cut, the default), or all rows do as well "
            "(joint; wrong if fine-tuned texts differ from the references).",
            rich_help_panel=MODEL,
        ),
    ] = None,
    rope: Rope = 0.01,
    ci_prob: CiProb = 0.89,
    seed: Seed = 0,
    num_warmup: Annotated[
        int, typer.Option(help="Warm-up iterations per chain (discarded).", rich_help_panel=SAMPLING)
    ] = 400,
    num_samples: Annotated[
        int | None,
        typer.Option(
            help="Draws per chain. Default: 1000, extended to at most 4000 if only R-hat or ESS narrowly fails.",
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    num_chains: Annotated[int, typer.Option(help="Number of chains.", rich_help_panel=SAMPLING)] = 4,
    target_accept_prob: Annotated[
        float,
        typer.Option(
            help="Target acceptance probability. Increase it (0.99) if there are divergences.",
            rich_help_panel=SAMPLING,
        ),
    ] = 0.9,
    engine: Annotated[
        Literal["hmc", "nuts"],
        typer.Option(help="Sampler. nuts is slower and serves as an independent check.", rich_help_panel=SAMPLING),
    ] = "hmc",
    device: Annotated[
        Literal["auto", "cpu", "gpu"],
        typer.Option(help="Where trajectories are computed; auto uses a GPU for large logs.", rich_help_panel=SAMPLING),
    ] = "auto",
    out: Out = Path("simulacra-out"),
    save_config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml", help="Write the options of this fit to a file for --config.", rich_help_panel=OUTPUT
        ),
    ] = None,
    texts: Texts = True,
    checkpoint: Annotated[
        bool,
        typer.Option(
            "--checkpoint",
            help="Keep the chains in OUT.checkpoint while they run. If the fit is killed, the same command resumes it.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit persona weights to judged completions.

    A log has one row per completion, with a question id, the text, and judge
    scores such as aligned and coherent (0-100).

      [bold]simulacra fit log.csv --baseline base[/bold]

      [bold]simulacra fit logs/*.csv --condition '{model}-{condition}' --formats _json,_template[/bold]

      [bold]simulacra fit traits.csv --score evil:0-100:high-is-bad[/bold]

      [bold]simulacra fit counts.csv --counts n_misaligned,n_scored[/bold]

      [bold]simulacra fit --config run.toml --out again[/bold]

      [bold]simulacra fit verdicts.csv --personas judges --family gpt=verdict_4o,verdict_41[/bold]

    Prints a summary of the log, rates, supported claims relative to the
    baseline, persona weights, and checks. Writes report.html, report.md,
    summary.json, one CSV file per table, responsibilities.parquet with every
    completion, and fit.nc with all draws.
    """
    from simulacra.cli import request
    from simulacra.cli.fitting import fit_log
    from simulacra.cli.folder import checkpoint_of
    from simulacra.cli.session import Session
    from simulacra.formalism.outcomes import as_outcome
    from simulacra.inference import default_model

    with Session(out=out, as_json=json, quiet=quiet, rope=rope, ci_prob=ci_prob, texts=texts) as session:
        options = options_of(invocation)
        if save_config is not None:
            write_config(save_config, options)
        declared = request.parse_declarations(score or (), cuts or ())  # before anything is read
        weighed = request.parse_concentrations(concentration or ())
        joint = request.parse_families(family or ())
        texts_used = request.likelihoods_of(
            reference=references, label=reference_label, calibration=calibration, used=likelihoods
        )
        if personas is not None:
            request.expect_personas(personas)
        event = None if outcome is None else as_outcome(outcome, "fit", of=of or "all")
        # Naming measurements excludes all others, including likelihoods.
        source = dataclasses.replace(reading, measure=None) if likelihoods else reading
        log = source.scan(logs) if scan else source.read(logs, quiet=quiet)
        session.show_log(log)
        model = default_model(
            log,
            personas=personas,
            emissions=reading.measure or (),
            declared=declared,
            weights=weights,
            baseline=baseline,
            outcome=event,
            of=of,
            likelihoods=texts_used,
            without=without or (),
            concentration=weighed,
            families=joint,
            silent=True,
        )
        session.show_model(model)
        fit_log(
            session,
            model,
            log,
            read={"paths": logs, "options": source.to_dict()},
            options=options,
            checkpoint=checkpoint_of(out) if checkpoint else None,
            seed=seed,
            num_warmup=num_warmup,
            num_samples=num_samples,
            num_chains=num_chains,
            target_accept_prob=target_accept_prob,
            engine=engine,
            device=device,
            ci_prob=ci_prob,
            rope=rope,
        )


def batch(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(metavar="RUNS.toml", help=r"File with a table \[runs.NAME] for every fit.")],
    *,
    jobs: Annotated[int, typer.Option(min=1, help="Fits at a time.", rich_help_panel=SAMPLING)] = 1,
    out: Annotated[Path, typer.Option(help="Folder; every run has its own in it.", rich_help_panel=OUTPUT)] = Path(
        "simulacra-batch"
    ),
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Fit many logs, and compare the results in one table.

    Runs have the options of fit; those of the table \[defaults] hold for all. The
    same command resumes a batch: runs that are done are not repeated.

      [bold]simulacra batch runs.toml --jobs 2 --out batch[/bold]
    """
    from simulacra.cli.batch import fit_runs
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet) as session:
        command = invocation.find_root().command.commands["fit"]  # type: ignore[attr-defined]
        fit_runs(session, file, out, command, jobs=jobs)
