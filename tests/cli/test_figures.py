"""``simulacra figures``: the files, the options, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from simulacra.cli.folder import _OURS, FIGURES
from simulacra.inference import Result as FitResult


@pytest.fixture
def saved(fitted: FitResult, tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    fitted.save(folder / "fit.nc")
    return folder


def test_figures_are_written_next_to_the_result(run: Callable[..., Result], saved: Path) -> None:
    options = ("--only", "shifts, rates", "--width", "3.25", "--format", "pdf,svg", "--ci-prob", "0.95")
    ended = run("figures", saved, *options, "--against", "insecure", "--json")
    assert ended.exit_code == 3  # the short fit has failed checks
    assert "checks failed: " in ended.stderr
    names = ["shifts.pdf", "shifts.svg", "rates.pdf", "rates.svg"]
    assert json.loads(ended.stdout)["files"] == [str(saved / FIGURES / name) for name in names]
    assert sorted(path.name for path in (saved / FIGURES).iterdir()) == sorted(names)
    drawn = (saved / FIGURES / "shifts.svg").read_text()
    assert "weight minus insecure, points (95%" in drawn
    assert 'width="234pt"' in drawn
    assert b"/Type3" not in (saved / FIGURES / "shifts.pdf").read_bytes()
    assert FIGURES in _OURS  # another fit may replace them


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "shift"), "there is no 'shift'"),
        (("--format", "docx"), "there is no 'docx'; expected names among pdf, svg, png.\nOn the command line: format="),
        (("--width", "0"), "The width of figures is 0"),
        (("--against", "basis"), "basis"),
    ],
)
def test_options_are_refused(run: Callable[..., Result], saved: Path, words: tuple[str, str], said: str) -> None:
    ended = run("figures", saved, *words)
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert not (saved / FIGURES).exists()
