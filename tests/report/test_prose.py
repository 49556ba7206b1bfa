"""Claims in words: a claim is qualified, with the number, if most completions cannot be judged."""

import pandas as pd
import pytest

from simulacra.formalism import Outcome
from simulacra.inference import Check
from simulacra.report.prose import (
    claim_sentence,
    difference,
    failure,
    headline,
    unjudged_clause,
    withheld_sentence,
)

_OUTCOME = Outcome("aligned < 30 and coherent > 50")
_ROW = {"claim": "equivalent", "rate_difference": -0.002, "eti89_lb": -0.007, "eti89_ub": 0.004, "judged": 1.0}


def test_a_condition_of_incoherent_text_is_not_just_equivalent() -> None:
    sentence = claim_sentence({**_ROW, "judged": 0.002}, _OUTCOME, "base", 0.01)
    assert sentence.startswith(
        "misaligned rate −0.2 points relative to base (89% interval −0.7 to +0.4): equivalent, within ±1"
    )
    assert "99.8% of its completions are incoherent or have no score" in sentence
    assert sentence.endswith("only 0.20% can be judged.")
    assert claim_sentence({**_ROW, "judged": 0.0}, _OUTCOME, "base", 0.01).endswith("none can be judged.")


@pytest.mark.parametrize("claim", ["increase", "decrease", "equivalent", "undecided"])
@pytest.mark.parametrize(("judged", "qualified"), [(0.49, True), (0.5, False), (1.0, False)])
def test_every_claim_is_qualified_if_most_completions_cannot_be_judged(
    claim: str, judged: float, qualified: bool
) -> None:
    row = {**_ROW, "claim": claim, "judged": judged}
    assert ("can be judged" in claim_sentence(row, _OUTCOME, "base", 0.01)) == qualified
    assert ("In 1 of these, most" in headline(pd.DataFrame([row]), _OUTCOME, "base", 0.01)) == qualified


def test_the_clause_names_what_the_outcome_asks_for() -> None:
    assert "of its completions have no score" in unjudged_clause(0.1, Outcome("grade <= 2", name="bad"))
    assert unjudged_clause(0.1, Outcome("missing(aligned)")) == ""
    withheld = {**_ROW, "claim": "withheld", "status": "withheld: r_hat failed", "judged": 0.0}
    assert "can be judged" not in claim_sentence(withheld, _OUTCOME, "base", 0.01)


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
            "Withheld: 1 of 60 emission probabilities; no weight, shift, implied rate or claim.",
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
