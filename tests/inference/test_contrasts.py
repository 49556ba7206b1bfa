"""Contrasts that a user states: by hand on draws, as in the table of contrasts, and refused with a reason."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from simulacra.data import read_completions
from simulacra.formalism import Outcome, PersonaMixture, ScoreEmission, persona_set
from simulacra.inference import Contrasts, Result, Thresholds, fit
from simulacra.inference.groups import find_group, mean_label, names_of, shares_of
from simulacra.inference.influence import weights_left_out
from simulacra.inference.marks import SAME_OUTCOME
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
        ((ON, OFF, {"scope": "all"}), "There is no scope 'all'; expected 'these', 'new', or proportions"),
        ((ON, OFF, {"of": "implied_rates", "scope": "new"}), "expected scope 'these'; rates can be compared for 'new'"),
        ((ON, []), r"the shares of \[\] sum to 0; expected one group or more"),
        (({ON: 0.5, OFF: 0.4}, OFF), r"sum to 0\.9; expected .* sum to 1"),
        (({ON: 1.5, OFF: -0.5}, OFF), "not negative"),
        ((["ft"], OFF), "2 groups have condition=ft"),
        (([ON, OFF], {OFF: 0.5, ON: 0.5}), r"mean\(.*is zero, because both sides are the same"),
        ((ON, OFF, {"scope": {"trigger": {"on": 1.0}}}), r"names 'trigger'; expected columns among condition"),
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


def test_the_interval_is_extended_if_any_group_that_is_subtracted_shows_the_event(triggered: Result) -> None:
    """Questions may then disagree in sign; the events of some questions are moved to others, so that they do."""
    rates = triggered.tree["rates"].to_dataset()
    uneven = rates.assign(events=rates["events"].copy())
    uneven["events"][3] = np.roll(np.array([20, 20, 0, 0, 0, 20]), 1)
    tree = triggered.tree.copy()
    tree["rates"] = xr.DataTree(uneven)
    moved = dataclasses.replace(triggered, tree=tree)
    shares = (uneven["events"] / uneven["totals"]).to_numpy()
    for plus, minus, signs, extended in (
        (ON, OFF, [0, 0, -1, 1], True),  # 10% without the trigger
        (ON, "base, trigger=on", [0, -1, 0, 1], False),  # the base never shows the event
        ("base, trigger=on", ON, [0, 1, 0, -1], True),
    ):
        contrast = moved.contrast(plus, minus, scope="new")
        row, own = contrast.table().iloc[0], np.quantile(contrast.draws, [0.055, 0.945])
        paired = stats.ttest_1samp(np.array(signs) @ shares, 0).confidence_interval(0.89)
        expected = (min(own[0], paired.low), max(own[1], paired.high)) if extended else tuple(own)
        assert (row["eti89_lb"], row["eti89_ub"]) == pytest.approx(expected)
        assert (expected != tuple(own)) == extended
    wide = moved.contrast(ON, OFF, scope="new")
    assert wide.table(rope=0.2)["eti89_lb"].iloc[0] == wide.table()["eti89_lb"].iloc[0]


def test_an_empty_denominator_has_no_contrast(triggered: Result) -> None:
    nothing = Outcome("aligned < 30", of="aligned < 30")
    with pytest.raises(
        ValueError, match="base, trigger=on has no scored completions in the denominator of the outcome"
    ):
        triggered.contrast("ft, trigger=on", "base, trigger=on", outcome=nothing)
    table = triggered.contrasts(nothing, scope="new")
    assert (table["status"] == "withheld: base has no scored completions to compare with").all()
    assert table[["rate_difference", "eti89_lb", "eti89_ub"]].isna().all(axis=None)
    assert (table["claim"] == "withheld").all()
    rates = triggered.rates(nothing, scope="new").set_index("condition")
    assert rates.loc["base", "rate"].isna().all()
    assert (rates.loc["base", "status"] == "withheld: the denominator has no scored completions").all()


# --- means of groups ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["these", "new"])
def test_a_mean_of_conditions_by_hand(scope: str, fitted: Result) -> None:
    draws = fitted.draws("rates", scope=scope)
    base, bad, mild = (draws.sel(condition=name).to_numpy() for name in ("base", "bad", "mild"))
    prefix = "" if scope == "these" else "new_"
    for group, by_hand, name in (
        (["bad", "mild"], (bad + mild) / 2, f"mean({prefix}rate[bad], {prefix}rate[mild])"),
        ({"bad": 0.1, "mild": 0.9}, 0.1 * bad + 0.9 * mild, f"(0.1 {prefix}rate[bad] + 0.9 {prefix}rate[mild])"),
        (["bad"], bad, f"{prefix}rate[bad]"),
    ):
        contrast = fitted.contrast(group, "base", scope=scope)
        np.testing.assert_allclose(contrast.draws, by_hand - base, atol=1e-12)
        assert contrast.name == f"{name} − {prefix}rate[base]"
    contrast = fitted.contrast(["bad", "mild"], "base", scope=scope)
    row, cited = contrast.table().iloc[0], contrast.cite()
    assert (cited.value, cited.lower, cited.upper, cited.key) == tuple(
        row[["mean", "eti89_lb", "eti89_ub", "contrast"]]
    )
    said = "increase" if scope == "these" else "undecided"  # the sign is not certain for new ones, with four questions
    assert (row["claim"], row["questions"], row["asked"], row["comparisons"]) == (said, 4, 4, 1)
    assert cited.scope == fitted.in_words(scope)
    assert "comparisons" not in str(cited)


def test_a_mean_that_is_subtracted_is_paired_with_the_mean_of_the_logged_proportions(fitted: Result) -> None:
    contrast = fitted.contrast("base", ["bad", "mild"], scope="new")
    rates = fitted.tree["rates"].to_dataset()
    shares = dict(zip(fitted.conditions, (rates["events"] / rates["totals"]).to_numpy(), strict=True))
    paired = stats.ttest_1samp(shares["base"] - (shares["bad"] + shares["mild"]) / 2, 0).confidence_interval(0.89)
    own = np.quantile(contrast.draws, [0.055, 0.945])
    row = contrast.table().iloc[0]
    expected = min(own[0], paired.low), max(own[1], paired.high)
    assert (row["eti89_lb"], row["eti89_ub"]) == pytest.approx(expected)


def test_contrasts_of_weights_have_the_marks_of_shifts(fitted: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is marked: here the baseline defines its personas, and no rate is claimed to differ."""
    moved = weights_left_out(fitted.prepared, fitted.posterior)
    moved[0, 0] = [0.5, 0.4, 0.1]
    monkeypatch.setattr("simulacra.inference.quantities.weights_left_out", lambda *_: moved)
    monkeypatch.setattr("simulacra.inference.marks.claim", lambda *_, **__: "undecided")
    result = dataclasses.replace(fitted)
    shifts = result.shifts()
    assert shifts["status"].str.contains("condition-driven").any()
    assert shifts["status"].str.contains(SAME_OUTCOME).any()
    for row in shifts[~shifts["status"].str.startswith("small")].to_dict("records"):
        contrast = result.contrast(row["condition"], "base", of="weights", persona=row["persona"])
        assert contrast.table()["status"].item() == row["status"]
    assert SAME_OUTCOME in str(result.contrast("bad", "base", of="weights", persona="misaligned").cite())
    assert result.contrast("bad", "base").table()["status"].item() == "ok"  # rates have no marks


def test_means_of_weights_and_of_implied_rates_by_hand(fitted: Result) -> None:
    weights = fitted.draws("weights").sel(persona="misaligned")
    by_hand = (weights.sel(condition="bad") + weights.sel(condition="mild")) / 2 - weights.sel(condition="base")
    contrast = fitted.contrast(["bad", "mild"], "base", of="weights", persona="misaligned")
    np.testing.assert_allclose(contrast.draws, by_hand, atol=1e-12)
    assert contrast.name == "mean(weight[bad, misaligned], weight[mild, misaligned]) − weight[base, misaligned]"
    implied = fitted.draws("implied_rates")
    by_hand = (implied.sel(condition="bad") + implied.sel(condition="mild")) / 2 - implied.sel(condition="base")
    np.testing.assert_allclose(fitted.contrast(["bad", "mild"], "base", of="implied_rates").draws, by_hand, atol=1e-12)


def test_contrasts_of_two_personas_can_be_subtracted(fitted: Result) -> None:
    """How much more one persona gained than another; a failed check of either withholds it."""
    shifts = [fitted.contrast("bad", "base", of="weights", persona=name) for name in ("misaligned", "aligned")]
    draws = fitted.draws("shifts").sel(condition="bad")
    by_hand = draws.sel(persona="misaligned") - draws.sel(persona="aligned")
    np.testing.assert_allclose((shifts[0] - shifts[1]).draws, by_hand, atol=1e-12)
    check = dataclasses.replace(
        fitted.checks[0], name="name", passed=False, withholds=("weights",), persona="aligned", condition=None
    )
    failed = dataclasses.replace(fitted, checks=(check,))
    own = [failed.contrast("bad", "base", of="weights", persona=name) for name in ("misaligned", "aligned")]
    assert [each.table()["status"].iloc[0] for each in (own[0], own[1], own[0] - own[1])] == [
        "ok",
        "withheld: name failed",
        "withheld: name failed",
    ]


def test_names_of_groups_are_understood() -> None:
    """Whatever a condition is called, the text between the brackets of a key is that group."""
    groups = pd.DataFrame({"condition": ["a, x", "a", "b=c", "b"], "trigger": ["on", "on", "off", "off"]})
    assert [find_group(groups, name, "group") for name in names_of(groups)] == [0, 1, 2, 3]
    assert [find_group(groups[["condition"]], name, "group") for name in groups["condition"]] == [0, 1, 2, 3]
    shares = shares_of(groups, ["a", {"condition": "b"}], "group")
    np.testing.assert_allclose(shares, [0, 0.5, 0, 0.5])
    assert mean_label(groups, shares, "rate") == "mean(rate[a, trigger=on], rate[b, trigger=off])"


# --- families -------------------------------------------------------------------------------------------------------


def test_all_pairs_state_the_size_of_their_family(fitted: Result) -> None:
    pairs = fitted.pairs()
    names = ["rate[bad] − rate[base]", "rate[mild] − rate[base]", "rate[mild] − rate[bad]"]
    assert [pair.name for pair in pairs] == names
    table = pairs.table(rope=0.02, ci_prob=0.95)
    assert table["contrast"].tolist() == names
    assert (table["comparisons"] == 3).all()
    for name, pair in zip(names, pairs, strict=True):
        one = fitted.contrast(*(part[len("rate[") : -1] for part in name.split(" − ")))
        expected = one.table(rope=0.02, ci_prob=0.95).assign(comparisons=3).iloc[0].to_dict()
        assert table.set_index("contrast", drop=False).loc[name].to_dict() == expected
        assert "; one of 3 comparisons; " in str(pair.cite())
        assert pairs[name].cite() == pair.cite()
    assert (pairs[0] - pairs[1]).comparisons == 1
    with pytest.raises(ValueError, match=r"There is no contrast 'rate\[bad\]' among 3; expected rate\[bad\] − rate"):
        pairs["rate[bad]"]
    assert "3 comparisons" in repr(pairs)
    assert "one of 3 comparisons" in repr(pairs[0])


def test_pairs_are_taken_in_the_same_context_and_of_any_quantity(triggered: Result, fitted: Result) -> None:
    names = [pair.name for pair in triggered.pairs(scope="new")]
    assert names == [
        "new_rate[ft, trigger=off] − new_rate[base, trigger=off]",
        "new_rate[ft, trigger=on] − new_rate[base, trigger=on]",
    ]
    weights = fitted.pairs(of="weights", persona="misaligned")
    assert [pair.name for pair in weights][2] == "weight[mild, misaligned] − weight[bad, misaligned]"
    assert "claim" not in weights.table()
    own = Contrasts([fitted.contrast("bad", "base"), fitted.contrast(["bad", "mild"], "base")])
    assert own.table()["comparisons"].tolist() == [2, 2]


def test_the_comparisons_of_a_table_are_a_family(fitted: Result) -> None:
    assert (fitted.contrasts()["comparisons"] == 2).all()
    assert "; one of 2 comparisons;" in str(fitted.cite("rate_difference[bad]"))
    assert "; one of 2 comparisons;" in str(fitted.cite("new_rate_difference[bad]"))
    assert "; one of 6 comparisons;" in str(fitted.cite("shift[bad, misaligned]"))
    assert "comparisons" not in str(fitted.cite("rate[bad]"))


# --- mixes ----------------------------------------------------------------------------------------------------------


def test_a_contrast_for_a_mix_names_it(triggered: Result) -> None:
    mix = {"trigger": {"on": 0.1, "off": 0.9}}
    contrast = triggered.contrast("ft", "base", scope=mix)
    draws = triggered.draws("rates").to_numpy()
    by_hand = 0.1 * (draws[..., 3] - draws[..., 1]) + 0.9 * (draws[..., 2] - draws[..., 0])
    np.testing.assert_allclose(contrast.draws, by_hand, atol=1e-6)
    cited, row = contrast.cite(), contrast.table().iloc[0]
    assert cited.key == "mix_rate[ft] − mix_rate[base]"
    assert "for a mix of trigger: 0.1 on, 0.9 off (89% ETI" in str(cited)
    expected = triggered.contrasts(scope=mix).iloc[0]
    assert (row["mean"], row["eti89_lb"], row["claim"], row["scope"]) == (
        pytest.approx(expected["rate_difference"]),
        pytest.approx(expected["eti89_lb"]),
        expected["claim"],
        "mix",
    )
    assert "questions" not in contrast.table()
    other = triggered.contrast("ft", "base", scope={"trigger": {"on": 0.1001, "off": 0.8999}})
    with pytest.raises(ValueError, match="cannot be subtracted"):
        _ = contrast - other
    question = {"base_question": {"q0": 0.5, "q1": 0.5}}
    np.testing.assert_array_equal(
        triggered.contrast(ON, OFF, scope=question).draws,
        triggered.draws("rates", scope=question)[..., 3] - triggered.draws("rates", scope=question)[..., 2],
    )


# --- conditions that were asked other questions -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def unlike() -> Result:
    """A base and ``same`` with questions 0 to 5, ``half`` with 3 to 8, and ``other`` with 9 to 14."""
    personas = [p for p in persona_set("emergent-misalignment") if p.name in ("aligned", "misaligned")]
    model = PersonaMixture(
        personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")], weights="(1 | condition)"
    )
    first = {"base": 0, "same": 0, "half": 3, "other": 9}
    events = {"base": 1, "same": 8, "half": 8, "other": 8}
    rows = [
        (condition, f"q{start + question}", 5.0 if number < events[condition] else 95.0, 90.0, f"{number}")
        for condition, start in first.items()
        for question in range(6)
        for number in range(20)
    ]
    names = ["condition", "question_id", "aligned", "coherent", "completion"]
    easy = Thresholds(r_hat=10.0, ess=1, unexplained=1.0)
    settings = {"num_warmup": 200, "num_samples": 50, "num_chains": 2, "num_starts": 10, "progress_bar": False}
    log = read_completions(pd.DataFrame(rows, columns=names), duplicates="keep")
    # With this seed no transition diverges, after which sampling would be repeated.
    return fit(model, log, seed=1, thresholds=easy, **settings)


def test_a_comparison_says_how_many_questions_both_were_asked(unlike: Result) -> None:
    table = unlike.contrasts().set_index("condition")
    assert table[["questions", "asked"]].to_dict("index") == {
        "same": {"questions": 6, "asked": 6},
        "half": {"questions": 3, "asked": 9},
        "other": {"questions": 0, "asked": 12},
    }
    assert "on these 15 questions (" in str(unlike.cite("rate_difference[same]"))
    shared = "on the questions that each was asked, 3 of 9 base questions in common (89% ETI"
    assert shared in str(unlike.cite("rate_difference[half]"))
    assert shared in str(unlike.contrast("half", "base").cite())
    assert "for new questions of this kind, 3 of 9 base questions in common (" in str(
        unlike.cite("new_rate_difference[half]")
    )


def test_conditions_without_a_common_question_are_compared_for_new_questions_only(unlike: Result) -> None:
    """On their own questions, a difference between them may be one between the questions."""
    row = unlike.contrasts().set_index("condition").loc["other"]
    assert (row["status"], row["claim"]) == ("withheld: other and base have no base question in common", "withheld")
    assert row[["rate_difference", "eti89_lb", "implied", "unexplained"]].isna().all()
    for of, persona in (("rates", None), ("implied_rates", None), ("weights", "misaligned")):
        with pytest.raises(ValueError, match=r"base.* and other.* have no base question in common"):
            unlike.contrast("other", "base", of=of, persona=persona)
    new = unlike.contrasts(scope="new").set_index("condition").loc["other"]
    assert (new["questions"], new["claim"], new["status"]) == (0, "undecided", "ok")
    assert unlike.contrast("other", "base", scope="new").table()["claim"].iloc[0] == "undecided"
    assert unlike.contrasts(scope="new").set_index("condition").loc["same", "claim"] == "undecided"  # six questions, 5%
    pairs = unlike.pairs().table().set_index("contrast")
    assert len(pairs) == 6
    held = pairs[pairs["status"] != "ok"]
    assert held.index.tolist() == [
        "rate[other] − rate[base]",
        "rate[other] − rate[half]",
        "rate[same] − rate[other]",
    ]
    assert (held["claim"] == "withheld").all()
    with pytest.raises(ValueError, match="base and other have no base question in common"):
        unlike.pairs()["rate[other] − rate[base]"].cite()
