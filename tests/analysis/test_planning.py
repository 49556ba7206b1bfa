"""Plans: laws of power, what limits it, refusals, and agreement with full fits of simulated logs."""

from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr
from scipy import special

from simulacra.analysis import Guess, Plan, plan, planning
from simulacra.analysis.planning import _guessed, _location
from simulacra.formalism.rates import new_question_rate, rate_prior
from simulacra.inference import Result
from simulacra.inference.claims import supported
from simulacra.inference.sampling.rates import sample_rates
from simulacra.inference.tables import CI_PROB, ends

GUESS = Guess(0.02, 0.15)


@pytest.fixture(scope="module")
def short() -> Iterator[None]:
    """Short trials: laws hold for any number of draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "_WARMUP", 20)
        patch.setattr(planning, "_DRAWS", 60)
        yield


@pytest.fixture(scope="module")
def planned(short: None) -> Plan:
    return plan(GUESS, questions=(3, 8), samples=(4, 40), trials=60)


def test_power_grows_with_samples_and_questions_up_to_the_ceiling(planned: Plan) -> None:
    """Sixty trials: a standard error of .065 at most, so that differences below .15 may be chance."""
    table = planned.table().set_index(["scope", "questions", "samples"])
    for scope in ("these", "new"):
        assert table.loc[(scope, 8, 40), "power"] > table.loc[(scope, 8, 4), "power"] - 0.15
        assert table.loc[(scope, 8, 40), "power"] >= table.loc[(scope, 3, 40), "power"] - 0.15
    assert table.loc[("these", 8, 40), "power"] > table.loc[("these", 3, 4), "power"] + 0.3
    assert (table["power"] <= table["ceiling"] + 0.15).all()
    assert (table["width"].loc["new"] > table["width"].loc["these"]).all()
    row = table.loc[("new", 8, 40)]
    assert (row["completions"], row["judgements"]) == (640, 640)
    assert row["mcse"] == pytest.approx(np.sqrt(row["power"] * (1 - row["power"]) / 60))


def test_with_few_questions_more_samples_do_not_help(planned: Plan) -> None:
    table = planned.table().set_index(["scope", "questions"])
    assert (table.loc[("new", 3), ["power", "ceiling"]] == 0).all(axis=None)  # nothing is claimed with fewer than four
    assert table.loc[("these", 3), "ceiling"].iloc[0] > 0.9
    with pytest.raises(ValueError, match=r"plan more base questions: with 8 of them, more samples will not help, beca"):
        planned.smallest(0.999)
    with pytest.raises(ValueError, match=r"plan more samples of 3 base questions or more: unlimited ones give 0.95"):
        plan_of(ceiling=0.95, power=0.4).smallest(0.9)
    assert "at most 0.00 with 3 questions" in repr(planned)


def plan_of(*, ceiling: float, power: float) -> Plan:
    """A plan of one design with these powers."""
    made = [np.arange(20) < 20 * share for share in (power, ceiling)]
    said = np.where(np.stack([made, made], axis=1), "increase", "undecided")
    dims = ("design", "scope", "trial")
    coords = {
        "questions": ("design", [3, 3]),
        "samples": ("design", [10, np.inf]),
        "judges": ("design", [1, 1]),
        "scope": ["these", "new"],
    }
    trials = xr.Dataset({"claim": (dims, said), "width": (dims, np.ones(said.shape))}, coords=coords)
    return Plan(trials, "increase", "made up", 0.89)


def test_the_smallest_design_has_the_fewest_completions(planned: Plan) -> None:
    own = planned.table().query("scope == 'these'")
    assert planned.smallest(0.5, scope="these")["completions"] == own[own["power"] >= 0.5]["completions"].min()
    assert planned.best(scope="these")["power"] == own["power"].max()


def test_judges_are_worth_what_they_do_not_share(short: None) -> None:
    """Two judges that always agree are one; two that agree by chance are two completions."""
    both = plan(GUESS, questions=[4], samples=[10, 20], judges=[1, 2], agreement=0.0, trials=30).trials
    claims = both["claim"].set_index(design=["samples", "judges"])
    np.testing.assert_array_equal(claims.sel(samples=10, judges=2), claims.sel(samples=20, judges=1))
    alike = plan(GUESS, questions=[4], samples=[10], judges=[1, 2], agreement=1.0, trials=30).trials["claim"]
    np.testing.assert_array_equal(alike.isel(design=0), alike.isel(design=1))


def test_equivalence_and_decreases_are_planned_too(short: None) -> None:
    none = plan(Guess(0.05, 0.0), questions=[8], samples=[400], rope=0.05, trials=40)
    table = none.table().set_index("scope")
    assert none.expected == "equivalent"
    assert table.loc["new", "power"] == 0  # not with fewer than 32 questions
    assert table.loc["these", "power"] > 0.8
    one = plan(Guess(0.4, -0.3), questions=6, samples=20, judges=1, trials=20)
    assert one.expected == "decrease"
    assert one.trials["samples"].to_numpy().tolist() == [20, np.inf]


def test_a_budget_is_split(short: None) -> None:
    table = plan(GUESS, questions=(4, 10), budget=210, trials=20).table()
    assert table[table["scope"] == "new"][["questions", "samples"]].to_numpy().tolist() == [[4, 26], [10, 10]]


def test_a_fit_gives_the_truth_of_the_trials(fitted: Result, short: None) -> None:
    large = plan(fitted, "bad", questions=[6], samples=[40], trials=40)
    assert large.expected == "increase"
    assert large.table().set_index("scope").loc["these", "power"] > 0.8
    assert plan(fitted, "bad", "mild", difference=-0.04, questions=[4], samples=[5], trials=20).expected == "decrease"


def test_the_location_has_the_stated_rate(rng: np.random.Generator) -> None:
    rate, cell, question = rng.uniform(0.001, 0.9, 5), rng.uniform(0.2, 2, 5), rng.uniform(0.2, 2, 5)
    location = np.vectorize(_location)(rate, question, cell)
    np.testing.assert_allclose(new_question_rate(location, question, cell), rate, atol=1e-9)


def test_errors_say_what_is_wrong(fitted: Result) -> None:
    with pytest.raises(ValueError, match=r"a difference of \+0\.0050 lies within the region of practical equivalence"):
        plan(Guess(0.1, 0.005))
    with pytest.raises(ValueError, match=r"the rates are 0\.1 and 1\.1; expected rates between 0 and 1"):
        Guess(0.1, 1.0)
    with pytest.raises(ValueError, match=r"the scales are 0 and 0\.8; expected positive"):
        Guess(0.1, 0.1, question_scale=0.0)
    with pytest.raises(ValueError, match=r"questions is \[0\]; expected positive integers"):
        plan(GUESS, questions=[0])
    with pytest.raises(ValueError, match="a budget of 10 completions is not enough for 8 base questions"):
        plan(GUESS, questions=[8], budget=10)
    with pytest.raises(ValueError, match="a budget determines the samples"):
        plan(GUESS, samples=[10], budget=1000)
    with pytest.raises(ValueError, match="agreement is 2"):
        plan(GUESS, agreement=2.0)
    with pytest.raises(ValueError, match="a guess has no groups"):
        plan(GUESS, "bad")
    with pytest.raises(ValueError, match="a fit needs the group to compare"):
        plan(fitted)
    with pytest.raises(ValueError, match="compares means of groups; expected two single groups"):
        plan(fitted, ["bad", "mild"])
    with pytest.raises(ValueError, match="There is no scope 'all' in a plan"):
        plan_of(ceiling=1.0, power=1.0).best(scope="all")


FITS, CHAINS, DRAWS = 500, 2, 500
DESIGNS = {
    "8 questions, 50 samples": (Guess(0.02, 0.10), 8, 50),
    "12 questions, 10 samples": (Guess(0.02, 0.10), 12, 10),
    "a decrease, 10 questions, 30 samples": (Guess(0.10, -0.08), 10, 30),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_power_is_that_of_full_fits(name: str) -> None:
    """Of logs that are simulated here: fitted with the warm-up and draws of a fit, and judged by its table."""
    guess, questions, samples = DESIGNS[name]
    rng = np.random.default_rng(11)
    truth, _, _ = _guessed(guess, FITS)
    events = rng.binomial(samples, truth.rates(questions, rng))
    many, totals = np.repeat(events, CHAINS, axis=0), np.full((FITS * CHAINS, 2, questions), samples)
    drawn = next(sample_rates(many, totals, rate_prior(questions), num_samples=DRAWS, seed=3))
    found = {
        "these": special.expit(drawn.logits).mean(axis=-1),
        "new": new_question_rate(drawn.location, drawn.question_scale[..., None], drawn.cell_scale),
    }
    planned = plan(guess, questions=[questions], samples=[samples], trials=1000, seed=5)
    table = planned.table().set_index("scope")
    for scope, values in found.items():
        differences = (values[..., 1] - values[..., 0]).reshape(FITS, CHAINS, DRAWS, 1)
        dims = ("group", "base_question")
        said = [
            supported(
                own,
                np.quantile(own, ends(CI_PROB), axis=(0, 1)).T,
                np.array([[-1.0, 1.0]]),
                xr.Dataset({"events": (dims, counts), "totals": (dims, full)}),
                scope,
                0.01,
                0.89,
            )[1][0]
            for own, counts, full in zip(differences, events, totals[:FITS], strict=True)
        ]
        power = float(np.mean(np.array(said) == planned.expected))
        error = np.hypot(np.sqrt(power * (1 - power) / FITS), table.loc[scope, "mcse"])
        print(f"{name}, {scope}: predicted {table.loc[scope, 'power']:.3f}, {FITS} fits {power:.3f} (se {error:.3f})")
        assert abs(power - table.loc[scope, "power"]) < 0.05
