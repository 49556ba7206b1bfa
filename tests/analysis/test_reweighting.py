"""Whether a difference is a reweighting: the statistic against least squares, its p-value, and planted changes."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulacra.analysis import reweighting
from simulacra.analysis.reweighting import LEVEL, _joint_tail, _residual
from simulacra.data import collapse, read_completions, simulate_log
from simulacra.formalism import InputError
from simulacra.inference import Result, fit
from simulacra.inference.diagnostics import Check, Thresholds
from tests.inference.conftest import fit_triggered, simulate
from tests.inference.worlds import drifted

_EASY = Thresholds(r_hat=10.0, ess=1)
_BINS = np.repeat(np.eye(5), 2, axis=0)  # a measurement with five categories, and another of which nothing is compared
_PAIR = np.array([1.0, -1.0])


def small_problem(rng: np.random.Generator, draws: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Certain weights of two groups and emissions of three personas over ten patterns, as draws."""
    weights = np.tile([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]], (draws, 1, 1))
    return weights, np.tile(rng.dirichlet(np.ones(10), size=3), (draws, 1, 1))


def test_the_rest_is_what_least_squares_leaves(rng: np.random.Generator) -> None:
    weights, given = small_problem(rng)
    emissions = given[0]
    counts = rng.multinomial([4000, 6000], rng.dirichlet(np.ones(10), size=2)).astype(float)
    found = _residual(_PAIR, counts, weights, given, _BINS, rng)
    sizes, mean = counts.sum(axis=1), weights[0] @ emissions
    deviation = np.sqrt(sum((own @ _BINS) / size for own, size in zip(mean, sizes, strict=True)))
    excess = np.subtract(*(counts / sizes[:, None] - mean))
    span = (emissions[1:] - emissions[0]).T
    moved, *_ = np.linalg.lstsq((_BINS / deviation).T @ span, excess @ _BINS / deviation)
    np.testing.assert_allclose(found.rest, excess - span @ moved, atol=1e-10)
    assert found.p_value == pytest.approx(1 / 401)


def test_a_reweighting_leaves_nothing_and_another_emission_does(rng: np.random.Generator) -> None:
    """Whatever weights the fit assumed; the second group's third persona then exchanges two of its categories."""
    weights, given = small_problem(rng)
    true = np.array([[0.05, 0.15, 0.8], [0.6, 0.3, 0.1]])
    expected = 1e5 * true @ given[0]
    found = _residual(_PAIR, expected, weights, given, _BINS, rng)
    np.testing.assert_allclose(found.rest, 0, atol=1e-5)
    assert found.share == 0
    assert found.p_value == 1
    other = given[0].copy()
    other[2] = np.roll(other[2], 4)
    expected[0] = 1e5 * true[0] @ other
    found = _residual(_PAIR, expected, weights, given, _BINS, rng)
    assert found.p_value == pytest.approx(1 / 401)
    assert found.share > found.noticeable


def test_personas_that_can_make_any_distribution_leave_nothing(rng: np.random.Generator) -> None:
    """Five personas over five categories: whatever the log, a reweighting gives it."""
    given = np.tile(np.repeat(np.eye(5) / 2, 2, axis=1), (50, 1, 1))
    weights = np.tile(rng.dirichlet(np.ones(5), size=2), (50, 1, 1))
    counts = rng.multinomial([900, 400], rng.dirichlet(np.ones(10), size=2)).astype(float)
    assert _residual(_PAIR, counts, weights, given, _BINS, rng).p_value == 1


def test_p_values_of_logs_from_the_model(rng: np.random.Generator) -> None:
    """With parameters that are not fitted to the log, p-values are uniform: mean .5 ± .029, 2.4 below .024 of 100."""
    weights, given = small_problem(rng)
    logs = rng.multinomial([300, 500], weights[0] @ given[0], size=(100, 2)).astype(float)
    found = np.array([_residual(_PAIR, counts, weights, given, _BINS, rng).p_value for counts in logs])
    assert abs(found.mean() - 0.5) < 4 * 0.029
    assert (found < 0.024).sum() <= 9  # exceeded with a probability of 2e-4


def test_equal_weights_are_as_improbable_as_the_region_that_reaches_them() -> None:
    """For one difference, twice the tail of a normal; correlated draws of two have the distance of Mahalanobis."""
    rng = np.random.default_rng(1)
    plain = rng.normal(size=(20_000, 1))
    plain = (plain - plain.mean()) / plain.std(ddof=1)
    assert _joint_tail(1.96 + plain) == pytest.approx(0.05, abs=1e-4)
    mixed = np.concatenate([1.96 + plain, 3 * (1.96 + plain)], axis=1)  # the second adds nothing
    assert _joint_tail(mixed) == pytest.approx(0.05, abs=1e-4)


def test_contexts_are_compared_with_those_of_the_baseline() -> None:
    """The trigger is in no formula, so the backdoored model has the same weights with and without it."""
    result = dataclasses.replace(fit_triggered(), checks=())
    found = reweighting(result)
    assert list(found.comparisons) == [
        "backdoor, trigger=off − base, trigger=off",
        "backdoor, trigger=on − base, trigger=on",
    ]
    table = found.table()
    assert (table["p_selection"] < LEVEL).all()
    assert (table["verdict"] == "undecided").all()  # contexts are no conditions, of which there are two
    assert (table["p_conduct"] > 0.05).all()  # more of the misaligned persona is a reweighting, whatever was fitted
    assert (table["comparisons"] == 2).all()
    line = found.cite("backdoor, trigger=on - base, trigger=on")
    assert line.startswith("backdoor, trigger=on − base, trigger=on: undecided on these 4 questions (total variation")
    assert "one of 2 comparisons; simulacra" in line
    trigger = reweighting(result, [("backdoor, trigger=on", "backdoor, trigger=off")]).table().iloc[0]
    assert trigger["comparison"] == "backdoor, trigger=on − backdoor, trigger=off"
    assert (trigger["total_variation"], trigger["p_selection"], trigger["status"]) == (
        0,
        1,
        "ok",
    )  # equal by the formula


def test_a_reading_with_other_names_is_examined_as_well(planted: Result) -> None:
    tree = planted.tree.copy()
    tree["reading_2"] = xr.DataTree(planted.posterior.assign_coords(persona=["aligned", "unnamed-2", "incoherent"]))
    table = reweighting(dataclasses.replace(planted, tree=tree)).table().set_index("comparison")
    assert table.loc["bad − base", "verdict"] == "selection"
    assert table.loc["lower − base", "verdict"] == "conduct"


@pytest.fixture(scope="module")
def planted() -> Result:
    """The simulated log with two more conditions: *mild* again, and with scores that are one bin lower."""
    world = simulate()
    table = world.log.table[["condition", "question_id", "completion", "aligned", "coherent"]]
    again = [table[table["condition"] == "base"].assign(condition=name) for name in ("same", "lower")]
    again[1] = drifted(again[1].assign(condition="mild")).assign(condition="lower")
    log = read_completions(pd.concat([table, *again], ignore_index=True))
    settings = {"num_warmup": 250, "num_samples": 150, "num_chains": 2, "progress_bar": False, "thresholds": _EASY}
    return fit(world.model, log, **settings)


def test_selection_conduct_and_neither(planted: Result) -> None:
    """The weights of *bad* differ, those of *same* do not, and *lower* does otherwise what *base* does."""
    table = reweighting(planted).table().set_index("comparison")
    verdicts = {"bad − base": "selection", "same − base": "undecided", "lower − base": "conduct"}
    assert table["verdict"].to_dict() | verdicts == table["verdict"].to_dict()
    assert table.loc["lower − base", "p_conduct"] <= LEVEL
    assert table.loc["lower − base", "unexplained"] > table.loc["lower − base", "noticeable"]
    assert table.loc["lower − base", "most_changed"].startswith("aligned [")
    truth = 0.5 * np.abs(np.subtract([0.42, 0.48, 0.10], [0.86, 0.04, 0.10])).sum()
    assert table.loc["bad − base", "total_variation"] == pytest.approx(truth, abs=0.15)


def test_a_check_that_failed_withholds_except_that_of_what_is_examined(planted: Result) -> None:
    failed = [check for check in planted.failed if check.name == "unexplained share"]
    assert failed, "the share of *lower* is unexplained, which is the verdict and no reason to withhold it"
    other = Check("r_hat", False, 2.0, 1.01, "", "", ("weights",), condition="bad")
    found = reweighting(dataclasses.replace(planted, checks=(*failed, other))).table().set_index("comparison")
    assert found.loc["bad − base", "status"] == "withheld: r_hat"
    assert found.loc["bad − base", ["unexplained", "p_conduct", "total_variation", "p_selection"]].isna().all()
    assert found.loc["lower − base", "verdict"] == "conduct"


def test_few_conditions_are_no_evidence_of_selection(passed: Result) -> None:
    table = reweighting(passed).table().set_index("comparison")
    assert table.loc["bad − base", "verdict"] == "undecided"
    assert table.loc["bad − base", "status"].startswith("weights moved, but with so few conditions")


def test_errors(fitted: Result) -> None:
    with pytest.raises(InputError, match=r"nothing to compare; expected a pair of groups"):
        reweighting(fitted, [])
    with pytest.raises(InputError, match="no group has condition=mad"):
        reweighting(fitted, [("mad", "base")])
    found = reweighting(fitted)
    with pytest.raises(InputError, match="there is no 'bad'; expected one of bad − base, mild − base"):
        found.cite("bad")
    held = dataclasses.replace(fitted, checks=(Check("r_hat", False, 2.0, 1.01, "", "", ("weights",)),))
    with pytest.raises(InputError, match="bad − base is withheld: r_hat"):
        reweighting(held).cite("bad − base")


@pytest.mark.slow
def test_halves_of_a_condition() -> None:
    """Twenty random splits of 1200 completions: unchanged, with more low scores, or with lower scores in one half.

    ``docs/validation.md`` has the numbers.
    """
    world = simulate()
    said = {}
    for change in ("none", "doubled", "lower"):
        verdicts = []
        for seed in range(20):
            log = simulate_log(world.model, world.truth, 300, seed=seed)
            table = log.table[["condition", "question_id", "completion", "aligned", "coherent"]]
            own = table[table["condition"] == "mild"].sample(frac=1, random_state=seed)
            first, second = own.iloc[: len(own) // 2], own.iloc[len(own) // 2 :]
            if change == "doubled":
                second = pd.concat([second, second[second["aligned"] < 30]])
            if change == "lower":
                second = drifted(second)
            halves = [first.assign(condition="first"), second.assign(condition="second")]
            parts = pd.concat([table[table["condition"] != "mild"], *halves], ignore_index=True)
            counts = collapse(read_completions(parts), world.model.emissions)
            result = fit(world.model, counts, num_warmup=300, num_samples=500, progress_bar=False, seed=seed)
            verdicts.append(reweighting(result, [("second", "first")]).table()["verdict"].iloc[0])
        said[change] = pd.Series(verdicts).value_counts().to_dict()
    print(said)
    assert said["none"].get("undecided", 0) >= 18
    assert said["doubled"].get("selection", 0) >= 18
    assert said["lower"].get("conduct", 0) >= 18
