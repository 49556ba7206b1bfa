"""Command-line options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "ENGINE",
    "MODEL",
    "OUTPUT",
    "SAMPLING",
    "AsJson",
    "Baseline",
    "ChosenCiProb",
    "ChosenRope",
    "CiProb",
    "Out",
    "Quiet",
    "Rope",
    "Saved",
    "Seed",
    "Texts",
]

MODEL, ENGINE, SAMPLING, OUTPUT = "Model", "Engine", "Sampling", "Output"
"""Headings in the help."""

Out = Annotated[
    Path,
    typer.Option(help="Output folder; replaces an earlier result.", rich_help_panel=OUTPUT),
]
Baseline = Annotated[str, typer.Option(help="Condition that the others are compared with.", rich_help_panel=MODEL)]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object instead of tables.", rich_help_panel=OUTPUT)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=OUTPUT)]
_ROPE = "Half-width of the region of practical equivalence of rates (0.01: one percentage point)."
Rope = Annotated[float, typer.Option(min=0, max=1, help=_ROPE, rich_help_panel=MODEL)]
ChosenRope = Annotated[
    float | None, typer.Option(min=0, max=1, help=f"{_ROPE} Default: as in the fit.", rich_help_panel=MODEL)
]
_CI_PROB = "Probability of all intervals, between 0 and 1. Claims depend on it."
CiProb = Annotated[float, typer.Option(help=_CI_PROB, rich_help_panel=OUTPUT)]
ChosenCiProb = Annotated[float | None, typer.Option(help=f"{_CI_PROB} Default: as in the fit.", rich_help_panel=OUTPUT)]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.", rich_help_panel=SAMPLING)]
Texts = Annotated[
    bool,
    typer.Option(
        "--texts/--no-texts",
        help="Whether the report and responsibilities.parquet contain the texts of completions.",
        rich_help_panel=OUTPUT,
    ),
]
Saved = Annotated[Path, typer.Argument(help="Saved result: fit.nc, or the folder that contains it.")]
