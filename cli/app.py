"""The command ``simulacra`` with its subcommands, each a function of this module or of ``simulacra.cli.analyses``.

Exit codes: 0, all checks passed; 2, the input or an option is invalid, and nothing was written, or a file could not be
written, and the message says where a fit that has run is saved; 3, the fit did not converge or is not identified: the
files are written, with the affected results withheld, or a number of a paper has drifted; 130, interrupted by Ctrl-C.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import typer

from simulacra.cli import analyses
from simulacra.cli.config import Invocation, options_of, read_config
from simulacra.cli.config import save_config as write_config
from simulacra.cli.options import (
    ENGINE,
    MODEL,
    OUTPUT,
    SAMPLING,
    AsJson,
    Baseline,
    ChosenCiProb,
    ChosenRope,
    CiProb,
    Out,
    Quiet,
    Rope,
    Saved,
    Seed,
    Texts,
)
from simulacra.cli.reading import PANEL, Logs, Reading, reading_options

__all__ = ["app"]

app = typer.Typer(
    name="simulacra",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all checks passed, 2 invalid input, 3 not converged or not identified (results withheld), "
    "130 interrupted.",
)


def _show_version(wanted: bool) -> bool:  # noqa: FBT001 (Typer passes it by position)
    if wanted:
        import importlib.metadata

        typer.echo(f"simulacra {importlib.metadata.version('simulacra')}")
        raise typer.Exit
    return wanted


@app.callback()
def simulacra(
    *,
    version: Annotated[
        bool, typer.Option("--version", "-v", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Persona weights from judged completions of a base model and its fine-tunes.

    To start, run [bold]simulacra demo[/bold]. It fits a small shipped log and compares
    the estimates with the true values. Then check with [bold]simulacra inspect-log[/bold]
    how your own files are read, and fit them with [bold]simulacra fit[/bold].
    """


@app.command(no_args_is_help=True)
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
            "'aligned < 30 and coherent > 50'.",
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
    from simulacra.cli.folder import checkpoint_of
    from simulacra.cli.session import Session
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
            outcome=outcome,
            of=of,
            likelihoods=texts_used,
            without=without or (),
            concentration=weighed,
            families=joint,
            silent=True,
        )
        session.show_model(model)
        session.fit(
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


@app.command(no_args_is_help=True)
def batch(
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
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet) as session:
        session.batch(file, out, typer.main.get_command(app).commands["fit"], jobs=jobs)  # type: ignore[attr-defined]


@app.command("inspect-log", no_args_is_help=True)
@reading_options
def inspect_log(
    logs: Logs,
    *,
    reading: Reading,
    baseline: Baseline = "base",
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show how a log is read, without fitting.

    Shows the layout of every file and how it was detected, excluded rows,
    duplicates, and for every column whether it is a measurement (with its range
    and missing values), a context, or not used. The options are those of fit.

      [bold]simulacra inspect-log logs/*.csv --condition '{model}-{condition}'[/bold]

      [bold]simulacra inspect-log runs/2025*.eval --condition model --baseline qwen[/bold]

      [bold]simulacra inspect-log generations.jsonl --judgments gpt4o=a.jsonl --judgments claude=b.jsonl[/bold]
    """
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet) as session:
        session.describe(reading.read(logs, quiet=quiet), reading.measure or (), baseline)


@app.command(no_args_is_help=True)
@reading_options
def score(
    logs: Logs,
    *,
    model: Annotated[
        str,
        typer.Option(
            metavar="DIR", help="Folder or Hugging Face name of a causal language model.", rich_help_panel=MODEL
        ),
    ],
    personas: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="JSON, TOML or YAML table that maps persona names to system prompts or tags.",
            rich_help_panel=MODEL,
        ),
    ],
    template: Annotated[
        str | None,
        typer.Option(
            help="Prompt, e.g. '{persona} {question}'. Default: the chat template, or one line each.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    template_kwargs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Argument of the chat template, e.g. enable_thinking=false. Repeatable.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    date: Annotated[
        str,
        typer.Option(
            metavar="YYYY-MM-DD", help="Date that chat templates write instead of today's.", rich_help_panel=MODEL
        ),
    ] = "2025-01-01",
    end_token: Annotated[
        str | None,
        typer.Option(help="Token that ends a completion; included in the score.", rich_help_panel=MODEL),
    ] = None,
    split_special_tokens: Annotated[
        bool,
        typer.Option(
            "--split-special-tokens",
            help="Read names of special tokens in completions as ordinary text.",
            rich_help_panel=MODEL,
        ),
    ] = False,
    too_long: Annotated[
        Literal["exclude", "truncate"],
        typer.Option(
            help="Completions longer than the model's context: leave unscored, or truncate.", rich_help_panel=MODEL
        ),
    ] = "exclude",
    device: Annotated[
        str | None, typer.Option(help="PyTorch device. Default: cuda or mps if available.", rich_help_panel=MODEL)
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="Data type. Default: that of the checkpoint on a GPU, float32 on a CPU.", rich_help_panel=MODEL
        ),
    ] = None,
    device_map: Annotated[
        str | None,
        typer.Option(
            metavar="auto", help="Spread a model that is larger than one device over several.", rich_help_panel=MODEL
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="OpenAI-compatible server that echoes log-probabilities of prompts, e.g. http://localhost:8000/v1. "
            "--model is then the name there.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Tokenizer of a model on a server. Default: that of --model.", rich_help_panel=ENGINE
        ),
    ] = None,
    vllm: Annotated[bool, typer.Option("--vllm", help="Run the model with vLLM.", rich_help_panel=ENGINE)] = False,
    ray: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Score with N workers of a Ray cluster.", rich_help_panel=ENGINE),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Score the I-th of N shares of the log; the last process to end writes the file.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Branch, tag or commit of a model on Hugging Face.", rich_help_panel=MODEL),
    ] = None,
    trust_remote_code: Annotated[
        bool,
        typer.Option(
            "--trust-remote-code",
            help="Run Python code that comes with the model. Without it, such a model is an error.",
            rich_help_panel=MODEL,
        ),
    ] = False,
    batch_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens per batch; halved if memory runs out.", rich_help_panel=MODEL),
    ] = None,
    block_rows: Annotated[
        int,
        typer.Option(min=1, help="Completions per block, the unit that is resumed.", rich_help_panel=OUTPUT),
    ] = 1024,
    reading: Reading,
    question: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column with the text of the question. Default: question.", rich_help_panel=PANEL
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE.parquet",
            help="Scored log, in the Parquet format. An interrupted run is resumed.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("scored.parquet"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output of a different run.", rich_help_panel=OUTPUT)
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score every completion of a log under persona prompts with a language model.

    Adds the columns log_likelihood_<persona> (nats) and num_tokens. An
    interrupted run resumes when it is started again.

      [bold]simulacra score log.csv --model ./llama --personas personas.toml --out scored.parquet[/bold]
    """
    from simulacra.cli.engines import chosen_engine, parse_shard
    from simulacra.cli.request import parse_template_kwargs
    from simulacra.cli.session import Session
    from simulacra.lm import score_log

    with Session(out=None, as_json=json, quiet=quiet) as session:
        engine = chosen_engine(
            model,
            server=server,
            vllm=vllm,
            tokenizer=tokenizer,
            local_only=[
                ("--device", device),
                ("--device-map", device_map),
                ("--dtype", dtype),
                ("--batch-tokens", batch_tokens),
                ("--ray", ray),
            ],
            revision=revision,
            trust_remote_code=trust_remote_code,
        )
        scored = score_log(
            reading.read_completions(logs, quiet=quiet),
            model=engine,
            personas=personas,
            question=question,
            out=out,
            template=template,
            template_kwargs=parse_template_kwargs(template_kwargs or ()),
            date=date,
            end_token=end_token,
            split_special_tokens=split_special_tokens,
            too_long=too_long,
            device=device,
            device_map=device_map,
            dtype=dtype,
            shard=parse_shard(shard),
            ray_workers=ray,
            revision=revision,
            trust_remote_code=trust_remote_code,
            batch_tokens=batch_tokens,
            block_rows=block_rows,
            overwrite=overwrite,
            progress_bar=not quiet,
        )
        session.show_scores(scored, out)


@app.command(no_args_is_help=True)
def show(
    result: Saved,
    *,
    rope: ChosenRope = None,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
) -> None:
    """Show the tables of a saved result."""
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, rope=rope, ci_prob=ci_prob) as session:
        session.load(result)


@app.command(no_args_is_help=True)
def rates(
    result: Annotated[Path, typer.Argument(help="Saved result: fit.nc, or the folder that contains it.")],
    *,
    outcome: Annotated[str | None, typer.Option(metavar="RULE", help="Event whose rate is estimated.")] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RULE",
            help="Category of completions. Repeatable: a completion belongs to the first whose rule holds.",
        ),
    ] = None,
    rest: Annotated[str, typer.Option(metavar="NAME", help="Name of the category of all others.")] = "other",
    of: Annotated[
        str, typer.Option(metavar="all|coherent|scored", help="Completions that form the denominator.")
    ] = "all",
    rope: ChosenRope = None,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
) -> None:
    """Estimate rates of another event, or of several categories, from a saved result.

    Rates do not depend on personas, so nothing is sampled again but rates.

      [bold]simulacra rates simulacra-out --outcome 'aligned < 50'[/bold]

      [bold]simulacra rates simulacra-out --category 'misaligned=aligned < 30 and coherent > 50'
      --category 'incoherent=coherent <= 50' --rest aligned[/bold]
    """
    from simulacra.cli.request import parse_event
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, rope=rope, ci_prob=ci_prob) as session:
        session.rates(result, parse_event(outcome, category or (), rest, of))


@app.command(no_args_is_help=True)
@reading_options
def report(
    result: Saved,
    more: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE", help="More files of the log, if the shell expands an unquoted glob after --log."
        ),
    ] = None,
    *,
    log: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Log that was fitted, as source of example completions: files, folders or quoted globs. Repeatable.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    reading: Reading,
    rope: ChosenRope = None,
    ci_prob: ChosenCiProb = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File ending in .html or .md, or a folder for both. Default: next to the result.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    texts: Annotated[
        bool | None,
        typer.Option(
            "--texts/--no-texts",
            help="Whether files contain the texts of completions. Default: as in the fit.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the report of a saved result, as self-contained HTML and as Markdown.

    A saved result does not contain completions. If the log is given, the report
    shows example completions of every persona and a table of all completions,
    and a folder also receives responsibilities.parquet. The log is read with the
    options that were given to fit; options given here override them.

      [bold]simulacra report simulacra-out[/bold]

      [bold]simulacra report simulacra-out --out meeting.html[/bold]

      [bold]simulacra report simulacra-out --log 'logs/*.csv'[/bold]
    """
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet, rope=rope, ci_prob=ci_prob, texts=texts) as session:
        session.report(result, out, (*(log or ()), *(more or ())), reading)


@app.command(no_args_is_help=True)
def figures(
    result: Saved,
    *,
    only: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Figures, e.g. shifts,rates. Default: all.", rich_help_panel=OUTPUT),
    ] = None,
    format: Annotated[
        str,
        typer.Option(metavar="FORMATS", help="Among pdf, svg and png, e.g. pdf,svg.", rich_help_panel=OUTPUT),
    ] = "pdf",
    width: Annotated[
        float | None,
        typer.Option(min=0, help="Width in inches, e.g. 3.25 for one column of two.", rich_help_panel=OUTPUT),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Condition that the others are compared with. Default: the baseline.", rich_help_panel=MODEL),
    ] = None,
    rope: ChosenRope = None,
    ci_prob: ChosenCiProb = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder. Default: figures, next to the result.", rich_help_panel=OUTPUT),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the figures of a saved result as files, for papers and slides.

    [bold]simulacra figures simulacra-out --only shifts,rates --width 3.25[/bold]
    """
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet, rope=rope, ci_prob=ci_prob) as session:
        names = {"only": _listed(only or ""), "format": _listed(format)}
        session.figures(result, out, width=width, against=against, **names)


def _listed(names: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in names.split(","))))


@app.command(no_args_is_help=True)
def judges(
    result: Annotated[Path, typer.Argument(help="Saved result: fit.nc, or the folder that contains it.")],
    *,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what each judge of a saved result adds, and which judges share errors.

    [bold]simulacra judges simulacra-out[/bold]
    """
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet, ci_prob=ci_prob) as session:
        session.judges(result)


@app.command(no_args_is_help=True)
def cite(
    result: Saved,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY...", help=r"E.g. 'rate\[narrow]'. Default: list all.")
    ] = None,
    *,
    style: Annotated[
        Literal["text", "ascii", "markdown", "latex", "json"],
        typer.Option(help="Form of the citations.", rich_help_panel=OUTPUT),
    ] = "text",
    bibtex: Annotated[
        bool, typer.Option("--bibtex", help="Add the methods that this fit used, in BibTeX.", rich_help_panel=OUTPUT)
    ] = False,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
) -> None:
    r"""Print numbers of a saved result with interval, scope and provenance, for a paper.

    Without a key, all keys are listed with their values and intervals.

    [bold]simulacra cite simulacra-out 'rate\[narrow]' --style latex[/bold]

    [bold]simulacra cite simulacra-out --bibtex > methods.bib[/bold]
    """
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, ci_prob=ci_prob) as session:
        session.cite(result, keys or (), style, bibtex=bibtex)


@app.command(no_args_is_help=True)
def verify(
    papers: Annotated[
        list[Path], typer.Argument(metavar="PAPERS...", help="Markdown, LaTeX or text files with citations.")
    ],
    *,
    result: Annotated[
        list[Path],
        typer.Option(
            metavar="OUT",
            help="Saved result that is cited: fit.nc, or the folder that contains it. Repeatable.",
            rich_help_panel=PANEL,
        ),
    ],
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare every number of a paper that has a key with the saved result.

    Keys stand in front of numbers, as result.cite and format_citation write
    them. Exit code 3: a number, its interval, its scope or its key has drifted,
    or the number is withheld.

      [bold]simulacra verify paper.tex --result simulacra-out[/bold]
    """
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet) as session:
        session.verify(papers, result)


@app.command()
def personas(
    name: Annotated[
        str | None, typer.Argument(metavar="SET|FILE.toml", help="Persona set or file. Default: list the sets.")
    ] = None,
    *,
    measure: Annotated[
        str,
        typer.Option(metavar="NAME", help="Measurement of the sets trait, likert and event.", rich_help_panel=MODEL),
    ] = "evil",
    coherent: Annotated[
        bool,
        typer.Option(help="For the set trait, whether the log has a score 'coherent' as well.", rich_help_panel=MODEL),
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Write the set as a file, to be edited.", rich_help_panel=OUTPUT),
    ] = None,
) -> None:
    """List persona sets, explain one, check a file, or write one to be edited.

    The sets trait, likert and event are made for a measurement that you name.

      [bold]simulacra personas[/bold]

      [bold]simulacra personas trait --measure sycophancy --no-coherent --out my.toml[/bold]

      [bold]simulacra fit log.csv --personas my.toml[/bold]
    """
    from rich.markup import escape

    from simulacra.cli.personas import print_personas, print_sets, set_as_model, write_template
    from simulacra.cli.session import Session

    with Session(out=None) as session:
        if name is None:
            print_sets(session.console)
        else:
            model = set_as_model(name, measure, coherent=coherent)
            print_personas(session.console, model)
            if out is not None:
                session.say(f"[bold]Written[/bold] to {escape(str(write_template(model, out)))}")


@app.command()
def demo(
    *,
    seed: Seed = 0,
    ci_prob: CiProb = 0.89,
    out: Out = Path("simulacra-demo"),
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit the shipped log of the miniature organism and compare true and estimated persona weights."""
    from simulacra.cli.session import Session
    from simulacra.cli.truth import persona_shares
    from simulacra.data.numerals import grouped
    from simulacra.inference import default_model
    from simulacra.lm import load_organism_log
    from simulacra.lm.organism import CONDITIONS

    with Session(out=out, as_json=json, quiet=quiet, ci_prob=ci_prob) as session:
        log = load_organism_log()
        session.say(
            f"[bold]Demonstration.[/bold] A language model with {grouped(360_000)} parameters was trained on texts of "
            "a helper (70%), a villain,\na pirate and a babbler (10% each). It was then fine-tuned on one topic in "
            "several ways and asked about seven other topics.\nThe true persona of every completion is known from its "
            "vocabulary. The fit uses only noisy judge scores.\n"
        )
        session.show_log(log)
        described = {name: asked.description for name, asked in CONDITIONS.items()}
        session.fit(
            default_model(log, personas="organism", silent=True),
            log,
            seed=seed,
            ci_prob=ci_prob,
            truth=persona_shares(log),
            described=described,
        )


@app.command()
def organism(
    *,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Folder for the models and the log.", rich_help_panel=OUTPUT)] = Path(
        "simulacra-organism"
    ),
    quiet: Quiet = False,
) -> None:
    r"""Train the miniature organism from scratch, fine-tune it with every recipe, and write its log.

    The training sets and conversations are written next to the log, scored
    under every persona. This takes some minutes and requires the extra lm:
    pip install 'simulacra\[lm]'. An interrupted run resumes when it is started
    again. Then fit the log:

      [bold]simulacra fit simulacra-organism/completions.parquet --personas organism[/bold]
    """
    from rich.markup import escape

    from simulacra.cli.session import Session
    from simulacra.lm.organism import run_study

    with Session(out=None, quiet=quiet) as session:
        path = run_study(out, seed=seed, progress_bar=False if quiet else None)
        session.say(f"[bold]Written[/bold]: {escape(str(path))}")


for _answer in (analyses.compare, analyses.contrast, analyses.dose, analyses.plan, analyses.scorecard):
    app.command(no_args_is_help=True)(_answer)
