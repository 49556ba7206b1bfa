"""Inspect logs, written here by the library's own writer."""

import json
import zipfile

import numpy as np
import pytest

from simulacra.data import LogError, describe, read_completions, scan_completions

inspect_log = pytest.importorskip("inspect_ai.log")
from inspect_ai.event import InfoEvent  # noqa: E402
from inspect_ai.log import (  # noqa: E402
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalRevision,
    EvalSample,
    EvalSpec,
    ProvenanceData,
    write_eval_log,
)
from inspect_ai.model import ChatMessageUser, ModelOutput  # noqa: E402
from inspect_ai.scorer import Score, ScoreEdit  # noqa: E402

# ijson, which inspect_ai reads headers with, and its event loop leave resources to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def sample(number: int, epoch: int = 1, **more) -> EvalSample:
    scores = {"judge": Score(value={"aligned": 10 * number, "coherent": 90.0})}
    return EvalSample(
        **{
            "id": f"q{number}",
            "epoch": epoch,
            "input": f"Question {number}?",
            "target": "",
            "output": ModelOutput.from_content("m", f"answer {number} {epoch}"),
            "scores": scores,
            "metadata": {"organism": "base", "difficulty": number, "nested": {"topic": "x"}},
        }
        | more
    )


def log(*samples: EvalSample, status: str = "success", **more) -> EvalLog:
    spec = EvalSpec(
        created="2025-01-01T00:00:00+00:00",
        task="wishes",
        model="local/model",
        model_args={"adapter": "narrow"},
        revision=EvalRevision(type="git", origin="here", commit="abc1234"),
        packages={"inspect_ai": "0.3"},
        dataset=EvalDataset(
            samples=len({each.id for each in samples}), sample_ids=sorted({each.id for each in samples})
        ),
        config=EvalConfig(epochs=max(each.epoch for each in samples)),
    )
    return EvalLog(eval=spec.model_copy(update=more), status=status, samples=list(samples))


@pytest.fixture(params=[".eval", ".json"])
def write(request, tmp_path):
    """A function that writes a log in one of the two formats."""

    def write(written: EvalLog, name: str = "log"):
        path = tmp_path / f"{name}{request.param}"
        write_eval_log(written, str(path))
        return path

    return write


def test_samples_scores_and_provenance(write):
    path = write(log(*(sample(number, epoch) for number in (1, 2) for epoch in (1, 2))))
    read = read_completions(path, condition="organism")
    assert len(read) == 4
    assert read.measurements == ("aligned", "coherent")
    table = read.table.sort_values(["question_id", "epoch"])
    assert table["aligned"].tolist() == [10, 10, 20, 20]
    assert table["completion"].tolist() == ["answer 1 1", "answer 1 2", "answer 2 1", "answer 2 2"]
    assert table["epoch"].tolist() == [1, 2, 1, 2]
    assert table["question"].tolist() == ["Question 1?"] * 2 + ["Question 2?"] * 2
    assert {"difficulty", "nested.topic", "model_args.adapter", "model", "task"} <= set(read.contexts)
    said = read.account.provenance[str(path)]
    assert said["git_commit"] == "abc1234"
    assert json.loads(said["model_args"]) == {"adapter": "narrow"}
    assert said["task"] == "wishes"
    assert read.account.layouts[str(path)].startswith("inspect")
    assert {str(kind) for kind in read.table.dtypes} <= {"object", "float64", "int64"}


def test_two_scorers_of_one_metric_are_two_columns(write):
    two = {"a": Score(value={"aligned": 1}), "b": Score(value={"aligned": 2, "tone": "dry"}), "match": Score(value="C")}
    read = read_completions(write(log(sample(1, scores=two), sample(2, scores=two))), condition="organism")
    assert set(read.measurements) == {"aligned_a", "aligned_b", "tone", "match"}
    assert read.table["match"].tolist() == ["C", "C"]


def test_errors_invalid_and_unscored_samples_are_counted_apart(write):
    from inspect_ai._util.error import EvalError

    path = write(
        log(
            sample(1),
            sample(2, error=EvalError(message="out of memory", traceback="", traceback_ansi="")),
            sample(3, invalidation=ProvenanceData(author="someone", reason="wrong prompt")),
            sample(4, scores=None),
            sample(5, scores={"judge": Score(value={"aligned": float("nan"), "coherent": 5})}),
            status="error",
        )
    )
    read = read_completions(path, condition="organism")
    assert read.table["question_id"].tolist() == ["q1", "q5"]
    np.testing.assert_array_equal(read.table["aligned"], [10, np.nan])
    assert {reason: left.count for reason, left in read.account.left_out.items()} == {
        "the sample ended in an error": 1,
        "the sample was invalidated": 1,
        "the sample has no scores": 1,
    }
    assert read.account.left_out["the sample ended in an error"].examples == (f"{path}: record 2",)
    assert read.account.rows_read == {str(path): 5}
    assert any("status is 'error'; 5 of 5 samples" in note for note in read.account.notes)


def test_edited_scores_are_read_and_reported(write):
    written = log(sample(1), sample(2))
    inspect_log.edit_score(
        written,
        "q1",
        "judge",
        ScoreEdit(value={"aligned": 99, "coherent": 90.0}),
        recompute_metrics=False,
    )
    read = read_completions(write(written), condition="organism")
    assert read.table["aligned"].tolist() == [99, 20]
    assert any("the scores of 1 sample(s) were edited" in note for note in read.account.notes)


def test_long_transcripts_are_not_read(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    noise = "".join(map(chr, rng.integers(97, 123, 30_000)))
    path = tmp_path / "log.eval"
    write_eval_log(log(sample(1, events=[InfoEvent(data=noise)]), sample(2)), str(path))
    seen = []
    original = inspect_log.read_eval_log_samples_by_id

    def spy(*args, **named):
        seen.append(named["exclude_fields"])
        return original(*args, **named)

    monkeypatch.setattr(inspect_log, "read_eval_log_samples_by_id", spy)
    assert len(read_completions(path, condition="organism")) == 2
    assert "events" in seen[0]


def test_chats_and_metadata_that_bear_our_names(write):
    chat = [ChatMessageUser(content="first"), ChatMessageUser(content="last")]
    metadata = {"organism": "base", "model": "mine", "aligned": 3}
    read = read_completions(write(log(sample(1, input=chat, metadata=metadata))), condition="organism")
    row = read.table.iloc[0]
    assert (row["question"], row["metadata.model"], row["aligned"]) == ("last", "mine", 10)
    assert row["metadata.aligned"] == 3


def test_several_logs_by_model(write):
    paths = [write(log(sample(1), sample(2), model=name), name) for name in ("base", "tuned")]
    assert read_completions(paths, condition="model").conditions == ("base", "tuned")
    assert read_completions(paths, condition="{condition}", columns={"model": None}).conditions == ("base", "tuned")
    with pytest.raises(LogError, match="nothing says which condition"):
        read_completions(paths)


def test_logs_that_cannot_be_read(tmp_path, write):
    (tmp_path / "cut.eval").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(LogError, match=r"cut\.eval: inspect_ai cannot read the log \(.*copied completely"):
        read_completions(tmp_path / "cut.eval", condition="model")
    with pytest.raises(LogError, match="1 the sample has no scores"):
        read_completions(write(log(sample(1, scores=None))), condition="model")
    with pytest.raises(LogError, match="a scan cannot read this format"):
        scan_completions(tmp_path / "cut.eval")


def test_a_bug_of_ours_is_not_called_damage_of_the_log(write, monkeypatch):
    def broken(*_):
        raise KeyError("a bug")

    path = write(log(sample(1)))
    monkeypatch.setattr("simulacra.data.reading.formats.inspect._record", broken)
    with pytest.raises(KeyError, match="a bug"):
        read_completions(path, condition="organism")


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_log_that_is_cut_short_is_refused(write, kept):
    path = write(log(*(sample(number) for number in range(1, 9))))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(LogError, match="inspect_ai cannot read the log"):
        read_completions(path, condition="organism")


def test_a_log_with_damaged_bytes_is_refused(tmp_path):
    path = tmp_path / "log.eval"
    write_eval_log(log(*(sample(number) for number in range(1, 9))), str(path))
    with zipfile.ZipFile(path) as archive:
        member = next(each for each in archive.infolist() if each.filename.startswith("samples/"))
    content = bytearray(path.read_bytes())
    start = member.header_offset + 30 + len(member.filename)
    content[start : start + member.compress_size] = bytes(member.compress_size)
    path.write_bytes(content)
    with pytest.raises(LogError, match="inspect_ai cannot read the log"):
        read_completions(path, condition="organism")


def test_progress_is_shown_when_asked_for(write, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    path = write(log(sample(1)))
    read_completions(path, condition="organism", progress_bar=False)
    assert capsys.readouterr().err == ""
    read_completions(path, condition="organism", progress_bar=True)
    assert path.name in capsys.readouterr().err


def test_secrets_of_the_evaluation_reach_no_table_and_no_account(write):
    arguments = {
        "api_key": "hunter2",
        "default_headers": {"Authorization": "hunter2"},
        "base_url": "https://me:hunter2@host.example/v1?token=hunter2&version=3",
        "adapter": "narrow",
    }
    samples = [sample(number, metadata={"organism": "base", "judge": {"api_key": "hunter2"}}) for number in (1, 2)]
    path = write(log(*samples, model_args=arguments, task_args={"judge_token": "hunter2"}))
    read = read_completions(path, condition="organism")
    said = json.dumps(describe(read)) + read.table.to_json() + str(read.account)
    assert "hunter2" not in said
    assert read.account.provenance[str(path)]["model_args"].count("[redacted]") == 4
    assert set(read.table["model_args.base_url"]) == {"https://[redacted]@host.example/v1?token=[redacted]&version=3"}
    assert set(read.table["model_args.adapter"]) == {"narrow"}


def test_samples_with_an_error_and_scores_are_kept_by_choice(write):
    from inspect_ai._util.error import EvalError

    failed = EvalError(message="provider 500", traceback="", traceback_ansi="")
    path = write(log(sample(1), sample(2, error=failed), sample(3, error=failed, scores=None)))
    assert len(read_completions(path, condition="organism")) == 1
    kept = read_completions(path, condition="organism", errors="keep")
    assert kept.questions == ("q1", "q2")
    assert {reason: left.count for reason, left in kept.account.left_out.items()} == {"the sample ended in an error": 1}


@pytest.mark.parametrize(("limit", "complete"), [(2, True), ((1, 3), True), (3, False), (None, False), (50, False)])
def test_planned_samples_heed_the_limit(limit, complete, write):
    dataset = EvalDataset(samples=10, sample_ids=["q1", "q2"])
    config = EvalConfig(epochs=2, limit=limit)
    samples = [sample(number, epoch) for number in (1, 2) for epoch in (1, 2)]
    read = read_completions(write(log(*samples, dataset=dataset, config=config)), condition="organism")
    assert any("were planned" in note for note in read.account.notes) != complete


def test_tasks_that_number_their_samples_alike(write):
    for task in ("wishes", "rulers"):
        own = [sample(number, input=f"{task} {number}?") for number in (1, 2)]
        write(log(*own, task=task), task)
    folder = write(log(sample(1, input="wishes 1?"), task="wishes"), "again").parent
    assert read_completions(folder, condition="organism", duplicates="drop").questions == (
        "rulers/q1",
        "rulers/q2",
        "wishes/q1",
        "wishes/q2",
    )
