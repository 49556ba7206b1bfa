"""Eq. (6) on simulated answers with a known temperature, and its likelihood against SciPy's."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpyro.infer.util import log_density
from scipy import stats
from scipy.special import log_softmax, softmax

from simulacra.analysis import InContext, fit_in_context
from simulacra.analysis.in_context import _LEAST, _model
from simulacra.formalism.simplex import ilr_basis

PERSONAS = ["helper", "villain", "pirate"]
START, TAU, CONCENTRATION, ANSWERS = np.log([0.7, 0.2, 0.1]), 0.6, 40.0, 20
SHORT = {"num_warmup": 300, "num_samples": 500, "num_chains": 2}
TURNS = np.tile(np.arange(4), 30)


def simulated(temperature: float = TAU, seed: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Thirty contexts of zero to three turns, each turn worth about a nat."""
    rng = np.random.default_rng(seed)
    turns = rng.normal(-8, 1.5, size=(30, 3, 3))
    so_far = np.concatenate([np.zeros((30, 1, 3)), turns.cumsum(axis=1)], axis=1).reshape(-1, 3)
    weights = softmax(START + temperature * so_far, axis=1)
    shares = np.stack([rng.dirichlet(CONCENTRATION * row) for row in weights])
    counts = np.stack([rng.multinomial(ANSWERS, row) for row in shares])
    return pd.DataFrame(so_far, columns=PERSONAS), pd.DataFrame(counts, columns=PERSONAS)


def test_the_likelihood_is_scipys() -> None:
    evidence, answers = (frame.to_numpy(dtype=float)[:8] for frame in simulated())
    coordinates = np.array([0.4, -0.9])
    given = {
        "coordinates": jnp.asarray(coordinates),
        "temperature": jnp.asarray(0.8),
        "concentration": jnp.asarray(7.0),
    }
    ours, _ = log_density(_model, (jnp.asarray(evidence), jnp.asarray(answers)), {}, given)
    start = log_softmax(coordinates @ ilr_basis(3))
    weights = softmax(start + 0.8 * evidence, axis=1)
    theirs = sum(
        stats.dirichlet_multinomial.logpmf(row.astype(int), 7.0 * weight + _LEAST, int(row.sum()))
        for row, weight in zip(answers, weights, strict=True)
    )
    theirs += stats.norm.logpdf(coordinates, scale=3).sum()
    theirs += stats.norm.logpdf(0.8, scale=3) + stats.lognorm.logpdf(7.0, s=1.5, scale=50)
    assert float(ours) == pytest.approx(theirs, rel=1e-9)


@pytest.fixture(scope="module")
def found() -> InContext:
    return fit_in_context(*simulated(), **SHORT)


def check_recovery(found: InContext, temperature: float) -> None:
    assert found.ok, [str(check) for check in found.checks if not check.passed]
    tau = found.temperature()
    # the interval's half-width is 1.6 standard deviations; 4 of them miss once in 16,000
    half = (tau["eti89_ub"] - tau["eti89_lb"]) / 2
    assert tau["mean"] == pytest.approx(temperature, abs=2.5 * half)
    assert half < 0.25


def test_turns_that_count_against_what_they_say_are_found() -> None:
    """Columns may come in any order."""
    evidence, answers = simulated(-0.5)
    check_recovery(fit_in_context(evidence, answers[PERSONAS[::-1]], **SHORT), -0.5)


def test_a_known_temperature_is_recovered(found: InContext) -> None:
    check_recovery(found, TAU)
    _, answers = simulated()
    table = found.table(pd.DataFrame({"turns": TURNS}))
    assert list(table.columns[:3]) == ["turns", "persona", "predicted"]
    np.testing.assert_allclose(table.groupby("turns")[["predicted", "measured"]].sum(), 1, atol=1e-9)
    by_hand = answers[TURNS == 2].sum() / answers[TURNS == 2].to_numpy().sum()
    np.testing.assert_allclose(table.loc[table["turns"] == 2, "measured"], by_hand)
    assert (table["predicted"] - table["measured"]).abs().max() < 0.08


def test_what_did_not_converge_is_withheld(found: InContext) -> None:
    failed = dataclasses.replace(found, checks=(dataclasses.replace(found.checks[0], passed=False),))
    assert not failed.ok
    assert failed.temperature().isna().all()
    table = failed.table(pd.DataFrame({"turns": TURNS}))
    assert table["predicted"].isna().all()
    assert table["measured"].notna().all()


def test_errors_say_what_is_wrong(found: InContext) -> None:
    evidence, answers = simulated()
    with pytest.raises(ValueError, match=r"the same personas as columns .* 120 rows of good, villain, pirate"):
        fit_in_context(evidence, answers.rename(columns={"helper": "good"}))
    with pytest.raises(ValueError, match="context 3 has evidence that is not finite"):
        fit_in_context(evidence.drop(3).reindex(range(120)), answers)
    with pytest.raises(ValueError, match="context 4 has answers that are not counts"):
        fit_in_context(evidence, answers.mul(np.where(np.arange(120) == 4, 0.3, 1), axis=0))
    with pytest.raises(ValueError, match="the same contexts as rows"):
        fit_in_context(evidence, answers[::-1])
    with pytest.raises(ValueError, match="context 5 has no answers"):
        fit_in_context(evidence, answers.drop(5).reindex(range(120), fill_value=0))
    with pytest.raises(ValueError, match="one row for each of 120 contexts; got 3"):
        found.table(pd.DataFrame({"turns": [0, 1, 2]}))
