"""A fit that was killed goes on with the same draws; chains of other fits, and damaged ones, are never used."""

import concurrent.futures
import functools
import io
import itertools
import json
import pickle
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from simulacra.data import collapse
from simulacra.formalism.errors import InputError
from simulacra.inference import Thresholds, chain_store, fit
from simulacra.inference.chain_store import ChainStore
from simulacra.inference.checkpoint import open_checkpoint, remove_checkpoint
from simulacra.inference.prepare import Prepared, prepare
from simulacra.inference.sampling import ensembles, hmc
from simulacra.inference.sampling.sample import Sampled, Settings, Target, find_modes, sample_posterior

SETTINGS = Settings(
    seed=3,
    num_warmup=40,  # four stages of 10, 10, 20 and 10 iterations
    num_samples=22,
    num_chains=4,
    engine="hmc",
    chain_method="vectorized",
    target_accept_prob=0.8,
    num_starts=4,
)
_SEGMENTS = 2  # 22 draws, and as many again, each in blocks that make 30


class EndedError(Exception):
    """What ends a fit in these tests."""


@pytest.fixture(scope="module", autouse=True)
def _often() -> Iterator[None]:
    """Blocks are short, and a part is written after each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hmc, "BLOCK", 10)
        patch.setattr(chain_store, "_INTERVAL", 0.0)
        patch.setattr(chain_store, "_COST", np.inf)
        yield


@functools.cache
def modes(prepared: Prepared) -> Target:
    return find_modes(prepared, SETTINGS.num_starts)


def after(iterations: int) -> Callable[[str, int], None]:
    """Progress that ends a fit after a number of iterations of its first ensemble."""
    done = itertools.count(hmc.BLOCK, hmc.BLOCK)

    def progress(stage: str, own: int) -> None:
        if next(done) >= iterations:
            raise EndedError

    return progress


def sample(prepared: Prepared, folder: Path | None, *, end: int = sys.maxsize) -> list[Sampled]:
    target = modes(prepared)
    how = (prepared, target, target.starts[0], SETTINGS, after(end))
    if folder is None:
        return list(itertools.islice(sample_posterior(*how), _SEGMENTS))
    with open_checkpoint(folder, prepared, SETTINGS, Thresholds()) as chains:
        return list(itertools.islice(sample_posterior(*how, chains), _SEGMENTS))


def assert_same(own: list[Sampled], other: list[Sampled]) -> None:
    assert jax.tree.structure(own) == jax.tree.structure(other)
    for ours, theirs in zip(jax.tree.leaves(own), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def whole(tiny: Prepared) -> list[Sampled]:
    """A fit that was never interrupted."""
    return sample(tiny, None)


@pytest.fixture(scope="module")
def ended(tiny: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ended") / "checkpoint"
    with pytest.raises(EndedError):
        sample(tiny, place, end=80)
    return place


@pytest.fixture
def killed(ended: Path, tmp_path: Path) -> Path:
    """The checkpoint of a fit that ended after its third block of sampling."""
    return shutil.copytree(ended, tmp_path / "checkpoint")


# --- the same draws -------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(("large", "last"), [(sys.maxsize, "written"), (0, "lost")])
def test_a_fit_that_ends_again_and_again_has_the_draws_of_one_that_does_not(
    large: int, last: str, tiny: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the warm-up, at its end, while sampling and while continuing; as one ensemble, and as two in threads.

    What was done since the last write is lost if the process is killed, and written if Ctrl-C or an error ends it.
    """
    monkeypatch.setattr(ensembles, "_LARGE", large)
    if last == "lost":
        monkeypatch.setattr(ChainStore, "flush", lambda _: None)
    whole, place = sample(tiny, None), tmp_path / "checkpoint"
    for end in (10, 30, 50, 70, 90):
        with pytest.raises(EndedError):
            sample(tiny, place, end=end)
    assert_same(sample(tiny, place), whole)
    if last == "written":
        monkeypatch.setattr(hmc, "_iterate", None)  # nothing is sampled again
        assert_same(sample(tiny, place), whole)


@pytest.mark.long
def test_what_two_processes_wrote_is_used_once(
    tiny: Prepared, killed: Path, whole: list[Sampled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_store, "_INTERVAL", 1e9)  # the other one writes a single part, when it ends
    with pytest.raises(EndedError):
        sample(tiny, tmp_path / "other", end=70)
    (one,) = (tmp_path / "other").glob("part-*.npz")
    first_of_sampling = sorted(killed.glob("part-*.npz"))[-3]
    one.rename(killed / f"{first_of_sampling.stem}_other.npz")
    assert_same(sample(tiny, killed), whole)


def test_a_fit_says_that_it_resumes_and_from_where(
    simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    settings = {"num_warmup": 200, "num_samples": 50, "num_starts": 10}
    whole = fit(simulated.model, simulated.log, **settings)
    place, write = tmp_path / "checkpoint", ChainStore._write
    blocks = itertools.count(1)

    def end_after_three(store: ChainStore) -> None:
        write(store)
        if next(blocks) == 3:
            raise EndedError

    monkeypatch.setattr(ChainStore, "_write", end_after_three)
    with pytest.raises(EndedError):
        fit(simulated.model, simulated.log, checkpoint=place, **settings)
    assert not capsys.readouterr().err
    resumed = fit(simulated.model, simulated.log, checkpoint=place, **settings)
    assert capsys.readouterr().err == f"Resuming from {place}, with 120 draws (warm-up included)\n"
    for name in whole.tree.children:
        assert whole.tree[name].to_dataset().equals(resumed.tree[name].to_dataset()), name
    with pytest.raises(InputError, match=r"is the checkpoint of another fit; it differs in: seed \(0, now 1\); delete"):
        fit(simulated.model, simulated.log, checkpoint=place, seed=1, **settings)
    remove_checkpoint(place)
    assert not place.exists()


# --- chains of another fit ------------------------------------------------------------------------------------------


def test_chains_of_another_fit_are_refused(tiny: Prepared, killed: Path, simulated) -> None:
    before = sorted((path.name, path.read_bytes()) for path in killed.iterdir())
    fewer = collapse(simulated.log, simulated.model.emissions, by=("condition", "question_id", "base_question"))
    for prepared, settings, thresholds, message in (
        (tiny, SETTINGS._replace(num_chains=5), Thresholds(), r"num_chains \(4, now 5\)"),
        (tiny, SETTINGS, Thresholds(mode_gap=1.0), r"mode_gap \(.*, now 1.0\)"),
        (prepare(simulated.model, fewer), SETTINGS, Thresholds(), "log, personas, emissions, weights"),
    ):
        with (
            pytest.raises(InputError, match=f"another fit; it differs in: {message}"),
            open_checkpoint(killed, prepared, settings, thresholds),
        ):
            pass
    assert before == sorted((path.name, path.read_bytes()) for path in killed.iterdir())


def test_chains_of_another_version_are_refused(tiny: Prepared, killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.inference.checkpoint.library_versions", lambda: {"simulacra": "9.9"})
    with pytest.raises(InputError, match=r"version of simulacra \(.*, now 9\.9\)"):
        sample(tiny, killed)


def test_chains_that_begin_elsewhere_are_refused(tiny: Prepared, killed: Path) -> None:
    """As on a processor that rounds differently: the last bit of the mode is another one."""
    target = modes(tiny)
    moved = target.starts[0]._replace(weights=np.nextafter(target.starts[0].weights, 1))
    with (
        open_checkpoint(killed, tiny, SETTINGS, Thresholds()) as chains,
        pytest.raises(InputError, match="rounds differently; resume the fit on the machine that wrote the checkpoint"),
    ):
        next(sample_posterior(tiny, target, moved, SETTINGS, after(sys.maxsize), chains))


# --- damaged files --------------------------------------------------------------------------------------------------


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (pytest.fail, ("an object of a checkpoint was unpickled",))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _replaced(name: str, value: Callable[[np.ndarray], bytes]) -> Callable[[Path], None]:
    """A part with another array, and the checksums that belong to it."""

    def edit(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {own: archive.read(own) for own in archive.namelist()}
        with np.load(path) as part:
            members[f"{name}.npy"] = value(part[name])
        with zipfile.ZipFile(path, "w") as archive:
            for own, content in members.items():
                archive.writestr(own, content)

    return edit


def _npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def _object(_: np.ndarray) -> bytes:
    return _npy(np.zeros(1, dtype="V8")).replace(b"'|V8'", b"'|O' ")[:128] + pickle.dumps(Bomb())


def _text(change: Callable[[dict], object]) -> Callable[[np.ndarray], bytes]:
    def value(array: np.ndarray) -> bytes:
        index = json.loads(array.tobytes())
        change(index)
        return _npy(np.frombuffer(json.dumps(index).encode(), dtype=np.uint8))

    return value


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _flip,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(pickle.dumps(Bomb())),
        _replaced("index", _object),
        _replaced("0/position", _object),
        _replaced("0/whitened", _object),
        _replaced("0/position", lambda own: _npy(own[1:])),
        _replaced("0/whitened", lambda own: _npy(own[:1])),
        _replaced("index", _text(lambda index: index["pieces"][0]["random"].clear())),
        _replaced("index", _text(lambda index: index["pieces"][0].update(blocks=-1, first=7))),
        _replaced("index", _text(lambda index: index.update(fit="another"))),
        _replaced("index", lambda _: _npy(np.zeros(3, dtype=np.uint8))),
    ],
)
def test_a_damaged_or_forged_part_is_refused(damage: Callable[[Path], object], tiny: Prepared, killed: Path) -> None:
    last = max(killed.glob("part-*.npz"))
    damage(last)
    with pytest.raises(
        InputError, match=rf"{last.name}: not a part of this checkpoint as it was written \(.*delete it"
    ):
        sample(tiny, killed)


def test_the_parts_before_a_damaged_one_can_be_used(tiny: Prepared, killed: Path, whole: list[Sampled]) -> None:
    before, last = sorted(killed.glob("part-*.npz"))[-2:]
    before.unlink()
    with pytest.raises(InputError, match=f"{last.name}.*the part before it is missing.*delete it and the parts after"):
        sample(tiny, killed)
    last.unlink()
    assert_same(sample(tiny, killed), whole)


@pytest.mark.parametrize("content", ["", "{", "[1]", "\ud800", "[" * 100_000])
def test_damaged_settings_are_refused(content: str, tiny: Prepared, killed: Path) -> None:
    (killed / "settings.json").write_text(content, errors="surrogatepass")
    with pytest.raises(InputError, match=r"settings\.json: not as it was written .* delete the folder"):
        sample(tiny, killed)


def test_other_folders_and_files_are_left_alone(tiny: Prepared, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: is a file; expected a folder"):
        sample(tiny, tmp_path / "file")
    with pytest.raises(InputError, match=r"has other contents \(file\); expected a checkpoint"):
        sample(tiny, tmp_path)
    place = tmp_path / "checkpoint"
    with pytest.raises(EndedError):
        sample(tiny, place, end=10)
    (place / "notes.txt").touch()
    remove_checkpoint(place)
    assert [path.name for path in place.iterdir()] == ["notes.txt"]


def test_a_checkpoint_that_is_being_removed_stays_whole(
    tiny: Prepared, killed: Path, whole: list[Sampled], monkeypatch: pytest.MonkeyPatch
) -> None:
    removed, unlink = itertools.count(1), Path.unlink

    def fail_at_third(path: Path, *, missing_ok: bool = False) -> None:
        if next(removed) == 3:
            raise OSError("the process is killed here")
        unlink(path, missing_ok=missing_ok)

    number = len(list(killed.iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail_at_third)
        remove_checkpoint(killed)
    assert len(list(killed.iterdir())) == number - 2
    assert_same(sample(tiny, killed), whole)


def test_a_full_disk_does_not_end_a_fit(
    tiny: Prepared, whole: list[Sampled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chain_store, "_save", fail)
    with pytest.warns(UserWarning, match="No space left on device; the fit goes on") as caught:
        own = sample(tiny, tmp_path / "checkpoint")
    assert len(caught) == 1
    assert_same(own, whole)


def test_numpyro_is_refused_before_anything_is_done(simulated, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the chains of NumPyro cannot be resumed"):
        fit(simulated.model, simulated.log, engine="nuts", checkpoint=tmp_path / "checkpoint")


def test_parts_are_read_by_one_thread_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy parses headers with ``ast``, which raises SystemError in two threads at once before Python 3.11.9."""
    reading, most = [], []

    def slow_load(path: Path, **_: object) -> None:
        reading.append(path)
        most.append(len(reading))
        time.sleep(0.02)
        reading.pop()
        raise ValueError("not a part")

    monkeypatch.setattr(np, "load", slow_load)
    adaptation = hmc.Adaptation(0.0, 0.0, 0.0)
    piece = chain_store._Piece(tmp_path / "part", 0, 0, 1, 1, adaptation, {})
    state = hmc.State(np.zeros((1, 1)), np.zeros(1), np.zeros((1, 1)), adaptation)

    def read(_: int) -> None:
        with pytest.raises(InputError, match="not a part"):
            list(chain_store._read_blocks([piece], state))

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(read, range(4)))
    assert most == [1, 1, 1, 1]
