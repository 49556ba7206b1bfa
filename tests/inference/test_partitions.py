"""Rates of a partition: they sum to one, are those of the outcomes, and have the counts of the log."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from simulacra.formalism import Partition
from simulacra.inference import Result

KINDS = Partition(
    {"misaligned": "aligned < 30 and coherent > 50", "incoherent": "coherent <= 50"},
    rest="other",
)


@pytest.mark.parametrize("scope", ["these", "new", {"base_question": {"q1": 0.2, "q3": 0.8}}])
def test_rates_sum_to_one_in_every_draw(scope, fitted: Result) -> None:
    draws = fitted.draws("rates", outcome=KINDS, scope=scope)
    assert draws.dims == ("chain", "draw", "condition", "category")
    np.testing.assert_allclose(draws.sum("category"), 1, atol=1e-9)
    assert (draws >= 0).all()
    of_outcome = fitted.draws("rates", scope=scope)
    if draws.sizes["draw"] == of_outcome.sizes["draw"]:
        np.testing.assert_allclose(draws.sel(category="misaligned"), of_outcome, atol=1e-6)
    table = fitted.rates(KINDS, scope=scope)
    assert table["rate"].to_numpy() == pytest.approx(draws.mean(("chain", "draw")).to_numpy().ravel())


def test_rates_of_categories_by_hand(fitted: Result) -> None:
    """The product over stages in every cell, then the mean over questions as they were logged."""
    first, second = (fitted._quantities.rates_of(outcome, stage) for stage, outcome in enumerate(KINDS.stages))
    draws = min(first.sizes["draw"], second.sizes["draw"])
    cells = [
        special.expit(own["logits"].to_numpy().astype(float))[
            :, np.linspace(0, own.sizes["draw"] - 1, draws).astype(int)
        ]
        for own in (first, second)
    ]
    totals = first["totals"].to_numpy()
    by_hand = ((1 - cells[0]) * cells[1] * totals).sum(axis=-1) / totals.sum(axis=-1)
    np.testing.assert_allclose(fitted.draws("rates", outcome=KINDS).sel(category="incoherent"), by_hand, atol=1e-9)
    assert not np.array_equal(*(fitted._quantities.rates_of(KINDS.stages[1], stage)["logits"] for stage in (0, 1)))


def test_the_table_counts_the_log(fitted: Result, simulated) -> None:
    table = fitted.rates(KINDS).set_index(["condition", "category"])
    rows = simulated.log.table
    kind = np.select(
        [(rows["aligned"] < 30) & (rows["coherent"] > 50), rows["coherent"] <= 50],
        ["misaligned", "incoherent"],
        "other",
    )
    counted = pd.crosstab(rows["condition"], kind)
    for (condition, category), row in table.iterrows():
        assert row["events"] == counted.loc[condition, category]
        assert row["total"] == counted.loc[condition].sum()
        assert row["rate"] == pytest.approx(row["events"] / row["total"], abs=0.02)
        assert row["eti89_lb"] < row["rate"] < row["eti89_ub"]
        assert row["status"] == "ok"
    np.testing.assert_allclose(table.groupby("condition")["implied"].sum(), 1, atol=1e-9)


@pytest.mark.parametrize("scope", ["these", "new", {"base_question": {"q1": 0.2, "q3": 0.8}}])
def test_differences_sum_to_zero_and_are_those_of_the_rates(scope, fitted: Result) -> None:
    rates, draws = (fitted.draws(name, outcome=KINDS, scope=scope) for name in ("rates", "contrasts"))
    assert draws.dims == ("chain", "draw", "condition", "category")
    np.testing.assert_allclose(draws, rates.sel(condition=draws["condition"]) - rates.sel(condition="base"), atol=1e-12)
    table = fitted.contrasts(KINDS, scope=scope)
    assert list(table)[:3] == ["condition", "category", "scope"]
    assert (table["comparisons"] == 6).all(), "two conditions, three categories"
    means = table.groupby("condition")["rate_difference"].sum()
    np.testing.assert_allclose(means, 0, atol=1e-9)


def test_a_category_is_claimed_as_its_outcome_is(fitted: Result) -> None:
    """The first category is an outcome of its own right, with the same counts."""
    usual = fitted.contrasts(KINDS.outcomes[0]).set_index("condition")
    found = fitted.contrasts(KINDS).set_index(["category", "condition"])
    assert found.loc["misaligned", "claim"].to_dict() == usual["claim"].to_dict()
    assert found.loc[("misaligned", "bad"), "claim"] == "increase"
    assert found.loc[("other", "bad"), "claim"] == "decrease"
    np.testing.assert_allclose(found.loc["misaligned", "rate_difference"], usual["rate_difference"], atol=0.02)
    np.testing.assert_allclose(found.loc["misaligned", "implied"], usual["implied"], atol=1e-9)


def test_a_category_is_cited_as_its_table_says(fitted: Result) -> None:
    for name, table in (("rate", fitted.rates(KINDS)), ("rate_difference", fitted.contrasts(KINDS))):
        row = table.set_index(["condition", "category"]).loc[("bad", "incoherent")]
        own = fitted.cite(f"{name}[bad, category=incoherent]", outcome=KINDS)
        assert (own.value, own.lower, own.upper) == (row[name], row["eti89_lb"], row["eti89_ub"])
        assert "incoherent: not (aligned < 30 and coherent > 50) and (coherent <= 50)" in own.provenance.model
    assert own.comparisons == 6
    assert fitted.cite("new_rate[bad, category=other]", outcome=KINDS).scope == "for new questions of this kind"
    mix = {"base_question": {"q1": 0.2, "q3": 0.8}}
    assert "q1" in fitted.cite("mix_rate[bad, category=other]", outcome=KINDS, scope=mix).scope
    with pytest.raises(ValueError, match=r"rate\[base \| bad \| mild, category=misaligned"):
        fitted.cite("rate[bad]", outcome=KINDS)


def test_another_outcome_is_cited_as_well(fitted: Result) -> None:
    row = fitted.rates("coherent <= 50").set_index("condition").loc["bad"]
    own = fitted.cite("rate[bad]", outcome="coherent <= 50")
    assert own.value == row["rate"]
    assert "coherent <= 50" in own.provenance.model


def test_only_rates_and_their_differences_have_a_partition(fitted: Result) -> None:
    with pytest.raises(ValueError, match="only 'rates' and 'contrasts' have a partition"):
        fitted.draws("implied_rates", outcome=KINDS)
