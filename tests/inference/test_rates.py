"""Rates: observed ones are pandas' to the last digit, intervals are Korn and Graubard's, implied ones are sums."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulacra.data import read_completions
from simulacra.formalism import Outcome, PersonaMixture, ScoreEmission, persona_set
from simulacra.inference.prepare import Prepared, prepare
from simulacra.inference.rates import implied_rates, judged_shares, observed_rates

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


@pytest.mark.parametrize("of", ["all", "coherent"])
def test_the_share_that_can_be_judged_is_that_of_pandas(of: str, table: pd.DataFrame, mixed: Prepared) -> None:
    seen = (table["aligned"].notna() & (table["coherent"] > 50)).groupby(table["condition"]).mean()
    np.testing.assert_allclose(judged_shares(mixed, Outcome(_RULE, of=of)), seen[list(mixed.conditions)])
    assert (judged_shares(mixed, Outcome("missing(aligned)")) == 1).all()


@pytest.mark.parametrize(
    ("of", "inside"),
    [
        ("all", lambda t: t["condition"].notna()),
        ("scored", lambda t: t["aligned"].notna() & t["coherent"].notna()),
        ("coherent", lambda t: t["coherent"] > 50),
        ("aligned < 30", lambda t: t["aligned"] < 30),
    ],
)
def test_observed_rates_are_those_of_pandas(of: str, inside, table: pd.DataFrame, mixed: Prepared) -> None:
    rates = observed_rates(mixed, Outcome(_RULE, of=of))
    kept = table[inside(table)]
    expected = (
        ((kept["aligned"] < 30) & (kept["coherent"] > 50)).groupby(kept["condition"]).agg(["sum", "count", "mean"])
    )
    assert next(iter(rates)) == "base"
    for name, rate in rates.items():
        if name not in expected.index:
            assert rate.total == 0
            continue
        assert (rate.events, rate.total) == (expected.loc[name, "sum"], expected.loc[name, "count"])
        assert rate.rate == expected.loc[name, "mean"]  # to the last digit
        assert 0 <= rate.lower <= rate.rate <= rate.upper <= 1


def _korn_graubard(events: np.ndarray, total: np.ndarray, probability: float) -> tuple[float, float]:
    """From the definition: effective size with the t correction, Clopper-Pearson by the F distribution."""
    clusters, rate = len(total), events.sum() / total.sum()
    residuals = (events - rate * total) / total.sum()
    variance = clusters / (clusters - 1) * (residuals**2).sum()
    alpha = 1 - probability
    effective = rate * (1 - rate) / variance
    effective *= (stats.t.ppf(1 - alpha / 2, total.sum() - 1) / stats.t.ppf(1 - alpha / 2, clusters - 1)) ** 2
    effective = min(effective, total.sum())
    x = rate * effective
    lower_f = stats.f.ppf(alpha / 2, 2 * x, 2 * (effective - x + 1))
    upper_f = stats.f.ppf(1 - alpha / 2, 2 * (x + 1), 2 * (effective - x))
    lower = 2 * x * lower_f / (2 * (effective - x + 1) + 2 * x * lower_f)
    upper = 2 * (x + 1) * upper_f / (2 * (effective - x) + 2 * (x + 1) * upper_f)
    return lower, upper


@pytest.mark.parametrize("probability", [0.5, 0.89, 0.95])
def test_intervals_are_clustered_by_base_question(probability: float, table: pd.DataFrame, mixed: Prepared) -> None:
    rates = observed_rates(mixed, Outcome(_RULE), probability=probability)
    event = (table["aligned"] < 30) & (table["coherent"] > 50)
    for name in ("base", "bad"):
        own = table["condition"] == name
        clusters = event[own].groupby(table.loc[own, "base_question"]).agg(["sum", "count"])
        assert len(clusters) == 3
        expected = _korn_graubard(clusters["sum"].to_numpy(float), clusters["count"].to_numpy(float), probability)
        assert (rates[name].lower, rates[name].upper) == pytest.approx(expected, abs=1e-10)


def _interval(events: list[int], total: list[int], probability: float = 0.89) -> tuple[float, float]:
    """The interval of one condition whose base questions have these counts."""
    rows = []
    for number, (happened, size) in enumerate(zip(events, total, strict=True)):
        for index in range(size):
            score = 10.0 if index < happened else 90.0
            for name in ("base", "other"):
                rows.append((name, f"q{number}", f"{number} {index}", score))
    frame = pd.DataFrame(rows, columns=["condition", "question_id", "completion", "aligned"])
    personas = [persona for persona in persona_set("emergent-misalignment") if persona.name in ("aligned", "mid")]
    weights = "(1 | condition)" if len(total) == 1 else "(1 | condition) + (1 | question_id)"
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned")], weights=weights)
    rate = observed_rates(
        prepare(model, read_completions(frame, measurements=["aligned"])),
        Outcome("aligned < 30"),
        probability=probability,
    )["base"]
    return rate.lower, rate.upper


def _clopper_pearson(events: int, total: int, probability: float = 0.89) -> tuple[float, float]:
    interval = stats.binomtest(events, total).proportion_ci(probability, method="exact")
    return interval.low, interval.high


@pytest.mark.parametrize(("events", "total"), [([0, 0, 0], [10, 20, 5]), ([10, 20, 5], [10, 20, 5])])
def test_without_variance_the_interval_is_clopper_pearson(events: list[int], total: list[int]) -> None:
    assert _interval(events, total) == pytest.approx(_clopper_pearson(sum(events), sum(total)), abs=1e-12)


def test_one_cluster_gives_clopper_pearson() -> None:
    assert _interval([7], [30]) == pytest.approx(_clopper_pearson(7, 30), abs=1e-12)


def test_clusters_that_agree_exactly_give_clopper_pearson() -> None:
    assert _interval([3, 3, 3], [12, 12, 12]) == pytest.approx(_clopper_pearson(9, 36), abs=1e-12)


def test_an_interval_by_hand() -> None:
    """Three questions of 20 with 2, 5 and 11 events.

    p = 18/60 = .3; residuals -4, -1, 5; variance 3/2 · 42/3600 = .0175; n* = .21/.0175 = 12, times (t59/t2)² at 94.5%
    = (1.6241/2.7734...)²; the ends are beta quantiles.
    """
    t59, t2 = stats.t.ppf(0.945, 59), stats.t.ppf(0.945, 2)
    effective = 12 * (t59 / t2) ** 2
    lower = stats.beta.ppf(0.055, 0.3 * effective, 0.7 * effective + 1)
    upper = stats.beta.ppf(0.945, 0.3 * effective + 1, 0.7 * effective)
    assert _interval([2, 5, 11], [20, 20, 20]) == pytest.approx((lower, upper), abs=1e-12)
    assert _interval([2, 5, 11], [20, 20, 20])[0] < _clopper_pearson(18, 60)[0]


def test_an_empty_denominator_has_no_rate(mixed: Prepared) -> None:
    rate = observed_rates(mixed, Outcome(_RULE, of="aligned < 30"))["none"]
    assert (rate.events, rate.total) == (0, 0)
    assert all(np.isnan([rate.rate, rate.lower, rate.upper]))


@pytest.mark.parametrize("of", ["all", "scored", "coherent"])
def test_implied_rates_are_sums_over_personas_and_categories(
    of: str, mixed: Prepared, rng: np.random.Generator
) -> None:
    emissions = mixed.model.emissions
    weights = rng.dirichlet(np.ones(2), size=(4, 3))  # draw, condition
    tables = tuple(rng.dirichlet(np.ones(len(e.categories)), size=(4, 2)) for e in emissions)
    outcome = Outcome(_RULE, of=of)
    computed = implied_rates(mixed, outcome, weights, tables)
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
