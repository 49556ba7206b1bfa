# ruff: noqa: PD008 (JAX arrays have .at, too)
"""The engine's density: the NumPyro model's, in whatever chart, with the gradient it claims."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulacra.formalism import Archetype, LabelEmission, Persona, PersonaMixture, ScoreEmission, weight_design
from simulacra.formalism.parameters import Parameters
from simulacra.inference.sampling.problem import (
    Chart,
    Problem,
    constrain,
    log_density,
    make_problem,
    natural_chart,
    unconstrain,
)

_PERSONAS = tuple(
    Persona(
        name, "Made for a test.", {"score": Archetype((0.0, 50.0, 100.0), masses), "kind": Archetype(("A", "B"), kinds)}
    )
    for name, masses, kinds in [("low", (9.0, 1.0), (1, 9)), ("high", (1.0, 9.0), (8, 1)), ("flat", (1.0, 1.0), (1, 1))]
)
_MODEL = PersonaMixture(_PERSONAS, emissions=[ScoreEmission("score", ("<30",)), LabelEmission("kind", ["A", "B"])])
_DESIGN = weight_design(
    "(1 | condition) + (1 | question_id)",
    pd.DataFrame(list(itertools.product("ab", "qrs")), columns=["condition", "question_id"]),
)
_PATTERNS = np.array(list(itertools.product(range(3), range(3))))
_CHARTS = ("natural", "natural, no data", "random")


@pytest.fixture
def problem(rng: np.random.Generator) -> Problem:
    return make_problem(_MODEL, _DESIGN, _PATTERNS, rng.poisson(2.0, size=(6, 9)))


def _chart(problem: Problem, name: str) -> Chart:
    if name != "random":
        return natural_chart(
            problem, [np.full(t.shape, 0.0 if "no data" in name else 8.0) for t in problem.prior.concentrations]
        )
    rng = np.random.default_rng(5)
    latents = problem.prior.multiplicity.shape[0]
    return Chart(rng.normal(-1, 1, (3, 6)), rng.uniform(size=(2, latents)), rng.lognormal(size=latents))


@pytest.fixture(params=_CHARTS)
def chart(request: pytest.FixtureRequest, problem: Problem) -> Chart:
    return _chart(problem, request.param)


def _point(problem: Problem, rng: np.random.Generator) -> jax.Array:
    return jnp.asarray(0.7 * rng.standard_normal(sum(problem.sizes)))


# --- charts ---------------------------------------------------------------------------------------------------------


def test_constrain_undoes_unconstrain(problem: Problem, chart: Chart, rng: np.random.Generator) -> None:
    for smallest in (0.1, 1e-6, 1e-14):
        tables = [rng.dirichlet(np.ones(table.shape[1]), size=3) + smallest for table in problem.prior.concentrations]
        tables[0][1, 2] = smallest
        parameters = Parameters(
            tuple(table / table.sum(axis=1, keepdims=True) for table in tables),
            rng.normal(size=(problem.prior.multiplicity.shape[0], 2)),
            rng.lognormal(size=2),
        )
        back = constrain(problem, chart, jnp.asarray(unconstrain(problem, chart, parameters)))
        for own, expected in zip(jax.tree.leaves(back), jax.tree.leaves(parameters), strict=True):
            np.testing.assert_allclose(own, expected, rtol=1e-9)


def test_probabilities_sum_to_one_and_scales_are_positive(
    problem: Problem, chart: Chart, rng: np.random.Generator
) -> None:
    parameters = constrain(problem, chart, 3 * _point(problem, rng))
    for table in parameters.probabilities:
        np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-12)
    assert (parameters.scales > 0).all()


def test_gradient_agrees_with_finite_differences(problem: Problem, chart: Chart, rng: np.random.Generator) -> None:
    evaluate = jax.jit(log_density)
    point, step = _point(problem, rng), 1e-5
    gradient = np.asarray(jax.jit(jax.grad(log_density, argnums=2))(problem, chart, point))
    for index in range(point.size):
        moved = [evaluate(problem, chart, point.at[index].add(sign * step)) for sign in (1, -1)]
        assert gradient[index] == pytest.approx(float(moved[0] - moved[1]) / (2 * step), rel=1e-6, abs=1e-6)


# --- the density ----------------------------------------------------------------------------------------------------


def test_emissions_are_dirichlet_a_priori(problem: Problem, chart: Chart, rng: np.random.Generator) -> None:
    """Without data the coordinates are independent: each is drawn by inverting its distribution function on a grid.

    Twelve Kolmogorov-Smirnov tests a chart, each failing by chance with probability 1e-4.
    """
    silent = problem._replace(counts=np.zeros_like(problem.counts))
    centre, grid, size = jnp.zeros(sum(problem.sizes)), jnp.linspace(-60.0, 12.0, 24_001), 4000
    along = jax.jit(jax.vmap(lambda index, u: log_density(silent, chart, centre.at[index].set(u)), in_axes=(None, 0)))
    draws = np.zeros((size, centre.size))
    for index in range(problem.sizes[0]):
        log_probs = np.asarray(along(index, grid))
        cumulative = np.cumsum(np.exp(log_probs - log_probs.max()))
        draws[:, index] = np.interp(rng.random(size) * cumulative[-1], cumulative, grid)
    parameters = jax.jit(jax.vmap(lambda vector: constrain(silent, chart, vector)))(jnp.asarray(draws))
    for alpha, table in zip(problem.prior.concentrations, parameters.probabilities, strict=True):
        total = np.asarray(alpha).sum(axis=1)
        for row, column in np.ndindex(alpha.shape):
            own = float(alpha[row, column])
            found = stats.kstest(np.asarray(table[:, row, column]), stats.beta(own, total[row] - own).cdf)
            assert found.pvalue > 1e-4, (row, column, own)


def test_numbering_of_personas_does_not_change_the_density(problem: Problem, rng: np.random.Generator) -> None:
    from simulacra.formalism.parameters import permute

    order = np.array([2, 0, 1])
    parameters = Parameters(
        tuple(rng.dirichlet(np.ones(3), size=3) for _ in range(2)),
        rng.normal(size=(problem.prior.multiplicity.shape[0], 2)),
        np.ones(2),
    )
    tables = tuple(table[order] for table in problem.prior.concentrations)
    renumbered = problem._replace(prior=problem.prior._replace(concentrations=tables))
    values = []
    for own, point in ((problem, parameters), (renumbered, permute(parameters, order))):
        chart = natural_chart(own, [np.full(table.shape, 8.0) for table in own.prior.concentrations])
        values.append(float(log_density(own, chart, jnp.asarray(unconstrain(own, chart, point)))))
    assert values[0] == pytest.approx(values[1], rel=1e-12)
