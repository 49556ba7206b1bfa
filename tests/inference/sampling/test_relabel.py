"""Label switching: one permutation function, and draws put back exactly."""

import itertools

import numpy as np
import pandas as pd
import pytest

from simulacra.formalism import weight_design
from simulacra.formalism.parameters import Parameters, permute
from simulacra.inference.posterior import weights_of_cells
from simulacra.inference.sampling.relabel import relabel

_DESIGN = weight_design("(1 | condition)", pd.DataFrame({"condition": list("aabbcc")}))


@pytest.fixture
def draws(rng: np.random.Generator) -> Parameters:
    """Two chains of 25 draws of four personas that differ clearly."""
    tables = []
    for size in (5, 3):
        centre = rng.dirichlet(np.full(size, 0.5), size=4)
        noisy = centre + 0.01 * rng.random((2, 25, 4, size))
        tables.append(noisy / noisy.sum(axis=-1, keepdims=True))
    return Parameters(tuple(tables), rng.normal(size=(2, 25, 4, 3)), rng.lognormal(size=(2, 25, 2)))


def _reference(draws: Parameters) -> tuple[np.ndarray, ...]:
    return tuple(table.mean(axis=(0, 1)) for table in draws.probabilities)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3], ids=str)
def test_permute_renumbers_emissions_and_weights_alike(order: tuple[int, ...], draws: Parameters) -> None:
    chosen = np.array(order)
    moved = permute(draws, np.broadcast_to(chosen, (2, 25, 4)))
    for own, before in zip(moved.probabilities, draws.probabilities, strict=True):
        np.testing.assert_array_equal(own, before[:, :, chosen])
    expected = weights_of_cells(_DESIGN, draws.latents)[..., chosen]
    np.testing.assert_allclose(weights_of_cells(_DESIGN, moved.latents), expected, atol=1e-12)
    np.testing.assert_array_equal(moved.scales, draws.scales)


def test_one_permutation_for_all_draws_is_the_same_for_each(draws: Parameters) -> None:
    order = np.array([1, 2, 3, 0])
    every, one = permute(draws, np.broadcast_to(order, (2, 25, 4))), permute(draws, order)
    np.testing.assert_array_equal(one.probabilities[0], every.probabilities[0])
    np.testing.assert_allclose(one.latents, every.latents, atol=1e-12)


def test_permute_keeps_the_prior_of_latents(draws: Parameters) -> None:
    """Latents are isotropic over coordinates, so their density is a function of these norms."""
    moved = permute(draws, np.broadcast_to([3, 0, 1, 2], (2, 25, 4)))
    np.testing.assert_allclose((moved.latents**2).sum(axis=-1), (draws.latents**2).sum(axis=-1), rtol=1e-12)


def test_permutations_compose(draws: Parameters, rng: np.random.Generator) -> None:
    order = np.stack([rng.permutation(4) for _ in range(50)]).reshape(2, 25, 4)
    back = permute(permute(draws, order), order.argsort(axis=-1))
    np.testing.assert_array_equal(back.probabilities[0], draws.probabilities[0])
    np.testing.assert_allclose(back.latents, draws.latents, atol=1e-12)


def test_relabel_undoes_switching_in_single_draws(draws: Parameters, rng: np.random.Generator) -> None:
    order = np.broadcast_to(np.arange(4), (2, 25, 4)).copy()
    switched = rng.random((2, 25)) < 0.4
    for index in np.argwhere(switched):
        order[tuple(index)] = rng.permutation(4)
    mended, changed = relabel(permute(draws, order), _reference(draws))
    np.testing.assert_array_equal(changed, (order != np.arange(4)).any(axis=-1).sum(axis=-1))
    for own, before in zip(mended.probabilities, draws.probabilities, strict=True):
        np.testing.assert_array_equal(own, before)
    expected = weights_of_cells(_DESIGN, draws.latents)
    np.testing.assert_allclose(weights_of_cells(_DESIGN, mended.latents), expected, atol=1e-12)


def test_nothing_is_touched_where_nothing_switched(draws: Parameters) -> None:
    same, changed = relabel(draws, _reference(draws))
    assert same is draws
    assert changed.tolist() == [0, 0]
