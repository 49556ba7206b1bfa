"""Calibrations cut from the rows: against an exact oracle, what rows do not change, and checks that fail."""

import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import special, stats

from simulacra.data import CompletionLog, read_completions
from simulacra.formalism import InputError, LikelihoodEmission, Persona, PersonaMixture
from simulacra.formalism.density_ratios import Texts, prompt_weights
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.prior import calibrated
from simulacra.inference import Result, Thresholds, fit
from simulacra.inference.calibration import calibrate, calibration_statistics, sample_calibration
from simulacra.inference.checks import check_draws
from simulacra.inference.diagnostics import check_calibration, check_uncovered
from simulacra.inference.posterior import weights_of_cells
from simulacra.inference.prepare import Prepared, prepare
from simulacra.inference.purity import purity_sensitivity
from simulacra.inference.sampling.problem import make_problem
from simulacra.inference.sampling.sample import Settings, find_modes, sample_posterior
from simulacra.inference.uncovered import uncovered_texts

_NAMES = ("helper", "villain", "pirate")
_MEANS = 1.6 * np.array([[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]])
_TEMPERATURE, _OFFSET, _PURITY = 0.2, np.array([0.5, -0.3, -0.2]), 0.93
_WEIGHTS = {"base": [0.8, 0.1, 0.1], "tuned": [0.1, 0.7, 0.2]}


def _log(rows: int = 150, references: int = 30, *, shift: float = 0.0, seed: int = 0) -> CompletionLog:
    """Texts in the plane, x ~ N(m_z, 1), with log density ratios (m_z - m_k) · x; the model reports them over τ.

    ``shift`` moves the texts of ``tuned`` away from those of its personas.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for condition, weights in _WEIGHTS.items():
        own = _MEANS[rng.choice(3, size=rows, p=weights)] + (condition == "tuned") * np.array([0.0, shift])
        parts.append((condition, None, own))
    for number, name in enumerate(_NAMES):
        pure = rng.random(references) < _PURITY
        own = np.where(pure, number, (number + rng.integers(1, 3, size=references)) % 3)
        parts.append(("elicited", name, _MEANS[own]))
    tables = []
    for condition, name, means in parts:
        points = means + rng.standard_normal(means.shape)
        values = (points @ _MEANS.T - _OFFSET) / _TEMPERATURE - 100 * rng.random((len(points), 1))
        table = pd.DataFrame(values, columns=[f"log_likelihood_{each}" for each in _NAMES])
        tables.append(table.assign(condition=condition, question_id="q", elicited_by=name))
    table = pd.concat(tables, ignore_index=True)
    table["completion"] = [f"text {number}" for number in range(len(table))]
    columns = [name for name in table if str(name).startswith("log_likelihood")]
    return read_completions(table, measurements=columns, contexts=["elicited_by"])


def _model(weights: str = "(1 | condition)", **settings: object) -> PersonaMixture:
    emission = LikelihoodEmission(**{"reference": "elicited_by", "bin_width": 0, **settings})
    return PersonaMixture([Persona(name, "By its prompt.") for name in _NAMES], emissions=[emission], weights=weights)


def _texts(prepared: Prepared) -> Texts:
    assert prepared.texts is not None
    return prepared.texts


@pytest.fixture(scope="module")
def one_condition() -> Prepared:
    log = _log(60, 8)
    rows = log.table["condition"] != "tuned"
    return prepare(_model("1"), dataclasses.replace(log, table=log.table[rows]))


# --- the posterior --------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_calibration_has_the_moments_of_a_plain_integral(one_condition: Prepared) -> None:
    """Against draws from the prior weighted by a likelihood in NumPy; the effective size of these is above 2000."""
    texts = _texts(one_condition)
    problem = make_problem(
        one_condition.model, one_condition.design, one_condition.patterns, one_condition.counts, texts
    )
    prior, rng = problem.prior, np.random.default_rng(1)
    with jax.enable_x64(True):
        draws, pareto_k = sample_calibration(texts, prior, calibrate(texts, prior), np.random.default_rng(2))
    points = prior.calibration_location + prior.calibration_spread * rng.standard_normal((1_000_000, 6))
    temperature, offset, purity = calibrated(points, 3)
    log_weights = np.zeros(len(points))
    for persona, values in zip(texts.reference_persona, texts.reference_log_likelihoods, strict=True):
        ratios = special.softmax(temperature[:, None] * values + offset, axis=1)
        elicited = purity * ratios + (1 - purity) / 2 * (1 - ratios)
        log_weights += np.log(elicited[:, persona] / elicited.sum(axis=1))
    weights = special.softmax(log_weights)
    effective = 1 / (weights**2).sum()
    assert effective > 2000
    assert pareto_k < 0.7
    for power in (1, 2):
        own, theirs = draws**power, points**power
        mean = weights @ theirs
        error = np.sqrt(weights @ (theirs - mean) ** 2 * (1 / effective + 1 / 3000))
        assert (np.abs(own.mean(axis=0) - mean) < 5 * error).all()


@pytest.mark.long
def test_weights_have_the_cut_posterior(one_condition: Prepared) -> None:
    """Against multiple imputation with the exact posterior of the weights on a grid, for every draw of τ and b.

    The tolerance is five Monte Carlo standard errors; 4000 draws of a chain have an effective size above 2000 here.
    """
    texts = _texts(one_condition)
    with jax.enable_x64(True):
        target = find_modes(one_condition, 10, 3)
        settings = Settings(3, 400, 1000, 4, "hmc", "vectorized", 0.9, 10)
        sampled = next(sample_posterior(one_condition, target, target.starts[0], settings, lambda *_: None))
    assert target.given is not None
    found = weights_of_cells(one_condition.design, sampled.parameters.latents)[..., 0, :]
    side = np.linspace(-9, 9, 121)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    spread = np.sqrt(one_condition.design.variances(np.ones(0)))[0]
    weights = weights_of_cells(one_condition.design, grid[:, None])[:, 0]
    log_prior = stats.norm.logpdf(grid, 0, spread).sum(axis=1)
    moments = []
    chosen = target.given.draws[np.random.default_rng(4).permutation(len(target.given.draws))[:400]]
    for temperature, offset in zip(*calibrated(chosen, 3)[:2], strict=True):
        ratios = special.softmax(temperature * texts.log_likelihoods + offset, axis=1)
        density = special.softmax(log_prior + np.log(weights @ ratios.T) @ texts.total)
        moments.append([density @ weights, density @ weights**2])
    exact, error = np.mean(moments, axis=0), np.std(moments, axis=0) / np.sqrt(len(moments))
    for power, own in ((0, found), (1, found**2)):
        tolerance = 5 * np.sqrt(error[power] ** 2 + own.var(axis=(0, 1)) / 2000)
        assert (np.abs(own.mean(axis=(0, 1)) - exact[power]) < tolerance).all()
    plug_in = np.var([mean for mean, _ in moments], axis=0)
    assert (plug_in > 0.1 * found.var(axis=(0, 1))).any(), "the calibration matters here"


@pytest.fixture(scope="module")
def shifted() -> dict[str, Result]:
    """A log whose fine-tune writes unlike the references, with calibrations cut and joint."""
    settings = {
        "num_warmup": 200,
        "num_samples": 250,
        "progress_bar": False,
        "thresholds": Thresholds(r_hat=1.05, ess=100),
    }
    log = _log(300, 30, shift=2.5)
    return {name: fit(_model(calibration=name), log, **settings) for name in ("cut", "joint")}


@pytest.mark.long
def test_rows_do_not_inform_a_cut_calibration(shifted: dict[str, Result]) -> None:
    prepared = prepare(_model(), _log(300, 30, shift=2.5))
    with jax.enable_x64(True):
        draws = find_modes(prepared, 10, 0).given
    assert draws is not None
    temperature, offset, purity = calibrated(draws.draws, 3)
    posterior = shifted["cut"].posterior
    for name, own in (("temperature", np.log(temperature)), ("offset", offset), ("purity", purity)):
        fitted = posterior[name] if name != "temperature" else np.log(posterior[name])
        error = own.std(axis=0) / np.sqrt(1000)  # draws of the fit are independent
        assert (np.abs(fitted.mean(("chain", "draw")) - own.mean(axis=0)) < 5 * error).all(), name


@pytest.mark.long
def test_shifted_texts_mislead_joint_calibrations_and_the_check_says_so(shifted: dict[str, Result]) -> None:
    failed = {name: {check.name for check in result.failed} for name, result in shifted.items()}
    assert "references" in failed["joint"]
    assert shifted["joint"].weights()["mean"].isna().all()
    assert "references" not in failed["cut"]
    base = shifted["cut"].weights(withhold=False).set_index(["condition", "persona"]).loc["base"]
    assert base["eti89_lb"]["helper"] < _WEIGHTS["base"][0] < base["eti89_ub"]["helper"]


@pytest.mark.long
def test_shifted_texts_are_uncovered_and_withhold_their_condition_alone(shifted: dict[str, Result]) -> None:
    table = shifted["cut"].uncovered().set_index("condition")
    assert table.loc["tuned", "uncovered"] > 2 * table.loc["tuned", "expected"]
    withheld = shifted["cut"].weights().set_index("condition")["mean"].isna()
    assert withheld["tuned"].all()
    assert not withheld["base"].any()


@pytest.mark.parametrize("cut", [True, False])
def test_uncovered_texts_concern_all_conditions_if_the_calibration_is_joint(*, cut: bool) -> None:
    values = {"texts": [200, 200], "uncovered": [9, 60], "expected": [10, 10], "excess": [0, 0.25], "p_value": [0.6, 0]}
    columns = {name: ("condition", np.array(own, dtype=float)) for name, own in values.items()}
    found = xr.Dataset(columns, coords={"condition": ["base", "tuned"]})
    base, tuned = check_uncovered(found, Thresholds(), cut=cut)
    assert base.passed
    assert not tuned.passed
    assert tuned.condition == ("tuned" if cut else None)
    assert ("emissions" in tuned.withholds) == (not cut)
    assert ("calibration='cut'" in str(tuned.remedy)) == (not cut)


# --- the checks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("references", [10, 30, 100])
def test_texts_like_references_are_covered(references: int) -> None:
    """Of 12 conditions at true weights and calibrations; of 240 others 2% failed, so more than two do in 2 of 1000."""
    failed = 0
    for seed in range(6):
        prepared = prepare(_model(), _log(150, references, seed=seed))
        found = uncovered_texts(prepared, _texts(prepared), _at_truth(prepared))
        failed += sum(not check.passed for check in check_uncovered(found, Thresholds(), cut=True))
        assert (found["texts"] <= 150).all()
    assert failed <= 2


def _at_truth(prepared: Prepared) -> xr.Dataset:
    weights = [_WEIGHTS[name] for name in prepared.conditions]
    values = {"weights": weights, "offset": _OFFSET, "purity": [_PURITY] * 3, "temperature": _TEMPERATURE}
    dims = {"weights": ("condition", "persona"), "offset": ("persona",), "purity": ("persona",), "temperature": ()}
    draws = {name: (("chain", "draw", *dims[name]), np.asarray(own)[None, None]) for name, own in values.items()}
    return xr.Dataset(draws)


def test_the_check_of_references_compares_with_their_own_best() -> None:
    prepared = prepare(_model(), _log(60, 30))
    texts = _texts(prepared)
    prior = make_problem(prepared.model, prepared.design, prepared.patterns, prepared.counts, texts).prior

    def found(temperature: float, offset: np.ndarray) -> xr.Dataset:
        own = Parameters(
            (), np.zeros((1, 1, 1, 2)), np.ones((1, 1, 1)), np.full((1, 1), temperature), offset[None, None]
        )
        with jax.enable_x64(True):
            return calibration_statistics(texts, prior, own, 0.1)

    with jax.enable_x64(True):
        best = calibrate(texts, prior)
    assert best.offset is not None
    assert float(found(float(best.temperature), best.offset)["likelihood_ratio"]) == pytest.approx(0, abs=1e-6)
    assert all(check.passed for check in check_calibration(found(_TEMPERATURE, _OFFSET), Thresholds()))
    moved = found(_TEMPERATURE, _OFFSET + np.array([2.0, -1.0, -1.0]))
    assert not check_calibration(moved, Thresholds())[0].passed
    assert not check_calibration(moved.assign(pareto_k=0.9), Thresholds(calibration_p=0))[1].passed


# --- what references leave open -------------------------------------------------------------------------------------


def test_texts_of_a_prompt_have_its_purity_as_a_weight_whatever_that_is() -> None:
    """Weights that are what the villain's prompt elicits remain so, at the ends of the prior's 89% interval.

    Lapses are spread evenly or as in the baseline, whose weights are .5, .3 and .2: of the others, helper .5 / .7.
    """
    prepared = prepare(_model(), _log(6, 5))
    purity = np.array([0.95, 0.9, 0.85])
    elicited = np.asarray(prompt_weights(purity), float)[1]
    posterior = _at_truth(prepared).assign(
        weights=(("chain", "draw", "condition", "persona"), np.stack([[0.5, 0.3, 0.2], elicited])[None, None]),
        purity=(("chain", "draw", "persona"), purity[None, None]),
    )
    moved = purity_sensitivity(posterior["weights"], posterior, prepared, 0.89)
    assert moved is not None
    assert moved.dims == ("alternative", "condition", "persona")
    ends = special.expit(special.logit(0.93) + 0.7 * stats.norm.ppf([0.055, 0.945]))
    lapses = np.array([[0.5, 0, 0.5], [0.5 / 0.7, 0, 0.2 / 0.7]])
    expected = [(1 - end) * lapse + end * np.array([0, 1, 0]) for end in ends for lapse in lapses]
    np.testing.assert_allclose(moved[:, 1], expected, atol=1e-6)
    alternatives = [(np.full(3, end), lapse) for end in ends for lapse in (None, np.array([0.5, 0.3, 0.2]))]
    for other, weights in zip(alternatives, moved[:, 0], strict=True):  # the density of texts is the same
        density = np.random.default_rng(0).random((3, 20))
        own, moved_to = (np.linalg.solve(prompt_weights(*each), density) for each in ((purity,), other))
        np.testing.assert_allclose(np.array([0.5, 0.3, 0.2]) @ own, weights.to_numpy() @ moved_to, atol=1e-5)
    wider = purity_sensitivity(posterior["weights"], posterior, prepared, 0.97)
    assert wider is not None
    assert np.ptp(wider.to_numpy()[:, 1, 1]) > 1.3 * np.ptp(moved.to_numpy()[:, 1, 1])


def test_measured_purities_and_calibrations_without_references_move_nothing() -> None:
    prepared = prepare(_model(), _log(6, 5))
    posterior, texts = _at_truth(prepared), _texts(prepared)
    labelled = dataclasses.replace(prepared, texts=texts._replace(reference_label=texts.reference_persona))
    moved = purity_sensitivity(posterior["weights"], posterior, labelled, 0.89)
    assert moved is not None
    np.testing.assert_allclose(moved, np.stack([posterior["weights"][0, 0]] * 4), atol=1e-6)
    assert (
        purity_sensitivity(posterior["weights"], posterior, prepare(_model(reference=None), _log(6, 0)), 0.89) is None
    )


@pytest.mark.long
def test_checks_are_found_again_in_the_groups_of_the_tree(shifted: dict[str, Result]) -> None:
    for result in shifted.values():
        again = {check.name for check in check_draws(result.prepared, result.tree, Thresholds(r_hat=1.05, ess=100))}
        assert {"references", "pareto_k", "uncovered texts"} <= again


def test_nuts_is_for_joint_calibrations() -> None:
    with pytest.raises(InputError, match="NumPyro samples the joint posterior"):
        fit(_model(), _log(10, 5), engine="nuts")
