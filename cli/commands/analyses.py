"""Commands that answer one research question each about a saved result or a log; every one is a call of an analysis."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from simulacra.cli.options import (
    MODEL,
    OUTPUT,
    SAMPLING,
    AsJson,
    Baseline,
    ChosenCiProb,
    ChosenRope,
    CiProb,
    Quiet,
    Rope,
    Saved,
    Seed,
)
from simulacra.cli.reading import Logs, Reading, reading_options

__all__ = ["compare", "contrast", "dose", "plan", "scorecard"]

_Scope = Annotated[
    Literal["these", "new"], typer.Option(help="The logged questions, or new ones.", rich_help_panel=MODEL)
]
_Group = Annotated[str, typer.Argument(help="Condition, with its context if there are contexts: 'ft, trigger=on'.")]
_Minus = Annotated[str, typer.Argument(help="The group that is subtracted.")]


def contrast(
    result: Saved,
    group: _Group,
    minus: _Minus,
    *,
    scope: _Scope = "these",
    rope: ChosenRope = None,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare the rates of two groups of a saved result.

    [bold]simulacra contrast simulacra-out insecure base --scope new[/bold]
    """
    from simulacra.cli.session import Session
    from simulacra.inference import Result

    with Session(out=None, as_json=json, quiet=quiet, rope=rope, ci_prob=ci_prob) as session:
        found = Result.load(result).contrast(group, minus, scope=scope)
        session.show_table("contrast", found.table(rope=rope, ci_prob=ci_prob), found.words)


def dose(
    result: Saved,
    *,
    at: Annotated[
        list[str],
        typer.Option(
            metavar="CONDITION=VALUE", help="Step, rank or dose of a condition; three or more.", rich_help_panel=MODEL
        ),
    ],
    persona: Annotated[
        str | None, typer.Option(help="Persona whose weight is followed. Default: the rate.", rich_help_panel=MODEL)
    ] = None,
    covariate: Annotated[str, typer.Option(help="Name of the values.", rich_help_panel=MODEL)] = "step",
    scale: Annotated[
        Literal["linear", "log", "log1p"],
        typer.Option(help="Scale on which equal distances mean equal expected change.", rich_help_panel=MODEL),
    ] = "linear",
    shape: Annotated[
        Literal["walk", "monotone"],
        typer.Option(help="A random walk, or a path that never turns back.", rich_help_panel=MODEL),
    ] = "walk",
    level: Annotated[
        float | None,
        typer.Option(help="Also show when the quantity reaches this value, in [0, 1].", rich_help_panel=OUTPUT),
    ] = None,
    seed: Seed = 0,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Follow a rate or a weight over training steps, ranks or doses.

    [bold]simulacra dose simulacra-out --at base=0 --at step-10=10 --at narrow=120 --level 0.2[/bold]
    """
    from simulacra.analysis import training_path
    from simulacra.cli.request import parse_values
    from simulacra.cli.session import Session
    from simulacra.inference import Result

    with Session(out=None, as_json=json, quiet=quiet, ci_prob=ci_prob) as session:
        values = parse_values(at, "--at")
        path = training_path(
            Result.load(result),
            values,
            of="rates" if persona is None else "weights",
            persona=persona,
            covariate=covariate,
            scale=scale,
            shape=shape,
            seed=seed,
        )
        crossing = {} if level is None else {"crossing": path.crossing(level, ci_prob=ci_prob)}
        session.show_table("path", path.table(ci_prob=ci_prob), "", **crossing)


def plan(
    result: Annotated[
        Path | None, typer.Argument(help="Saved result of a first log, instead of --rate and --difference.")
    ] = None,
    group: Annotated[str | None, typer.Argument(help="For a result, the condition to compare.")] = None,
    minus: Annotated[
        str | None, typer.Argument(help="For a result, the condition that is subtracted. Default: the baseline.")
    ] = None,
    *,
    rate: Annotated[
        float | None,
        typer.Option(help="Guess of the rate in the group that is subtracted.", rich_help_panel=MODEL),
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(help="Difference to be claimed; 0 plans a claim of equivalence.", rich_help_panel=MODEL),
    ] = None,
    questions: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Numbers of base questions.", rich_help_panel=MODEL)
    ] = "4,8,16,32",
    samples: Annotated[
        str,
        typer.Option(metavar="NUMBERS", help="Completions per base question and group.", rich_help_panel=MODEL),
    ] = "10,50",
    judges: Annotated[str, typer.Option(metavar="NUMBERS", help="Judges per completion.", rich_help_panel=MODEL)] = "1",
    trials: Annotated[int, typer.Option(help="Simulated logs of every design.", rich_help_panel=SAMPLING)] = 300,
    seed: Seed = 0,
    rope: Rope = 0.01,
    ci_prob: CiProb = 0.89,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """How many questions and completions are needed until a difference of rates is claimed.

    [bold]simulacra plan --rate 0.02 --difference 0.10 --questions 8,16[/bold]

      [bold]simulacra plan simulacra-out insecure base --samples 20,100[/bold]
    """
    from simulacra.analysis import plan as planned
    from simulacra.cli.request import parse_numbers, planned_source
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet, rope=rope, ci_prob=ci_prob) as session:
        found = planned(
            planned_source(result, rate, difference),
            group,
            minus,
            difference=None if result is None else difference,
            questions=parse_numbers(questions, "--questions"),
            samples=parse_numbers(samples, "--samples"),
            judges=parse_numbers(judges, "--judges"),
            trials=trials,
            seed=seed,
            rope=rope,
            ci_prob=ci_prob,
        )
        session.show_table("plan", found.table(), f"planned claim: {found.expected}; truth: {found.words}")


def scorecard(
    result: Saved,
    organisms: Annotated[
        list[str] | None, typer.Argument(help="Conditions to compare. Default: all but the baseline.")
    ] = None,
    *,
    margin: Annotated[
        float,
        typer.Option(help="Difference from which a question counts for reliability.", rich_help_panel=MODEL),
    ] = 0.05,
    ci_prob: ChosenCiProb = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare model organisms: rate, damage, clean share, reliability and breadth.

    [bold]simulacra scorecard simulacra-out narrow lora-1 lora-16[/bold]
    """
    from simulacra.analysis import scorecard as scored
    from simulacra.cli.session import Session
    from simulacra.inference import Result

    with Session(out=None, as_json=json, quiet=quiet, ci_prob=ci_prob) as session:
        found = scored(Result.load(result), organisms or None, margin=margin)
        diagnostics = ("ess_bulk", "ess_tail", "r_hat")
        session.show_table("scorecard", found.table(ci_prob=ci_prob), found.words, diagnostics)


@reading_options
def compare(
    logs: Logs,
    *,
    reading: Reading,
    personas: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET|FILE.toml",
            help="Persona set, or a file. Repeatable; the first is compared with. Default: the set that fits the log, "
            "and the same with a residual persona.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    baseline: Baseline = "base",
    weights: Annotated[
        str | None,
        typer.Option(metavar="FORMULA", help="Model formula of the weights, as for fit.", rich_help_panel=MODEL),
    ] = None,
    folds: Annotated[int, typer.Option(help="Number of folds of base questions.", rich_help_panel=SAMPLING)] = 8,
    seed: Seed = 0,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare persona sets by cross-validation over base questions.

    Every model is fitted again without the questions of a fold, and scored on
    them. The verdicts come with their power and the number of questions that
    would decide.

      [bold]simulacra compare log.csv --personas emergent-misalignment --personas my.toml[/bold]
    """
    from simulacra.analysis import compare as compared
    from simulacra.cli.request import candidates, expect_personas
    from simulacra.cli.session import Session

    with Session(out=None, as_json=json, quiet=quiet) as session:
        for name in personas or ():
            expect_personas(name)
        log = reading.read(logs, quiet=quiet)
        session.show_log(log)
        measure = reading.measure or ()
        models = candidates(log, personas or (), emissions=measure, baseline=baseline, weights=weights)
        session.say(f"{len(models)} models are fitted without the questions of each of {folds} folds.")
        found = compared(models, log, num_folds=folds, seed=seed)
        session.show_table("comparison", found.table(), f"compared with {found.against}, on held-out base questions")
