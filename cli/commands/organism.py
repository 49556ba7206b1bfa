"""Commands about the miniature organism: the shipped one, and one to be trained."""

from pathlib import Path
from typing import Annotated

import typer

from simulacra.cli.options import OUTPUT, AsJson, CiProb, Out, Quiet, Seed

__all__ = ["demo", "organism"]


def demo(
    *,
    seed: Seed = 0,
    ci_prob: CiProb = 0.89,
    out: Out = Path("simulacra-demo"),
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit the shipped log of the miniature organism and compare true and estimated persona weights."""
    from simulacra.cli.fitting import fit_log
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
        fit_log(
            session,
            default_model(log, personas="organism", silent=True),
            log,
            seed=seed,
            ci_prob=ci_prob,
            truth=persona_shares(log),
            described=described,
        )


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
