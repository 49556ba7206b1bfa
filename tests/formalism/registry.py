"""Every public object of the room, once: the laws in the tests next to this file are checked on each of them.

Whoever adds an emission or a distribution adds a line here, and every law is checked on it.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from simulacra.formalism import (
    AbstractEmission,
    Archetype,
    CollapsedMixture,
    FamilyEmission,
    LabelEmission,
    PersonaMixtureDistribution,
    ScoreEmission,
)

# --- emissions ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class EmissionCase:
    """An emission, values that probe it (edges, both sides of them, both ends), and archetypes that fit it."""

    emission: AbstractEmission
    values: np.ndarray
    archetypes: tuple[Archetype, ...]


def _score(emission: ScoreEmission, *archetypes: Archetype) -> EmissionCase:
    low, high = emission.bounds
    edges = np.array([cut.value for cut in emission.cuts])
    nearby = np.concatenate([np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)])
    drawn = np.random.default_rng(1).uniform(low, high, 300)
    values = np.concatenate([edges, nearby[(nearby >= low) & (nearby <= high)], drawn, [low, high, np.nan]])
    return EmissionCase(emission, values, archetypes)


def _label(emission: LabelEmission, *archetypes: Archetype) -> EmissionCase:
    values = np.array([*emission.values, *emission.values, None], dtype=object)
    return EmissionCase(emission, values, archetypes)


def _family(emission: FamilyEmission) -> EmissionCase:
    words = emission.categories[:-1]
    masses = tuple(range(1, len(words) + 1))
    return EmissionCase(emission, np.array([*words, None], dtype=object), (Archetype(words, masses, missing=0.1),))


_SLOPE = Archetype((0.0, 20.0, 55.0, 100.0), (0.5, 0.2, 0.3), missing=0.07)
_NEVER_MISSING = Archetype((0.0, 100.0), (3.0,), missing=0.0)
_UNIT = Archetype((0.0, 0.5, 1.0), (0.9, 0.1))
_GRADES = Archetype((1, 2, 3, 4, 5), (0.1, 0.2, 0.4, 0.2, 0.1), missing=0.25)

EMISSIONS: Mapping[str, EmissionCase] = {
    "tens": _score(ScoreEmission("aligned"), _SLOPE, _NEVER_MISSING),
    "usual coherence": _score(ScoreEmission("coherent"), _SLOPE, _NEVER_MISSING),
    "one cut": _score(ScoreEmission("aligned", ("<30",)), _SLOPE),
    "both sides of one score": _score(ScoreEmission("aligned", ("<30", "<=30", "<=92.5")), _SLOPE),
    "cuts at the bounds": _score(ScoreEmission("aligned", ("<=0", "<50", "<100")), _SLOPE),
    "unit interval": _score(ScoreEmission("probability", bounds=(0, 1)), _UNIT),
    "one to ten": _score(ScoreEmission("rating", bounds=(1, 10)), Archetype((1.0, 4.0, 10.0), (1, 2))),
    "high is bad": _score(ScoreEmission("evil", bounds=(0, 10), high="bad"), Archetype((0.0, 10.0), (1,))),
    "signed": _score(ScoreEmission("valence", ("<-0.25", "<=0"), bounds=(-1, 1)), Archetype((-1.0, 1.0), (1,))),
    "grades": _label(LabelEmission("grade", [1, 2, 3, 4, 5]), _GRADES),
    "grades of which high ones are good": _label(LabelEmission("grade", [1, 2, 3, 4, 5], high="good"), _GRADES),
    "grades out of order": _label(LabelEmission("grade", [5, 1.5, 3]), Archetype((5, 1.5, 3), (1, 1, 2))),
    "words": _label(LabelEmission("kind", ["OK", "REFUSAL", "CODE"]), Archetype(("OK", "REFUSAL", "CODE"), (8, 1, 1))),
    "family": _family(FamilyEmission("ab", [LabelEmission("a", ["no", "yes"]), LabelEmission("b", [1, 2, 3])])),
}

# --- distributions --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class DistributionCase:
    """How to build a distribution from unconstrained parameters, its whole support, and an independent log density.

    Attributes:
        build: distribution from one vector of parameters.
        parameters: such a vector.
        support: every event, shape ``(n, *event_shape)``.
        log_prob: the log probability of one event, computed another way.
    """

    build: Callable[[jax.Array], dist.Distribution]
    parameters: jax.Array
    support: np.ndarray
    log_prob: Callable[[dist.Distribution, np.ndarray], float]


def _log_simplex(logits: jax.Array) -> jax.Array:
    return jax.nn.log_softmax(logits, axis=-1)


def _collapsed(total: int) -> Callable[[jax.Array], dist.Distribution]:
    def build(parameters: jax.Array) -> dist.Distribution:
        log_f = _log_simplex(parameters[3:].reshape(3, 4))
        return CollapsedMixture(_log_simplex(parameters[:3]), log_f, jnp.asarray(total))

    return build


def _collapsed_log_prob(distribution: dist.Distribution, counts: np.ndarray) -> float:
    from scipy import stats  # the oracle

    probabilities = np.exp(distribution.log_weights) @ np.exp(distribution.component_log_probs)
    return float(stats.multinomial.logpmf(counts, counts.sum(), np.asarray(probabilities)))


def _rowwise(parameters: jax.Array) -> dist.Distribution:
    tables = (_log_simplex(parameters[3:12].reshape(3, 3)), _log_simplex(parameters[12:].reshape(3, 4)))
    return PersonaMixtureDistribution(_log_simplex(parameters[:3]), tables)


def _rowwise_log_prob(distribution: dist.Distribution, codes: np.ndarray) -> float:
    total = 0.0
    for persona, log_weight in enumerate(np.asarray(distribution.log_weights)):
        product = np.exp(log_weight)
        for table, code in zip(distribution.category_log_probs, codes, strict=True):
            product *= np.exp(float(table[persona, code]))
        total += product
    return float(np.log(total))


def count_vectors(total: int, size: int) -> np.ndarray:
    """All vectors of non-negative integers of a length and a sum."""
    grid = np.stack(np.meshgrid(*[np.arange(total + 1)] * size, indexing="ij"), axis=-1).reshape(-1, size)
    return grid[grid.sum(axis=1) == total]


def _parameters(size: int, seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=size))


DISTRIBUTIONS: Mapping[str, DistributionCase] = {
    **{
        f"CollapsedMixture of {total}": DistributionCase(
            _collapsed(total), _parameters(15, total), count_vectors(total, 4), _collapsed_log_prob
        )
        for total in (0, 3)
    },
    "PersonaMixtureDistribution": DistributionCase(
        _rowwise,
        _parameters(24, 7),
        np.array([(i, j) for i in range(3) for j in range(4)]),
        _rowwise_log_prob,
    ),
}

__all__ = ["DISTRIBUTIONS", "EMISSIONS", "DistributionCase", "EmissionCase", "count_vectors"]
