"""Claims in words: scope, what personas account for, and a qualification if most completions cannot be judged."""

import math

import pandas as pd
import pytest

from simulacra.formalism import Outcome
from simulacra.inference import Check
from simulacra.report.prose import (
    baseline_clause,
    claim_sentence,
    difference,
    explained_clause,
    failure,
    headline,
    place_of,
    unjudged_clause,
    unjudged_sentence,
    withheld_sentence,
)

_OUTCOME = Outcome("aligned < 30 and coherent > 50")
_ROW = {
    "condition": "tuned",
    "scope": "these",
    "claim": "equivalent",
    "rate_difference": -0.002,
    "eti89_lb": -0.007,
    "eti89_ub": 0.004,
    "implied": -0.001,
    "explained": math.nan,
    "unexplained": -0.001,
    "unexplained_lb": -0.006,
    "unexplained_ub": 0.004,
    "implied_status": "ok",
    "judged": 1.0,
}
_DRIVEN = "prior-driven (0.1 to 0.2)"
_NEW = {"claim": "undecided", "rate_difference": 0.01, "eti89_lb": -0.03, "eti89_ub": 0.05, "judged": 1.0}
_WORDS = "on these 4 questions"


def _sentence(row: dict, new: dict = _NEW, ci_prob: float = 0.89) -> str:
    return claim_sentence(row, new, _OUTCOME, "base", _WORDS, 0.01, ci_prob=ci_prob)


def test_a_claim_names_its_scope_and_what_is_claimed_beyond_it() -> None:
    sentence = _sentence(_ROW)
    assert sentence.startswith(
        "misaligned rate −0.2 points relative to base on these 4 questions (89% interval −0.7 to +0.4): equivalent, "
        "the interval lies within ±1."
    )
    assert sentence.endswith("For new questions of this kind +1.0 (−3.0 to +5.0): undecided.")
    unlike = "on the questions that each was asked, 3 of 9 base questions in common (89% interval"
    assert unlike in _sentence({**_ROW, "questions": 3, "asked": 9})
    narrow = {key.replace("eti89", "eti50"): value for key, value in _ROW.items()}
    of_new = {key.replace("eti89", "eti50"): value for key, value in _NEW.items()}
    assert "50% interval" in _sentence(narrow, of_new, 0.5)


def test_a_claim_about_new_questions_can_be_withheld_alone_and_both_can() -> None:
    held = {"claim": "withheld", "status": "withheld: R-hat 1.087, ESS 34"}
    assert _sentence(_ROW, {**_NEW, **held}).endswith("For new questions, withheld (R-hat 1.087, ESS 34).")
    assert _sentence({**_ROW, **held}, {**_NEW, **held}) == "claim withheld (R-hat 1.087, ESS 34)."
    assert _sentence({**_ROW, **held}).startswith(
        "claim withheld (R-hat 1.087, ESS 34). For new questions of this kind "
    )


def test_too_few_questions_are_the_reason_why_nothing_is_claimed_about_new_ones() -> None:
    narrow = {**_NEW, "claim": "undecided", "eti89_lb": -0.002, "eti89_ub": 0.003, "questions": 8}
    assert _sentence(_ROW, narrow).endswith(
        "undecided, because 8 base questions may leave up to 30% of the kind unseen."
    )
    high = {**narrow, "eti89_lb": 0.05, "eti89_ub": 0.4, "questions": 3}
    assert _sentence(_ROW, high).endswith("undecided, because 3 base questions are too few to be certain of its sign.")
    none = {**narrow, "questions": 0, "asked": 16}
    assert _sentence(_ROW, none).endswith("undecided, because they have no base question in common.")
    open_ = {**narrow, "eti89_lb": -0.05, "eti89_ub": 0.4}
    assert _sentence(_ROW, open_).endswith(": undecided.")


def test_what_the_interval_would_allow_and_is_not_claimed_has_a_reason() -> None:
    inside = _sentence({**_ROW, "claim": "undecided"})
    assert "undecided, because it is not within ±1 with the questions in the same proportions." in inside
    outside = _sentence({**_ROW, "claim": "undecided", "eti89_lb": 0.02, "eti89_ub": 0.4})
    assert "undecided, because its sign is not certain enough, or because it depends on the proportions" in outside
    open_ = _sentence({**_ROW, "claim": "undecided", "eti89_lb": -0.2, "eti89_ub": 0.4})
    assert "undecided, the data support neither a difference nor equivalence (within ±1)." in open_


def test_a_baseline_says_that_personas_do_not_account_for_its_rate() -> None:
    row = {"implied": 0.099, "unexplained": -0.015, "unexplained_lb": -0.025, "unexplained_ub": -0.005}
    row["implied_status"] = "ok"
    assert baseline_clause(row, 0.01) == (
        "Personas account for a rate of 9.9%; −1.5 (−2.5 to −0.5) points are not explained by personas. If they "
        "miss the rate of another condition by as much, the difference from it appears explained, although neither "
        "rate is."
    )
    assert "9.9%, prior-driven (0.1 to 0.2); −1.5" in baseline_clause({**row, "implied_status": _DRIVEN}, 0.01)
    assert baseline_clause(row, 0.02) == ""
    assert baseline_clause({**row, "unexplained_ub": 0.001}, 0.01) == ""
    assert baseline_clause(dict.fromkeys(row, math.nan), 0.01) == ""


def test_a_claim_says_what_the_personas_account_for_and_what_they_do_not() -> None:
    increase = {**_ROW, "claim": "increase", "rate_difference": 0.2, "eti89_lb": 0.15, "eti89_ub": 0.25}
    both = {**increase, "implied": 0.12, "explained": 0.6, "unexplained": 0.08}
    both |= {"unexplained_lb": 0.02, "unexplained_ub": 0.14}
    missed = (
        "Personas account for +12.0 points (60%); +8.0 (+2.0 to +14.0) points of the difference are not explained by "
        "personas."
    )
    assert explained_clause(both, 0.01) == missed
    assert missed in _sentence(both)
    assert (
        explained_clause({**both, "implied": 0.195, "explained": 0.975, "unexplained": 0.005}, 0.01)
        == "Personas account for +19.5 points (98%)."
    )
    assert explained_clause(_ROW, 0.01) == ""
    assert "(60%), prior-driven (0.1 to 0.2); +8.0" in explained_clause({**both, "implied_status": _DRIVEN}, 0.01)
    assert explained_clause({**_ROW, "unexplained": -0.03, "implied": 0.028}, 0.01).endswith(
        "not explained by personas."
    )
    withheld = {**both, "implied": math.nan, "unexplained": math.nan}
    assert "increase" in _sentence(withheld)
    assert "What the personas account for is withheld." in _sentence(withheld)


def test_a_context_is_part_of_the_place() -> None:
    assert place_of(_ROW) == "tuned"
    split = {"condition": "backdoor", "trigger": "on", "framing": "2", "scope": "these", "rate": 0.3}
    assert place_of(split) == "backdoor, trigger=on, framing=2"


def test_a_condition_of_incoherent_text_is_not_just_equivalent() -> None:
    sentence = _sentence({**_ROW, "judged": 0.002})
    assert "99.8% of its completions are incoherent or have no score" in sentence
    assert sentence.endswith("only 0.20% can be judged.")
    assert _sentence({**_ROW, "judged": 0.0}).endswith("none can be judged.")


@pytest.mark.parametrize("claim", ["increase", "decrease", "equivalent", "undecided"])
@pytest.mark.parametrize(("judged", "qualified"), [(0.49, True), (0.5, False), (1.0, False)])
def test_every_claim_is_qualified_if_most_completions_cannot_be_judged(
    claim: str, judged: float, qualified: bool
) -> None:
    row = {**_ROW, "claim": claim, "judged": judged}
    assert ("can be judged" in _sentence(row)) == qualified
    found = headline({_WORDS: pd.DataFrame([row])}, _OUTCOME, "base", 0.01)
    assert ("In 1 of these, most" in unjudged_sentence(pd.DataFrame([row]))) == qualified
    assert found.startswith("Of 1 condition compared with base, 1 ")
    assert f" {_WORDS}." in found


def test_a_headline_counts_claims_of_one_condition_in_several_contexts_as_comparisons() -> None:
    rows = [
        {**_ROW, "trigger": trigger, "claim": claim} for trigger, claim in (("off", "equivalent"), ("on", "increase"))
    ]
    own = pd.DataFrame(rows)
    said = (
        "Of 2 comparisons with base, 1 raises the misaligned rate by more than 1 percentage point and 1 stays within "
        "±1 percentage point on these 4 questions"
    )
    assert headline({_WORDS: own}, _OUTCOME, "base", 0.01) == f"{said}."
    assert headline({_WORDS: own, "for new ones": own}, _OUTCOME, "base", 0.01) == f"{said} and for new ones."
    other = own.assign(claim=own["claim"][::-1].to_numpy())  # as many of every kind, of other conditions
    assert headline({_WORDS: own, "for new ones": other}, _OUTCOME, "base", 0.01).startswith(f"{said}; 1 raises")


def test_the_clause_names_what_the_outcome_asks_for() -> None:
    assert "of its completions have no score" in unjudged_clause(0.1, Outcome("grade <= 2", name="bad"))
    assert unjudged_clause(0.1, Outcome("missing(aligned)")) == ""
    withheld = {**_ROW, "claim": "withheld", "status": "withheld: R-hat 1.087, ESS 34", "judged": 0.0}
    assert "can be judged" not in _sentence(withheld)


def test_differences_have_the_decimals_of_their_interval() -> None:
    assert difference(0.0214, -0.0041, 0.0455) == ("+2.1", "−0.4", "+4.5")
    assert difference(0.00214, -0.00049, 0.0055) == ("+0.21", "−0.05", "+0.55")
    assert difference(-0.00001, -0.02, 0.03)[0] == "0.0"


def _statuses(**held: tuple[int, int]) -> dict[str, pd.DataFrame]:
    return {
        name: pd.DataFrame({"status": ["withheld: R-hat 1.012, ESS 500"] * lost + ["ok"] * (total - lost)})
        for name, (lost, total) in held.items()
    }


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (
            _statuses(weights=(0, 25), shifts=(0, 20), rates=(0, 5), contrasts=(0, 4), emissions=(1, 60)),
            "Withheld: 1 of 60 emission probabilities; no rate, claim, weight or shift.",
        ),
        (
            _statuses(weights=(25, 25), shifts=(20, 20), emissions=(3, 60)),
            "Withheld: all 25 weights, all 20 shifts and 3 of 60 emission probabilities.",
        ),
        (
            _statuses(weights=(0, 4), shifts=(0, 2), emissions=(0, 0)),  # a scale failed; texts have no emissions
            "Withheld: no weight or shift; the failed quantity is not part of the tables.",
        ),
    ],
)
def test_what_is_withheld_is_counted(tables: dict[str, pd.DataFrame], sentence: str) -> None:
    assert withheld_sentence(tables) == sentence


def test_a_check_that_nothing_could_answer_finds_nothing() -> None:
    check = Check("name: misaligned", False, float("nan"), 0.8, "coherent is not measured", "Have it judged.")
    assert failure(check) == "could not be checked: coherent is not measured. Have it judged."
    short = Check("ess_bulk", False, 12.5, 400, "worst at mid", "Sample longer.")
    assert failure(short) == "failed: 12.5, threshold 400 (worst at mid). Sample longer."
    assert "nan" not in str(check)
