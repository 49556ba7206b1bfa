"""Wrong input: exit code 2, one message with the remedy, no traceback, nothing written."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

Run = Callable[..., Result]
Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def same(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def without(*columns: str) -> Spoil:
    return lambda frame: frame.drop(columns=list(columns))


def put(column: str, value: object) -> Spoil:
    return lambda frame: frame.astype({column: object}).assign(**{column: [value, *frame[column][1:]]})


CASES = {
    "missing column": (without("question_id"), [], ["log.csv", "question_id", "On the command line", "--column"]),
    "ambiguous columns": (lambda f: f.assign(answer="x"), [], ["completion", "answer", "--column NAME=OWN"]),
    "no such baseline": (
        same,
        ["--baseline", "untuned"],
        ["'untuned'", "'base', 'benign'", "baseline= is --baseline NAME, condition= is --condition PATTERN"],
    ),
    "score outside its range": (put("aligned", 105), [], ["log.csv:2", "aligned", "105", "0", "100"]),
    "text in a score column": (put("aligned", "great"), [], ["log.csv:2", "aligned", "'great'"]),
    "wrong delimiter": (same, ["--delimiter", ";"], ["log.csv:1", "','", "--delimiter"]),
    "one question": (lambda f: f[f["question_id"] == "q0"], [], ["question_id", "one level"]),
    "one condition": (lambda f: f[f["condition"] == "base"], [], ["condition", "one level"]),
    "no measurement": (
        without("aligned", "coherent"),
        [],
        ["aligned, coherent", "columns={'aligned': <its name>}", "columns= is --column NAME=OWN"],
    ),
    "several traits": (
        lambda f: f.rename(columns={"aligned": "evil"}).assign(harm=3),
        [],
        ["evil, harm may each be", "emissions=['evil', 'coherent']", "emissions= is --measure NAME"],
    ),
    "a direction that is not known": (
        lambda f: f.rename(columns={"aligned": "style"}),
        ["--measure", "style"],
        ["does not say whether high values are good or bad", "high= is --score NAME:high-is-bad"],
    ),
    "a broken file of personas": (same, ["--personas", "log.toml"], ["log.toml: cannot be read as personas"]),
    "counts without their option": (
        lambda f: f[["condition", "question_id"]].drop_duplicates().assign(n_scored=9, n_misaligned=1),
        [],
        ["counts, not completions", "events= is --counts EVENTS,SCORED"],
    ),
    "threshold that is not an edge": (
        same,
        ["--outcome", "aligned < 33", "--cuts", "aligned:<10,<20,<30,<40,<80"],
        ["aligned < 33", "not a bin edge", "cuts=['<10', '<20', '<30', '<33', '<40',", "cuts= is --cuts NAME:CUTS"],
    ),
    "unknown denominator": (same, ["--of", "everything"], ["of='everything'", "of= is --of all|coherent|scored"]),
    "unreadable rule": (same, ["--outcome", "aligned is bad"], ["aligned is bad"]),
    "unknown column in the formula": (
        same,
        ["--weights", "(1 | judge)"],
        ["judge", "condition", "weights= is --weights FORMULA", "contexts= is --context NAME"],
    ),
    "unknown function in the formula": (same, ["--weights", "foo(condition)"], ["no function or column 'foo'"]),
    "formula that is cut off": (same, ["--weights", "(1 | condition"], ["Expect ')'", "weights= is --weights FORMULA"]),
    "unknown personas": (same, ["--personas", "big-five"], ["big-five", "emergent-misalignment-6"]),
    "misspelt personas": (same, ["--personas", "organsim"], ["Did you mean 'organism'?"]),
    "no condition": (without("condition"), [], ["condition='{condition}' gives 'log'", "--condition PATTERN"]),
    "unknown measurement": (same, ["--measure", "kindness"], ["kindness"]),
    "pattern that does not match": (same, ["--condition", "{model}-{condition}"], ["log", "{model}-{condition}"]),
    "unreadable column option": (same, ["--column", "answer"], ["--column 'answer'", "NAME=OWN"]),
    "too few draws": (same, ["--num-samples", "1"], ["num_samples >= 50", "num_samples= is --num-samples N"]),
    "scan with duplicates": (same, ["--scan", "--duplicates", "drop"], ["--scan", "--duplicates"]),
    "unknown format suffix": (same, ["--formats", "_xml"], ["_xml"]),
    "denominator without event": (without("aligned"), ["--of", "all"], ["--outcome"]),
}


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.parametrize("case", CASES)
def test_refusal(case: str, frame: pd.DataFrame, run: Run, tmp_path: Path) -> None:
    spoil, words, expected = CASES[case]
    spoil(frame).to_csv(tmp_path / "log.csv", index=False)
    ended = run("fit", "log.csv", *words, "--json")
    assert ended.exit_code == 2, ended.output
    for text in expected:
        assert text in ended.stderr, ended.stderr
    assert "Traceback" not in ended.output
    error = json.loads(ended.stdout)["error"]
    assert error["message"] in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.csv", b"", "empty"),
        (
            "cut.jsonl",
            b'{"condition": "base", "question_id": "q", "completion": "x", "aligned": 9}\n{"cond',
            "cut.jsonl:2",
        ),
        ("latin.csv", "condition,question_id,completion,aligned\nbase,q,caf\xe9,9\n".encode("latin-1"), "--encoding"),
        ("notes.docx", b"x", "extension"),
    ],
)
def test_files_that_are_no_logs(name: str, content: bytes, expected: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    ended = run("fit", name)
    assert ended.exit_code == 2
    assert expected in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_without_logs_and_a_path_that_is_none(run: Run, tmp_path: Path) -> None:
    for path, text in ((tmp_path, "no logs"), (tmp_path / "nowhere.csv", "nowhere.csv")):
        ended = run("fit", path)
        assert ended.exit_code == 2
        assert text in ended.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fit", "--personas", "my.tmol"], "my.tmol"),
        (["fit", "--personas", "my.toml"], "my.toml"),
        (["fit", "--outcome", "aligned is bad"], "aligned is bad"),
        (["compare", "--personas", "organsim"], "organsim"),
        (["score", "--model", "m", "--personas", "my.tmol"], "my.tmol"),
        (["score", "--model", "m", "--personas", "prompts.json", "--shard", "5"], "shard"),
    ],
)
def test_options_are_refused_before_a_log_is_read(words: list[str], expected: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text('{"helper": "You help."}')
    ended = run(words[0], "nowhere.csv", *words[1:])
    assert ended.exit_code == 2
    assert expected in ended.stderr
    assert "nowhere.csv" not in ended.stderr


def test_errors_without_json_leave_standard_output_empty(run: Run) -> None:
    ended = run("fit", "nowhere.csv")
    assert ended.stdout == ""
    assert ended.stderr.startswith("simulacra: ")
