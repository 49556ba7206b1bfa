"""Ids that stand for several questions, conditions that look alike or are no conditions, and files that are paired."""

import pandas as pd
import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions
from simulacra.formalism import ScoreEmission

EMISSIONS = [ScoreEmission("aligned")]


def _log(**columns):
    rows = max(len(values) for values in columns.values())
    usual = {
        "condition": ["base", "tuned"] * rows,
        "question_id": ["q"] * rows,
        "completion": [f"t{row}" for row in range(rows)],
        "aligned": [10 * row % 101 for row in range(rows)],
    }
    return pd.DataFrame({name: list(columns.get(name, values))[:rows] for name, values in {**usual, **columns}.items()})


def _reads(frame, tmp_path, **options):
    frame.to_csv(tmp_path / "log.csv", index=False)
    yield lambda: collapse(read_completions(tmp_path / "log.csv", **options), EMISSIONS)
    yield lambda: collapse(scan_completions(tmp_path / "log.csv", **options), EMISSIONS)


TWO_TASKS = _log(question_id=[0, 0, 1, 1], question=["A0?", "B0?", "A1?", "B1?"])


def test_one_id_with_several_texts_is_refused(tmp_path):
    for read in _reads(TWO_TASKS, tmp_path):
        with pytest.raises(LogError, match=r"log\.csv:3: .*'0' has another text here, 'B0\?', than at .*log\.csv:2"):
            read()
    for read in _reads(TWO_TASKS, tmp_path, columns={"question_id": "question"}):
        assert read().questions == ("A0?", "A1?", "B0?", "B1?")
    for read in _reads(TWO_TASKS, tmp_path, columns={"question": None}):
        assert read().questions == ("0", "1")


def test_paraphrases_nest_in_their_id(tmp_path):
    options = {"columns": {"question_id": "question"}, "base_question": "question_id"}
    log = read_completions(TWO_TASKS, **options)
    assert log.base_questions == ("0", "1")
    assert len(log.questions) == 4


def test_two_files_that_number_from_zero_are_refused(tmp_path):
    for name in "ab":
        _log(question_id=[0, 1], question=[f"{name} zero?", f"{name} one?"]).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    for read in (read_completions, scan_completions):
        with pytest.raises(LogError, match=r"b\.csv:2: .*'0' has another text.*a\.csv:2"):
            collapse(read(tmp_path), EMISSIONS)


def test_ids_of_several_tasks_become_task_and_id(tmp_path):
    frame = TWO_TASKS.assign(task=["A", "B", "A", "B"])
    for read in _reads(frame, tmp_path):
        assert read().questions == ("A/0", "A/1", "B/0", "B/1")
    assert any("are read as task/id" in note for note in read_completions(frame).account.notes)


def test_texts_that_differ_in_spaces_or_case_are_one_question(tmp_path):
    frame = _log(question=["What  is it? ", "what is it?", "What is it?", ""])
    for read in _reads(frame, tmp_path):
        assert read().questions == ("q",)


@pytest.mark.parametrize("other", ["Base", "base ", "ba\u200bse", "ｂａｓｅ", "base\u00a0"])
def test_conditions_that_look_alike_are_reported(other):
    notes = read_completions(_log(condition=["base", other])).account.notes
    assert any(f"the conditions 'base', {other!r} differ only in" in note for note in notes)
    assert not any("differ only" in note for note in read_completions(_log(condition=["base", "bass"])).account.notes)


def test_a_column_that_identifies_rows_is_no_condition(tmp_path):
    frame = _log(uuid=[f"id-{row}" for row in range(30)])
    for read in _reads(frame, tmp_path, condition="uuid"):
        with pytest.raises(LogError, match=r"column 'uuid': 30 of the 30 conditions have a single completion"):
            read()
    many = _log(arm=[f"arm {row % 25}" for row in range(75)])
    for read in _reads(many, tmp_path, condition="arm"):
        assert len(read().conditions) == 25


def test_two_columns_form_a_condition(tmp_path):
    frame = _log(model=["7b", "7b", "14b", "14b"], arm=["base", "evil"] * 2, condition=["x"] * 4)
    for read in _reads(frame, tmp_path, condition=["model", "arm"]):
        assert read().conditions == ("14b/base", "14b/evil", "7b/base", "7b/evil")
    log = read_completions(frame, condition=["model", "arm"])
    assert log.table["model"].tolist() == ["7b", "7b", "14b", "14b"]
    for read in _reads(frame, tmp_path, condition=["model", "arms"]):
        with pytest.raises(LogError, match="there is no column 'arms' to form the condition"):
            read()
    with pytest.raises(ValueError, match="different columns, or one pattern"):
        read_completions(frame, condition=["model", "model"])


def test_a_column_condition_that_is_put_aside_is_reported_with_the_remedy():
    log = read_completions(_log(arm=["base", "evil"]), condition="arm")
    assert "pass condition=['condition', 'arm']" in log.account.set_aside["condition"]


def test_fields_that_split_words_are_reported(tmp_path):
    for name in ("Qwen2.5-base", "Qwen2.5-evil"):
        _log(aligned=[1, 2]).drop(columns="condition").to_csv(tmp_path / f"{name}.csv", index=False)
    log = read_completions(tmp_path, condition="{model}{sep}{condition}")
    assert any("write the separator" in note for note in log.account.notes)
    log = read_completions(tmp_path, condition="{model}-{condition}")
    assert not any("write the separator" in note for note in log.account.notes)


def test_the_question_may_be_in_the_file_name(tmp_path):
    for name in ("base_wish", "base_ruler", "evil_wish"):
        _log(aligned=[1, 2]).drop(columns=["condition", "question_id"]).assign(completion=[name, name + "2"]).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    for read in (read_completions, scan_completions):
        counted = collapse(read(tmp_path, condition="{condition}_{question_id}"), EMISSIONS)
        assert counted.cells.to_numpy().tolist() == [["base", "ruler"], ["base", "wish"], ["evil", "wish"]]


def test_an_unknown_context_is_refused_with_a_near_name(tmp_path):
    for read in _reads(_log(trigger=["a", "b"]), tmp_path, contexts=["triger"]):
        with pytest.raises(LogError, match=r"contexts= names 'triger', which no file has.*did you mean 'trigger'\?"):
            read()


def _two_files(tmp_path, prefix, **columns):
    for name in ("base", "evil"):
        own = {key: values[name] if isinstance(values, dict) else values for key, values in columns.items()}
        pd.DataFrame(own).to_csv(tmp_path / f"{prefix}{name}.csv", index=False)
    return [tmp_path / f"{prefix}{name}.csv" for name in ("base", "evil")]


TEXTS = {"base": ["b0", "b1"], "evil": ["e0", "e1"]}


@pytest.mark.parametrize("order", [1, -1])
def test_files_of_judgments_are_paired_by_their_names(order, tmp_path):
    generated = _two_files(tmp_path, "gen_", question_id=["q", "r"], completion=TEXTS)
    judged = _two_files(tmp_path, "judged_", question_id=["q", "r"], aligned={"base": [90, 91], "evil": [1, 2]})
    log = read_completions(generated, judgments=judged[::order], condition="gen_{condition}")
    assert log.table.groupby("condition")["aligned"].apply(list).to_dict() == {"base": [90.0, 91.0], "evil": [1.0, 2.0]}
    assert any("paired by their file names" in note for note in log.account.notes) == (order == -1)


@pytest.mark.parametrize("order", [1, -1])
def test_files_of_judgments_are_paired_by_their_rows_before_their_names(order, tmp_path):
    generated = _two_files(tmp_path, "gen_", question_id=["q", "r"], completion=TEXTS)
    scores = {"base": [90, 91], "evil": [1, 2]}
    judged = _two_files(tmp_path, "x", question_id=["q", "r"], completion=TEXTS, aligned=scores)
    for name in ("base", "evil"):
        (tmp_path / f"x{name}.csv").rename(tmp_path / f"scores{len(name) + (name == 'evil')}.csv")
    judged = [tmp_path / "scores4.csv", tmp_path / "scores5.csv"]
    log = read_completions(generated, judgments=judged[::order], condition="gen_{condition}")
    assert log.table.groupby("condition")["aligned"].apply(list).to_dict() == {"base": [90.0, 91.0], "evil": [1.0, 2.0]}


def test_names_that_contradict_the_order_are_refused(tmp_path):
    generated = _two_files(tmp_path, "gen_", question_id=["q", "r"], completion=TEXTS)
    judged = _two_files(tmp_path, "judged_", question_id=["q", "r"], aligned=[1, 2])
    (tmp_path / "judged_base.csv").rename(tmp_path / "judged_evil_again.csv")
    judged = [tmp_path / "judged_evil_again.csv", tmp_path / "judged_evil.csv"]
    with pytest.raises(
        LogError, match=r"judged_evil_again\.csv: by order, .*gen_base\.csv, but .* name .*gen_evil\.csv"
    ):
        read_completions(generated, judgments=judged, condition="gen_{condition}")
