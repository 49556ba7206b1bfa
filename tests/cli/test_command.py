"""The command itself: help, version, start-up, the demonstration."""

import importlib.metadata
import inspect
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import Result as Outcome

from simulacra.cli.commands import fitting
from simulacra.cli.shifts import print_shifts
from simulacra.cli.truth import compare_truth, print_truth
from simulacra.inference import Result, fit
from simulacra.inference.marks import is_marked
from simulacra.lm.organism.study import MAIN
from tests.conftest import Demonstration

Run = Callable[..., Outcome]


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_version(run: Run, flag: str) -> None:
    assert run(flag).output == f"simulacra {importlib.metadata.version('simulacra')}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ["demo", "fit", "show", "Exit codes"]),
        (("fit",), ["--condition", "--baseline", "--formats", "--outcome", "{model}-{condition}"]),
        (("batch",), ["[runs.NAME]", "[defaults]"]),
        (("show",), ["fit.nc"]),
        (("demo",), ["true and estimated persona weights"]),
        (("organism",), ["simulacra[lm]", "completions.parquet"]),
    ],
)
def test_help_teaches(run: Run, words: tuple[str, ...], expected: list[str]) -> None:
    text = run(*words, "--help").output
    assert all(part in text for part in expected), text


def test_the_command_starts_without_heavy_modules() -> None:
    code = (
        "import sys, simulacra.cli.app; print([m for m in ('jax', 'pandas', 'xarray', 'pyarrow') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_ctrl_c_while_modules_are_imported_ends_with_a_message() -> None:
    code = """
import sys
from simulacra.cli.__main__ import main

class Interrupt:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "simulacra: interrupted\n")


def test_as_a_process_errors_go_to_standard_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulacra.cli", "fit", "nowhere.csv", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 2
    assert "nowhere.csv" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "nowhere.csv" in json.loads(ended.stdout)["error"]["message"]


def test_true_and_estimated_values(passing: Result) -> None:
    weights = passing.weights()
    first, second = weights["persona"].unique()[:2]
    mean = weights.set_index(["condition", "persona"]).loc[("base", first), "mean"]
    truth = pd.DataFrame({first: [mean], second: [0.999], "nobody": [0.1]}, index=pd.Index(["base"], name="condition"))
    compared = compare_truth(truth, weights, ci_prob=0.89)
    assert compared["persona"].tolist() == [first, second, "nobody"]
    assert compared["inside"].tolist() == [True, False, None]


def test_how_many_misses_and_hits_are_marked() -> None:
    numbers = [(0.50, True), (0.30, True), (0.98, False), (0.10, False), (0.045, False), (np.nan, None)]
    statuses = ["ok", "prior-driven (0.1 to 0.4)", "condition-driven (0.8 to 0.9)", "ok", "ok", "withheld: r_hat"]
    compared = pd.DataFrame(numbers, columns=["mean", "inside"]).assign(
        condition="a", persona=list("bcdefg"), truth=[0.5, 0.3, 0.8, 0.07, 0.05, 0.1], status=statuses
    )
    with (console := Console(width=400)).capture() as capture:
        print_truth(console, compared.assign(inside=compared["inside"].astype(object)), ("a",))
    assert (
        "2 of 5 intervals contain the true value. Marked in the table of weights are 1 of the 3 that do not and 1 of "
        "the 2 that do; without a mark, they miss it by at most 3.0 points." in capture.get()
    )


def test_shifts_have_sentences() -> None:
    rows = [
        ("tuned", "good", -0.5, -0.6, -0.4, "ok"),
        ("tuned", "evil", 0.5, 0.4, 0.6, "ok"),
        ("tuned", "rare", 0.003, 0.001, 0.004, "small: below 0.01, not checked"),
        ("same", "good", 0.0, -0.1, 0.1, "ok"),
        ("held", "good", math.nan, math.nan, math.nan, "withheld: divergences failed"),
        ("half", "good", math.nan, math.nan, math.nan, "withheld: R-hat 1.087, ESS 34"),
        ("half", "evil", 0.2, 0.1, 0.3, "ok"),
    ]
    shifts = pd.DataFrame(rows, columns=["condition", "persona", "mean", "eti89_lb", "eti89_ub", "status"])
    with (console := Console(width=200)).capture() as capture:
        print_shifts(console, shifts, "base", {"tuned": "on one topic"}, ci_prob=0.89)
    printed = capture.get()
    assert "tuned (on one topic): evil gained 50.0 points, good lost 50.0 points." in printed
    assert "same: no persona's interval excludes zero." in printed
    assert "held: withheld, see the checks." in printed
    assert "half: evil gained 20.0 points; the rest is withheld, see the checks." in printed
    assert "excludes zero. These are not claims" in printed


@pytest.mark.long
def test_demo_finds_the_truth(demonstration: Demonstration) -> None:
    truth = pd.DataFrame(demonstration.said["truth"])
    assert len(truth) == 4 * len(MAIN)
    # The ends of intervals have a Monte Carlo error of about 2% of their width, and three to five truths lie at an end.
    error = 0.05 * (truth["eti89_ub"] - truth["eti89_lb"])
    assert truth["truth"].between(truth["eti89_lb"] - error, truth["eti89_ub"] + error).mean() >= 0.7
    inside = truth["truth"].between(truth["eti89_lb"], truth["eti89_ub"])
    assert truth["inside"].astype(bool).tolist() == inside.tolist()
    # Two of eleven misses are marked: a persona that one condition defines misses by 10 points, another by 8.
    marked, missed = truth["status"].map(is_marked), (truth["mean"] - truth["truth"]).abs()
    assert marked[inside].sum() <= 1
    assert marked[missed > 0.07].any()
    assert missed[~marked & ~inside].median() < 0.03
    shifts = pd.read_csv(demonstration.folder / "shifts.csv").set_index(["condition", "persona"])
    assert shifts.loc[("narrow", "villain"), "eti89_lb"] > 0.7, "narrow training spreads to other topics"
    assert shifts.loc[("control", "villain"), "eti89_ub"] < 0
    assert (demonstration.folder / "truth.csv").is_file()


def test_defaults_of_sampling_are_those_of_the_library() -> None:
    options = inspect.signature(fitting.fit).parameters
    library = inspect.signature(fit).parameters
    for name in ("seed", "num_warmup", "num_samples", "num_chains", "target_accept_prob", "engine"):
        assert options[name].default == library[name].default, name
