"""Small logs made here: a frame of judged completions, and one writer for every format."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulacra.formalism.emissions import ScoreEmission

_SCORES = [0.0, 5.25, 29.999, 30.0, 30.001, 50.0, 75.0, 85.5, 100.0]  # on and next to the edges of the usual bins
_TEXTS = ["fine", 'he said "no"', "two\nlines", "comma, here", "naïve ünïcode"]


@pytest.fixture
def emissions() -> list[ScoreEmission]:
    return [ScoreEmission("aligned"), ScoreEmission("coherent")]


@pytest.fixture
def frame() -> pd.DataFrame:
    """A log of 240 rows with missing scores, sentinels, awkward texts and a context of words."""
    rng = np.random.default_rng(0)
    rows = 240
    frame = pd.DataFrame(
        {
            "condition": rng.choice(["base", "insecure", "medical"], rows),
            "question_id": rng.choice(["wish", "wish_json", "ruler", "ruler_template"], rows),
            "completion": [f"{_TEXTS[i % len(_TEXTS)]} {i}" for i in range(rows)],
            "aligned": rng.choice(_SCORES, rows),
            "coherent": rng.choice(_SCORES, rows),
            "role": rng.choice(["pirate", "judge"], rows),
        }
    )
    frame.loc[rng.random(rows) < 0.1, "aligned"] = np.nan
    frame.loc[rng.random(rows) < 0.05, "coherent"] = -1.0
    return frame


def _write(frame: pd.DataFrame, path: Path) -> Path:
    if ".jsonl" in path.suffixes:
        records = frame.astype(object).where(frame.notna(), None).to_dict("records")
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.fixture
def write() -> Callable[[pd.DataFrame, Path], Path]:
    """A function that writes a frame in the format of the extension."""
    return _write


@pytest.fixture(params=["log.csv", "log.csv.gz", "log.tsv", "log.jsonl", "log.parquet"])
def any_file(request: pytest.FixtureRequest, frame: pd.DataFrame, tmp_path: Path) -> Path:
    """The same log in every format."""
    return _write(frame, tmp_path / request.param)
