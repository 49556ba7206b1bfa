"""A seeded portion of ``benchmarks.fuzz.results``: damaged and forged files of a result are refused."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def results() -> ModuleType:
    """The script, which is not installed."""
    path = Path(__file__).parents[2] / "benchmarks" / "fuzz" / "results.py"
    spec = importlib.util.spec_from_file_location("fuzz_results", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.usefixtures("files_once")
@pytest.mark.parametrize(("kind", "mutants"), [("bytes of fit.nc", 60), ("bytes of fit.json", 60), ("FORGED", 5)])
def test_mutants_are_refused_or_have_the_draws_of_the_original(
    kind: str, mutants: int, results: ModuleType, saved: Path
) -> None:
    ends, _ = results.attack(saved.parent, getattr(results, kind, kind), mutants, seed=1)
    assert set(ends) <= {"refused", "read, draws as written"}, ends
    assert ends["refused"]
