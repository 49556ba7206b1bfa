"""The log: missing values, base questions, duplicates, hashes, and an account that adds up."""

import json

import numpy as np
import pandas as pd
import pytest

from simulacra.data import CompletionLog, LogError, read_completions
from simulacra.data.reading.schema import check_table
from simulacra.formalism import InputError


def _three_by_two() -> CompletionLog:
    table = pd.DataFrame(
        {
            "condition": ["base", "base", "a", "a", "b", "b"],
            "question_id": ["q1", "q2"] * 3,
            "completion": list("uvwxyz"),
            "aligned": [1.0, 2.0, None, 4.0, 5.0, 6.0],
            "step": [0, 0, 1, 1, 2, 2],
        }
    )
    return read_completions(table, measurements=["aligned"], contexts=["step"])


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"condition": "base"}, "uv"),
        ({"condition": ["a", "b"], "question_id": "q2"}, "xz"),
        ({"step": 2}, "yz"),
        ({"step": np.array([0, 2]), "condition": ("base", "a")}, "uv"),
        ({"aligned": None}, "w"),
        ({"completion": {"u", "z"}}, "uz"),
        ({}, "uvwxyz"),
    ],
)
def test_selected_rows_keep_their_place_and_the_rest_is_counted(where: dict, kept: str) -> None:
    log = _three_by_two()
    chosen = log.select(**where)
    assert "".join(chosen.table["completion"]) == kept
    places = log.table.set_index("completion")[["source", "record"]]
    pd.testing.assert_frame_equal(chosen.table.set_index("completion")[["source", "record"]], places.loc[list(kept)])
    assert list(chosen.table) == list(log.table)
    assert chosen.table.index.tolist() == list(range(len(kept)))
    assert chosen.account.rows_kept == len(chosen) == len(kept)
    assert chosen.account.rows_read == log.account.rows_read
    if len(kept) < len(log):
        (reason, left), *_ = chosen.account.left_out.items()
        assert reason.startswith("not selected by ")
        assert all(name in reason for name in where)
        assert left.examples[0] in str(chosen.account)
    assert log.account.left_out == {}


def test_selections_add_up() -> None:
    twice = _three_by_two().select(condition=["a", "b"]).select(question_id="q1")
    assert [left.count for left in twice.account.left_out.values()] == [2, 2]
    assert twice.account.rows_kept == 2


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            {"conditon": "a"},
            r"select\(conditon=\.\.\.\): the log has no such column; expected one of condition, question_id",
        ),
        (
            {"condition": ["a", "c"]},
            r"select\(condition='c'\): the column has no such value; expected one of 'base', 'a', 'b'",
        ),
        (
            {"condition": "a", "step": 2},
            r"select\(condition='a', step=2\): no row of the log has all of these; select by fewer",
        ),
        ({"condition": []}, r"select\(condition=\[\]\): no row of the log has all of these"),
    ],
)
def test_a_selection_of_nothing_lists_what_there_is(where: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _three_by_two().select(**where)


def test_missing_scores_and_sentinels(frame):
    log = read_completions(frame)
    expected = frame["coherent"].where(frame["coherent"] != -1)
    np.testing.assert_array_equal(log.table["coherent"], expected)
    np.testing.assert_array_equal(log.table["aligned"], frame["aligned"])
    assert log.account.sentinels == {"coherent": {"-1": int((frame["coherent"] == -1).sum())}}
    kept = read_completions(frame, missing=())
    np.testing.assert_array_equal(kept.table["coherent"], frame["coherent"])


def test_words_for_missing_are_counted(tmp_path):
    path = tmp_path / "log.csv"
    rows = ["N/A", "nan", "", "REFUSAL", " 75 ", "1e1"]
    path.write_text("condition,question_id,answer,aligned\n" + "".join(f"b,q,{i},{v}\n" for i, v in enumerate(rows)))
    log = read_completions(path, missing=(-1, "refusal"))
    np.testing.assert_array_equal(log.table["aligned"], [np.nan] * 4 + [75.0, 10.0])
    assert log.account.sentinels == {"aligned": {"N/A": 1, "nan": 1, "REFUSAL": 1}}


def test_numbers_are_rounded_as_python_does(tmp_path):
    values = [repr(value) for value in np.random.default_rng(1).uniform(0, 100, 500).tolist()]
    path = tmp_path / "log.csv"
    path.write_text("condition,question_id,answer,aligned\n" + "".join(f"b,q,{i},{v}\n" for i, v in enumerate(values)))
    assert read_completions(path).table["aligned"].tolist() == [float(value) for value in values]


def test_a_measurement_absent_from_a_file_is_missing_there(tmp_path):
    (tmp_path / "a.csv").write_text("condition,question_id,answer,aligned,medical\nb,q,x,1,2\n")
    (tmp_path / "b.csv").write_text("condition,question_id,answer,aligned\nb,q,y,1\n")
    log = read_completions(tmp_path)
    np.testing.assert_array_equal(log.table["medical"], [2.0, np.nan])
    assert log.account.absent == {"medical": (str(tmp_path / "b.csv"),)}
    with pytest.raises(LogError, match=r"b\.csv: column 'medical': measurements= names 'medical'"):
        read_completions(tmp_path, measurements=["aligned", "medical"])


def test_formats_nest_in_base_questions(frame):
    log = read_completions(frame, formats=("_json", "_template"))
    assert log.base_questions == ("ruler", "wish")
    named = log.table.drop_duplicates("question_id").set_index("question_id")
    assert named["format"].to_dict() == {
        "wish": "plain",
        "wish_json": "json",
        "ruler": "plain",
        "ruler_template": "template",
    }
    assert "format" in log.contexts
    plain = read_completions(frame)
    assert (plain.table["base_question"] == plain.table["question_id"]).all()


def test_ids_that_look_like_formats_are_reported(frame):
    frame["question_id"] = frame["question_id"].replace({"ruler_template": "ruler_json"})
    (note,) = read_completions(frame).account.notes
    assert "ids that end in _json look like prompt formats" in note
    assert "pass formats=['_json'] to nest them" in note
    nested = read_completions(frame, formats=["_json"])
    assert nested.account.notes == ("4 questions are formats of 2 base questions",)
    with pytest.raises(LogError, match=r"leaves '(wish|ruler)_' of .*name the suffix '_json'"):
        read_completions(frame, formats=["json"])


def test_base_question_columns(frame):
    frame["base_question"] = frame["question_id"].str.removesuffix("_json")
    assert read_completions(frame).base_questions == ("ruler", "ruler_template", "wish")
    renamed = frame.rename(columns={"base_question": "stem"})
    assert read_completions(renamed, base_question="stem").base_questions == ("ruler", "ruler_template", "wish")
    with pytest.raises(LogError, match="formats= would write the column 'base_question'"):
        read_completions(frame, formats="_json")


def test_duplicates_are_reported_and_dropped_only_when_asked(frame, tmp_path, write):
    write(frame.head(100), tmp_path / "a.csv")
    write(pd.concat([frame.tail(150), frame.tail(2)]), tmp_path / "b.csv")
    log = read_completions(tmp_path)
    assert len(log) == 252
    assert (log.account.duplicates.within_files, log.account.duplicates.across_files) == (2, 10)
    assert "b.csv:" in log.account.duplicates.examples[0]
    dropped = read_completions(tmp_path, duplicates="drop")
    assert len(dropped) == len(frame) == dropped.account.rows_kept
    left = dropped.account.left_out["exact duplicate of an earlier row"]
    assert left.count == 12
    assert dropped.content_hash == read_completions(frame).content_hash


def test_rows_that_differ_in_a_score_are_no_duplicates(frame):
    twice = pd.concat([frame, frame.assign(aligned=1.5)])
    assert read_completions(twice, layout="rows").account.duplicates.within_files == 0


def test_repeated_judgments_that_no_column_names_are_refused(frame):
    own = frame.assign(completion=[f"text {number}" for number in range(len(frame))])
    thrice = pd.concat([own.assign(aligned=own["aligned"] / 2 + draw) for draw in range(3)])
    with pytest.raises(LogError, match=r"record 1: every completion occurs 3 times .* name the judge of every row"):
        read_completions(thrice)
    assert len(read_completions(thrice, layout="rows")) == len(thrice)
    for other in (thrice[1:], pd.concat([own] * 3), thrice.assign(completion=["yes", "no"] * (len(thrice) // 2))):
        assert len(read_completions(other)) == len(other)


def test_rows_without_text_are_no_duplicates(frame):
    log = read_completions(frame.drop(columns="completion").assign(aligned=1.0), columns={"completion": None})
    assert log.account.duplicates.within_files == 0


def test_a_crlf_copy_is_noticed(frame, tmp_path, write):
    path = write(frame, tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(LogError, match=r"a\.csv: every row of this file is also in .*b\.csv"):
        read_completions(tmp_path)
    log = read_completions(tmp_path, duplicates="drop")
    assert log.content_hash == read_completions(path).content_hash == read_completions(tmp_path / "b.csv").content_hash


def test_the_same_rows_under_two_conditions_are_reported(frame, tmp_path, write):
    for name in ("base", "insecure"):
        write(frame.drop(columns="condition"), tmp_path / f"{name}.csv")
    log = read_completions(tmp_path, condition="{condition}")
    assert len(log.account.duplicates.copies) == 1
    assert "same rows under different conditions" in str(log.account)


def test_order_and_place_do_not_change_the_hash(frame, tmp_path, write):
    expected = read_completions(frame)
    shuffled = frame.sample(frac=1.0, random_state=3)[sorted(frame.columns, reverse=True)]
    assert read_completions(shuffled).content_hash == expected.content_hash
    write(frame.tail(100), tmp_path / "a.csv")
    write(frame.head(140), tmp_path / "b.jsonl")
    assert read_completions(tmp_path).content_hash == expected.content_hash


@pytest.mark.parametrize("column", ["condition", "question_id", "completion", "aligned", "role"])
def test_any_changed_value_changes_the_hash(frame, column):
    changed = frame.copy()
    changed.loc[7, column] = 12.25 if column == "aligned" else "other"
    assert read_completions(changed).content_hash != read_completions(frame).content_hash


def test_a_log_reads_its_own_table(frame):
    log = read_completions(frame, formats=("_json", "_template"))
    again = read_completions(log.table)
    assert again.content_hash == log.content_hash


def test_the_account_adds_up_and_is_json(frame, tmp_path, write):
    path = write(frame, tmp_path / "log.jsonl")
    log = read_completions(path, duplicates="drop")
    account = log.account.to_dict()
    assert json.loads(json.dumps(account))["rows_kept"] == len(log)
    assert account["rows_read"] == {str(path): len(frame)}
    text = log.summary()
    assert "240 completions, 3 condition(s), 4 question(s)" in text
    assert "coherent: " in text


def test_numbers_written_as_text_are_counted(frame):
    frame["aligned"] = frame["aligned"].map("{:g}".format)
    assert read_completions(frame).account.parsed == {"aligned": int((frame["aligned"] != "nan").sum())}


def test_the_schema_locates_what_breaks_it(frame):
    log = read_completions(frame)
    broken = log.table.copy()
    broken.loc[4, "condition"] = ""
    with pytest.raises(LogError, match=r"<DataFrame>: record 5: column 'condition'.*text that is not empty"):
        check_table(broken, log.measurements, log.contexts)
    with pytest.raises(LogError, match="expected the documented schema"):
        check_table(log.table.drop(columns="record"), log.measurements, log.contexts)


def test_empty_and_null_completions_are_none(tmp_path):
    (tmp_path / "a.csv").write_text("condition,question_id,answer,aligned\nb,q,,1\n")
    (tmp_path / "b.jsonl").write_text('{"condition": "b", "question_id": "q", "answer": "", "aligned": 1}\n')
    assert read_completions(tmp_path).table["completion"].tolist() == [None, None]


def test_the_same_completions_with_other_scores_are_refused(frame, tmp_path, write):
    write(frame, tmp_path / "one_judge.csv")
    write(frame.assign(aligned=frame["aligned"] / 2), tmp_path / "other_judge.csv")
    for duplicates in ("keep", "drop"):
        with pytest.raises(LogError, match=r"one_judge\.csv: every completion .*other_judge\.csv.* with other scores"):
            read_completions(tmp_path, duplicates=duplicates)
