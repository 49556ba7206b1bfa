"""The command without the sources of the package, as in some installations: invalid input still differs from a bug."""

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import simulacra.cli

_COMMAND = """
import simulacra.cli.session
assert simulacra.cli.session.__file__.endswith(".pyc"), simulacra.cli.session.__file__
from simulacra.cli.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as bytecode only; put first on the path, its modules are those that are found."""
    folder = tmp_path_factory.mktemp("compiled")
    package = folder / "simulacra"
    shutil.copytree(Path(simulacra.cli.__file__).parent.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    assert compileall.compile_dir(package, legacy=True, quiet=1)
    for source in package.rglob("*.py"):
        source.unlink()
    return folder


def test_a_wrong_score_is_input_and_not_a_bug(compiled: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.astype({"aligned": object}).assign(aligned=["great", *frame["aligned"][1:]]).to_csv(
        tmp_path / "log.csv", index=False
    )
    ended = subprocess.run(
        [sys.executable, "-c", _COMMAND, "fit", "log.csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(compiled)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("simulacra: log.csv:2: column 'aligned': 'great' is not a number")
    assert "missing= is --missing VALUES, decimal= is --decimal ,, columns= is --column NAME=OWN" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "bug" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]
