r"""The rate of an event, without personas: conditions and questions on the logit scale.

For the completions of group g (a condition, in one context) to base question q, of which k of n show the event,

.. math::

    k_{gq} &\sim \mathrm{Binomial}(n_{gq}, \mathrm{logit}^{-1} η_{gq}), \qquad η_{gq} = μ_g + u_q + ω_{gq} \\
    μ_g &\sim \mathrm{Normal}(λ, 2.4^2), \quad λ \sim \mathrm{Normal}(-2, 2.7^2), \\
    u_q &\sim \mathrm{Normal}(0, σ^2), \quad ω_{gq} \sim \mathrm{Normal}(0, τ_g^2) \\
    \log σ &\sim \mathrm{Normal}(\log 1.1, 0.6^2), \qquad \log τ_g \sim \mathrm{Normal}(\log 0.8, 0.9^2)

A rate is therefore estimated from the events alone. It does not depend on what personas share, and no misfit of the
personas can bias it. Two rates follow from the same posterior: that of the logged questions in their logged
proportions, Σ_q n_gq logit⁻¹(η_gq) / Σ_q n_gq, and that of new questions of the same kind, the mean of
logit⁻¹(μ_g + u + ω) over the distributions of u and ω.

Groups share the level λ. If locations shared nothing, many groups with low rates would outweigh the few questions:
locations would stay near -2 and the effects of all logged questions would be low instead, so that new questions would
seem to show the event far more often than the logged ones do.

Every group has a scale τ_g of its own, because a condition in which the event hardly ever happens would otherwise
shrink the variation between questions in the others. The priors of the scales were chosen so that intervals for new
questions hold their level in simulated worlds with and without differences between questions (``docs/validation.md``).

References:
    Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models,
    doi:10.1017/CBO9780511790942, chapter 14 (multilevel logistic regression); Kruschke (2018),
    doi:10.1177/2515245918771304 (regions of practical equivalence).
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy import special

from simulacra.formalism.arrays import Array, Int
from simulacra.formalism.dynamics import LogitPrior

__all__ = [
    "RatePrior",
    "logged_rate_given",
    "logged_rate_prior",
    "new_question_rate",
    "numpyro_rates",
    "rate_prior",
    "unseen_share",
]

_FEW_QUESTIONS = 6
"""Base questions below which the scale of a group is mostly that of its prior, which then has a larger median."""
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(41)


class RatePrior(NamedTuple):
    """Locations and spreads, in logits.

    Attributes:
        level: mean and standard deviation of λ.
        location: standard deviation of μ about λ.
        question: median of σ, and standard deviation of log σ.
        cell: median of τ, and standard deviation of log τ.
    """

    level: tuple[float, float] = (-2.0, 2.7)
    location: float = 2.4
    question: tuple[float, float] = (1.1, 0.6)
    cell: tuple[float, float] = (0.8, 0.9)


def rate_prior(num_questions: int) -> RatePrior:
    """The prior for a log of this many base questions: with fewer than six, the scale of a group is less certain."""
    return RatePrior() if num_questions >= _FEW_QUESTIONS else RatePrior(cell=(1.6, 0.8))


def numpyro_rates(events: Int[Array, "group question"], totals: Int[Array, "group question"], prior: RatePrior) -> None:
    """The model as a NumPyro model, the independent definition that tests compare with the sampler."""
    groups, questions = events.shape
    level = numpyro.sample("level", dist.Normal(*prior.level))
    with numpyro.plate("groups", groups, dim=-1):
        location = numpyro.sample("location", dist.Normal(level, prior.location))
        cell_scale = numpyro.sample("cell_scale", dist.LogNormal(jnp.log(prior.cell[0]), prior.cell[1]))
    question_scale = numpyro.sample("question_scale", dist.LogNormal(jnp.log(prior.question[0]), prior.question[1]))
    with numpyro.plate("questions", questions, dim=-1):
        question = numpyro.sample("question", dist.Normal(0.0, question_scale))
    centre = jnp.asarray(location)[:, None] + jnp.asarray(question)[None, :]
    spread = jnp.broadcast_to(jnp.asarray(cell_scale)[:, None], centre.shape)
    logits = numpyro.sample("logits", dist.Normal(centre, spread).to_event(2))
    numpyro.sample("events", dist.Binomial(totals, logits=logits).to_event(2), obs=events)


def new_question_rate(location: np.ndarray, question_scale: np.ndarray, cell_scale: np.ndarray) -> np.ndarray:
    """The mean rate over new questions, by Gauss-Hermite quadrature, in [0, 1].

    Args:
        location: μ in logits, shape ``(...)``.
        question_scale: σ in logits, a shape that broadcasts with that of ``location``.
        cell_scale: τ in logits, a shape that broadcasts with that of ``location``.
    """
    spread = np.hypot(question_scale, cell_scale)
    shares = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
    parts = (share * special.expit(location + spread * node) for node, share in zip(_NODES, shares, strict=True))
    return np.asarray(sum(parts))  # one at a time: draws of many groups take much memory


def logged_rate_prior(num_questions: int) -> LogitPrior:
    """The prior of the logit of a rate on this many base questions, which have equal shares, over simulated groups."""
    prior, size = rate_prior(num_questions), 10_000
    (median, sd), none = prior.question, np.zeros((size, 0))
    scale = median * np.exp(sd * np.random.default_rng(1).standard_normal(size))
    return logged_rate_given(np.zeros((size, 0, num_questions)), none, none, scale)


def logged_rate_given(
    logits: np.ndarray, location: np.ndarray, cell_scale: np.ndarray, question_scale: np.ndarray
) -> LogitPrior:
    """The logit of the rate of one more group on the same questions, given draws of G groups: mean and spread.

    The level λ and the effects of questions are drawn from their Gaussians given the groups.

    Args:
        logits: η, shape ``(draw, G, Q)``.
        location: μ, in logits, shape ``(draw, G)``.
        cell_scale: τ, in logits, shape ``(draw, G)``.
        question_scale: σ, in logits, shape ``(draw,)``.
    """
    size, groups, questions = logits.shape
    prior, rng = rate_prior(questions), np.random.default_rng(0)
    (mean, spread), (median, sd) = prior.level, prior.cell
    of_level = spread**-2 + groups * prior.location**-2
    level = (mean * spread**-2 + location.sum(axis=1) * prior.location**-2) / of_level
    own = level + math.hypot(prior.location, of_level**-0.5) * rng.standard_normal(size)
    precision = cell_scale**-2.0
    of_question = (precision.sum(axis=1) + question_scale**-2.0)[:, None]
    centre = np.einsum("dg,dgq->dq", precision, logits - location[:, :, None]) / of_question
    effects = centre + rng.standard_normal(centre.shape) / np.sqrt(of_question)
    scale = median * np.exp(sd * rng.standard_normal(size))
    cells = own[:, None] + effects + scale[:, None] * rng.standard_normal(effects.shape)
    shown, absent = (special.logsumexp(special.log_expit(sign * cells), axis=1) for sign in (1, -1))
    return LogitPrior(float((shown - absent).mean()), float((shown - absent).std()))


def unseen_share(num_questions: int, probability: float = 0.89) -> float:
    """The largest proportion of a kind of questions that none of this many questions may have shown.

    If a proportion p of the kind can show an event, all Q logged questions miss it with probability (1 - p)^Q; the
    bound is the p at which that is (1 - probability) / 2.
    """
    return float(1 - ((1 - probability) / 2) ** (1 / num_questions))
