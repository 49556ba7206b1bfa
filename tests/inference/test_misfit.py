"""What personas leave unexplained is found where they do not hold and only there; rates are right in both cases."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulacra.data import Truth, read_completions, simulate_log
from simulacra.formalism import Archetype, Persona, PersonaMixture, ScoreEmission
from simulacra.formalism.mixture import component_probabilities
from simulacra.inference import Result, Thresholds, fit
from simulacra.inference.claims import paired_interval
from simulacra.inference.misfit import misfit
from simulacra.inference.prepare import Prepared, prepare
from simulacra.inference.rates import (
    against_baseline,
    count_events,
    fit_rates,
    logged_shares,
    rates_in,
    scope_in_words,
)
from simulacra.inference.readings import rival_modes
from simulacra.inference.sampling.initialise import Start, em_starts
from tests.inference.conftest import fit_simulated, fit_triggered, simulate
from tests.inference.worlds import coherent_model, drifted, heavy_tailed_roles, milder, unspecific, usual_model

_SETTINGS = {"num_warmup": 250, "num_samples": 300, "num_chains": 2, "progress_bar": False}


def parts(result: Result) -> tuple:
    tables = tuple(result.posterior[f"{name}_probs"].to_numpy() for name in result.model.measurements)
    return result.prepared, result.draws("weights").to_numpy(), tables


def test_where_the_model_holds_little_is_unexplained() -> None:
    table = fit_simulated().unexplained()
    assert list(table) == ["condition", "unexplained", "in_aligned", "in_coherent", "p_value", "most_missed"]
    assert (table["unexplained"] < 0.02).all()
    assert (table["p_value"] > 0.2).all()
    assert table["most_missed"].str.fullmatch(r"aligned .*, coherent .*: [+−]\d\.\d points").all()


def test_logs_drawn_from_the_fit_are_hardly_ever_flagged(rng: np.random.Generator) -> None:
    """Forty logs of three conditions from one posterior draw each: the false alarms of a fixed parameter.

    Here the data are not used twice, so p-values are uniform: 6 of 120 lie below .05 on average, and 16 with
    probability 2e-4; the unexplained share, which such a log exceeds by chance alone, stays below the threshold.
    """
    result = fit_simulated()
    prepared, weights, tables = parts(result)
    flagged = low = 0
    sizes = (prepared.in_condition @ prepared.counts).sum(axis=1).astype(int)
    cells = [np.flatnonzero(prepared.group == group)[0] for group in range(3)]
    for _ in range(40):
        chain, draw = rng.integers(weights.shape[0]), rng.integers(weights.shape[1])
        components = component_probabilities([table[chain, draw] for table in tables], prepared.patterns)
        shares = weights[chain, draw] @ components
        counts = np.zeros_like(prepared.collapsed.counts)
        counts[cells] = rng.multinomial(sizes, shares / shares.sum(axis=1, keepdims=True))
        collapsed = dataclasses.replace(prepared.collapsed, counts=counts)
        found = misfit(dataclasses.replace(prepared, collapsed=collapsed), weights, tables, seed=0)
        low += int((found["p_value"] < 0.05).sum())
        flagged += int(((found["p_value"] < 0.05) & (found["unexplained"] > 0.02)).sum())
    assert low < 16
    assert flagged < 16


def test_more_patterns_than_can_be_listed(rng: np.random.Generator) -> None:
    """Four scores in tens: 14 641 combinations. In logs from the parameters nothing is unexplained.

    p-values of three conditions in eight logs are uniform, up to the dependence of the event: 1.2 of 24 lie below .05,
    and more than 7 with a probability of 1e-4. One judge that uses another scale in one condition is noticed.
    """
    names = ("a", "b", "c", "d")
    personas = [
        Persona(own, "Said.", {name: Archetype((0, 50, 100), masses) for name in names})
        for own, masses in (("low", (0.8, 0.2)), ("high", (0.1, 0.9)))
    ]
    model = PersonaMixture(personas, emissions=[ScoreEmission(name) for name in names], baseline="x")
    cells = pd.DataFrame([(name, f"q{number}") for name in "xyz" for number in range(2)])
    cells.columns = ["condition", "question_id"]
    weights = np.repeat([[0.2, 0.8], [0.5, 0.5], [0.7, 0.3]], 2, axis=0)
    tables = tuple(alpha / alpha.sum(axis=1, keepdims=True) for alpha in model.concentrations)
    draws = (
        np.broadcast_to(weights[::2], (1, 300, 3, 2)),
        tuple(np.broadcast_to(own, (1, 300, *own.shape)) for own in tables),
    )

    def found(seed: int, shift: float = 0.0) -> xr.Dataset:
        table = simulate_log(model, Truth(cells, weights, tables), 200, seed=seed).table
        table.loc[table["condition"] == "y", "b"] = np.minimum(table["b"] + shift, 100)
        return misfit(prepare(model, read_completions(table, measurements=names)), *draws, seed=0)

    nulls = [found(seed) for seed in range(8)]
    assert sum(int((own["p_value"] < 0.05).sum()) for own in nulls) <= 7
    assert np.mean([own["unexplained"] for own in nulls]) < Thresholds().unexplained
    shifted = found(0, 20.0)
    assert float(shifted["p_value"][1]) < 0.01
    assert int(shifted["unexplained_in"].to_numpy()[1].argmax()) == 1


def test_a_context_that_the_formula_does_not_name_is_unexplained() -> None:
    """Weights of a condition cannot differ between its contexts; its completions do."""
    result = fit_triggered()
    failing = next(check for check in result.failed if check.name == "unexplained share")
    assert failing.remedy.endswith("If the weights may differ between contexts, name trigger in weights=.")
    found = result.unexplained().set_index(["condition", "trigger"])
    assert list(found.index) == [(name, context) for name in ("base", "backdoor") for context in ("off", "on")]
    assert (found.loc["backdoor", "unexplained"] > 0.2).all()
    assert (found.loc["base", "unexplained"] < 0.02).all()
    weights = result.weights().set_index("condition")["status"]
    assert (weights["backdoor"] == "withheld: unexplained share failed").all()
    assert not weights["base"].str.contains("unexplained").any()


# --- worlds in which the personas do not hold ---------------------------------------------------------------------


@pytest.fixture(scope="module", params=[(drifted, "mild"), (milder, "bad")], ids=["drifted", "milder"])
def misfitted(request: pytest.FixtureRequest) -> tuple[Result, pd.DataFrame, str]:
    world, (change, condition) = simulate(), request.param
    table = change(world.log.table[["condition", "question_id", "completion", "aligned", "coherent"]])
    return fit(world.model, read_completions(table), seed=0, **_SETTINGS), table, condition


def test_a_condition_that_behaves_differently_is_flagged_and_its_rate_is_right(
    misfitted: tuple[Result, pd.DataFrame, str],
) -> None:
    result, table, changed = misfitted
    flagged = {check.condition for check in result.failed if check.name == "unexplained share"}
    assert flagged == {changed}
    weights = result.weights()
    assert weights.loc[weights["condition"] == changed, "status"].str.startswith("withheld").all()
    event = (table["aligned"] < 30) & (table["coherent"] > 50)
    observed = event.groupby(table["condition"]).mean()
    rates = result.rates().set_index("condition")
    np.testing.assert_allclose(rates["rate"], observed[rates.index], atol=0.01)
    assert ((rates["eti89_lb"] < observed[rates.index]) & (observed[rates.index] < rates["eti89_ub"])).all()


def test_claims_about_it_stand_and_what_personas_do_not_account_for_is_stated(
    misfitted: tuple[Result, pd.DataFrame, str],
) -> None:
    """All differences exceed eight points, three standard errors; the rest is the difference minus what is implied."""
    result, table, _ = misfitted
    event = (table["aligned"] < 30) & (table["coherent"] > 50)
    observed = event.groupby(table["condition"]).mean()
    found = result.contrasts().set_index("condition")
    difference = (observed - observed["base"])[found.index]
    assert (difference > 0.08).all()
    assert (found["claim"] == "increase").all()
    np.testing.assert_allclose(found["rate_difference"], difference, atol=0.015)
    stated = result.contrasts(withhold=False).set_index("condition")
    np.testing.assert_allclose(stated["unexplained"], stated["rate_difference"] - stated["implied"], atol=5e-3)
    assert (stated["unexplained_lb"] < stated["unexplained"]).all()
    assert (stated["unexplained"] < stated["unexplained_ub"]).all()


# --- worlds in which the weights are hard to find -----------------------------------------------------------------


def em(prepared: Prepared, num_steps: int) -> list[Start]:
    """EM from 24 starts on the counts of every condition."""
    patterns, counts = prepared.points
    rng, by_condition = np.random.default_rng(0), prepared.in_condition @ counts
    return em_starts(by_condition, patterns, prepared.model.concentrations, num_starts=24, rng=rng, num_steps=num_steps)


def rivals(starts: list[Start]) -> list[Start]:
    usual = Thresholds()
    return rival_modes(starts, gap=usual.mode_gap, distance=usual.mode_distance)


@pytest.mark.long
def test_modes_that_imply_the_same_rates_do_not_withhold_them() -> None:
    """Two modes 1.3 nats apart: their weights differ by .17, the rates that they imply by .002.

    Rates and claims are shown and right; a weight on which the modes disagree is marked, or its interval contains both.
    """
    model = coherent_model(20.0)
    truth, log = unspecific(model, 250, seed=3)
    result = fit(model, log, seed=0, **_SETTINGS)
    starts = em(result.prepared, 5000)
    best, (rival,) = starts[0], rivals(starts)
    assert best.log_evidence - rival.log_evidence < 2
    implied = [own.weights @ model.outcome.numerator.probability(model.emissions, own.probabilities) for own in
               (best, rival)]  # fmt: skip
    np.testing.assert_allclose(*implied, atol=0.005)
    rates, true = result.rates().set_index("condition"), truth.rates(model.emissions, model.outcome)
    assert (rates["status"] == "ok").all()
    assert ((rates["eti89_lb"] - 0.01 < true[rates.index]) & (true[rates.index] < rates["eti89_ub"] + 0.01)).all()
    claims = result.contrasts().set_index("condition")["claim"]
    assert (claims == "increase").all()
    assert (true[claims.index] - true["base"] > 0.05).all()
    weights = result.weights()
    places = {(condition, persona): (m, k) for m, condition in enumerate(result.conditions)
              for k, persona in enumerate(result.personas)}  # fmt: skip
    disputed = 0
    for row in weights.itertuples():
        both = sorted(own.weights[places[row.condition, row.persona]] for own in (best, rival))
        if both[1] - both[0] > 0.05 and row.status == "ok":
            assert row.eti89_lb < both[1]
            assert row.eti89_ub > both[0]
        disputed += both[1] - both[0] > 0.05
    assert disputed >= 2


def test_starts_that_need_many_steps_are_not_other_modes() -> None:
    """After 150 steps, many of 24 starts are rivals, with weights up to .37 apart; converged, none is."""
    model = coherent_model(20.0)
    prepared = prepare(model, unspecific(model, 250, seed=11)[1])
    assert len(rivals(em(prepared, 150))) >= 3
    assert not rivals(em(prepared, 5000))


def test_heavy_tailed_roles_widen_the_interval_for_new_roles() -> None:
    """26 roles in three framings: roles are the unit, and the interval is at least that of a test clustered by role."""
    frame, rates = heavy_tailed_roles(seed=5)
    prepared = prepare(usual_model(), read_completions(frame, measurements=["aligned", "coherent"]))
    counts = count_events(prepared, prepared.model.outcome)
    assert counts.events.shape == (2, 26)
    found = fit_rates(counts, Thresholds(), seed=0)
    low, high, width = {}, {}, {}
    for scope in ("these", "new"):
        draws = against_baseline(rates_in(found, scope), "base").to_numpy()
        low[scope], high[scope] = np.quantile(draws, [0.055, 0.945])
        width[scope] = high[scope] - low[scope]
    own = float((rates[1] - rates[0]).mean())
    assert low["these"] < own < high["these"]
    everywhere = heavy_tailed_roles(seed=6, roles=20_000, completions=1)[1]
    kind = float((everywhere[1] - everywhere[0]).mean())
    assert low["new"] < kind < high["new"]
    shares = logged_shares(found)
    clustered = paired_interval(shares[1] - shares[0], 0.89)
    assert clustered is not None
    assert width["new"] > 0.8 * (clustered[1] - clustered[0]) > 2 * width["these"]
    assert low["these"] > 0.01  # claimed on these roles
    assert scope_in_words(prepared, "these") == "on these 78 questions (26 base questions)"
