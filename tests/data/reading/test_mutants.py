"""A seeded portion of ``benchmarks.fuzz.readers``: damaged files of every format are read or refused."""

import random
from pathlib import Path

import pytest

from tests.data.mutants import FORMATS, mutant, originals, parsed, read_whole

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    if kind in ("inspect", "saved"):
        pytest.importorskip({"inspect": "inspect_ai", "saved": "datasets"}[kind])
    for source in originals(kind):
        assert parsed(source.write(tmp_path)) == "parsed"
    rng = random.Random(f"suite {kind}")
    ends = set()
    for number in range(40):
        path = mutant(kind, rng).write(tmp_path)
        ends.add(parsed(path))
        if number % 8 == 0:
            read_whole(path)
    assert "refused" in ends
