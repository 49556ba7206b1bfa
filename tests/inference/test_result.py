"""What a fit says, of a log whose truth is known: tables, tree, responsibilities, and what is withheld."""

import dataclasses
import errno
import json
import pickle
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import arviz_stats
import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulacra.formalism import (
    InputError,
    LabelEmission,
    Outcome,
    Partition,
    PersonaMixture,
    ScoreEmission,
    log_ratio,
    persona_set,
    total_variation,
)
from simulacra.formalism.display import place
from simulacra.inference import Result, Thresholds, store, tables
from simulacra.inference.citation import WithheldError, decimals
from simulacra.inference.draws import DRAWS
from simulacra.inference.quantities import Quantities
from simulacra.inference.tables import bounds
from tests.inference.conftest import fit_triggered

_NUMBERS = ["mean", "eti89_lb", "eti89_ub"]
_DIAGNOSTICS = ["ess_bulk", "ess_tail", "r_hat"]


def _with_failure(result: Result, name: str, *, of: str | None = None) -> Result:
    """The same result, had one of its checks failed, that of a persona or condition if there are several."""
    index = next(
        index
        for index, check in enumerate(result.checks)
        if check.name == name and of in (None, check.persona, check.condition)
    )
    failing = dataclasses.replace(result.checks[index], passed=False)
    return dataclasses.replace(result, checks=(*result.checks[:index], failing, *result.checks[index + 1 :]))


# --- recovery -------------------------------------------------------------------------------------------------------


def test_every_check_passes(fitted: Result) -> None:
    assert fitted.ok, "\n".join(map(str, fitted.failed))
    assert fitted.failed == ()
    names = [check.name for check in fitted.checks]
    lost, *consequences = (names.index(name) for name in ("name: misaligned", "r_hat", "readings"))
    assert lost < min(consequences)


def test_known_weights_are_recovered(fitted: Result, simulated) -> None:
    """Nine standardised errors beyond 4: probability 6e-4 if calibrated. The posterior must be informative too."""
    truth = simulated.truth.condition_weights(fitted.personas).loc[list(fitted.conditions)]
    weights = fitted.draws("weights")
    mean, spread = weights.mean(("chain", "draw")), weights.std(("chain", "draw"))
    assert (np.abs(mean - truth.to_numpy()) < 4 * spread).all()
    assert float(spread.max()) < 0.08


def test_known_rates_and_emissions_are_recovered(fitted: Result, simulated) -> None:
    outcome = fitted.model.outcome
    truth = simulated.truth.rates(simulated.model.emissions, outcome).loc[list(fitted.conditions)]
    rate = fitted.posterior["implied_rate"]
    spread = rate.std(("chain", "draw"))
    assert (np.abs(rate.mean(("chain", "draw")) - truth.to_numpy()) < 4 * spread).all()
    for emission, table in zip(simulated.model.emissions, simulated.truth.probabilities, strict=True):
        draws = fitted.posterior[f"{emission.measurement}_probs"]
        error = np.abs(draws.mean(("chain", "draw")) - table) / draws.std(("chain", "draw"))
        assert float(error.max()) < 5  # 42 of them: probability 2e-5


def test_responsibilities_are_bayes_rule_averaged_over_draws(fitted: Result, monkeypatch) -> None:
    weights, collapsed, posterior = fitted.draws("weights", by="cell"), fitted.collapsed, fitted.posterior
    row = 17
    joint = weights.isel(cell=fitted.design.rows[collapsed.row_cell[row]]).to_numpy().copy()
    for name, code in zip(fitted.model.measurements, fitted.prepared.patterns[collapsed.row_pattern[row]], strict=True):
        joint *= posterior[f"{name}_probs"].to_numpy()[..., code]
    by_hand = (joint / joint.sum(axis=-1, keepdims=True)).mean(axis=(0, 1))
    whole = fitted.responsibilities().to_numpy()
    np.testing.assert_allclose(whole[row], by_hand, rtol=1e-10)
    monkeypatch.setattr("simulacra.inference.responsibilities._MOST_VALUES", 1)  # one draw at a time
    np.testing.assert_allclose(fitted.responsibilities().to_numpy(), whole, rtol=1e-10)


def test_a_table_is_computed_once_for_the_same_arguments_and_handed_out_as_a_copy(fitted: Result, monkeypatch) -> None:
    result, computed, make = dataclasses.replace(fitted), [], tables.summary_table
    monkeypatch.setattr(tables, "summary_table", lambda *a, **k: (computed.append(1), make(*a, **k))[1])
    first = result.weights()
    mean = first["mean"].tolist()
    first["mean"] = 0.0
    assert result.weights(ci_prob=0.89)["mean"].tolist() == mean
    assert len(computed) == 1
    assert list(result.weights(ci_prob=0.5)) != list(first)
    assert len(computed) == 2
    mixed = [result.rates(scope={"base_question": {"q1": 1.0}}) for _ in range(2)]  # has no hash
    pd.testing.assert_frame_equal(*mixed)


def test_responsibilities_know_which_persona_wrote_what(fitted: Result, simulated) -> None:
    """As well as Bayes' rule under the truth does, up to one completion in fifty."""
    found = fitted.responsibilities()
    assert list(found) == list(fitted.personas)
    assert len(found) == len(simulated.log)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    wrote = simulated.log.table["persona"].to_numpy()
    right = found.idxmax(axis=1).to_numpy() == wrote
    codes = np.stack(
        [e.encode(simulated.log.table[e.measurement].to_numpy()) for e in simulated.model.emissions], axis=1
    )
    keys = ["condition", "question_id"]
    cell = simulated.log.table[keys].merge(simulated.truth.cells.assign(cell=range(12)), on=keys, how="left")["cell"]
    joint = simulated.truth.weights[cell]
    for column, table in enumerate(simulated.truth.probabilities):
        joint = joint * table[:, codes[:, column]].T
    best = np.array(simulated.model.names)[joint.argmax(axis=1)] == wrote
    assert right.mean() > best.mean() - 0.02
    assert best.mean() > 0.9
    truth = joint / joint.sum(axis=1, keepdims=True)
    assert np.abs(found.to_numpy() - truth).mean() < 0.05


# --- the tree -------------------------------------------------------------------------------------------------------


def test_tree_has_the_groups_and_dims_of_arviz(fitted: Result) -> None:
    assert set(fitted.tree.children) == {
        "posterior",
        "sample_stats",
        "log_prior",
        "posterior_predictive",
        "prior",
        "observed_data",
        "constant_data",
        "rates",
        "misfit",
        "sensitivity",
    }
    posterior = fitted.posterior
    assert dict(posterior.sizes) == {
        "chain": 4,
        "draw": 300,
        "condition": 3,
        "persona": 3,
        "term": 3,
        "latent": 1 + 3 + 4 + 12,
        "coordinate": 2,
        "aligned_category": 11,
        "coherent_category": 3,
    }
    assert posterior["condition"].to_numpy().tolist() == ["base", "bad", "mild"]
    assert posterior["persona"].to_numpy().tolist() == ["aligned", "misaligned", "incoherent"]
    assert posterior["coherent_category"].to_numpy().tolist() == ["[0, 50]", "(50, 100]", "missing"]
    assert posterior["weights"].dims == ("chain", "draw", "condition", "persona")
    assert posterior["aligned_probs"].dims == ("chain", "draw", "persona", "aligned_category")
    assert {*fitted.tree["prior"].data_vars, "latents"} == set(posterior.data_vars)
    assert {"lp", "energy", "diverging", "acceptance_rate", "step_size", "n_steps"} <= set(fitted.tree["sample_stats"])
    for group in fitted.tree.children.values():
        for value in group.to_dataset().data_vars.values():
            assert not np.issubdtype(value.dtype, np.floating) or np.isfinite(value).all(), value.name


def test_measurements_cannot_have_the_name_of_other_arrays(fitted: Result) -> None:
    groups = [fitted.tree[name].to_dataset() for name in ("posterior_predictive", "observed_data", "misfit")]
    own = {each for name in fitted.model.measurements for each in (name, f"{name}_category")}
    names = {str(name) for data in groups for name in (*data.variables, *data.dims)} - own
    for name in names:
        with pytest.raises(InputError, match=rf"'{name}' has a name that is that of other arrays.*'{name}_score': "):
            PersonaMixture("trait", emissions=[LabelEmission(name, ["no", "yes"])])
    with pytest.raises(InputError, match="'a_category' has a name that"):
        PersonaMixture("judges", emissions=[LabelEmission(name, ["no", "yes"]) for name in ("a", "a_category", "b")])


def test_probabilities_are_probabilities(fitted: Result) -> None:
    for group in ("posterior", "prior"):
        data = fitted.tree[group].to_dataset()
        np.testing.assert_allclose(data["weights"].sum("persona"), 1, atol=1e-12)
        for name in ("aligned", "coherent"):
            np.testing.assert_allclose(data[f"{name}_probs"].sum(f"{name}_category"), 1, atol=1e-12)


def test_observed_and_constant_data_are_the_log(fitted: Result, simulated) -> None:
    table, observed = simulated.log.table, fitted.tree["observed_data"].to_dataset()
    for emission in simulated.model.emissions:
        codes = pd.Series(emission.encode(table[emission.measurement].to_numpy()))
        expected = pd.crosstab(table["condition"].to_numpy(), codes.to_numpy())
        expected = expected.reindex(columns=range(len(emission.categories)), fill_value=0).loc[list(fitted.conditions)]
        np.testing.assert_array_equal(observed[emission.measurement], expected)
    constant = fitted.tree["constant_data"].to_dataset()
    assert int(constant["count"].sum()) == len(table)


def test_replicated_data_look_like_the_observed(fitted: Result) -> None:
    """Every condition's counts lie within 4.5 predictive standard deviations of their mean, and totals are exact."""
    predicted, observed = fitted.tree["posterior_predictive"].to_dataset(), fitted.tree["observed_data"].to_dataset()
    for name in ("aligned", "coherent"):
        assert (predicted[name].sum(f"{name}_category") == 160).all()
        error = np.abs(observed[name] - predicted[name].mean(("chain", "draw")))
        assert (error <= 4.5 * predicted[name].std(("chain", "draw")) + 1).all()


# --- tables ---------------------------------------------------------------------------------------------------------


def test_weights_by_cell_average_to_weights_by_condition(fitted: Result) -> None:
    cells = fitted.draws("weights", by="cell")
    assert cells.dims == ("chain", "draw", "cell", "persona")
    assert set(cells.coords) >= {"condition", "question_id", "persona"}
    averaged = cells.groupby("condition").mean("cell").sel(condition=list(fitted.conditions))  # equal cells
    np.testing.assert_allclose(averaged.transpose(*fitted.draws("weights").dims), fitted.draws("weights"), rtol=5e-7)
    with pytest.raises(ValueError, match=r"draws\('weights', by='question'\); expected 'condition' or 'cell'"):
        fitted.draws("weights", by="question")


def test_weights(fitted: Result) -> None:
    table = fitted.weights()
    assert list(table) == ["condition", "persona", *_NUMBERS, "unexplained", *_DIAGNOSTICS, "status"]
    assert len(table) == 9
    shares = fitted.unexplained().set_index("condition")["unexplained"]
    assert table["unexplained"].tolist() == shares[table["condition"]].tolist()
    row = table[(table["condition"] == "bad") & (table["persona"] == "misaligned")].iloc[0]
    draws = fitted.draws("weights").sel(condition="bad", persona="misaligned").to_numpy()
    assert row["mean"] == pytest.approx(draws.mean())
    assert (row["eti89_lb"], row["eti89_ub"]) == pytest.approx(np.quantile(draws, [0.055, 0.945]))
    assert row["r_hat"] == pytest.approx(float(arviz_stats.rhat(draws)))
    assert row["ess_bulk"] == pytest.approx(float(arviz_stats.ess(draws)))
    assert row["status"] == "ok"


def test_shifts(fitted: Result) -> None:
    table = fitted.shifts()
    columns = ["condition", "persona", *_NUMBERS, "p_gt_0", "log_ratio", "comparisons", *_DIAGNOSTICS, "status"]
    assert list(table) == columns
    assert table[["condition", "persona"]].to_numpy().tolist() == [
        [condition, persona] for condition in fitted.conditions[1:] for persona in fitted.personas
    ]
    weights = fitted.draws("weights")
    for row in table.to_dict("records"):
        own = weights.sel(condition=row["condition"], persona=row["persona"]).to_numpy()
        difference = own - weights.sel(condition="base", persona=row["persona"]).to_numpy()
        assert row["mean"] == pytest.approx(difference.mean())
        assert row["p_gt_0"] == pytest.approx((difference > 0).mean())
    np.testing.assert_allclose(table.groupby("condition")["mean"].sum(), 0, atol=1e-12)
    ratios = log_ratio(weights.sel(condition="bad").to_numpy(), weights.sel(condition="base").to_numpy()).mean(
        axis=(0, 1)
    )
    np.testing.assert_allclose(table.loc[table["condition"] == "bad", "log_ratio"], ratios)
    assert table.set_index(["condition", "persona"]).loc[("bad", "misaligned"), "p_gt_0"] > 0.999


def test_contrasts(fitted: Result) -> None:
    table = fitted.contrasts()
    columns = ["condition", "scope", "questions", "asked", "rate_difference", "eti89_lb", "eti89_ub"]
    columns += ["claim", "comparisons"]
    explained = [f"{name}{end}" for name in ("implied", "explained", "unexplained") for end in ("", "_lb", "_ub")]
    distances = ["judged", "total_variation", "jensen_shannon"]
    assert list(table) == [*columns, *explained, "implied_status", *distances, *_DIAGNOSTICS, "status"]
    assert list(fitted.contrasts(scope="new")) == [*columns, *distances, *_DIAGNOSTICS, "status"]
    shares = fitted.rates().set_index("condition")["judged"]
    assert table.set_index("condition")["judged"].to_dict() == shares[["bad", "mild"]].to_dict()
    assert shares.between(0, 1).all()
    table = table.set_index("condition")
    assert list(table.index) == ["bad", "mild"]
    assert table.loc["bad", "claim"] == "increase"  # 44 percentage points
    rate, implied = fitted.draws("rates"), fitted.posterior["implied_rate"]
    known, explained_part = (
        float((own.sel(condition="bad") - own.sel(condition="base")).mean()) for own in (rate, implied)
    )
    assert table.loc["bad", "rate_difference"] == pytest.approx(known)
    assert table.loc["bad", "implied"] == pytest.approx(explained_part)
    assert table.loc["bad", "unexplained"] == pytest.approx(known - explained_part)
    assert table.loc["bad", "explained"] == pytest.approx(explained_part / known)
    assert table.loc["bad", "explained_lb"] < 1 < table.loc["bad", "explained_ub"]
    assert table.loc["bad", "unexplained_lb"] < 0 < table.loc["bad", "unexplained_ub"]  # the model holds
    weights = fitted.draws("weights")
    moved = total_variation(weights.sel(condition="bad").to_numpy(), weights.sel(condition="base").to_numpy())
    assert table.loc["bad", "total_variation"] == pytest.approx(moved.mean())
    assert (fitted.contrasts(rope=0.9)["claim"] == "equivalent").all()
    assert (fitted.contrasts(scope="new", rope=0.9)["claim"] == "undecided").all()  # of four questions


@pytest.mark.parametrize("scope", ["these", "new"])
@pytest.mark.parametrize("of", ["all", "coherent", "scored"])
def test_rates(of: str, scope: str, fitted: Result, simulated) -> None:
    outcome = Outcome("aligned < 30 and coherent > 50", of=of)
    table = fitted.rates(outcome, scope=scope)
    columns = ["condition", "scope", "events", "total", "judged", "rate", "eti89_lb", "eti89_ub"]
    parts = ("implied", "unexplained") if scope == "these" else ()
    implied = [
        *(f"{part}{end}" for part in parts for end in ("", "_lb", "_ub")),
        *(["implied_status"] if parts else []),
    ]
    assert list(table) == [*columns, *implied, *_DIAGNOSTICS, "status"]
    log = simulated.log.table
    inside = {
        "all": log["condition"].notna(),
        "coherent": log["coherent"] > 50,
        "scored": log["aligned"].notna() & log["coherent"].notna(),
    }[of]
    event = (log["aligned"] < 30) & (log["coherent"] > 50) & inside
    for row in table.to_dict("records"):
        own = log["condition"] == row["condition"]
        assert (row["events"], row["total"]) == ((event & own).sum(), (inside & own).sum())
        assert row["eti89_lb"] < row["rate"] < row["eti89_ub"]
        if scope == "these":
            assert row["rate"] == pytest.approx(row["events"] / row["total"], abs=0.01)
            assert row["implied_lb"] < row["implied"] < row["implied_ub"]
            assert row["implied"] == pytest.approx(row["rate"], abs=0.03)
            assert row["unexplained"] == pytest.approx(row["rate"] - row["implied"])
            assert row["unexplained_lb"] < 0 < row["unexplained_ub"]  # the model holds


def test_personas_that_miss_two_rates_by_as_much_explain_the_difference_and_neither_rate(
    fitted: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of both groups 20 points are not explained, which no comparison of the two can show."""
    implied = [own + 0.2 for own in fitted._quantities.implied(fitted.model.outcome, "these")]
    result = dataclasses.replace(fitted)
    monkeypatch.setattr(Quantities, "implied", lambda *_: implied)
    usual, found = fitted.contrasts(), result.contrasts()
    np.testing.assert_allclose(found["unexplained"], usual["unexplained"], atol=1e-12)
    rates = result.rates()
    np.testing.assert_allclose(rates["unexplained"], rates["rate"] - rates["implied"], atol=1e-12)
    assert (rates["unexplained_ub"] < -0.1).all()
    assert "points of the rate are not explained by personas" in str(result.cite("implied_rate[base]"))
    assert "not explained" not in str(result.cite("rate[base]"))


def test_any_condition_can_be_the_one_that_others_are_compared_with(fitted: Result) -> None:
    table = fitted.contrasts(against="bad").set_index("condition")
    assert list(table.index) == ["base", "mild"]
    usual = fitted.contrasts().set_index("condition").loc["bad"]
    for name in ("rate_difference", "implied", "unexplained"):
        assert table.loc["base", name] == pytest.approx(-usual[name])
    assert (table.loc["base", "eti89_lb"], table.loc["base", "claim"]) == (
        pytest.approx(-usual["eti89_ub"]),
        "decrease",
    )
    assert table.loc["base", "total_variation"] == pytest.approx(usual["total_variation"])
    with pytest.raises(ValueError, match=r"no condition 'worse'; expected one of base, bad, mild"):
        fitted.contrasts(against="worse")


def test_new_questions_are_less_certain_than_these(fitted: Result) -> None:
    width = {}
    for scope in ("these", "new"):
        table = fitted.rates(scope=scope)
        width[scope] = table["eti89_ub"] - table["eti89_lb"]
    assert (width["new"] > 1.5 * width["these"]).all()


def test_a_mix_of_questions_is_a_scope(fitted: Result) -> None:
    mix = {"base_question": {"q1": 0.5, "q2": 0.5}}
    table = fitted.rates(scope=mix)
    assert (table["scope"] == "mix").all()
    assert "implied" not in table
    draws = fitted.draws("rates", scope=mix)
    np.testing.assert_allclose(table["rate"], draws.mean(("chain", "draw")))
    assert set(fitted.contrasts(scope=mix)["condition"]) == {"bad", "mild"}
    assert fitted.in_words(mix) == "for a mix of base_question: 0.5 q1, 0.5 q2"
    cited = fitted.cite("mix_rate[bad]", scope=mix)
    row = table.set_index("condition").loc["bad"]
    assert (cited.value, cited.lower, cited.upper) == (row["rate"], row["eti89_lb"], row["eti89_ub"])
    assert "for a mix of base_question: 0.5 q1, 0.5 q2 (89% ETI" in str(cited)
    assert "one of 2 comparisons" in str(fitted.cite("mix_rate_difference[bad]", scope=mix))
    with pytest.raises(ValueError, match=r"no number 'rate\[bad\]' in this result"):
        fitted.cite("rate[bad]", scope=mix)


def test_emissions(fitted: Result) -> None:
    table = fitted.emissions()
    assert {"measurement", "persona", "category", *_NUMBERS, *_DIAGNOSTICS, "status"} == set(table)
    assert len(table) == 3 * (11 + 3) + 3
    sums = table[table["measurement"] != "outcome_given_persona"].groupby(["measurement", "persona"])["mean"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-9)


_TABLES = [name for name in DRAWS if not name.startswith("implied")]


def test_a_table_summarises_the_draws_of_its_name(fitted: Result) -> None:
    """``result.X()`` is a table with a row for every coordinate of ``result.draws("X")``, and its mean is theirs."""
    value = {"rates": "rate", "contrasts": "rate_difference"}
    for name in _TABLES:
        table, draws = getattr(fitted, name)(), fitted.draws(name)
        if name == "emissions":
            assert list(draws) == list(fitted.model.measurements)
            table = table[table["measurement"] != "outcome_given_persona"]
            means = np.concatenate([draws[own].mean(("chain", "draw")).to_numpy().ravel() for own in draws])
        else:
            assert (draws.name, draws.dims[:2]) == (name, ("chain", "draw"))
            means = draws.mean(("chain", "draw")).to_numpy().ravel()
        np.testing.assert_allclose(table[value.get(name, "mean")], means, err_msg=name)
    for name in ("rates", "contrasts"):
        draws = fitted.draws(f"implied_{name}")
        assert (draws.name, draws.dims) == (f"implied_{name}", ("chain", "draw", "condition"))
        np.testing.assert_allclose(getattr(fitted, name)()["implied"], draws.mean(("chain", "draw")))


def test_columns_are_named_after_the_probability_of_the_interval(fitted: Result) -> None:
    assert [bounds(p)[0] for p in (0.89, 0.95, 0.945, 0.29)] == ["eti89_lb", "eti95_lb", "eti94.5_lb", "eti29_lb"]
    for name in _TABLES:
        if name == "emissions":
            continue
        table, draws = getattr(fitted, name)(ci_prob=0.5), fitted.draws(name).to_numpy()
        ends = np.quantile(draws.reshape(draws.shape[0] * draws.shape[1], -1), [0.25, 0.75], axis=0)
        np.testing.assert_allclose(table[["eti50_lb", "eti50_ub"]].to_numpy().T, ends, err_msg=name)
        assert not any(str(column).startswith("eti89") for column in table)
    assert {"eti50_lb", "eti50_ub"} <= set(fitted.emissions(ci_prob=0.5))
    assert {"eti94.5_lb", "eti94.5_ub"} <= set(fitted.summary(var_names=["implied_rate"], ci_prob=0.945))
    implied = np.quantile(fitted.draws("implied_rates").sel(condition="bad"), [0.25, 0.75])
    rates = fitted.rates(ci_prob=0.5).set_index("condition")
    np.testing.assert_allclose(rates.loc["bad", ["implied_lb", "implied_ub"]].astype(float), implied)
    cited = fitted.cite("shift[bad, misaligned]", ci_prob=0.5)
    row = fitted.shifts(ci_prob=0.5).set_index(["condition", "persona"]).loc[("bad", "misaligned")]
    assert (cited.lower, cited.upper) == (row["eti50_lb"], row["eti50_ub"])
    assert "50% ETI" in str(cited)
    assert fitted.cite("shift[bad, misaligned]").interval_probability == 0.89


@pytest.mark.parametrize("ci_prob", [0.2, 0.89, 0.999])
def test_a_claim_says_where_the_interval_lies(ci_prob: float, fitted: Result) -> None:
    lower, upper = bounds(ci_prob)
    for rope in (0.0, 0.1, 0.12, 0.44, 0.45):
        for row in fitted.contrasts(rope=rope, ci_prob=ci_prob).to_dict("records"):
            if row["claim"] == "increase":
                assert row[lower] > rope
            else:
                assert row[lower] <= rope
            inside = row[lower] >= -rope and row[upper] <= rope
            assert (row["claim"] == "equivalent") == inside


@pytest.mark.parametrize("ci_prob", [0.0, 1.0, -0.5, 89.0, float("nan")])
def test_a_probability_that_is_none_is_refused_by_every_table(ci_prob: float, fitted: Result) -> None:
    calls = [*(getattr(fitted, name) for name in _TABLES), fitted.summary, partial(fitted.cite, "weight[bad, aligned]")]
    for call in calls:
        with pytest.raises(ValueError, match=r"ci_prob is .*; expected a probability between 0 and 1"):
            call(ci_prob=ci_prob)


def test_draws_of_another_outcome_are_those_of_its_tables(fitted: Result) -> None:
    gentle = Outcome("aligned < 40", name="unfriendly")
    for name, value in (("rates", "rate"), ("contrasts", "rate_difference"), ("outcome_given_persona", "mean")):
        table = getattr(fitted, name)(gentle, withhold=False)
        own, usual = (fitted.draws(name, outcome=outcome).mean(("chain", "draw")) for outcome in (gentle, None))
        np.testing.assert_allclose(table[value], own)
        assert not np.allclose(own, usual)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("weight",), r"no draws 'weight'; expected one of 'weights', 'shifts', .*'scales'; did you mean 'weights'\?"),
        (("shifts", {"by": "cell"}), r"draws\('shifts', by='cell'\): only draws\('weights'\) are available by cell"),
        (("scales", {"outcome": Outcome("aligned < 30")}), r"only 'rates', 'contrasts', .* have an outcome"),
        (("shifts", {"scope": "new"}), r"draws\('shifts', scope=\.\.\.\): only 'rates', 'contrasts' have a scope"),
        (("rates", {"scope": "all"}), r"no scope 'all'; expected 'these', 'new'"),
    ],
)
def test_draws_that_there_are_none_of(arguments: tuple, message: str, fitted: Result) -> None:
    name, options = (*arguments, {})[:2]
    with pytest.raises(ValueError, match=message):
        fitted.draws(name, **options)


def test_summary_is_arviz(fitted: Result) -> None:
    table = fitted.summary(var_names=["weights", "implied_rate"])
    assert len(table) == 9 + 3
    assert {"mean", "sd", "eti89_lb", "eti89_ub", "ess_bulk", "ess_tail", "r_hat"} <= set(table)
    expected = float(fitted.posterior["implied_rate"].sel(condition="bad").mean())
    assert table.loc["implied_rate[bad]", "mean"] == pytest.approx(expected)
    assert len(fitted.summary()) > 50


def test_an_outcome_that_bins_cannot_answer(fitted: Result) -> None:
    with pytest.raises(ValueError, match="not a bin edge"):
        fitted.rates(Outcome("aligned < 25"))


# --- what did not pass ----------------------------------------------------------------------------------------------


_ESTIMATES = {  # every estimate: where it stands in which table
    "weights": ("weights", "mean"),
    "shifts": ("shifts", "mean"),
    "emissions": ("emissions", "mean"),
    "outcome_given_persona": ("outcome_given_persona", "mean"),
    "scales": ("scales", "mean"),
    "implied_rates": ("rates", "implied"),
    "rates": ("rates", "rate"),
    "contrasts": ("contrasts", "rate_difference"),
}


def _withheld(result: Result) -> dict[str, pd.DataFrame]:
    """The rows of every estimate that are withheld; estimates without one are left out."""
    found = {}
    for name, (table, column) in _ESTIMATES.items():
        rows = getattr(result, table)()
        if rows[column].isna().any():
            found[name] = rows[rows[column].isna()]
    return found


_ALL = {"weights", "shifts", "emissions", "outcome_given_persona", "scales", "implied_rates"}
DECLARED = {  # every check: what its failure withholds
    "r_hat": set(),
    "ess_bulk": set(),
    "ess_tail": set(),
    "divergences": _ALL,
    "e_bfmi": _ALL,
    "readings": set(),
    "label switching": _ALL,
    "name: misaligned": {"weights", "shifts", "emissions", "outcome_given_persona"},
    "unexplained share": {"weights", "shifts"},
    "rates: r_hat": set(),
    "rates: ess_bulk": set(),
    "rates: ess_tail": set(),
}


@pytest.mark.parametrize("name", DECLARED)
def test_a_check_withholds_what_it_declares_and_nothing_else(name: str, fitted: Result) -> None:
    """R-hat, ESS and readings withhold estimates one by one, in tests of their own."""
    result = _with_failure(fitted, name)
    assert not result.ok
    assert _withheld(fitted) == {}
    assert set(_withheld(result)) == DECLARED[name]
    assert (result.contrasts()["claim"] == fitted.contrasts()["claim"]).all()
    assert (result.contrasts(scope="new")["claim"] == fitted.contrasts(scope="new")["claim"]).all()
    pd.testing.assert_frame_equal(
        result.shifts(withhold=False).drop(columns="status"), fitted.shifts(withhold=False).drop(columns="status")
    )


def test_every_check_is_declared(fitted: Result) -> None:
    found = {check.name for check in fitted.checks if not check.name.startswith("name: ")}
    assert found == set(DECLARED) - {"name: misaligned"} | {"baseline"}  # of which test_diagnostics has the law


@pytest.mark.parametrize("check", ["divergences", "e_bfmi"])
def test_a_failure_of_the_whole_fit_withholds_every_estimate_of_personas(check: str, fitted: Result) -> None:
    result = _with_failure(fitted, check)
    for table in (result.weights(), result.shifts(), result.emissions()):
        assert table[_NUMBERS].isna().all(axis=None)
        assert (table["status"] == f"withheld: {check} failed").all()
    assert result.rates()[["implied", "implied_lb", "implied_ub"]].isna().all(axis=None)
    assert (result.rates()["status"] == "ok").all()
    explained = ["implied", "unexplained", "unexplained_lb", "total_variation", "jensen_shannon"]
    assert result.contrasts()[explained].isna().all(axis=None)
    assert result.shifts()[["p_gt_0", "log_ratio"]].isna().all(axis=None)
    with pytest.raises(ValueError, match=rf"implied_rate\[bad\] is withheld: {check} failed"):
        result.cite("implied_rate[bad]")
    assert result.cite("rate_difference[bad]").value == fitted.cite("rate_difference[bad]").value


def test_a_persona_without_its_name_is_withheld_alone(fitted: Result) -> None:
    table = _with_failure(fitted, "name: misaligned").weights()
    own = table["persona"] == "misaligned"
    assert table.loc[own, "mean"].isna().all()
    assert (table.loc[own, "status"] == "withheld: name: misaligned failed").all()
    assert table.loc[~own, "mean"].notna().all()


def test_a_condition_that_personas_do_not_explain_loses_its_weights_alone(fitted: Result) -> None:
    result = _with_failure(fitted, "unexplained share", of="bad")
    weights, shifts = result.weights(), result.shifts()
    assert set(weights.loc[weights["mean"].isna(), "condition"]) == {"bad"}
    assert set(shifts.loc[shifts["mean"].isna(), "condition"]) == {"bad"}
    contrasts = result.contrasts().set_index("condition")
    assert contrasts["total_variation"].isna().to_dict() == {"bad": True, "mild": False}
    assert contrasts["implied"].notna().all()


def test_a_baseline_that_personas_do_not_explain_withholds_every_shift(fitted: Result) -> None:
    """A difference is no better than what is subtracted."""
    result = _with_failure(fitted, "unexplained share", of="base")
    assert result.shifts()["mean"].isna().all()
    assert set(result.weights().loc[result.weights()["mean"].isna(), "condition"]) == {"base"}


def test_rates_that_did_not_converge_are_withheld_with_their_claims(fitted: Result) -> None:
    limits = {**dataclasses.asdict(Thresholds()), "ess": 1e9, "small_weight": 0.99}
    lax = dataclasses.replace(fitted, settings={**fitted.settings, "thresholds": limits})
    assert lax.rates()["rate"].isna().all()
    assert (lax.contrasts()["claim"] == "withheld").all()
    assert lax.weights()["mean"].notna().all()


def test_numbers_that_did_not_converge_are_withheld_one_by_one(fitted: Result) -> None:
    limits = {**dataclasses.asdict(Thresholds()), "ess": 1e9, "small_weight": 0.0}
    table = dataclasses.replace(fitted, settings={**fitted.settings, "thresholds": limits}).weights()
    assert table["mean"].isna().all()
    assert table["status"].str.fullmatch(r"withheld: R-hat [01]\.\d{3}, ESS [\d\u202f]+").all()
    limits["small_weight"] = 1.1
    table = dataclasses.replace(fitted, settings={**fitted.settings, "thresholds": limits}).weights()
    assert table["mean"].notna().all()
    assert table["status"].str.startswith("small: below 1.1, not checked").all()


def test_draws_that_are_no_numbers_are_withheld(fitted: Result) -> None:
    tree = fitted.tree.copy(deep=True)
    tree["posterior"]["implied_rate"][0, 0, 1] = np.nan
    tree["posterior"]["weights"][0, 0, 1, 1] = np.nan
    result = dataclasses.replace(fitted, tree=tree)
    table = result.weights().set_index(["condition", "persona"])
    assert table.loc[("bad", "misaligned"), "status"].startswith("withheld")


# --- files ----------------------------------------------------------------------------------------------------------


def test_save_and_load_give_the_same_result(fitted: Result, tmp_path) -> None:
    path = tmp_path / "folder" / "fit.nc"
    assert fitted.save(path) == path
    assert sorted(file.name for file in path.parent.iterdir()) == ["fit.json", "fit.nc"]
    for given in (path, path.parent):
        loaded = Result.load(given)
        xr.testing.assert_equal(loaded.tree, fitted.tree)
        assert set(loaded.tree.attrs) == set(fitted.tree.attrs)
        assert loaded.checks == fitted.checks
        assert loaded.notes == fitted.notes
        assert dict(loaded.settings) == dict(fitted.settings)
        assert loaded.ok == fitted.ok
        assert loaded.model == fitted.model
    for table in ("weights", "shifts", "contrasts", "rates", "emissions"):
        # R-hat of derived draws is of ranks, which rounding in the last digit may swap
        pd.testing.assert_frame_equal(getattr(loaded, table)(), getattr(fitted, table)(), rtol=1e-3)
    xr.testing.assert_allclose(loaded.draws("weights", by="cell"), fitted.draws("weights", by="cell"))


def test_a_save_that_fails_leaves_what_was_there(
    fitted: Result, saved: Path, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", fail)
    with pytest.raises(OSError, match="disk full"):
        fitted.save(saved)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda p: p.unlink(), InputError, "there is no such folder or file; expected the folder that"),
        (lambda p: p.with_suffix(".json").unlink(), InputError, "fit.json: no such file"),
        (lambda p: p.with_suffix(".json").write_text("{"), ValueError, "not the JSON that Result.save writes"),
        (lambda p: p.with_suffix(".json").write_text('{"format_version": 99}'), ValueError, "format version 99"),
        (lambda p: p.with_suffix(".json").write_text("[]"), ValueError, "not the JSON|format version"),
        (lambda p: p.with_suffix(".json").write_text("[" * 100_000), InputError, "not the JSON that Result.save"),
        (lambda p: p.write_bytes(b"not netCDF"), InputError, "fit.nc: not the draws that were written with fit.json"),
        (lambda p: p.write_bytes(p.read_bytes()[:5000]), InputError, "fit.nc: not the draws that were written"),
    ],
)
def test_files_that_are_not_a_result(spoil, error, message: str, saved: Path) -> None:
    spoil(saved)
    with pytest.raises(error, match=message):
        Result.load(saved)


def test_a_folder_or_a_log_is_not_a_result(tmp_path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("condition,aligned\n")
    with pytest.raises(InputError, match=r"outt: there is no such folder or file"):
        Result.load(tmp_path / "outt")
    with pytest.raises(ValueError, match=r"log\.csv: is not a result; expected the folder .* its fit\.nc"):
        Result.load(log)
    with pytest.raises(InputError, match=r"no such file\. A result consists of two files, fit\.nc and fit\.json"):
        Result.load(tmp_path)


def test_two_halves_of_two_fits_are_not_a_result(fitted: Result, saved: Path, tmp_path) -> None:
    tree = fitted.tree.copy()
    tree.attrs["created_at"] = "another day"
    other = dataclasses.replace(fitted, tree=tree).save(tmp_path / "other" / "fit.nc")
    other.with_suffix(".json").replace(saved.with_suffix(".json"))
    with pytest.raises(InputError, match=r"fit\.nc: not the draws that were written with fit\.json: the two are from"):
        Result.load(saved)


def _sign(path: Path, change: Callable[[dict], object]) -> None:
    """Change the record of a result and make its hash match, as an author of forged files would."""
    record = json.loads(path.with_suffix(".json").read_text())
    change(record)
    path.with_suffix(".json").write_text(json.dumps({**record, "record_sha256": store._digest(record)}))


def test_every_array_that_is_edited_is_noticed(saved: Path) -> None:
    whole = saved.read_bytes()
    arrays: list[str] = []
    with h5py.File(saved) as file:
        file.visititems(lambda name, item: arrays.append(name) if isinstance(item, h5py.Dataset) else None)
    numbers = [name for name in arrays if name.count("/") == 1]
    assert len(numbers) > 40
    for name in numbers[::8]:
        saved.write_bytes(whole)
        with h5py.File(saved, "r+") as file:
            values = file[name]
            if values.dtype.kind not in "fi" or not values.size or values.is_scale:
                continue
            values[(0,) * values.ndim] += 1
        with pytest.raises(InputError, match=r"fit\.nc: not the draws that were written with fit\.json"):
            Result.load(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["settings"].update(seed=7),
        lambda record: record["settings"]["thresholds"].update(r_hat=2.0),
        lambda record: record["checks"][0].update(passed=not record["checks"][0]["passed"]),
        lambda record: record["notes"].append("all is well."),
        lambda record: record["prepared"]["counts"][0].__setitem__(0, 999),
        lambda record: record.pop("arrays_sha256"),
    ],
)
def test_every_value_of_the_record_that_is_edited_is_noticed(change, saved: Path) -> None:
    record = json.loads(saved.with_suffix(".json").read_text())
    change(record)
    saved.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"fit\.json: not as it was written: the file was edited or is damaged"):
        Result.load(saved)


@pytest.mark.usefixtures("files_once")
@pytest.mark.parametrize("value", [None, "x", -1, [[1]]])
@pytest.mark.parametrize("name", ["prepared", "settings", "checks"])
def test_a_forged_record_of_another_shape_is_refused(name: str, value: object, saved: Path) -> None:
    _sign(saved, lambda record: record.update({name: value}))
    with pytest.raises(InputError, match=r"fit\.json: not what Result\.save writes"):
        Result.load(saved)


def test_checks_are_made_again_from_the_draws(fitted: Result, saved: Path) -> None:
    def acquit(record: dict) -> None:
        record["checks"] = [{**check, "passed": True, "value": 1.0} for check in record["checks"]][1:]

    _sign(saved, acquit)
    loaded = Result.load(saved)
    again, found = (
        sorted((check.name, str(check.condition), check.value, check.passed) for check in result.checks)
        for result in (loaded, fitted)
    )
    kept = ("readings", "label switching")  # they need more than the draws
    assert [own for own in again if own[0] not in kept] == [own for own in found if own[0] not in kept]
    assert loaded.ok == fitted.ok


def test_a_file_of_version_5_is_read_without_what_follows_from_its_draws(fitted: Result, tmp_path) -> None:
    tree = fitted.tree.copy()
    tree["log_likelihood"] = xr.Dataset({"completion": (("chain", "draw", "obs_id"), np.zeros((4, 300, 7)))})
    tree["prior"] = tree["prior"].to_dataset().assign(latents=(("chain", "draw", "latent"), np.zeros((1, 500, 20))))
    path = dataclasses.replace(fitted, tree=tree).save(tmp_path / "fit.nc")
    _sign(path, lambda record: record.update(format_version=5))
    xr.testing.assert_equal(Result.load(path).tree, fitted.tree)


def test_a_file_of_an_older_version_says_what_reads_it(saved: Path) -> None:
    _sign(saved, lambda record: record.update(format_version=3, versions={"simulacra": "0.0.9"}))
    with pytest.raises(
        InputError, match=r"format version 3, but .* reads 5 and 6; fit again, or read it with simulacra 0\.0\.9"
    ):
        Result.load(saved)


def test_draws_are_written_where_hdf5_cannot_write(
    fitted: Result, saved: Path, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        fitted.save(saved)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_result_is_written_as_netcdf_only(fitted: Result, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.nc; got .*fit\.pkl"):
        fitted.save(tmp_path / "fit.pkl")
    assert list(tmp_path.iterdir()) == []


# --- citations and other outcomes -----------------------------------------------------------------------------------


_CITED = {  # every kind of key: its table, the scope, and the column of the number
    "weight": ("weights", "these", "mean"),
    "shift": ("shifts", "these", "mean"),
    "outcome_given_persona": ("outcome_given_persona", "", "mean"),
    "rate": ("rates", "these", "rate"),
    "new_rate": ("rates", "new", "rate"),
    "rate_difference": ("contrasts", "these", "rate_difference"),
    "new_rate_difference": ("contrasts", "new", "rate_difference"),
    "implied_rate": ("rates", "these", "implied"),
    "unexplained": ("contrasts", "these", "unexplained"),
}


@pytest.mark.parametrize(("ci_prob", "contexts"), [(0.89, False), (0.5, False), (0.89, True)])
def test_a_citation_has_the_number_the_scope_and_the_interval_of_its_cell(
    ci_prob: float, contexts: bool, fitted: Result
) -> None:
    """A law: every cell of every table, withheld ones included, and no other key."""
    result, keys = fit_triggered() if contexts else fitted, []
    for kind, (name, scope, column) in _CITED.items():
        scoped = {"scope": scope} if name in ("rates", "contrasts") else {}
        table = getattr(result, name)(ci_prob=ci_prob, **scoped)
        first = "scope" if scoped else "mean"
        ends = (f"{column}_lb", f"{column}_ub") if column in ("implied", "unexplained") else bounds(ci_prob)
        dims = list(table)[: list(table).index(first)]
        for row in table.to_dict("records"):
            key = f"{kind}[{place({dim: row[dim] for dim in dims})}]"
            keys.append(key)
            if np.isnan(row[column]):
                with pytest.raises(InputError, match=rf"^{re.escape(key)} is withheld"):
                    result.cite(key, ci_prob=ci_prob)
                continue
            cited = result.cite(key.replace(" ", ""), ci_prob=ci_prob)  # spaces do not matter
            assert cited.key == key
            assert (cited.value, cited.lower, cited.upper) == (row[column], *(row[end] for end in ends))
            assert (cited.interval, cited.interval_probability) == ("ETI", ci_prob)
            assert cited.scope == (result.in_words(scope) if scope else "")
            assert cited.scope in str(cited)
            assert cited.scope in repr(cited)
            if column not in ("implied", "unexplained"):  # of which a table has the diagnostics of the rate
                assert (cited.r_hat, cited.ess_bulk, cited.ess_tail) == (row["r_hat"], row["ess_bulk"], row["ess_tail"])
            assert cited.provenance.data_hash == result.collapsed.content_hash
            assert cited.provenance.data_hash[:8] in str(cited)
    assert sorted(keys) == sorted(result.citable)


def test_the_ess_that_is_cited_is_the_smaller_of_bulk_and_tail(fitted: Result) -> None:
    cited = fitted.cite("implied_rate[bad]")
    for bulk, tail in ((500.0, 2302.0), (2302.0, 500.0)):
        assert "ESS 500;" in str(dataclasses.replace(cited, ess_bulk=bulk, ess_tail=tail))


def test_a_number_that_was_not_gated_is_cited_as_such(fitted: Result) -> None:
    limits = {**dataclasses.asdict(Thresholds()), "ess": 1e9, "small_weight": 1.1}
    lax = dataclasses.replace(fitted, settings={**fitted.settings, "thresholds": limits})
    assert "small: below 1.1, not checked" in str(lax.cite("weight[bad, aligned]"))
    assert "checked" not in str(fitted.cite("weight[bad, aligned]"))


def test_loosened_thresholds_are_part_of_every_citation(fitted: Result) -> None:
    own = {**dataclasses.asdict(Thresholds()), "r_hat": 1.05, "ess": 100, "mode_gap": 20}
    lax = dataclasses.replace(fitted, settings={**fitted.settings, "thresholds": own})
    said = "thresholds loosened: r_hat 1.05 (default 1.01), ess 100 (default 400)"
    for key in ("rate[bad]", "weight[bad, aligned]"):
        assert f"; {said}; simulacra" in str(lax.cite(key))
    assert said in str(lax.contrast("bad", "base").cite())
    assert Thresholds(r_hat=1.05, ess=100).loosened == said
    assert Thresholds(r_hat=1.001, ess=1000, mode_gap=20, misfit_p=0.1, unexplained=0.01).loosened == ""


def test_unknown_keys_list_what_exists(fitted: Result) -> None:
    with pytest.raises(
        ValueError, match=r"(?s)Did you mean 'shift\[bad, misaligned\]'.*rate_difference\[bad \| mild\]"
    ):
        fitted.cite("shift[bad, misalinged]")


def test_a_key_with_a_name_that_was_lost_says_what_became_of_it(fitted: Result) -> None:
    called = [name.replace("misaligned", "unnamed-2") for name in fitted.personas]
    tree = fitted.tree.map_over_datasets(
        lambda data: data.assign_coords(persona=called) if "persona" in data.dims else data
    )
    renamed = dataclasses.replace(fitted, tree=tree)
    with pytest.raises(ValueError, match=r"'misaligned' is reported as 'unnamed-2'\. It passes the name gates of"):
        renamed.cite("weight[bad, Misaligned]")
    with pytest.raises(ValueError, match=r"'misaligned' is reported as 'unnamed-2'\. name: misaligned: FAILED"):
        _with_failure(renamed, "name: misaligned").cite("outcome_given_persona[misaligned]")
    with pytest.raises(ValueError, match="These can be cited"):
        renamed.cite("weight[misaligned model, aligned]")


def test_withheld_numbers_are_not_cited(fitted: Result) -> None:
    failing = _with_failure(fitted, "name: misaligned")
    with pytest.raises(WithheldError, match="withheld: name: misaligned failed") as caught:
        failing.cite("weight[bad, misaligned]")
    table = failing.weights().set_index(["condition", "persona"])
    assert caught.value.status == table.loc[("bad", "misaligned"), "status"]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert failing.cite("weight[bad, aligned]").status == "ok"


def test_rates_of_another_outcome_are_fitted_to_its_own_counts(fitted: Result) -> None:
    gentle = Outcome("aligned < 40", of="coherent", name="unfriendly")
    table = fitted.rates(gentle)
    np.testing.assert_allclose(table["rate"], table["events"] / table["total"], atol=0.01)
    assert (table["rate"] != fitted.rates()["rate"]).all()
    assert fitted.rates(gentle) is not table
    pd.testing.assert_frame_equal(fitted.rates(gentle), table)


def test_the_denominator_coherent_is_on_the_scale_of_the_score(fitted: Result) -> None:
    """The same completions on a scale from 1 to 10; thresholds in rules are the user's."""
    emissions = [ScoreEmission("aligned"), ScoreEmission("coherent", bounds=(1, 10))]
    assert len(emissions[1].categories) == len(fitted.model.emissions[1].categories)
    model = PersonaMixture(fitted.model.personas, emissions=emissions)
    rescaled = dataclasses.replace(fitted, prepared=dataclasses.replace(fitted.prepared, model=model))
    low = Outcome("aligned < 40", of="coherent", name="low")
    marks = ["implied_status"]  # the archetypes have the other scale
    pd.testing.assert_frame_equal(rescaled.rates(low).drop(columns=marks), fitted.rates(low).drop(columns=marks))
    assert rescaled.provenance(low).model.endswith("low: aligned < 40 (of coherent > 5.5)")
    kinds = Partition({"low": "aligned < 40"}, "other", of="coherent")
    totals = rescaled.rates(kinds)["total"].to_numpy()
    np.testing.assert_array_equal(totals, fitted.rates(kinds)["total"])
    np.testing.assert_array_equal(totals[::2], fitted.rates(low)["total"])
    assert rescaled.draws("rates", outcome=kinds).sizes["category"] == 2


def test_responsibilities_of_a_loaded_result_need_its_log(fitted: Result, saved: Path, simulated) -> None:
    loaded = Result.load(saved)
    with pytest.raises(ValueError, match="Pass the log"):
        loaded.responsibilities()
    pd.testing.assert_frame_equal(loaded.responsibilities(simulated.log), fitted.responsibilities())
    fewer = dataclasses.replace(simulated.log, table=simulated.log.table.iloc[1:])
    with pytest.raises(ValueError, match="not the log that was fitted"):
        loaded.responsibilities(fewer)


def test_stored_checks_are_valid_json_and_come_back(fitted: Result, tmp_path) -> None:
    odd = [dataclasses.replace(fitted.checks[0], name=str(v), value=v) for v in (float("inf"), float("nan"), 2)]
    result = dataclasses.replace(fitted, checks=tuple(odd))
    path = result.save(tmp_path / "fit.nc")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    json.loads(path.with_suffix(".json").read_text(), parse_constant=refuse)
    np.testing.assert_array_equal([check.value for check in Result.load(path).checks[:3]], [np.inf, np.nan, 2])


class Forgetful(LabelEmission):
    """Its configuration forgets a field."""

    kind = "forgetful"

    def configuration(self) -> dict:
        return {"kind": self.kind, "measurement": self.measurement}


def test_an_emission_that_could_not_be_read_back_is_not_saved(fitted: Result, tmp_path) -> None:
    model = PersonaMixture(persona_set("ordinal-5")[:2], emissions=[Forgetful("grade", [1, 2, 3, 4, 5])])
    result = dataclasses.replace(fitted, prepared=dataclasses.replace(fitted.prepared, model=model))
    with pytest.raises(ValueError, match=r"cannot be saved: Forgetful\(.*which gives TypeError.*missing.*'values'"):
        result.save(tmp_path / "fit.nc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("lower", "upper", "text"),
    [(0.21, 0.35, "0.277"), (0.27, 0.2799, "0.2773"), (-0.02, 0.0, "0.277"), (float("nan"), float("nan"), "0.277")],
)
def test_decimals_follow_the_interval(lower: float, upper: float, text: str) -> None:
    assert f"{0.27734:.{decimals(lower, upper)}f}" == text
