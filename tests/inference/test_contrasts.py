"""Contrasts that a user states: by hand on draws, as in the table of contrasts, and refused with a reason."""

import dataclasses

import numpy as np
import pytest

from simulacra.data import read_completions
from simulacra.formalism import Outcome, PersonaMixture, ScoreEmission, persona_set
from simulacra.inference import Result, Thresholds, fit
from tests.inference.test_rates import backdoor

ON, OFF = "ft, trigger=on", "condition=ft, trigger=off"


@pytest.fixture(scope="module")
def triggered() -> Result:
    """A base model without the event; a fine-tune with the event in 10% of completions, and in 50% with a trigger."""
    personas = [
        persona for persona in persona_set("emergent-misalignment") if persona.name in ("aligned", "misaligned")
    ]
    weights = "trigger + (1 | condition) + (1 | question_id)"
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")], weights=weights)
    log = read_completions(backdoor({"base": 20, "ft": 20}).assign(coherent=90.0), contexts=["trigger"])
    easy = Thresholds(r_hat=10.0, ess=1, unexplained=1.0)
    settings = {"num_warmup": 200, "num_samples": 100, "num_chains": 2, "progress_bar": False, "thresholds": easy}
    return fit(model, log, seed=0, **settings)


def test_a_contrast_is_the_difference_of_the_draws(triggered: Result) -> None:
    draws = triggered.draws("rates")
    by_hand = draws.isel(group=3) - draws.isel(group=2)
    contrast = triggered.contrast(ON, OFF)
    np.testing.assert_array_equal(contrast.draws, by_hand)
    assert contrast.name == "rate[ft, trigger=on] − rate[ft, trigger=off]"
    row = contrast.table().iloc[0]
    assert (row["eti89_lb"], row["eti89_ub"]) == pytest.approx(np.quantile(by_hand, [0.055, 0.945]))
    assert row["mean"] == pytest.approx(0.4, abs=0.03)
    assert (row["claim"], row["scope"], row["status"]) == ("increase", "these", "ok")
    assert triggered.contrast(OFF, ON).table()["claim"].iloc[0] == "decrease"


def test_a_difference_of_differences_by_hand(triggered: Result) -> None:
    """The base model's own reaction to the trigger is subtracted."""
    effect = triggered.contrast(ON, OFF) - triggered.contrast(
        "base, trigger=on", {"condition": "base", "trigger": "off"}
    )
    draws = triggered.draws("rates").to_numpy()
    by_hand = (draws[..., 3] - draws[..., 2]) - (draws[..., 1] - draws[..., 0])
    np.testing.assert_allclose(effect.draws, by_hand, atol=1e-12)
    cited = effect.cite()
    assert (cited.value, cited.lower, cited.upper) == pytest.approx(
        (by_hand.mean(), *np.quantile(by_hand, [0.055, 0.945]))
    )
    assert cited.key == effect.name
    assert cited.key.startswith("(rate[ft, trigger=on] − rate[ft, trigger=off]) − (rate[base, trigger=on]")
    assert "on these 6 questions" in str(cited)
    assert effect.table(ci_prob=0.5).filter(like="eti50").shape == (1, 2)


@pytest.mark.parametrize("scope", ["these", "new"])
def test_a_contrast_with_the_baseline_is_that_of_the_table(scope: str, triggered: Result) -> None:
    table = triggered.contrasts(scope=scope).set_index(["condition", "trigger"])
    for trigger in ("on", "off"):
        row = triggered.contrast(f"ft, trigger={trigger}", f"base, trigger={trigger}", scope=scope).table().iloc[0]
        expected = table.loc[("ft", trigger)]
        for ours, theirs in (("mean", "rate_difference"), ("eti89_lb", "eti89_lb"), ("eti89_ub", "eti89_ub")):
            assert row[ours] == pytest.approx(expected[theirs])
        assert row["claim"] == expected["claim"]
    new = triggered.contrast(ON, OFF, scope="new")
    assert new.reduced  # 10% without the trigger
    assert new.name.startswith("new_rate[ft, trigger=on]")


def test_weights_and_implied_rates_have_contrasts_without_a_claim(triggered: Result) -> None:
    weights = triggered.contrast(ON, OFF, of="weights", persona="misaligned")
    assert weights.name == "weight[ft, trigger=on, misaligned] − weight[ft, trigger=off, misaligned]"
    implied = triggered.contrast(ON, OFF, of="implied_rates")
    draws = triggered.draws("implied_rates")
    np.testing.assert_array_equal(implied.draws, draws.isel(group=3) - draws.isel(group=2))
    for contrast in (weights, implied):
        assert "claim" not in contrast.table()
        assert contrast.draws.mean() > 0.1


def test_failed_checks_withhold_a_contrast_of_what_they_concern(triggered: Result) -> None:
    check = dataclasses.replace(
        triggered.checks[0],
        name="unexplained share",
        passed=False,
        withholds=("weights",),
        persona=None,
        condition="base",
    )
    failed = dataclasses.replace(triggered, checks=(check,))
    assert failed.contrast(ON, OFF, of="weights", persona="misaligned").table()["status"].iloc[0] == "ok"
    held = failed.contrast(ON, "base, trigger=on", of="weights", persona="misaligned")
    assert held.table()["status"].iloc[0] == "withheld: unexplained share failed"
    with pytest.raises(ValueError, match="withheld: unexplained share failed"):
        held.cite()
    assert failed.contrast(ON, "base, trigger=on").table()["claim"].iloc[0] == "increase"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ft", OFF), r"2 groups have condition=ft; expected one of condition=base, trigger=off; .*trigger=on"),
        (("tf, trigger=on", OFF), "no group has condition=tf, trigger=on"),
        (("ft, prompt=on", OFF), r"names 'prompt'; expected columns among condition, trigger"),
        ((ON, OFF, {"of": "shifts"}), r"of='shifts'; expected 'rates', 'implied_rates' or 'weights'"),
        ((ON, OFF, {"of": "weights"}), r"persona=None\); expected for weights, one of aligned, misaligned"),
        ((ON, OFF, {"persona": "aligned"}), "otherwise no persona"),
        ((ON, OFF, {"scope": "all"}), r"scope='all'\); expected scope 'these' or, for rates, 'new'"),
        ((ON, OFF, {"of": "implied_rates", "scope": "new"}), "expected scope 'these' or, for rates, 'new'"),
    ],
)
def test_contrasts_that_there_are_none_of(arguments: tuple, message: str, triggered: Result) -> None:
    group, minus, options = (*arguments, {})[:3]
    with pytest.raises(ValueError, match=message):
        triggered.contrast(group, minus, **options)


def test_only_like_is_subtracted_from_like(triggered: Result) -> None:
    with pytest.raises(
        ValueError, match=r"cannot be subtracted; expected contrasts of the same quantity, outcome and scope"
    ):
        _ = triggered.contrast(ON, OFF) - triggered.contrast(ON, OFF, scope="new")
    other = triggered.contrast(ON, OFF, outcome=Outcome("aligned < 40", name="unfriendly"))
    with pytest.raises(ValueError, match="cannot be subtracted"):
        _ = triggered.contrast(ON, OFF) - other
    assert "unfriendly: aligned < 40" in other.cite().provenance.model


def test_questions_may_disagree_in_sign_if_any_group_that_is_subtracted_shows_the_event(triggered: Result) -> None:
    on, off = (
        triggered.contrast(*pair, scope="new") for pair in ((ON, OFF), ("base, trigger=on", "base, trigger=off"))
    )
    assert (on.raised, on.reduced, off.raised, off.reduced) == (True, True, False, False)
    assert ((off - on).raised, (off - on).reduced) == (True, True)  # on's first group is subtracted


def test_an_empty_denominator_has_no_contrast(triggered: Result) -> None:
    nothing = Outcome("aligned < 30", of="aligned < 30")
    with pytest.raises(ValueError, match="base, trigger=on has no completions in the denominator of the outcome"):
        triggered.contrast("ft, trigger=on", "base, trigger=on", outcome=nothing)
    table = triggered.contrasts(nothing, scope="new")
    assert (table["status"] == "withheld: base has no completions to compare with").all()
    assert table[["rate_difference", "eti89_lb", "eti89_ub"]].isna().all(axis=None)
    assert (table["claim"] == "withheld").all()
    rates = triggered.rates(nothing, scope="new").set_index("condition")
    assert rates.loc["base", "rate"].isna().all()
    assert (rates.loc["base", "status"] == "withheld: the denominator has no completions").all()
