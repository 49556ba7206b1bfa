"""What a user gets wrong in Python is refused where it enters, with what is wrong, what was expected and the remedy."""

import json
import re

import pytest

from tests import slips
from tests.conftest import printed_once
from tests.slips import SLIPS


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What every slip raises in a fresh interpreter, without beartype."""
    return json.loads(printed_once(tmp_path_factory, "slips", slips.__file__).read_text())


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_refused_where_they_enter(slip: str, committed: dict[str, list[str]]) -> None:
    kind, message = committed[slip]
    assert kind == "InputError", message
    assert re.search(SLIPS[slip][1], message, flags=re.DOTALL), message
