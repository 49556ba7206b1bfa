"""Training paths: tables of the draws of a fit, crossings, steps, what is withheld, refusals, and recovery."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

from simulacra.analysis import TrainingPath, training_path
from simulacra.analysis.dynamics import _given_others, _priors
from simulacra.data import Truth, simulate_log
from simulacra.formalism import Outcome
from simulacra.formalism.dynamics import effective_counts, first_crossing, monotone_path, random_walk
from simulacra.formalism.rates import logged_rate_prior
from simulacra.inference import Result, fit
from simulacra.inference.sampling.rates import RateDraws
from simulacra.report import figures
from tests.analysis.rate_worlds import LOGS, QUESTIONS, covered, sampled, worlds
from tests.inference.conftest import simulate

STEPS = {"bad": 40.0, "base": 0.0, "mild": 10.0}
"""Out of order, which does not matter."""


@pytest.fixture(scope="module")
def rates(fitted: Result) -> TrainingPath:
    return training_path(fitted, STEPS)


def test_with_much_data_the_path_is_what_the_fit_says(fitted: Result, rates: TrainingPath) -> None:
    """The walk and the prior of the fit say little next to 160 completions at every checkpoint."""
    table = rates.table().set_index("checkpoint")
    assert list(table.index) == ["base", "mild", "bad"]
    assert list(table["step"]) == [0.0, 10.0, 40.0]
    alone = fitted.rates().set_index("condition").loc[list(table.index)]
    np.testing.assert_array_equal(table["alone"], alone["rate"])
    np.testing.assert_array_equal(table["alone_ub"], alone["eti89_ub"])
    np.testing.assert_allclose(table["mean"], alone["rate"], atol=0.015)
    np.testing.assert_allclose(table["eti89_ub"], alone["eti89_ub"], atol=0.03)
    np.testing.assert_allclose(table["mean"], rates.draws.mean("draw"))
    assert (table["status"] == "ok").all()


@pytest.mark.parametrize("shape", ["walk", "monotone"])
def test_weights_have_paths_as_well(fitted: Result, shape: str) -> None:
    path = training_path(fitted, STEPS, of="weights", persona="misaligned", shape=shape)
    weights = fitted.weights().query("persona == 'misaligned'").set_index("condition")
    table = path.table().set_index("checkpoint")
    np.testing.assert_allclose(table["mean"], weights.loc[list(table.index), "mean"], atol=0.03)
    np.testing.assert_allclose(table["alone"], weights.loc[list(table.index), "mean"], rtol=1e-9)
    if shape == "monotone":
        assert (np.diff(path.dense, axis=1) >= -1e-12).all()


def test_a_crossing_lies_between_the_checkpoints_around_the_level(rates: TrainingPath) -> None:
    base, mild, bad = rates.table()["mean"]
    row = rates.crossing((mild + bad) / 2).iloc[0]
    assert (row["direction"], row["status"]) == ("increase", "ok")
    assert 10 < row["median"] < 40
    assert row["p_crossed"] > 0.95
    early, late = rates.crossing(base / 4).iloc[0], rates.crossing(0.99).iloc[0]
    assert early["p_before"] > 0.9
    assert early["median"] == 0.0
    assert late["median"] == np.inf
    assert late["p_crossed"] < 0.1
    half = rates.crossing(share=0.5).iloc[0]
    assert half["crossing"] == "0.5 of the change"
    assert 0 < half["median"] < 40


def test_a_level_of_a_path_without_a_change_is_reached_from_where_it_starts(fitted: Result) -> None:
    """Of completions that are always scored, the share does not fall to one half, and it does not start there."""
    path = training_path(fitted, STEPS, outcome=Outcome("not missing(coherent)", name="scored"))
    row = path.crossing(0.5).iloc[0]
    assert row["direction"] == "decrease"
    assert row["p_before"] == 0
    assert row["p_crossed"] == pytest.approx(0, abs=0.02)


def test_a_decreasing_path_mirrors_an_increasing_one(fitted: Result) -> None:
    """Turned around, the path falls through the same level at the mirrored position."""
    there = training_path(fitted, STEPS, shape="monotone").crossing(0.3).iloc[0]
    turned = training_path(fitted, {"bad": 0.0, "mild": 30.0, "base": 40.0}, shape="monotone").crossing(0.3).iloc[0]
    assert turned["direction"] == "decrease"
    assert turned["median"] == pytest.approx(40 - there["median"], abs=3)
    assert turned["eti89_lb"] == pytest.approx(40 - there["eti89_ub"], abs=3)


def test_shares_of_steps_add_up(rates: TrainingPath) -> None:
    steps, table = rates.steps(), rates.table()
    assert steps["change"].sum() == pytest.approx(table["mean"].iloc[-1] - table["mean"].iloc[0])
    assert steps["share"].sum() == pytest.approx(1, abs=0.02)  # medians
    assert steps["p_steepest"].sum() == pytest.approx(1)
    assert list(steps["even"]) == [0.25, 0.75]
    steepest = rates.steepest().iloc[0]
    assert steepest["p_steepest"] == steps["p_steepest"].max()
    values = rates.draws.to_numpy()
    place = int(steps["p_steepest"].argmax())
    share = (values[:, place + 1] - values[:, place]) / (values[:, -1] - values[:, 0])
    assert steepest["share"] == pytest.approx(np.median(share), abs=1e-3)


def test_even_shares_follow_the_scale(fitted: Result) -> None:
    path = training_path(fitted, {"base": 1, "mild": 10, "bad": 100}, scale="log", covariate="tokens", shape="monotone")
    np.testing.assert_allclose(path.steps()["even"], [0.5, 0.5])
    assert path.dense["tokens"].to_numpy()[8] == pytest.approx(10**0.5)  # half-way in logarithms
    assert "tokens" in path.table()


def test_citations_are_rows_of_the_tables(fitted: Result, rates: TrainingPath) -> None:
    own, row = rates.cite("mild"), rates.table().iloc[1]
    assert (own.value, own.lower, own.upper) == (row["mean"], row["eti89_lb"], row["eti89_ub"])
    assert (own.key, own.scope) == ("path[rate, mild]", fitted.in_words())
    crossed, table = rates.cite_crossing(share=0.5), rates.crossing(share=0.5).iloc[0]
    assert (crossed.value, crossed.upper) == (table["median"], table["eti89_ub"])
    assert rates.cite_steepest().value == rates.steepest()["share"].iloc[0]
    with pytest.raises(ValueError, match=r"reaches 0\.99 within the observed range with probability 0\.0"):
        rates.cite_crossing(0.99)


def test_checkpoints_that_were_asked_other_questions_are_named_so(rates: TrainingPath) -> None:
    asked = np.array(rates.alone.compared.asked)
    asked[rates.alone.rows[1], 0] = False
    compared = dataclasses.replace(rates.alone.compared, asked=asked)
    path = dataclasses.replace(rates, alone=dataclasses.replace(rates.alone, compared=compared))
    number = asked.shape[1]
    said = f"on the questions that each was asked, {number - 1} of {number} base questions in common"
    assert path.cite("mild").scope == said
    assert said in repr(path)


def test_without_a_change_there_are_no_shares(fitted: Result) -> None:
    path = training_path(fitted, STEPS, outcome=Outcome("missing(coherent)", name="missing"))
    assert path.steps()["status"].str.startswith("withheld: the path may not change at all").all()
    assert path.steepest()["share"].isna().all()
    assert path.crossing(share=0.5)["status"].iloc[0] == "withheld: the path may not change at all"
    assert path.crossing(0.5)["p_crossed"].iloc[0] == pytest.approx(0, abs=0.02)  # a level needs no change
    with pytest.raises(ValueError, match="is withheld: the path may not change at all"):
        path.cite_steepest()


def test_a_withheld_checkpoint_withholds_the_path(fitted: Result) -> None:
    strict = {**fitted.settings, "thresholds": {**fitted.settings["thresholds"], "ess": 1e9}}
    path = training_path(dataclasses.replace(fitted, settings=strict), STEPS)
    assert path.table()["mean"].isna().all()
    for table in (path.crossing(0.5), path.steps()):
        assert table["status"].str.startswith("withheld: the estimate of base is withheld (R-hat").all()
    assert "withheld" in figures.training_paths(path).get_label()


def test_what_contradicts_a_monotone_path_withholds_it(fitted: Result) -> None:
    order = {"base": 0, "bad": 1, "mild": 2}
    table = training_path(fitted, order, shape="monotone").table()
    assert table["mean"].isna().all()
    assert (table["status"] == "withheld: the path is not monotone, it turns back from step 1 to 2").all()
    assert training_path(fitted, order).table()["mean"].notna().all()


@pytest.mark.parametrize("formula", ["1 + (1 | question_id)", "condition + (1 | question_id)"])
def test_a_walk_of_weights_needs_a_prior_to_replace(fitted: Result, formula: str) -> None:
    design = dataclasses.replace(fitted.design, formula=formula)
    other = dataclasses.replace(fitted, prepared=dataclasses.replace(fitted.prepared, design=design))
    with pytest.raises(ValueError, match=r"fit the checkpoints with '\(1 \| condition\)' in the formula"):
        training_path(other, STEPS, of="weights", persona="misaligned")


def test_a_walk_differs_with_the_seed_only(fitted: Result, rates: TrainingPath) -> None:
    np.testing.assert_array_equal(training_path(fitted, STEPS).draws, rates.draws)
    assert (training_path(fitted, STEPS, seed=1).draws.to_numpy() != rates.draws.to_numpy()).any()


def test_errors_say_what_is_wrong(fitted: Result, rates: TrainingPath) -> None:
    with pytest.raises(ValueError, match="there are 2 checkpoints; expected at least three conditions"):
        training_path(fitted, {"base": 0, "bad": 1})
    with pytest.raises(
        ValueError, match=r"the values of the checkpoints are .*; expected finite numbers, all different"
    ):
        training_path(fitted, {"base": 0, "mild": 1, "bad": 1})
    with pytest.raises(ValueError, match=r"expected finite numbers, all different"):
        training_path(fitted, {"base": 0, "mild": 1, "bad": np.inf})
    with pytest.raises(ValueError, match="no group has condition=worse"):
        training_path(fitted, {"base": 0, "mild": 1, "worse": 2})
    with pytest.raises(ValueError, match=r"the value 0 has no place on the scale 'log'; .*choose scale='log1p'"):
        training_path(fitted, STEPS, scale="log")
    with pytest.raises(ValueError, match="scale='cubic'; expected one of 'linear', 'log', 'log1p'"):
        training_path(fitted, STEPS, scale="cubic")
    with pytest.raises(ValueError, match="shape='line'; expected 'walk' or 'monotone'"):
        training_path(fitted, STEPS, shape="line")
    with pytest.raises(ValueError, match="of='shifts'; expected 'rates' or 'weights'"):
        training_path(fitted, STEPS, of="shifts")
    with pytest.raises(ValueError, match="for weights, one of aligned, misaligned, incoherent"):
        training_path(fitted, STEPS, of="weights")
    with pytest.raises(ValueError, match="covariate='mean' is the name of another column"):
        training_path(fitted, STEPS, covariate="mean")
    with pytest.raises(ValueError, match="num_draws is 0; expected 1 or more"):
        training_path(fitted, STEPS, num_draws=0)
    with pytest.raises(ValueError, match="level is None and share is None; expected exactly one"):
        rates.crossing()
    with pytest.raises(ValueError, match=r"level is 1\.5; expected a number between 0 and 1"):
        rates.crossing(1.5)
    with pytest.raises(ValueError, match="there is no checkpoint 'worse'; expected one of base, mild, bad"):
        rates.cite("worse")
    other = training_path(fitted, STEPS, covariate="dose", shape="monotone")
    with pytest.raises(ValueError, match=r"paths over step \(linear\) and dose \(linear\); expected one covariate"):
        figures.training_paths(rates, other)


def _counts(drawn: RateDraws, log: int) -> np.ndarray:
    """Effective counts of all conditions of a log, as :func:`training_path` computes them."""
    logits, location, _, cell_scale, scale = (own[log].astype(float) for own in drawn)
    priors = _given_others(logits, location, cell_scale, scale, range(logits.shape[1]))
    these = special.logit(special.expit(logits).mean(axis=-1))
    return np.array([effective_counts(own, prior) for own, prior in zip(these.T, priors, strict=True)])


def test_the_others_narrow_the_prior_of_a_checkpoint(rates: TrainingPath, fitted: Result) -> None:
    """That of the first logit of a walk does not depend on them; those that are divided out differ by checkpoint."""
    first, given = _priors(fitted, rates.alone, None)
    assert first == logged_rate_prior(len(fitted.prepared.logged_questions[1]))
    assert all(own.sd < first.sd for own in given)
    assert len({own.mean for own in given}) == len(STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.002, 0.01, 0.05, 0.2])
def test_paths_without_a_change_are_recovered(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty logs of four checkpoints; a prior that is not divided out pulls all of them to one side."""
    drawn, _ = sampled(np.full((LOGS, 4, QUESTIONS), rate), 17, monkeypatch)
    prior, rng, positions = logged_rate_prior(QUESTIONS), np.random.default_rng(3), np.arange(4.0)
    number = 0
    for log in range(LOGS):
        path = random_walk(positions, _counts(drawn, log), prior, num_draws=1000, rng=rng)
        lower, upper = np.quantile(path.paths[:, path.checkpoint], [0.055, 0.945], axis=0)
        number += covered(lower, upper, np.full(4, rate))
    print(f"of {4 * LOGS} intervals at a constant rate of {rate:.1%}, {number} cover it")
    assert number >= 0.8 * 4 * LOGS


@pytest.mark.slow
def test_paths_of_the_rate_model_are_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty logs of a base and four checkpoints with questions that differ, from counts to paths."""
    locations, positions = np.array([-4.5, -4.0, -2.0, -0.5, -0.2]), np.array([0.0, 1.0, 2.0, 3.0, 6.0])
    truth = np.sort(worlds(11, locations), axis=1)  # questions differ; none turns back
    drawn, _ = sampled(truth, 12, monkeypatch)
    these, true = special.expit(drawn.logits).mean(axis=-1), truth.mean(axis=-1)
    first, rng = logged_rate_prior(truth.shape[-1]), np.random.default_rng(13)
    bounds: dict[tuple[str, str], list[np.ndarray]] = {}
    for log, own in enumerate(these):
        counts = _counts(drawn, log)
        paths = {
            "walk": random_walk(positions, counts, first, num_draws=1000, rng=rng),
            "monotone": monotone_path(positions, own, increasing=True, rng=rng),
        }
        for shape, path in paths.items():
            values = path.paths[:, path.checkpoint]
            shares = np.diff(values, axis=1) / (values[:, -1:] - values[:, :1])
            half = first_crossing(path.positions, (path.paths - values[:, :1]) / (values[:, -1:] - values[:, :1]), 0.5)
            for name, draws in (("path", values), ("share", shares), ("half", half)):
                limits = np.quantile(draws, [0.055, 0.945], axis=0, method="inverted_cdf")
                bounds.setdefault((shape, name), []).append(limits)
    change = true[:, -1:] - true[:, :1]
    truths = {
        "path": true,
        "share": np.diff(true, axis=1) / change,
        "half": first_crossing(positions, (true - true[:, :1]) / change, 0.5),
    }
    found = {}
    for (shape, name), limits in bounds.items():
        lower, upper = np.moveaxis(np.array(limits), 1, 0)
        expected = truths[name]
        each = expected.shape[1] if expected.ndim > 1 else 1
        found[shape, name] = covered(lower, upper, expected) / each
    print(f"of {LOGS} logs, on average over checkpoints and steps: {found}")
    assert all(32 <= number <= LOGS for number in found.values()), found


@pytest.mark.slow
def test_paths_of_weights_are_recovered() -> None:
    """Eight logs of five checkpoints with 40 completions each, from scores to paths of the weight of a persona."""
    model, found = simulate().model, {}
    tables = tuple(alpha / alpha.sum(axis=1, keepdims=True) for alpha in model.concentrations)
    steps = {name: float(step) for step, name in enumerate(["base", "a", "b", "c", "d"])}
    settings: dict[str, Any] = {"num_warmup": 250, "num_samples": 300, "progress_bar": False}
    rng = np.random.default_rng(5)
    for seed in range(8):
        low, high, middle, slope = (
            rng.uniform(0.01, 0.1),
            rng.uniform(0.4, 0.9),
            rng.uniform(0.8, 3.2),
            rng.choice([0.1, 0.7]),
        )
        true = low + (high - low) * special.expit((np.arange(5) - middle) / slope)
        cells = pd.DataFrame(
            list(itertools.product(steps, ["q1", "q2", "q3", "q4"])), columns=["condition", "question_id"]
        )
        own = np.repeat(true, 4)
        truth = Truth(cells, np.stack([0.9 * (1 - own), own, 0.1 * (1 - own)], axis=1), tables)
        result = fit(model, simulate_log(model, truth, 10, seed=seed), seed=seed, **settings)
        for shape in ("walk", "monotone"):
            path = training_path(result, steps, of="weights", persona="misaligned", shape=shape)
            lower, upper = np.quantile(path.draws, [0.055, 0.945], axis=0)
            found[shape] = found.get(shape, 0) + covered(lower, upper, true)
    print(f"of 40 weights: {found}")
    assert all(32 <= number <= 40 for number in found.values()), found
