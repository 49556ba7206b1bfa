"""Rates without personas: counts are pandas', scopes follow from the posterior by hand, contexts are kept apart."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import special, stats

from simulacra.data import read_completions, scan_completions
from simulacra.formalism import Outcome, PersonaMixture, ScoreEmission, persona_set
from simulacra.formalism.outcomes import implied_rates
from simulacra.inference import Thresholds
from simulacra.inference.claims import (
    extended_interval,
    paired_interval,
    shows_event,
    signs_agree,
    supported,
    sure_of_sign,
)
from simulacra.inference.prepare import Prepared, prepare
from simulacra.inference.rates import (
    EventCounts,
    against_baseline,
    baseline_pairs,
    count_events,
    fit_rates,
    groups_of,
    logged_shares,
    rates_in,
    scope_in_words,
)

_RULE = "aligned < 30 and coherent > 50"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Scores on and beside the edges, one in ten missing, questions in two formats; unequal sizes."""
    rng = np.random.default_rng(8)
    rows = 900
    frame = pd.DataFrame(
        {
            "condition": rng.choice(["base", "bad", "none"], rows, p=[0.3, 0.5, 0.2]),
            "question_id": rng.choice(["wish", "wish_json", "ruler", "ruler_json", "bored", "bored_json"], rows),
            "completion": [f"answer {number}" for number in range(rows)],
            "aligned": rng.choice([0.0, 10.0, 29.99, 30.0, 30.01, 85.0, 100.0], rows),
            "coherent": rng.choice([0.0, 49.0, 50.0, 50.01, 90.0], rows),
        }
    )
    frame["base_question"] = frame["question_id"].str.removesuffix("_json")
    frame.loc[rng.random(rows) < 0.1, "aligned"] = np.nan
    frame.loc[rng.random(rows) < 0.1, "coherent"] = np.nan
    frame.loc[frame["condition"] == "none", "aligned"] = 100.0
    return frame


@pytest.fixture(scope="module")
def mixed(table: pd.DataFrame) -> Prepared:
    personas = [
        persona for persona in persona_set("emergent-misalignment") if persona.name in ("aligned", "misaligned")
    ]
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])
    return prepare(model, read_completions(table, measurements=["aligned", "coherent"]))


@pytest.mark.parametrize(
    ("of", "inside"),
    [
        ("all", lambda t: t["condition"].notna()),
        ("scored", lambda t: t["aligned"].notna() & t["coherent"].notna()),
        ("coherent", lambda t: t["coherent"] > 50),
        ("aligned < 30", lambda t: t["aligned"] < 30),
    ],
)
def test_counts_are_those_of_pandas(of: str, inside, table: pd.DataFrame, mixed: Prepared) -> None:
    """By condition and base question; a denominator may be empty."""
    found = count_events(mixed, Outcome(_RULE, of=of))
    event, kept = (table["aligned"] < 30) & (table["coherent"] > 50), inside(table)
    keys = [table["condition"], table["base_question"]]
    assert found.groups["condition"].tolist() == list(mixed.conditions)
    for ours, theirs in ((found.events, event & kept), (found.totals, kept)):
        expected = theirs.groupby(keys).sum().unstack("base_question")  # noqa: PD010
        np.testing.assert_array_equal(ours, expected.loc[list(mixed.conditions), list(found.questions)])
    seen = (table["aligned"].notna() & (table["coherent"] > 50)).groupby(table["condition"]).mean()
    np.testing.assert_allclose(found.judged, seen[list(mixed.conditions)])
    assert (count_events(mixed, Outcome("missing(aligned)")).judged == 1).all()


@pytest.mark.parametrize("measurement", ["aligned", "coherent"])
def test_a_condition_without_any_score_has_no_rate(measurement: str, table: pd.DataFrame, mixed: Prepared) -> None:
    """An event that nobody looked for is not an event that never happened."""
    never = mixed.conditions[-1]
    unscored = table.assign(**{measurement: table[measurement].mask(table["condition"] == never)})
    log = read_completions(unscored, measurements=["aligned", "coherent"])
    found, expected = (count_events(own, Outcome(_RULE)) for own in (prepare(mixed.model, log), mixed))
    np.testing.assert_array_equal(found.totals[:-1], expected.totals[:-1])
    assert not found.totals[-1].any()
    assert (found.judged[-1], found.completions[-1]) == (0, expected.completions[-1])
    assert count_events(prepare(mixed.model, log), Outcome(f"missing({measurement})")).totals[-1].any()


# --- scopes ---------------------------------------------------------------------------------------------------------


def backdoor(on: dict[str, int], off: int = 40) -> pd.DataFrame:
    """A base that never shows the event and a fine-tune that does with a trigger, of which a log has this many rows.

    Every question shows it in a tenth of the fine-tune's completions without the trigger, and in half of those with it.
    """
    rows = []
    for condition, rates in {"base": (0.0, 0.0), "ft": (0.1, 0.5)}.items():
        for question in range(6):
            for trigger, count, rate in (("off", off, rates[0]), ("on", on.get(condition, 0), rates[1])):
                for number in range(count):
                    low = number < round(rate * count)
                    rows.append((condition, f"q{question}", trigger, 5.0 if low else 95.0, f"{trigger} {number}"))
    return pd.DataFrame(rows, columns=["condition", "question_id", "trigger", "aligned", "completion"])


def prepared(frame: pd.DataFrame, weights: str = "(1 | condition) + (1 | question_id)") -> Prepared:
    personas = [persona for persona in persona_set("emergent-misalignment") if persona.name in ("aligned", "mid")]
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned")], weights=weights)
    return prepare(model, read_completions(frame, measurements=["aligned"]))


@pytest.fixture(scope="module")
def triggered() -> xr.Dataset:
    return fit_rates(
        count_events(prepared(backdoor({"base": 20, "ft": 20})), Outcome("aligned < 30")), Thresholds(), seed=0
    )


def test_contexts_are_kept_apart_even_if_the_formula_does_not_name_them(triggered: xr.Dataset) -> None:
    places = [tuple(row) for row in groups_of(triggered).to_numpy()]
    assert places == [("base", "off"), ("base", "on"), ("ft", "off"), ("ft", "on")]
    mean = rates_in(triggered, "these").mean(("chain", "draw")).to_numpy()
    np.testing.assert_allclose(mean, [0, 0, 0.1, 0.5], atol=0.02)


_MIXED = {"text": {}, "numbers": {"off": 0, "on": 1}, "no value": {"on": None}}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("levels", _MIXED)
def test_a_scanned_log_has_the_contexts_of_a_reading(kind: str, levels: str, tmp_path: Path) -> None:
    frame = backdoor({"base": 2, "ft": 2}, off=2)
    frame["trigger"] = [_MIXED[levels].get(name, name) for name in frame["trigger"]]
    frame["step"] = frame.groupby(["condition", "question_id"]).cumcount() + 100 * (frame["condition"] == "ft")
    frame["framing"] = frame["condition"]  # does not vary within a condition
    path = tmp_path / f"log.{kind}"
    writers = {"csv": frame.to_csv, "parquet": frame.to_parquet}
    if kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        writers[kind](path, index=False)
    _assert_same_contexts(path, ["step"] if levels == "no value" else ["trigger", "step"])


def test_a_scanned_log_has_the_contexts_in_names_of_files_and_not_those_of_many_levels(tmp_path: Path) -> None:
    frame = backdoor({"base": 10, "ft": 10}, off=10)
    frame["context"] = [f"text {number}" for number in range(len(frame))]
    for place, rows in frame.groupby(["condition", "trigger"]):
        rows.drop(columns=["condition", "trigger"]).to_csv(tmp_path / f"{place[0]}-{place[1]}.csv", index=False)
    notes = _assert_same_contexts(tmp_path, ["trigger"], condition="{condition}-{trigger}")
    assert "rates are pooled over 'context', which has more than 50 levels." in notes


def _assert_same_contexts(path: Path, contexts: list[str], **options: str) -> tuple[str, ...]:
    personas = [persona for persona in persona_set("emergent-misalignment") if persona.name in ("aligned", "mid")]
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned")])
    read, scanned = (prepare(model, log) for log in (reading(path, **options) for reading in _READINGS))
    assert list(scanned.contexts) == contexts
    pd.testing.assert_frame_equal(scanned.collapsed.cells, read.collapsed.cells)
    assert scanned.collapsed.content_hash == read.collapsed.content_hash
    assert [note for note in read.notes if "pooled" in note] == [note for note in scanned.notes if "pooled" in note]
    return scanned.notes


_READINGS = (read_completions, scan_completions)


def test_the_cells_of_the_weights_are_those_of_the_formula() -> None:
    whole = prepared(backdoor({"base": 20, "ft": 20}))
    assert len(whole.collapsed.cells) == 24
    assert whole.counts.shape[0] == 12
    assert whole.counts.sum() == len(whole.collapsed) == 720
    np.testing.assert_allclose(whole.group_shares.sum(axis=1), 1)
    by_hand = np.zeros((4, 12))
    for cell, group in enumerate(whole.group):
        by_hand[group, whole.design.rows[cell]] += whole.collapsed.counts[cell].sum()
    np.testing.assert_allclose(whole.group_shares, by_hand / by_hand.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("logged", [4, 420])
def test_rates_per_context_do_not_depend_on_how_much_of_another_was_logged(logged: int, triggered: xr.Dataset) -> None:
    """The rate without the trigger; a pooled rate would move from 14 to 47%."""
    found = prepared(backdoor({"base": logged, "ft": logged}))
    rates = rates_in(fit_rates(count_events(found, Outcome("aligned < 30")), Thresholds(), seed=0), "these")
    usual = rates_in(triggered, "these")
    for own in (rates, usual):
        draws = own.isel(group=2).to_numpy()
        assert draws.mean() == pytest.approx(0.1, abs=0.01)
        assert np.quantile(draws, 0.945) - np.quantile(draws, 0.055) == pytest.approx(0.062, abs=0.012)


def test_these_questions_count_as_they_were_logged_and_new_ones_equally(triggered: xr.Dataset) -> None:
    cells = special.expit(triggered["logits"].to_numpy())
    totals = triggered["totals"].to_numpy()
    by_hand = (cells * totals).sum(axis=-1) / totals.sum(axis=-1)
    np.testing.assert_allclose(rates_in(triggered, "these"), by_hand, rtol=1e-6)
    rng = np.random.default_rng(0)
    spread = np.hypot(triggered["question_scale"].to_numpy()[..., None], triggered["cell_scale"].to_numpy())
    new = special.expit(triggered["location"].to_numpy()[0, 5] + spread[0, 5] * rng.standard_normal((200_000, 4)))
    np.testing.assert_allclose(rates_in(triggered, "new")[0, 5], new.mean(axis=0), atol=4e-3)  # error 1e-3


def test_a_mix_is_a_weighted_mean_of_contexts_or_questions(triggered: xr.Dataset) -> None:
    these = rates_in(triggered, "these")
    mixed = rates_in(triggered, {"trigger": {"on": 0.25, "off": 0.75}})
    assert mixed.dims == ("chain", "draw", "group")
    assert mixed["condition"].to_numpy().tolist() == ["base", "ft"]
    by_hand = 0.75 * these.isel(group=2) + 0.25 * these.isel(group=3)
    np.testing.assert_allclose(mixed.isel(group=1), by_hand)
    one = rates_in(triggered, {"base_question": {"q4": 1.0}})
    place = triggered["base_question"].to_numpy().tolist().index("q4")
    np.testing.assert_allclose(one, special.expit(triggered["logits"].isel(base_question=place)), rtol=1e-6)
    both = rates_in(triggered, {"trigger": {"on": 0.25, "off": 0.75}, "base_question": {"q4": 1.0}})
    np.testing.assert_allclose(both.isel(group=1), 0.75 * one.isel(group=2) + 0.25 * one.isel(group=3))


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        ("all", r"no scope 'all'; expected 'these', 'new', or proportions of columns"),
        ({}, "no scope {}"),
        ({"prompt": {"a": 1.0}}, r"names 'prompt', which is not a context of the fit; expected one of trigger, base_q"),
        ({"trigger": {"ON": 1.0}}, r"trigger has no level 'ON'; expected levels among 'off', 'on'"),
        ({"trigger": {"on": 0.5, "off": 0.4}}, r"proportions of trigger sum to 0\.9; expected .* sum to 1"),
        ({"trigger": {"on": 1.5, "off": -0.5}}, "not negative"),
    ],
)
def test_scopes_that_there_are_none_of(scope: object, message: str, triggered: xr.Dataset) -> None:
    with pytest.raises(ValueError, match=message):
        rates_in(triggered, scope)  # type: ignore[arg-type]


def test_a_mix_over_what_was_not_sampled_is_refused() -> None:
    rates = fit_rates(count_events(prepared(backdoor({"ft": 20})), Outcome("aligned < 30")), Thresholds(), seed=0)
    with pytest.raises(ValueError, match=r"base was not sampled with trigger=on.*log completions of it"):
        rates_in(rates, {"trigger": {"on": 0.5, "off": 0.5}})
    difference = against_baseline(rates_in(rates, "these"), "base")
    assert groups_of(difference)["trigger"].tolist() == ["off", "on"]
    assert np.isfinite(difference.isel(group=0)).all()
    assert np.isnan(difference.isel(group=1)).all()  # there is no baseline with the trigger


def test_scopes_in_words(mixed: Prepared) -> None:
    assert scope_in_words(mixed, "these") == "on these 6 questions (3 base questions)"
    assert scope_in_words(mixed, "new") == "for new questions of this kind"
    assert scope_in_words(mixed, {"trigger": {"on": 0.01, "off": 0.99}}) == "for a mix of trigger: 0.01 on, 0.99 off"
    both = {"trigger": {"on": 1.0}, "base_question": {"q1": 0.5, "q2": 0.5}}
    assert scope_in_words(mixed, both) == "for a mix of trigger: 1 on; base_question: 0.5 q1, 0.5 q2"
    assert scope_in_words(prepared(backdoor({})), "these") == "on these 6 questions"


# --- differences ----------------------------------------------------------------------------------------------------


def test_a_difference_is_taken_in_the_same_context(triggered: xr.Dataset) -> None:
    these = rates_in(triggered, "these")
    assert baseline_pairs(groups_of(these), "base") == [(2, 0), (3, 1)]
    by_hand = these.isel(group=[2, 3]).to_numpy() - these.isel(group=[0, 1]).to_numpy()
    np.testing.assert_array_equal(against_baseline(these, "base"), by_hand)


def counted(events: list[list[int]], total: int) -> EventCounts:
    """Groups named base, a, b … with these events on each question."""
    table = np.array(events)
    groups = pd.DataFrame({"condition": ["base", "a", "b"][: len(table)]})
    questions = tuple(f"q{number}" for number in range(table.shape[1]))
    totals = np.full(table.shape, total)
    return EventCounts(groups, questions, table, totals, totals.sum(axis=1), np.ones(len(table)))


def test_where_the_baseline_shows_the_event_the_interval_is_extended_to_that_of_a_paired_t() -> None:
    counts = counted([[8, 2, 10, 0], [2, 12, 3, 9]], 20)
    rates = fit_rates(counts, Thresholds(), seed=0)
    difference = (counts.events[1] - counts.events[0]) / 20
    paired = stats.ttest_1samp(difference, 0).confidence_interval(0.89)
    shares = logged_shares(rates)
    np.testing.assert_allclose(shares[1] - shares[0], difference)
    lower, upper = extended_interval((-0.01, 0.02), np.append(shares[1] - shares[0], np.nan), 0.89, reduced=True)
    assert (lower, upper) == pytest.approx((paired.low, paired.high))
    assert extended_interval((-0.9, 0.9), difference, 0.89, reduced=True) == (-0.9, 0.9)
    assert extended_interval((-0.01, 0.02), np.full(4, np.nan), 0.89, reduced=True) == (-0.01, 0.02)
    assert extended_interval((-0.01, 0.02), difference, 0.89, reduced=False) == (-0.01, 0.02)
    many = np.tile(difference, 5)
    assert extended_interval((0.1, 0.1), many, 0.89, reduced=False) == paired_interval(many, 0.89)
    assert shows_event(rates).tolist() == [True, True]
    assert shows_event(rates.assign(events=rates["events"] * [[0], [1]])).tolist() == [False, True]


def test_base_questions_agree_about_a_sign_in_at_most_2_per_cent_of_symmetric_logs() -> None:
    """As by all changes of the signs of 8 differences; .04 is 2.5 standard errors of 300 logs above .02."""
    rng, signs = np.random.default_rng(3), np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    logs = np.round(rng.standard_t(2, (300, 8)), 1) / 10
    exact = (np.abs(logs @ signs) >= np.abs(logs.sum(axis=1))[:, None] - 1e-9).mean(axis=1) <= 0.02
    found = np.array([signs_agree(own) for own in logs])
    np.testing.assert_array_equal(found, exact)
    assert 0 < found.mean() < 0.04
    assert signs_agree(np.append(np.full(7, 0.1), [0, np.nan]))
    assert not signs_agree(np.full(6, 0.1))  # one of 64 changes of signs, and its opposite
    assert not signs_agree(np.append(np.full(7, 0.1), -0.5))
    assert signs_agree(np.append(np.full(23, 0.1), -0.5))
    assert not signs_agree(np.full(3, np.nan))


@pytest.mark.parametrize(
    ("scope", "base", "said"), [("new", 1, "undecided"), ("new", 0, "increase"), ("these", 1, "increase")]
)
def test_a_direction_for_new_questions_needs_their_agreement_where_the_baseline_shows_the_event(
    scope: str, base: int, said: str
) -> None:
    events = np.array([[base, base, base, base, 9 * base, base], [7, 8, 7, 9, 0, 8]])
    dims = ("group", "base_question")
    rates = xr.Dataset({"events": (dims, events), "totals": (dims, np.full(events.shape, 20))})
    draws = np.linspace(0.2, 0.4, 200).reshape(2, 100, 1)
    limits, difference = np.array([[0.21, 0.39]]), np.array([[-1.0, 1.0]])
    assert supported(draws, limits, difference, rates, scope, 0.01, 0.05)[1] == [said]
    intervals = [supported(draws, limits, difference, rates, scope, rope, 0.89)[0] for rope in (0.01, 0.2)]
    np.testing.assert_array_equal(*intervals)  # the region of practical equivalence moves no interval


@pytest.mark.parametrize(
    ("totals", "moved", "claimed"),
    [
        ([25, 25, 25, 25], 0.0, "equivalent"),
        ([900, 25, 25, 25], 0.0, "undecided"),  # 50% on the first question and 1% on the others, in both groups
        ([900, 0, 0, 0], 0.0, "undecided"),
        ([900, 25, 25, 25], 3.0, "increase"),
        ([25, 25, 25, 25], 3.0, "increase"),
    ],
)
def test_other_proportions_of_the_questions_are_no_difference(totals: list[int], moved: float, claimed: str) -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal((8, 100, 2, 4))
    logits = np.array([[0.0, -4.6, -4.6, -4.6]] * 2) + np.array([[0.0], [moved]]) + noise
    rates = xr.Dataset(
        {
            "logits": (("chain", "draw", "group", "base_question"), logits),
            "location": (("chain", "draw", "group"), np.zeros((8, 100, 2))),
            "totals": (("group", "base_question"), np.array([[25] * 4, totals])),
        }
    )
    draws = rates_in(rates, "these").to_numpy() @ [[-1], [1]]
    limits = np.quantile(draws, [0.055, 0.945], axis=(0, 1)).T
    assert supported(draws, limits, np.array([[-1.0, 1.0]]), rates, "these", 0.01, 0.89)[1] == [claimed]


def test_a_claim_without_a_difference_is_rare() -> None:
    """With an error of four points and no difference, 6.5% of 89% intervals leave the region; 1 or 2% become claims."""
    estimates = 0.04 * np.random.default_rng(0).standard_normal(100_000)
    beyond = np.abs(estimates) - 0.04 * stats.norm.ppf(0.945) > 0.01
    draws = estimates[::100] + 0.04 * stats.norm.ppf(np.linspace(0, 1, 4002)[1:-1])[:, None]
    assert beyond.mean() == pytest.approx(0.065, abs=0.003)
    for scope, share in (("these", 0.01), ("new", 0.02)):
        assert sure_of_sign(draws[None], scope).mean() == pytest.approx(share, abs=0.008)


def test_a_question_that_one_condition_was_not_asked_does_not_count_for_it() -> None:
    counts = counted([[2, 8, 1], [3, 0, 2]], 20)
    counts.totals[1, 1] = 0
    these = rates_in(fit_rates(counts, Thresholds(), seed=0), "these").mean(("chain", "draw")).to_numpy()
    np.testing.assert_allclose(these, [11 / 60, 5 / 40], atol=0.03)


def test_rates_without_completions_are_none() -> None:
    counts = counted([[2, 8, 1], [0, 0, 0]], 20)
    counts.totals[1] = 0
    these = rates_in(fit_rates(counts, Thresholds(), seed=0), "these")
    assert np.isnan(these.isel(group=1)).all()
    assert np.isfinite(these.isel(group=0)).all()


# --- what the personas imply ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["all", "scored", "coherent"])
def test_implied_rates_are_sums_over_personas_and_categories(
    of: str, mixed: Prepared, rng: np.random.Generator
) -> None:
    emissions = mixed.model.emissions
    weights = rng.dirichlet(np.ones(2), size=(4, 3))  # draw, condition
    tables = tuple(rng.dirichlet(np.ones(len(e.categories)), size=(4, 2)) for e in emissions)
    outcome = Outcome(_RULE, of=of)
    computed = implied_rates(outcome, emissions, weights, tables)
    assert computed.shape == (4, 3)
    categories = [(i, j) for i in range(len(emissions[0].categories)) for j in range(len(emissions[1].categories))]
    codes = np.array(categories)
    event = outcome.numerator.holds(emissions, codes)
    inside = np.ones(len(codes), bool) if outcome.denominator is None else outcome.denominator.holds(emissions, codes)
    for draw, condition in np.ndindex(4, 3):
        top = bottom = 0.0
        for number, (i, j) in enumerate(categories):
            p = sum(weights[draw, condition, z] * tables[0][draw, z, i] * tables[1][draw, z, j] for z in range(2))
            top, bottom = top + p * event[number], bottom + p * inside[number]
        assert computed[draw, condition] == pytest.approx(top / bottom, abs=1e-12)
