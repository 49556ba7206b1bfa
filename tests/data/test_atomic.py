"""Files and folders are whole or not there, whatever happens while they are written, and whoever else writes."""

import errno
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulacra import data
from simulacra.data import atomic
from simulacra.data.atomic import contents_of, try_folder, write_atomically, write_folder
from simulacra.data.staging import staging


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _fill(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(name)


def _half_fill(folder: Path) -> None:
    (folder / "half").touch()
    (folder / "nowhere" / "file").touch()


@pytest.fixture(params=["in one step", "in two steps"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are exchanged by the operating system, or by two renames where it cannot."""
    if request.param == "in two steps":
        monkeypatch.setattr(atomic, "_exchange", lambda *_: False)


@pytest.mark.usefixtures("steps")
def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "out"
    for name in ("first", "second"):
        assert write_folder(place, _fill(name)) == place
    assert names(tmp_path) == ["deep", "deep/out", "deep/out/second"]


@pytest.mark.parametrize("before", [[], ["old"]])
def test_a_folder_that_cannot_be_filled_leaves_what_was_there(before: list[str], tmp_path: Path) -> None:
    place = tmp_path / "out"
    for name in before:
        place.mkdir()
        (place / name).touch()
    there = names(tmp_path)
    with pytest.raises(FileNotFoundError):
        write_folder(place, _half_fill)
    assert names(tmp_path) == there


def test_a_folder_that_cannot_be_put_in_place_brings_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "out"
    write_folder(place, _fill("old"))
    rename = Path.rename

    def fail_for_new(path: Path, target: Path) -> Path:
        if target == place and "replaced" not in path.parts:
            raise OSError("disk gone")
        return rename(path, target)

    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(OSError, match="disk gone"):
        write_folder(place, _fill("new"))
    assert names(tmp_path) == ["out", "out/old"]


@pytest.mark.usefixtures("steps")
def test_a_folder_that_changed_is_kept_and_the_new_one_put_next_to_it(tmp_path: Path) -> None:
    place = tmp_path / "out"
    write_folder(place, _fill("old"))
    reserved = try_folder(place)
    (place / "thesis.tex").touch()
    for number in (2, 3):
        written = write_folder(place, _fill("new"), may_replace=lambda found: found == reserved)
        assert written == tmp_path / f"out-{number}"
    assert names(tmp_path) == ["out", "out-2", "out-2/new", "out-3", "out-3/new", "out/old", "out/thesis.tex"]


@pytest.mark.usefixtures("steps")
def test_what_appears_at_the_last_moment_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "out"
    write_folder(place, _fill("old"))
    reserved = try_folder(place)
    replace = atomic._replace

    def late(folder: Path, new: Path) -> Path | None:
        if not (place / "late").exists() and (new / "new").exists():
            (place / "late").touch()
        return replace(folder, new)

    monkeypatch.setattr(atomic, "_replace", late)
    written = write_folder(place, _fill("new"), may_replace=lambda found: found == reserved)
    assert written == tmp_path / "out-2"
    assert names(tmp_path) == ["out", "out-2", "out-2/new", "out/late", "out/old"]


def test_a_folder_that_can_no_longer_be_renamed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "out"
    write_folder(place, _fill("old"))
    reserved = try_folder(place)
    rename = Path.rename

    def busy(path: Path, target: Path) -> Path:
        if path == place:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    with pytest.raises(OSError, match="busy"):
        try_folder(place)
    assert write_folder(place, _fill("new"), may_replace=lambda found: found == reserved) == tmp_path / "out-2"
    assert names(tmp_path) == ["out", "out-2", "out-2/new", "out/old"]


def test_a_trial_changes_nothing(tmp_path: Path) -> None:
    assert try_folder(tmp_path / "deep" / "out") is None
    assert names(tmp_path) == []
    write_folder(tmp_path / "out", _fill("old"))
    before = contents_of(tmp_path / "out")
    assert try_folder(tmp_path / "out") == before
    assert names(tmp_path) == ["out", "out/old"]


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "out")
    (tmp_path / "file").symlink_to(tmp_path / "disk" / "file")
    for name in ("first", "second"):
        write_folder(tmp_path / "out", _fill(name))
        write_atomically(tmp_path / "file", lambda path: path.write_text("whole"))
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "file").is_symlink()
    assert names(tmp_path / "disk") == ["file", "out", "out/second"]


@pytest.mark.parametrize("write", [lambda path: path.touch() or 1 / 0, lambda path: 1 / 0])
def test_a_file_that_cannot_be_written_leaves_what_was_there(write: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomically(path, lambda staging: staging.write_text("whole"))
    with pytest.raises(ZeroDivisionError):
        write_atomically(path, write)
    assert names(tmp_path) == ["deep", "deep/file"]
    assert path.read_text() == "whole"


_LIGHT = f"""
import sys, types
package = types.ModuleType("simulacra.data")  # without its imports, which take seconds
package.__path__ = {list(data.__path__)!r}
sys.modules["simulacra.data"] = package
import os
from pathlib import Path
from simulacra.data import atomic
"""


def _killed(code: str, folder: Path) -> None:
    """Run code in a process that ends as if it was killed."""
    script = f"{_LIGHT}place = Path({str(folder)!r})\n{textwrap.dedent(code)}"
    ended = subprocess.run([sys.executable, "-c", script], check=False)
    assert ended.returncode == 9


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", _fill("old"))
    _killed("atomic.write_folder(place / 'out', lambda new: os._exit(9))", tmp_path)
    assert len(os.listdir(tmp_path)) == 2
    with staging(tmp_path):  # of a process that runs
        write_atomically(tmp_path / "file", lambda path: path.touch())
        assert len(os.listdir(tmp_path)) == 3
    assert names(tmp_path) == ["file", "out", "out/old"]


@pytest.mark.parametrize(("moment", "survives"), [("new.exists()", "new"), ("not new.exists()", "old")])
def test_a_process_killed_between_two_renames_loses_nothing(moment: str, survives: str, tmp_path: Path) -> None:
    write_folder(tmp_path / "out", _fill("old"))
    _killed(
        f"""
        rename = Path.rename
        def die(path, target):
            done = rename(path, target)
            new = target.parents[1] / "out"
            if target.parent.name == "replaced" and ({moment}):
                os._exit(9)
            return done
        Path.rename = die
        atomic._exchange = lambda *_: False
        atomic.try_folder(place / "out")
        atomic.write_folder(place / "out", lambda new: (new / "new").touch())
        """,
        tmp_path,
    )
    assert not (tmp_path / "out").exists()
    write_atomically(tmp_path / "file", lambda path: path.touch())
    assert names(tmp_path) == ["file", "out", f"out/{survives}"]


def test_what_another_machine_left_is_removed_after_a_day(tmp_path: Path) -> None:
    for name, days in (("old", 2), ("young", 0.5)):
        folder = tmp_path / f".simulacra-otherone-12-{name}"
        folder.mkdir()
        os.utime(folder, times=(0, time.time() - days * 86_400))
    write_atomically(tmp_path / "file", lambda path: path.touch())
    assert names(tmp_path) == [".simulacra-otherone-12-young", "file"]


_WRITER = """
place, name = Path(sys.argv[1]), sys.argv[2]
for number in range(100):
    seen = atomic.try_folder(place)
    fill = lambda new: (new / f"{name}{number}").touch()
    said = atomic.write_folder(place, fill, may_replace=lambda found: found == seen)
    print(said, f"{name}{number}")
"""


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    """Every folder is where its writer says, or was replaced by one whose writer had seen it."""
    command = [sys.executable, "-c", _LIGHT + _WRITER, str(tmp_path / "out")]
    writers = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "ab"]
    said = [line.split() for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(said) == 200
    for folder, name in said:
        if folder != str(tmp_path / "out"):
            assert names(Path(folder)) == [name]
    assert len(names(tmp_path / "out")) == 1
    assert not list(tmp_path.glob(".*"))
