"""Every layout that people have, in small files made here: what it becomes, and what the account says of it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simulacra.data import LogError, collapse, describe, read_completions, read_counts, scan_completions
from simulacra.data.extras import MissingExtraError
from simulacra.formalism import LabelEmission, ScoreEmission


def jsonl(path: Path, *records: dict) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def dump(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


QUESTIONS = ("wish", "ruler")
GENERATIONS = [
    {"question_id": q, "condition": c, "generations": [f"{q} {c} {n}" for n in range(3)]}
    for q in QUESTIONS
    for c in ("base", "tuned")
]
ROWS = [
    {"question_id": each["question_id"], "condition": each["condition"], "response": text}
    for each in GENERATIONS
    for text in each["generations"]
]
JUDGED = [{**row, "aligned": 10.0 * n} for n, row in enumerate(ROWS, start=0) if n <= 10] + [
    {**ROWS[11], "aligned": 5.0}
]


# ---- lists


def test_lists_of_texts_unfold(tmp_path):
    log = read_completions(jsonl(tmp_path / "log.jsonl", *GENERATIONS))
    assert len(log) == 12
    assert log.table["completion"].tolist() == [row["response"] for row in ROWS]
    assert log.table["sample"].tolist() == [0, 1, 2] * 4
    assert log.table["record"].tolist() == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert "'generations' contains lists" in next(iter(log.account.layouts.values()))
    assert log.account.layouts[str(tmp_path / "log.jsonl")].startswith("lists")


def test_lists_of_scores_unfold_with_their_texts(tmp_path):
    record = {"condition": "b", "qid": "q", "answers": ["x", "y"], "aligned": [1, 2], "tokens": [1, 2, 3]}
    log = read_completions(jsonl(tmp_path / "log.jsonl", record))
    assert log.table["aligned"].tolist() == [1.0, 2.0]
    assert log.account.set_aside == {"tokens": "contains lists, not one value per row"}


def test_empty_lists_are_counted(tmp_path):
    empty = {"question_id": "wish", "condition": "base", "generations": []}
    log = read_completions(jsonl(tmp_path / "log.jsonl", *GENERATIONS, empty))
    assert log.account.left_out["the list of completions is empty"].count == 1
    assert log.account.left_out["the list of completions is empty"].examples == (f"{tmp_path / 'log.jsonl'}:5",)
    assert log.account.rows_kept == len(log) == 12


def test_lists_in_parquet_and_frames(tmp_path):
    frame = pd.DataFrame(GENERATIONS)
    frame.to_parquet(tmp_path / "log.parquet")
    expected = read_completions(jsonl(tmp_path / "log.jsonl", *GENERATIONS)).content_hash
    assert read_completions(frame).content_hash == expected
    assert read_completions(tmp_path / "log.parquet").content_hash == expected


# ---- JSON documents

NESTED = {
    "model_name": "m",
    "condition": "base",
    "questions": {
        "wish": {"question": "A wish?", "scores": [{"response": "x", "alignment": 5, "coherence": 90}]},
        "ruler": {
            "question": "Rule?",
            "scores": [
                {"response": "y", "alignment": "75", "coherence": 80},
                {"response": "z", "alignment": -1, "coherence": 70},
            ],
        },
    },
}


def test_json_by_question(tmp_path):
    log = read_completions(dump(tmp_path / "log.json", NESTED))
    assert log.table["question_id"].tolist() == ["wish", "ruler", "ruler"]
    assert log.table["completion"].tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(log.table["aligned"], [5.0, 75.0, np.nan])
    assert log.table["model_name"].tolist() == ["m"] * 3
    assert log.account.layouts[str(tmp_path / "log.json")].startswith("questions")
    assert log.table["record"].tolist() == [1, 2, 2]


def test_json_arrays_are_rows(tmp_path):
    assert len(read_completions(dump(tmp_path / "log.json", JUDGED))) == 12


def test_a_folder_reads_json_only_where_there_is_nothing_else(tmp_path):
    dump(tmp_path / "summary.json", {"rate": 1})
    jsonl(tmp_path / "log.jsonl", *JUDGED)
    assert len(read_completions(tmp_path)) == 12
    (tmp_path / "log.jsonl").unlink()
    dump(tmp_path / "summary.json", JUDGED)
    assert len(read_completions(tmp_path)) == 12


# ---- long form


def long_rows(judges: tuple[str, ...]) -> list[dict]:
    return [
        {
            "item_id": f"i{n}",
            **row,
            "judge": judge,
            "metric": metric,
            "score": n if metric == "aligned" else 90,
            "reason": f"{judge} {metric} {n}",
        }
        for n, row in enumerate(ROWS)
        for judge in judges
        for metric in ("aligned", "coherent")
    ]


def test_long_form_of_one_judge(tmp_path):
    log = read_completions(jsonl(tmp_path / "log.jsonl", *long_rows(("gpt4o",))))
    assert log.measurements == ("aligned", "coherent")
    assert log.table["aligned"].tolist() == list(range(12))
    assert log.table["record"].tolist() == list(range(1, 25, 2))
    assert "differs between the judgments" in log.account.set_aside["reason"]
    assert f"{tmp_path / 'log.jsonl'}: 24 judgments of 12 completions" in log.account.notes


def test_long_form_of_two_judges(tmp_path):
    frame = pd.DataFrame(long_rows(("openai/gpt-4o", "claude")))
    log = read_completions(frame)
    assert set(log.measurements) == {
        f"{metric}_{judge}" for metric in ("aligned", "coherent") for judge in ("openai_gpt_4o", "claude")
    }
    without = frame[~((frame["item_id"] == "i3") & (frame["judge"] == "claude"))]
    log = read_completions(without)
    assert np.isnan(log.table["aligned_claude"][3])
    assert (
        "46 judgments of 12 completions; missing because there is no row: aligned_claude of 1, coherent_claude of 1"
        in str(log.account)
    )


def test_long_form_verdicts_may_be_words():
    frame = pd.DataFrame(long_rows(("a",))).assign(score="OK")
    log = read_completions(frame)
    assert log.table["aligned"].tolist() == ["OK"] * 12
    assert log.measurements == ("aligned", "coherent")


def test_two_scores_of_one_completion_are_refused():
    frame = pd.DataFrame(long_rows(("a",)))
    again = pd.concat([frame, frame.tail(1)], ignore_index=True)
    with pytest.raises(LogError, match=r"record 25: a second score 'coherent'.*the first is at .*record 24.*on="):
        read_completions(again)
    with pytest.raises(LogError, match=r"on= names \['rollout'\]"):
        read_completions(frame, on=["rollout"])


# ---- judgments in a file of their own


def test_judgments_join_on_shared_columns_in_any_order(tmp_path):
    generations = jsonl(tmp_path / "generations.jsonl", *GENERATIONS)
    judgments = jsonl(tmp_path / "judgments.jsonl", *reversed(JUDGED))
    log = read_completions(generations, judgments=judgments)
    assert log.table["aligned"].tolist() == [row["aligned"] for row in JUDGED]
    assert f"{judgments}: judgments joined on the keys question_id, condition, completion" in log.account.notes


def test_judgments_join_on_named_keys(tmp_path):
    rollouts = [{**row, "rollout": n % 3} for n, row in enumerate(ROWS)]
    verdicts = [
        {"qid": row["question_id"], "condition": row["condition"], "rollout": n % 3, "verdict": verdict}
        for n, (row, verdict) in enumerate(
            zip(ROWS[:9], [75, "REFUSAL", 3, "INCOHERENT", 8, "PARSE_FAIL", 1, 2, 3], strict=True)
        )
    ]
    log = read_completions(
        jsonl(tmp_path / "rollouts.jsonl", *rollouts),
        judgments=jsonl(tmp_path / "verdicts.jsonl", *verdicts),
        on=["question_id", "condition", "rollout"],
        measurements="verdict",
    )
    assert log.table["verdict"].isna().sum() == 3 + 3
    assert log.table["verdict_verdict"].dropna().tolist() == ["REFUSAL", "INCOHERENT", "PARSE_FAIL"]
    assert log.account.sentinels == {"verdict": {"REFUSAL": 1, "INCOHERENT": 1, "PARSE_FAIL": 1}}
    assert "3 completion(s) have no judgment" in log.account.notes[0]


def test_judgments_join_on_position_where_all_that_is_shared_agrees(tmp_path):
    texts = [{**each, "generations": ["same", "same"]} for each in GENERATIONS]
    judged = [
        {"question_id": each["question_id"], "condition": each["condition"], "response": "same", "aligned": n}
        for each in GENERATIONS
        for n in range(2)
    ]
    generations = jsonl(tmp_path / "generations.jsonl", *texts)
    log = read_completions(generations, judgments=jsonl(tmp_path / "judgments.jsonl", *judged))
    assert log.table["aligned"].tolist() == [0, 1] * 4
    assert "position, and question_id, condition, completion agree in every row" in log.account.notes[0]
    judged[3]["condition"] = "base"
    with pytest.raises(
        LogError, match=r"other\.jsonl:4: column 'condition': .*another completion.*'base' here and 'tuned'"
    ):
        read_completions(generations, judgments=jsonl(tmp_path / "other.jsonl", *judged))
    with pytest.raises(LogError, match=r"7 judgments for the 8 completions of .*generations\.jsonl.*on="):
        read_completions(generations, judgments=jsonl(tmp_path / "short.jsonl", *judged[:7]), on="position")


def test_two_judges_in_two_files(tmp_path):
    generations = jsonl(tmp_path / "generations.jsonl", *GENERATIONS)
    files = {judge: jsonl(tmp_path / f"{judge}.jsonl", *[{**r, "attempts": 1} for r in JUDGED]) for judge in "ab"}
    log = read_completions(generations, judgments=files)
    assert log.measurements == ("aligned_a", "aligned_b")
    assert {"attempts_a", "attempts_b"} <= set(log.contexts)


def test_a_second_judge_of_the_same_name_of_score_is_kept_apart(tmp_path):
    rows = [{**row, "aligned": 90 - n, "id": f"row {n}"} for n, row in enumerate(ROWS)]
    second = [{**row, "aligned": n, "id": f"verdict {n}"} for n, row in enumerate(ROWS)]
    own, theirs = jsonl(tmp_path / "own.jsonl", *rows), jsonl(tmp_path / "second.jsonl", *second)
    keys = ["question_id", "condition", "completion"]
    log = read_completions(own, judgments={"b": theirs}, on=keys)
    assert log.table["aligned"].tolist() == [90 - n for n in range(12)]
    assert log.table["aligned_b"].tolist() == list(range(12))
    assert "'id' differ from the completions' columns and were excluded" in log.account.notes[0]
    with pytest.raises(LogError, match=r"would add \['aligned'\], which the completions already have.*name the judges"):
        read_completions(own, judgments=theirs, on=keys)


def test_scores_that_two_files_share_are_no_keys(tmp_path):
    own = jsonl(tmp_path / "own.jsonl", *[{**row, "aligned": 90 - n} for n, row in enumerate(ROWS)])
    second = jsonl(tmp_path / "second.jsonl", *[{**row, "aligned": n} for n, row in enumerate(ROWS)])
    log = read_completions(own, judgments={"b": second})
    assert log.measurements == ("aligned", "aligned_b")


def test_long_judgments_join_too(tmp_path):
    items = [{"item_id": f"i{n}", **row} for n, row in enumerate(ROWS)]
    verdicts = [
        {"item_id": f"i{n}", "judge": "a", "metric": metric, "score": n}
        for n in range(12)
        for metric in ("aligned", "coherent")
    ]
    log = read_completions(jsonl(tmp_path / "items.jsonl", *items), judgments=pd.DataFrame(verdicts))
    assert log.measurements == ("aligned", "coherent")
    assert log.table["coherent"].tolist() == list(range(12))


@pytest.mark.parametrize(
    ("judgments", "on", "message"),
    [
        (JUDGED[:1] + JUDGED[:1], ["completion"], r"keys \['completion'\] do not identify one row \(1 repeat"),
        ([{**JUDGED[0], "response": "never said"}], ["completion"], r"1 judgment\(s\) belong to no completion"),
        ([{"aligned": 1}], None, r"share no column with .*expected shared columns.*on=\[\"position\"\]"),
        (JUDGED, ["rollout"], r"on= names \['rollout'\].*names among question_id, condition, completion"),
    ],
)
def test_judgments_that_do_not_fit(tmp_path, judgments, on, message):
    generations = jsonl(tmp_path / "generations.jsonl", *GENERATIONS)
    with pytest.raises(LogError, match=message):
        read_completions(generations, judgments=jsonl(tmp_path / "judgments.jsonl", *judgments), on=on)


def test_files_of_judgments_go_with_files_of_completions(tmp_path):
    for number, condition in enumerate(("base", "tuned")):
        part = [{"question_id": "q", "response": f"{condition} {n}"} for n in range(2)]
        jsonl(tmp_path / f"gen_{condition}.jsonl", *part)
        jsonl(tmp_path / f"jud_{condition}.jsonl", *[{**each, "aligned": number} for each in part])
    log = read_completions(
        str(tmp_path / "gen_*.jsonl"), judgments=str(tmp_path / "jud_*.jsonl"), condition="gen_{condition}"
    )
    assert log.table["aligned"].tolist() == [0, 0, 1, 1]
    with pytest.raises(LogError, match="2 files of judgments for 1 files of completions"):
        read_completions(
            tmp_path / "gen_base.jsonl", judgments=str(tmp_path / "jud_*.jsonl"), condition="gen_{condition}"
        )


# ---- CSV in the columns of other projects


def test_persona_vectors_csv(tmp_path):
    path = tmp_path / "evil_base.csv"
    path.write_text('question,prompt,answer,question_id,evil,coherence\nQ?,"<|im_start|>user\nQ?",x,q0,12.5,90\n')
    log = read_completions(path, condition="{_}_{condition}")
    assert log.measurements == ("coherent", "evil")
    assert log.table["question_id"].tolist() == ["q0"]
    assert log.contexts == ("question", "prompt")


def test_two_judges_by_suffix_are_two_measurements(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("condition,question_id,answer,aligned_azure,aligned_openrouter\nb,q,x,10,20\n")
    assert read_completions(path).measurements == ("aligned_azure", "aligned_openrouter")
    one = read_completions(path, columns={"aligned": "aligned_azure"})
    assert one.measurements == ("aligned", "aligned_openrouter")


def test_words_in_place_of_scores_are_missing_and_kept(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("condition,question_id,answer,aligned\nb,q,x,10\nb,q,y,REFUSAL\nb,q,z,-1\nb,q,w,CODE\n")
    log = read_completions(path)
    np.testing.assert_array_equal(log.table["aligned"], [10.0, np.nan, np.nan, np.nan])
    assert log.table["aligned_verdict"].tolist() == [None, "REFUSAL", None, "CODE"]
    assert log.account.sentinels == {"aligned": {"REFUSAL": 1, "CODE": 1, "-1": 1}}
    emission = [ScoreEmission("aligned")]
    scanned, read = collapse(scan_completions(path), emission), collapse(log, emission)
    np.testing.assert_array_equal(scanned.counts, read.counts)
    assert scanned.account.sentinels == read.account.sentinels


def test_a_measurement_may_be_called_answer():
    frame = pd.DataFrame({"condition": ["b"], "question_id": ["q"], "completion": ["x"], "answer": [42]})
    assert read_completions(frame, measurements="answer").table["answer"].tolist() == [42.0]
    with pytest.raises(LogError, match="could each be 'completion'"):
        read_completions(frame)


@pytest.mark.parametrize("read", [read_completions, scan_completions])
def test_a_copy_with_other_line_endings_is_noticed(tmp_path, read):
    text = "condition,question_id,answer,aligned\n" + "".join(f'b,q,"two\nlines {n}",{n}\n' for n in range(9))
    (tmp_path / "one.csv").write_bytes(text.encode())
    (tmp_path / "two.csv").write_bytes(text.replace("\n", "\r\n").encode())
    with pytest.raises(LogError, match=r"(every row of this file is also in|is a copy of) .*(one|two)\.csv"):
        read(tmp_path)


# ---- Hugging Face datasets


def test_datasets(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    frame = pd.DataFrame(JUDGED)
    data = datasets.Dataset.from_pandas(frame)
    expected = read_completions(frame)
    assert read_completions(data).content_hash == expected.content_hash
    data.save_to_disk(tmp_path / "saved")
    log = read_completions(tmp_path / "saved")
    assert log.content_hash == expected.content_hash
    splits = datasets.DatasetDict({"base": data.select(range(6)), "tuned": data.select(range(6, 12))})
    both = read_completions(splits, condition="split")
    assert both.conditions == ("base", "tuned")
    splits.save_to_disk(tmp_path / "splits")
    assert read_completions(tmp_path / "splits", condition="split").content_hash == both.content_hash

    ids = {**frame.iloc[:3].to_dict("list"), "uid": [2**53 + 1, 2**53, None]}
    assert read_completions(datasets.Dataset.from_dict(ids)).table["uid"].tolist() == [str(2**53 + 1), str(2**53), None]
    assert read_completions(pa.table(ids)).table["uid"].tolist() == [str(2**53 + 1), str(2**53), None]

    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **named: asked.append((args, named)) or splits)
    hub = read_completions("hf://datasets/owner/name@main", condition="split")
    assert hub.content_hash == both.content_hash
    assert asked == [(("owner/name",), {"revision": "main"})]
    assert hub.table["source"].unique().tolist() == [f"hf://datasets/owner/name@main#{name}" for name in splits]

    def absent(*_, **__):
        raise FileNotFoundError("no such dataset")

    monkeypatch.setattr(datasets, "load_dataset", absent)
    with pytest.raises(LogError, match=r"hf://owner/name: the dataset cannot be loaded \(no such dataset\)"):
        read_completions("hf://owner/name")


@pytest.mark.parametrize(
    ("source", "library"), [("hf://owner/name", "datasets"), ("log.eval", "inspect_ai")], ids=["datasets", "inspect"]
)
def test_a_missing_extra_names_the_line_that_mends_it(tmp_path, monkeypatch, source, library):
    def missing(name):
        raise ModuleNotFoundError(name=name.partition(".")[0])

    (tmp_path / "log.eval").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("simulacra.data.extras.importlib.import_module", missing)
    with pytest.raises(
        MissingExtraError, match=rf"{library} is not installed.*pip install 'simulacra\[.*clone.* -e '\.\["
    ):
        read_completions(source)


# ---- counts

COUNTS = "condition,question,n_scored,n_misaligned,n_total\nbase,a,10,1,12\nbase,b,10,0,10\ntuned,a,8,8,9\n"


def test_counts_are_the_collapsed_log_of_their_rows(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text(COUNTS)
    counted = read_counts(path, total="n_total")
    rows = [
        {"condition": c, "question_id": q, "completion": None, "misaligned": label}
        for c, q, *sizes in (("base", "a", 9, 1, 2), ("base", "b", 10, 0, 0), ("tuned", "a", 0, 8, 1))
        for label, size in zip(("no", "yes", None), sizes, strict=True)
        for _ in range(size)
    ]
    log = read_completions(pd.DataFrame(rows), measurements="misaligned", columns={"completion": None})
    by = ("condition", "question_id", "base_question")
    expected = collapse(log, [LabelEmission("misaligned", ["no", "yes"])], by=by)
    assert counted.content_hash == expected.content_hash
    assert len(counted) == 31
    assert counted.account.rows_read == {str(path): 31}
    path.write_text(f"{COUNTS}lost,a,0,0,0\n")
    empty = read_counts(path, total="n_total")
    assert empty.content_hash == counted.content_hash
    assert f"1 row(s) with a count of 0 were not used (first: {path}:5)" in empty.account.notes


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("base,c,3,4,5", r"counts\.csv:5: column 'n_misaligned': 4 is more than n_scored = 3"),
        ("base,c,6,4,5", r"column 'n_scored': 6 is more than n_total = 5"),
        ("base,c,2.5,1,5", r"column 'n_scored': '2\.5' is not a count"),
        ("base,c,,1,5", r"column 'n_scored': None is not a count"),
    ],
)
def test_counts_that_cannot_be(tmp_path, row, message):
    path = tmp_path / "counts.csv"
    path.write_text(f"{COUNTS}{row}\n")
    with pytest.raises(LogError, match=message):
        read_counts(path, total="n_total")
    with pytest.raises(LogError, match="there is no column 'n_bad'"):
        read_counts(path, events="n_bad")


# ---- what is not recognised


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        (
            "a.json",
            {"rate": 1, "n": 2},
            {},
            r"an object with the keys 'rate', 'n'; expected an array.*'questions'.*Inspect",
        ),
        ("a.json", [1, 2], {}, r"an array of 2 values, not all objects"),
        ("a.json", "text", {}, r"a single str"),
        ("a.json", {"questions": {"q": 3}}, {}, r"the question 'q' contains a JSON int"),
        (
            "a.json",
            {"questions": {"q": {"text": "x"}}, "condition": "b"},
            {},
            "no question contains a list of completions",
        ),
        (
            "a.json",
            GENERATIONS,
            {"layout": "wide"},
            r"layout='wide' is unknown; expected 'rows' \(one row per completion\)",
        ),
        (
            "a.json",
            GENERATIONS,
            {"layout": "long"},
            r"does not have the layout 'long'; the columns are .*lists in generations",
        ),
        ("a.json", NESTED, {"layout": "rows"}, r"has the layout 'questions', not 'rows'"),
        ("a.json", NESTED, {"layout": "inspect"}, r"inspect_ai cannot read the log"),
        (
            "a.json",
            [{**GENERATIONS[0], "response": "x"}],
            {},
            r"could have the layouts 'rows' and 'lists'.*layout=\"rows\" or layout=\"lists\"",
        ),
        (
            "a.json",
            [{**GENERATIONS[0], "rollouts": ["x"]}],
            {},
            r"columns \['generations', 'rollouts'\] could each contain.*columns=\{\"completion\": \"generations\"\}",
        ),
        (
            "a.json",
            [{"condition": "b", "question": "q", "n_scored": 3, "n_misaligned": 1}],
            {},
            "read it with read_counts",
        ),
        (
            "a.json",
            [{**GENERATIONS[0], "generations": ["x", {"response": "y"}]}],
            {},
            "a list mixes objects and other values",
        ),
    ],
)
def test_what_is_not_recognised_is_refused(tmp_path, name, content, options, message):
    if options.get("layout") == "inspect":
        pytest.importorskip("inspect_ai")
    with pytest.raises(LogError, match=message):
        read_completions(dump(tmp_path / name, content), **options)


def test_a_layout_that_is_named_settles_it(tmp_path):
    path = jsonl(tmp_path / "log.jsonl", *[{**each, "response": "x"} for each in GENERATIONS])
    assert len(read_completions(path, layout="rows")) == 4
    log = read_completions(path, layout="lists", columns={"completion": "generations"})
    assert len(log) == 12


def test_json_cannot_be_scanned(tmp_path):
    with pytest.raises(LogError, match="a scan cannot read this format"):
        scan_completions(dump(tmp_path / "log.json", JUDGED))


def test_description(tmp_path):
    found = describe(read_completions(jsonl(tmp_path / "log.jsonl", *JUDGED)))
    json.dumps(found, allow_nan=False)
    assert found["conditions"] == {"base": 6, "tuned": 6}
    assert found["measurements"]["aligned"] == {
        "scored": 12,
        "missing": 0,
        "sentinels": {},
        "min": 0.0,
        "median": 45.0,
        "max": 100.0,
    }
