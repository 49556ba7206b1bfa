"""Laws that every distribution of the room obeys."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.distributions import constraints
from scipy import special, stats

from simulacra.formalism import CollapsedMixture, PersonaMixtureDistribution
from simulacra.formalism.distributions import pattern_log_prob
from tests.formalism.registry import DISTRIBUTIONS, DistributionCase, count_vectors

_FALSE_ALARM = 1e-5
"""Each chi-square test of a sampler fails by chance with this probability; keys are fixed, so it did not happen."""


@pytest.fixture(params=DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def case(request: pytest.FixtureRequest) -> DistributionCase:
    return request.param


def _log_prob(case: DistributionCase, parameters: jax.Array, value: np.ndarray) -> jax.Array:
    return case.build(parameters).log_prob(jnp.asarray(value))


def _sampled(distribution: dist.Distribution, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """One program instead of one for every step; that this changes nothing is a law below."""
    return jax.jit(distribution.sample, static_argnums=1)(key, shape)


# --- laws -----------------------------------------------------------------------------------------------------------


def test_probabilities_of_the_whole_support_sum_to_one(case: DistributionCase) -> None:
    log_probs = np.asarray(_log_prob(case, case.parameters, case.support))
    assert log_probs.shape == (len(case.support),)
    assert special.logsumexp(log_probs) == pytest.approx(0, abs=1e-12)


def test_log_prob_equals_another_way_to_compute_it(case: DistributionCase) -> None:
    distribution = case.build(case.parameters)
    for event in case.support:
        expected = case.log_prob(distribution, event)
        assert float(distribution.log_prob(jnp.asarray(event))) == pytest.approx(expected, abs=1e-10)


def test_shapes(case: DistributionCase, key: jax.Array) -> None:
    distribution = case.build(case.parameters)
    assert distribution.batch_shape == ()
    assert distribution.event_shape == case.support.shape[1:]
    for shape in ((), (3, 2)):
        draws = _sampled(distribution, key, shape)
        assert draws.shape == shape + distribution.event_shape
        assert jnp.issubdtype(draws.dtype, jnp.integer)
        assert jax.jit(distribution.log_prob)(draws).shape == shape


def test_jit_changes_nothing(case: DistributionCase, key: jax.Array) -> None:
    plain = _log_prob(case, case.parameters, case.support)
    compiled = jax.jit(lambda parameters, value: case.build(parameters).log_prob(value))
    np.testing.assert_allclose(compiled(case.parameters, jnp.asarray(case.support)), plain, atol=1e-12)
    distribution = case.build(case.parameters)
    assert (jax.jit(lambda own: distribution.sample(own, (5,)))(key) == distribution.sample(key, (5,))).all()


def test_vmap_is_a_loop(case: DistributionCase, rng: np.random.Generator) -> None:
    many = jnp.asarray(rng.normal(size=(4, case.parameters.size)))
    looped = jnp.stack([_log_prob(case, parameters, case.support) for parameters in many])
    mapped = jax.vmap(lambda parameters: _log_prob(case, parameters, case.support))(many)
    np.testing.assert_allclose(mapped, looped, atol=1e-12)
    built = jax.vmap(case.build)(many)  # a batch of distributions, as NumPyro makes them
    mapped = jax.vmap(lambda distribution: distribution.log_prob(jnp.asarray(case.support)))(built)
    np.testing.assert_allclose(mapped, looped, atol=1e-12)


def test_gradient_agrees_with_finite_differences(case: DistributionCase) -> None:
    event = case.support[-1]
    gradient = np.asarray(jax.grad(lambda parameters: _log_prob(case, parameters, event))(case.parameters))
    step = 1e-6
    for index, own in enumerate(gradient):
        moved = [case.parameters.at[index].add(sign * step) for sign in (1, -1)]
        slope = (_log_prob(case, moved[0], event) - _log_prob(case, moved[1], event)) / (2 * step)
        assert own == pytest.approx(float(slope), abs=1e-7)


def test_pytree_round_trip(case: DistributionCase) -> None:
    distribution = case.build(case.parameters)
    leaves, structure = jax.tree.flatten(distribution)
    again = jax.tree.unflatten(structure, leaves)
    assert type(again) is type(distribution)
    assert (again.batch_shape, again.event_shape) == (distribution.batch_shape, distribution.event_shape)
    expected = distribution.log_prob(jnp.asarray(case.support))
    np.testing.assert_array_equal(again.log_prob(jnp.asarray(case.support)), expected)
    through = jax.jit(lambda own: own.log_prob(jnp.asarray(case.support)))(distribution)
    np.testing.assert_allclose(through, expected, atol=1e-12)


def test_samples_are_distributed_as_log_prob_says(case: DistributionCase, key: jax.Array) -> None:
    size = 20_000
    distribution = case.build(case.parameters)
    draws = np.asarray(_sampled(distribution, key, (size,)))
    position = {tuple(event): index for index, event in enumerate(case.support.tolist())}
    found = np.bincount([position[tuple(draw)] for draw in draws.tolist()], minlength=len(position))
    expected = size * np.exp(np.asarray(distribution.log_prob(jnp.asarray(case.support))))
    rare = expected < 5
    if rare.any():
        found, expected = np.append(found[~rare], found[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    if len(found) > 1:
        assert stats.chisquare(found, expected * size / expected.sum()).pvalue > _FALSE_ALARM


def test_support_is_discrete_and_checked(case: DistributionCase) -> None:
    distribution = case.build(case.parameters)
    assert distribution.support.is_discrete
    assert distribution.support.event_dim == 1
    assert distribution.is_discrete
    assert np.asarray(distribution.support(jnp.asarray(case.support))).all()
    assert not np.asarray(distribution.support(jnp.full(distribution.event_shape, -1)))


# --- what only one of them does -------------------------------------------------------------------------------------


@pytest.fixture
def batched(rng: np.random.Generator) -> CollapsedMixture:
    """Five cells, three personas, four patterns, totals of their own; NumPyro's validation promotes ranks."""
    log_w = jnp.log(jnp.asarray(rng.dirichlet(np.ones(3), size=5)))
    log_f = jnp.log(jnp.asarray(rng.dirichlet(np.ones(4), size=3)))
    return CollapsedMixture(log_w, log_f, jnp.array([0, 1, 2, 3, 50]), validate_args=False)


def test_collapsed_mixture_has_a_cell_per_batch_entry(batched: CollapsedMixture, key: jax.Array) -> None:
    assert (batched.batch_shape, batched.event_shape, batched.mixture_size) == ((5,), (4,), 3)
    counts = _sampled(batched, key, (7,))
    assert counts.shape == (7, 5, 4)
    assert (np.asarray(counts).sum(axis=-1) == np.asarray(batched.total_count)).all()
    log_probs = batched.log_prob(counts)
    assert log_probs.shape == (7, 5)
    for cell in range(5):
        own = CollapsedMixture(batched.log_weights[cell], batched.component_log_probs, batched.total_count[cell])
        np.testing.assert_allclose(log_probs[:, cell], own.log_prob(counts[:, cell]), atol=1e-10)


def test_one_event_is_broadcast_over_cells(batched: CollapsedMixture) -> None:
    event = jnp.array([1, 0, 2, 0])
    same = CollapsedMixture(batched.log_weights, batched.component_log_probs, jnp.full(5, 3))
    np.testing.assert_allclose(same.log_prob(event), same.log_prob(jnp.tile(event, (5, 1))), atol=1e-12)


def test_a_single_completion_is_the_pattern_itself(batched: CollapsedMixture) -> None:
    one = CollapsedMixture(batched.log_weights, batched.component_log_probs, jnp.ones(5, dtype=int))
    expected = pattern_log_prob(batched.log_weights, batched.component_log_probs)
    for pattern, event in enumerate(np.eye(4, dtype=int)):
        np.testing.assert_allclose(one.log_prob(jnp.asarray(event)), expected[:, pattern], atol=1e-12)


def test_collapsing_counts_orderings(batched: CollapsedMixture) -> None:
    """The multinomial coefficient is the number of sequences of completions with the same counts."""
    total = CollapsedMixture(batched.log_weights[0], batched.component_log_probs, jnp.asarray(3))
    log_p = np.asarray(pattern_log_prob(batched.log_weights[0], batched.component_log_probs))
    for counts in count_vectors(3, 4):
        orderings = special.factorial(3) / special.factorial(counts).prod()
        expected = np.log(orderings) + (counts * log_p).sum()
        assert float(total.log_prob(jnp.asarray(counts))) == pytest.approx(expected, abs=1e-10)


def test_patterns_are_mixed_in_log_space(rng: np.random.Generator) -> None:
    """Patterns of very small probability neither underflow nor lose their gradient."""
    log_w = jnp.log(jnp.asarray(rng.dirichlet(np.ones(3), size=2)))
    log_f = jnp.asarray(rng.normal(-600, 30, size=(3, 4)))
    expected = special.logsumexp(np.asarray(log_w)[:, :, None] + np.asarray(log_f)[None], axis=1)
    np.testing.assert_allclose(pattern_log_prob(log_w, log_f), expected, rtol=1e-12)
    gradient = jax.grad(lambda x: pattern_log_prob(log_w, x).sum())(log_f)
    np.testing.assert_allclose(gradient.sum(axis=0), 2.0, rtol=1e-10)  # responsibilities of two cells


def test_outside_the_support(rng: np.random.Generator) -> None:
    tables = tuple(jnp.log(jnp.asarray(rng.dirichlet(np.ones(size), size=2))) for size in (3, 4))
    rowwise = PersonaMixtureDistribution(jnp.log(jnp.array([0.3, 0.7])), tables)
    assert rowwise.log_prob(jnp.array([3, 0])) == -jnp.inf
    assert rowwise.mixture_size == 2
    checked = PersonaMixtureDistribution(jnp.log(jnp.array([0.3, 0.7])), tables, validate_args=True)
    with pytest.warns(UserWarning, match="Out-of-support values"):
        checked.log_prob(jnp.array([-1, 0]))


def test_rows_of_a_batch_have_their_own_weights(rng: np.random.Generator, key: jax.Array) -> None:
    log_w = jnp.log(jnp.asarray(rng.dirichlet(np.ones(2), size=6)))
    tables = tuple(jnp.log(jnp.asarray(rng.dirichlet(np.ones(size), size=2))) for size in (3, 4))
    batch = PersonaMixtureDistribution(log_w, tables)
    codes = _sampled(batch, key, (9,))
    assert codes.shape == (9, 6, 2)
    for row in range(6):
        own = PersonaMixtureDistribution(log_w[row], tables)
        np.testing.assert_allclose(batch.log_prob(codes)[:, row], own.log_prob(codes[:, row]), atol=1e-12)
    posterior = jax.nn.softmax(batch.component_log_probs(codes), axis=-1)
    assert posterior.shape == (9, 6, 2)


def test_support_of_the_class_is_a_constraint(batched: CollapsedMixture) -> None:
    assert isinstance(batched.support, constraints.Constraint)
