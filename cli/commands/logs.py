"""Commands about a log: how it is read, and what a language model says of its completions."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from simulacra.cli.options import ENGINE, MODEL, OUTPUT, AsJson, Baseline, Quiet
from simulacra.cli.reading import PANEL, Logs, Reading, reading_options

__all__ = ["inspect_log", "score"]


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
    from simulacra.cli.inspection import describe_log
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet) as session:
        describe_log(session, reading.read(logs, quiet=quiet), reading.measure or (), baseline)


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
    from simulacra.lm.scoring.prompts import read_prompts

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
        prompts = read_prompts(personas)
        arguments, part = parse_template_kwargs(template_kwargs or ()), parse_shard(shard)
        scored = score_log(
            reading.read_completions(logs, quiet=quiet),
            model=engine,
            personas=prompts,
            question=question,
            out=out,
            template=template,
            template_kwargs=arguments,
            date=date,
            end_token=end_token,
            split_special_tokens=split_special_tokens,
            too_long=too_long,
            device=device,
            device_map=device_map,
            dtype=dtype,
            shard=part,
            ray_workers=ray,
            revision=revision,
            trust_remote_code=trust_remote_code,
            batch_tokens=batch_tokens,
            block_rows=block_rows,
            overwrite=overwrite,
            progress_bar=not quiet,
        )
        session.show_scores(scored, out)
