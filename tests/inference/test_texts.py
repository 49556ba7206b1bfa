"""Fits of texts: the density against a plain loop, binned against exact, truth recovered, and what results say."""

import dataclasses
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

from simulacra.data import CompletionLog, collapse, read_completions
from simulacra.formalism import InputError, LikelihoodEmission, Outcome, Persona, PersonaMixture, ScoreEmission
from simulacra.formalism.parameters import Parameters, permute
from simulacra.formalism.prior import make_prior
from simulacra.formalism.simplex import ilr_basis
from simulacra.inference import Result, Thresholds, fit
from simulacra.inference.calibration import calibrate
from simulacra.inference.prepare import Prepared, prepare
from simulacra.inference.sampling.problem import log_density, make_problem, natural_chart, unconstrain
from simulacra.inference.texts import describe_texts

_PERSONAS = [Persona("helper", "You help."), Persona("villain", "You harm.")]
_TEMPERATURE, _OFFSET = 0.08, 0.4
_WEIGHTS = {"base": 0.1, "tuned": 0.6}
_SETTINGS = {
    "num_warmup": 200,
    "num_samples": 250,
    "progress_bar": False,
    "thresholds": Thresholds(r_hat=1.05, ess=100),
}


def _log(completions: int, references: int, *, seed: int = 0) -> CompletionLog:
    """Texts whose log-likelihood ratios are Gaussian, and over-confident by 1 / τ.

    With x ~ N(±1.2, 1), log f_villain / f_helper = 2.4 x; the model reports (2.4 x - b) / τ, plus what personas share.
    """
    rng = np.random.default_rng(seed)
    rows = [
        (condition, f"q{number % 2}", int(rng.random() < weight), None)
        for condition, weight in _WEIGHTS.items()
        for number in range(completions)
    ]
    rows += [("elicited", "q0", number % 2, _PERSONAS[number % 2].name) for number in range(references)]
    table = pd.DataFrame(rows, columns=["condition", "question_id", "villain", "elicited_by"])
    ratio = (2.4 * (rng.normal(size=len(table)) + 2.4 * (table.pop("villain") - 0.5)) - _OFFSET) / _TEMPERATURE
    shared = rng.gamma(5, 30, size=len(table))
    table = table.assign(log_likelihood_helper=-shared - ratio / 2, log_likelihood_villain=-shared + ratio / 2)
    table["aligned"] = np.where(ratio > 0, 20.0, 90.0)
    table["completion"] = [f"text {number}" for number in range(len(table))]
    names = ["log_likelihood_helper", "log_likelihood_villain", "aligned"]
    return read_completions(table, measurements=names, contexts=["elicited_by"])


def _model(**settings: object) -> PersonaMixture:
    """References of this log are pure, and the emission is told so."""
    pure = {"reference": "elicited_by", "median_purity": 0.995}
    emission = LikelihoodEmission(**{**pure, **settings})
    return PersonaMixture(_PERSONAS, emissions=[emission], weights="(1 | condition)")


@pytest.fixture(scope="module")
def log() -> CompletionLog:
    return _log(150, 120)


@pytest.fixture(scope="module")
def result(log: CompletionLog) -> Result:
    return fit(_model(), log, seed=0, **_SETTINGS)


# --- the density ----------------------------------------------------------------------------------------------------


def _plain(prepared: Prepared, parameters: Parameters) -> float:
    """Joint log likelihood and log prior by a loop over texts, the common mixture by a scalar search."""
    texts, basis = prepared.texts, ilr_basis(2)
    assert texts is not None
    weights = special.softmax(prepared.design.basis @ parameters.latents @ basis, axis=1)

    def ratios(values: np.ndarray) -> np.ndarray:
        return 2 * special.softmax(parameters.temperature * values + parameters.offset)

    rows = [ratios(values) for values in texts.log_likelihoods]
    known = [ratios(values) for values in texts.reference_log_likelihoods]

    def common(share: float) -> float:
        mixture = np.array([share, 1 - share])
        return float(sum(n * np.log(mixture @ own) for n, own in zip(texts.total, rows, strict=True))) + sum(
            np.log(mixture @ own) for own in known
        )

    share = optimize.minimize_scalar(
        lambda share: -common(share) - 0.5 * np.log(share * (1 - share)),
        bounds=(1e-6, 1 - 1e-6),
        method="bounded",
        options={"xatol": 1e-12},
    ).x
    own = sum(n * np.log(weights[cell] @ r) for n, cell, r in zip(texts.total, texts.cell, rows, strict=True)) + sum(
        np.log(parameters.purity[z] * r[z] + (1 - parameters.purity[z]) * r[1 - z])
        for z, r in zip(texts.reference_persona, known, strict=True)
    )
    log_temperature, coordinate = np.log(parameters.temperature), basis @ parameters.offset
    scales = stats.norm.logpdf(np.log(parameters.scales), prepared.design.scale_location, prepared.design.scale_spread)
    spread = np.sqrt(prepared.design.variances(parameters.scales))[:, None]
    return (
        float(own)
        - common(share)
        + stats.norm.logpdf(log_temperature, np.log(0.5), 1.0)
        + float(stats.norm.logpdf(coordinate, 0, 2).sum())
        + float(stats.norm.logpdf(special.logit(parameters.purity), special.logit(0.995), 0.7).sum())
        + float(scales.sum())
        + float(stats.norm.logpdf(parameters.latents, 0, spread).sum())
    )


def _parameters(prepared: Prepared, rng: np.random.Generator) -> Parameters:
    latents = rng.normal(size=(prepared.design.basis.shape[1], 1))
    offset = rng.normal() * ilr_basis(2)[0]
    purity = rng.uniform(0.8, 0.99, size=2)
    return Parameters((), latents, rng.lognormal(size=1), np.asarray(rng.uniform(0.02, 1.6)), offset, purity)


@pytest.mark.parametrize("bin_width", [0.0, 5.0])
def test_the_density_is_that_of_a_plain_loop(bin_width: float, rng: np.random.Generator) -> None:
    """Up to one constant, the same at all points."""
    model = _model(bin_width=bin_width)
    prepared = prepare(model, _log(20, 12))
    problem = make_problem(model, prepared.design, prepared.patterns, prepared.counts, prepared.texts)
    chart, gaps, evaluate = natural_chart(problem, []), [], jax.jit(log_density)
    for _ in range(6):
        parameters = _parameters(prepared, rng)
        vector = jnp.asarray(unconstrain(problem, chart, parameters))
        gaps.append(float(evaluate(problem, chart, vector)) - _plain(prepared, parameters))
    assert np.ptp(gaps) < 1e-6


def test_gradient_agrees_with_finite_differences_and_with_any_numbering(rng: np.random.Generator) -> None:
    model = PersonaMixture(
        _PERSONAS, emissions=[ScoreEmission("aligned", ("<30",)), *_model().all_emissions], weights="(1 | condition)"
    )
    prepared = prepare(model, _log(30, 10))
    problem = make_problem(model, prepared.design, prepared.patterns, prepared.counts, prepared.texts)
    chart, step = natural_chart(problem, [np.full((2, 3), 8.0)]), 1e-5
    parameters = _parameters(prepared, rng)._replace(probabilities=(rng.dirichlet(np.ones(3), size=2),))
    point, evaluate = jnp.asarray(unconstrain(problem, chart, parameters)), jax.jit(log_density)
    gradient = np.asarray(jax.jit(jax.grad(log_density, argnums=2))(problem, chart, point))
    for index in range(point.size):
        moved = [evaluate(problem, chart, point.at[index].add(sign * step)) for sign in (1, -1)]  # noqa: PD008 (JAX)
        assert gradient[index] == pytest.approx(float(moved[0] - moved[1]) / (2 * step), rel=1e-6, abs=1e-6)
    order, texts = np.array([1, 0]), problem.texts
    assert texts is not None
    renumbered = problem._replace(
        texts=texts._replace(
            log_likelihoods=texts.log_likelihoods[:, order],
            reference_log_likelihoods=texts.reference_log_likelihoods[:, order],
            reference_persona=1 - texts.reference_persona,
        )
    )
    other = jnp.asarray(unconstrain(renumbered, chart, permute(parameters, order)))
    assert float(evaluate(renumbered, chart, other)) == pytest.approx(float(evaluate(problem, chart, point)), rel=1e-10)


def test_the_first_calibration_finds_the_truth(log: CompletionLog) -> None:
    """120 references give τ within .0096 and b within .5 (three standard errors of the logistic regression)."""
    model = _model()
    prepared = prepare(model, log)
    texts = prepared.texts
    assert texts is not None
    found = calibrate(texts, make_prior(model, prepared.design, references=True))
    assert found.temperature == pytest.approx(_TEMPERATURE, abs=0.03)
    assert found.offset is not None
    assert found.offset[1] - found.offset[0] == pytest.approx(_OFFSET, abs=1.0)


# --- the fit --------------------------------------------------------------------------------------------------------


def test_known_truth_is_recovered(result: Result) -> None:
    """Within three posterior standard deviations: one of the four fails by chance in about a hundred logs."""
    assert result.ok, result.failed
    posterior = result.posterior
    weight = posterior["weights"].sel(persona="villain")
    found = {
        "base": weight.sel(condition="base") - _WEIGHTS["base"],
        "tuned": weight.sel(condition="tuned") - _WEIGHTS["tuned"],
        "temperature": posterior["temperature"] - _TEMPERATURE,
        "offset": posterior["offset"].diff("persona") - _OFFSET,
    }
    for name, gap in found.items():
        assert abs(float(gap.mean())) < 3 * float(gap.std()), name
    assert float(posterior["temperature"].std()) < 0.05  # .033 for pure references, whose purity has to be found
    assert result.conditions == ("base", "tuned")


@pytest.mark.slow
def test_texts_one_by_one_give_the_same_posterior(log: CompletionLog, result: Result) -> None:
    """Five Monte Carlo standard errors of a difference of two means, at 1000 draws of effective size above 300."""
    exact = fit(_model(bin_width=0), log, seed=1, **_SETTINGS)
    for name in ("weights", "temperature", "offset"):
        own, other = exact.posterior[name], result.posterior[name]
        error = 5 * np.sqrt(2 / 300) * other.std(("chain", "draw"))
        gap = abs(own.mean(("chain", "draw")) - other.mean(("chain", "draw")))
        assert bool((gap < error).all()), name


def test_weights_of_pure_prompts_do_not_depend_on_the_purity(result: Result) -> None:
    assert not result.weights()["status"].str.contains("purity-driven").any()
    moved = result._quantities.weights_moved(0.89)["purity-driven"]
    assert abs(moved - result.posterior["weights"].mean(("chain", "draw"))).max() < 0.01


def test_intervals_that_depend_on_the_purity_are_extended_and_say_so(result: Result) -> None:
    """The same draws, of a model whose prompts may be as impure as .6: every interval contains what these give.

    Weights that are even remain so at any purity.
    """
    model = _model(median_purity=0.9, purity_spread=1.0)
    impure = dataclasses.replace(result, prepared=dataclasses.replace(result.prepared, model=model))
    plain, table, moved = result.weights(), impure.weights(), impure._quantities.weights_moved(0.89)["purity-driven"]
    low, high = (getattr(moved, end)("alternative").to_numpy().ravel() for end in ("min", "max"))
    np.testing.assert_allclose(table["eti89_lb"], np.minimum(plain["eti89_lb"], low))
    np.testing.assert_allclose(table["eti89_ub"], np.maximum(plain["eti89_ub"], high))
    pd.testing.assert_series_equal(table["mean"], plain["mean"])
    assert table["status"].str.startswith("purity-driven (").tolist() == [True, True, False, False]
    row = table.set_index(["condition", "persona"]).loc["base", "villain"]
    cited = impure.cite("weight[base, villain]")
    assert (cited.lower, cited.upper) == (row["eti89_lb"], row["eti89_ub"])
    assert "purity-driven (" in str(cited)
    shift = impure.shifts().set_index("persona").loc["villain"]
    contrast = impure.contrast("tuned", "base", of="weights", persona="villain").table().iloc[0]
    least = float((moved.sel(condition="tuned") - moved.sel(condition="base")).sel(persona="villain").min())
    for own in (shift, contrast):
        assert own["status"].startswith("purity-driven (")
        assert own["eti89_lb"] == pytest.approx(least, abs=1e-3)


def test_notes_say_what_the_calibration_rests_on(result: Result) -> None:
    assert "calibrated with references: 60 of helper, 60 of villain." in " ".join(result.notes)
    assert "300 texts were grouped into" in " ".join(result.notes)
    model = _model(reference=None)
    bare = prepare(model, _log(6, 0))
    problem = make_problem(model, bare.design, bare.patterns, bare.counts, bare.texts)
    assert problem.sizes[:2] == (0, 1)  # τ, and no offsets or purities
    draws = np.zeros((1, 2, len(bare.design.latents), 1))
    parameters = Parameters((), draws, np.ones((1, 2, 1)), np.full((1, 2), 0.1))
    assert (
        "temperature of the log-likelihoods is not calibrated: without references"
        in describe_texts(bare, parameters)[0]
    )


def test_responsibilities_are_calibrated_and_rows_of_references_have_none(result: Result, log: CompletionLog) -> None:
    found = result.responsibilities()
    known = log.table["elicited_by"].notna().to_numpy()
    assert found[known].isna().all(axis=None)
    np.testing.assert_allclose(found[~known].sum(axis=1), 1, rtol=1e-9)
    sizes = log.table["condition"][~known]
    average = found["villain"][~known].groupby(sizes).mean()
    weights = result.posterior["weights"].sel(persona="villain").mean(("chain", "draw")).to_series()
    np.testing.assert_allclose(average[weights.index], weights, atol=0.03)  # a mixture's weights average its shares


def test_a_result_is_read_back(result: Result, log: CompletionLog, tmp_path: Path) -> None:
    again = Result.load(result.save(tmp_path / "fit.nc"))
    assert again.model == result.model
    pd.testing.assert_frame_equal(again.weights(), result.weights())
    pd.testing.assert_frame_equal(again.responsibilities(log), result.responsibilities())
    assert np.isfinite(again.to_datatree(log_likelihood="question")["log_likelihood"]["question"]).all()
    with pytest.raises(
        InputError, match=r"single completions cannot be told apart; expected log_likelihood='question'"
    ):
        again.to_datatree(log_likelihood="completion")
    assert again.emissions().empty


@pytest.mark.slow
def test_texts_and_scores_together(log: CompletionLog) -> None:
    emissions = [ScoreEmission("aligned", ("<30",)), *_model().all_emissions]
    outcome = Outcome("aligned < 30", of="scored")
    model = PersonaMixture(_PERSONAS, emissions=emissions, weights="(1 | condition)", outcome=outcome)
    both = fit(model, log, seed=0, **_SETTINGS)
    villain = both.posterior["outcome_given_persona"].mean(("chain", "draw")).sel(persona="villain")
    assert float(villain) > 0.8  # no archetype: what a villain scores was learnt from its texts
    counts = collapse(log, model.emissions, model_columns(both), likelihood=model.likelihood, personas=model.names)
    assert prepare(model, counts).texts is not None


def model_columns(result: Result) -> tuple[str, ...]:
    return tuple(map(str, result.collapsed.cells.columns))


def test_counts_without_the_models_likelihoods_are_refused(log: CompletionLog) -> None:
    counts = collapse(log, [ScoreEmission("aligned")])
    model = PersonaMixture(_PERSONAS, emissions=[ScoreEmission("aligned"), *_model().all_emissions])
    with pytest.raises(
        ValueError, match=r"come with log-likelihoods \[\], the model has \['log_likelihood_helper', 'log"
    ):
        prepare(model, counts)


def test_the_numpyro_model_says_what_it_lacks() -> None:
    prepared = prepare(_model(), _log(4, 4))
    with pytest.raises(InputError, match="expected the log-likelihoods of logged texts"):
        _model().numpyro_model(prepared.design, prepared.patterns, prepared.counts.sum(axis=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": "log_likelihood"}, "columns is 'log_likelihood'; expected a pattern such as 'log_likelihood_{}'"),
        ({"columns": {"helper": "a", "villain": "a"}}, "a different column for every persona"),
        ({"median_temperature": 0.0}, "expected median_temperature > 0; got 0.0"),
        ({"temperature_spread": 0}, "temperature_spread > 0"),
        ({"median_purity": 1.0}, "expected 0 < median_purity < 1; got 1.0"),
        ({"purity_spread": -1}, "purity_spread > 0; got -1"),
        ({"label": "judged"}, "label is 'judged', but there are no references for it to judge"),
        ({"bin_width": -1}, "expected a bin_width of 0 or more nats; got -1"),
        ({"columns": {"helper": "a"}}, "persona 'villain' has no column; there are columns for helper"),
    ],
)
def test_emissions_of_texts_refuse(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PersonaMixture(_PERSONAS, emissions=[LikelihoodEmission(**arguments)])


def test_one_emission_of_texts_and_a_configuration_that_rebuilds_it() -> None:
    for arguments in itertools.product(["ll_{}", {"helper": "a", "villain": "b"}], [None, 0.5]):
        emission = LikelihoodEmission(arguments[0], bin_width=arguments[1], reference="by")
        assert LikelihoodEmission(**emission.configuration()) == emission  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected at most one LikelihoodEmission; got 2"):
        PersonaMixture(_PERSONAS, emissions=[LikelihoodEmission(), LikelihoodEmission("a_{}")])
