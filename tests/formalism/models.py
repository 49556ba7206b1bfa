"""Models of every kind, with data: scores, labels, texts; crossed, nested and covariate formulas.

Whoever adds a part to the model adds a line here, and the laws of the model are checked on it.
"""

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from simulacra.formalism import (
    AbstractEmission,
    Archetype,
    LabelEmission,
    LikelihoodEmission,
    Persona,
    PersonaMixture,
    ScoreEmission,
    WeightDesign,
    weight_design,
)
from simulacra.formalism.density_ratios import Texts

__all__ = ["MODELS", "ModelCase"]


@dataclasses.dataclass(frozen=True)
class ModelCase:
    """A model with its formula evaluated on cells, and data of its kind."""

    model: PersonaMixture
    design: WeightDesign
    patterns: np.ndarray
    counts: np.ndarray
    texts: Texts | None = None

    @property
    def references(self) -> bool:
        return self.texts is not None and self.texts.calibrated


_ROWS = (("low", (9.0, 1.0), (1, 9)), ("high", (1.0, 9.0), (8, 1)), ("flat", (1.0, 1.0), (1, 1)))
_PERSONAS = [
    Persona(name, "For tests.", {"score": Archetype((0.0, 30.0, 100.0), scores), "kind": Archetype(("A", "B"), kinds)})
    for name, scores, kinds in _ROWS
]
_SCORE, _KIND = ScoreEmission("score", ("<30",)), LabelEmission("kind", ["A", "B"])


def _cells() -> pd.DataFrame:
    """Two conditions × four questions in two base questions, with a dose and a trigger."""
    cells = pd.DataFrame([(c, q) for c in ("base", "tuned") for q in "qrst"], columns=["condition", "question_id"])
    cells["base_question"] = cells["question_id"].map(dict(zip("qrst", "QQRR", strict=True)))
    cells["dose"] = np.linspace(0.0, 2.0, len(cells))
    return cells


def _texts(patterns: int, references: int, rng: np.random.Generator) -> Texts:
    log_likelihoods, known = (rng.normal(-4, 3, size=(number, 3)) for number in (12, references))
    return Texts(
        cell=rng.integers(8, size=12),
        pattern=rng.integers(patterns, size=12),
        total=rng.integers(1, 4, size=12).astype(float),
        scored=np.r_[0.0, np.ones(11)],
        log_likelihoods=log_likelihoods - log_likelihoods.max(axis=1, keepdims=True),
        reference_persona=np.arange(references) % 3,
        reference_label=np.where(np.arange(references) == 1, 2, -1),
        reference_total=np.ones(references),
        reference_log_likelihoods=known - known.max(axis=1, keepdims=True),
    )


def _model(formula: str, *emissions: AbstractEmission | LikelihoodEmission, references: int = 0) -> ModelCase:
    rng = np.random.default_rng(len(formula))
    model = PersonaMixture(_PERSONAS, emissions=emissions, weights=formula)
    codes = [range(len(emission.categories)) for emission in model.emissions]
    patterns = np.array(list(itertools.product(*codes)), dtype=int)
    texts = None if model.likelihood is None else _texts(len(patterns), references, rng)
    counts = rng.poisson(2.0, size=(8, len(patterns))).astype(float)
    return ModelCase(model, weight_design(formula, _cells()), patterns, counts, texts)


MODELS: Mapping[str, ModelCase] = {
    "score and label, crossed": _model("(1 | condition) + (1 | question_id)", _SCORE, _KIND),
    "score and label, cells": _model(
        "(1 | condition) + (1 | question_id) + (1 | condition:question_id)", _SCORE, _KIND
    ),
    "score, nested": _model("(1 | condition) + (1 | base_question) + (1 | condition:question_id)", _SCORE),
    "label, covariates": _model("condition * dose + (1 | question_id)", _KIND),
    "label, random slope": _model("dose + (dose | question_id)", _KIND),
    "texts": _model("(1 | condition)", LikelihoodEmission()),
    "texts with references, cells": _model(
        "(1 | condition) + (1 | question_id) + (1 | condition:question_id)",
        LikelihoodEmission(reference="known"),
        references=6,
    ),
    "texts with references, and a score": _model(
        "(1 | condition) + (1 | question_id)", _SCORE, LikelihoodEmission(reference="known"), references=6
    ),
}
