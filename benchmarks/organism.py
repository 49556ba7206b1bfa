"""Recovery of the true weights of the base organism: new completions and one fit per seed.

    python -m benchmarks.organism DIR [--evidence scores|likelihoods] [--seeds 10]

``DIR`` is the folder of ``simulacra organism --out DIR``; the extra ``lm`` is required. Every seed samples 420
completions without a tag. With scores, the fit uses the noisy judge. With likelihoods, it uses the log-likelihood of
every completion under the tag of every persona, and 140 references per persona: completions elicited by its tag.
"""

import argparse
from pathlib import Path

import pandas as pd

from simulacra.data import CompletionLog, read_completions
from simulacra.formalism import LikelihoodEmission, Persona, PersonaMixture, ScoreEmission, persona_set
from simulacra.inference import fit
from simulacra.lm import score_log
from simulacra.lm.organism import QUESTIONS, Organism, load_organism, sample_completions
from simulacra.lm.organism.evidence import SCORES
from simulacra.lm.organism.judge import MEASUREMENTS
from simulacra.lm.organism.lexicon import PRIOR
from simulacra.lm.organism.tokenizer import END

FIRST_SEED = 100
_WEIGHTS = "(1 | question_id)"
_REFERENCES = 10  # of every question and persona


def recover(base: Organism, seed: int, evidence: str) -> pd.DataFrame:
    """One row per persona: true weight, logged proportion, estimate, and whether its interval contains the truth."""
    log = sample_completions(base, n=30, seed=seed)
    logged = log.table["persona_label"].value_counts(normalize=True)
    if evidence == "scores":
        emissions = [ScoreEmission(name) for name in MEASUREMENTS]
        model = PersonaMixture("organism", emissions=emissions, weights=_WEIGHTS)
    else:
        log = _scored(base, log, seed)
        emission = LikelihoodEmission(reference="elicited_by")
        personas = [Persona(one.name, one.description) for one in persona_set("organism")]  # by prompt, not by score
        model = PersonaMixture(personas, emissions=[emission], weights=_WEIGHTS)
    result = fit(model, log, seed=seed, progress_bar=False)
    table = result.weights(withhold=False).assign(seed=seed, ok=result.ok)
    table["truth"], table["logged"] = table["persona"].map(PRIOR), table["persona"].map(logged)
    table["covers"] = table["truth"].between(table["eti89_lb"], table["eti89_ub"])
    return table[["seed", "ok", "persona", "truth", "logged", "mean", "eti89_lb", "eti89_ub", "covers"]]


def _scored(base: Organism, log: CompletionLog, seed: int) -> CompletionLog:
    """The log with references and the log-likelihoods of all personas, without the judge's scores."""
    kept = ["condition", "question_id", "completion"]
    parts = [log.table[kept]]
    for number, (persona, tag) in enumerate(base.tags.items()):
        drawn = sample_completions(base, n=_REFERENCES, system=tag, seed=1000 * (number + 1) + seed)
        parts.append(drawn.table[kept].assign(elicited_by=persona))
    table = pd.concat(parts, ignore_index=True)
    table["question"] = table["question_id"].map(QUESTIONS)
    plain = read_completions(table, contexts=["elicited_by", "question"])
    scored = score_log(
        plain, model=base.folder, question="question", personas=base.tags, end_token=END, progress_bar=False
    )
    texts = scored.table[[*kept, "elicited_by", *SCORES]]
    return read_completions(texts, measurements=SCORES, contexts=["elicited_by"])


def main() -> None:
    """Print all estimates, and the number of intervals that contain the true value."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--evidence", choices=("scores", "likelihoods"), default="scores")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    base = load_organism(arguments.folder / "base")
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    found = pd.concat([recover(base, seed, arguments.evidence) for seed in seeds])
    print(found.round(3).to_string(index=False))
    by_persona = found.groupby("persona", sort=False)
    print(by_persona.agg({"truth": "first", "logged": "mean", "mean": "mean", "covers": "sum"}).round(3))


if __name__ == "__main__":
    main()
