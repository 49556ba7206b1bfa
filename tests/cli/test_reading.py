"""The reading options: the same for every command, and stored as they were given."""

import dataclasses
import inspect
import json
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from simulacra.cli.app import app
from simulacra.cli.reading import (
    Reading,
    parse_columns,
    parse_judgments,
    parse_missing,
    parse_names,
    reading_options,
)
from simulacra.data import CollapsedLog, read_completions, scan_completions

EVERYTHING = Reading(
    condition="{model}-{condition}",
    column=["completion=answer", "notes="],
    measure=["aligned", "coherent"],
    context=["dose"],
    layout="rows",
    judgments=["gpt4o=a b.jsonl"],
    on="qid,rollout",
    formats="_json,_template",
    base_question="base",
    missing="-1,REFUSAL",
    duplicates="drop",
    delimiter=";",
    encoding="cp1252",
    decimal=",",
    rows="results",
    errors="keep",
)


def test_every_argument_of_reading_has_its_option() -> None:
    """Except the logs themselves, and the progress bar, which --quiet controls; --counts reads other files."""
    taken = set(inspect.signature(read_completions).parameters) - {"source", "progress_bar"}
    assert set(EVERYTHING.arguments()) == taken
    assert set(EVERYTHING.to_dict()) == {field.name for field in dataclasses.fields(Reading)} - {"counts"}
    assert len(EVERYTHING.to_dict()) == len(taken)


def test_counts_are_read_with_the_options_that_apply(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("arm;question;n_bad;n;all\nbase;a;1;10;12\ntuned;a;4;10;10\n")
    log = Reading(counts="n_bad,n,all", condition="arm", delimiter=";").read([str(path)])
    assert isinstance(log, CollapsedLog)
    assert log.conditions == ("base", "tuned")
    assert log.counts.sum(axis=1).tolist() == [12, 10]
    assert log.measurements == ("bad",)


@pytest.mark.parametrize("name", ["fit", "inspect-log", "score", "report"])
def test_every_command_that_reads_has_every_option(name: str) -> None:
    group = typer.main.get_command(app)
    command = group.get_command(None, name)  # type: ignore[arg-type, attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Reading)} <= known


def test_options_come_back_from_a_file_and_from_a_command_line() -> None:
    assert Reading.from_dict(json.loads(json.dumps(EVERYTHING.to_dict()))) == EVERYTHING
    heard = []
    alone = typer.Typer()

    @alone.command()
    @reading_options
    def listen(*, reading: Reading) -> None:
        heard.append(reading)

    assert CliRunner().invoke(alone, shlex.split(str(EVERYTHING))).exit_code == 0
    assert CliRunner().invoke(alone, ["--missing", ""]).exit_code == 0
    assert CliRunner().invoke(alone, []).exit_code == 0
    assert heard == [EVERYTHING, Reading(missing=""), Reading()]
    assert [reading.arguments() for reading in heard[1:]] == [{"missing": ()}, {}]
    assert (Reading().to_dict(), str(Reading())) == ({}, "")


def test_an_option_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="reading option 'turn' does not exist in this version"):
        Reading.from_dict({"turn": "1"})


def test_a_scan_refuses_what_it_cannot_honour_by_name() -> None:
    with pytest.raises(ValueError, match="leave out --duplicates, --errors, --judgments, --on, --rows, or --scan"):
        EVERYTHING.scan(["log.csv"])
    honoured = set(inspect.signature(scan_completions).parameters)
    refused = {"duplicates", "errors", "judgments", "on", "rows"}
    assert {argument for argument in EVERYTHING.arguments() if argument not in refused} <= honoured


def test_lists_of_names() -> None:
    assert parse_names("_json, _template") == ("_json", "_template")
    assert parse_names("") == ()


def test_columns() -> None:
    assert parse_columns(["completion=answer", "notes=", "x=a=b"]) == {
        "completion": "answer",
        "notes": None,
        "x": "a=b",
    }
    with pytest.raises(ValueError, match="expected NAME=OWN"):
        parse_columns(["=x"])


def test_missing_values_are_numbers_or_words() -> None:
    assert parse_missing("-1, 99.5,REFUSAL") == (-1.0, 99.5, "REFUSAL")
    assert parse_missing("") == ()


def test_judgments_by_judge_or_by_file() -> None:
    assert parse_judgments(["a.csv"]) == ["a.csv"]
    assert parse_judgments(["x=a.csv", "y=b.csv"]) == {"x": "a.csv", "y": "b.csv"}
