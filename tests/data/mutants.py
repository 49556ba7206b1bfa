"""Damaged log files of every format, and how reading them ends.

``python -m benchmarks.fuzz.readers --inputs 100000`` reads many more than the test does.
"""

import functools
import gzip
import io
import json
import random
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from simulacra.data import collapse, describe, read_completions, scan_completions
from simulacra.data.reading.sheets import FileOptions, read_sheets
from simulacra.formalism import InputError, ScoreEmission

__all__ = ["FORMATS", "Source", "mutant", "originals", "parsed", "read_whole"]

_EMISSIONS = (ScoreEmission("aligned"), ScoreEmission("coherent"))
_DIFFER = ("no column for 'completion'", "a scan cannot read the layout", "a scan cannot read this format")
"""Refusals of one way only, by design: a scan needs no texts, and one row per completion."""
_LARGEST = 1 << 20
_TOKENS = (b"NaN", b"inf", b"-Infinity", b"1e308", b"1e400", b"-0", b"1,000", b"50%", b"true", b"null", b"\0", b"\xff",
           b"\xef\xbb\xbf", b"\r", b"\n", b'"', b"'", b",", b"\t", b";", b"{", b"}", b"[", b"]", b"{{}}", b"\\u0000",
           b"\\ud800", b"9" * 30, b"9" * 400, b"-1", b"-2", b"\xe2\x80\xae", b"\x1b[31m", b"=cmd|' /C calc'!A0",
           b"../../", b"condition", b"aligned", b"question_id", b"completion", b"metric", b"score", b"judge",
           b"questions", b":", b'{"a":', b'""', b"{'0': 0.99}", b"\\", b"$x_{", b"_json", b"messages", b"doc_id",
           b"e\xcc\x81", b"\xc3\xa9", b"version", b"status", b"samples")  # fmt: skip


class Source(NamedTuple):
    """Files that are read together.

    Attributes:
        path: what is read: one of the files, or their folder.
        files: path to content.
    """

    path: str
    files: Mapping[str, bytes]

    def write(self, folder: Path) -> Path:
        """Write the files; returns what is read."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return folder / self.path


def mutant(kind: str, rng: random.Random) -> Source:
    """A source of a format with one damaged file; what is compressed is damaged before or after that."""
    path, files = rng.choice(originals(kind))
    name = rng.choice(list(files))
    if name.endswith(".gz") and rng.random() < 0.8:
        content = gzip.compress(_damaged(gzip.decompress(files[name]), rng), compresslevel=1, mtime=0)
    else:
        content = _damaged(files[name], rng)
    return Source(path, {**files, name: content})


def parsed(path: Path) -> str:
    """Read a source without interpreting it: ``"parsed"`` or ``"refused"``; other errors are faults of the reader."""
    try:
        read_sheets(path, FileOptions(progress_bar=False))
    except InputError:
        return "refused"
    return "parsed"


def read_whole(path: Path) -> str:
    """Read, describe, count and scan a file: ``"read"`` or ``"refused"``, which must be the same for both ways."""
    ends = []
    for read in (_reading, scan_completions):
        try:
            ends.append(collapse(read(path), _EMISSIONS).content_hash)
        except InputError as error:
            if any(words in str(error) for words in _DIFFER):
                return "read" if ends else "refused"
            ends.append("refused")
    assert len(set(ends)) == 1, ends
    return ends[0] if ends[0] == "refused" else "read"


def _reading(path: Path) -> Any:
    log = read_completions(path, progress_bar=False)
    json.dumps(describe(log), allow_nan=False)
    return log


def _damaged(content: bytes, rng: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        place, token = rng.randrange(len(found) + 1), rng.choice(_TOKENS)
        match rng.randrange(8):
            case 0 if found:
                found[place % len(found)] = rng.randrange(256)
            case 1 if found:
                found[place % len(found)] ^= 1 << rng.randrange(8)
            case 2:
                del found[place : place + rng.choice((1, 2, 5, 50))]
            case 3:
                found[place:place] = token
            case 4:
                found[place : place + len(token)] = token
            case 5:
                found = found[:place] if rng.random() < 0.5 else found[place:]
            case 6:
                start, size = rng.randrange(len(found) + 1), rng.choice((1, 5, 30, 200))
                found[place:place] = found[start : start + size]
            case _:
                numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?", found))
                if numbers:
                    start, stop = rng.choice(numbers).span()
                    found[start:stop] = token
    if rng.random() < 0.002:  # up to the largest input: all of it, or a part, again and again
        start = rng.randrange(len(found) + 1)
        part = found[start : start + rng.choice((1, 2, 8, 100, len(found) + 1))] or found
        if part:
            found[start:start] = part * ((_LARGEST - len(found)) // len(part))
    return bytes(found)


# --- files that are whole -------------------------------------------------------------------------------------------


def _file(name: str, content: bytes) -> Source:
    return Source(name, {name: content})


def _rows() -> list[dict[str, Any]]:
    return [
        {
            "condition": condition,
            "question_id": f"q{number % 3}",
            "completion": f'text {number}, "quoted"\nline é',
            "aligned": number * 10,
            "coherent": 90 - number,
            "model": "m",
        }
        for number in range(8)
        for condition in ("base", "x")
    ]


def _lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _csv() -> list[Source]:
    frame = pd.DataFrame(_rows())
    plain = frame.to_csv(index=False).encode()
    return [
        _file("a.csv", plain),
        _file("a.csv", frame.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")),
        _file("a.tsv", frame.to_csv(index=False, sep="\t").encode()),
        _file("a.csv.gz", gzip.compress(plain, mtime=0)),
    ]


def _jsonl() -> list[Source]:
    usual = [{**record, "meta": {"a": 1, "b": "x"}} for record in _rows()]
    long = [
        {"condition": "b", "question_id": q, "metric": m, "score": s, "judge": "g", "completion": f"z{q}"}
        for q in "12"
        for m, s in (("aligned", 4), ("coherent", 5))
    ]
    lists = [
        {"condition": "b", "question_id": q, "generations": ["a", "b"], "aligned": [1, 2], "coherent": [3, 4]}
        for q in "12"
    ]
    chats = [
        {
            "condition": record["condition"],
            "messages": [
                {"role": "user", "content": record["question_id"]},
                {"role": "assistant", "content": record["completion"]},
            ],
            "aligned": record["aligned"],
            "coherent": record["coherent"],
        }
        for record in _rows()
    ]
    plain = [_file("a.jsonl", _lines(records)) for records in (usual, long, lists, chats)]
    return [*plain, _file("a.jsonl.gz", gzip.compress(_lines(usual), mtime=0))]


def _json() -> list[Source]:
    rows = _rows()
    by_question = {
        f"q{number}": [{"completion": f"a{number}", "aligned": 5, "coherent": 6}, {"completion": "b", "aligned": 7}]
        for number in range(3)
    }
    documents = [
        rows,
        {"condition": "base", "questions": by_question},
        {"metadata": {"judge": "g"}, "results": rows},
        {name: [record for record in rows if record["condition"] == name] for name in ("base", "x")},
    ]
    return [_file("a.json", json.dumps(document, indent=1).encode()) for document in documents]


def _parquet() -> list[Source]:
    files = []
    for compression in ("snappy", "none", "gzip"):
        stream = io.BytesIO()
        pd.DataFrame(_rows()).to_parquet(stream, index=False, compression=compression)  # type: ignore[call-overload]
        files.append(_file("a.parquet", stream.getvalue()))
    return files


def _inspect() -> list[Source]:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec, write_eval_log
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Score

    samples = [
        EvalSample(
            id=f"q{number}",
            epoch=epoch,
            input=f"Question {number}?",
            target="",
            output=ModelOutput.from_content("m", f"answer {number} {epoch}"),
            scores={"judge": Score(value={"aligned": 10 * number, "coherent": 90.0})},
            metadata={"condition": "base", "nested": {"topic": "x"}},
        )
        for number in range(3)
        for epoch in (1, 2)
    ]
    spec = EvalSpec(
        created="2025-01-01T00:00:00+00:00",
        task="wishes",
        model="local/model",
        dataset=EvalDataset(samples=3),
        config=EvalConfig(epochs=2),
    )
    files = []
    with tempfile.TemporaryDirectory() as place:
        for suffix in (".json", ".eval"):
            path = Path(place) / f"a{suffix}"
            write_eval_log(EvalLog(eval=spec, status="success", samples=samples), str(path))
            files.append(_file(path.name, path.read_bytes()))
    return files


def _saved() -> list[Source]:
    import datasets

    with tempfile.TemporaryDirectory() as place:
        datasets.Dataset.from_list(_rows()).save_to_disk(place)
        return [Source("a", {f"a/{path.name}": path.read_bytes() for path in sorted(Path(place).iterdir())})]


FORMATS: Mapping[str, Callable[[], list[Source]]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "json": _json,
    "parquet": _parquet,
    "inspect": _inspect,
    "saved": _saved,
}
"""Format to the sources that are damaged."""


@functools.cache
def originals(kind: str) -> list[Source]:
    """Sources of a format that are whole."""
    return FORMATS[kind]()
