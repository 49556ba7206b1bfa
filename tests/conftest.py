"""Settings of the whole suite: float64, no silent broadcasting over ranks, one compilation cache, fixed keys."""

import os
from collections.abc import Iterator

import jax
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session", autouse=True)
def _compilation_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Programs compiled by one test are there for the next; a folder given from outside is used as it is."""
    before = os.environ.get("SIMULACRA_CACHE_DIR")
    if before is None:
        os.environ["SIMULACRA_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["SIMULACRA_CACHE_DIR"]


@pytest.fixture
def rng() -> np.random.Generator:
    """The same numbers on every run."""
    return np.random.default_rng(20240607)


@pytest.fixture
def key() -> jax.Array:
    """The same random key on every run."""
    return jax.random.key(20240607)
