"""The share that is retained: Fieller-type sets against their definition, tables, refusals, and recovery."""

import sys

import numpy as np
import pytest
from scipy import special, stats

from simulacra.analysis import fragility, ratio_set
from simulacra.analysis.fragility import paired_ratio_set
from simulacra.formalism import Outcome
from simulacra.formalism.rates import new_question_rate
from simulacra.inference import Result
from simulacra.inference.claims import sure_of_sign
from tests.analysis.rate_worlds import COMPLETIONS, LOCATIONS, LOGS, SPREAD, covered, sampled, worlds

LOW, HIGH = 0.055, 0.945
AFTER = {"bad": {"further training": "mild"}}


def draws(rng: np.random.Generator, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Correlated draws of a numerator, and of a denominator with this mean and a standard deviation of one."""
    common, own = rng.standard_normal((2, 20_000))
    return 0.5 * mean + 0.6 * common + own, mean + common


def test_a_shift_of_certain_sign_has_the_equal_tailed_interval_of_the_ratio(rng: np.random.Generator) -> None:
    part, whole = draws(rng, 8.0)
    found = ratio_set(part, whole)
    middle, lower, upper = np.quantile(part / whole, [0.5, LOW, HIGH])
    assert (found.estimate, found.lower, found.upper) == pytest.approx((middle, lower, upper), abs=1e-3)


@pytest.mark.parametrize("mean", [2.0, -2.0, 8.0])
def test_at_its_ends_zero_leaves_the_interval_of_the_difference(rng: np.random.Generator, mean: float) -> None:
    """Two in a hundred draws of the denominator have the other sign."""
    part, whole = draws(rng, mean)
    found = ratio_set(part, whole)
    above = [float((part - ratio * whole > 0).mean()) for ratio in (found.lower, found.estimate, found.upper)]
    assert sorted(above) == pytest.approx([LOW, 0.5, HIGH], abs=1e-3)
    for ratio in np.linspace(found.lower, found.upper, 20)[1:-1]:
        assert LOW - 1e-9 <= (part - ratio * whole > 0).mean() <= HIGH + 1e-9


def test_a_shift_near_zero_has_no_share(rng: np.random.Generator) -> None:
    part, whole = draws(rng, 1.5)  # seven in a hundred draws are negative
    assert not ratio_set(part, whole).bounded
    assert ratio_set(part, whole, 0.8).bounded


def test_units_and_direction_do_not_matter(rng: np.random.Generator) -> None:
    part, whole = draws(rng, 2.5)
    found, scaled, turned = ratio_set(part, whole), ratio_set(3 * part, 3 * whole), ratio_set(-part, -whole)
    for other in (scaled, turned):
        assert (other.estimate, other.lower, other.upper) == pytest.approx(
            (found.estimate, found.lower, found.upper), abs=1e-3
        )


def test_the_set_over_questions_is_that_of_a_t_test(rng: np.random.Generator) -> None:
    whole = rng.normal(0.4, 0.15, size=9)
    part = 0.3 * whole + rng.normal(0, 0.05, size=9)
    found = paired_ratio_set(part, whole, 0.89)
    for ratio in (found.lower, found.upper):
        assert stats.ttest_1samp(part - ratio * whole, 0.0).pvalue == pytest.approx(0.11, abs=1e-6)
    assert not paired_ratio_set(part, whole - whole.mean(), 0.89).bounded
    assert not paired_ratio_set(part[:1], whole[:1], 0.89).bounded


def test_the_table_is_made_of_the_draws_of_the_fit(fitted: Result) -> None:
    able = Outcome("coherent > 50", name="coherent")
    found = fragility(fitted, AFTER, capability=able)
    row = found.table().iloc[0]
    base, bad, mild = (fitted.draws("rates").sel(condition=name).to_numpy() for name in ("base", "bad", "mild"))
    ratios = ((mild - base) / (bad - base)).ravel()
    for name, level in (("retained", 0.5), ("eti89_lb", LOW), ("eti89_ub", HIGH)):  # ends are draws
        assert (ratios < row[name]).sum() == pytest.approx(level * len(ratios), abs=1)
    assert row["shift"] == pytest.approx((bad - base).mean())
    kept = fitted.draws("rates", outcome=able)
    ratio = (kept.sel(condition="mild") / kept.sel(condition="bad")).to_numpy()
    assert row["capability"] == pytest.approx(np.median(ratio), abs=1e-3)
    assert (row["scope"], row["status"], row["comparisons"]) == ("these", "ok", 1)
    citation = found.cite("bad", "further training")
    assert (citation.value, citation.lower, citation.upper) == (row["retained"], row["eti89_lb"], row["eti89_ub"])
    assert citation.scope == fitted.in_words()
    assert citation.key == "retained[bad, further training]"


def test_weights_and_new_questions(fitted: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    # With four base questions, the sign of the shift for new ones is hardly certain enough for a share.
    module = sys.modules[fragility.__module__]
    monkeypatch.setattr(module, "sure_of_sign", lambda draws, scope: True)
    own = fragility(fitted, AFTER, of="weights", persona="misaligned").table().iloc[0]
    weights = fitted.draws("weights").sel(persona="misaligned")
    base, bad, mild = (weights.sel(condition=name).to_numpy() for name in ("base", "bad", "mild"))
    assert own["retained"] == pytest.approx(np.median((mild - base) / (bad - base)), abs=1e-3)
    these, new = (fragility(fitted, AFTER, scope=scope).table().iloc[0] for scope in ("these", "new"))
    assert (new["eti89_ub"] - new["eti89_lb"]) > (these["eti89_ub"] - these["eti89_lb"])


def test_a_share_of_no_shift_is_withheld(fitted: Result) -> None:
    never = Outcome("missing(coherent)", name="missing")
    found = fragility(fitted, AFTER, outcome=never)
    row = found.table().iloc[0]
    assert row["status"].startswith("withheld: the shift may be zero")
    assert np.isnan(row["retained"])
    with pytest.raises(ValueError, match=r"retained\[bad, further training\] is withheld: the shift may be zero"):
        found.cite("bad", "further training")


def test_errors_say_what_is_wrong(fitted: Result) -> None:
    with pytest.raises(ValueError, match="there are no interventions"):
        fragility(fitted, {})
    with pytest.raises(ValueError, match="bad after nothing is bad itself"):
        fragility(fitted, {"bad": {"nothing": "bad"}})
    with pytest.raises(ValueError, match="no group has condition=worse"):
        fragility(fitted, {"bad": {"further training": "worse"}})
    with pytest.raises(ValueError, match="there is no 'mild' after 'x'; expected one of bad after further training"):
        fragility(fitted, AFTER).cite("mild", "x")


@pytest.mark.slow
def test_retained_shares_are_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = worlds(3)
    drawn, counts = sampled(truth, 4, monkeypatch)
    these = special.expit(drawn.logits).mean(axis=-1)
    sets = [ratio_set(own[:, 4] - own[:, 0], own[:, 3] - own[:, 0]) for own in these]
    lower, upper = np.array([[own.lower, own.upper] for own in sets]).T
    mean = truth.mean(axis=-1)
    found = covered(lower, upper, (mean[:, 4] - mean[:, 0]) / (mean[:, 3] - mean[:, 0]))
    new = new_question_rate(drawn.location, drawn.question_scale[..., None], drawn.cell_scale)
    kind = new_question_rate(LOCATIONS, np.ones(5), np.full(5, SPREAD))
    shares = counts / COMPLETIONS
    new_sets = [
        (ratio_set(own[:, 4] - own[:, 0], own[:, 3] - own[:, 0]), paired_ratio_set(q[4] - q[0], q[3] - q[0], 0.89))
        for own, q in zip(new, shares, strict=True)
    ]
    low, high = np.array([[min(a.lower, b.lower), max(a.upper, b.upper)] for a, b in new_sets]).T
    answered = np.isfinite(low)
    about_new = covered(
        low[answered], high[answered], np.full(answered.sum(), (kind[4] - kind[0]) / (kind[3] - kind[0]))
    )
    print(f"retained, these questions: {found} of {LOGS}; new questions: {about_new} of {answered.sum()} given")
    assert 32 <= found <= 40
    assert about_new >= 0.8 * answered.sum()


@pytest.mark.slow
def test_no_share_of_a_shift_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The organism does what the base does. The set alone is bounded whenever an interval of 89% misses zero."""
    drawn, _ = sampled(np.full((LOGS, 3, 8), 0.1), 5, monkeypatch)
    these = special.expit(drawn.logits).mean(axis=-1)
    shift = these[..., 1] - these[..., 0]
    bounded = [ratio_set(own[:, 2] - own[:, 0], own[:, 1] - own[:, 0]).bounded for own in these]
    given = sure_of_sign(np.moveaxis(shift, 1, 0)[None], "these")
    print(f"share of a shift of zero: bounded for {sum(bounded)}, given for {given.sum()} of {LOGS}")
    assert all(np.array(bounded)[given])
    assert given.sum() <= 2
