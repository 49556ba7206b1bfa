"""``simulacra verify``: a paper that agrees, one with a broken digit, and invalid input."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from simulacra.inference import Result as FitResult
from simulacra.report import format_citation


@pytest.fixture
def paper(passing: FitResult, tmp_path: Path) -> Path:
    """A paper with three citations of a saved result; the second number is on line 5."""
    passing.save(tmp_path / "out" / "fit.nc")
    keys = ("rate[insecure]", "new_rate[insecure]", "rate_difference[insecure]")
    path = tmp_path / "paper.md"
    path.write_text("\n\n".join(["# Paper", *(format_citation(passing.cite(key), "text") for key in keys)]))
    return path


def test_a_broken_digit_is_named_with_its_line(run: Callable[..., Result], paper: Path) -> None:
    ended = run("verify", paper, "--result", "out", "--json")
    assert ended.exit_code == 0, ended.stderr
    assert [row["line"] for row in json.loads(ended.stdout)["numbers"]] == [3, 5, 7]
    lines = paper.read_text().splitlines()
    lines[4] = lines[4].replace(": 0.", ": 0.9", 1)
    paper.write_text("\n".join(lines))
    ended = run("verify", "paper.md", "--result", "out")
    assert ended.exit_code == 3
    assert "drifted paper.md:5: new_rate[insecure]: 0.9" in ended.stdout
    assert "2 of 3 keyed numbers agree" in ended.stdout


def test_invalid_input(run: Callable[..., Result], paper: Path) -> None:
    assert "there is no such folder or file" in run("verify", paper, "--result", "elsewhere").stderr
    paper.write_text("No numbers.")
    ended = run("verify", paper, "--result", "out")
    assert ended.exit_code == 2
    assert "no number has a key" in ended.stderr
