"""Coverage of weights from log-likelihoods in simulated logs, with texts like the references and with shifted ones.

    python -m benchmarks.shifted_texts FOLDER [--logs 100] [--calibration cut joint] [--shift 0 2.5]

Every log has two conditions of 150 texts and 30 references of each of three personas. The calibration is drawn from its
prior, and weights from a logistic normal. Texts are points in the plane, x ~ N(m_z, 1), for which log density ratios
are linear. ``--shift`` moves the texts of the second condition away from those of its personas; only the weights of the
first condition count then. Every log is a file in the folder, so that a run can be interrupted and continued.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import jax
import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from simulacra.data import CompletionLog, read_completions
from simulacra.formalism import LikelihoodEmission, Persona, PersonaMixture
from simulacra.formalism.prior import calibrated
from simulacra.inference.calibration import calibration_statistics
from simulacra.inference.posterior import average_weights
from simulacra.inference.prepare import prepare
from simulacra.inference.purity import purity_sensitivity
from simulacra.inference.sampling.problem import make_problem
from simulacra.inference.sampling.sample import Settings, find_modes, sample_posterior
from simulacra.inference.tables import CI_PROB, ends

_NAMES, _CONDITIONS = ("helper", "villain", "pirate"), ("base", "tuned")
_MEANS = 1.6 * np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
_ROWS, _REFERENCES = 150, 30
_SETTINGS = Settings(0, 200, 200, 4, "hmc", "vectorized", 0.9, 10)


def model_of(calibration: Literal["cut", "joint"]) -> PersonaMixture:
    """Three personas and two conditions."""
    emission = LikelihoodEmission(reference="elicited_by", calibration=calibration, bin_width=0)
    return PersonaMixture(
        [Persona(name, "By its prompt.") for name in _NAMES], emissions=[emission], weights="(1 | condition)"
    )


def simulate(shift: float, seed: int) -> tuple[CompletionLog, np.ndarray]:
    """A log, and the true weights of its conditions, shape ``(2, 3)``."""
    rng = np.random.default_rng(seed)
    emission = LikelihoodEmission()
    (mean, sd), (purity, purity_sd) = emission.temperature_prior, emission.purity_prior
    location, spread = np.array([mean, 0, 0, *[purity] * 3]), np.array([sd, 2, 2, *[purity_sd] * 3])
    temperature, offset, pure = calibrated(location + spread * rng.standard_normal(6), 3)
    weights = special.softmax(rng.normal(0, 1.5, size=(2, 3)), axis=1)
    persona = [rng.choice(3, size=_ROWS, p=own) for own in weights]
    for number in range(3):
        others = np.where(np.arange(3) == number, pure[number], (1 - pure[number]) / 2)
        persona.append(rng.choice(3, size=_REFERENCES, p=others))
    labels = [*((name, None) for name in _CONDITIONS), *(("elicited", name) for name in _NAMES)]
    tables = []
    for (condition, elicited), own in zip(labels, persona, strict=True):
        points = _MEANS[own] + rng.standard_normal((len(own), 2)) + (condition == "tuned") * np.array([0.0, shift])
        values = (points @ _MEANS.T - offset) / temperature
        table = pd.DataFrame(values - values.max() - 10, columns=[f"log_likelihood_{name}" for name in _NAMES])
        tables.append(table.assign(condition=condition, question_id="q", elicited_by=elicited))
    table = pd.concat(tables, ignore_index=True)
    table["completion"] = [f"text {number}" for number in range(len(table))]
    measurements = [f"log_likelihood_{name}" for name in _NAMES]
    return read_completions(table, measurements=measurements, contexts=["elicited_by"]), weights


def recover(calibration: Literal["cut", "joint"], shift: float, seed: int) -> pd.DataFrame:
    """One row per condition and persona: truth, estimate and interval, and the p-value of the check ``references``."""
    log, truth = simulate(shift, seed)
    prepared = prepare(model_of(calibration), log)
    if prepared.texts is None:
        raise AssertionError("the log has texts")
    with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
        target = find_modes(prepared, 10, seed)
        sampled = next(
            sample_posterior(prepared, target, target.starts[0], _SETTINGS._replace(seed=seed), lambda *_: None)
        )
        prior = make_problem(prepared.model, prepared.design, prepared.patterns, prepared.counts, prepared.texts).prior
        check = calibration_statistics(prepared.texts, prior, sampled.parameters, target.pareto_k)
    draws = average_weights(prepared.design, sampled.parameters.latents, prepared.shares)
    lower, upper = np.quantile(draws, ends(CI_PROB), axis=(0, 1))
    weights = xr.DataArray(draws, dims=("chain", "draw", "condition", "persona"))
    purity = (("chain", "draw", "persona"), np.asarray(sampled.parameters.purity))
    posterior = xr.Dataset({"weights": weights, "purity": purity})
    moved = np.asarray(purity_sensitivity(weights, posterior, prepared, CI_PROB))
    low, high = np.minimum(lower, moved.min(axis=0)), np.maximum(upper, moved.max(axis=0))
    return pd.DataFrame(
        {
            "condition": np.repeat(_CONDITIONS, 3),
            "persona": _NAMES * 2,
            "truth": truth.ravel(),
            "mean": draws.mean(axis=(0, 1)).ravel(),
            "covers": ((lower <= truth) & (truth <= upper)).ravel(),
            "width": (upper - lower).ravel(),
            "marked": ((low < lower) | (high > upper)).ravel(),
            "range_covers": ((low <= truth) & (truth <= high)).ravel(),
            "p_value": check["p_value"].item(),
            "pareto_k": target.pareto_k,
        }
    )


def main() -> None:
    """Print coverage with its standard error over logs, how often the check of references fails, and marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--logs", type=int, default=100)
    parser.add_argument("--calibration", nargs="+", choices=("cut", "joint"), default=["cut", "joint"])
    parser.add_argument("--shift", type=float, nargs="+", default=[0.0, 2.5])
    own = parser.parse_args()
    own.folder.mkdir(parents=True, exist_ok=True)
    for shift, calibration in itertools.product(own.shift, own.calibration):
        parts = []
        for seed in range(own.logs):
            place = own.folder / f"{calibration}-{shift:g}-{seed}.csv"
            if not place.exists():
                recover(calibration, shift, seed).to_csv(place, index=False)
            parts.append(pd.read_csv(place).assign(log=seed))
        _report(f"{calibration}, shift {shift:g}", pd.concat(parts), ["base"] if shift else _CONDITIONS)


def _report(name: str, table: pd.DataFrame, conditions: Sequence[str]) -> None:
    chosen = table[table["condition"].isin(conditions)]
    by_log = chosen.groupby("log")
    covers, failed = by_log["covers"].mean(), by_log["p_value"].first() < 0.01
    error = covers.std() / np.sqrt(len(covers))
    k = (by_log["pareto_k"].first() > 0.7).mean()
    marked, in_range = chosen["marked"].mean(), chosen["range_covers"].mean()
    print(
        f"{name}: {100 * covers.mean():.1f} ± {100 * error:.1f}% covered, width {by_log['width'].mean().mean():.3f}, "
        f"check of references fails in {100 * failed.mean():.0f}%, of Pareto k in {100 * k:.0f}%, {len(covers)} logs; "
        f"{100 * marked:.0f}% of weights are purity-driven; {100 * in_range:.1f}% are covered with the range of these",
        flush=True,
    )


if __name__ == "__main__":
    main()
