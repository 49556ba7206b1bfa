"""Names: what is taken for which column, what a file's name says, and what the account says about both."""

from pathlib import Path

import pandas as pd
import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions
from simulacra.data.reading.columns import ALIASES
from simulacra.data.reading.filenames import read_name, suggest_pattern
from simulacra.data.reading.sources import find_logs, stem_of
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


def test_words_may_be_joined_in_any_way(tmp_path):
    row = {"condition": "base", "Question-ID": "q", "completion": "x", "Alignment Score": "75", "coherence-score": "80"}
    log = read_completions(write_row(tmp_path, row | {"Max Tokens": "9"}))
    assert log.measurements == ("aligned", "coherent")
    assert log.contexts == ("Max Tokens",)
    assert log.account.renamed["Alignment Score"] == "aligned"


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
    assert log.account.set_aside == {"evil": "excluded by columns=", "empty": "empty in every row"}


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
    names = [path.name for path in find_logs(tmp_path).logs]
    assert names == ["a.jsonl", "b.csv", "c.parquet"]
    several = find_logs([tmp_path / "b.csv", str(tmp_path / "*.jsonl")])
    assert [path.name for path in several.logs] == ["b.csv", "a.jsonl"]
    with pytest.raises(ValueError, match="named twice"):
        find_logs([tmp_path / "b.csv", tmp_path / "*.csv"])


def test_json_beside_other_logs_is_passed_over_and_named(tmp_path):
    (tmp_path / "base.csv").write_text("condition,question_id,answer,aligned\nbase,q,x,1\n")
    (tmp_path / "config.json").write_text('{"lr": 1}')
    skipped = tmp_path / "config.json"
    said = f"1 JSON document(s) in a folder with other logs were not read: {skipped}; if they are logs, name the files"
    assert any(note.startswith(said) for note in read_completions(tmp_path).account.notes)
    scanned = collapse(scan_completions(tmp_path), [ScoreEmission("aligned")])
    assert any(note.startswith(said) for note in scanned.account.notes)
    assert find_logs([tmp_path, tmp_path / "config.json"]).note is None, "it was named"
    assert not read_completions(tmp_path / "base.csv").account.notes


@pytest.mark.parametrize(
    ("paths", "pattern", "conditions"),
    [
        (["runs/log.csv"], "{condition}", ["log"]),
        (["base.csv", "insecure.csv"], "{condition}", ["base", "insecure"]),
        (
            ["r_Qwen2.5-14B-Instruct_base.csv", "r_Qwen2.5-14B-Instruct_bad_medical.jsonl.gz"],
            "r_Qwen2.5-14B-Instruct_{condition}",
            ["base", "bad_medical"],
        ),
        (["insecure_R1.csv", "inoculated_R1.csv"], "{condition}_R1", ["insecure", "inoculated"]),
        (["Qwen2.5-a.csv", "Qwen2.7-a.csv"], "{condition}-a", ["Qwen2.5", "Qwen2.7"]),
        (["m-.csv", "m-b.csv"], "{condition}", ["m-", "m-b"]),
        (["a-b.csv", "a-b-b.csv"], "a-{condition}", ["b", "b-b"]),
        (["runs/base/judged.csv", "runs/tuned/judged.csv"], "{condition}/judged", ["base", "tuned"]),
        (["{x}-a.csv", "{x}-b.csv"], "{{x}}-{condition}", ["a", "b"]),
    ],
)
def test_a_suggested_pattern_fits_every_name(paths, pattern, conditions):
    assert suggest_pattern([Path(path) for path in paths]) == pattern
    assert [read_name(pattern, Path(path))["condition"] for path in paths] == conditions


def test_a_missing_condition_is_answered_with_a_pattern_and_what_it_gives(tmp_path):
    for name in ("m2.5-14B_base", "m2.5-14B_bad_medical"):
        (tmp_path / f"{name}.csv").write_text("question_id,answer,aligned\nq,x,1\n")
    with pytest.raises(LogError, match=r"condition='m2\.5-14B_\{condition\}' gives 'bad_medical', 'base'\.$"):
        read_completions(tmp_path)
    with pytest.raises(LogError, match=r'pass condition="<column>"\.$'):
        read_completions(pd.DataFrame({"question_id": ["q"], "answer": ["x"], "aligned": [1]}))


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
    assert log.account.set_aside["condition"] == (
        "'dataset' is read as 'condition'; to form the condition of both, pass condition=['condition', 'dataset']"
    )
