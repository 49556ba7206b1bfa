"""The simulated log and its fit, shared with the tests of inference."""

import dataclasses

import pytest

from simulacra.inference import Result
from tests.inference.conftest import Simulated, fit_simulated, simulate


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    return simulate()


@pytest.fixture(scope="session")
def fitted() -> Result:
    return fit_simulated()


@pytest.fixture(scope="session")
def passed(fitted: Result) -> Result:
    """The same, as if every check had passed; one object, which computes its tables once."""
    return dataclasses.replace(fitted, checks=())
