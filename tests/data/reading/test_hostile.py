"""Files that were made to do harm, or damaged: each is refused with its place, in bounded time and memory."""

import bz2
import gzip
import itertools
import json
import lzma
import random
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra.data import LogError, describe, read_completions
from simulacra.data.reading.filenames import read_name
from simulacra.data.reading.formats.records import unique_keys
from simulacra.data.reading.questions import unnested_formats
from simulacra.formalism.display import listing

ROW = {"condition": "base", "question_id": "q", "completion": "x", "aligned": 75, "coherent": 80}
TEN = "abcdefghij"
LINE = ",".join(map(str, ROW.values())) + "\n"
HEAD = ",".join(ROW) + "\n"


def csv_text(**more: str) -> str:
    row = {**ROW, **more}
    return ",".join(row) + "\n" + ",".join(f'"{value}"' for value in row.values()) + "\n"


@pytest.mark.parametrize("name", ["log.csv.gz", "log.csv.bz2", "log.csv.xz"])
@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b[:30] + b"\x07" * 20 + b[50:], lambda b: b[3:]]
)
def test_a_damaged_archive_is_refused(name: str, damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[name.rpartition(".")[2]]
    numbers = random.Random(1)
    text = HEAD + "".join(LINE.replace("x", str(numbers.random())) for _ in range(200))
    (tmp_path / name).write_bytes(damage(pack(text.encode())))
    with pytest.raises(LogError, match=rf"{name}: the file cannot be read \(.*\); check that it is complete"):
        read_completions(tmp_path / name)


@pytest.mark.parametrize("name", ["log.csv.gz", "log.jsonl.xz", "log.csv.bz2"])
def test_an_archive_that_expands_beyond_all_proportion_is_refused(name: str, tmp_path: Path) -> None:
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[name.rpartition(".")[2]]
    (tmp_path / name).write_bytes(pack(b" " * (100 << 20)))
    tracemalloc.start()
    with pytest.raises(
        LogError, match=rf"{name}: its .* bytes expand to more than 6. MiB; expected .* at most 100 times"
    ):
        read_completions(tmp_path / name)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 300 << 20


def test_a_table_that_expands_beyond_all_proportion_is_refused(tmp_path: Path) -> None:
    rows = 300_000
    columns = {name: pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [str(v)]) for name, v in ROW.items()}
    columns["completion"] = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["x" * 1000])
    plain = {name: column.cast(pa.string()) for name, column in columns.items()}
    pq.write_table(pa.table(plain), tmp_path / "log.parquet")
    assert (tmp_path / "log.parquet").stat().st_size < 100_000
    with pytest.raises(LogError, match=r"log\.parquet: its .* bytes expand to more than 6. MiB"):
        read_completions(tmp_path / "log.parquet")


def test_an_evaluation_that_expands_beyond_all_proportion_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai.log")
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"samples/{number}.json", b" " * (100 << 20))
    with pytest.raises(LogError, match=r"log\.eval: its .* bytes expand to more than 300 MiB"):
        read_completions(tmp_path / "log.eval")


def test_an_archive_of_another_version_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai.log")
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as archive:
        archive.writestr("header.json", "{}")
    content = (tmp_path / "log.eval").read_bytes()
    version = content.index(b"PK\x01\x02") + 6  # the version that is needed to extract
    (tmp_path / "log.eval").write_bytes(content[:version] + b"\x6c" + content[version + 1 :])
    with pytest.raises(LogError, match=r"log\.eval: inspect_ai cannot read the log"):
        read_completions(tmp_path / "log.eval")


@pytest.mark.parametrize("name", ["wide.csv", "wide.jsonl", "wide.json", "keys.jsonl", "metrics.csv", "wide.parquet"])
def test_more_columns_than_logs_have_are_refused(name: str, tmp_path: Path) -> None:
    path, more = tmp_path / name, {f"c{number}": 1 for number in range(3000)}
    if name == "wide.parquet":
        pq.write_table(pa.table({key: [value] for key, value in {**ROW, **more}.items()}), path)
    elif name == "metrics.csv":
        path.write_text("question_id,completion,metric,score\n" + "".join(f"q,t,{key},1\n" for key in more))
    elif name == "keys.jsonl":
        path.write_text("".join(json.dumps({**ROW, key: 1}) + "\n" for key in more))
    else:
        record = {**ROW, **more}
        path.write_text(
            csv_text(**more) if name == "wide.csv" else json.dumps([record] if name == "wide.json" else record)
        )
    with pytest.raises(LogError, match=r"the log has 3.00\d columns; expected at most 2.000; if ids"):
        read_completions(path)


def test_half_a_million_repeated_columns_are_refused_at_once(tmp_path: Path) -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match="the key 'a' occurs twice"):
        unique_keys([(str(number), 1) for number in range(500_000)] + [("a", 1), ("a", 1)])
    assert len(listing(map(str, range(500_000)))) < 100
    assert time.process_time() - start < 10  # a comparison of all pairs takes minutes


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.99])
def test_a_truncated_table_is_refused(cut: float, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({name: [value] * 50 for name, value in ROW.items()}), path)
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    with pytest.raises(LogError, match=r"log\.parquet: the file is not readable as Parquet"):
        read_completions(path)


def test_text_that_is_none_is_refused_in_tables(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    table = pa.table({name: [str(value)] * 5 for name, value in ROW.items()})
    pq.write_table(table, path, use_dictionary=False, compression="none")
    path.write_bytes(path.read_bytes().replace(b"base", b"b\xffse"))
    with pytest.raises(LogError, match=r"log\.parquet: the file is not readable as Parquet"):
        read_completions(path)


@pytest.mark.parametrize("name", ["log.json", "log.jsonl"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "not valid JSON"),
        ('{"a":' * 100_000, "not valid JSON"),
        (json.dumps({**ROW, "n": 1}).replace('"n": 1', '"n": ' + "9" * 5000), "not valid JSON"),
        (json.dumps({**ROW, "completion": "\ud83d"}), r"not valid JSON \(\\ud83d is half of a surrogate pair"),
        (json.dumps({**ROW, "condition": "a\udc00"}), r"not valid JSON \(\\udc00 is half of a surrogate pair"),
        (json.dumps({**ROW, "\udfff": 1}), r"not valid JSON \(\\udfff is half of a surrogate pair"),
    ],
)
def test_documents_that_no_program_writes_are_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text if name == "log.jsonl" or text.startswith("[") else f"[{text}]")
    with pytest.raises(LogError, match=rf"{name}.*{message}"):
        read_completions(tmp_path / name)


def test_pairs_of_surrogates_are_characters(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps({**ROW, "completion": "\N{GRINNING FACE}"}))
    assert read_completions(tmp_path / "log.jsonl").table["completion"].tolist() == ["\N{GRINNING FACE}"]


@pytest.mark.parametrize("value", ["{{}}", "{[]}", "{[]: 1}", "{" * 5000])
def test_braces_are_text(value: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(csv_text(template=value))
    assert read_completions(tmp_path / "log.csv").table["template"].tolist() == [value]


@pytest.mark.parametrize("value", ["9" * 400, "-" + "9" * 400])
def test_integers_beyond_every_float_are_text(value: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps(ROW | {"uid": 0}).replace('"uid": 0', f'"uid": {value}'))
    assert read_completions(tmp_path / "log.jsonl").table["uid"].tolist() == [value]


def test_an_infinite_score_can_be_described(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(csv_text(aligned="inf") + csv_text(aligned="5").partition("\n")[2])
    described = describe(read_completions(tmp_path / "log.csv"))
    json.dumps(described, allow_nan=False)
    assert described["measurements"]["aligned"]["max"] == "inf"


# --- time -----------------------------------------------------------------------------------------------------------


def test_suffixes_are_found_as_a_comparison_of_all_ids_finds_them() -> None:
    numbers = random.Random(3)
    for _ in range(50):
        ids = ["".join(numbers.choices("ab_-", k=numbers.randint(1, 5))) for _ in range(30)]
        pairs = itertools.product(set(ids), repeat=2)
        found = [b[len(a) :] for a, b in pairs if b.startswith(a) and b[len(a) :].startswith(("_", "-"))]
        wanted = tuple(sorted(suffix for suffix in set(found) if found.count(suffix) > 1))
        assert unnested_formats(np.array(ids, dtype=object)) == wanted


def test_twenty_thousand_questions_are_read_in_seconds(tmp_path: Path) -> None:
    rows = (f"base,prompt {number} about a thing,t{number},50,90\n" for number in range(20_000))
    (tmp_path / "log.csv").write_text(HEAD + "".join(rows))
    start = time.process_time()
    assert len(read_completions(tmp_path / "log.csv").questions) == 20_000
    assert time.process_time() - start < 20  # a comparison of all pairs takes minutes


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        (
            "-".join(f"{{{c}}}" for c in "abcdefghij"),
            "-".join("0123456789"),
            {c: str(n) for n, c in enumerate("abcdefghij")},
        ),
        ("{a}-{b}", "x-y-z", {"a": "x", "b": "y-z"}),
        ("{a}{sep}{b}", "xyz", {"a": "x", "b": "z"}),
    ],
)
def test_patterns_with_many_fields_are_read(pattern: str, name: str, found: dict[str, str]) -> None:
    assert read_name(pattern, Path(f"{name}.csv")) == found


@pytest.mark.parametrize(
    ("pattern", "name", "message"),
    [
        (
            "-".join(f"{{{c}}}" for c in "abcdefghij") + "!",
            "-".join("x" * 120),
            "in more than 1.000.000 ways; name fewer",
        ),
        ("".join(f"{{{c}}}" for c in "abcdefghi") + "!", "x" * 200, "in more than 1.000.000 ways; name fewer fields"),
        ("{a}-{b}-{c}-{d}-{e}_{f}", "-".join("x" * 120), "does not match the pattern"),
    ],
)
def test_patterns_that_would_take_hours_are_refused_at_once(pattern: str, name: str, message: str) -> None:
    start = time.process_time()
    with pytest.raises(LogError, match=message):
        read_name(pattern, Path(f"{name}.csv"))
    assert time.process_time() - start < 5
