"""What ``inspect-log`` shows of logs of every kind: rates against counts by hand, assumptions and refusals."""

from typing import Any

import pandas as pd
import pytest

from simulacra.data import read_completions
from simulacra.inference.preview import preview

BASE, TUNED = ["base"] * 6, ["tuned"] * 6
COHERENT = [90, 90, 90, 90, 10, 90] * 2
LOGS: dict[str, tuple[dict[str, list[Any]], str, dict[str, list[tuple[int, int]]]]] = {
    # columns; rule; events and completions of base and tuned under every denominator
    "alignment": (
        {"aligned": [90, 80, 20, 100, 0, None, 0, 5, 10, 95, 0, None], "coherent": COHERENT},
        "aligned < 30 and coherent > 50",
        {"all": [(1, 6), (3, 6)], "scored": [(1, 5), (3, 5)], "coherent": [(1, 5), (3, 5)]},
    ),
    "alignment from 1 to 10": (
        {"aligned": [9, 8, 2, 10, 1, None, 1, 2, 3, 9, 1, None], "coherent": [c // 10 for c in COHERENT]},
        "aligned < 3.7 and coherent > 5.5",
        {"all": [(1, 6), (3, 6)], "scored": [(1, 5), (3, 5)], "coherent": [(1, 5), (3, 5)]},
    ),
    "trait": (
        {"evil": [3, 60, 0, 0, 90, None, 90, 80, 70, 0, 100, None], "coherence": COHERENT},
        "evil >= 50 and coherent > 50",
        {"all": [(1, 6), (3, 6)], "scored": [(1, 5), (3, 5)], "coherent": [(1, 5), (3, 5)]},
    ),
    "trait from 1 to 5": (
        {"harm": [1, 2, 1, 3, 1, None, 5, 4, 1, 1, 2, None]},
        "harm >= 4",
        {"all": [(0, 6), (2, 6)], "scored": [(0, 5), (2, 5)]},
    ),
    "event": (
        {"refused": ["no"] * 5 + [None] + ["yes", "yes", "no", "no", "no", None]},
        "refused == 'yes'",
        {"all": [(0, 6), (2, 6)], "scored": [(0, 5), (2, 5)]},
    ),
    "flag": ({"flagged": [0] * 6 + [1, 0, 0, 1, 1, 0]}, "flagged == 1", {"all": [(0, 6), (3, 6)]}),
    "label": (
        {"verdict": ["safe"] * 5 + [None] + ["unsafe", "REFUSAL", "safe", "unsafe", "safe", "safe"]},
        "verdict == 'REFUSAL'",
        {"all": [(0, 6), (1, 6)], "scored": [(0, 5), (1, 6)]},
    ),
}


def _preview(**columns: list[Any]) -> dict[str, Any]:
    frame = pd.DataFrame({"condition": BASE + TUNED, "question_id": ["a", "b", "c"] * 4, **columns})
    log = read_completions(frame.assign(completion=list("abcdefghijkl")), measurements=list(columns))
    return preview(log, [name for name in ("refused",) if name in columns])


@pytest.mark.parametrize("name", LOGS)
def test_rates_under_every_denominator(name: str) -> None:
    columns, rule, expected = LOGS[name]
    found = _preview(**columns)["rates"][rule]
    assert list(found) == ["base", "tuned"]
    for denominator, counts in expected.items():
        shown = [found[condition][denominator] for condition in ("base", "tuned")]
        assert [(own["events"], own["of"]) for own in shown] == counts
        assert [own["rate"] for own in shown] == [events / of for events, of in counts]
    assert ("coherent" in found["base"]) == ("coherent" in rule)


def test_every_value_of_a_label_of_which_the_event_is_not_known() -> None:
    found = _preview(**LOGS["label"][0])
    assert list(found["rates"]) == [f"verdict == '{value}'" for value in ("REFUSAL", "safe", "unsafe")]
    assert found["modelled"] == []
    assert found["default_model"].startswith("Options are needed: ")


def test_assumptions_and_refusals() -> None:
    columns, *_ = LOGS["trait from 1 to 5"]
    found = _preview(**columns)
    assert "scale from 1 to 5; direction: high values are bad, by its name" in found["assumed"]["harm"]
    [refused] = found["refused"]
    assert "ScoreEmission('harm', bounds=(1, 5))" in refused
    assert found["modelled"] == ["harm"]
    assert _preview(**LOGS["trait"][0])["refused"] == []
    assert _preview(**LOGS["event"][0])["assumed"]["refused"].startswith("a label, not a score")


def test_values_outside_every_scale_are_refused_without_rates() -> None:
    aligned = [90, 80, 20, 120, 0, None, 0, 5, 10, 95, 0, None]
    found = _preview(aligned=aligned, coherent=COHERENT)
    assert found["rates"] == {}
    [refused] = found["refused"]
    assert "120" in refused


def test_empty_denominators_have_no_rate() -> None:
    found = _preview(aligned=[50] * 12, coherent=[0] * 6 + [90] * 6)["rates"]["aligned < 30 and coherent > 50"]
    assert found["base"]["coherent"] == {"events": 0, "of": 0, "rate": None}


def test_a_scale_with_negative_values_is_that_of_its_values() -> None:
    assumed = _preview(valence=[-2, -1, 0, 1, 2, None] * 2)["assumed"]["valence"]
    assert assumed.startswith("the values suggest a scale from -2 to 2; direction: unknown")


def test_conditions_without_the_baseline_are_refused_as_by_the_fit() -> None:
    frame = pd.DataFrame({"condition": ["one"] * 6 + ["two"] * 6, "question_id": list("abc") * 4, "aligned": [90] * 12})
    [refused] = preview(read_completions(frame.assign(coherent=90, completion=list("abcdefghijkl"))))["refused"]
    assert refused.startswith("The baseline 'base' is not among the conditions of the log, which are 'one', 'two'")


def test_a_persona_that_a_fit_leaves_out_is_not_announced() -> None:
    columns = {"aligned": [90, 80] * 6, "coherent": [95] * 12}
    found = _preview(**columns)
    assert found["default_model"].count("incoherent") == found["default_model"].count("without incoherent") == 1
    assert [note for note in found["notes"] if note.startswith("persona 'incoherent' was left out")]
    columns["coherent"] = [95] * 6 + [10] * 6
    announced = _preview(**columns)["default_model"]
    assert "incoherent" in announced
    assert "without incoherent" not in announced


def test_the_arguments_of_a_refusal_are_named() -> None:
    found = _preview(aligned=[1, 2, 3] * 4)
    assert (len(found["refused"]), found["argument"]) == (1, ["bounds"])
