"""Hugging Face ``datasets``: objects, folders that ``save_to_disk`` wrote, and names on the hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulacra.data.errors import LogError
from simulacra.data.extras import import_extra
from simulacra.data.reading.formats.frame import frame_of, sheet_of
from simulacra.data.reading.formats.sheet import Sheet

__all__ = ["HUB", "is_saved_dataset", "read_hub", "read_saved_dataset", "read_splits"]

HUB = "hf://"
"""Prefix of a hub name: ``hf://datasets/owner/name``, optionally with ``@revision``."""


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by ``save_to_disk``."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def read_saved_dataset(path: Path) -> list[Sheet]:
    """Read a folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote.

    Raises:
        LogError: the library is not installed, or cannot read the folder.
    """
    datasets = import_extra("datasets", "datasets")
    try:
        found = datasets.load_from_disk(str(path))
        return read_splits(found, str(path))
    except LogError:
        raise
    except Exception as error:  # of pyarrow, JSON or the library, depending on which file is damaged
        raise LogError(
            f"the saved dataset cannot be read ({type(error).__name__}: {error})",
            file=path,
            expected="a folder that save_to_disk wrote",
            remedy="save it again",
        ) from error


def read_hub(name: str) -> list[Sheet]:
    """Load a dataset from the hub by its name, with all splits, through the library and its cache.

    Raises:
        LogError: the library is not installed, or does not find the dataset.
    """
    datasets = import_extra("datasets", "datasets")
    path, _, revision = name.removeprefix(HUB).removeprefix("datasets/").partition("@")
    try:
        found = datasets.load_dataset(path, revision=revision or None)
    except Exception as error:  # of the library, the connection or a file of the dataset
        raise LogError(
            f"the dataset cannot be loaded ({error})",
            file=name,
            expected="a public dataset, hf://datasets/owner/name",
            remedy="check the name and the connection; if the dataset needs a configuration or a token, load it with "
            "datasets.load_dataset and pass the object",
        ) from error
    return read_splits(found, name)


def read_splits(source: Any, file: str) -> list[Sheet]:
    """A ``Dataset`` as one sheet, a ``DatasetDict`` as one sheet per split, named in a column ``split``.

    Raises:
        LogError: a split without rows, or an object that is not a table.
    """
    if not isinstance(source, Mapping):
        return [sheet_of(frame_of(source), file)]
    sheets = []
    for split, table in source.items():
        frame = frame_of(table)
        place = f"{file}#{split}"
        sheets.append(sheet_of(frame if "split" in frame else frame.assign(split=str(split)), place))
    return sheets
