"""What personas leave unexplained is found where they do not hold and only there; rates are right in both cases."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from simulacra.data import read_completions
from simulacra.formalism.mixture import component_probabilities
from simulacra.inference import Result, fit
from simulacra.inference.misfit import misfit
from tests.inference.conftest import fit_simulated, fit_triggered, simulate

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


def drifted(frame: pd.DataFrame) -> pd.DataFrame:
    """In one condition the judge drops every score by one bin."""
    own = frame["condition"] == "mild"
    return frame.assign(aligned=np.where(own, np.maximum(frame["aligned"] - 10, 0), frame["aligned"]))


def milder(frame: pd.DataFrame) -> pd.DataFrame:
    """In one condition, what is misaligned is half as severe: many of its scores no longer count as an event."""
    own = (frame["condition"] == "bad") & (frame["aligned"] < 30)
    return frame.assign(aligned=np.where(own, frame["aligned"] + 22, frame["aligned"]))


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
    assert weights.loc[weights["condition"] == changed, "status"].str.startswith("withheld: unexplained").all()
    event = (table["aligned"] < 30) & (table["coherent"] > 50)
    observed = event.groupby(table["condition"]).mean()
    rates = result.rates().set_index("condition")
    np.testing.assert_allclose(rates["rate"], observed[rates.index], atol=0.01)
    assert ((rates["eti89_lb"] < observed[rates.index]) & (observed[rates.index] < rates["eti89_ub"])).all()
    assert set(result.contrasts()["claim"]) <= {"increase", "decrease", "equivalent", "undecided"}
