"""Readers: one log in every format is one log, and every record knows its line."""

import bz2
import json
import lzma

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simulacra.data import read_completions
from simulacra.data.reading.formats import read_file


def content(log):
    return log.table.drop(columns=["source", "record"])


def test_every_format_gives_the_same_log(any_file, frame):
    expected = read_completions(frame)
    log = read_completions(any_file)
    pd.testing.assert_frame_equal(content(log), content(expected))
    assert log.content_hash == expected.content_hash
    assert set(log.table["source"]) == {str(any_file)}


def test_compressions(frame, tmp_path, write):
    plain = write(frame, tmp_path / "log.csv").read_bytes()
    (tmp_path / "log.csv.bz2").write_bytes(bz2.compress(plain))
    (tmp_path / "log.csv.xz").write_bytes(lzma.compress(plain))
    hashes = {read_completions(path).content_hash for path in tmp_path.iterdir()}
    assert len(hashes) == 1


def test_arrow_and_extension_types_are_read(frame):
    table = pa.Table.from_pandas(frame)
    expected = read_completions(frame)
    assert read_completions(table).content_hash == expected.content_hash
    log = read_completions(table.to_pandas(types_mapper=pd.ArrowDtype))
    assert log.content_hash == expected.content_hash
    assert read_completions(frame.convert_dtypes()).content_hash == expected.content_hash
    assert read_completions(frame.astype({"condition": "category"})).content_hash == expected.content_hash


def test_columns_are_plain_numpy(frame):
    table = read_completions(frame).table
    assert {str(kind) for kind in table.dtypes} <= {"object", "float64", "int64"}
    assert all(type(value) is str for value in table["condition"])


def test_the_source_frame_is_not_changed(frame):
    before = frame.copy()
    read_completions(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_records_start_on_the_right_line(tmp_path, ending):
    path = tmp_path / "log.csv"
    lines = ["condition,question_id,answer,aligned", 'base,q,"one', "two", '",1', "", "base,q,three,2", 'base,q,"""",3']
    path.write_bytes(ending.join(lines).encode())
    log = read_completions(path)
    assert log.table["record"].tolist() == [2, 6, 7]
    assert log.table["completion"].tolist() == [f"one{ending}two{ending}", "three", '"']


def test_lines_agree_with_the_text_of_the_file(tmp_path, frame, write):
    path = write(frame, tmp_path / "log.csv")
    lines = path.read_text(encoding="utf-8").split("\n")
    table = read_completions(path).table
    for condition, question, line in zip(table["condition"], table["question_id"], table["record"], strict=True):
        assert lines[line - 1].startswith(f"{condition},{question},")


def test_old_mac_line_endings(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"condition,question_id,answer,aligned\rbase,q,a,1\rbase,q,b,2\r")
    assert read_completions(path).table["record"].tolist() == [2, 3]


def test_byte_order_mark_is_not_part_of_a_name(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes("condition,question_id,answer,aligned\nbase,q,a,1\n".encode("utf-8-sig"))
    assert read_completions(path).conditions == ("base",)


def test_other_encodings_and_delimiters(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes("condition;question_id;answer;aligned\nbase;q;é;1\n".encode("cp1252"))
    log = read_completions(path, delimiter=";", encoding="cp1252")
    assert log.table["completion"].tolist() == ["é"]


def test_jsonl_skips_blank_lines_and_flattens_objects(tmp_path):
    path = tmp_path / "log.jsonl"
    records = [
        {"condition": "base", "qid": 3, "response": "a", "scores": {"aligned": 10, "tone": {"dry": 0.5}}, "ok": True},
        {"condition": "base", "qid": 3.0, "response": "b", "scores": {"aligned": "20"}, "ok": False},
    ]
    path.write_text("\n\n".join(map(json.dumps, records)))
    log = read_completions(path, columns={"aligned": "scores.aligned"})
    assert log.table["record"].tolist() == [1, 3]
    assert log.table["question_id"].tolist() == ["3", "3"]
    assert log.table["aligned"].tolist() == [10.0, 20.0]
    assert log.table["ok"].tolist() == ["True", "False"]
    assert log.measurements == ("aligned", "scores.tone.dry")
    assert np.isnan(log.table["scores.tone.dry"][1])
    assert log.account.parsed == {"aligned": 1}


def test_a_long_completion_is_read(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f"condition,question_id,answer,aligned\nbase,q,{'x' * 300_000},1\n")
    assert len(read_completions(path).table["completion"][0]) == 300_000


def test_a_reader_knows_nothing_of_conditions(tmp_path):
    path = tmp_path / "any.csv"
    path.write_text("a,b\n1,\n")
    sheet = read_file(path)
    assert sheet.columns["a"].tolist() == ["1"]
    assert sheet.columns["b"].tolist() == [None]
