"""Why intervals of the demonstration miss: its personas do not do the same in every condition; slow.

``pytest tests/lm/test_demonstration.py -m slow -s`` prints the figures of ``docs/organism.md`` and
``docs/validation.md``.
"""

from collections.abc import Callable

import numpy as np
import pytest

from simulacra.formalism.mixture import component_probabilities
from simulacra.inference import Result, default_model, fit
from simulacra.inference.misfit import every_pattern
from simulacra.inference.sampling.initialise import weights_given
from simulacra.lm import load_organism_log

pytestmark = pytest.mark.slow

_FEW, _LOGS = 15, 100


@pytest.fixture(scope="module")
def demonstration() -> tuple[Result, np.ndarray, np.ndarray]:
    """The fit, its P patterns, and its completions by condition, true persona and pattern, shape ``(M, K, P)``."""
    log = load_organism_log()
    model = default_model(log, personas="organism", silent=True)
    result = fit(model, log, seed=0, progress_bar=False)
    codes = np.stack([each.encode(log.table[each.measurement].to_numpy()) for each in result.model.emissions], axis=1)
    patterns, place = np.unique(codes, axis=0, return_inverse=True)
    counts = np.zeros((len(result.conditions), len(result.personas), len(patterns)))
    condition = [result.conditions.index(name) for name in log.table["condition"]]
    persona = [result.personas.index(name) for name in log.table["persona_label"]]
    np.add.at(counts, (condition, persona, place.ravel()), 1)
    return result, patterns, counts


def _weights(counts: np.ndarray, tables: list[np.ndarray], patterns: np.ndarray) -> np.ndarray:
    """Weights of maximal likelihood of one condition with these emissions."""
    equal = np.full((1, len(tables[0])), 1 / len(tables[0]))
    return weights_given(counts[None], component_probabilities(tables, patterns), equal, pseudocounts=0.0)[0]


def _marginals(counts: np.ndarray, patterns: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """Shares of the categories of every measurement among the completions of every persona, ``(K, P)``."""
    tables = []
    for column, size in enumerate(sizes):
        table = counts @ np.eye(size)[patterns[:, column]] + 0.02
        tables.append(table / table.sum(axis=1, keepdims=True))
    return tables


def test_intervals_miss_where_personas_differ_between_conditions(demonstration: tuple) -> None:
    """With the scores that each persona truly has in a condition, misses of three points become less than one."""
    result, patterns, counts = demonstration
    sizes = [len(each.categories) for each in result.model.emissions]
    shares = counts.sum(axis=2) / counts.sum(axis=(1, 2))[:, None]
    lower, upper = np.quantile(result.draws("weights"), [0.055, 0.945], axis=(0, 1))
    missed = (shares < lower) | (shares > upper)
    shared = _marginals(counts.sum(axis=0), patterns, sizes)

    def of_condition(own: np.ndarray) -> list[np.ndarray]:
        few = own.sum(axis=1)[:, None] < _FEW
        return [np.where(few, all_, each) for all_, each in zip(shared, _marginals(own, patterns, sizes), strict=True)]

    emissions: dict[str, Callable[[np.ndarray], list[np.ndarray]]] = {
        "true, shared by all conditions": lambda _: shared,
        "true, of each condition": of_condition,
    }
    errors = {"fitted": np.abs(result.draws("weights").mean(("chain", "draw")).to_numpy() - shares)}
    for name, tables in emissions.items():
        found = [_weights(own.sum(axis=0), tables(own), patterns) for own in counts]
        errors[name] = np.abs(np.stack(found) - shares)
    print(f"\n{(~missed).sum()} of {missed.size} intervals contain the true share")
    for name, own in errors.items():
        print(f"{name}: mean error {100 * own[missed].mean():.2f} (missed), {100 * own[~missed].mean():.2f} points")
    known = {name: own[missed].mean() for name, own in errors.items()}
    assert known["true, of each condition"] < 0.5 * known["true, shared by all conditions"]


def test_in_logs_of_the_fit_intervals_contain_the_true_shares(demonstration: tuple) -> None:
    """The same shares of personas that do the same in every condition; emissions are known, widths those of the fit."""
    result, _, counts = demonstration
    totals = counts.sum(axis=(1, 2)).astype(int)
    shares = counts.sum(axis=2) / totals[:, None]
    lower, upper = np.quantile(result.draws("weights"), [0.055, 0.945], axis=(0, 1))
    tables = [result.draws("emissions")[name].mean(("chain", "draw")).to_numpy() for name in result.model.measurements]
    patterns, _ = every_pattern(result.model.emissions, np.zeros((0, len(tables)), dtype=int), np.zeros((1, 0)))
    components = component_probabilities(tables, patterns)
    components /= components.sum(axis=1, keepdims=True)
    rng, inside = np.random.default_rng(0), []
    for _ in range(_LOGS):
        hits = 0
        for condition, total in enumerate(totals):
            labels = rng.multinomial(total, shares[condition])
            drawn = rng.multinomial(labels, components).sum(axis=0).astype(float)
            seen = drawn > 0
            error = np.abs(_weights(drawn[seen], tables, patterns[seen]) - labels / total)
            hits += int((error <= (upper - lower)[condition] / 2).sum())
        inside.append(hits)
    print(f"\nlogs of the fit: {np.mean(inside):.1f} of {shares.size} intervals contain the true share")
    assert np.mean(inside) > 0.9 * shares.size
