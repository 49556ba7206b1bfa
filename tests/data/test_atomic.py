"""Files and folders are whole or not there, whatever happens while they are written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from simulacra.data.atomic import replaced_folder, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _half_fill(folder: Path) -> None:
    (folder / "half").touch()
    (folder / "nowhere" / "file").touch()


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "out"
    for name in ("first", "second"):
        with replaced_folder(place) as new:
            (new / name).write_text(name)
    assert names(tmp_path) == ["deep", "deep/out", "deep/out/second"]


@pytest.mark.parametrize("before", [[], ["old"]])
def test_a_folder_that_cannot_be_filled_leaves_what_was_there(before: list[str], tmp_path: Path) -> None:
    place = tmp_path / "out"
    for name in before:
        place.mkdir()
        (place / name).touch()
    there = names(tmp_path)
    with pytest.raises(FileNotFoundError), replaced_folder(place) as new:
        _half_fill(new)
    assert names(tmp_path) == there


def test_a_folder_that_cannot_be_put_in_place_brings_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "out"
    with replaced_folder(place) as new:
        (new / "old").touch()
    rename = Path.rename

    def fail_for_new(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError("disk gone")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(OSError, match="disk gone"), replaced_folder(place) as new:
        (new / "half").touch()
    assert names(tmp_path) == ["out", "out/old"]


@pytest.mark.parametrize("write", [lambda path: path.touch() or 1 / 0, lambda path: 1 / 0])
def test_a_file_that_cannot_be_written_leaves_what_was_there(write: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomically(path, lambda staging: staging.write_text("whole"))
    with pytest.raises(ZeroDivisionError):
        write_atomically(path, write)
    assert names(tmp_path) == ["deep", "deep/file"]
    assert path.read_text() == "whole"
