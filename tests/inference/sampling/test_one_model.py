"""The model stands in four places: NumPyro's statement, prior plus likelihood, and the engine's densities. They agree.

A change of one of them alone is noticed, which is shown by changing each.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
from numpyro.infer import Predictive
from numpyro.infer.util import log_density as numpyro_log_density
from scipy import special

from simulacra.formalism import mixture, prior, weight_design
from simulacra.formalism.density_ratios import rows_log_likelihood, texts_log_likelihood
from simulacra.formalism.distributions import pattern_log_prob
from simulacra.formalism.mixture import collapsed_log_likelihood, pattern_log_components
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.prior import calibrated, log_prior, sample_prior
from simulacra.formalism.simplex import ilr_basis, log_weights
from simulacra.inference.sampling import collapsed
from simulacra.inference.sampling import problem as engine
from simulacra.inference.sampling.collapsed import CollapsedDensity
from simulacra.inference.sampling.conditional import ConditionalDensity
from simulacra.inference.sampling.coordinates import split
from simulacra.inference.sampling.problem import (
    Chart,
    Problem,
    constrain,
    layout,
    log_density,
    make_problem,
    natural_chart,
)
from simulacra.inference.sampling.space import Given
from tests.formalism.models import MODELS, ModelCase

_CHARTS = ("natural", "natural, no data", "random")
_POINTS = 4


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest) -> ModelCase:
    return MODELS[request.param]


@pytest.fixture(params=[name for name, case in MODELS.items() if case.texts is None])
def counted(request: pytest.FixtureRequest) -> ModelCase:
    return MODELS[request.param]


# --- the writings --------------------------------------------------------------------------------------------------


def _by_numpyro(case: ModelCase, parameters: Parameters) -> jax.Array:
    values = {"scale": parameters.scales, "latents": parameters.latents}
    names = case.model.measurements
    values |= {f"{name}_probs": table for name, table in zip(names, parameters.probabilities, strict=True)}
    if parameters.temperature is not None:
        values["temperature"] = parameters.temperature
    if parameters.offset is not None:
        values |= {"offset": ilr_basis(len(case.model.personas)) @ parameters.offset, "purity": parameters.purity}
    total = case.counts.sum(axis=1)
    counts = None if case.texts is not None else case.counts
    with jax.numpy_rank_promotion("allow"), numpyro.validation_enabled(False):  # NumPyro's own code promotes ranks
        args = (case.design, case.patterns, total, counts, case.texts)
        density = numpyro_log_density(case.model.numpyro_model, args, {}, values)[0]
    if counts is None:
        return density
    ways = special.gammaln(total + 1).sum() - special.gammaln(counts + 1).sum()  # of ordering the completions
    return density - float(ways)


def _by_parts(case: ModelCase, parameters: Parameters) -> jax.Array:
    log_w = log_weights(case.design.logits(jnp.asarray(parameters.latents)))
    tables = [jnp.log(table) for table in parameters.probabilities]
    log_f = pattern_log_components(tables, case.patterns, len(case.model.personas))
    if case.texts is None:
        log_likelihood = collapsed_log_likelihood(log_w, log_f, jnp.asarray(case.counts))
    else:
        none = jnp.zeros(len(case.model.personas)), jnp.zeros(0)
        known = none if parameters.offset is None else (parameters.offset, parameters.purity)
        log_likelihood = texts_log_likelihood(case.texts, log_w, log_f, parameters.temperature, *known)
    return sum(log_prior(case.model, case.design, parameters).values(), start=log_likelihood)


def _problem(case: ModelCase) -> Problem:
    return make_problem(case.model, case.design, case.patterns, case.counts, case.texts)


def _chart(problem: Problem, name: str) -> Chart:
    if name != "random":
        expected = 0.0 if "no data" in name else 8.0
        return natural_chart(problem, [np.full(table.shape, expected) for table in problem.prior.concentrations])
    rng = np.random.default_rng(5)
    latents, coordinates = problem.prior.multiplicity.shape[0], problem.num_personas - 1
    return Chart(
        rng.normal(-1, 1, (problem.num_personas, sum(problem.categories))),
        rng.uniform(size=(coordinates, latents)),
        rng.lognormal(size=latents),
    )


def _natural(problem: Problem, chart: Chart, vector: jax.Array) -> jax.Array:
    """Log gammas, coordinates of τ and b, log scales and latents."""
    point = split(layout(problem), vector)
    alpha = np.hstack([np.zeros((problem.num_personas, 0)), *problem.prior.concentrations])
    log_gammas = engine._log_gamma(point.gammas, chart.tails, alpha)
    latents = constrain(problem, chart, vector).latents
    return jnp.concatenate([log_gammas.ravel(), point.calibration, point.log_scales, latents.ravel()])


def _by_engine(problem: Problem, chart: Chart, vector: jax.Array) -> tuple[jax.Array, Parameters]:
    """The engine's density with respect to the natural parameters, up to a constant, and these parameters.

    The vector has one dimension more a row than the simplex: the total S of the gammas, independent of the
    probabilities, with log S ~ log Gamma(Σα). From (p, log S) to log gammas the Jacobian is 1 / Π p.
    """
    _, log_determinant = jnp.linalg.slogdet(jax.jacfwd(_natural, argnums=2)(problem, chart, vector))
    parameters = constrain(problem, chart, vector)
    density = log_density(problem, chart, vector) - log_determinant - jnp.log(parameters.scales).sum()
    logs = _natural(problem, chart, vector)[: problem.sizes[0]].reshape(chart.tails.shape)
    tables = engine._tables(problem, logs)
    for own, alpha, table in zip(tables, problem.prior.concentrations, parameters.probabilities, strict=True):
        log_total = jax.nn.logsumexp(own, axis=1)
        density -= (alpha.sum(axis=1) * log_total - jnp.exp(log_total)).sum() + jnp.log(table).sum()
    if parameters.temperature is not None:
        density -= jnp.log(parameters.temperature)
    if parameters.purity is not None:
        density -= (jnp.log(parameters.purity) + jnp.log1p(-parameters.purity)).sum()
    return density, parameters


# --- the law --------------------------------------------------------------------------------------------------------


def assert_numpyro_is_the_sum_of_parts(case: ModelCase) -> None:
    rng = np.random.default_rng(2)
    both = jax.jit(lambda parameters: (_by_numpyro(case, parameters), _by_parts(case, parameters)))
    for _ in range(_POINTS):
        parameters = sample_prior(case.model, case.design, rng, references=case.references)
        stated, summed = both(jax.tree.map(jnp.asarray, parameters))
        assert float(stated) == pytest.approx(float(summed), rel=0, abs=1e-8)


def assert_the_engine_is_the_sum_of_parts(case: ModelCase) -> None:
    """Up to one constant, the same for all points and charts."""
    problem, rng, gaps = jax.tree.map(jnp.asarray, _problem(case)), np.random.default_rng(3), []

    @jax.jit
    def gap(chart: Chart, vector: jax.Array) -> jax.Array:
        density, parameters = _by_engine(problem, chart, vector)
        return density - _by_parts(case, parameters)

    for name in _CHARTS:
        chart = _chart(problem, name)
        gaps += [float(gap(chart, jnp.asarray(0.7 * rng.standard_normal(sum(problem.sizes))))) for _ in range(_POINTS)]
    assert np.ptp(gaps) < 1e-8


def assert_counts_have_the_engines_density_and_gradient(case: ModelCase) -> None:
    """The density in closed form is that in JAX, and its gradient the automatic one."""
    problem, rng = _problem(case), np.random.default_rng(6)
    automatic = jax.jit(jax.value_and_grad(lambda chart, vector: log_density(problem, chart, vector), argnums=1))
    for name in _CHARTS:
        chart = _chart(problem, name)
        points = 0.7 * rng.standard_normal((_POINTS, sum(problem.sizes)))
        density = CollapsedDensity(problem, chart)
        values, gradients = density.value_and_gradient(points)
        for point, value, gradient in zip(points, values, gradients, strict=True):
            expected, slope = automatic(chart, jnp.asarray(point))
            assert value == pytest.approx(float(expected), rel=0, abs=1e-8)
            np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-8)
        single = 1e-5 * problem.counts.sum()  # the precision of the sums within trajectories
        np.testing.assert_allclose(density.gradient(points), gradients, rtol=0, atol=single)


def assert_the_preconditioner_is_the_information(case: ModelCase) -> None:
    """T Tᵀ is the inverse of the Fisher information of the counts, by automatic derivatives, plus that of the prior.

    The prior adds to the diagonal, and to the block of the scales, on which latents depend.
    """
    problem = _problem(case)
    chart = _chart(problem, "random")
    point = 0.7 * np.random.default_rng(7).standard_normal(sum(problem.sizes))

    def log_probs(vector: jax.Array) -> jax.Array:
        parameters = constrain(problem, chart, vector)
        tables = [jnp.log(table) for table in parameters.probabilities]
        log_f = pattern_log_components(tables, case.patterns, problem.num_personas)
        return pattern_log_prob(log_weights(case.design.logits(parameters.latents)), log_f)

    both = jax.jit(lambda vector: (jax.jacfwd(log_probs)(vector), jnp.exp(log_probs(vector))))
    slopes, probs = (np.asarray(own) for own in both(jnp.asarray(point)))
    information = np.einsum("cpi,cp,cpj->ij", slopes, case.counts.sum(axis=1)[:, None] * probs, slopes)
    factor = CollapsedDensity(problem, chart).arrow(point[None]).positions(np.eye(point.size))
    rest = np.linalg.inv(factor.T @ factor) - information
    assert (np.diag(rest) > 0).all()
    scales = layout(problem).parts[2]
    rest[scales, scales] = 0.0
    single = 1e-6 * np.abs(information).max()  # the precision of the factor
    np.testing.assert_allclose(rest, np.diag(np.diag(rest)), atol=single)


def _conditional_log_density(problem: Problem, chart: Chart, vector: jax.Array) -> jax.Array:
    """That of everything but the calibration, given it."""
    log_prior, log_w, log_f = engine._mixture(problem, chart, vector)
    temperature, offset, _ = calibrated(split(layout(problem), vector).calibration, problem.num_personas)
    return rows_log_likelihood(problem.texts, log_w, log_f, temperature, offset) + log_prior


def assert_rows_have_the_engines_density_and_gradient(case: ModelCase) -> None:
    """Given the calibration, whose coordinates do not move; and the information is that of the rows, plus the prior."""
    problem, rng = _problem(case), np.random.default_rng(6)
    where, size = layout(problem).parts[1], sum(problem.sizes)
    given = Given(where, rng.normal(size=(50, where.stop - where.start)))
    chart = _chart(problem, "random")
    points = 0.7 * rng.standard_normal((_POINTS, size))
    density = ConditionalDensity(problem, chart, given)
    values, gradients = density.value_and_gradient(points)
    np.testing.assert_array_equal(gradients[:, where], 0.0)
    automatic = jax.jit(jax.value_and_grad(lambda vector: _conditional_log_density(problem, chart, vector)))
    free = np.delete(np.arange(size), where)
    for point, value, gradient in zip(points, values, gradients, strict=True):
        expected, slope = automatic(jnp.asarray(point))
        assert value == pytest.approx(float(expected), rel=0, abs=1e-8)
        np.testing.assert_allclose(gradient[free], slope[free], rtol=0, atol=1e-8)

    def of_rows(vector: jax.Array) -> jax.Array:
        """The likelihood of every row by itself."""
        weights = jnp.eye(len(case.texts.total))
        _, log_w, log_f = engine._mixture(problem, chart, vector)
        temperature, offset, _ = calibrated(vector[where], problem.num_personas)
        rows = [case.texts._replace(total=own) for own in weights]
        return jnp.stack([rows_log_likelihood(own, log_w, log_f, temperature, offset) for own in rows])

    slopes = np.asarray(jax.jit(jax.jacfwd(of_rows))(jnp.asarray(points[0])))[:, free]
    factor = density.arrow(points[:1]).positions(np.eye(size))
    precision = np.linalg.inv(factor.T @ factor)
    np.testing.assert_allclose(np.sqrt(np.diag(precision)[where]), 1 / given.scale)
    np.testing.assert_allclose(np.delete(precision[where], where, axis=1), 0.0, atol=1e-9)
    rest = precision[np.ix_(free, free)] - (slopes.T * case.texts.total) @ slopes
    assert (np.diag(rest) > 0).all()
    scales = np.isin(free, np.arange(size)[layout(problem).parts[2]])
    rest[np.ix_(scales, scales)] = 0.0
    np.testing.assert_allclose(rest, np.diag(np.diag(rest)), atol=1e-6)


@pytest.mark.parametrize("name", [name for name, own in MODELS.items() if own.references])
def test_rows_have_the_engines_density_and_gradient(name: str) -> None:
    assert_rows_have_the_engines_density_and_gradient(MODELS[name])


def test_counts_have_the_engines_density_and_gradient(counted: ModelCase) -> None:
    assert_counts_have_the_engines_density_and_gradient(counted)


def test_some_cells_have_latents_of_their_own() -> None:
    case = MODELS["score, nested"]
    design = weight_design("(1 | condition) + (1 | batch)", case.design.cells.assign(batch=list("abcccccc")))
    assert (design.own >= 0).sum() == 2
    assert_counts_have_the_engines_density_and_gradient(dataclasses.replace(case, design=design))


def test_the_preconditioner_is_the_information(counted: ModelCase) -> None:
    assert_the_preconditioner_is_the_information(counted)


def test_numpyro_states_prior_and_likelihood(case: ModelCase) -> None:
    assert_numpyro_is_the_sum_of_parts(case)


def test_the_engine_samples_prior_and_likelihood_in_every_chart(case: ModelCase) -> None:
    assert_the_engine_is_the_sum_of_parts(case)


def assert_prior_draws_have_the_moments_of_numpyros(case: ModelCase) -> None:
    """Means and standard deviations of every entry, in scales where both exist: 4000 draws of each kind.

    Every difference is divided by its standard error; the largest of fewer than 300 normal deviates exceeds 5 with a
    probability of 2e-4.
    """
    size = 4000
    total = case.counts.sum(axis=1)
    with jax.numpy_rank_promotion("allow"):
        model = numpyro.handlers.block(case.model.numpyro_model, hide=["counts", "texts"])
        drawn = Predictive(model, num_samples=size)(
            jax.random.key(1), case.design, case.patterns, total, None, case.texts
        )
    theirs = {name: np.asarray(values) for name, values in drawn.items()}
    ours = sample_prior(case.model, case.design, np.random.default_rng(4), (size,), references=case.references)
    pairs = [(np.log(ours.scales), np.log(theirs["scale"]))]
    # Latents are scale mixtures with heavy tails; their logarithms are not.
    pairs.append((np.log(np.abs(ours.latents)), np.log(np.abs(theirs["latents"]))))
    for name, table in zip(case.model.measurements, ours.probabilities, strict=True):
        pairs.append((table, theirs[f"{name}_probs"]))
    if ours.temperature is not None:
        pairs.append((np.log(ours.temperature), np.log(theirs["temperature"])))
    if ours.offset is not None:
        pairs.append((ours.offset, theirs["offset"] @ np.asarray(ilr_basis(ours.offset.shape[-1]))))
        pairs.append((special.logit(ours.purity), special.logit(theirs["purity"])))
    for left, right in pairs:
        left, right = (np.asarray(draws).reshape(size, -1) for draws in (left, right))
        for power in (1, 2):
            a, b = (left - right.mean(axis=0)) ** power, (right - right.mean(axis=0)) ** power
            error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / size)
            assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) < 5 * error).all()


def test_prior_draws_have_the_moments_of_numpyros(case: ModelCase) -> None:
    assert_prior_draws_have_the_moments_of_numpyros(case)


# --- the law can fail -----------------------------------------------------------------------------------------------


def _other_scale_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    normal = mixture.dist.LogNormal
    monkeypatch.setattr(mixture.dist, "LogNormal", lambda loc, scale: normal(loc, 1.1 * scale))


def _other_dirichlet(monkeypatch: pytest.MonkeyPatch) -> None:
    dirichlet = mixture.dist.Dirichlet
    monkeypatch.setattr(mixture.dist, "Dirichlet", lambda alpha: dirichlet(alpha + 0.1))


def _other_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "OFFSET_SD", 3.0)


def _other_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    own = prior.latent_log_density
    monkeypatch.setattr(prior, "latent_log_density", lambda latents, variances: own(latents, 1.1 * variances))


def _other_gammas(monkeypatch: pytest.MonkeyPatch) -> None:
    own = prior.gamma_log_density
    monkeypatch.setattr(prior, "gamma_log_density", lambda log_gammas, alpha: own(log_gammas, alpha + 0.1))


def _other_normal(monkeypatch: pytest.MonkeyPatch) -> None:
    own = prior.normal_log_density
    monkeypatch.setattr(prior, "normal_log_density", lambda values, mean, sd: own(values, mean, 1.1 * sd))


def _other_drawn_variances(monkeypatch: pytest.MonkeyPatch) -> None:
    own = prior.latent_variances
    monkeypatch.setattr(prior, "latent_variances", lambda fixed, times, squared: 1.5 * own(fixed, times, squared))


def _other_numpyro_normal(monkeypatch: pytest.MonkeyPatch) -> None:
    normal = mixture.dist.Normal
    monkeypatch.setattr(mixture.dist, "Normal", lambda loc, scale: normal(loc, 1.1 * scale))


def _other_scales_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    own = engine.normal_log_density
    monkeypatch.setattr(engine, "normal_log_density", lambda values, mean, sd: own(values, mean, 1.1 * sd))


def _other_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    own = engine.latent_log_density
    monkeypatch.setattr(engine, "latent_log_density", lambda latents, variances: own(latents, variances + 0.1))


def _other_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    own = engine.calibrated
    monkeypatch.setattr(engine, "calibrated", lambda point, size: own(1.1 * point, size))


def _other_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        engine, "collapsed_log_likelihood", lambda w, f, counts: 1.1 * collapsed_log_likelihood(w, f, counts)
    )


def _other_contrasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapsed, "ilr_basis", lambda size: 1.1 * ilr_basis(size))


def _other_prior_of_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    own = collapsed.latent_log_density
    monkeypatch.setattr(collapsed, "latent_log_density", lambda latents, variances: own(latents, variances + 0.1))


_MUTATIONS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str, Callable[[ModelCase], None]]] = {
    "NumPyro, scales": (_other_scale_prior, "score, nested", assert_numpyro_is_the_sum_of_parts),
    "NumPyro, latents": (_other_numpyro_normal, "label, random slope", assert_numpyro_is_the_sum_of_parts),
    "NumPyro, emissions": (_other_dirichlet, "label, covariates", assert_numpyro_is_the_sum_of_parts),
    "NumPyro, offsets": (
        _other_offsets, "texts with references, and a score", assert_numpyro_is_the_sum_of_parts
    ),
    "prior, scales": (_other_normal, "score, nested", assert_numpyro_is_the_sum_of_parts),
    "prior, draws": (
        _other_drawn_variances, "score, nested", assert_prior_draws_have_the_moments_of_numpyros
    ),
    "prior, latents": (_other_latents, "label, random slope", assert_numpyro_is_the_sum_of_parts),
    "prior, emissions": (_other_gammas, "score, nested", assert_numpyro_is_the_sum_of_parts),
    "prior, latents, against the engine": (_other_latents, "texts", assert_the_engine_is_the_sum_of_parts),
    "engine, scales": (_other_scales_of_the_engine, "score, nested", assert_the_engine_is_the_sum_of_parts),
    "engine, latents": (_other_chart, "label, covariates", assert_the_engine_is_the_sum_of_parts),
    "engine, texts": (_other_calibration, "texts", assert_the_engine_is_the_sum_of_parts),
    "counts, weights": (_other_contrasts, "score, nested", assert_counts_have_the_engines_density_and_gradient),
    "counts, prior": (_other_prior_of_counts, "score, nested", assert_counts_have_the_engines_density_and_gradient),
    "counts, information": (_other_contrasts, "score, nested", assert_the_preconditioner_is_the_information),
    "rows, weights": (
        _other_contrasts, "texts with references, and a score", assert_rows_have_the_engines_density_and_gradient
    ),
    "engine, likelihood": (_other_likelihood, "score, nested", assert_the_engine_is_the_sum_of_parts),
}  # fmt: skip


@pytest.mark.parametrize("mutation", _MUTATIONS)
def test_a_change_of_one_writing_is_noticed(mutation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change, name, law = _MUTATIONS[mutation]
    change(monkeypatch)
    with pytest.raises(AssertionError):
        law(MODELS[name])
