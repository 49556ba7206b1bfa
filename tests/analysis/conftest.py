"""The simulated log and its fit, shared with the tests of inference."""

import pytest

from simulacra.inference import Result
from tests.inference.conftest import Simulated, fit_simulated, simulate


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    return simulate()


@pytest.fixture(scope="session")
def fitted() -> Result:
    return fit_simulated()
