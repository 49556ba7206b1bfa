"""How often a name is given, by the number of completions that show its persona; the table of docs/validation.md."""

import numpy as np
import pytest
from scipy import stats

from simulacra.formalism import Archetype, PersonaMixture, ScoreEmission, persona_set
from simulacra.formalism.mixture import component_probabilities, responsibilities
from simulacra.inference import Thresholds
from simulacra.inference.names import Evidence, absent_personas, check_names
from simulacra.inference.sampling.initialise import em_starts

_EMISSIONS = [ScoreEmission("aligned"), ScoreEmission("coherent")]
_MODEL = PersonaMixture(persona_set("emergent-misalignment")[:2], emissions=_EMISSIONS)
_SIZES = [len(emission.categories) for emission in _EMISSIONS]
_PATTERNS = np.stack(np.unravel_index(np.arange(np.prod(_SIZES)), _SIZES), axis=1)
_TENS = tuple(float(edge) for edge in range(0, 101, 10))
_MIDDLING = Archetype(_TENS, (0.01, 0.01, 0.01, 0.02, 0.05, 0.3, 0.3, 0.25, 0.04, 0.01))
_LOGS = 100


def _said(scores: np.ndarray, spread: float, added: int, completions: int, rng: np.random.Generator) -> str:
    """What is said of *misaligned* in one log; the posterior is that of the counts that EM attributes."""
    own = [rng.dirichlet(60 * alpha[0] / alpha[0].sum() + 0.02) for alpha in _MODEL.concentrations]
    other = [rng.dirichlet(spread * scores + 0.02), rng.dirichlet(60 * _coherent() + 0.05)]
    usual, unusual = component_probabilities([np.stack(pair) for pair in zip(own, other, strict=True)], _PATTERNS)
    counts = np.stack(
        [
            rng.multinomial(completions, usual),
            rng.multinomial(completions - added, usual) + rng.multinomial(added, unusual),
        ]
    ).astype(float)
    start = em_starts(counts, _PATTERNS, _MODEL.concentrations, num_starts=1, rng=rng)[0]
    share = responsibilities(start.weights, component_probabilities(start.probabilities, _PATTERNS))
    expected = np.einsum("mp,mpk->kp", counts, share)
    tables = []
    for column, alpha in enumerate(_MODEL.concentrations):
        total = alpha + expected @ np.eye(alpha.shape[1])[_PATTERNS[:, column]]
        tables.append(np.stack([rng.dirichlet(row, size=(1, 500)) for row in total], axis=2))
    least = stats.beta.ppf(0.055, completions * start.weights + 0.5, completions * (1 - start.weights) + 0.5)
    evidence = Evidence(_PATTERNS, np.einsum("mp,mpk->kp", counts, share**2), (least < 0.01).all(axis=0))
    checks = [each for each in check_names(_MODEL, tables, evidence, Thresholds()) if each.persona == "misaligned"]
    if not all(check.passed for check in checks):
        return "withheld"
    return "absent" if 1 in absent_personas(_MODEL, evidence, Thresholds()) else "named"


def _coherent() -> np.ndarray:
    alpha = _MODEL.concentrations[1][1]
    return alpha / alpha.sum()


@pytest.mark.slow
@pytest.mark.parametrize("world", ["misaligned", "middling"])
def test_a_name_is_given_where_completions_show_it(world: str) -> None:
    alpha = _MODEL.concentrations[0][1]
    scores = alpha / alpha.sum() if world == "misaligned" else _EMISSIONS[0].archetype_probabilities(_MIDDLING)
    spread = 20 if world == "misaligned" else 60
    rng, found = np.random.default_rng(0), {}
    for added in (0, 5, 10, 20, 100):
        said = [_said(scores, spread, added, 1200, rng) for _ in range(_LOGS)]
        found[added] = {name: said.count(name) / _LOGS for name in ("named", "absent", "withheld")}
        print(world, added, found[added])
    assert found[0]["named"] <= 0.2
    assert all(own["withheld"] <= 0.05 for own in found.values())
    if world == "misaligned":
        assert found[10]["named"] >= 0.65
        assert found[20]["named"] >= 0.9
    else:
        assert max(found[added]["named"] for added in (0, 5, 10, 20)) <= 0.25
