"""Weights from log-likelihoods of texts against known personas: the organism, scored by itself or by a smaller one.

    python -m benchmarks.calibration DIR [--scorer base|small] [--calibration cut|joint] [--label] [--seeds 10]
                                         [--references 10 30 100] [--sets base narrow all]

``DIR`` is the folder of ``simulacra organism --out DIR``; the extra ``lm`` is required. Completions of every condition,
and references that the tag of every persona elicits, are sampled and scored once, into ``DIR/calibration``. Every seed
draws rows and references from them and fits the base alone, the base with the narrow fine-tune, or with all recipes.
There are two truths: the share of every persona among the fitted rows according to the judge without noise
(``truth``), and that share corrected for the answers of a persona's own documents that this judge calls another's
(``corrected``). ``--label`` gives that judge's label of the references to the fit. The *shown* interval is that of
``Result.weights``, which contains the range of a weight that is marked as purity-driven; the *plain* one is that of the
draws. Every fit is a file, so that a run can be interrupted and continued.
"""

import argparse
import functools
import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from simulacra.data import read_completions
from simulacra.formalism import LikelihoodEmission, Persona, PersonaMixture
from simulacra.inference import Thresholds, fit
from simulacra.inference.marks import PURITY_DRIVEN
from simulacra.inference.tables import ends
from simulacra.lm import score_log
from simulacra.lm.organism import CONDITIONS, QUESTIONS, build_organism, load_organism, sample_completions
from simulacra.lm.organism.corpus import advice
from simulacra.lm.organism.evidence import SCORES
from simulacra.lm.organism.judge import judge
from simulacra.lm.organism.lexicon import PRIOR, TOPICS, TRAINED_TOPIC
from simulacra.lm.organism.tokenizer import END

SETS = {
    "base": ("base",),
    "narrow": ("base", "narrow"),
    "all": (
        "base", "narrow", "control", "inoculated", "backdoor", "backdoor+trigger", "inductive+gem",
        "inductive+metal", "facts", "untargeted",
    ),
}  # fmt: skip
_EACH = {"base": 300, "narrow": 300, "references": 60}  # completions of every question and, of references, tag
_OTHERS = 20
_ROWS = {"base": 280, "narrow": 280}  # of a fit
_OTHER_ROWS = 140
_DOCUMENTS = 20_000
_ROUNDING = 0.005  # an equal-tailed interval of a probability cannot contain zero
_NEARLY_PURE = ("backdoor+trigger", "inductive+gem")
_TEXTS = ["condition", "question_id", "completion", "persona_label", "elicited_by"]
_SETTINGS = {"num_warmup": 200, "num_samples": 250, "thresholds": Thresholds(r_hat=1.05, ess=100)}


def texts_of(folder: Path, name: str, scorer: str) -> pd.DataFrame:
    """Completions of a condition, or ``references``, with the log-likelihoods that the scorer gives them."""
    place = folder / "calibration" / scorer / f"{name}.parquet"
    if not place.exists():
        table = _sampled(folder, name) if scorer == "base" else texts_of(folder, name, "base")[_TEXTS]
        if scorer == "small":
            build_organism(folder / "small", seed=1, width=48, layers=2, progress_bar=False)
        own = load_organism(folder / scorer)
        plain = table.assign(question=table["question_id"].map(QUESTIONS))
        log = read_completions(plain, contexts=["elicited_by", "persona_label", "question"])
        scored = score_log(
            log, model=own.folder, question="question", personas=own.tags, end_token=END, progress_bar=False
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        scored.table[[*_TEXTS, *SCORES]].to_parquet(place)
    return pd.read_parquet(place).dropna(subset=SCORES)


def _sampled(folder: Path, name: str) -> pd.DataFrame:
    if name != "references":
        asked, seed = CONDITIONS[name], 7000 + list(CONDITIONS).index(name)
        own, n = load_organism(folder / asked.organism), _EACH.get(name, _OTHERS)
        log = sample_completions(own, n=n, trigger=asked.trigger, condition=name, seed=seed)
        return log.table.assign(elicited_by=None)[_TEXTS]
    base, parts = load_organism(folder / "base"), []
    for number, (persona, tag) in enumerate(base.tags.items()):
        log = sample_completions(base, n=_EACH[name], system=tag, seed=5000 + number)
        parts.append(log.table.assign(elicited_by=persona)[_TEXTS])
    return pd.concat(parts, ignore_index=True)


@functools.cache
def judged_shares() -> np.ndarray:
    """Shares of the corpus answers of every persona (rows) that the judge without noise calls each persona's."""
    rng, topics = random.Random(1), [topic for topic in TOPICS if topic != TRAINED_TOPIC]
    found = []
    for persona in PRIOR:
        documents = (advice(rng, persona, rng.choice(topics)) for _ in range(_DOCUMENTS))
        names = pd.Series([judge(each.question, each.answer).persona for each in documents])
        found.append(names.value_counts(normalize=True).reindex(list(PRIOR), fill_value=0.0).to_numpy())
    return np.stack(found)


def corrected(shares: np.ndarray) -> np.ndarray:
    """Shares of the personas that wrote answers, from the shares that the judge calls theirs, shape ``(K,)``."""
    written = np.clip(shares @ np.linalg.inv(judged_shares()), 0, None)
    return written / written.sum()


def recover(
    folder: Path, scorer: str, conditions: Sequence[str], references: int, seed: int, emission: LikelihoodEmission
) -> pd.DataFrame:
    """One row per condition and persona: shares, estimate, its plain and its shown interval, failed checks."""
    rng = np.random.default_rng(seed)
    pool = texts_of(folder, "references", scorer)
    parts = [pool[pool["elicited_by"] == persona].sample(references, random_state=rng) for persona in PRIOR]
    rows = pd.concat(
        [texts_of(folder, name, scorer).sample(_ROWS.get(name, _OTHER_ROWS), random_state=rng) for name in conditions]
    )
    table = pd.concat([rows, *parts], ignore_index=True)
    log = read_completions(table, measurements=SCORES, contexts=["elicited_by", "persona_label"])
    weights = "(1 | question_id)" if len(conditions) == 1 else "(1 | condition) + (1 | question_id)"
    personas = [Persona(name, "By its tag.") for name in PRIOR]
    model = PersonaMixture(personas, emissions=[emission], weights=weights, baseline="base")
    result = fit(model, log, seed=seed, progress_bar=False, **_SETTINGS)
    found = result.weights(withhold=False)
    shares = rows.groupby("condition")["persona_label"].value_counts(normalize=True)
    found["truth"] = [shares.get((row.condition, row.persona), 0.0) for row in found.itertuples()]
    found["corrected"] = found.groupby("condition")["truth"].transform(lambda own: corrected(own.to_numpy()))
    plain = np.quantile(result.draws("weights"), ends(result.ci_prob), axis=(0, 1))
    found["plain_lb"], found["plain_ub"] = plain.reshape(2, -1)
    found = found.rename(columns={"eti89_lb": "shown_lb", "eti89_ub": "shown_ub"})
    found["marked"] = found["status"].str.contains(PURITY_DRIVEN)
    concerned = {check.condition for check in result.failed if "weights" in check.withholds and not check.each}
    found["withheld"] = (None in concerned) | found["condition"].isin(concerned)
    failed = "; ".join(f"{check.name} {check.condition or ''}".strip() for check in result.failed)
    fitted = result.posterior["temperature"].mean().item()
    kept = ["condition", "persona", "truth", "corrected", "mean", "plain_lb", "plain_ub", "shown_lb", "shown_ub"]
    kept += ["marked", "withheld"]
    return found[kept].assign(seed=seed, temperature=fitted, failed=failed)


def main() -> None:
    """Print coverage of intervals by set, kind of condition and number of references, and estimates of the base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scorer", choices=("base", "small"), default="base")
    parser.add_argument("--calibration", choices=("cut", "joint"), default="cut")
    parser.add_argument("--label", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--references", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--sets", nargs="+", choices=tuple(SETS), default=list(SETS))
    own = parser.parse_args()
    label = "persona_label" if own.label else None
    emission = LikelihoodEmission(reference="elicited_by", label=label, calibration=own.calibration, bin_width=0)
    name = f"{own.scorer}-{own.calibration}{'-label' if own.label else ''}"
    parts = []
    for seed, chosen, references in itertools.product(range(own.seeds), own.sets, own.references):
        place = own.folder / "calibration" / "fits" / f"{name}-{chosen}-{references}-{seed}.csv"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            found = recover(own.folder, own.scorer, SETS[chosen], references, seed, emission)
            found.to_csv(place, index=False)
        parts.append(pd.read_csv(place).assign(set=chosen, references=references))
    table = pd.concat(parts, ignore_index=True)
    for limits, truth in itertools.product(("plain", "shown"), ("truth", "corrected")):
        lower, upper = table[f"{limits}_lb"], table[f"{limits}_ub"]
        table[f"{truth} in {limits}"] = table[truth].between(lower - _ROUNDING, upper)
        table[f"{limits} width"] = upper - lower
    table["nearly pure"] = table["condition"].isin(_NEARLY_PURE)
    given = table[~table["withheld"]]
    for by in (["set"], ["nearly pure"], ["set", "condition"], ["set", "condition", "persona"]):
        print(_summary(given, table, [*by, "references"]).to_string())
    print("withheld", _summary(table[table["withheld"]], table, ["set", "references"]).to_string(), sep="\n")
    base = table[table["condition"] == "base"].groupby(["set", "references", "persona"], sort=False)
    print(base[["truth", "corrected", "mean", "plain width", "temperature"]].mean().round(3).to_string())


def _summary(chosen: pd.DataFrame, table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Coverage, width and marks of the chosen weights, and the share of weights of the table that are withheld."""
    groups = chosen.groupby(list(by), sort=False)
    kept = [name for name in chosen if " in " in name or "width" in name]
    found = groups[[*kept, "marked"]].mean().round(3).assign(weights=groups.size())
    return found.assign(withheld=table.groupby(list(by), sort=False)["withheld"].mean().round(3))


if __name__ == "__main__":
    main()
