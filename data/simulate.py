"""Simulated logs with known true values: completions drawn from the mixture, for recovery studies and the demo."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.log import CompletionLog
from simulacra.data.reading.completions import read_completions
from simulacra.formalism.display import card, listing
from simulacra.formalism.emissions import AbstractEmission
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.prior import sample_prior
from simulacra.formalism.simplex import inverse_ilr
from simulacra.formalism.weights import WeightDesign

__all__ = ["Truth", "draw_truth", "simulate_log"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """Parameters that a log is simulated from.

    Attributes:
        cells: one row per cell, C of them, with columns ``condition``, ``question_id`` and any others.
        weights: persona weights of every cell, shape ``(C, K)``, rows sum to one.
        probabilities: category probabilities of every emission, shapes ``(K, J)``, rows sum to one.
    """

    cells: pd.DataFrame
    weights: np.ndarray
    probabilities: tuple[np.ndarray, ...]

    def __repr__(self) -> str:
        return card(
            f"Truth: weights of {self.weights.shape[1]} personas in {len(self.cells)} cells",
            f"conditions: {listing(self.cells['condition'].unique())}",
            f"emissions: categories {listing(table.shape[1] for table in self.probabilities)}",
            "next: simulate_log(model, truth, 40, seed=0), truth.condition_weights(model.names)",
        )

    def condition_weights(self, names: Sequence[str]) -> pd.DataFrame:
        """Weights averaged over cells, conditions × personas."""
        return pd.DataFrame(self.weights, columns=list(names)).groupby(self.cells["condition"].to_numpy()).mean()

    def rates(self, emissions: Sequence[AbstractEmission], outcome: Outcome) -> pd.Series:
        """Rate of an outcome with ``of="all"`` in every condition, eq. (7)."""
        event = outcome.numerator.probability(emissions, self.probabilities)
        return pd.Series(self.weights @ event).groupby(self.cells["condition"].to_numpy()).mean()


def draw_truth(model: PersonaMixture, design: WeightDesign, rng: np.random.Generator) -> Truth:
    """Draw all parameters from the prior of a model on the cells of a design."""
    parameters = sample_prior(model, design, rng)
    return Truth(design.cells, inverse_ilr(design.basis @ parameters.latents), parameters.probabilities)


def simulate_log(model: PersonaMixture, truth: Truth, completions: int, *, seed: int) -> CompletionLog:
    """Draw a log from the mixture: a persona for every completion, then its measurements.

    Args:
        model: the model; gives emissions and the names of personas.
        truth: parameters to simulate from.
        completions: number of completions per cell.
        seed: random seed.

    Returns:
        A log with a context column ``persona``, the persona that each completion was drawn from. Scores are uniform
        within their bin; no score equals a bin edge.
    """
    rng = np.random.default_rng(seed)
    cell = np.repeat(np.arange(len(truth.cells)), completions)
    persona = (rng.random(len(cell))[:, None] > truth.weights.cumsum(axis=1)[cell]).sum(axis=1)
    persona = np.minimum(persona, len(model.personas) - 1)
    table = truth.cells.iloc[cell].reset_index(drop=True)
    table["completion"] = [f"simulated completion {number}" for number in range(len(cell))]
    for emission, probabilities in zip(model.emissions, truth.probabilities, strict=True):
        code = (rng.random(len(cell))[:, None] > probabilities.cumsum(axis=1)[persona]).sum(axis=1)
        code = np.minimum(code, len(emission.categories) - 1)
        for part in emission.parts:
            table[part.measurement] = part.draw(emission.part_codes(part.measurement)[code], rng)
    table["persona"] = np.asarray(model.names)[persona]
    contexts = [str(name) for name in table if name not in ("completion", *model.columns)]
    contexts = [name for name in contexts if name not in ("condition", "question_id", "base_question")]
    return read_completions(table, measurements=list(model.columns), contexts=contexts)
