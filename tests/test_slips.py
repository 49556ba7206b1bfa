"""What a user gets wrong in Python is refused where it enters, with what is wrong, what was expected and the remedy."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import slips
from tests.slips import SLIPS


@pytest.fixture(scope="session")
def committed() -> dict[str, list[str]]:
    """What every slip raises in a fresh interpreter, without beartype."""
    path = Path(slips.__file__)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_refused_where_they_enter(slip: str, committed: dict[str, list[str]]) -> None:
    kind, message = committed[slip]
    assert kind == "InputError", message
    assert re.search(SLIPS[slip][1], message, flags=re.DOTALL), message
