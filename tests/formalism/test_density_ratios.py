"""Density ratios of texts: laws, and the equivalence with conditional logistic regression that the profile rests on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

from simulacra.formalism.density_ratios import (
    Texts,
    log_density_ratios,
    pooled_weights,
    prompt_weights,
    references_log_likelihood,
    rows_log_likelihood,
    texts_log_likelihood,
    texts_log_probs,
    texts_responsibilities,
)

_K = 3


def _texts(rng: np.random.Generator, *, points: int = 40, references: int = 30, spread: float = 10.0) -> Texts:
    def relative(size: int) -> np.ndarray:
        values = spread * rng.standard_normal((size, _K))
        return values - values.max(axis=1, keepdims=True)

    return Texts(
        cell=rng.integers(4, size=points),
        pattern=rng.integers(2, size=points),
        total=rng.integers(1, 5, size=points).astype(float),
        scored=(rng.random(points) > 0.1).astype(float),
        log_likelihoods=relative(points),
        reference_persona=rng.integers(_K, size=references),
        reference_label=np.full(references, -1),
        reference_total=np.ones(references),
        reference_log_likelihoods=relative(references),
    )


_PURE = jnp.full(_K, 1 - 1e-14)


def _state(rng: np.random.Generator) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    offset = rng.normal(size=_K)
    return (
        jax.nn.log_softmax(jnp.asarray(rng.normal(size=(4, _K))), axis=1),
        jnp.asarray(rng.normal(size=(_K, 2))),
        jnp.asarray(0.2),
        jnp.asarray(offset - offset.mean()),
    )


def test_ratios_sum_to_the_number_of_personas_and_ignore_what_personas_share(rng: np.random.Generator) -> None:
    texts, (_, _, temperature, offset) = _texts(rng), _state(rng)
    ratios = np.exp(log_density_ratios(texts.log_likelihoods, temperature, offset))
    np.testing.assert_allclose(ratios.sum(axis=0), _K, rtol=1e-12)
    shared = texts.log_likelihoods - 300 * rng.random((len(texts.cell), 1))
    np.testing.assert_allclose(np.exp(log_density_ratios(shared, temperature, offset)), ratios, rtol=1e-10)


def test_common_weights_are_the_best_there_are(rng: np.random.Generator) -> None:
    """Against SLSQP on the same penalised problem, from many shapes of data, one of them with an absent persona."""
    for spread in (0.5, 5.0, 80.0):
        logits = spread * rng.standard_normal((_K, 60))
        logits[2] -= 3 * spread
        ratios, counts = _K * special.softmax(logits, axis=0), rng.integers(1, 6, size=60).astype(float)

        def negative(free: np.ndarray, ratios: np.ndarray = ratios, counts: np.ndarray = counts) -> float:
            weights = special.softmax([0, *free])
            return float(-counts @ np.log(weights @ ratios) - 0.5 * np.log(weights).sum())

        best = optimize.minimize(negative, np.zeros(_K - 1), method="BFGS", options={"gtol": 1e-9})
        found = np.asarray(pooled_weights(jnp.asarray(ratios), jnp.asarray(counts)))
        assert found.sum() == pytest.approx(1, abs=1e-12)
        np.testing.assert_allclose(found, special.softmax([0, *best.x]), rtol=1e-4)


def test_the_likelihood_is_that_of_a_plain_loop(rng: np.random.Generator) -> None:
    """With purity .9, and half of the references judged to be of persona 1."""
    texts, (log_w, log_f, temperature, offset) = _texts(rng), _state(rng)
    texts = texts._replace(reference_label=np.where(np.arange(30) < 15, 1, -1))
    ratios = np.ones((_K, len(texts.cell)))
    for index, scored in enumerate(texts.scored):
        if scored:
            logits = float(temperature) * texts.log_likelihoods[index] + np.asarray(offset)
            ratios[:, index] = _K * special.softmax(logits)
    known = _K * special.softmax(float(temperature) * texts.reference_log_likelihoods + np.asarray(offset), axis=1).T
    counts = np.concatenate([texts.total * texts.scored, texts.reference_total])
    common = np.asarray(pooled_weights(jnp.asarray(np.hstack([ratios, known])), jnp.asarray(counts)))
    expected = 0.0
    for index, (cell, pattern) in enumerate(zip(texts.cell, texts.pattern, strict=True)):
        mixed = sum(np.exp(log_w[cell, z] + log_f[z, pattern]) * ratios[z, index] for z in range(_K))
        expected += texts.total[index] * np.log(mixed / (common @ ratios[:, index]))
    for index, persona in enumerate(texts.reference_persona):
        elicited = sum((0.9 if z == persona else 0.05) * known[z, index] for z in range(_K))
        if texts.reference_label[index] >= 0:
            elicited = (0.9 if persona == 1 else 0.05) * known[1, index]
        expected += np.log(elicited / (common @ known[:, index]))
    found = texts_log_likelihood(texts, log_w, log_f, temperature, offset, jnp.full(_K, 0.9))
    assert float(found) == pytest.approx(expected, rel=1e-10)


def test_gradient_and_curvature_go_through_the_common_mixture(rng: np.random.Generator) -> None:
    texts, (log_w, log_f, temperature, offset) = _texts(rng), _state(rng)

    def value(point: jax.Array) -> jax.Array:
        return texts_log_likelihood(texts, log_w, log_f, point[0], point[1:-_K], point[-_K:])

    point, step = jnp.concatenate([temperature[None], offset, jnp.asarray([0.9, 0.8, 0.95])]), 1e-5
    gradient, hessian = jax.jit(jax.grad(value)), np.asarray(jax.jit(jax.hessian(value))(point))
    for index in range(point.size):
        up, down = point.at[index].add(step), point.at[index].add(-step)
        assert gradient(point)[index] == pytest.approx(float(value(up) - value(down)) / (2 * step), rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(hessian[index], (gradient(up) - gradient(down)) / (2 * step), rtol=1e-4, atol=1e-4)


def test_numbering_of_personas_does_not_matter(rng: np.random.Generator) -> None:
    texts, (log_w, log_f, temperature, offset) = _texts(rng), _state(rng)
    order = np.array([2, 0, 1])
    renumbered = texts._replace(
        log_likelihoods=texts.log_likelihoods[:, order],
        reference_log_likelihoods=texts.reference_log_likelihoods[:, order],
        reference_persona=np.argsort(order)[texts.reference_persona],
    )
    purity = jnp.asarray([0.9, 0.8, 0.95])
    own = texts_log_likelihood(texts, log_w, log_f, temperature, offset, purity)
    changed = temperature, offset[order], purity[order]
    other = texts_log_likelihood(renumbered, log_w[:, order], log_f[order], *changed)
    assert float(references_log_likelihood(texts, temperature, offset, purity)) == pytest.approx(
        float(references_log_likelihood(renumbered, *changed)), rel=1e-10
    )
    assert float(own) == pytest.approx(float(other), rel=1e-10)
    mine = texts_responsibilities(texts, log_w, log_f, temperature, offset)
    np.testing.assert_allclose(mine.sum(axis=1), 1, rtol=1e-12)
    others = texts_responsibilities(renumbered, log_w[:, order], log_f[order], temperature, offset[order])
    np.testing.assert_allclose(mine[:, order], others, rtol=1e-10)


def test_texts_without_likelihoods_count_by_their_measurements_alone(rng: np.random.Generator) -> None:
    texts, (log_w, log_f, temperature, offset) = _texts(rng), _state(rng)
    silent = texts._replace(scored=np.zeros(len(texts.cell)))
    points, _ = texts_log_probs(silent, log_w, log_f, temperature, offset, _PURE)
    expected = jax.nn.logsumexp(log_w[texts.cell] + log_f.T[texts.pattern], axis=1)
    np.testing.assert_allclose(points, expected, rtol=1e-10)


def test_references_alone_give_multinomial_logistic_regression(rng: np.random.Generator) -> None:
    """Case-control sampling: profiling the unknown density out leaves the conditional likelihood's estimates.

    Prentice & Pyke (1979), doi:10.1093/biomet/66.3.403. The free intercepts absorb the frequencies of the references,
    here 30, 60 and 90; the pseudo-counts of the common mixture change b by no more than their share.
    """
    means = np.array([[1.2, 0.0], [-0.8, 1.0], [-0.5, -1.1]])
    persona = np.repeat(np.arange(_K), [30, 60, 90])
    where = means[persona] + rng.standard_normal((180, 2))
    values = (where @ means.T) / 0.1
    texts = _texts(rng, points=0, references=0)._replace(
        reference_persona=persona,
        reference_label=np.full(180, -1),
        reference_total=np.ones(180),
        reference_log_likelihoods=values,
    )
    log_w, log_f = jnp.zeros((4, _K)), jnp.zeros((_K, 2))

    def profile(point: jax.Array) -> jax.Array:
        return -texts_log_likelihood(texts, log_w, log_f, point[0], jnp.append(point[1:], 0.0), _PURE)

    def cut(point: jax.Array) -> jax.Array:
        return -references_log_likelihood(texts, point[0], jnp.append(point[1:], 0.0), _PURE)

    def conditional(point: jax.Array) -> jax.Array:
        log_r = (
            log_density_ratios(values, point[0], jnp.append(point[1:], 0.0))
            + jnp.log(jnp.asarray([3, 6, 9.0]))[:, None]
        )
        return -jax.nn.log_softmax(log_r, axis=0)[persona, jnp.arange(180)].sum()

    found = []
    for negative in (profile, conditional, cut):
        both = jax.jit(jax.value_and_grad(negative))
        start = np.array([0.2, 0.0, 0.0])
        found.append(optimize.minimize(lambda x, f=both: tuple(map(np.asarray, f(x))), start, jac=True, tol=1e-9).x)
    np.testing.assert_allclose(found[0], found[1], atol=0.01)
    np.testing.assert_allclose(found[2], found[1], atol=1e-5)
    assert found[0][0] == pytest.approx(0.1, abs=0.03)  # sd .011 at 180 references


def test_untempered_sequence_likelihoods_turn_every_posterior_into_certainty(rng: np.random.Generator) -> None:
    """Evidence of one nat a text, summed over a hundred dependent tokens as if they were independent."""
    evidence = rng.standard_normal((500, _K))
    texts = _texts(rng, points=500)._replace(log_likelihoods=100 * evidence, scored=np.ones(500))
    _, log_f, _, offset = _state(rng)
    even = jnp.full((4, _K), -jnp.log(3.0))

    def surest(temperature: float) -> np.ndarray:
        return np.asarray(texts_responsibilities(texts, even, 0 * log_f, jnp.asarray(temperature), 0 * offset)).max(
            axis=1
        )

    assert np.median(surest(1.0)) > 1 - 1e-12
    assert np.median(surest(0.01)) == pytest.approx(np.median(special.softmax(evidence, axis=1).max(axis=1)), abs=1e-9)


def test_rows_cannot_buy_certainty(rng: np.random.Generator) -> None:
    """The trap that the second sum closes: one persona for all rows, at offsets under which every row is its own.

    Without it the likelihood of 4000 rows rises to 0, its supremum, when b runs off; with it that gains nothing.
    """
    texts = _texts(rng, points=4000, references=0, spread=1.0)._replace(
        scored=np.ones(4000), cell=np.zeros(4000, dtype=int)
    )
    pure = jnp.log(jnp.asarray([[1 - 2e-9, 1e-9, 1e-9]]))
    values = [
        float(texts_log_likelihood(texts, log_w, jnp.zeros((_K, 2)), jnp.asarray(0.5), jnp.asarray(offset), _PURE))
        for log_w, offset in [(pure, [20.0, -10.0, -10.0]), (jnp.full((1, _K), -jnp.log(3.0)), [0.0, 0.0, 0.0])]
    ]
    naive = float(log_density_ratios(texts.log_likelihoods, jnp.asarray(0.5), jnp.asarray([20.0, -10, -10]))[0].sum())
    assert naive == pytest.approx(len(texts.cell) * np.log(3), abs=1)  # log K a row: as high as it goes
    assert values[0] < 1


def test_what_a_prompt_elicits_is_a_mixture_of_all_personas() -> None:
    found = np.asarray(prompt_weights(jnp.asarray([0.9, 0.8, 1.0])))
    np.testing.assert_allclose(found, [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0, 0, 1]], atol=1e-15)


def test_prompts_may_elicit_others_in_proportion_to_a_lapse_even_if_nearly_all_of_it_is_one_persona() -> None:
    found = np.asarray(prompt_weights(np.array([0.9, 0.8, 1.0]), np.array([1.0, 1e-9, 3e-9])))
    np.testing.assert_allclose(found, [[0.9, 0.025, 0.075], [0.2, 0.8, 6e-10], [0, 0, 1]], rtol=1e-5)


def test_given_the_calibration_rows_are_a_mixture_of_known_densities(rng: np.random.Generator) -> None:
    """The joint likelihood of the rows, but for a term that does not depend on their weights."""
    texts, (log_w, log_f, temperature, offset) = _texts(rng, references=0), _state(rng)
    other = jax.nn.log_softmax(jnp.asarray(rng.normal(size=(4, _K))), axis=1)
    gained = [
        float(
            own(texts, other, log_f, temperature, offset, *more) - own(texts, log_w, log_f, temperature, offset, *more)
        )
        for own, more in ((texts_log_likelihood, (_PURE,)), (rows_log_likelihood, ()))
    ]
    assert gained[0] == pytest.approx(gained[1], abs=1e-9)


def test_labels_of_references_measure_the_purity_of_prompts(rng: np.random.Generator) -> None:
    """If texts say nothing (τ = 0), the likelihood of labelled references is highest at the share they agree."""
    persona = np.repeat(np.arange(_K), 100)
    label = np.where(rng.random(300) < [0.9, 0.7, 0.95][0], persona, (persona + 1) % _K)
    texts = _texts(rng, points=0, references=300)._replace(reference_persona=persona, reference_label=label)
    agree = [(label == persona)[persona == z].mean() for z in range(_K)]

    def value(logit: float, z: int) -> float:
        purity = jnp.asarray(agree).at[z].set(special.expit(logit))
        return -float(references_log_likelihood(texts, jnp.asarray(0.0), jnp.zeros(_K), purity))

    for z in range(_K):
        best = optimize.minimize_scalar(value, bounds=(0, 6), args=(z,), method="bounded").x
        assert special.expit(best) == pytest.approx(agree[z], abs=0.02)
