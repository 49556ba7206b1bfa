"""One row per judge is one completion with several judges; several judgments of one judge are refused."""

import numpy as np
import pandas as pd
import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions
from simulacra.formalism import ScoreEmission


def _judged(judges=("gpt-4o", "claude", "gemini"), completions=12, *, item=True):
    rng = np.random.default_rng(1)
    rows = [
        {
            "model": "base" if number % 2 else "tuned",
            "question_id": f"q{number % 3}",
            "item_id": f"i{number}",
            "answer": f"reply {number}",
            "judge": judge,
            "aligned": int(rng.integers(0, 101)),
            "coherent": int(rng.integers(0, 101)),
            "reason": f"{judge} on {number}",
        }
        for number in range(completions)
        for judge in judges
    ]
    frame = pd.DataFrame(rows)
    return frame if item else frame.drop(columns="item_id")


@pytest.mark.parametrize("name", ["judge", "Grader", "rater_id", "annotator", "evaluator"])
@pytest.mark.parametrize("item", [True, False])
def test_judges_in_rows_become_columns(name, item):
    frame = _judged(item=item).rename(columns={"judge": name})
    log = read_completions(frame, condition="model", columns={"aligned": "aligned_gpt_4o"})
    assert len(log) == 12
    assert log.table["aligned"].tolist() == frame.loc[frame[name] == "gpt-4o", "aligned"].tolist()
    claude = frame.loc[frame[name] == "claude", "coherent"].tolist()
    assert log.table["coherent_claude"].tolist() == claude
    assert log.account.rows_read == {"<DataFrame>": 12}
    assert "36 judgments of 12 completions by 3 judges" in " ".join(log.account.notes)
    assert 'columns={"aligned": "aligned_gpt_4o"}' in " ".join(log.account.notes)
    assert log.account.set_aside["reason"] == "differs between the judgments of one completion"
    assert log.account.layouts["<DataFrame>"].startswith("judges")


def test_verdicts_in_words_become_columns():
    frame = _judged().drop(columns=["aligned", "coherent"])
    frame["verdict"] = np.where(np.arange(len(frame)) % 5 < 2, "bad", "fine")
    columns = [f"verdict_{judge}" for judge in ("gpt_4o", "claude", "gemini")]
    assert set(columns) <= set(read_completions(frame, condition="model").contexts)
    log = read_completions(frame, condition="model", measurements=columns)
    assert log.measurements == tuple(columns)
    assert log.table["verdict_claude"].tolist() == frame.loc[frame["judge"] == "claude", "verdict"].tolist()
    assert log.account.set_aside["reason"] == "differs between the judgments of one completion"


def test_a_judge_that_scored_some_completions_only():
    frame = _judged()
    frame = frame[~((frame["judge"] == "gemini") & (frame["item_id"] == "i3"))]
    log = read_completions(frame, condition="model")
    assert log.table["aligned_gemini"].isna().sum() == 1
    assert len(log) == 12


def test_rows_with_a_number_of_their_own_are_the_same_completion():
    frame = _judged().drop(columns="item_id")
    assert len(read_completions(frame.assign(id=range(len(frame))), condition="model")) == 12


def test_one_judge_for_every_completion_is_a_context():
    frame = _judged(("gpt-4o",))
    frame["judge"] = ["gpt-4o", "claude"] * 6
    log = read_completions(frame, condition="model")
    assert (len(log), log.measurements) == (12, ("aligned", "coherent"))
    assert "judge" in log.contexts


@pytest.mark.parametrize("column", [True, False])
def test_repeated_judgments_of_one_judge_are_refused(column):
    frame = pd.concat([_judged(("gpt-4o",)), _judged(("gpt-4o",)).assign(aligned=5, reason="again")])
    frame = frame if column else frame.drop(columns="judge")
    with pytest.raises(LogError, match=r"record 13: .*12 row\(s\) are further judgments .*same judge.*groupby"):
        read_completions(frame, condition="model")
    assert len(read_completions(frame, condition="model", layout="rows")) == 24


def test_short_answers_that_repeat_are_completions():
    frame = _judged(("gpt-4o",)).assign(answer="I do not know.", item_id=range(12))
    assert len(read_completions(frame, condition="model")) == 12


def test_a_scan_refuses_rows_of_several_judges(tmp_path):
    _judged().to_csv(tmp_path / "log.csv", index=False)
    log = scan_completions(tmp_path / "log.csv", condition="model")
    with pytest.raises(LogError, match=r"column 'judge': the rows are of 3 judges .*layout=\"rows\""):
        collapse(log, [ScoreEmission("aligned")])
    rows = scan_completions(tmp_path / "log.csv", condition="model", layout="rows")
    assert len(collapse(rows, [ScoreEmission("aligned")])) == 36
    _judged(("gpt-4o",)).to_csv(tmp_path / "one.csv", index=False)
    assert len(collapse(scan_completions(tmp_path / "one.csv", condition="model"), [ScoreEmission("aligned")])) == 12


@pytest.mark.parametrize("name", ["evil", "sycophancy", "harm", "Toxicity", "hallucination", "judge_harmfulness"])
def test_scores_of_which_high_values_are_bad_are_not_aligned(name):
    frame = _judged(("a",)).rename(columns={"aligned": name})
    with pytest.raises(LogError, match=r"high values of this score are bad.*ScoreEmission\('"):
        read_completions(frame, condition="model", columns={"aligned": name})


@pytest.mark.parametrize("name", ["harmlessness", "harmless", "non_toxic", "nontoxicity", "aligned_azure", "charm"])
def test_other_scores_may_be_aligned(name):
    frame = _judged(("a",)).rename(columns={"aligned": name})
    assert "aligned" in read_completions(frame, condition="model", columns={"aligned": name}).measurements
