"""Does a fit find the true weights of the base organism? Fresh completions, one fit for every seed.

``python -m benchmarks.organism DIR`` with the folder of ``simulacra organism --out DIR``; needs the extra ``lm``.
"""

import sys
from pathlib import Path

import pandas as pd

from simulacra.data.organism import load_organism, sample_completions
from simulacra.data.organism.judge import MEASUREMENTS
from simulacra.data.organism.lexicon import PRIOR
from simulacra.formalism import PersonaMixture, ScoreEmission
from simulacra.inference import fit

SEEDS = range(100, 110)


def recover(folder: Path) -> pd.DataFrame:
    """One row for every seed and persona: true weight, share that spoke, estimate, and whether it covers the truth."""
    base = load_organism(folder / "base")
    emissions = [ScoreEmission(name) for name in MEASUREMENTS]
    model = PersonaMixture("organism", emissions=emissions, weights="(1 | question_id)")
    tables = []
    for seed in SEEDS:
        log = sample_completions(base, n=30, seed=seed)
        result = fit(model, log, seed=seed, progress_bar=False)
        spoke = log.table["persona_label"].value_counts(normalize=True)
        table = result.weight_table(withhold=False).assign(seed=seed, ok=result.ok)
        table["truth"], table["spoke"] = table["persona"].map(PRIOR), table["persona"].map(spoke)
        tables.append(table)
    found = pd.concat(tables)
    found["covers"] = found["truth"].between(found["eti89_lb"], found["eti89_ub"])
    return found[["seed", "ok", "persona", "truth", "spoke", "mean", "eti89_lb", "eti89_ub", "covers"]]


if __name__ == "__main__":
    found = recover(Path(sys.argv[1]))
    print(found.round(3).to_string(index=False))
    by_persona = found.groupby("persona", sort=False)
    print(by_persona.agg({"truth": "first", "spoke": "mean", "mean": "mean", "covers": "sum"}).round(3))
