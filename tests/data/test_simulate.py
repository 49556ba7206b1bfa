"""Truths drawn from the prior, and logs drawn from truths."""

import jax.numpy as jnp
import numpy as np
import pytest

from simulacra.data import draw_truth, simulate_log
from simulacra.formalism.prior import sample_prior
from simulacra.formalism.simplex import log_weights
from tests.formalism.models import MODELS

_CASE = MODELS["score and label, crossed"]


def test_a_truth_is_one_draw_of_the_prior() -> None:
    truth = draw_truth(_CASE.model, _CASE.design, np.random.default_rng(1))
    drawn = sample_prior(_CASE.model, _CASE.design, np.random.default_rng(1))
    np.testing.assert_allclose(
        truth.weights, np.exp(log_weights(jnp.asarray(_CASE.design.basis @ drawn.latents))), rtol=1e-12
    )
    np.testing.assert_allclose(truth.weights.sum(axis=1), 1, rtol=1e-12)
    for own, expected in zip(truth.probabilities, drawn.probabilities, strict=True):
        np.testing.assert_array_equal(own, expected)
    assert truth.cells is _CASE.design.cells


@pytest.mark.parametrize("column", [0, 1])
def test_a_log_has_the_shares_of_its_truth(column: int) -> None:
    """4000 completions a cell: the largest of 24 binomial deviates exceeds 4.5 with a probability of 2e-4."""
    truth = draw_truth(_CASE.model, _CASE.design, np.random.default_rng(2))
    log = simulate_log(_CASE.model, truth, 4000, seed=3)
    emission = _CASE.model.emissions[column]
    codes = emission.encode(log.table[emission.measurement].to_numpy())
    cell = np.repeat(np.arange(len(truth.cells)), 4000)
    found = np.stack([np.bincount(codes[cell == index], minlength=3) for index in range(len(truth.cells))]) / 4000
    expected = truth.weights @ truth.probabilities[column]
    assert (np.abs(found - expected) < 4.5 * np.sqrt(expected * (1 - expected) / 4000) + 1e-12).all()
