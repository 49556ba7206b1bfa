"""The predictive density of a cell against integration on a grid, and the laws of a density."""

import numpy as np
import pytest
from scipy import special, stats

from simulacra.analysis.held_out import Prior, log_predictive_density
from simulacra.formalism.simplex import ilr_basis, inverse_ilr

DRAWS, PATTERNS = 12, 5


def posterior(personas: int, rng: np.random.Generator) -> tuple[Prior, np.ndarray]:
    """Draws of the prior of a cell and of the emissions that differ about as much as in a fit."""
    mean = rng.normal(size=personas - 1) + 0.3 * rng.normal(size=(DRAWS, personas - 1))
    variance = np.exp(rng.normal(0.0, 0.5, DRAWS))
    emissions = rng.dirichlet(np.full(PATTERNS, 0.6), size=personas)
    components = np.stack([[rng.dirichlet(400 * row + 0.5) for row in emissions] for _ in range(DRAWS)])
    return Prior(mean, variance), components


def repeated(prior: Prior, components: np.ndarray) -> tuple[Prior, np.ndarray]:
    """Each draw 200 times, so that what is estimated has little Monte Carlo error."""
    return Prior(np.tile(prior.mean, (200, 1)), np.tile(prior.variance, 200)), np.tile(components, (200, 1, 1))


def on_a_grid(counts: np.ndarray, prior: Prior, components: np.ndarray) -> float:
    """The integral over the logits of every draw, by sums over a grid."""
    axis = np.linspace(-11, 11, 111)
    grid = np.stack(np.meshgrid(*[axis] * prior.mean.shape[1], indexing="ij"), axis=-1).reshape(-1, prior.mean.shape[1])
    weights, area = inverse_ilr(grid), (axis[1] - axis[0]) ** prior.mean.shape[1]
    values = []
    for mean, variance, component in zip(*prior, components, strict=True):
        density = stats.norm.logpdf(grid, mean, np.sqrt(variance)).sum(axis=1)
        values.append(special.logsumexp(np.log(weights @ component) @ counts + density) + np.log(area))
    return float(special.logsumexp(values) - np.log(DRAWS))


@pytest.mark.parametrize("personas", [2, 3])
@pytest.mark.parametrize("counts", [[0, 1, 0, 0, 0], [3, 0, 9, 0, 1], [40, 0, 60, 15, 5]])
def test_it_is_the_integral_over_the_effects_of_a_new_question(
    personas: int, counts: list[int], rng: np.random.Generator
) -> None:
    prior, components = posterior(personas, rng)
    completions = np.array(counts, dtype=float)
    found = log_predictive_density(completions, *repeated(prior, components), rng)
    assert found.influence.mean() == pytest.approx(0, abs=1e-9)
    assert found.value == pytest.approx(on_a_grid(completions, prior, components), abs=0.05)


def test_probabilities_of_one_completion_sum_to_one(rng: np.random.Generator) -> None:
    prior, components = repeated(*posterior(3, rng))
    each = [log_predictive_density(one, prior, components, rng).value for one in np.eye(PATTERNS)]
    assert np.exp(each).sum() == pytest.approx(1, abs=0.03)


def test_labels_do_not_matter(rng: np.random.Generator) -> None:
    prior, components = repeated(*posterior(3, rng))
    counts, order, contrasts = np.array([8.0, 1.0, 12.0, 0.0, 3.0]), [2, 0, 1], ilr_basis(3)
    renamed = Prior((prior.mean @ contrasts)[:, order] @ contrasts.T, prior.variance)
    found = log_predictive_density(counts, prior, components, rng).value
    assert log_predictive_density(counts, renamed, components[:, order], rng).value == pytest.approx(found, abs=0.05)


def test_without_a_new_effect_weights_are_those_of_the_draws(rng: np.random.Generator) -> None:
    prior, components = posterior(3, rng)
    counts = np.array([8.0, 1.0, 12.0, 0.0, 3.0])
    found = log_predictive_density(counts, prior._replace(variance=np.zeros(DRAWS)), components, rng).value
    probabilities = (inverse_ilr(prior.mean)[:, None] @ components)[:, 0]
    assert found == pytest.approx(np.log(np.exp(np.log(probabilities) @ counts).mean()))
