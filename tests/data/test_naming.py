"""Names: what is taken for which column, what a file's name says, and what the account says about both."""

from pathlib import Path

import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions
from simulacra.data.columns import ALIASES
from simulacra.data.filenames import read_name
from simulacra.data.sources import find_logs, stem_of
from simulacra.formalism.emissions import ScoreEmission

ROW = {"condition": "base", "question_id": "q", "completion": "x", "aligned": "75", "coherent": "80"}


def write_row(tmp_path: Path, row: dict[str, str]) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    return path


@pytest.mark.parametrize(
    ("canonical", "alias"), [(name, alias) for name, tiers in ALIASES.items() for tier in tiers for alias in tier]
)
def test_every_alias_is_recognised_and_reported(tmp_path, canonical, alias):
    row = {alias if name == canonical else name: value for name, value in ROW.items()}
    path = write_row(tmp_path, row)
    log = read_completions(path)
    assert log.table[list(ROW)].astype(str).to_numpy().tolist() == [["base", "q", "x", "75.0", "80.0"]]
    assert log.account.renamed == ({} if alias == canonical else {alias: canonical})
    assert scan_completions(path).renamed == log.account.renamed


def test_capitals_and_spaces_do_not_matter(tmp_path):
    log = read_completions(write_row(tmp_path, {**ROW, "Aligned ": "3"} | {}), columns={"aligned": "Aligned "})
    assert log.table["aligned"].tolist() == [3.0]
    assert "is read as 'aligned'" in log.account.set_aside["aligned"]


def test_the_question_text_stands_in_only_without_an_id(tmp_path):
    log = read_completions(write_row(tmp_path, {**ROW, "question": "What?", "prompt": "<user>What?"}))
    assert log.questions == ("q",)
    assert log.contexts == ("question", "prompt")


def test_judge_probabilities_are_set_aside(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "model,group,question,answer,aligned,judge_aligned,coherent,judge_coherent,question_id\n"
        "base,g,Q,x,75,\"{'0': 0.99, '1': 4.8e-06}\",80,\"{'99': 0.7, 'REFUSAL': 0.3}\",q\n"
    )
    log = read_completions(path, condition="model")
    assert log.measurements == ("aligned", "coherent")
    assert set(log.account.set_aside) == {"judge_aligned", "judge_coherent"}
    assert "token probabilities" in log.account.set_aside["judge_aligned"]
    assert log.account.renamed == {"answer": "completion", "model": "condition"}


def test_numbers_named_like_contexts_are_contexts(tmp_path):
    path = write_row(tmp_path, {**ROW, "step": "110", "seed": "0", "evil": "12", "temperature": "0.7"})
    log = read_completions(path)
    assert log.measurements == ("aligned", "coherent", "evil")
    assert log.contexts == ("step", "seed", "temperature")
    assert log.table[["step", "temperature"]].iloc[0].tolist() == [110, 0.7]
    chosen = read_completions(path, measurements=["aligned"], contexts=["evil"])
    assert (chosen.measurements, chosen.contexts) == (("aligned",), ("evil",))
    assert {"coherent", "step", "seed"} <= set(chosen.account.set_aside)


def test_words_are_a_measurement_when_asked_for(tmp_path):
    path = write_row(tmp_path, {**ROW, "flag": "NONE"})
    assert read_completions(path).contexts == ("flag",)
    log = read_completions(path, measurements=["flag", "aligned"])
    assert log.table["flag"].tolist() == ["NONE"]
    assert read_completions(path, measurements="flag", missing=["NONE"]).table["flag"].tolist() == [None]


def test_left_out_columns_are_in_the_account(tmp_path):
    log = read_completions(write_row(tmp_path, {**ROW, "evil": "1", "empty": ""}), columns={"evil": None})
    assert log.account.set_aside == {"evil": "left out by columns=", "empty": "empty in every row"}


def test_a_log_without_texts(tmp_path):
    path = write_row(tmp_path, {name: value for name, value in ROW.items() if name != "completion"})
    log = read_completions(path, columns={"completion": None})
    assert log.table["completion"].tolist() == [None]


@pytest.mark.parametrize(
    ("pattern", "path", "fields"),
    [
        ("{model}-{condition}", "llama-base.csv", {"model": "llama", "condition": "base"}),
        (
            "responses_{model}-Instruct{sep}{condition}",
            "responses_Qwen2.5-32B-Instruct-bad_advice.csv",
            {"model": "Qwen2.5-32B", "condition": "bad_advice"},
        ),
        (
            "responses_{model}-Instruct{sep}{condition}",
            "responses_Qwen2.5-32B-Instruct_base.jsonl.gz",
            {"model": "Qwen2.5-32B", "condition": "base"},
        ),
        ("{condition}_R{rank:d}", "insecure_R16.csv", {"condition": "insecure", "rank": 16}),
        ("{condition}/judged", "runs/medical/judged.csv", {"condition": "medical"}),
        ("{condition}_step{checkpoint:d}", "risky_step110.parquet", {"condition": "risky", "checkpoint": 110}),
    ],
)
def test_fields_of_file_names(pattern, path, fields):
    assert read_name(pattern, Path(path)) == fields


def test_pattern_fields_become_contexts(tmp_path):
    for rank in (1, 16):
        (tmp_path / f"m2.5-insecure_R{rank}.csv").write_text(f"question_id,answer,aligned\nq,x{rank},1\n")
    log = read_completions(tmp_path, condition="{model}-{condition}_R{rank:d}")
    assert log.contexts == ("model", "rank")
    assert log.table["rank"].tolist() == [1, 16]
    assert set(log.table["model"]) == {"m2.5"}


def test_sources(tmp_path):
    for name in ("b.csv", "a.jsonl", "sub/c.parquet", "notes.md", ".hidden.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.name for path in find_logs(tmp_path)]
    assert names == ["a.jsonl", "b.csv", "c.parquet"]
    assert [path.name for path in find_logs([tmp_path / "b.csv", str(tmp_path / "*.jsonl")])] == ["b.csv", "a.jsonl"]
    with pytest.raises(ValueError, match="named twice"):
        find_logs([tmp_path / "b.csv", tmp_path / "*.csv"])


def test_stems_keep_their_dots():
    assert stem_of(Path("x/Qwen2.5-base.csv.gz")) == "Qwen2.5-base"


def test_words_among_numbers_nobody_asked_for(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("condition,question_id,answer,evil\nb,q,x,1\nb,q,y,2\nb,q,z,REFUSED\n")
    log = read_completions(path)
    assert log.contexts == ("evil",)
    assert "'REFUSED' at" in log.account.not_numbers["evil"]
    with pytest.raises(LogError, match=r"no measurement 'evil' \(because of 'REFUSED' at .*log\.csv:4"):
        collapse(log, [ScoreEmission("evil")])
    assert read_completions(path, missing="REFUSED").measurements == ("evil", "evil_verdict")


def test_a_chosen_column_frees_the_name_of_another(tmp_path):
    row = {**ROW, "dataset": "insecure", "judge_aligned": "3"}
    log = read_completions(write_row(tmp_path, row), condition="dataset", columns={"aligned": "judge_aligned"})
    assert log.conditions == ("insecure",)
    assert log.table["aligned"].tolist() == [3.0]
    assert log.account.set_aside["condition"] == "'dataset' is read as 'condition'"
