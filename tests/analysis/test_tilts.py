"""Tilts of conditions are recovered where they were planted, and are near zero where weights alone have moved."""

import re

import numpy as np
import pytest

from simulacra.analysis import Tilted
from simulacra.analysis.tilts import _Best, _best, _Data
from simulacra.formalism import InputError
from simulacra.formalism.simplex import inverse_ilr
from simulacra.formalism.tilts import tilted
from tests.inference.conftest import simulate

TABLE = np.array([[0.02, 0.08, 0.2, 0.6, 0.1], [0.5, 0.3, 0.1, 0.05, 0.05]])
MEANS = np.array([[0.5], [0.5], [-0.9]])
SHARED, EACH, NONE = np.ones((2, 1)), np.eye(2), np.zeros((2, 0))


def planted(tilts: np.ndarray, rng: np.random.Generator) -> _Data:
    """Three conditions with 30 cells of 200 completions each, whose logits have the standard deviation 0.7."""
    condition = np.repeat(np.arange(3), 30)
    logits = MEANS[condition] + 0.7 * rng.standard_normal((90, 1))
    own = np.stack([tilted(TABLE, tilt) for tilt in tilts])
    counts = rng.multinomial(200, (inverse_ilr(logits)[:, None] @ own[condition])[:, 0])
    return _Data(counts.astype(float), condition, np.ones((2, 5)), np.arange(5), 2000 * TABLE, 0 * MEANS, 0.49)


def estimated(tilts: list[list[float]], owner: np.ndarray, bound: float, rng: np.random.Generator) -> _Best:
    return _best(planted(np.array(tilts), rng), owner, bound, TABLE)


def test_planted_tilts_are_recovered(rng: np.random.Generator) -> None:
    found = estimated([[0.5, 0.5], [-0.3, -0.3], [-0.2, -0.2]], SHARED, 2.0, rng)
    np.testing.assert_allclose(found.tilts, [[0.5, 0.5], [-0.3, -0.3], [-0.2, -0.2]], atol=0.12)
    np.testing.assert_allclose(found.table, TABLE, atol=0.03)
    found = estimated([[0.6, -0.4], [-0.3, 0.2], [-0.3, 0.2]], EACH, 2.0, rng)
    np.testing.assert_allclose(found.tilts, [[0.6, -0.4], [-0.3, 0.2], [-0.3, 0.2]], atol=0.15)
    np.testing.assert_allclose(found.means, MEANS, atol=0.4)


def test_weights_that_moved_are_not_tilts(rng: np.random.Generator) -> None:
    found = estimated([[0.0, 0.0]] * 3, SHARED, 1.0, rng)
    np.testing.assert_allclose(found.tilts, 0, atol=0.2)
    np.testing.assert_allclose(found.means, MEANS, atol=0.4)


def test_the_bound_holds_and_tilts_raise_the_density(rng: np.random.Generator) -> None:
    data = planted(np.array([[2.0, 2.0], [-1.0, -1.0], [-1.0, -1.0]]), rng)
    narrow, none = _best(data, EACH, 0.5, TABLE), _best(data, NONE, 0.5, TABLE)
    assert 0.45 < np.abs(narrow.tilts).max() <= 0.5
    assert narrow.density > none.density + 50
    assert not none.tilts.any()


def test_errors_say_what_is_wrong() -> None:
    model = simulate().model
    without = type(model)(model.personas, emissions=model.emissions, weights="(1 | question_id)")
    for arguments, message in (
        ((model, "evil"), "no measurement 'evil'; expected one of aligned, coherent"),
        ((without,), "do not depend on the condition"),
        ((model, "aligned", "condition", -1.0), "bound is -1"),
        ((model, "aligned", "question"), "by is 'question'"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            Tilted(*arguments)
