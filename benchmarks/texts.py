"""Time of a fit of log-likelihoods of texts, by the number of texts.

    python -m benchmarks.texts [10000 100000]

Texts are points in a space of eight dimensions, x ~ N(m_z, 1), with log density ratios that are linear in x, reported
at five times their size (τ = 0.2). There are four personas, 100 references each, and 20 conditions × 8 questions. Every
log is fitted once, with the defaults of the package; prints wall and processor seconds and the failed checks.
"""

import argparse
import time

import numpy as np
import pandas as pd

from simulacra.data import CompletionLog, read_completions
from simulacra.data.numerals import grouped
from simulacra.formalism import LikelihoodEmission, Persona, PersonaMixture
from simulacra.inference import fit

__all__ = ["main"]

_NAMES = ("helper", "villain", "pirate", "babbler")
_CONDITIONS, _QUESTIONS, _REFERENCES, _DIMENSIONS = 20, 8, 100, 8
_APART, _TEMPERATURE = 2.2, 0.2  # standard deviation of the means; τ


def main() -> None:
    """Simulate and fit logs of these sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", default=[10_000, 100_000])
    for size in parser.parse_args().sizes:
        log = _log(size, np.random.default_rng(0))
        personas = [Persona(name, "What its prompt elicits.") for name in _NAMES]
        model = PersonaMixture(personas, emissions=[LikelihoodEmission(reference="elicited_by")])
        wall, processor = time.perf_counter(), time.process_time()
        result = fit(model, log, seed=0)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        failed = ", ".join(check.name for check in result.failed) or "none"
        print(f"{grouped(size)} texts: {wall:.0f} s, {processor:.0f} processor seconds; failed checks: {failed}")


def _log(size: int, rng: np.random.Generator) -> CompletionLog:
    means = _APART * rng.standard_normal((len(_NAMES), _DIMENSIONS))
    condition, question = rng.integers(_CONDITIONS, size=size), rng.integers(_QUESTIONS, size=size)
    weights = rng.dirichlet([2.0, 1.0, 1.0, 0.5], size=_CONDITIONS)
    chosen = (rng.random((size, 1)) > weights[condition].cumsum(axis=1)).sum(axis=1)
    persona = np.concatenate([chosen, np.repeat(np.arange(len(_NAMES)), _REFERENCES)])
    points = means[persona] + rng.standard_normal((len(persona), _DIMENSIONS))
    values = (points @ means.T - 0.5 * (means**2).sum(axis=1)) / _TEMPERATURE
    table = pd.DataFrame(values, columns=[f"log_likelihood_{name}" for name in _NAMES])
    measurements = list(table)
    elicited = len(persona) - size
    table["condition"] = ["base" if own == 0 else f"tuned-{own}" for own in condition] + ["elicited"] * elicited
    table["question_id"] = [f"q{own}" for own in question] + ["q0"] * elicited
    table["elicited_by"] = [None] * size + [_NAMES[own] for own in persona[size:]]
    table["completion"] = [f"text {row}" for row in range(len(table))]
    return read_completions(table, measurements=measurements, contexts=["elicited_by"])


if __name__ == "__main__":
    main()
