"""Conditioning against Bayes' rule done step by step, and derivatives against automatic ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from simulacra.formalism import (
    conditioned_log_weights,
    context_weights,
    evidence_beyond_context,
    mean_evidence,
    weight_velocity,
)

K, N = 4, 6


@pytest.fixture
def log_w(rng: np.random.Generator) -> jax.Array:
    return jnp.log(jnp.asarray(rng.dirichlet(np.ones(K))))


@pytest.fixture
def texts(rng: np.random.Generator) -> jax.Array:
    return jnp.asarray(rng.normal(-30, 2, size=(N, K)))


def bayes(log_w: np.ndarray, log_likelihoods: np.ndarray) -> np.ndarray:
    """Posterior weights before any text and after each, by Bayes' rule, text after text."""
    weights = [np.exp(log_w)]
    for one in np.asarray(log_likelihoods):
        joint = weights[-1] * np.exp(one)
        weights.append(joint / joint.sum())
    return np.stack(weights)


def after_turns(
    log_w: jax.Array, texts: jax.Array, temperature: float = 1.0, exponent: float = 0.0, lapse: float = 0.0
) -> jax.Array:
    """Weights before any turn and after each."""
    so_far = jnp.cumsum(jnp.concatenate([jnp.zeros((1, K)), texts]), axis=0)
    every = jnp.broadcast_to(log_w, so_far.shape)
    turns, size = jnp.arange(len(so_far), dtype=float), len(so_far)
    strength, missed = jnp.full(size, temperature), jnp.full(size, lapse)
    return context_weights(every, so_far, turns, strength, jnp.asarray(exponent), missed)


def test_turns_are_bayes_rule_text_after_text(log_w: jax.Array, texts: jax.Array) -> None:
    np.testing.assert_allclose(after_turns(log_w, texts), bayes(log_w, texts), rtol=1e-10)
    np.testing.assert_allclose(after_turns(log_w, texts, 0.5), bayes(log_w, np.asarray(texts) / 2), rtol=1e-10)


def test_a_lapse_answers_without_the_context(log_w: jax.Array, texts: jax.Array) -> None:
    attentive, before = bayes(log_w, texts), np.exp(log_w)
    np.testing.assert_allclose(after_turns(log_w, texts, lapse=0.2), 0.8 * attentive + 0.2 * before, rtol=1e-10)
    np.testing.assert_allclose(after_turns(log_w, texts, lapse=1.0), np.broadcast_to(before, attentive.shape))


def test_with_an_exponent_of_one_the_turns_are_averaged(log_w: jax.Array, texts: jax.Array) -> None:
    averaged = after_turns(log_w, texts, exponent=1.0)[-1]
    np.testing.assert_allclose(averaged, bayes(log_w, np.asarray(texts).mean(axis=0)[None])[-1], rtol=1e-10)
    np.testing.assert_allclose(after_turns(log_w, texts, exponent=1.0)[:2], bayes(log_w, texts)[:2], rtol=1e-10)


def test_n_examples_of_mean_evidence_are_all_of_them(log_w: jax.Array, texts: jax.Array) -> None:
    after = conditioned_log_weights(log_w, mean_evidence(texts), jnp.asarray(float(N)))
    np.testing.assert_allclose(jnp.exp(after), bayes(log_w, texts)[-1], rtol=1e-10)


def test_velocity_is_the_derivative_at_no_training(log_w: jax.Array, texts: jax.Array) -> None:
    evidence = mean_evidence(texts)
    _, slope = jax.jvp(
        lambda strength: jnp.exp(conditioned_log_weights(log_w, evidence, strength)),
        (jnp.asarray(0.0),),
        (jnp.asarray(1.0),),
    )
    velocity = weight_velocity(jnp.exp(log_w), evidence)
    np.testing.assert_allclose(velocity, slope, rtol=1e-9)
    assert float(velocity.sum()) == pytest.approx(0, abs=1e-12)


def test_evidence_beyond_context_is_the_gradient_of_the_mixture(texts: jax.Array, rng: np.random.Generator) -> None:
    logits = jnp.asarray(rng.normal(size=(N, K)))

    def mean_log_likelihood(moved: jax.Array) -> jax.Array:
        log_w = jax.nn.log_softmax(logits + moved[None], axis=-1)
        return jax.nn.logsumexp(log_w + texts, axis=-1).mean()

    ours = evidence_beyond_context(logits, texts)
    np.testing.assert_allclose(ours, jax.grad(mean_log_likelihood)(jnp.zeros(K)), atol=1e-12)
    assert float(ours.sum()) == pytest.approx(0, abs=1e-12)


def test_what_the_context_said_already_is_no_news() -> None:
    """A villain's text after the villain's tag against the same text after nothing."""
    text = jnp.asarray([[-10.0, -20.0]])
    asked = evidence_beyond_context(jnp.log(jnp.asarray([[0.99, 0.01]])), text)
    unasked = evidence_beyond_context(jnp.log(jnp.asarray([[0.1, 0.9]])), text)
    assert 0 < float(asked[0]) < 0.011 < 0.89 < float(unasked[0])


@pytest.mark.parametrize("constant", [0.0, 500.0, -500.0])
def test_only_differences_between_personas_count(log_w: jax.Array, texts: jax.Array, constant: float) -> None:
    moved, one = texts + constant, jnp.asarray(1.0)
    spread = jnp.broadcast_to(log_w, texts.shape)
    for left, right in (
        (conditioned_log_weights(log_w, moved[0], one), conditioned_log_weights(log_w, texts[0], one)),
        (after_turns(log_w, moved, 0.7, 0.3, 0.1), after_turns(log_w, texts, 0.7, 0.3, 0.1)),
        (evidence_beyond_context(spread, moved), evidence_beyond_context(spread, texts)),
        (weight_velocity(jnp.exp(log_w), moved[0]), weight_velocity(jnp.exp(log_w), texts[0])),
    ):
        np.testing.assert_allclose(left, right, atol=1e-9)


def test_personas_may_be_numbered_otherwise_and_functions_compiled(log_w: jax.Array, texts: jax.Array) -> None:
    order = np.array([2, 0, 3, 1])
    spread, one = jnp.broadcast_to(log_w, texts.shape), jnp.asarray(0.7)
    for function, arguments in (
        (lambda w, f: conditioned_log_weights(w, f[0], one), (log_w, texts)),
        (lambda w, f: after_turns(w, f, 0.7, 0.3, 0.1), (log_w, texts)),
        (evidence_beyond_context, (spread, texts)),
        (lambda w, f: weight_velocity(jnp.exp(w), f[0]), (log_w, texts)),
        (lambda _, f: mean_evidence(f), (log_w, texts)),
    ):
        plain = function(*arguments)
        np.testing.assert_allclose(jax.jit(function)(*arguments), plain, rtol=1e-10)
        np.testing.assert_allclose(function(*(part[..., order] for part in arguments)), plain[..., order], rtol=1e-10)


def test_log_weights_are_normalised_however_strong_the_evidence(log_w: jax.Array, texts: jax.Array) -> None:
    after = conditioned_log_weights(log_w, texts[0], jnp.asarray(1e3))
    assert float(logsumexp(after)) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(np.exp(after), softmax(np.asarray(log_w + 1e3 * texts[0])), atol=1e-12)
