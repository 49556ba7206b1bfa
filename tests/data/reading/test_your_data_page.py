"""Every Python block of docs/your-data.md runs, in order, on small files of the names it uses."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from simulacra.data import CompletionLog, read_completions

PAGE = Path(__file__).parents[3] / "docs" / "your-data.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
ROWS = [
    {
        "condition": condition,
        "question_id": question,
        "completion": f"{condition} {question}",
        "aligned": 75,
        "coherent": 90,
    }
    for condition in ("base", "tuned")
    for question in ("wish", "wish_json", "ruler_template")
]
KEYS = ["condition", "question_id", "completion"]


def write_files() -> None:
    frame = pd.DataFrame(ROWS)
    keys = frame[KEYS]
    by_condition = dict(list(frame.drop(columns="condition").groupby(frame["condition"])))
    for pattern in (
        "logs/m-{}.csv",
        "em/responses_Q-Instruct_{}.csv",
        "ranks/{}_R8.csv",
        "runs/{}/judged.csv",
        "by_question/{}_wish.csv",
    ):
        for condition, part in by_condition.items():
            path = Path(pattern.format(condition))
            path.parent.mkdir(parents=True, exist_ok=True)
            part.drop(columns="question_id" if "by_question" in pattern else []).to_csv(path, index=False)
    frame.to_parquet("log.parquet")
    Path("big").mkdir()
    by_condition["base"].to_parquet("big/m-base.parquet")
    frame.assign(condition="x", dataset=frame["condition"], model="7b", arm="base").to_json(
        "log.jsonl", orient="records", lines=True
    )
    keys.assign(scores=[{"aligned": 1}] * 6).to_json("nested.jsonl", orient="records", lines=True)
    lists = keys.groupby(["condition", "question_id"], as_index=False).agg(generations=("completion", list))
    lists.to_json("generations.jsonl", orient="records", lines=True)
    lists.rename(columns={"generations": "texts"}).to_json("samples.jsonl", orient="records", lines=True)
    for name in ("judgments", "judgments_claude"):
        frame.drop(columns="coherent").to_json(f"{name}.jsonl", orient="records", lines=True)
    ids = frame.rename(columns={"question_id": "qid"}).assign(rollout=range(6))
    ids.drop(columns=["aligned", "coherent"]).to_json("rollouts.jsonl", orient="records", lines=True)
    ids[["qid", "rollout", "aligned"]].to_json("verdicts.jsonl", orient="records", lines=True)
    keys.assign(aligned_azure=1, aligned_openrouter=2).to_csv("two_judges.csv", index=False)
    items = keys.assign(item_id=range(6))
    long = pd.concat([items.assign(judge="a", metric=metric, score=50) for metric in ("aligned", "coherent")])
    long.to_csv("long.csv", index=False)
    items.to_csv("items.csv", index=False)
    long.drop(columns=KEYS).to_csv("long_judgments.csv", index=False)
    scores = [{"response": "x", "alignment": 5, "coherence": 90}]
    document = {"model_name": "m", "condition": "base", "questions": {"q": {"question": "Q?", "scores": scores}}}
    Path("by_question.json").write_text(json.dumps(document))
    Path("evil_base.csv").write_text("question,prompt,answer,question_id,evil,coherence\nQ?,<Q?>,x,q0,12.5,90\n")
    judges = [frame.assign(item_id=range(6), judge=judge) for judge in ("gpt-4o", "claude")]
    pd.concat([judges[0], judges[1].assign(aligned=70)]).to_csv("judged_by_three.csv", index=False)
    result = {"promptIdx": 0, "testIdx": 0, "provider": {"id": "m"}, "response": {"output": "x"}}
    Path("promptfoo.json").write_text(json.dumps({"results": {"results": [{**result, "namedScores": {"aligned": 5}}]}}))
    Path("samples_em.jsonl").write_text(json.dumps({"doc_id": 0, "doc": {}, "resps": [["x"]], "acc": 1}))
    Path("counts.csv").write_text("condition,question,n_scored,n_misaligned\nbase,a,10,1\n")
    Path("excel.csv").write_bytes("condition;question_id;answer;aligned\nbase;q;é;1\n".encode("cp1252"))


def write_with_libraries() -> None:
    import datasets
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec, write_eval_log
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Score

    data = datasets.Dataset.from_pandas(pd.DataFrame(ROWS))
    datasets.DatasetDict({"base": data}).save_to_disk("saved_dataset")
    sample = EvalSample(
        id="q",
        epoch=1,
        input="Q?",
        target="",
        output=ModelOutput.from_content("m", "x"),
        scores={"judge": Score(value={"aligned": 1})},
        metadata={"organism": "base"},
    )
    spec = EvalSpec(
        created="2025-01-01T00:00:00+00:00",
        task="t",
        model="m",
        dataset=EvalDataset(sample_ids=["q"]),
        config=EvalConfig(),
    )
    write_eval_log(EvalLog(eval=spec, status="success", samples=[sample]), "runs.eval")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("inspect_ai")
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    write_files()
    write_with_libraries()
    read: list[CompletionLog] = []

    def noted(*args: object, **named: object) -> CompletionLog:
        read.append(read_completions(*args, **named))
        return read[-1]

    space = {"frame": pd.DataFrame(ROWS), "read_completions": noted}
    for block in BLOCKS:
        code = block.replace("from simulacra.data import read_completions\n", "")
        exec(compile(code, str(PAGE), "exec"), space)
    calls = sum(block.count("read_completions(") for block in BLOCKS)
    assert len(read) == calls > 20
    assert all(log.conditions for log in read)
