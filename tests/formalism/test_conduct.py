"""The split of eq. (9): exact, the same for any order of personas and of conditions, and each sum where it belongs."""

import numpy as np
import pytest

from simulacra.formalism import split_change


@pytest.mark.parametrize("personas", [1, 2, 5, 40])
def test_the_split_is_exact(rng: np.random.Generator, personas: int) -> None:
    weights, base_weights = rng.dirichlet(np.ones(personas), size=(2, 500))
    outcomes, base_outcomes = rng.uniform(size=(2, 500, personas))
    selection, conduct = split_change(weights, outcomes, base_weights, base_outcomes)
    change = (weights * outcomes).sum(axis=-1) - (base_weights * base_outcomes).sum(axis=-1)
    np.testing.assert_allclose((selection + conduct).sum(axis=-1), change, rtol=0, atol=1e-12)
    order = rng.permutation(personas)
    of_others = split_change(weights[:, order], outcomes[:, order], base_weights[:, order], base_outcomes[:, order])
    np.testing.assert_array_equal(of_others, [selection[:, order], conduct[:, order]])
    np.testing.assert_allclose(
        split_change(base_weights, base_outcomes, weights, outcomes), [-selection, -conduct], atol=1e-15
    )


def test_what_did_not_change_has_no_part(rng: np.random.Generator) -> None:
    weights, others = rng.dirichlet(np.ones(4), size=(2, 10))
    outcomes, changed = rng.uniform(size=(2, 10, 4))
    assert not split_change(others, outcomes, weights, outcomes)[1].any()
    assert not split_change(weights, changed, weights, outcomes)[0].any()


def test_the_split_is_the_mean_of_both_orders_of_change(rng: np.random.Generator) -> None:
    weights, base_weights = rng.dirichlet(np.ones(3), size=2)
    outcomes, base_outcomes = rng.uniform(size=(2, 3))
    first = (weights - base_weights) @ base_outcomes  # weights change before the personas do
    last = (weights - base_weights) @ outcomes
    selection, _ = split_change(weights, outcomes, base_weights, base_outcomes)
    assert selection.sum() == pytest.approx((first + last) / 2)
