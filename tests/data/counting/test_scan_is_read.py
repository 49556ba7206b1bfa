"""A scan gives the counts, hashes, accounts and refusals of reading, on generated files of every kind."""

import bz2
import gzip
import json
import lzma
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions
from simulacra.formalism import ScoreEmission
from tests.data.generated_logs import EMISSIONS, Generated, assert_scanned_is_read, logs

BOTH = (read_completions, scan_completions)
ALIGNED = [ScoreEmission("aligned")]
ROWS = [{"condition": "base", "question_id": f"q{n % 3}", "completion": f"t{n}", "aligned": n * 10} for n in range(9)]


@hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
@hypothesis.given(logs())
def test_a_scan_is_a_reading(generated: Generated):
    with TemporaryDirectory() as folder:
        assert_scanned_is_read(generated, Path(folder))


def test_the_comparison_can_fail(tmp_path, monkeypatch):
    content = pd.DataFrame(ROWS).to_csv(index=False).encode()
    monkeypatch.setattr("simulacra.data.counting.grouping._first_rows", lambda codes, count: ([0], count[:1]))
    with pytest.raises(AssertionError):
        assert_scanned_is_read(Generated({"log.csv": content}, {}, 0, 0), tmp_path)
    assert len(EMISSIONS) > 1


@pytest.mark.parametrize("name", ["a[b].csv", "a*.csv", "a?.csv", "condition=evil/a.csv", "aligned=5/a.csv"])
def test_names_of_files_are_names(name, tmp_path):
    """Not patterns, and not columns; a file that a pattern would match is next to it."""
    for path, rows in ((tmp_path / name, ROWS), (tmp_path / "ab.csv", ROWS[:2]), (tmp_path / "ax.csv", ROWS[:3])):
        path.parent.mkdir(exist_ok=True)
        pd.DataFrame(rows).to_csv(path, index=False)
    for read in (read_completions, scan_completions):
        counted = collapse(read(tmp_path / name), ALIGNED)
        assert counted.conditions == ("base",)
        assert counted.counts.sum(axis=0).tolist() == [1] * 9


def test_a_key_twice_in_an_object_is_refused(tmp_path):
    (tmp_path / "log.jsonl").write_text(json.dumps(ROWS[0])[:-1] + ', "aligned": 5}\n')
    for read in (read_completions, scan_completions):
        with pytest.raises(LogError, match=r"log\.jsonl:1: .*the key 'aligned' occurs twice"):
            read(tmp_path / "log.jsonl")
    (tmp_path / "log.json").write_text(f"[{json.dumps(ROWS[0])[:-1]}, " + '"aligned": 5}]')
    with pytest.raises(LogError, match="the key 'aligned' occurs twice"):
        read_completions(tmp_path / "log.json")


@pytest.mark.parametrize("packed", ["", ".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_every_compression_is_read_and_scanned(suffix, packed, tmp_path):
    frame, path = pd.DataFrame(ROWS), tmp_path / f"log{suffix}{packed}"
    text = frame.to_csv(index=False) if suffix == ".csv" else frame.to_json(orient="records", lines=True)
    if packed == ".zst":
        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(text.encode())
    else:
        write = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[packed]
        path.write_bytes(write(text.encode()))
    one, two = (collapse(read(path), ALIGNED) for read in (read_completions, scan_completions))
    assert one.content_hash == two.content_hash
    assert len(one) == 9
    path.write_bytes(path.read_bytes()[:-20])
    if packed:
        for read in (read_completions, scan_completions):
            with pytest.raises(LogError, match=rf"log{suffix}{packed}"):
                collapse(read(path), ALIGNED)


def test_scans_of_other_encodings_and_of_groups_larger_than_a_batch(tmp_path, monkeypatch):
    monkeypatch.setattr("simulacra.data.counting.grouping._BATCH", 4)
    frame = pd.DataFrame(ROWS * 3).assign(condition="évil", completion=[f"t{n}" for n in range(27)])
    frame.to_csv(tmp_path / "log.csv", index=False, encoding="cp1252")
    frame.to_parquet(tmp_path / "log.parquet", row_group_size=5)
    for name, options in (("log.csv", {"encoding": "cp1252"}), ("log.parquet", {})):
        one, two = (
            collapse(read(tmp_path / name, **options), ALIGNED) for read in (read_completions, scan_completions)
        )
        assert one.content_hash == two.content_hash
        assert one.counts.sum() == 27


@pytest.mark.parametrize("damaged", ["text", "names"])
def test_damage_that_a_scan_could_overlook_is_refused(damaged, tmp_path):
    path, table = tmp_path / "log.parquet", pa.Table.from_pandas(pd.DataFrame(ROWS))
    if damaged == "names":
        names = table.schema.metadata[b"pandas"].replace(b'"name": "aligned"', b'"name": "aligneD"')
        table = table.replace_schema_metadata({"pandas": names})
    pq.write_table(table, path, compression="none")
    if damaged == "text":
        path.write_bytes(path.read_bytes().replace(b"t4", b"t\xff"))
    for read in BOTH:
        with pytest.raises(LogError, match=r"log\.parquet: the (file is not readable|metadata of pandas)"):
            collapse(read(path), ALIGNED)


def test_a_scan_refuses_a_bad_value_at_its_first_line(tmp_path, monkeypatch):
    monkeypatch.setattr("simulacra.data.counting.grouping._BATCH", 3)
    frame = pd.DataFrame([*ROWS, *ROWS, {**ROWS[0], "aligned": 250}, {**ROWS[0], "aligned": 250}, *ROWS])
    frame.assign(completion=range(len(frame))).to_csv(tmp_path / "log.csv", index=False)
    for read in (read_completions, scan_completions):
        with pytest.raises(LogError, match=r"log\.csv:20: column 'aligned': aligned=250 is outside"):
            collapse(read(tmp_path / "log.csv"), ALIGNED)


ONCE = pd.DataFrame(ROWS * 2).assign(completion=[f"t{n}" for n in range(18)])
THRICE = pd.concat([ONCE.assign(aligned=ONCE["aligned"] / 2 + draw, humor=draw * 1.5) for draw in range(3)])
ENDS = (" a\nb", " a\r\nb", " a\nb")
JUDGED = {
    "once": ONCE,
    "three times": THRICE,
    "three times, unmodelled score": pd.concat([ONCE.assign(humor=draw * 1.5) for draw in range(3)]),
    "three times, same scores": pd.concat([ONCE] * 3),
    "one of them twice": THRICE[1:],
    "nine completions": THRICE[THRICE["completion"].isin([f"t{n}" for n in range(9)])],
    "two texts": THRICE.assign(completion=["yes", "no"] * 27),
    "in every condition": pd.concat([THRICE.assign(condition=name) for name in ("base", "evil")]),
    "texts shared by questions": THRICE.assign(
        completion=THRICE["completion"].map(lambda text: f"t{int(text[1:]) // 3}")
    ),
    "three times and rows without text": pd.concat([THRICE, ONCE.assign(completion=None)]),
    "line endings": THRICE.assign(completion=[f"{text}{end}" for end in ENDS for text in ONCE["completion"]]),
}


REFUSED = [
    "three times",
    "three times, unmodelled score",
    "in every condition",
    "texts shared by questions",
    "three times and rows without text",
    "line endings",
]
KINDS = [(name, ".csv") for name in JUDGED] + [(REFUSED[0], ".jsonl"), (REFUSED[1], ".parquet"), ("once", ".parquet")]


@pytest.mark.parametrize(("name", "suffix"), KINDS)
def test_repeated_judgments_are_refused_by_both_or_by_neither(name, suffix, tmp_path, monkeypatch):
    """In the same words, at the same row, with the same escape; also if only a portion of the rows is looked at."""
    monkeypatch.setattr("simulacra.data.counting.grouping._BATCH", 16)
    path, frame = tmp_path / f"log{suffix}", JUDGED[name]
    if suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        {".csv": pd.DataFrame.to_csv, ".parquet": pd.DataFrame.to_parquet}[suffix](frame, path, index=False)
    for most in (1 << 17, 40):
        for module in ("data.reading.duplicates", "data.counting.portion"):
            monkeypatch.setattr(f"simulacra.{module}.MOST_JUDGED", most)
        one, two = (_hash_or_refusal(read, path) for read in BOTH)
        assert one == two
        assert ('layout="rows" if every row is a completion' in two) == (name in REFUSED)
    assert collapse(scan_completions(path, layout="rows"), ALIGNED).counts.sum() == len(frame)


def _hash_or_refusal(read, path):
    try:
        return collapse(read(path), ALIGNED).content_hash
    except LogError as error:
        return str(error)
