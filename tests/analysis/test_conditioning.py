"""Meta-regression against quadrature, recovery of a known λ, and predictions that may fail."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from scipy.special import softmax

from simulacra.analysis import fit_conditioning, predict_shifts
from simulacra.analysis.meta_regression import MetaRegression
from simulacra.formalism.simplex import ilr_basis
from simulacra.inference import Result

PERSONAS = ["aligned", "misaligned", "incoherent"]
NAMES = [f"tune-{number}" for number in range(6)]
BASE = np.log([0.8, 0.15, 0.05])


def evidence(seed: int = 3) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(-20, 2, size=(len(NAMES), 3))
    return pd.DataFrame(values, index=NAMES, columns=PERSONAS)


def with_weights(result: Result, logits: np.ndarray, *, noise: float = 0.1, seed: int = 0) -> Result:
    """The result as if its posterior of weights were this; the baseline is first."""
    rng = np.random.default_rng(seed)
    draws = softmax(logits + noise * rng.standard_normal((4, 500, *logits.shape)), axis=-1)
    coords = {"condition": ["base", *NAMES], "persona": PERSONAS}
    weights = xr.DataArray(draws, dims=("chain", "draw", "condition", "persona"), coords=coords)
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset({"weights": weights})})
    return dataclasses.replace(result, tree=tree, checks=())


@pytest.fixture
def moved(fitted: Result) -> Result:
    """Weights that obey eq. (5) with λ = .4, and scatter by .15 nats beyond it."""
    scatter = 0.15 * np.random.default_rng(1).standard_normal((len(NAMES), 3))
    return with_weights(fitted, np.vstack([BASE, BASE + 0.4 * evidence().to_numpy() + scatter]))


@pytest.fixture
def regression(rng: np.random.Generator) -> MetaRegression:
    slopes = rng.normal(size=(5, 2))
    truth = 0.7 * slopes + 0.3 * rng.standard_normal(slopes.shape)
    root = rng.normal(size=(10, 10)) / 10
    draws = truth.ravel() + rng.standard_normal((4000, 10)) @ root.T
    return MetaRegression(draws.reshape(4000, 5, 2), slopes)


def test_draws_agree_with_quadrature(regression: MetaRegression, rng: np.random.Generator) -> None:
    """Both parameters on a grid, with SciPy's densities and the covariance written out."""
    chosen, size = np.array([0, 2, 3, 4]), 20_000
    covariance = regression.covariance[chosen][:, :, chosen].reshape(8, 8)
    mean, slopes = regression.mean[chosen].ravel(), regression.slopes[chosen].ravel()
    sigma, strength = np.linspace(1e-3, 2.5, 300), np.linspace(-1, 2.5, 500)
    log_p = np.empty((len(sigma), len(strength)))
    for row, one in enumerate(sigma):
        total = covariance + one**2 * np.eye(8)
        log_p[row] = stats.multivariate_normal.logpdf(mean - strength[:, None] * slopes, cov=total)
    wide, long = regression.scales(chosen)
    log_p += stats.halfnorm.logpdf(sigma, scale=long)[:, None] + stats.norm.logpdf(strength, scale=wide)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    drawn = regression.sample(chosen, size, rng)
    for draws, grid, axis in zip(drawn, (strength, sigma), (0, 1), strict=True):
        density = p.sum(axis=axis)
        centre = density @ grid
        spread = np.sqrt(density @ (grid - centre) ** 2)
        assert draws.mean() == pytest.approx(centre, abs=4 * spread / np.sqrt(size))
        # the kurtosis of these posteriors is below 9, so the relative standard error of a spread below sqrt(2 / size)
        assert draws.std() == pytest.approx(spread, rel=4 * np.sqrt(2 / size))
    together = (p * (strength * (sigma[:, None]))).sum() - (p.sum(axis=0) @ strength) * (p.sum(axis=1) @ sigma)
    assert np.cov(drawn)[0, 1] == pytest.approx(together, abs=4 * np.prod([d.std() for d in drawn]) / np.sqrt(size))


def test_strength_given_discrepancy_agrees_with_the_dense_formula(
    regression: MetaRegression, rng: np.random.Generator
) -> None:
    for index in range(5):
        own = regression.sample_strength(np.array([index]), np.full(20_000, 0.4), 1.7, rng)
        total = regression.covariance[index, :, index, :] + 0.16 * np.eye(2)
        slope, seen = regression.slopes[index], regression.mean[index]
        precision = slope @ np.linalg.solve(total, slope) + 1.7**-2
        centre = slope @ np.linalg.solve(total, seen) / precision
        assert own.mean() == pytest.approx(centre, abs=4 / np.sqrt(precision * 20_000))
        assert own.std() == pytest.approx(precision**-0.5, rel=0.02)


def test_a_known_strength_is_recovered(moved: Result) -> None:
    found = fit_conditioning(moved, evidence())
    strengths = found.strengths().set_index("condition")
    everything = strengths.loc["all"]
    # Var λ = (.15² + 2 · .1²) / Σ E², and the interval of such a posterior is 3.2 of its standard deviations wide
    rows = evidence().to_numpy() @ ilr_basis(3).T
    sd = np.sqrt((0.15**2 + 2 * 0.1**2) / (rows**2).sum())
    assert everything["mean"] == pytest.approx(0.4, abs=4 * sd)
    assert 1.5 * sd < everything["eti89_ub"] - everything["eti89_lb"] < 6 * sd
    assert (strengths.index[1:] == NAMES).all()
    explained = found.explained().set_index("what")
    assert explained.loc["shifts", "mean"] > 0.9
    assert explained.loc["order of aligned", "mean"] > 0.8
    table = found.table()
    assert table["covered"].mean() >= 0.7
    assert set(table["same_direction"].dropna()) == {True}
    np.testing.assert_allclose(table.groupby("condition")[["predicted", "estimated"]].sum(), 0, atol=1e-6)


def test_training_that_does_the_opposite_is_called_that(fitted: Result) -> None:
    against = with_weights(fitted, np.vstack([BASE, BASE - 0.4 * evidence().to_numpy()]))
    found = fit_conditioning(against, evidence())
    assert found.strengths().set_index("condition").loc["all", "eti89_ub"] < 0


def test_training_that_has_nothing_to_do_with_its_evidence_explains_nothing(fitted: Result) -> None:
    other = with_weights(fitted, np.vstack([BASE, BASE + 0.4 * evidence(8).to_numpy()]))
    found = fit_conditioning(other, evidence())
    assert found.explained().set_index("what").loc["shifts", "eti89_ub"] < 0.3
    assert False in set(found.table()["same_direction"])


def test_a_condition_that_moves_differently_is_not_covered(fitted: Result) -> None:
    logits = np.vstack([BASE, BASE + 0.4 * evidence().to_numpy()])
    logits[1] = BASE - 0.4 * evidence().to_numpy()[0]
    table = fit_conditioning(with_weights(fitted, logits), evidence()).table()
    odd = table["condition"] == "tune-0"
    assert not table.loc[odd, "covered"].any()
    assert table.loc[~odd, "covered"].mean() > 0.7  # its own λ is among those that predict them


def test_direction_and_order_come_before_completions(moved: Result) -> None:
    said = predict_shifts(moved, evidence())
    truth = np.exp(BASE) * (evidence().to_numpy() - (evidence().to_numpy() @ np.exp(BASE))[:, None])
    found = said["velocity"].to_numpy().reshape(truth.shape)
    np.testing.assert_allclose(found, truth, atol=0.1)
    assert ((said["p_gt_0"] > 0.5).to_numpy().reshape(truth.shape) == (truth > 0))[abs(truth) > 0.05].all()
    ranks = said.loc[said["persona"] == "misaligned", "rank"]
    assert list(ranks) == list(stats.rankdata(-found[:, 1]).astype(int))
    new = evidence().rename(index={"tune-0": "not fitted yet"})
    assert "not fitted yet" in set(predict_shifts(moved, new)["condition"])


def test_a_condition_is_predicted_from_the_others_alone(moved: Result) -> None:
    """Other draws of one condition, and of nothing else, leave its own prediction as it was, to the last digit."""
    other = moved.tree["posterior"].to_dataset().copy(deep=True)
    own = other["weights"].sel(condition="tune-0")
    other["weights"].loc[{"condition": "tune-0"}] = own.roll(persona=1, roll_coords=False)
    changed = dataclasses.replace(moved, tree=xr.DataTree.from_dict({"/posterior": other}))
    over = {"tune-1": "tune-0"}  # is measured from it, so it must not help to predict it either
    before, after = (fit_conditioning(result, evidence(), over=over).tree["posterior"] for result in (moved, changed))
    for name in ("left_out", "left_out_predictive"):
        assert before[name].sel(condition="tune-0").equals(after[name].sel(condition="tune-0"))
        assert not before[name].sel(condition="tune-2").equals(after[name].sel(condition="tune-2"))


def test_equal_evidence_has_no_order(moved: Result) -> None:
    equal = pd.DataFrame([evidence().iloc[0]] * len(NAMES), index=NAMES)
    assert set(predict_shifts(moved, equal)["rank"]) == {1}
    explained = fit_conditioning(moved, equal).explained().set_index("what")
    assert explained.loc["order of aligned"].isna().all()
    assert np.isfinite(explained.loc["shifts", "mean"])


def test_a_fine_tune_of_a_fine_tune_is_measured_from_it(moved: Result) -> None:
    weights = moved.draws("weights")
    found = fit_conditioning(moved, evidence(), over={"tune-1": "tune-0"})
    estimated = found.tree["posterior"]["estimated"].sel(condition="tune-1").mean(("chain", "draw"))
    difference = weights.sel(condition="tune-1") - weights.sel(condition="tune-0")
    np.testing.assert_allclose(estimated, difference.mean(("chain", "draw")), atol=0.01)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            evidence().rename(columns={"aligned": "good"}),
            "the columns aligned, misaligned, incoherent; got columns good",
        ),
        (evidence().iloc[:2], r"at least 3 conditions of the fit \(tune-0, .*\); got tune-0, tune-1"),
        (evidence().rename(index={"tune-2": "absent"}), r"of the fit \(tune-0, .*absent"),
        (evidence().drop("tune-3").reindex(NAMES), "Evidence on tune-3: expected finite numbers"),
        (evidence().iloc[[0, 0, 1, 2]], "duplicate rows"),
        (
            evidence().mul([0, 1, 1, 1, 1, 1], axis=0),
            "Evidence on tune-0 is the same for all personas, so it predicts no shift",
        ),
        (evidence().rename(index={"tune-0": "base"}), "base started from 'base', which is itself"),
    ],
)
def test_evidence_that_does_not_match(moved: Result, given: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_conditioning(moved, given)


def test_a_start_that_is_not_there(moved: Result) -> None:
    with pytest.raises(ValueError, match="over: tune-1 started from 'nowhere', which is not in the fit"):
        predict_shifts(moved, evidence(), over={"tune-1": "nowhere"})
    with pytest.raises(ValueError, match="over: 'tune1' is not a row of the evidence; the rows are tune-0"):
        predict_shifts(moved, evidence(), over={"tune1": "tune-0"})
    chained = dict.fromkeys(NAMES[1:4], "tune-0")
    with pytest.raises(ValueError, match=r"tune-0 is predicted from the conditions .* fewer than 2 of these"):
        fit_conditioning(moved, evidence().iloc[:4], over=chained)


def test_a_fit_that_failed_says_nothing(moved: Result, fitted: Result) -> None:
    failed = dataclasses.replace(moved, checks=tuple(dataclasses.replace(c, passed=False) for c in fitted.checks[:1]))
    with pytest.raises(ValueError, match=f"because this fit failed its checks: {fitted.checks[0].name}"):
        predict_shifts(failed, evidence())
