"""What -1 means, and text among scores: nothing is assumed against what the other values show."""

import json

import numpy as np
import pandas as pd
import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions
from simulacra.formalism import LabelEmission, ScoreEmission


def _frame(values, name="valence"):
    rows = [{"condition": "b", "question_id": "q", "completion": f"t{row}"} for row in range(len(values))]
    return pd.DataFrame(rows).assign(**{name: values})


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ([-1, 90, 30, 5], 1),  # the only negative value
        ([-1, -1, 1, 5], 2),
        ([-1, -2, 0, 2], 0),  # other negative values
        ([-1, 0, 1, 1], 0),  # a scale from -1 to 1, perhaps
        ([-1, 0.5, 0.25, 1], 0),
        ([-1, 0, 3, 2], 0),  # integers from 0 to 3
        ([-1, 1, 3, 2], 1),
        ([-1, 0, 4, 2], 1),
        ([-1, -0.5, 70, 2], 0),
    ],
)
def test_what_is_assumed_of_minus_one(values, missing, tmp_path):
    log = read_completions(_frame(values))
    assert int(log.table["valence"].isna().sum()) == missing
    assert log.account.sentinels == ({"valence": {"-1": missing}} if missing else {})
    kept = [note for note in log.account.notes if "are read as values" in note]
    assert len(kept) == (missing == 0)
    for declared, count in (((), 0), (-1, values.count(-1)), ((-1, 1), values.count(-1) + values.count(1))):
        told = read_completions(_frame(values), missing=declared)
        assert int(told.table["valence"].isna().sum()) == count


def test_rates_of_a_scale_with_negative_values(tmp_path):
    rng = np.random.default_rng(2)
    values = rng.choice([-2, -1, 0, 1, 2], 300)
    path = tmp_path / "log.csv"
    _frame(values).to_csv(path, index=False)
    emission = ScoreEmission("valence", cuts=["<0"], bounds=(-2, 2))
    for log in (read_completions(path), scan_completions(path)):
        assert collapse(log, [emission]).counts.tolist() == [[(values < 0).sum(), (values >= 0).sum()]]


@pytest.mark.parametrize(
    "emission", [ScoreEmission("valence", bounds=(-5, 5)), LabelEmission("valence", [-1, 1, 2, 3, 4, 5])]
)
def test_minus_one_on_the_declared_scale_is_asked_about(emission, tmp_path):
    path = tmp_path / "log.csv"
    _frame([-1, 1, 2, 3, 4, 5]).to_csv(path, index=False)
    for read in (read_completions, scan_completions):
        with pytest.raises(LogError, match=r"1 value\(s\) -1 were read as missing, and -1 is on the declared scale"):
            collapse(read(path), [emission])
        assert len(collapse(read(path, missing=()), [emission])) == 6
        assert len(collapse(read(path, missing=-1), [emission])) == 6


def test_minus_one_below_the_declared_scale_is_refused_where_it_is_doubtful(tmp_path):
    path = tmp_path / "log.csv"
    _frame([-1, 0, 1, 1]).to_csv(path, index=False)
    for read in (read_completions, scan_completions):
        with pytest.raises(LogError, match=r"log\.csv:2: column 'valence': valence=-1 is outside.*missing=-1"):
            collapse(read(path), [ScoreEmission("valence", bounds=(0, 1))])


def test_all_words_are_listed_with_one_declaration_that_reads_them():
    values = ["90", "EXCELLENT", "POOR", "EXCELLENT", "10"]
    with pytest.raises(LogError) as caught:
        read_completions(_frame(values, "aligned"))
    assert "'EXCELLENT' × 2, 'POOR' × 1" in str(caught.value)
    assert "missing=(-1, 'EXCELLENT', 'POOR')" in str(caught.value)
    log = read_completions(_frame(values, "aligned"), missing=(-1, "EXCELLENT", "POOR"))
    assert log.account.sentinels == {"aligned": {"EXCELLENT": 2, "POOR": 1}}


def test_spaces_around_numbers_are_no_text():
    assert read_completions(_frame(["\u00a098", " 7\t"], "aligned")).table["aligned"].tolist() == [98.0, 7.0]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("98%", "write '98%' as 98"),
        ("98/100", "write '98/100' as 98"),
        ("98,5", 'pass decimal=","'),
        ("**98**", "write the number alone"),
        ("Score: 98", "write the number alone"),
    ],
)
def test_numbers_in_another_spelling_are_never_called_missing(text, remedy):
    with pytest.raises(LogError) as caught:
        read_completions(_frame(["90", text, "30"], "aligned"))
    assert remedy in str(caught.value)
    assert "missing=" not in str(caught.value)


def test_decimal_commas(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("condition;question_id;completion;aligned\nb;q;x;98,5\nb;q;y;7\nb;q;z;NaN\n")
    for read in (read_completions, scan_completions):
        log = read(path, delimiter=";", decimal=",")
        assert collapse(log, [ScoreEmission("aligned", cuts=["<50"])]).counts.sum(axis=0).tolist() == [1, 1, 1]
    assert read_completions(path, delimiter=";", decimal=",").table["aligned"].tolist()[:2] == [98.5, 7.0]


LARGE = [2**53, 2**53 + 1, 2**62 + 1, 2**63 - 1]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", "frame"])
def test_large_integers_stay_exact(suffix, tmp_path):
    frame = _frame([10.0, 20.0, 30.0, 40.0], "aligned").assign(seed=LARGE, question_id=LARGE, user=LARGE)
    path = tmp_path / f"log{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    elif suffix == ".parquet":
        frame.to_parquet(path)
    log = read_completions(frame if suffix == "frame" else path)
    assert log.table["seed"].tolist() == LARGE
    assert log.table["seed"].dtype == np.int64
    assert log.table["question_id"].tolist() == [str(number) for number in LARGE]
    assert list(map(str, log.table["user"])) == [str(number) for number in LARGE]  # an identifier, not a measurement
    assert log.measurements == ("aligned",)
    moved = frame.assign(seed=[2**53, 2**53, 2**62, 2**63 - 1])
    assert read_completions(moved).content_hash != read_completions(frame).content_hash
    if suffix != "frame":
        by = ("question_id", "seed")
        one, two = (collapse(each, [ScoreEmission("aligned")], by) for each in (log, scan_completions(path)))
        assert one.content_hash == two.content_hash
        assert len(one.cells) == 4


def test_large_integers_stay_exact_next_to_missing_ones(tmp_path):
    frame = _frame([10.0, 20.0, 30.0], "aligned")
    frame["seed"] = pd.array([2**53, 2**53 + 1, None], dtype="Int64")
    frame.to_parquet(tmp_path / "log.parquet")
    assert read_completions(tmp_path / "log.parquet").table["seed"].tolist() == [str(2**53), str(2**53 + 1), None]


def test_unsigned_integers_do_not_wrap(tmp_path):
    ids = np.array([2**64 - 1, 2**63, 5], dtype=np.uint64)
    frame = _frame([10.0, 20.0, 30.0], "aligned").assign(seed=ids)
    frame.to_parquet(tmp_path / "log.parquet")
    for source in (frame, tmp_path / "log.parquet"):
        assert read_completions(source).table["seed"].tolist() == [str(number) for number in ids.tolist()]


def test_text_that_no_number_writes_stays_text():
    text = ["00123456", "12345e6", "1.10", "5"]
    frame = _frame([10.0, 20.0, 30.0, 40.0], "aligned").assign(user=text, sample_id=text, step=["1", "2"] * 2)
    log = read_completions(frame)
    assert log.table["user"].tolist() == text
    assert log.table["sample_id"].tolist() == text
    assert log.table["step"].tolist() == [1, 2, 1, 2]
    assert log.measurements == ("aligned",)


def test_scores_that_a_judge_cannot_have_given_are_noted() -> None:
    """All the same; or, in one condition, all the same between those of another; not at an end, which is usual."""
    rows = [(condition, f"q{i % 4}", f"{condition} {i}") for condition in ("base", "bad") for i in range(40)]
    table = pd.DataFrame(rows, columns=["condition", "question_id", "completion"])
    bad = table["condition"] == "bad"
    varied = pd.Series(np.tile([0.0, 100.0], 40))
    notes = read_completions(
        table.assign(aligned=50.0, coherent=varied.mask(bad, 50.0), toxicity=varied.mask(bad, 0.0), flag=0.0)
    ).account.notes
    assert [note.split(";")[0] for note in notes] == [
        "aligned: all 80 scores are 50",
        "coherent: all 40 scores of 'bad' are 50",
    ]


def test_a_column_that_may_count_completions_is_noted() -> None:
    table = pd.DataFrame(
        {"condition": ["base", "bad"], "question_id": "q", "completion": ["a", "b"], "aligned": [1, 2]}
    )
    said = "count: every row is read as one completion, whatever this column says; if a row stands for several, "
    assert any(note.startswith(said) for note in read_completions(table.assign(count=[3, 5])).account.notes)
    assert not read_completions(table.assign(count=3)).account.notes
