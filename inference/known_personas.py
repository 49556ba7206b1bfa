r"""Known personas: the posterior of what each does, and of their weights in completions whose persona is not known.

Completions that the prompt of a persona elicited are counts of patterns of measurements. With a Dirichlet prior, the
posterior of the persona's emission, a distribution over patterns, is a Dirichlet as well; no independence of the
measurements is assumed, unlike in eq. (3). Every pattern has 1/P pseudo-completions, one in total, and likewise every
persona 1/K in the prior of the weights.

The weights have their posterior given completions that no prompt elicited, for every draw of the emissions: the
posterior is *cut*, these completions do not inform the emissions. It is sampled by data augmentation, which draws the
persona of every completion, then the weights, from near the mode on, for all draws of the emissions at once.

References:
    Berger, Bernardo & Sun (2015), Overall objective priors, doi:10.1214/14-BA915 (a total of one pseudo-observation);
    Plummer (2015), Cuts in Bayesian graphical models, doi:10.1007/s11222-014-9503-z; Diebolt & Robert (1994),
    Estimation of finite mixture distributions through Bayesian sampling, doi:10.1111/j.2517-6161.1994.tb01985.x.
"""

import numpy as np

__all__ = ["sample_emissions", "sample_weights"]

_LEAST = 1e-300  # of a probability, so that a pattern that no draw of an emission contains has equal odds
_ASCENTS, _SWEEPS = 50, 40


def sample_emissions(counts: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of emissions given counts ``(..., P)``, shape ``(size, ..., P)``."""
    gammas = rng.standard_gamma(counts + 1 / counts.shape[-1], size=(size, *counts.shape))
    return np.maximum(gammas / gammas.sum(axis=-1, keepdims=True), _LEAST)


def sample_weights(
    counts: np.ndarray, emissions: np.ndarray, rng: np.random.Generator, *, concentration: float | None = None
) -> np.ndarray:
    """One draw of the weights for every draw of the emissions, shape ``(S, K)``; they sum to one.

    Args:
        counts: completions by pattern, shape ``(P,)``. Those that are not whole numbers are rounded at random.
        emissions: draws of P(pattern | persona) of K personas, shape ``(S, K, P)``.
        rng: random generator.
        concentration: of every persona in the Dirichlet prior of the weights. Default: 1/K.
    """
    seen = counts > 0
    counts, likelihood = counts[seen], np.moveaxis(emissions[..., seen], -1, 1)
    size, personas = emissions.shape[:2]
    prior = 1 / personas if concentration is None else concentration
    weights = np.full((size, personas), 1 / personas)

    def responsibilities() -> np.ndarray:
        joint = weights[:, None] * likelihood + _LEAST
        return joint / joint.sum(axis=-1, keepdims=True)

    for _ in range(_ASCENTS):
        weights = (counts @ responsibilities() + prior) / (counts.sum() + personas * prior)
    for _ in range(_SWEEPS):
        whole = np.floor(counts + rng.random((size, len(counts)))).astype(np.int64)
        allocated = rng.multinomial(whole, responsibilities()).sum(axis=1)
        gammas = rng.standard_gamma(allocated + prior)
        weights = gammas / gammas.sum(axis=-1, keepdims=True)
    return weights
