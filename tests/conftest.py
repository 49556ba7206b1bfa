"""Settings of the whole suite: float64, no silent broadcasting over ranks, one compilation cache, fixed keys."""

import os

import jax
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config: pytest.Config) -> None:
    """Programs compiled by one test are there for the next, for other workers, for subprocesses, and for the next run.

    JAX finds them by their code, its version and its flags. They lie in pytest's cache folder, which ``--cache-clear``
    empties, or where ``SIMULACRA_CACHE_DIR`` says.
    """
    folder = os.environ.setdefault("SIMULACRA_CACHE_DIR", str(config.rootpath / ".pytest_cache" / "d" / "simulacra"))
    jax.config.update("jax_compilation_cache_dir", os.path.join(folder, "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@pytest.fixture
def rng() -> np.random.Generator:
    """The same numbers on every run."""
    return np.random.default_rng(20240607)


@pytest.fixture
def key() -> jax.Array:
    """The same random key on every run."""
    return jax.random.key(20240607)
