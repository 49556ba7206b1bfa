"""Logits of new cells: those of fitted cells are the fitted ones, effects of new levels come from their prior."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from simulacra.formalism import InputError
from simulacra.formalism.new_cells import logits_of_new_cells
from simulacra.formalism.weights import WeightDesign, weight_design

_COLUMNS = ["condition", "dose", "trigger", "question_id"]
CELLS = pd.DataFrame(
    [
        (condition, dose, trigger, f"q{question}")
        for (condition, dose), trigger, question in itertools.product(
            [("base", 0.0), ("low", 1.0), ("high", 4.0)], ["off", "on"], range(3)
        )
    ],
    columns=_COLUMNS,
)
FORMULAS = [
    "dose",
    "scale(dose) * trigger + (1 | question_id)",
    "np.log1p(dose) + (trigger | question_id) + (1 | condition)",
    "trigger + (0 + dose | question_id) + (1 | condition:question_id)",
    "(1 | condition) + (1 | question_id)",
]


def _latents(design: WeightDesign, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(design.basis.shape[1], 2)), np.exp(rng.normal(size=len(design.terms)))


@pytest.mark.parametrize("formula", FORMULAS)
def test_fitted_cells_have_the_fitted_logits(formula: str, rng: np.random.Generator) -> None:
    design = weight_design(formula, CELLS)
    latents, scales = _latents(design, rng)
    chosen = np.array([7, 0, 7, 12])
    drawn = logits_of_new_cells(design, CELLS.iloc[chosen].reset_index(drop=True))(latents, scales, rng)
    np.testing.assert_allclose(drawn, (design.basis @ latents)[chosen], atol=1e-12)


@pytest.mark.parametrize(
    ("formula", "plain", "computed"),
    [
        ("np.log((dose + 1) * 2) + (1 | question_id)", "computed + (1 | question_id)", lambda x: np.log((x + 1) * 2)),
        ("I(dose - (1 - dose)**(2*1)) + (1 | trigger)", "computed + (1 | trigger)", lambda x: x - (1 - x) ** 2),
        ("(I((dose + 1) / 2) | question_id)", "(computed | question_id)", lambda x: (x + 1) / 2),
        ("`my dose` * trigger + (1 | `a question`)", "dose * trigger + (1 | question_id)", abs),
        ("np.log1p(`my dose`) + (0 + `my dose` | trigger)", "np.log1p(dose) + (0 + dose | trigger)", abs),
    ],
)
def test_formulas_are_evaluated_as_they_are_written(
    formula: str, plain: str, computed: Callable[[pd.Series], pd.Series], rng: np.random.Generator
) -> None:
    """With parentheses and backticks, also when the formula of the design is read again."""
    names = {"my dose": CELLS["dose"], "a question": CELLS["question_id"]}
    cells = CELLS.assign(computed=computed(CELLS["dose"]), **names)
    design, expected = weight_design(formula, cells), weight_design(plain, cells)
    for found in (design, weight_design(design.formula, cells)):
        np.testing.assert_allclose(found.basis, expected.basis)
    latents, scales = _latents(design, rng)
    drawn = logits_of_new_cells(design, cells)(latents, scales, rng)
    np.testing.assert_allclose(drawn, design.basis @ latents, atol=1e-12)


@pytest.mark.parametrize("formula", FORMULAS)
def test_moments_are_those_of_the_draws(formula: str, rng: np.random.Generator) -> None:
    design = weight_design(formula, CELLS)
    latents, scales = _latents(design, rng)
    new = logits_of_new_cells(design, CELLS.assign(question_id=["q0", "q8", "q9"] * 6))
    drawn = new(np.broadcast_to(latents, (8000, *latents.shape)), np.broadcast_to(scales, (8000, len(scales))), rng)
    spread = np.sqrt(new.variance(scales))[:, None]
    assert (np.abs(drawn.mean(axis=0) - new.mean(latents)) <= 5 * spread / np.sqrt(8000) + 1e-9).all()
    np.testing.assert_allclose(drawn.std(axis=0), np.broadcast_to(spread, drawn.shape[1:]), rtol=0.05, atol=1e-9)


def test_terms_that_differ_in_parentheses_only_are_refused() -> None:
    with pytest.raises(InputError, match="two terms differ in parentheses only"):
        weight_design("I((dose + 1) * 2) + I(dose + 1 * 2)", CELLS)


def test_a_covariate_may_have_a_value_that_was_not_logged(rng: np.random.Generator) -> None:
    """A standardised covariate is standardised as in the fit."""
    design = weight_design("scale(dose) + (1 | question_id)", CELLS)
    latents, scales = _latents(design, rng)
    new = pd.DataFrame({"dose": [2.0, 16.0], "question_id": ["q1", "q1"]})
    logits = logits_of_new_cells(design, new)(latents, scales, rng)
    labels = list(design.latents)
    standard = (np.array([2.0, 16.0]) - CELLS["dose"].mean()) / CELLS["dose"].std(ddof=0)
    slope, rest = latents[labels.index("scale(dose)")], latents[labels.index("Intercept")]
    question = latents[labels.index("1|question_id[q1]")]
    np.testing.assert_allclose(logits, rest + question + np.outer(standard, slope), atol=1e-12)


@pytest.mark.parametrize(
    ("formula", "cells", "message"),
    [
        (
            "dose",
            {"condition": ["ft"]},
            r"'dose': the new cells have no values of 'dose'; expected a value of dose",
        ),
        ("dose", {"dose": [None]}, "no values of 'dose'"),
        (
            "trigger",
            {"trigger": ["never"]},
            r"cannot be predicted \(The levels \(never\) in 'trigger'.*'\(1 \| colu",
        ),
    ],
)
def test_what_cannot_be_predicted_is_refused_with_a_reason(formula: str, cells: dict, message: str) -> None:
    design = weight_design(formula, CELLS)
    with pytest.raises(ValueError, match=message):
        logits_of_new_cells(design, pd.DataFrame(cells))
