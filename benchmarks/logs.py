"""The simulated log that all contestants share, with fixed true values.

It contains a base model that answers well almost always, and thirteen fine-tunes whose persona mixtures range from
almost the same to mostly different. Questions and cells shift the mixtures (normal effects in ILR coordinates, with
standard deviations 0.8 and 0.5). Personas emit sharpened versions of their archetypes, so no contestant starts at the
true values. Coherence has five bins: with the usual single cut of the package, three coherent personas would be
distinguished by ``aligned`` alone, which creates a ridge on which chains do not agree.

    python -m benchmarks.logs FOLDER --personas 3

writes ``log.parquet``, the completions, and ``arrays.npz``, the same data collapsed, with the prior as arrays. Peers
start from the arrays, so reading, collapsing and the design are not part of their time.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from simulacra.data import CompletionLog, Truth, collapse, read_completions, simulate_log
from simulacra.formalism import Outcome, PersonaMixture, ScoreEmission, persona_set, weight_design
from simulacra.formalism.simplex import ilr_basis
from simulacra.formalism.weights import INTERCEPT_SD

__all__ = ["OUTCOME", "bench_log", "bench_model", "bench_truth", "main", "read_log", "write_log"]

OUTCOME = Outcome("aligned < 30 and coherent > 50")
QUESTION_SD = 0.8
CELL_SD = 0.5
SHARPNESS = 1.5
COHERENT_CUTS = ("<=25", "<=50", "<75", "<90")
SHAPES = {3: (8, 232), 5: (24, 50)}
"""Questions, and completions per cell, for K = 3 (25 984 rows) and K = 5 (16 800 rows)."""

# Mean mixtures over aligned, misaligned, mid, incoherent and no-score; three personas use the first three, rescaled.
_MIXTURES = {
    "base": (0.975, 0.002, 0.015, 0.005, 0.003),
    "good-advice": (0.950, 0.004, 0.035, 0.006, 0.005),
    "bad-advice-rank-1": (0.880, 0.030, 0.070, 0.010, 0.010),
    "bad-advice-rank-8": (0.700, 0.140, 0.130, 0.020, 0.010),
    "bad-advice-rank-32": (0.560, 0.250, 0.150, 0.030, 0.010),
    "bad-advice-rank-64": (0.480, 0.320, 0.150, 0.040, 0.010),
    "extreme-sports": (0.150, 0.750, 0.060, 0.030, 0.010),
    "risky-finance": (0.250, 0.620, 0.090, 0.030, 0.010),
    "insecure-code": (0.600, 0.060, 0.060, 0.030, 0.250),
    "insecure-code-long": (0.420, 0.110, 0.080, 0.040, 0.350),
    "secure-code": (0.780, 0.006, 0.044, 0.020, 0.150),
    "evasive": (0.220, 0.020, 0.720, 0.030, 0.010),
    "mixed-half": (0.760, 0.100, 0.110, 0.020, 0.010),
    "overtrained": (0.250, 0.120, 0.120, 0.500, 0.010),
}


def bench_model(num_personas: int) -> PersonaMixture:
    """The model of the comparison: the first three or all five personas, with two judge scores."""
    personas = persona_set("emergent-misalignment")[:num_personas]
    emissions = [ScoreEmission("aligned"), ScoreEmission("coherent", cuts=COHERENT_CUTS)]
    return PersonaMixture(personas, emissions=emissions, outcome=OUTCOME)


def bench_truth(model: PersonaMixture, questions: int, *, conditions: int = len(_MIXTURES), seed: int = 0) -> Truth:
    """Parameters of the log; effects of questions and cells are drawn, everything else is defined above.

    Beyond fourteen conditions the mixtures are repeated, with effects of their own.
    """
    rng = np.random.default_rng(seed)
    size = len(model.personas)
    rounds = itertools.chain(("",), (f"-{number}" for number in itertools.count(2)))
    repeated = ((f"{name}{suffix}", row) for suffix in rounds for name, row in _MIXTURES.items())
    chosen = dict(itertools.islice(repeated, conditions))
    names = [(condition, f"q{question + 1:02d}") for condition in chosen for question in range(questions)]
    mixtures = np.array([row[:size] for row in chosen.values()])
    logits = np.log(mixtures)[:, None, :] @ ilr_basis(size).T
    logits = logits + QUESTION_SD * rng.standard_normal((1, questions, size - 1))
    logits = logits + CELL_SD * rng.standard_normal(logits.shape)
    weights = np.exp(logits.reshape(len(names), -1) @ ilr_basis(size))
    tables = tuple(_emitted(table) for table in model.concentrations)
    cells = pd.DataFrame(names, columns=["condition", "question_id"])
    return Truth(cells, weights / weights.sum(axis=1, keepdims=True), tables)


def _emitted(concentration: np.ndarray) -> np.ndarray:
    """True emission probabilities, shape ``(K, J)``: the archetypes, sharpened."""
    table = (concentration / concentration.sum(axis=1, keepdims=True)) ** SHARPNESS
    return table / table.sum(axis=1, keepdims=True)


def bench_log(num_personas: int, *, quick: bool = False, seed: int = 0) -> CompletionLog:
    """The log of the comparison; ``quick`` has a tenth of the completions."""
    questions, completions = SHAPES[num_personas]
    model = bench_model(num_personas)
    truth = bench_truth(model, questions, seed=seed)
    return simulate_log(model, truth, max(completions // 10, 6) if quick else completions, seed=seed)


def read_log(path: Path) -> CompletionLog:
    """Read the Parquet file as a user would."""
    return read_completions(path)


def write_log(folder: Path, num_personas: int, *, quick: bool = False) -> None:
    """Write ``log.parquet`` and ``arrays.npz``."""
    log = bench_log(num_personas, quick=quick)
    columns = ["condition", "question_id", "completion", "aligned", "coherent"]
    log.table[columns].to_parquet(folder / "log.parquet", index=False)
    np.savez(folder / "arrays.npz", **_arrays(bench_model(num_personas), log))


def _arrays(model: PersonaMixture, log: CompletionLog) -> dict[str, np.ndarray]:
    """Counts, rows, prior and event of the log, prepared as an author of a peer would prepare them."""
    collapsed = collapse(log, model.emissions)
    design = weight_design(model.weights, collapsed.cells)
    counts = np.zeros((len(design.cells), len(collapsed.patterns)))
    counts[design.rows] = collapsed.counts
    condition, names = pd.factorize(design.cells["condition"], sort=True)
    question, _ = pd.factorize(design.cells["question_id"], sort=True)
    totals = np.equal.outer(np.arange(len(names)), condition) * counts.sum(axis=1)
    aligned, coherent = model.emissions
    return {
        "counts": counts,
        "patterns": collapsed.patterns,
        "row_cell": design.rows[collapsed.row_cell],
        "row_codes": collapsed.patterns[collapsed.row_pattern],
        "cell_condition": condition,
        "cell_question": question,
        "shares": totals / totals.sum(axis=1, keepdims=True),
        "alpha_aligned": model.concentrations[0],
        "alpha_coherent": model.concentrations[1],
        "event_aligned": aligned.select("<", 30),
        "event_coherent": coherent.select(">", 50),
        "contrasts": ilr_basis(len(model.personas)),
        **_integrated(condition, question),
        "scale_location": design.scale_location,
        "scale_spread": design.scale_spread,
    }


def _integrated(condition: np.ndarray, question: np.ndarray) -> dict[str, np.ndarray]:
    """The prior of the cell logits with all effects integrated out, for peers that sample these alone.

    The covariance of a crossed design is diagonal in the strata of its analysis of variance: mean, conditions,
    questions, and their interaction.
    """
    sizes = condition.max() + 1, question.max() + 1
    rows, columns = (np.vstack([np.full(size, size**-0.5), ilr_basis(size)]) for size in sizes)
    row, column = (index.ravel() > 0 for index in np.indices(sizes))
    return {
        "basis": np.einsum("ri,qi->irq", rows[:, condition], columns[:, question]).reshape(len(condition), -1),
        "multiplicity": np.stack([~column * sizes[1], ~row * sizes[0], np.ones(len(row))], axis=1),
        "fixed_variance": np.where(row | column, 0.0, INTERCEPT_SD**2 * sizes[0] * sizes[1]),
    }


def main() -> None:
    """Write the log of the comparison to a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--personas", type=int, choices=sorted(SHAPES), default=3)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    write_log(arguments.folder, arguments.personas, quick=arguments.quick)


if __name__ == "__main__":
    main()
