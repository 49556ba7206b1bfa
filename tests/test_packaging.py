"""What the layout promises: packages are listed and typed, imports go through ``simulacra``, start-up is light."""

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import BEARTYPED

ROOT = Path(__file__).parent.parent
ROOMS = ("formalism", "data", "lm", "inference", "analysis", "report", "cli")
HEAVY = ("torch", "transformers", "inspect_ai", "matplotlib", "pandas")
LATE = (
    *HEAVY[:-1],
    "arviz_base",
    "arviz_plots",
    "arviz_stats",
    "formulae",
    "great_tables",
    "jinja2",
    "pandera",
    "scipy.stats",
)
"""What no import of a room loads: together as many seconds as all else."""


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_folder_with_an_init_is_a_listed_package(project: dict) -> None:
    folders = {
        "simulacra." + ".".join(init.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for init in (ROOT / room).rglob("__init__.py")
    }
    assert folders == set(project["tool"]["setuptools"]["packages"])
    assert project["tool"]["setuptools"]["package-dir"] == {f"simulacra.{room}": room for room in ROOMS}


def test_there_is_no_folder_that_shadows_the_namespace() -> None:
    assert not (ROOT / "simulacra").exists()


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_typed(room: str) -> None:
    assert (ROOT / room / "py.typed").is_file()


def test_the_version_is_the_same_everywhere(project: dict) -> None:
    version = project["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_opens_with_the_commands_that_are_tested() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[:6] == ["# simulacra", "", "```sh", "make demo", "make test", "```"]
    install = "python -m venv .venv && . .venv/bin/activate && pip install -c constraints.txt -e '.[test]'"
    for command in (install, "simulacra demo", "pytest -n 2"):
        assert command in lines


def test_the_makefile_installs_again_when_a_file_of_any_room_is_new() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    assert f"ROOMS = {' '.join(ROOMS)}" in lines


def test_every_room_and_every_shape_is_checked_at_each_call(project: dict) -> None:
    """By beartype (tests/conftest.py), and by jaxtyping where there are shapes or names that are not imported."""
    options = project["tool"]["pytest"]["ini_options"]["addopts"]
    (packages,) = (word.partition("=")[2] for word in options.split() if word.startswith("--jaxtyping-packages="))
    *checked, checker = packages.split(",")
    assert checker == "beartype.beartype"
    whole = {name.partition(".")[2] for name in checked if name.count(".") == 1}
    assert set(BEARTYPED) == set(ROOMS) - whole
    special = re.compile(r"from simulacra\.formalism\.arrays import .*Array|from jaxtyping import|if TYPE_CHECKING:")
    of_jaxtyping = {
        "simulacra." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in BEARTYPED
        for path in (ROOT / room).rglob("*.py")
        if special.search(path.read_text(encoding="utf-8"))
    }
    assert of_jaxtyping - {"simulacra.formalism.arrays"} == {name for name in checked if name.count(".") > 1}


def python_files() -> list[Path]:
    folders = [*ROOMS, "tests", "benchmarks", "examples"]
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", python_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_rooms_are_imported_through_the_namespace(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [node.module or ""]
        for name in names:
            assert name.partition(".")[0] not in ROOMS, f"{path}:{node.lineno}: import simulacra.{name}"


def in_fresh_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_formalism_imports_nothing_heavy() -> None:
    found = in_fresh_process(f"import sys, simulacra.formalism; print([m for m in {HEAVY} if m in sys.modules])")
    assert found == "[]"


def test_no_room_loads_what_only_some_of_its_functions_need() -> None:
    rooms = (
        "simulacra.data, simulacra.lm, simulacra.inference, simulacra.analysis, simulacra.report, "
        "simulacra.cli.fitting, simulacra.cli.saved, simulacra.cli.batch, simulacra.cli.inspection"
    )
    assert in_fresh_process(f"import sys, {rooms}; print([m for m in {LATE} if m in sys.modules])") == "[]"


@pytest.mark.long
def test_the_formalism_imports_nearly_as_fast_as_numpyro() -> None:
    code = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
    ratios = []
    for _ in range(7):  # side by side, so that a busy machine slows both
        numpyro, ours = (float(in_fresh_process(code.format(name))) for name in ("numpyro", "simulacra.formalism"))
        ratios.append(ours / numpyro)
        if len(ratios) >= 3 and statistics.median(ratios) < 1.5:
            break
    assert statistics.median(ratios) < 1.5, ratios
