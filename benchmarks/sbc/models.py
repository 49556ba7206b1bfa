"""The models of simulation-based calibration: true values from the prior, a log simulated from them, and its fit.

Personas have no ``evidence``: leaving out a persona because completions of it are rare would change the model after the
log was seen. Personas are labelled in the posterior as in the prior, because archetypes differ so much that no draw
from the prior resembles another order of them; likelihood, implied rates and scales do not depend on labels at all.

Texts are simulated from known densities, Gaussians in the plane. The likelihood of a fit does not know them and
profiles out what personas share (:mod:`simulacra.formalism.density_ratios`). Its posterior is not that of the simulated
model, and ranks are uniform only as far as this approximation is good.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from simulacra.data import CompletionLog, Truth, read_completions, simulate_log
from simulacra.formalism import (
    Archetype,
    LabelEmission,
    LikelihoodEmission,
    Outcome,
    Persona,
    PersonaMixture,
    ScoreEmission,
    persona_set,
    weight_design,
)
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.prior import sample_prior
from simulacra.formalism.rates import rate_prior
from simulacra.formalism.simplex import inverse_ilr
from simulacra.formalism.weights import WeightDesign
from simulacra.inference import Thresholds, fit
from simulacra.inference.diagnostics import check_rates
from simulacra.inference.posterior import parameters_of, pattern_probabilities, posterior_dataset
from simulacra.inference.prepare import Prepared
from simulacra.inference.rates import EventCounts, fit_rates, rate_diagnostics, rates_in

__all__ = ["MODELS", "Fitted"]

CONDITIONS = ["base", "one", "two", "three"]
QUESTIONS = ["q1", "q2", "q3", "q4", "q5", "q6"]
SETTINGS = {
    "num_warmup": 300,
    "num_samples": 500,
    "thresholds": Thresholds(r_hat=1.02, ess=200),  # half of the usual draws
    "progress_bar": False,
}
_TEXTS, _REFERENCES = 20, 30
"""Texts of every cell, and references of every persona."""


class Fitted(NamedTuple):
    """True values and posterior draws under the same names, with ``chain, draw`` first, and names of failed checks."""

    truth: xr.Dataset
    draws: xr.Dataset
    failed: tuple[str, ...]


def _scores(rng: np.random.Generator, seed: int) -> Fitted:
    personas = _shipped("aligned", "misaligned", "incoherent")
    model = PersonaMixture(personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])
    return _measured(model, _cells(condition=CONDITIONS[:3], question_id=QUESTIONS[:4]), 30, rng, seed)


def _labels(rng: np.random.Generator, seed: int) -> Fitted:
    """Two judges that give grades."""
    judges, grades = ("first", "second"), (1, 2, 3, 4, 5)
    masses = {
        "low": (0.62, 0.25, 0.08, 0.03, 0.02),
        "middle": (0.04, 0.16, 0.60, 0.16, 0.04),
        "high": (0.02, 0.03, 0.08, 0.25, 0.62),
    }
    personas = [
        Persona(name, f"Graded {name}.", {judge: Archetype(grades, own, missing=0.02) for judge in judges})
        for name, own in masses.items()
    ]
    outcome = Outcome("first <= 2 and second <= 2", name="bad")
    model = PersonaMixture(personas, emissions=[LabelEmission(judge, grades) for judge in judges], outcome=outcome)
    return _measured(model, _cells(condition=CONDITIONS[:3], question_id=QUESTIONS[:4]), 25, rng, seed)


def _covariates(rng: np.random.Generator, seed: int) -> Fitted:
    """A dose, and a trigger whose effect differs by question."""
    model = PersonaMixture(
        _shipped("aligned", "misaligned"),
        emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")],
        weights="dose + trigger + (1 | condition) + (trigger | question_id)",
    )
    cells = _cells(condition=CONDITIONS, question_id=QUESTIONS[:3], trigger=["off", "on"])
    cells["dose"] = cells["condition"].map(dict(zip(CONDITIONS, [0, 1, 2, 4], strict=True)))
    return _measured(model, cells, 20, rng, seed)


def _measured(
    model: PersonaMixture, cells: pd.DataFrame, completions: int, rng: np.random.Generator, seed: int
) -> Fitted:
    """A model of measurements, with a number of completions in every cell."""
    design = weight_design(model.weights, cells)
    parameters = sample_prior(model, design, rng)
    truth = Truth(design.cells, inverse_ilr(design.logits(parameters.latents)), parameters.probabilities)
    return _fitted(model, simulate_log(model, truth, completions, seed=seed), design, parameters, seed)


def _texts(rng: np.random.Generator, seed: int) -> Fitted:
    personas = [Persona(name, f"A {name}.") for name in ("helper", "villain", "pirate")]
    emission = LikelihoodEmission(reference="elicited_by", bin_width=0)
    model = PersonaMixture(personas, emissions=[emission], weights="(1 | condition)")
    design = weight_design(model.weights, _cells(condition=CONDITIONS[:3], question_id=QUESTIONS[:2]))
    parameters = sample_prior(model, design, rng, references=True)
    return _fitted(model, _log_of_texts(model.names, design, parameters, rng), design, parameters, seed)


def _log_of_texts(
    names: Sequence[str], design: WeightDesign, parameters: Parameters, rng: np.random.Generator
) -> CompletionLog:
    """Texts whose log density under persona z is m_z · x plus a shared term; the model reports (m_z · x - b_z) / τ."""
    cell = np.repeat(np.arange(len(design.cells)), _TEXTS)
    weights = inverse_ilr(design.logits(parameters.latents))
    persona = (rng.random(len(cell))[:, None] > weights.cumsum(axis=1)[cell, :-1]).sum(axis=1)
    known = np.repeat(np.arange(len(names)), _REFERENCES)
    pure = rng.random(len(known)) < parameters.purity[known]
    others = (known + rng.integers(1, len(names), size=len(known))) % len(names)
    angles = 2 * np.pi * np.arange(len(names)) / len(names)
    means = 1.4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = means[np.concatenate([persona, np.where(pure, known, others)])] + rng.standard_normal(
        (len(cell) + len(known), 2)
    )
    values = (points @ means.T - parameters.offset) / parameters.temperature
    references = pd.DataFrame({"condition": "elicited", "question_id": "q1", "elicited_by": np.array(names)[known]})
    table = pd.concat([design.cells.iloc[cell], references], ignore_index=True)
    columns = [f"log_likelihood_{name}" for name in names]
    table[columns] = values - values.max() - 10
    table["completion"] = [f"text {number}" for number in range(len(table))]
    return read_completions(table, measurements=columns, contexts=["elicited_by"])


def _fitted(
    model: PersonaMixture, log: CompletionLog, design: WeightDesign, parameters: Parameters, seed: int
) -> Fitted:
    """The fit of a log, and all quantities of its posterior at the true parameters."""
    result = fit(model, log, seed=seed, **SETTINGS)
    if result.design.latents != design.latents or result.model.names != model.names:
        raise AssertionError("the fit has another model than the simulation")
    single = jax.tree.map(lambda value: np.asarray(value)[None, None], parameters)
    truth, draws = posterior_dataset(result.prepared, single), result.posterior
    if model.measurements:
        truth, draws = (_with_log_likelihood(each, result.prepared) for each in (truth, draws))
    return Fitted(truth, draws[list(truth)], tuple(check.name for check in result.failed))


def _with_log_likelihood(posterior: xr.Dataset, prepared: Prepared) -> xr.Dataset:
    probabilities = pattern_probabilities(prepared, parameters_of(posterior, prepared))
    values = special.xlogy(prepared.counts, probabilities).sum(axis=(-2, -1))
    return posterior.assign(log_likelihood=(("chain", "draw"), values))


def _rates(rng: np.random.Generator, seed: int) -> Fitted:
    """The rate model: four groups, six questions, 30 completions each."""
    groups, questions = len(CONDITIONS), len(QUESTIONS)
    prior, thresholds = rate_prior(questions), Thresholds()
    location = rng.normal(rng.normal(*prior.level), prior.location, groups)
    question_scale = rng.lognormal(np.log(prior.question[0]), prior.question[1])
    cell_scale = rng.lognormal(np.log(prior.cell[0]), prior.cell[1], groups)
    logits = location[:, None] + rng.normal(0, question_scale, questions)
    logits = logits + cell_scale[:, None] * rng.standard_normal(logits.shape)
    totals = np.full(logits.shape, 30)
    counts = EventCounts(
        groups=pd.DataFrame({"condition": CONDITIONS}),
        questions=tuple(QUESTIONS),
        events=rng.binomial(totals, special.expit(logits)),
        totals=totals,
        completions=totals.sum(axis=1),
        judged=np.ones(groups),
    )
    draws = fit_rates(counts, thresholds, seed=seed)
    failed = tuple(check.name for check in check_rates(rate_diagnostics(draws), thresholds) if not check.passed)
    own = {"logits": logits, "location": location, "cell_scale": cell_scale, "question_scale": question_scale}
    first = draws.isel(chain=[0], draw=[0])
    truth = first.assign({name: first[name].copy(data=np.reshape(own[name], first[name].shape)) for name in own})
    truth, draws = (
        each[list(own)].assign(rates_these=rates_in(each, "these"), rates_new=rates_in(each, "new"))
        for each in (truth, draws)
    )
    return Fitted(truth, draws, failed)


def _shipped(*names: str) -> list[Persona]:
    """Personas of the shipped set, without the evidence without which they would be left out."""
    shipped = persona_set("emergent-misalignment")
    return [dataclasses.replace(persona, evidence=None) for persona in shipped if persona.name in names]


def _cells(**levels: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(itertools.product(*levels.values()), columns=list(levels))


MODELS: dict[str, Callable[[np.random.Generator, int], Fitted]] = {
    "scores": _scores,
    "labels": _labels,
    "texts": _texts,
    "rates": _rates,
    "covariates": _covariates,
}
"""Every model takes the source of true values and log, and the seed of the fit."""
