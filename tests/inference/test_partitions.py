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
    first, second = (fitted._rates_of(outcome, stage) for stage, outcome in enumerate(KINDS.stages))
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
    assert not np.array_equal(*(fitted._rates_of(KINDS.stages[1], stage)["logits"] for stage in (0, 1)))


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


def test_only_rates_have_a_partition(fitted: Result) -> None:
    with pytest.raises(ValueError, match="only 'rates' have a partition"):
        fitted.draws("contrasts", outcome=KINDS)
