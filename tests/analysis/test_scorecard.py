"""The scorecard: each quantity against its definition, ranks, refusals, and recovery."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from simulacra.analysis import METRICS, scorecard
from simulacra.analysis.scorecard import _ranks, breadth, half_dose
from simulacra.formalism import Outcome
from simulacra.inference import Result
from simulacra.inference.prepare import Prepared
from tests.analysis.rate_worlds import LOGS, covered, sampled, worlds

DOSES = {"bad": {"mild": 10.0, "bad": 40.0}}


def test_breadth_counts_equal_questions_and_ignores_the_size_of_rates(rng: np.random.Generator) -> None:
    rates = rng.uniform(size=(3, 6))
    assert breadth(np.full(6, 0.3)) == pytest.approx(6)
    assert breadth(np.array([0.4, 0.0, 0.0, 0.4])) == pytest.approx(2)
    np.testing.assert_allclose(breadth(rates), breadth(0.1 * rates))
    assert ((breadth(rates) >= 1) & (breadth(rates) <= 6)).all()
    assert np.isnan(breadth(np.zeros(4)))


def test_half_dose_is_where_the_line_crosses_half() -> None:
    doses = np.array([0.0, 10.0, 20.0, 40.0])
    assert half_dose(doses, np.array([0.0, 0.2, 0.6, 0.8])) == pytest.approx(15.0)
    assert half_dose(doses, np.array([0.0, 0.8, 0.1, 0.8])) == pytest.approx(5.0)
    assert half_dose(doses, np.array([0.0, 0.0, 0.0, 0.8])) == pytest.approx(30.0)
    assert np.isnan(half_dose(doses, np.array([0.0, 0.2, 0.3, -0.1])))


def test_ranks_add_up_and_ties_share_the_first_place(rng: np.random.Generator) -> None:
    draws = rng.standard_normal((2, 50, 4))
    for more in (True, False):
        found = _ranks(draws, more, 0.89)
        assert found["rank"].sum() == pytest.approx(10)
        assert found["p_best"].sum() == pytest.approx(1)
    np.testing.assert_allclose(_ranks(draws, True, 0.89)["rank"] + _ranks(draws, False, 0.89)["rank"], 5)
    np.testing.assert_allclose(_ranks(np.zeros((2, 50, 4)), True, 0.89)["p_best"], 0.25)


def test_the_table_is_made_of_the_draws_of_the_fit(fitted: Result) -> None:
    found = scorecard(fitted, doses=DOSES, after={"bad": "mild"})
    table = found.table().set_index(["metric", "organism"])
    assert list(table.index.get_level_values("metric").unique()) == list(METRICS)
    rates = fitted.rates().set_index("condition")
    assert table.loc[("rate", "bad"), "mean"] == rates.loc["bad", "rate"]
    clean = fitted.rates(Outcome(fitted.model.outcome.rule, of="coherent")).set_index("condition")
    assert table.loc[("clean", "mild"), "mean"] == pytest.approx(clean.loc["mild", "rate"], rel=1e-12)
    assert table.loc[("rate", "bad"), "p_best"] > 0.95
    assert table.loc[("persistence", "mild"), "status"] == "withheld: it was not given for this organism"
    base, bad, mild = (fitted.draws("rates").sel(condition=name).to_numpy() for name in ("base", "bad", "mild"))
    assert table.loc[("persistence", "bad"), "mean"] == pytest.approx(((mild - base) / (bad - base)).mean())
    dose = half_dose(np.array([0.0, 10.0, 40.0]), np.stack([0 * base, mild - base, bad - base], axis=-1))
    assert table.loc[("dose", "bad"), "mean"] == pytest.approx(dose.mean())
    assert 1 < table.loc[("breadth", "bad"), "mean"] <= 4
    assert 0 <= table.loc[("reliability", "bad"), "mean"] <= 1
    row, citation = table.loc[("clean", "bad")], found.cite("clean", "bad")
    assert (citation.value, citation.lower, citation.upper) == (row["mean"], row["eti89_lb"], row["eti89_ub"])
    assert (citation.key, citation.scope) == ("clean[bad]", fitted.in_words())


def test_organisms_that_were_asked_other_questions_are_not_ranked_by_rates(
    fitted: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the condition 'bad' had not been asked the first base question."""
    usual, asked = scorecard(fitted).table(), fitted.prepared.asked.copy()
    asked[fitted.conditions.index("bad"), 0] = False
    monkeypatch.setattr(Prepared, "asked", asked)
    found = scorecard(fitted)
    table, by_question = found.table(), usual["metric"].isin(["reliability", "breadth"])
    number = asked.shape[1]
    assert found.words == f"on the questions that each was asked, {number - 1} of {number} base questions in common"
    np.testing.assert_array_equal(table["mean"], usual["mean"])
    assert table.loc[~by_question, ["rank", "p_best"]].isna().all(axis=None)
    assert set(table.loc[~by_question, "status"]) == {"not ranked: not all were asked the same base questions"}
    pd.testing.assert_frame_equal(table[by_question], usual[by_question])


def test_without_an_increase_there_is_no_breadth_dose_or_persistence(fitted: Result) -> None:
    never = Outcome("missing(coherent)", name="missing")
    found = scorecard(fitted, outcome=never, coherent=None, doses=DOSES, after={"bad": "mild"})
    table = found.table().set_index(["metric", "organism"])
    for metric in ("breadth", "dose", "persistence"):
        assert table.loc[(metric, "bad"), "status"].startswith("withheld: the event is not clearly more frequent")
        assert np.isnan(table.loc[(metric, "bad"), "mean"])
    with pytest.raises(ValueError, match=r"breadth\[bad\] is withheld: the event is not clearly more frequent"):
        found.cite("breadth", "bad")


def test_errors_say_what_is_wrong(fitted: Result) -> None:
    with pytest.raises(ValueError, match="organisms are bad; expected at least two different ones among bad, mild"):
        scorecard(fitted, ["bad"])
    with pytest.raises(ValueError, match="organisms are base, bad; expected at least two"):
        scorecard(fitted, ["base", "bad"])
    with pytest.raises(ValueError, match="margin is 2"):
        scorecard(fitted, margin=2.0)
    with pytest.raises(
        ValueError, match=r"the doses of bad are .*; expected different positive, finite numbers, that of bad"
    ):
        scorecard(fitted, doses={"bad": {"bad": 10.0, "mild": 40.0}})
    with pytest.raises(ValueError, match="scorecard: after has 'base'; expected a mapping with organisms among bad"):
        scorecard(fitted, after={"base": "mild"})
    with pytest.raises(ValueError, match="no group has condition=worse"):
        scorecard(fitted, ["bad", "worse"])
    with pytest.raises(ValueError, match="there is no 'rank' of 'bad'; expected a quantity among rate"):
        scorecard(fitted).cite("rank", "bad")


@pytest.mark.slow
def test_the_quantities_are_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = worlds(6)
    drawn, _ = sampled(truth, 7, monkeypatch)
    rates = special.expit(drawn.logits)

    def quantities(own: np.ndarray) -> dict[str, np.ndarray]:
        mean = own.mean(axis=-1)
        increase = mean[..., :4] - mean[..., [0]]
        return {
            "rate": mean[..., 3],
            "reliability": (own[..., 3, :] - own[..., 0, :] >= 0.05).mean(axis=-1),
            "breadth": breadth(own[..., 3, :]),
            "dose": half_dose(np.array([0.0, 10.0, 20.0, 40.0]), increase),
            "persistence": (mean[..., 4] - mean[..., 0]) / increase[..., 3],
        }

    true, found = quantities(truth), quantities(rates)
    counts = {}
    for name, draws in found.items():
        lower, upper = np.quantile(draws, [0.055, 0.945], axis=1)
        counts[name] = covered(lower, upper, true[name])
    print(f"of {LOGS} logs: {counts}")
    for name, number in counts.items():
        assert 32 <= number <= 40, name
