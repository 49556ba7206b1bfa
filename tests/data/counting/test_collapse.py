"""Collapse: counts equal a plain groupby, in memory and scanned, whatever the format."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions
from simulacra.formalism.emissions import LabelEmission, ScoreEmission

FORMATS = ("_json", "_template")
_BIG = ("condition", "question_id", "completion")
BYS = [
    ("condition", "question_id"),
    ("question_id", "condition"),
    ("condition",),
    ("condition", "base_question", "format"),
    ("role", "base_question"),
]


def assert_same(one, other):
    pd.testing.assert_frame_equal(one.cells, other.cells)
    np.testing.assert_array_equal(one.patterns, other.patterns)
    np.testing.assert_array_equal(one.counts, other.counts)
    assert one.content_hash == other.content_hash
    assert one.categories == other.categories


@pytest.mark.parametrize("by", BYS)
def test_counts_equal_a_plain_groupby(frame, emissions, by):
    log = read_completions(frame, formats=FORMATS)
    collapsed = collapse(log, emissions, by)
    codes = {
        emission.measurement: emission.encode(log.table[emission.measurement].to_numpy()) for emission in emissions
    }
    oracle = log.table[list(by)].assign(**{f"{name}_code": code for name, code in codes.items()})
    oracle = oracle.groupby([*by, *(f"{name}_code" for name in codes)]).size()
    found = {}
    for cell, counts in zip(collapsed.cells.itertuples(index=False), collapsed.counts, strict=True):
        for pattern, count in zip(collapsed.patterns, counts, strict=True):
            if count:
                found[(*cell, *pattern.tolist())] = count
    assert found == oracle.to_dict()
    assert len(collapsed) == len(log)


@pytest.mark.parametrize("by", BYS)
def test_scanned_equals_in_memory(any_file, emissions, by):
    log = read_completions(any_file, formats=FORMATS)
    scanned = scan_completions(any_file, formats=FORMATS)
    one, other = collapse(log, emissions, by), collapse(scanned, emissions, by)
    assert_same(one, other)
    assert other.row_cell is None
    assert other.account.rows_read == {str(any_file): len(log)}
    assert other.account.sentinels == log.account.sentinels


def test_many_files_with_fields_of_their_names(frame, emissions, tmp_path, write):
    for index, (name, part) in enumerate(frame.groupby("condition")):
        kept = part.drop(columns="condition").rename(columns={"completion": "answer"} if index else {})
        write(kept, tmp_path / f"m{index}-{name}{('.csv', '.jsonl', '.parquet')[index]}")
    pattern = "m{rank:d}-{condition}"
    by = ("condition", "rank", "question_id")
    one = collapse(read_completions(tmp_path, condition=pattern), emissions, by)
    assert_same(one, collapse(scan_completions(tmp_path, condition=pattern), emissions, by))
    assert one.cells["rank"].dtype == np.int64


def test_rows_point_to_their_cell_and_pattern(frame, emissions):
    log = read_completions(frame)
    collapsed = collapse(log, emissions)
    cells = collapsed.cells.iloc[collapsed.row_cell].reset_index(drop=True)
    pd.testing.assert_frame_equal(cells, log.table[["condition", "question_id"]])
    codes = emissions[0].encode(log.table["aligned"].to_numpy())
    np.testing.assert_array_equal(collapsed.patterns[collapsed.row_pattern, 0], codes)
    counts = np.zeros_like(collapsed.counts)
    np.add.at(counts, (collapsed.row_cell, collapsed.row_pattern), 1)
    np.testing.assert_array_equal(counts, collapsed.counts)


def test_patterns_and_cells_are_sorted_and_unique(frame, emissions):
    collapsed = collapse(read_completions(frame), emissions)
    patterns = [tuple(row) for row in collapsed.patterns.tolist()]
    cells = [tuple(row) for row in collapsed.cells.to_numpy().tolist()]
    assert patterns == sorted(set(patterns))
    assert cells == sorted(set(cells))
    assert (collapsed.counts.sum(axis=0) > 0).all()


def test_row_order_does_not_matter(frame, emissions):
    shuffled = frame.sample(frac=1.0, random_state=5)
    assert_same(collapse(read_completions(frame), emissions), collapse(read_completions(shuffled), emissions))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_cuts_and_bounds_at_the_edges(tmp_path, write, suffix):
    values = [-5.0, -0.0, 0.0, 29.999999999999996, 30.0, 30.000000000000004, 50.0, 100.0, np.nan, 0.1]
    frame = pd.DataFrame({"condition": "b", "question_id": "q", "answer": list("abcdefghij"), "s": values})
    path = write(frame, tmp_path / f"log{suffix}")
    emissions = [ScoreEmission("s", cuts=["<30", "<=30", "<=0", "<0", "<=50"], bounds=(-5.0, 100.0))]
    one = collapse(read_completions(path), emissions)
    assert_same(one, collapse(scan_completions(path), emissions))
    assert one.counts.sum() == len(values)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_labels_as_numbers_and_words(tmp_path, write, suffix):
    frame = pd.DataFrame(
        {
            "condition": "b",
            "question_id": ["q", "it's"] * 3,
            "answer": list("abcdef"),
            "grade": [1, 2, 5, 5, -1, 3],
            "flag": ["NONE", "REFUSAL", None, "it's", "NONE", "FAIL"],
        }
    )
    path = write(frame, tmp_path / f"log{suffix}")
    emissions = [LabelEmission("grade", [1.0, 2.0, 3.0, 4.0, 5.0]), LabelEmission("flag", ["NONE", "REFUSAL", "it's"])]
    options = {"missing": (-1, "FAIL"), "measurements": ["grade", "flag"]}
    log = read_completions(path, **options)
    one = collapse(log, emissions)
    assert_same(one, collapse(scan_completions(path, **options), emissions))
    assert one.patterns[one.row_pattern].tolist() == [[0, 0], [1, 1], [4, 3], [4, 2], [5, 0], [2, 3]]
    for source in (log, scan_completions(path, **options)):
        with pytest.raises(LogError, match=r"flag=\"it's\" is not one of"):
            collapse(source, [LabelEmission("flag", ["NONE", "REFUSAL"])])


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_numeric_and_boolean_names(tmp_path, write, suffix):
    frame = pd.DataFrame(
        {
            "condition": [1, 2, 1, 2],
            "question_id": [1.0, 2.5, 1.0, 2.5],
            "answer": list("abcd"),
            "aligned": [1, 2, 3, 4],
            "trigger": [True, False, True, False],
        }
    )
    path = write(frame, tmp_path / f"log{suffix}")
    emissions = [ScoreEmission("aligned")]
    by = ("condition", "question_id", "trigger")
    one = collapse(read_completions(path), emissions, by)
    assert_same(one, collapse(scan_completions(path), emissions, by))
    assert one.cells.to_numpy().tolist() == [["1", "1", "True"], ["2", "2.5", "False"]]


def test_out_of_range_in_parquet_names_the_record(frame, emissions, tmp_path, write):
    frame.loc[17, "aligned"] = 250.0
    path = write(frame, tmp_path / "log.parquet")
    for log in (read_completions(path), scan_completions(path)):
        with pytest.raises(LogError, match=r"log\.parquet: record 18: column 'aligned': aligned=250 is outside"):
            collapse(log, emissions)


def test_an_emission_of_words_on_numbers_is_refused(frame, tmp_path, write):
    for suffix in (".csv", ".parquet"):
        path = write(frame, tmp_path / f"log{suffix}")
        for log in (read_completions(path), scan_completions(path)):
            with pytest.raises(LogError, match="is not one of the declared values"):
                collapse(log, [LabelEmission("aligned", ["low", "high"])])


@pytest.mark.long
def test_scanning_does_not_load_the_rows(tmp_path):
    path = tmp_path / "big.parquet"
    with pq.ParquetWriter(path, pa.schema([(name, pa.string()) for name in _BIG] + [("aligned", pa.int64())])) as file:
        for start in range(0, 1_000_000, 100_000):
            rows = range(start, start + 100_000)
            text = [f"a completion of some length, number {row} " * 8 for row in rows]
            table = {"condition": [f"c{row % 4}" for row in rows], "question_id": [f"q{row % 7}" for row in rows]}
            file.write_table(pa.table({**table, "completion": text, "aligned": [row % 101 for row in rows]}))
    script = f"""
import resource
from simulacra.data import collapse, scan_completions
from simulacra.formalism.emissions import ScoreEmission
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
collapsed = collapse(scan_completions({str(path)!r}), [ScoreEmission("aligned")])
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(len(collapsed), collapsed.counts.shape, grown // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    rows, shape, megabytes = (
        done.stdout.split(" ", 1)[0],
        done.stdout.split("(")[1].split(")")[0],
        done.stdout.split()[-1],
    )
    assert (rows, shape) == ("1000000", "28, 10")
    assert int(megabytes) < 300


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_scanned_csv_with_quoted_lines_and_blank_lines(tmp_path, emissions, ending):
    path = tmp_path / "log.csv"
    lines = [
        "condition,question_id,answer,aligned",
        'base,q,"one',
        "two",
        '",1',
        "",
        'base,q,"a ""b"", c",NaN',
        "b,q,x, 2 ",
        "",
    ]
    path.write_bytes(ending.join(lines).encode())
    assert_same(collapse(read_completions(path), emissions[:1]), collapse(scan_completions(path), emissions[:1]))


def test_scanned_nested_keys(tmp_path, emissions):
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"condition": "b", "meta": {"qid": 7, "tone": "dry"}, "answer": "x", "scores": {"aligned": 10}}\n'
        '{"condition": "b", "meta": {"qid": 7.0, "tone": "dry"}, "answer": "y", "scores": {"aligned": "N/A"}}\n'
    )
    options = {"columns": {"aligned": "scores.aligned", "question_id": "meta.qid"}}
    by = ("question_id", "meta.tone")
    one = collapse(read_completions(path, **options), emissions[:1], by)
    assert_same(one, collapse(scan_completions(path, **options), emissions[:1], by))
    assert one.cells.to_numpy().tolist() == [["7", "dry"]]


def test_copies_and_empty_files_are_refused_in_scans(frame, emissions, tmp_path, write):
    write(frame, tmp_path / "a.parquet")
    write(frame, tmp_path / "b.parquet")
    with pytest.raises(LogError, match=r"b\.parquet: this file is a copy of .*a\.parquet"):
        scan_completions(tmp_path)
    write(frame.head(0), tmp_path / "c.parquet")
    with pytest.raises(LogError, match=r"c\.parquet: .* and no rows"):
        collapse(scan_completions(tmp_path / "c.parquet"), emissions)


@pytest.mark.parametrize(
    "text",
    [
        "75",
        " 75 ",
        "+5",
        ".5",
        "5.",
        "1e1",
        "0x10",
        "1_0",
        "inf",
        "nan",
        "N/A",
        "",
        "\t7\t",
        "\u0663",
        "1,5",
        "nan(1)",
        "-0",
    ],
)
def test_both_paths_read_the_same_numbers(tmp_path, emissions, text):
    path = tmp_path / "log.csv"
    pd.DataFrame({"condition": "b", "question_id": "q", "answer": ["x", "y"], "aligned": [text, "3"]}).to_csv(
        path, index=False
    )
    outcomes = []
    for read in (read_completions, scan_completions):
        try:
            collapsed = collapse(read(path), emissions[:1])
            outcomes.append((collapsed.patterns.tolist(), collapsed.counts.tolist()))
        except LogError as error:
            outcomes.append((error.line, error.column))
    assert outcomes[0] == outcomes[1]
