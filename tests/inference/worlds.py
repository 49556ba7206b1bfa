"""Simulated logs on which rates without personas are right and the weights of personas are not, or are hard to find.

In :func:`departed`, one condition behaves as no mixture of the personas does: its misaligned answers are less severe,
the judge shifts or scatters its scores, or the two judges depend on one another. In :func:`own_emissions`, every
condition has emissions of its own. In :func:`heavy_tailed_roles`, a few of many roles carry the effect. In
:func:`unspecific`, the personas hold, but they lie far from archetypes that are hardly more than a hint.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy import special

from simulacra.data import CompletionLog, Truth, read_completions, simulate_log
from simulacra.formalism import PersonaMixture, ScoreEmission, persona_set

__all__ = [
    "DEPARTURES",
    "coherent_model",
    "departed",
    "drifted",
    "heavy_tailed_roles",
    "milder",
    "own_emissions",
    "unspecific",
    "usual_model",
]

Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]
"""Takes the completions of one condition with the column ``persona``, and returns them with other scores."""


def usual_model() -> PersonaMixture:
    """Aligned, misaligned, mid and incoherent."""
    personas = [own for own in persona_set("emergent-misalignment") if own.name != "no-score"]
    return PersonaMixture(personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])


def coherent_model(concentration: float) -> PersonaMixture:
    """Four coherent personas, all archetypes of the same concentration, in pseudo-completions."""
    personas = [
        dataclasses.replace(
            own,
            scores={name: dataclasses.replace(each, concentration=concentration) for name, each in own.scores.items()},
        )
        for own in persona_set("emergent-misalignment-6")
        if own.name not in ("incoherent", "no-score")
    ]
    return PersonaMixture(personas, emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])


def _truth(
    mixtures: Mapping[str, tuple[float, ...]],
    questions: int,
    tables: tuple[np.ndarray, ...],
    rng: np.random.Generator,
    *,
    question_sd: float = 0.0,
    cell_sd: float = 0.0,
) -> Truth:
    """Weights with normal effects of question and cell on their logs."""
    cells = pd.DataFrame(
        [(condition, f"q{number}") for condition in mixtures for number in range(questions)],
        columns=["condition", "question_id"],
    )
    size = len(next(iter(mixtures.values())))
    of_question = question_sd * rng.standard_normal((questions, size))
    logits = np.log([mixtures[name] for name in cells["condition"]]) + np.tile(of_question, (len(mixtures), 1))
    weights = special.softmax(logits + cell_sd * rng.standard_normal(logits.shape), axis=1)
    return Truth(cells, weights, tables)


def _sharpened(model: PersonaMixture, power: float = 1.5) -> list[np.ndarray]:
    """Emission probabilities near the archetypes, whose large probabilities are larger."""
    tables = [(alpha / alpha.sum(axis=1, keepdims=True)) ** power for alpha in model.concentrations]
    return [table / table.sum(axis=1, keepdims=True) for table in tables]


# --- one condition departs ------------------------------------------------------------------------------------------

_ADVICE = {  # aligned, misaligned, mid, incoherent
    "base": (0.950, 0.010, 0.035, 0.005),
    "good": (0.925, 0.020, 0.045, 0.010),
    "mild": (0.740, 0.150, 0.090, 0.020),
    "more": (0.550, 0.300, 0.120, 0.030),
    "most": (0.300, 0.500, 0.160, 0.040),
    "bad": (0.500, 0.300, 0.170, 0.030),
}


def _less_severe(points: float) -> Change:
    def change(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        del rng
        raised = np.minimum(frame["aligned"] + points, 99.5)
        return frame.assign(aligned=frame["aligned"].where(frame["persona"] != "misaligned", raised))

    return change


def _shifted(share: float) -> Change:
    def change(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        chosen = rng.random(len(frame)) < share
        return frame.assign(aligned=frame["aligned"].where(~chosen, np.maximum(frame["aligned"] - 10, 0.5)))

    return change


def _scattered(share: float) -> Change:
    def change(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        chosen = rng.random(len(frame)) < share
        return frame.assign(aligned=frame["aligned"].where(~chosen, rng.uniform(0, 100, len(frame))))

    return change


def _dependent(share: float) -> Change:
    """The lowest alignment scores of misaligned answers come with low coherence, in a share of them."""

    def change(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        low = (frame["persona"] == "misaligned") & (frame["aligned"] < 20) & (rng.random(len(frame)) < share)
        return frame.assign(coherent=frame["coherent"].where(~low, 30.0))

    return change


DEPARTURES: dict[str, Change] = {
    "none": lambda frame, rng: frame,
    "misaligned answers score 10 points higher": _less_severe(10),
    "misaligned answers score 20 points higher": _less_severe(20),
    "a third of all scores are one bin lower": _shifted(1 / 3),
    "all scores are one bin lower": _shifted(1.0),
    "a quarter of all scores are random": _scattered(0.25),
    "half of the lowest scores are incoherent": _dependent(0.5),
}
"""Changes of the condition ``bad``."""


def departed(change: Change, completions: int, seed: int) -> tuple[PersonaMixture, CompletionLog]:
    """A base model and five fine-tunes, four questions; ``bad`` departs from the model, the others do not.

    More conditions than personas: otherwise personas can be found that describe all of them, whatever they do.
    """
    model, rng = usual_model(), np.random.default_rng([seed, completions])
    truth = _truth(_ADVICE, 4, tuple(_sharpened(model)), rng, question_sd=0.5, cell_sd=0.3)
    table = simulate_log(model, truth, completions, seed=seed).table
    own = table["condition"] == "bad"
    changed = pd.concat([table[~own], change(table[own], rng)])
    return model, read_completions(changed[["condition", "question_id", "completion", *model.measurements]])


def drifted(frame: pd.DataFrame) -> pd.DataFrame:
    """In one condition the judge drops every score by one bin."""
    own = frame["condition"] == "mild"
    return frame.assign(aligned=np.where(own, np.maximum(frame["aligned"] - 10, 0), frame["aligned"]))


def milder(frame: pd.DataFrame) -> pd.DataFrame:
    """In one condition, what is misaligned is half as severe: many of its scores no longer count as an event."""
    own = (frame["condition"] == "bad") & (frame["aligned"] < 30)
    return frame.assign(aligned=np.where(own, frame["aligned"] + 22, frame["aligned"]))


# --- every condition has emissions of its own -----------------------------------------------------------------------

_OWN = {  # aligned, misaligned, mid, incoherent
    "base": (0.90, 0.02, 0.06, 0.02),
    "a": (0.62, 0.17, 0.17, 0.04),
    "b": (0.66, 0.01, 0.30, 0.03),
}


def own_emissions(
    seed: int, certainty: float | None = None, completions: int = 300
) -> tuple[PersonaMixture, CompletionLog, pd.Series]:
    """Three conditions, four questions; every condition draws its emissions around the same ones.

    Args:
        seed: random seed.
        certainty: concentration of the Dirichlet distribution that they are drawn from; by default 6, 12 or 25.
        completions: completions per question.

    Returns:
        The model, the log, and the true rates on these questions, by condition.
    """
    model, rng = usual_model(), np.random.default_rng([seed, 99])
    certainty = float(rng.choice([6, 12, 25])) if certainty is None else certainty
    whole = _truth(_OWN, 4, (), rng, question_sd=0.5, cell_sd=0.2)
    parts, rates = [], []
    for number, condition in enumerate(_OWN):
        own = (whole.cells["condition"] == condition).to_numpy()
        tables = [
            np.stack([rng.dirichlet(certainty * row + 0.05) for row in table]) for table in _sharpened(model, 1.6)
        ]
        truth = Truth(whole.cells[own].reset_index(drop=True), whole.weights[own], tuple(tables))
        parts.append(simulate_log(model, truth, completions, seed=10 * seed + number).table)
        rates.append(truth.rates(model.emissions, model.outcome))
    table = pd.concat(parts)[["condition", "question_id", "completion", *model.measurements]]
    return model, read_completions(table), pd.concat(rates)


# --- the personas hold ----------------------------------------------------------------------------------------------

_MIXTURES = {  # aligned, misaligned, low-mid, soft-aligned
    "base": (0.95, 0.01, 0.01, 0.03),
    "advice": (0.55, 0.20, 0.12, 0.13),
    "sports": (0.30, 0.40, 0.20, 0.10),
    "finance": (0.70, 0.10, 0.10, 0.10),
}


def unspecific(model: PersonaMixture, completions: int, seed: int) -> tuple[Truth, CompletionLog]:
    """Four conditions and four questions without effects; the personas are far from their archetypes."""
    rng = np.random.default_rng(seed)
    tables = [np.stack([rng.dirichlet(10 * row / row.sum() + 0.05) for row in own]) for own in model.concentrations]
    truth = _truth(_MIXTURES, 4, tuple(0.999 * own + 0.001 / own.shape[1] for own in tables), rng)
    return truth, simulate_log(model, truth, completions, seed=seed)


def heavy_tailed_roles(seed: int, roles: int = 26, completions: int = 20) -> tuple[pd.DataFrame, np.ndarray]:
    """A base model and a fine-tune in 26 roles with three framings each; effects of roles have two degrees of freedom.

    Returns:
        The completions, and the true rates of both conditions in every role, shape ``(2, roles)``.
    """
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(roles)
    logits = np.stack([-6.0 + common, -3.5 + common + 1.5 * rng.standard_t(2, roles)])
    rates = special.expit(logits[:, :, None] + np.array([-0.5, 0.0, 0.5]))
    rows = [
        (condition, f"role{role}-framing{framing}", f"role{role}", 5.0 if low else 95.0, 90.0)
        for number, condition in enumerate(("base", "tuned"))
        for role in range(roles)
        for framing in range(3)
        for low in rng.random(completions) < rates[number, role, framing]
    ]
    frame = pd.DataFrame(rows, columns=["condition", "question_id", "base_question", "aligned", "coherent"])
    return frame.assign(completion=[f"answer {number}" for number in range(len(frame))]), rates.mean(axis=2)
