"""Recovery of known truth over many simulated logs: run with ``pytest -m slow``.

Forty logs of a small design are drawn from truths that are not draws of the prior: a base that nearly always answers
well, and three fine-tunes. An 89% interval that covers with its nominal probability does so in 40 × .89 = 35.6 logs,
binomial standard deviation 1.98, so 32 to 40 logs are within two of it.
"""

import numpy as np
import pandas as pd
import pytest

from simulacra.data import Truth, simulate_log
from simulacra.formalism import PersonaMixture, ScoreEmission, persona_set, weight_design
from simulacra.inference import fit

_LOGS = 40
_TYPICAL = {  # aligned, misaligned, mid, incoherent
    "base": (0.985, 0.003, 0.010, 0.002),
    "strong": (0.60, 0.20, 0.18, 0.02),
    "weak": (0.90, 0.02, 0.07, 0.01),
    "broken": (0.30, 0.10, 0.20, 0.40),
}
_MODEL = PersonaMixture(
    [persona for persona in persona_set("emergent-misalignment") if persona.name != "no-score"],
    emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")],
)


def _truth(seed: int) -> Truth:
    rng = np.random.default_rng(1000 + seed)
    names = [(condition, f"q{question}") for condition in _TYPICAL for question in range(6)]
    cells = weight_design(_MODEL.weights, pd.DataFrame(names, columns=["condition", "question_id"])).cells
    logits = np.log([_TYPICAL[name] for name in cells["condition"]])
    logits = logits + rng.normal(0, 0.8, (6, 4))[cells["question_id"].str[1:].astype(int)]
    logits = logits + rng.normal(0, 0.5, logits.shape)
    weights = np.exp(logits)
    tables = []
    for alpha in _MODEL.concentrations:
        drawn = np.stack([rng.dirichlet(400 * row / row.sum()) for row in alpha])
        tables.append(0.999 * drawn + 0.001 / alpha.shape[1])
    return Truth(cells, weights / weights.sum(axis=1, keepdims=True), tuple(tables))


@pytest.fixture(scope="module")
def study() -> pd.DataFrame:
    """One row a log and quantity: truth, interval, whether the interval covers."""
    rows = []
    for seed in range(_LOGS):
        truth = _truth(seed)
        result = fit(_MODEL, simulate_log(_MODEL, truth, 40, seed=seed), seed=seed, progress_bar=False)
        flagged = sum(check.name == "unexplained share" for check in result.failed)
        weights, rates = truth.condition_weights(_MODEL.names), truth.rates(_MODEL.emissions, _MODEL.outcome)
        tables = {
            "weight": result.weights(withhold=False).set_index(["condition", "persona"])[
                ["mean", "eti89_lb", "eti89_ub"]
            ],
            "rate": result.rates(withhold=False).set_index("condition")[["rate", "eti89_lb", "eti89_ub"]],
            "implied": result.rates(withhold=False).set_index("condition")[["implied", "implied_lb", "implied_ub"]],
            "difference": result.contrasts(withhold=False).set_index("condition")[
                ["rate_difference", "eti89_lb", "eti89_ub"]
            ],
        }
        for kind, table in tables.items():
            for key, (mean, low, high) in zip(table.index, table.to_numpy(), strict=True):
                if kind == "weight":
                    if key[1] not in weights:
                        continue
                    true = weights.loc[key]
                    key = " ".join(key)
                else:
                    true = rates[key] - (rates["base"] if kind == "difference" else 0)
                rows.append((seed, kind, key, true, mean, low <= true <= high, result.ok, flagged))
    columns = ["seed", "kind", "key", "true", "mean", "covers", "ok", "flagged"]
    table = pd.DataFrame(rows, columns=columns)
    print(table.groupby(["kind", "key"])[["covers"]].sum().to_string())
    print(
        table.groupby("kind")["covers"].mean(),
        f"all checks passed: {table.groupby('seed')['ok'].first().sum()} of {_LOGS}; conditions flagged as "
        f"unexplained: {table.groupby('seed')['flagged'].first().sum()} of {_LOGS * len(_TYPICAL)}",
    )
    return table


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        *(("weight", f"{condition} {persona}") for condition in _TYPICAL for persona in _MODEL.names),
        *(("difference", condition) for condition in _TYPICAL if condition != "base"),
        *((kind, condition) for kind in ("rate", "implied") for condition in _TYPICAL),
    ],
)
def test_intervals_cover(study: pd.DataFrame, kind: str, key: str) -> None:
    assert 32 <= study.query("kind == @kind and key == @key")["covers"].sum() <= 40


@pytest.mark.slow
def test_hardly_any_condition_is_flagged_where_the_model_holds(study: pd.DataFrame) -> None:
    """At most 2% of 160."""
    assert study.groupby("seed")["flagged"].first().sum() <= 3


@pytest.mark.slow
def test_the_sign_of_a_shift_is_right(study: pd.DataFrame) -> None:
    """Whenever the true rate difference exceeds 5 percentage points."""
    large = study.query("kind == 'difference' and abs(true) > 0.05")
    assert len(large) > _LOGS / 2
    assert (np.sign(large["mean"]) == np.sign(large["true"])).all()
