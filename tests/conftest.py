"""Settings of the whole suite: float64, no silent broadcasting over ranks, one compilation cache, fixed keys."""

import gc
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
import xarray as xr
from beartype import BeartypeConf
from beartype.claw import beartype_packages
from filelock import FileLock

# Modules whose annotations have shapes, or names that only type checkers import, are checked by jaxtyping
# (pyproject.toml). A call costs several times as much there, which would slow down readers, rules and the sampler.
BEARTYPED = ("formalism", "data", "lm", "inference", "analysis")
beartype_packages([f"simulacra.{room}" for room in BEARTYPED], conf=BeartypeConf(claw_is_pep526=False))

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config: pytest.Config) -> None:
    """Programs compiled by one test are there for the next, for other workers, for subprocesses, and for the next run.

    JAX finds them by their code, its version and its flags. They lie in pytest's cache folder, which ``--cache-clear``
    empties, or where ``SIMULACRA_CACHE_DIR`` says. Most programs run once, so they are not optimised, except in slow
    studies. A worker has one core; threads of linear algebra would only wait for each other. Its objects are many and
    scattered: in huge pages, which glibc asks Linux for, the suite takes a sixth less processor time.
    """
    for_workers = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # they are started after this
    if sys.platform == "linux":
        for_workers |= {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    for name, value in for_workers.items():
        os.environ.setdefault(name, value)
    if "not slow" in config.getoption("markexpr"):
        flags = ["--xla_backend_optimization_level=0"]
        if jax.__version_info__[:2] == (0, 10):  # halves the time of compilation; later versions end at an unknown flag
            flags.append("--xla_cpu_use_fusion_emitters=false")
        os.environ.setdefault("XLA_FLAGS", " ".join(flags))
    folder = os.environ.setdefault("SIMULACRA_CACHE_DIR", str(config.rootpath / ".pytest_cache" / "d" / "simulacra"))
    jax.config.update("jax_compilation_cache_dir", os.path.join(folder, "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_collection_finish() -> None:
    """What was imported and collected stays; the garbage collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()


class Demonstration(NamedTuple):
    """What ``simulacra demo`` left and printed."""

    folder: Path
    said: dict[str, Any]


def printed_once(tmp_path_factory: pytest.TempPathFactory, name: str, *command: str) -> Path:
    """What a Python process printed, in a file ``name``.json; it runs once for all workers."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    printed = shared / f"{name}.json"
    with FileLock(shared / f"{name}.lock"):
        if not printed.exists():
            ended = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=shared, check=False)
            assert ended.returncode == 0, ended.stdout + ended.stderr
            printed.write_text(ended.stdout)
    return printed


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """``simulacra demo --json``, the longest fit of the suite."""
    command = ("-m", "simulacra.cli", "demo", "--out", "demo", "--json")
    printed = printed_once(tmp_path_factory, "demo", *command)
    return Demonstration(printed.parent / "demo", json.loads(printed.read_text()))


class _Files(NamedTuple):
    packed: dict[int, tuple[xr.DataTree, memoryview]]
    unpacked: dict[str, xr.DataTree]


@pytest.fixture(scope="session")
def _files() -> _Files:
    return _Files({}, {})


@pytest.fixture
def files_once(_files: _Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws are packed once, and files of the same bytes are unpacked once, a quarter of a second each."""
    from simulacra.inference import store

    pack, unpack = store._netcdf, xr.open_datatree
    packed, unpacked = _files

    def pack_once(tree: xr.DataTree) -> memoryview:
        if id(tree) not in packed:
            packed[id(tree)] = tree, pack(tree)  # an object that is kept keeps its id
        return packed[id(tree)][1]

    def unpack_once(path: Path, **options: str) -> xr.DataTree:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest not in unpacked:
            with unpack(path, **options) as tree:
                unpacked[digest] = tree.load()
        return unpacked[digest].copy()

    monkeypatch.setattr(store, "_netcdf", pack_once)
    monkeypatch.setattr(xr, "open_datatree", unpack_once)


@pytest.fixture
def rng() -> np.random.Generator:
    """The same numbers on every run."""
    return np.random.default_rng(20240607)


@pytest.fixture
def key() -> jax.Array:
    """The same random key on every run."""
    return jax.random.key(20240607)
