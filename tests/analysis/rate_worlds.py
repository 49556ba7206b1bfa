"""Forty simulated logs of a base model, an organism along its training and after an intervention, and their draws."""

import numpy as np
import pytest
from scipy import special

from simulacra.formalism.rates import rate_prior
from simulacra.inference.sampling import rates as sampler

LOGS, QUESTIONS, COMPLETIONS, CHAINS, DRAWS = 40, 8, 40, 2, 500
LOCATIONS = np.array([-4.5, -3.0, -1.8, -0.7, -2.2])
"""Logits of the base, of two checkpoints, of the organism, and of the organism after the intervention."""
SPREAD = 0.8


def worlds(seed: int, locations: np.ndarray = LOCATIONS) -> np.ndarray:
    """True rates, shape ``(log, condition, question)``: normal logits around common effects of the questions."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((LOGS, 1, QUESTIONS))
    own = SPREAD * rng.standard_normal((LOGS, len(locations), QUESTIONS))
    return np.asarray(special.expit(locations[:, None] + common + own))


def sampled(truth: np.ndarray, seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[sampler.RateDraws, np.ndarray]:
    """Draws of the rate model with a leading axis ``log`` in place of chains, and the logged events.

    All logs are sampled at once, as chains of one sampler. Arrays are ``(log, draw, condition, question)``.
    """
    counts = np.random.default_rng(seed).binomial(COMPLETIONS, truth)
    events = np.repeat(counts, CHAINS, axis=0)
    monkeypatch.setattr(sampler, "CHAINS", len(events))
    totals, prior = np.full(events.shape, COMPLETIONS), rate_prior(truth.shape[-1])
    draws = next(sampler.sample_rates(events, totals, prior, num_samples=DRAWS, seed=seed))
    by_log = [own.reshape(len(truth), CHAINS * DRAWS, *own.shape[2:]) for own in draws]
    return sampler.RateDraws(*by_log), counts


def covered(lower: np.ndarray, upper: np.ndarray, true: np.ndarray) -> int:
    """The number of intervals that contain the truth."""
    return int(((lower <= true) & (true <= upper)).sum())
