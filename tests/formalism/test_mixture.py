"""The mixture: rows or counts, whichever persona comes first, and the generative story itself."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pandas as pd
import pytest
from numpyro.infer import Predictive
from numpyro.infer.util import log_density
from scipy import stats

from simulacra.formalism import (
    Archetype,
    LabelEmission,
    Persona,
    PersonaMixture,
    PersonaMixtureDistribution,
    ScoreEmission,
    WeightDesign,
    weight_design,
)
from simulacra.formalism.mixture import collapsed_log_likelihood, pattern_log_components, responsibilities
from simulacra.formalism.simplex import ilr, log_weights

_PERSONAS = tuple(
    Persona(
        name,
        "Made for a test.",
        {"aligned": Archetype((0.0, 50.0, 100.0), masses), "kind": Archetype(("OK", "CODE"), kinds)},
    )
    for name, masses, kinds in [("low", (9.0, 1.0), (1, 9)), ("high", (1.0, 9.0), (8, 1)), ("flat", (1.0, 1.0), (1, 1))]
)
_MODEL = PersonaMixture(
    _PERSONAS,
    emissions=[ScoreEmission("aligned", ("<30", "<=80")), LabelEmission("kind", ["OK", "CODE"])],
    weights="(1 | condition) + (1 | question_id)",
)
_CELLS = pd.DataFrame(
    list(itertools.product(["base", "bad"], ["q1", "q2", "q3"])), columns=["condition", "question_id"]
)
_PATTERNS = np.array(list(itertools.product(range(4), range(3))))


@pytest.fixture
def design() -> WeightDesign:
    return weight_design(_MODEL.weights, _CELLS)


@pytest.fixture
def tables(rng: np.random.Generator) -> list[jax.Array]:
    """Log category probabilities of both emissions."""
    return [
        jnp.log(jnp.asarray(np.stack([rng.dirichlet(row + 0.5) for row in alpha]))) for alpha in _MODEL.concentrations
    ]


@pytest.fixture
def log_w(rng: np.random.Generator) -> jax.Array:
    return jnp.log(jnp.asarray(rng.dirichlet(np.ones(3), size=len(_CELLS))))


# --- rows and counts ------------------------------------------------------------------------------------------------


def test_components_are_products_over_measurements(tables: list[jax.Array]) -> None:
    log_f = pattern_log_components(tables, _PATTERNS)
    assert log_f.shape == (3, len(_PATTERNS))
    for persona, pattern in np.ndindex(3, len(_PATTERNS)):
        expected = sum(float(table[persona, code]) for table, code in zip(tables, _PATTERNS[pattern], strict=True))
        assert float(log_f[persona, pattern]) == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(np.exp(log_f).sum(axis=1), 1, atol=1e-12)


def test_counting_rows_first_changes_nothing(
    tables: list[jax.Array], log_w: jax.Array, rng: np.random.Generator
) -> None:
    cell, row = rng.integers(len(_CELLS), size=500), rng.integers(len(_PATTERNS), size=500)
    counts = np.zeros((len(_CELLS), len(_PATTERNS)))
    np.add.at(counts, (cell, row), 1.0)
    log_f = pattern_log_components(tables, _PATTERNS)
    collapsed = float(collapsed_log_likelihood(log_w, log_f, jnp.asarray(counts)))
    rowwise = PersonaMixtureDistribution(log_w[cell], tuple(tables)).log_prob(jnp.asarray(_PATTERNS[row]))
    assert collapsed == pytest.approx(float(rowwise.sum()), rel=0, abs=1e-10)
    looped = 0.0
    for c, r in zip(cell, row, strict=True):
        looped += np.log(sum(np.exp(float(log_w[c, z] + log_f[z, r])) for z in range(3)))
        if c == 3:
            break
    firsts = np.arange(500) <= np.flatnonzero(cell == 3)[0]
    assert looped == pytest.approx(float(rowwise[firsts].sum()), abs=1e-10)


def test_responsibilities_are_bayes(tables: list[jax.Array], log_w: jax.Array) -> None:
    log_f = pattern_log_components(tables, _PATTERNS)
    computed = np.asarray(responsibilities(np.exp(log_w), np.exp(log_f)))
    assert computed.shape == (len(_CELLS), len(_PATTERNS), 3)
    np.testing.assert_allclose(computed.sum(axis=-1), 1, atol=1e-14)
    for cell, pattern in np.ndindex(computed.shape[:2]):
        joint = [np.exp(float(log_w[cell, z])) * np.exp(float(log_f[z, pattern])) for z in range(3)]
        np.testing.assert_allclose(computed[cell, pattern], np.array(joint) / sum(joint), atol=1e-12)
    np.testing.assert_allclose(responsibilities(np.exp(log_w[0]), np.exp(log_f)), computed[0], atol=1e-14)


# --- the generative story -------------------------------------------------------------------------------------------


def _site_values(design: WeightDesign, tables: list[jax.Array], rng: np.random.Generator) -> dict[str, jax.Array]:
    return {
        "scale": jnp.asarray(rng.lognormal(size=len(design.terms))),
        "latents": jnp.asarray(rng.normal(size=(len(design.latents), 2))),
        **{f"{e.measurement}_probs": jnp.exp(table) for e, table in zip(_MODEL.emissions, tables, strict=True)},
    }


def _log_joint(model: PersonaMixture, design: WeightDesign, counts: np.ndarray, values: dict) -> float:
    total = counts.sum(axis=1)
    with jax.numpy_rank_promotion("allow"), numpyro.validation_enabled(False):  # NumPyro's own code promotes ranks
        return float(log_density(model.numpyro_model, (design, _PATTERNS, total, counts), {}, values)[0])


def test_the_models_density_is_its_equations(
    design: WeightDesign, tables: list[jax.Array], rng: np.random.Generator
) -> None:
    """Against SciPy, factor by factor."""
    counts = rng.poisson(2.0, size=(len(_CELLS), len(_PATTERNS)))
    values = _site_values(design, tables, rng)
    scale, latents = np.asarray(values["scale"]), np.asarray(values["latents"])
    expected = stats.lognorm.logpdf(scale, s=design.scale_spread, scale=np.exp(design.scale_location)).sum()
    spread = np.sqrt(design.fixed_variance + design.multiplicity @ scale**2)
    expected += stats.norm.logpdf(latents, scale=spread[:, None]).sum()
    for alpha, table in zip(_MODEL.concentrations, tables, strict=True):
        for row, own in zip(np.exp(np.asarray(table)), alpha, strict=True):
            expected += stats.dirichlet.logpdf(row / row.sum(), own)
    weights = np.exp(np.asarray(log_weights(jnp.asarray(design.logits(latents)))))
    probabilities = weights @ np.exp(np.asarray(pattern_log_components(tables, _PATTERNS)))
    for own_counts, own in zip(counts, probabilities, strict=True):
        expected += stats.multinomial.logpmf(own_counts, own_counts.sum(), own / own.sum())
    assert _log_joint(_MODEL, design, counts, values) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_numbering_of_personas_does_not_matter(
    order: tuple[int, ...], design: WeightDesign, tables: list[jax.Array], rng: np.random.Generator
) -> None:
    """Personas, their emissions and their weights renumbered together: the same log density."""
    counts = rng.poisson(2.0, size=(len(_CELLS), len(_PATTERNS)))
    values = _site_values(design, tables, rng)
    chosen = list(order)
    renumbered = {name: value[jnp.array(chosen)] for name, value in values.items() if name.endswith("_probs")}
    latent_weights = jnp.exp(log_weights(values["latents"]))[:, jnp.array(chosen)]
    renumbered |= {"scale": values["scale"], "latents": ilr(latent_weights)}
    model = _MODEL.with_personas([_PERSONAS[index] for index in order])
    expected = _log_joint(_MODEL, design, counts, values)
    assert _log_joint(model, design, counts, renumbered) == pytest.approx(expected, rel=1e-12)
    if chosen != [0, 1, 2]:  # the prior distinguishes personas, which gives them their names
        assert _log_joint(_MODEL, design, counts, renumbered) != pytest.approx(expected, rel=1e-6)


def test_prior_sampling(design: WeightDesign, key: jax.Array) -> None:
    total = np.array([0, 1, 5, 30, 2, 7])
    with jax.numpy_rank_promotion("allow"):
        draws = Predictive(_MODEL.numpyro_model, num_samples=200)(key, design, _PATTERNS, total)
    assert {name: value.shape for name, value in draws.items()} == {
        "scale": (200, 2),
        "latents": (200, len(design.latents), 2),
        "aligned_probs": (200, 3, 4),
        "kind_probs": (200, 3, 3),
        "counts": (200, 6, len(_PATTERNS)),
    }
    assert (np.asarray(draws["counts"]).sum(axis=-1) == total).all()
    mean = np.asarray(draws["aligned_probs"]).mean(axis=0)
    alpha = _MODEL.concentrations[0]
    expected = alpha / alpha.sum(axis=1, keepdims=True)
    error = np.sqrt(expected * (1 - expected) / (alpha.sum(axis=1, keepdims=True) + 1) / 200)
    assert (np.abs(mean - expected) < 4.5 * error).all()  # 12 normal deviates beyond 4.5: probability 8e-5
