"""Layouts of JSON documents and of other tools: rows under a key, by condition, chats, harness and promptfoo."""

import json

import pandas as pd
import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions
from simulacra.formalism import Outcome, PersonaMixture, ScoreEmission
from simulacra.formalism.emissions import LabelEmission
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Rule
from simulacra.formalism.personas import Archetype, Persona

ROWS = [
    {"condition": name, "question_id": f"q{n}", "response": f"{name} {n}", "aligned": 90 if name == "base" else 5}
    for name in ("base", "evil")
    for n in range(3)
]


def _document(tmp_path, document, name="log.json"):
    (tmp_path / name).write_text(json.dumps(document))
    return tmp_path / name


def _without(name):
    return [{key: value for key, value in row.items() if key != name} for row in ROWS]


@pytest.mark.parametrize("key", ["results", "samples", "sample_responses", "anything"])
def test_rows_under_the_only_key_that_has_them(key, tmp_path):
    path = _document(tmp_path, {"metadata": {"judge": "g"}, "rate": 0.25, "tags": ["a"], key: ROWS})
    log = read_completions(path)
    assert len(log) == 6
    assert log.measurements == ("aligned",)
    assert log.table["rate"].unique().tolist() == [0.25]
    assert log.table["metadata.judge"].unique().tolist() == ["g"]
    assert log.account.layouts == {str(path): f"rows (the key {key!r} contains the rows)"}


def test_fields_above_the_rows_apply_to_all_of_them(tmp_path):
    log = read_completions(_document(tmp_path, {"condition": "tuned", "results": _without("condition")}))
    assert log.conditions == ("tuned",)


def test_several_lists_need_a_key(tmp_path):
    path = _document(tmp_path, {"first": ROWS, "second": ROWS[:2], "n": 3})
    with pytest.raises(LogError, match=r"keys 'first', 'second' each contain a list.*rows=\"first\""):
        read_completions(path)
    assert len(read_completions(path, rows="second")) == 2
    nested = _document(tmp_path, {"run": {"out": ROWS, "other": ROWS[:1]}}, "nested.json")
    assert len(read_completions(nested, rows="run.out")) == 6
    with pytest.raises(LogError, match=r"no list of objects under 'run\.in'"):
        read_completions(nested, rows="run.in")
    assert len(read_completions(_document(tmp_path, {"results": ROWS, "prompts": ROWS[:1]}, "usual.json"))) == 6


def test_rows_by_condition(tmp_path):
    document = {name: [row for row in _without("condition") if name in row["response"]] for name in ("base", "evil")}
    log = read_completions(_document(tmp_path, document))
    assert log.table.groupby("condition")["aligned"].mean().to_dict() == {"base": 90.0, "evil": 5.0}


CHATS = [
    {
        "condition": row["condition"],
        "id": n,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": [{"type": "text", "text": f"Question {n % 2}?"}]},
            {"role": "assistant", "content": row["response"]},
        ],
        "scores": {"aligned": row["aligned"]},
    }
    for n, row in enumerate(ROWS)
]


@pytest.mark.parametrize("name", ["log.jsonl", "log.json"])
def test_chats(name, tmp_path):
    path = tmp_path / name
    path.write_text("\n".join(map(json.dumps, CHATS)) if name == "log.jsonl" else json.dumps(CHATS))
    options = {"columns": {"aligned": "scores.aligned"}}
    log = read_completions(path, **options)
    assert log.table["completion"].tolist() == [row["response"] for row in ROWS]
    assert log.questions == ("Question 0?", "Question 1?")
    assert log.table["turns"].tolist() == [2] * 6
    assert log.table["system_prompt"].unique().tolist() == ["Be brief."]
    assert log.measurements == ("aligned",)
    if name == "log.jsonl":
        one, two = (collapse(each, [ScoreEmission("aligned")]) for each in (log, scan_completions(path, **options)))
        assert one.content_hash == two.content_hash


def test_promptfoo(tmp_path):
    results = [
        {
            "promptIdx": 0,
            "testIdx": n % 3,
            "vars": {"question": f"Q{n % 3}?"},
            "provider": {"id": f"openai:{row['condition']}"},
            "response": {"output": row["response"], "tokenUsage": {"total": 9}},
            "namedScores": {"aligned": row["aligned"]},
            "latencyMs": 7,
            "success": True,
            "score": 1,
        }
        for n, row in enumerate(ROWS)
    ]
    path = _document(
        tmp_path, {"evalId": "x", "results": {"version": 3, "prompts": [{"raw": "p"}], "results": results}}
    )
    log = read_completions(path, condition="provider")
    assert log.conditions == ("openai:base", "openai:evil")
    assert log.questions == ("0", "1", "2")
    assert log.table["completion"].tolist() == [row["response"] for row in ROWS]
    assert log.table["aligned"].tolist() == [row["aligned"] for row in ROWS]


def test_samples_of_the_harness(tmp_path):
    lines = [
        {
            "doc_id": n,
            "doc": {"question": f"Q{n}"},
            "target": "0",
            "arguments": [["ctx", {}]],
            "resps": [[f"raw {n}"]],
            "filtered_resps": [f"text {n}"],
            "acc": n % 2,
        }
        for n in range(12)
    ]
    path = tmp_path / "samples_em.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    for read in (read_completions, scan_completions):
        counted = collapse(read(path, condition="samples_{condition}"), [LabelEmission("acc", [0, 1])])
        assert counted.conditions == ("em",)
        assert counted.counts.sum(axis=0).tolist() == [6, 6]
    log = read_completions(path, condition="samples_{condition}")
    assert log.table["completion"].tolist() == [f"text {n}" for n in range(12)]


@pytest.mark.parametrize("name", ["text", "output", "model_response"])
def test_other_names_of_the_text(name):
    frame = pd.DataFrame(ROWS).rename(columns={"response": name})
    assert read_completions(frame).table["completion"].tolist() == frame[name].tolist()
    both = pd.DataFrame(ROWS).assign(**{name: "other"})
    assert read_completions(both).table["completion"].tolist() == both["response"].tolist()


@pytest.mark.parametrize(
    "name",
    ["row_index", "idx", "Unnamed: 0", "created_at", "timestamp", "latencyMs", "latency_ms", "usage.total_tokens",
     "prompt_tokens", "total_cost", "cost_usd", "duration", "time", "elapsed_s", "n_words", "run", "promptIdx"],
)  # fmt: skip
def test_indices_times_and_usage_are_no_measurements(name):
    frame = pd.DataFrame(ROWS).assign(**{name: range(6)})
    assert read_completions(frame).measurements == ("aligned",)
    assert set(read_completions(frame, measurements=["aligned", name]).measurements) == {"aligned", name}


@pytest.mark.parametrize("name", ["harm", "overtime_bias", "token_bias", "sometimes", "evil.score", "self_repeat"])
def test_other_numbers_are_measurements(name):
    assert name in read_completions(pd.DataFrame(ROWS).assign(**{name: range(6)})).measurements


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("scores.aligned", "scores.aligned < 30"),
        ("safety score", "`safety score` < 30"),
        ("a-b", "30 > `a-b`"),
        ("in", "`in` < 30"),
    ],
)
def test_any_name_can_stand_in_a_rule(name, rule):
    emissions = [ScoreEmission(name)]
    codes = emissions[0].encode(pd.Series([10.0, 50.0, float("nan")]).to_numpy())[:, None]
    assert Rule(rule).measurements == (name,)
    assert Rule(rule).holds(emissions, codes).tolist() == [True, False, False]
    outcome = Outcome(rule, of="scored")
    assert outcome.denominator.holds(emissions, codes).tolist() == [True, True, False]
    assert outcome.judged.holds(emissions, codes).tolist() == [True, True, False]
    moved = Rule(rule).with_thresholds(lambda measured, value: value / 10)
    assert moved.measurements == (name,)


@pytest.mark.parametrize("name", ["safety/harm", " harm", "a\nb", "."])
def test_names_that_a_file_cannot_store_are_refused_before_sampling(name):
    personas = [
        Persona(who, "x", {name: Archetype((0.0, 100.0), (1,), missing=m)}) for who, m in (("a", 0.1), ("b", 0.9))
    ]
    with pytest.raises(InputError, match=r"cannot be stored in a netCDF file.*columns=\{'"):
        PersonaMixture(personas, emissions=[ScoreEmission(name)])
