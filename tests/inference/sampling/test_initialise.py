"""EM: it climbs, it finds what can be written down, and it does not care for numbering."""

import numpy as np
import pytest

from simulacra.formalism.mixture import component_probabilities
from simulacra.inference.prepare import Prepared
from simulacra.inference.sampling.initialise import Start, cell_weights, em_starts


@pytest.fixture
def counts(prepared: Prepared) -> np.ndarray:
    """Completions by condition and pattern."""
    by_condition = np.equal.outer(np.arange(3), prepared.condition)
    return by_condition @ prepared.counts


def _objective(start: Start, counts: np.ndarray, patterns: np.ndarray, concentrations: tuple) -> float:
    """What EM climbs: log likelihood plus α log p of emissions plus half a pseudo-completion per weight."""
    likelihood = (counts * np.log(start.weights @ component_probabilities(start.probabilities, patterns))).sum()
    emissions = sum((alpha * np.log(p)).sum() for alpha, p in zip(concentrations, start.probabilities, strict=True))
    return likelihood + emissions + 0.5 * np.log(start.weights).sum()


def _run(prepared: Prepared, counts: np.ndarray, *, num_starts: int, num_steps: int) -> list[Start]:
    return em_starts(
        counts,
        prepared.patterns,
        prepared.model.concentrations,
        num_starts=num_starts,
        rng=np.random.default_rng(4),
        num_steps=num_steps,
    )


def test_em_never_lowers_its_objective(prepared: Prepared, counts: np.ndarray) -> None:
    values = [
        _objective(
            _run(prepared, counts, num_starts=1, num_steps=steps)[0],
            counts,
            prepared.patterns,
            prepared.model.concentrations,
        )
        for steps in range(1, 40)
    ]
    assert (np.diff(values) > -1e-9).all()
    assert values[-1] > values[0] + 1


def test_em_ends_at_a_fixed_point(prepared: Prepared, counts: np.ndarray) -> None:
    long, longer = (_run(prepared, counts, num_starts=1, num_steps=steps)[0] for steps in (600, 700))
    np.testing.assert_allclose(long.weights, longer.weights, atol=1e-4)
    for start in (long, longer):
        np.testing.assert_allclose(start.weights.sum(axis=1), 1)
        for table in start.probabilities:
            np.testing.assert_allclose(table.sum(axis=1), 1)


def test_starts_come_best_first_and_say_their_evidence(prepared: Prepared, counts: np.ndarray) -> None:
    starts = _run(prepared, counts, num_starts=6, num_steps=5)  # short of the mode, where all might end
    evidence = [start.log_evidence for start in starts]
    assert evidence == sorted(evidence, reverse=True)
    assert len(set(evidence)) > 1  # the archetypes were jittered
    for start in starts:
        objective = _objective(start, counts, prepared.patterns, prepared.model.concentrations)
        assert start.log_evidence == pytest.approx(objective)


def test_em_on_personas_that_never_do_the_same() -> None:
    """Every pattern belongs to one persona, so weights and tables can be written down."""
    patterns, huge = np.array([[0], [1], [2]]), 1e12
    concentrations = (np.array([[huge, 1e-12, huge], [1e-12, huge, 1e-12]]),)
    counts = np.array([[12.0, 3.0, 5.0], [1.0, 30.0, 0.0]])
    start = em_starts(counts, patterns, concentrations, num_starts=1, rng=np.random.default_rng(0), num_steps=50)[0]
    owned = np.stack([counts[:, 0] + counts[:, 2], counts[:, 1]], axis=1) + 0.5
    np.testing.assert_allclose(start.weights, owned / owned.sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_allclose(start.probabilities[0], [[0.5, 0, 0.5], [0, 1, 0]], atol=1e-9)


def test_em_finds_the_known_maximum_of_a_binomial_mixture() -> None:
    """One emission of two categories that cannot move: the weight maximises a concave function of one variable."""
    p = np.array([[0.9, 0.1], [0.3, 0.7]])
    counts = np.array([[40.0, 25.0]])
    start = em_starts(
        counts, np.array([[0], [1]]), (1e9 * p,), num_starts=1, rng=np.random.default_rng(0), num_steps=2000
    )[0]
    w = np.linspace(1e-6, 1 - 1e-6, 2_000_001)
    mixed = w[:, None] * p[0] + (1 - w[:, None]) * p[1]
    objective = (counts * np.log(mixed)).sum(axis=1) + 0.5 * np.log(w) + 0.5 * np.log1p(-w)
    assert start.weights[0, 0] == pytest.approx(w[objective.argmax()], abs=2e-6)


def test_em_does_not_care_how_personas_are_numbered(prepared: Prepared, counts: np.ndarray) -> None:
    order = np.array([2, 0, 1])
    tables = prepared.model.concentrations
    run = {"num_starts": 1, "num_steps": 60}
    plain = em_starts(counts, prepared.patterns, tables, rng=np.random.default_rng(0), **run)[0]
    moved = em_starts(counts, prepared.patterns, [t[order] for t in tables], rng=np.random.default_rng(0), **run)[0]
    assert moved.log_evidence == pytest.approx(plain.log_evidence, rel=1e-12)
    np.testing.assert_allclose(moved.weights, plain.weights[:, order], atol=1e-10)


def test_weights_of_cells_are_pulled_towards_their_group() -> None:
    """Where personas never do the same, a cell's weight is its count plus eight of its group's weights."""
    probabilities = (np.array([[1.0, 1e-300], [1e-300, 1.0]]),)
    start = Start(0.0, np.array([[0.25, 0.75]]), probabilities)
    counts = np.array([[10.0, 2.0], [0.0, 0.0]])
    found = cell_weights(start, counts, np.array([[0], [1]]), np.array([0, 0]))
    np.testing.assert_allclose(found, [[12 / 20, 8 / 20], [0.25, 0.75]])
