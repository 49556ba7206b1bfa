"""Tilts of a condition are recovered where they were planted, and are near zero where weights alone have moved."""

import re

import numpy as np
import pytest

from simulacra.analysis import Tilted
from simulacra.analysis.tilts import _best, _Condition
from simulacra.formalism import InputError
from simulacra.formalism.simplex import inverse_ilr
from simulacra.formalism.tilts import tilted
from tests.inference.conftest import simulate

TABLE = np.array([[0.02, 0.08, 0.2, 0.6, 0.1], [0.5, 0.3, 0.1, 0.05, 0.05]])


def planted(tilts: np.ndarray, mean: float, rng: np.random.Generator) -> _Condition:
    """Thirty cells of 200 completions whose logits have the standard deviation 0.7."""
    logits = mean + 0.7 * rng.standard_normal((30, 1))
    counts = rng.multinomial(200, inverse_ilr(logits) @ tilted(TABLE, tilts))
    return _Condition(counts.astype(float), TABLE, TABLE, np.arange(5), np.array([0.5]), 0.49)


@pytest.mark.parametrize(("owner", "tilts"), [(np.ones((2, 1)), [0.6, 0.6]), (np.eye(2), [0.6, -0.4])])
def test_planted_tilts_are_recovered(owner: np.ndarray, tilts: list[float], rng: np.random.Generator) -> None:
    found = _best(planted(np.array(tilts), 0.5, rng), owner, 2.0)
    np.testing.assert_allclose(found.tilts, tilts, atol=0.12)
    np.testing.assert_allclose(found.mean, 0.5, atol=0.4)


def test_weights_that_moved_are_not_tilts(rng: np.random.Generator) -> None:
    found = _best(planted(np.zeros(2), -0.9, rng), np.ones((2, 1)), 1.0)
    np.testing.assert_allclose(found.tilts, 0, atol=0.12)
    np.testing.assert_allclose(found.mean, -0.9, atol=0.4)


def test_the_bound_holds(rng: np.random.Generator) -> None:
    assert np.abs(_best(planted(np.full(2, 2.0), 0.5, rng), np.eye(2), 0.5).tilts).max() <= 0.5


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
