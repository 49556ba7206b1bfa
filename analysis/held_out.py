r"""The predictive density of counts in a new cell: a condition asked a question that was not fitted.

With n_y completions of pattern y in the cell, the density given the data D of a fit is

.. math:: p(n \mid D) = \mathrm{E}_s \int \prod_y \Big(\sum_z w_z(η)\, f^{(s)}_z(y)\Big)^{n_y}\,
    \mathrm{N}(η \mid m_s, v_s I)\, dη,

a mean over posterior draws s of the emissions f and of the prior of the logits η of the cell, whose mean m_s has the
effects that were fitted, and whose variance v_s is that of the effects of new questions at the posterior scales. The
multinomial coefficient is left out, as all models have the same: the density is that of the completions in their order.

The prior is far wider than the likelihood of dozens of completions, so that draws from it would estimate the integral
badly. It is estimated by importance sampling: a few η for every draw s come from one multivariate t around the mode for
the means of m, v and f. The estimate is unbiased for the density.

References:
    Vehtari & Ojanen (2012), A survey of Bayesian predictive methods for model assessment, selection and comparison,
    doi:10.1214/12-SS102 (the log score of new groups); Geweke (1989), Bayesian inference in econometric models using
    Monte Carlo integration, doi:10.2307/1913710 (a t as the proposal).
"""

from typing import Any, NamedTuple

import numpy as np
import scipy  # loads scipy.stats when it is used
from scipy import optimize, special

from simulacra.formalism.simplex import ilr_basis, inverse_ilr

__all__ = ["LogDensity", "Prior", "log_predictive_density"]

_COPIES = 4
"""Proposed logits for every posterior draw."""
_TAILS = 5
"""Degrees of freedom of the proposal."""


class Prior(NamedTuple):
    """The prior of the logits of a cell at S posterior draws: mean, shape ``(S, K - 1)``, and variance ``(S,)``."""

    mean: np.ndarray
    variance: np.ndarray


class LogDensity(NamedTuple):
    """Log predictive density of counts, nats, and the influence of every draw on the estimate, shape ``(S,)``.

    The Monte Carlo error of the estimate is that of the mean of the influences, which is zero. Errors of cells that are
    predicted by the same draws are those of the sums of their influences.
    """

    value: float
    influence: np.ndarray


def log_predictive_density(
    counts: np.ndarray, prior: Prior, components: np.ndarray, rng: np.random.Generator
) -> LogDensity:
    """Estimate log p(n | D) of one cell.

    Args:
        counts: completions by pattern, shape ``(P,)``.
        prior: of the logits of the cell.
        components: f of every pattern at the draws, shape ``(S, K, P)``.
        rng: source of the proposed logits.
    """
    seen = counts > 0
    counts, components = counts[seen], components[..., seen]
    if not prior.variance.any():  # nothing is new: the weights are those of the draws
        log_ratio = _log_likelihood(counts, prior.mean, components)
    else:
        mode, covariance = _gaussian(counts, prior, components.mean(axis=0))
        multivariate_t: Any = scipy.stats.multivariate_t  # whose stubs expect whole numbers
        proposal = multivariate_t(mode, covariance * (_TAILS - 2) / _TAILS, df=_TAILS, seed=rng)
        logits = proposal.rvs(_COPIES * len(prior.mean)).reshape(_COPIES, *prior.mean.shape)
        deviation = np.sqrt(prior.variance)[:, None]
        log_prior = scipy.stats.norm.logpdf(logits, prior.mean, deviation).sum(axis=-1)
        log_ratio = _log_likelihood(counts, logits, components) + log_prior - proposal.logpdf(logits)
    highest = log_ratio.max()
    # copies of a draw share its parameters: the mean over them is one of S independent values
    ratio = np.exp(log_ratio - highest).reshape(-1, len(prior.mean)).mean(axis=0)
    mean = ratio.mean()
    return LogDensity(float(highest + np.log(mean)), ratio / mean - 1)


def _log_likelihood(counts: np.ndarray, logits: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Σ n log Σ_z w_z f_z at logits ``(..., S, K - 1)``, shape ``(..., S)``."""
    probabilities = (inverse_ilr(logits)[..., None, :] @ components)[..., 0, :]
    return np.asarray(np.log(probabilities) @ counts)


def _gaussian(counts: np.ndarray, prior: Prior, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mode of the logits given the counts, at the mean of the draws, and a covariance from the information there."""
    size = prior.mean.shape[1]
    spread = np.cov(prior.mean, rowvar=False).reshape(size, size) + prior.variance.mean() * np.eye(size)
    centre, precision, contrasts = prior.mean.mean(axis=0), np.linalg.inv(spread), ilr_basis(size + 1)

    def scores(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of patterns, and the derivatives of their logarithms, shape ``(K - 1, P)``."""
        weights = special.softmax(logits @ contrasts)
        joint = weights[:, None] * components
        probabilities = joint.sum(axis=0)
        return probabilities, contrasts @ (joint / probabilities - weights[:, None])

    def negative(logits: np.ndarray) -> tuple[float, np.ndarray]:
        probabilities, slopes = scores(logits)
        away = precision @ (logits - centre)
        value = (logits - centre) @ away / 2 - counts @ np.log(probabilities)
        return float(value), away - slopes @ counts

    mode = optimize.minimize(negative, centre, jac=True, method="BFGS").x
    slopes = scores(mode)[1]
    return mode, np.linalg.inv((slopes * counts) @ slopes.T + precision)
