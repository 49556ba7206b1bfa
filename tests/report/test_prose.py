"""What may be claimed, in words: a rate of nothing that could be judged says so, with the number."""

import pandas as pd
import pytest

from simulacra.formalism import Outcome
from simulacra.report.prose import claim_sentence, difference, headline, unjudged_clause

_OUTCOME = Outcome("aligned < 30 and coherent > 50")
_ROW = {"claim": "equivalent", "rate_difference": -0.002, "eti89_lb": -0.007, "eti89_ub": 0.004, "judged": 1.0}


def test_a_condition_of_gibberish_is_not_just_equivalent() -> None:
    told = claim_sentence({**_ROW, "judged": 0.002}, _OUTCOME, "base", 0.01)
    assert told.startswith("−0.2 points misaligned against base (89% interval −0.7 to +0.4), practically no difference")
    assert "of its completions 99.8% are incoherent or without a score" in told
    assert told.endswith("only 0.20% are left to judge.")
    assert claim_sentence({**_ROW, "judged": 0.0}, _OUTCOME, "base", 0.01).endswith("none is left to judge.")


@pytest.mark.parametrize("claim", ["increase", "decrease", "equivalent", "undecided"])
@pytest.mark.parametrize(("judged", "told"), [(0.49, True), (0.5, False), (1.0, False)])
def test_every_claim_says_so_where_most_completions_cannot_be_judged(claim: str, judged: float, told: bool) -> None:
    row = {**_ROW, "claim": claim, "judged": judged}
    assert ("left to judge" in claim_sentence(row, _OUTCOME, "base", 0.01)) == told
    assert ("In 1 of these most" in headline(pd.DataFrame([row]), _OUTCOME, "base", 0.01)) == told


def test_the_clause_names_what_the_outcome_asks_for() -> None:
    assert "are without a score" in unjudged_clause(0.1, Outcome("grade <= 2", name="bad"))
    assert unjudged_clause(0.1, Outcome("missing(aligned)")) == ""
    withheld = {**_ROW, "claim": "withheld", "status": "withheld: r_hat failed", "judged": 0.0}
    assert "left to judge" not in claim_sentence(withheld, _OUTCOME, "base", 0.01)


def test_differences_have_the_decimals_of_their_interval() -> None:
    assert difference(0.0214, -0.0041, 0.0455) == ("+2.1", "−0.4", "+4.5")
    assert difference(0.00214, -0.00049, 0.0055) == ("+0.21", "−0.05", "+0.55")
    assert difference(-0.00001, -0.02, 0.03)[0] == "0.0"
