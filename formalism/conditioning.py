r"""Fine-tuning and contexts as conditioning: evidence moves persona weights, eqs. (5) and (6).

If training only shifts the weights of a mixture, its effect can be predicted from the training data: personas under
which the data are likely gain weight, as under Bayes' rule with a likelihood raised to a small power,

.. math:: η_{ft} = η_{base} + λ\, e(D), \qquad e_z(D) = \tfrac1n \textstyle\sum_i \log f_z(x_i \mid q_i),

where λ is the effective number of training examples. The N turns of a context add up as well, in log odds,

.. math:: w = (1 - ε) \operatorname{softmax}\bigl(η + τ N^{-α} \textstyle\sum_{t \le N} \log f_z(x_t)\bigr)
    + ε\, w_0, \qquad η = η_0 + Δ_{training} + a\, m,

where Δ_training is the shift of eq. (5), a·m the effect of a steering vector of size m, and w₀ = softmax(η) the weights
without the context, which apply in a share ε of the answers (the lapse). With α = 0 all turns count equally; with α > 0
each counts for less, the more there are.

All claims can fail: λ need not be the same for all training sets, nor positive, and the effects of turns and of
training need not add up.

Log-likelihoods are those of ``simulacra.lm.score_log``, in nats; adding a constant to those of all personas changes no
weight.

References:
    Xie et al. (2022), An explanation of in-context learning as implicit Bayesian inference, arXiv:2111.02080; Bissiri,
    Holmes & Walker (2016), A general framework for updating belief distributions, doi:10.1111/rssb.12158 (tempered
    updates); Bigelow et al. (2025), Belief dynamics reveal the dual nature of in-context learning and activation
    steering, arXiv:2511.00617 (exponent and steering); Wichmann & Hill (2001), The psychometric function: I. Fitting,
    sampling, and goodness of fit, doi:10.3758/BF03194544 (lapse); Tan et al. (2025), arXiv:2510.04340 (inoculation
    prompting).
"""

import jax
import jax.numpy as jnp

from simulacra.formalism.arrays import Array, Float

__all__ = [
    "conditioned_log_weights",
    "context_weights",
    "evidence_beyond_context",
    "mean_evidence",
    "weight_velocity",
]


def conditioned_log_weights(
    log_w: Float[Array, "*batch persona"], evidence: Float[Array, "*batch persona"], strength: Float[Array, "*batch"]
) -> Float[Array, "*batch persona"]:
    """Log weights after evidence, ``log_softmax(log w + strength · evidence)``: eq. (5), with λ, and (6), with τ.

    Shape ``(..., K)``, like ``log_w`` and ``evidence``; ``exp`` of the result sums to one over personas.

    Args:
        log_w: log weights before.
        evidence: log-likelihood of every persona, nats.
        strength: factor by which the evidence is multiplied.
    """
    return jax.nn.log_softmax(log_w + strength[..., None] * evidence, axis=-1)


def mean_evidence(log_likelihoods: Float[Array, "example persona"]) -> Float[Array, " persona"]:
    """e(D) of eq. (5): mean log-likelihood of the training examples under every persona, nats.

    It does not depend on the contexts in which the examples are trained on: a prompt that asks for the behaviour does
    not change it. Compare :func:`evidence_beyond_context`.
    """
    return log_likelihoods.mean(axis=0)


def evidence_beyond_context(
    log_w: Float[Array, "example persona"], log_likelihoods: Float[Array, "example persona"]
) -> Float[Array, " persona"]:
    """Evidence of training examples about personas, given their contexts: mean responsibility minus mean weight.

    The gradient of the mean log likelihood of the mixture with respect to persona logits (eq. (2)), that is, the
    direction of a first small step of training. Entries are in [-1, 1] and sum to zero. If a prompt already makes a
    persona likely, its examples carry little evidence; under the mixture model this explains inoculation.

    Args:
        log_w: log weights of personas in the context of every example, before training.
        log_likelihoods: log f_z of every example, nats.
    """
    log_w = jax.nn.log_softmax(log_w, axis=-1)
    responsibilities = jax.nn.softmax(log_w + log_likelihoods, axis=-1)
    return (responsibilities - jnp.exp(log_w)).mean(axis=0)


def weight_velocity(
    weights: Float[Array, "*batch persona"], evidence: Float[Array, "*batch persona"]
) -> Float[Array, "*batch persona"]:
    """dw/dλ at λ = 0 of eq. (5), w (e - w·e): initial direction and speed of the shift; sums to zero.

    Its sign is the direction of a small shift and does not depend on λ. A large shift may change direction: a persona
    with more than average evidence eventually loses weight to the one with the most evidence.
    """
    return weights * (evidence - (weights * evidence).sum(axis=-1, keepdims=True))


def context_weights(
    log_w: Float[Array, "*batch persona"],
    evidence: Float[Array, "*batch persona"],
    turns: Float[Array, "*batch"],
    temperature: Float[Array, "*batch"],
    exponent: Float[Array, ""],
    lapse: Float[Array, "*batch"],
) -> Float[Array, "*batch persona"]:
    """Weights in a context, eq. (6); a row sums to one.

    Args:
        log_w: log weights without the context, η up to a constant.
        evidence: Σ log f_z of the turns, nats; zeros for a context without turns.
        turns: N, the number of turns.
        temperature: τ, the factor by which log-likelihoods are multiplied. It is 1 for exact inference with exact
            likelihoods.
        exponent: α; 0 if all turns count equally.
        lapse: ε in [0, 1], the share of answers that do not depend on the context.
    """
    strength = temperature * jnp.maximum(turns, 1.0) ** -exponent
    attentive = jnp.exp(conditioned_log_weights(log_w, evidence, strength))
    inattentive = lapse[..., None]
    return (1 - inattentive) * attentive + inattentive * jax.nn.softmax(log_w, axis=-1)
