"""Bad input: every error states the location, what is wrong, what was expected and how to fix it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions

HEADER = "condition,question_id,answer,aligned\n"
GOOD = HEADER + "base,q,hello,75\n"


@dataclasses.dataclass(frozen=True)
class Case:
    """A bad file, how it is read, and what the error must say."""

    name: str
    files: dict[str, str | bytes]
    match: str
    source: str = "log.csv"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


JSONL = '{"condition": "b", "question_id": "q", "answer": "x", "aligned": 1}\n'
CASES = [
    Case(
        "a model",
        {"log.csv": "Model,question_id,answer\nm,q,x\n"},
        r'the columns are Model, .*pass condition="Model", or a pattern',
    ),
    Case("no condition", {"log.csv": "question_id,answer\nq,x\n"}, r"log\.csv: nothing says which condition.*pattern"),
    Case(
        "no question",
        {"log.csv": "condition,answer\nb,x\n"},
        r"log\.csv: no column for 'question_id'; the columns are condition, answer; expected one of question_id, qid",
    ),
    Case(
        "no completion",
        {"log.csv": "condition,question_id,aligned\nb,q,1\n"},
        r"no column for 'completion'.*completion, answer, response.*columns=\{\"completion\": \"<its name>\"\}",
    ),
    Case(
        "ambiguous completion",
        {"log.csv": "condition,question_id,answer,response\nb,q,x,y\n"},
        r"columns \['answer', 'response'\] could each be 'completion'.*columns=\{\"completion\": \"answer\"\}",
    ),
    Case(
        "ambiguous score",
        {"log.csv": "condition,question_id,answer,aligned,alignment_score\nb,q,x,1,2\n"},
        r"columns \['aligned', 'alignment_score'\] could each be 'aligned'",
    ),
    Case(
        "one column for two",
        {"log.csv": GOOD},
        r"column 'answer': the column would be read both as",
        options={"columns": {"question_id": "answer", "completion": "answer"}},
    ),
    Case(
        "text in a score column",
        {"log.csv": HEADER + 'b,q,"two\nlines",75\nb,q,x,EXCELLENT\n'},
        r"log\.csv:4: column 'aligned': 'EXCELLENT' is not a number.*missing=\(-1, 'EXCELLENT'\)",
    ),
    Case(
        "text in a renamed score column",
        {"log.csv": "condition,question_id,answer,alignment\nb,q,x,bad\n"},
        r"log\.csv:2: column 'alignment': 'bad' is not a number",
    ),
    Case(
        "text in a chosen measurement",
        {"log.csv": "condition,question_id,answer,evil\nb,q,x,1\nb,q,y,no\nb,q,z,?\n"},
        r"log\.csv:3: column 'evil': 'no' is not a number \(2 such",
        options={"measurements": ["evil"]},
    ),
    Case(
        "token probabilities as score",
        {"log.csv": HEADER + "b,q,x,\"{'0': 0.99, '1': 4.8e-06}\"\n"},
        r"log\.csv:2: column 'aligned': the column contains a judge's token probabilities",
    ),
    Case("empty file", {"log.csv": ""}, r"log\.csv: the file is empty"),
    Case("blank file", {"log.jsonl": "\n\n"}, r"log\.jsonl: the file is empty", source="log.jsonl"),
    Case("header only", {"log.csv": HEADER}, r"log\.csv: the file has columns \(condition, .*\) and no rows"),
    Case(
        "truncated JSONL",
        {"log.jsonl": JSONL + JSONL[:30]},
        r"log\.jsonl:2: the line is not valid JSON .*truncated",
        source="log.jsonl",
    ),
    Case("JSON array", {"log.jsonl": "[1, 2]\n"}, r"log\.jsonl:1: the line contains a JSON list", source="log.jsonl"),
    Case(
        "lists of lists",
        {"log.jsonl": '{"condition": "b", "question_id": "q", "answer": [["x"], ["y"]]}\n'},
        r"column 'answer': the column read as 'completion' contains lists.*explode",
        source="log.jsonl",
    ),
    Case(
        "semicolons",
        {"log.csv": GOOD.replace(",", ";")},
        r"log\.csv:1: the header is one column that contains ';'.*pass delimiter=\";\"",
    ),
    Case("tabs", {"log.csv": GOOD.replace(",", "\t")}, r"one column that contains '\\\\t'.*pass delimiter=\"\\t\""),
    Case("commas in .tsv", {"log.tsv": GOOD}, r"contains ','.*pass delimiter=\",\"", source="log.tsv"),
    Case("long delimiter", {"log.csv": GOOD}, r"delimiter='::'.*one character", options={"delimiter": "::"}),
    Case("short record", {"log.csv": GOOD + "base,q\n"}, r"log\.csv:3: the record has 2 fields; expected 4"),
    Case("open quote", {"log.csv": GOOD + 'base,q,"never closed,1\n'}, r"log\.csv:3: the record .* cannot be parsed"),
    Case("column twice", {"log.csv": "condition,a,a\nb,1,2\n"}, "names a more than once"),
    Case("index twice", {"log.csv": "condition,Unnamed: 0,\nb,1,2\n"}, "names Unnamed: 0 more than once"),
    Case(
        "not UTF-8",
        {"log.csv": GOOD.encode() + "base,q,é,1\n".encode("cp1252")},
        r"log\.csv:3: byte 60 \(0xe9\) is not utf-8.*encoding='cp1252'",
    ),
    Case("UTF-16", {"log.csv": GOOD.encode("utf-16")}, r"is not utf-8.*encoding='utf-16'"),
    Case("unknown encoding", {"log.csv": GOOD}, r"encoding='utf-9' is unknown", options={"encoding": "utf-9"}),
    Case("broken archive", {"log.csv.gz": b"not gzip"}, r"log\.csv\.gz: the file cannot be read", source="log.csv.gz"),
    Case("not Parquet", {"log.parquet": GOOD}, r"log\.parquet: .*not.* readable as Parquet", source="log.parquet"),
    Case(
        "no logs in folder",
        {"logs/readme.md": "hi"},
        r"logs: the folder contains no logs \(.*readme\.md",
        source="logs",
    ),
    Case("glob matches nothing", {}, r"the glob matches no file", source="*.csv"),
    Case("no such file", {}, r"log\.csv: no such file or folder"),
    Case("unknown extension", {"log.xlsx": "x"}, r"unknown file extension '\.xlsx'; expected \.csv", source="log.xlsx"),
    Case(
        "name does not match",
        {"log.csv": GOOD},
        r"log\.csv: the name 'log' does not match the pattern '\{model\}-\{condition\}'",
        options={"condition": "{model}-{condition}"},
    ),
    Case("unreadable pattern", {"log.csv": GOOD}, r"the pattern .* cannot be read", options={"condition": "{a}-{a:d}"}),
    Case(
        "pattern without condition",
        {"m-x.csv": "question_id,answer\nq,x\n"},
        r"has no field \{condition\} and the file has no such column",
        source="m-x.csv",
        options={"condition": "{model}-{other}"},
    ),
    Case(
        "condition in name and column",
        {"m-x.csv": GOOD},
        r"both the file's name and a column give 'condition'.*columns=\{\"condition\": None\}",
        source="m-x.csv",
        options={"condition": "{model}-{condition}"},
    ),
    Case(
        "condition column that is not there",
        {"log.csv": GOOD},
        r"there is no column 'arm' to read as 'condition'",
        options={"condition": "arm"},
    ),
    Case(
        "pair the other way round",
        {"log.csv": "condition,question_id,completion,judge_A\nbase,q,x,75\n"},
        r"the log's name comes first .*columns=\{\"aligned\": \"judge_A\"\}\.$",
        options={"columns": {"judge_A": "aligned"}},
    ),
    Case(
        "misspelt column",
        {"log.csv": "condition,question_id,completion,judge_A\nbase,q,x,75\n"},
        r"no column 'judgeA' to read as 'aligned'.*did you mean 'judge_A'\?",
        options={"columns": {"aligned": "judgeA"}},
    ),
    Case(
        "unknown left-out column", {"log.csv": GOOD}, r"\['evil'\], which no file", options={"columns": {"evil": None}}
    ),
    Case(
        "unknown measurement", {"log.csv": GOOD}, r"names 'evil', which no file has", options={"measurements": "evil"}
    ),
    Case("empty condition", {"log.csv": GOOD + ",q,x,1\n"}, r"log\.csv:3: column 'condition': the condition is empty"),
    Case(
        "suffix that never occurs",
        {"log.csv": GOOD},
        r"no question id ends in any of formats=\('_jsn',\).*'q'",
        options={"formats": "_jsn"},
    ),
    Case(
        "score in one file only",
        {"a.csv": GOOD, "b.csv": "condition,question_id,answer\nb,q,x\n"},
        r"b\.csv: no column for 'aligned', which .*a\.csv has",
        source="*.csv",
    ),
    Case(
        "same file twice",
        {"a.csv": GOOD, "copy/a.csv": GOOD.replace("\n", "\r\n")},
        r"every row of this file is also in .*a\.csv, under the same condition 'base'.*duplicates=\"drop\"",
        source="**/*.csv",
    ),
]


OF_READING_ONLY = {
    "no completion": "a scan does not need texts",
    "same file twice": "a scan compares files, not rows",
    "lists of lists": "a scan reads one row per completion",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input(case: Case, tmp_path: Path, emissions):
    for name, text in case.files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(LogError, match=case.match) as of_reading:
        read_completions(tmp_path / case.source, **case.options)
    if case.name not in OF_READING_ONLY:
        with pytest.raises(LogError) as of_scanning:
            collapse(scan_completions(tmp_path / case.source, **case.options), emissions[:1])
        assert str(of_scanning.value) == str(of_reading.value)


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(text)
    return path


def test_the_error_has_its_place_as_attributes(tmp_path):
    path = _write(tmp_path, HEADER + "base,q,x,bad\n")
    with pytest.raises(LogError) as caught:
        read_completions(path)
    assert (caught.value.file, caught.value.line, caught.value.column) == (str(path), 2, "aligned")


@pytest.mark.parametrize("read", [read_completions, scan_completions])
@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            HEADER + 'b,q,"two\nlines",75\nb,q,x,101\n',
            r"log\.csv:4: column 'aligned': aligned=101 is outside.*\[0, 100\]",
        ),
        (HEADER + "b,q,x,-3\n", r"log\.csv:2: .*aligned=-3 is outside"),
    ],
)
def test_scores_outside_the_range(tmp_path, emissions, read: Callable, text, match):
    path = _write(tmp_path, text)
    with pytest.raises(LogError, match=match):
        collapse(read(path), emissions[:1])


@pytest.mark.parametrize("read", [read_completions, scan_completions])
def test_unknown_columns_in_collapse(tmp_path, emissions, read: Callable):
    log = read(_write(tmp_path, GOOD))
    with pytest.raises(LogError, match=r"no measurement 'coherent'; expected one of aligned"):
        collapse(log, emissions)
    with pytest.raises(LogError, match=r"no cell column 'trigger'; expected one of condition"):
        collapse(log, emissions[:1], by=("condition", "trigger"))
    with pytest.raises(ValueError, match="one emission for each measurement"):
        collapse(log, [])
    with pytest.raises(ValueError, match="different columns in by"):
        collapse(log, emissions[:1], by=("condition", "condition"))


@pytest.mark.parametrize("read", [read_completions, scan_completions])
def test_cells_without_a_value(tmp_path, emissions, read: Callable):
    log = read(_write(tmp_path, "condition,question_id,answer,aligned,role\nb,q,x,1,pirate\nb,q,y,1,\n"))
    with pytest.raises(LogError, match=r"log\.csv:3: column 'role': the row has no value"):
        collapse(log, emissions[:1], by=("condition", "role"))


def test_a_frame_has_no_file_name(frame):
    with pytest.raises(LogError, match="no file name to match"):
        read_completions(frame, condition="{condition}")
    with pytest.raises(LogError, match="the source is a int"):
        read_completions(3)
    with pytest.raises(LogError, match="list of sources is empty"):
        read_completions([])
