r"""Tempered density ratios: sequence log-likelihoods as evidence about the persona that generated a text, eq. (4).

The log-likelihood ℓ_z of a text under the prompt of persona z sums over tokens that are far from independent, so it is
over-confident, and f_z^τ is not a density: its integral is unknown and differs between personas. Ratios of densities
can be calibrated. For an unknown density g that all personas share,

.. math:: f_z(x) = g(x)\, e^{τ ℓ_z(x) + b_z}, \qquad \textstyle\int f_z = 1 \text{ for every } z,

a density ratio model: bias-corrected temperature scaling stated for densities. g is not modelled but profiled out: the
g under which the texts are most likely puts mass only on them, which leaves a mixture likelihood relative to that of
the best *common* mixture of all texts,

.. math:: \log L = \sum_i \log \sum_z w_{iz} r_{iz} - \max_ρ \sum_i \log \sum_z ρ_z r_{iz}, \qquad
    r_i = K\, \mathrm{softmax}(τ ℓ_i + b),

in which a *reference* (a text that the prompt of a known persona elicited) has the weights of that prompt. The second
sum enforces that every f_z is normalised. Without it τ and b could make the persona of every text certain, and the
texts of unknown persona would outweigh the references. For fixed τ and b it is a constant.

A prompt does not always elicit its persona. With the *purity* ρ_z, the weights of the prompt of persona z are

.. math:: M_{zz} = ρ_z, \qquad M_{zk} = \frac{1 - ρ_z}{K - 1} \quad (k \ne z),

so that f_z is the density of persona z itself, and not of whatever its prompt elicits.

The *joint* likelihood above (:func:`texts_log_likelihood`) is that of references and rows together. Where the texts of
the rows differ from those of the references, many rows outvote few references through the second sum. The *cut*
posterior keeps the calibration to the references: their likelihood alone (:func:`references_log_likelihood`) is that of
multinomial logistic regression of the prompts on the texts,

.. math:: \sum_i \log \frac{n_{z_i} \sum_k M_{z_i k} r_{ik}}{\sum_z n_z \sum_k M_{zk} r_{ik}},

with n_z references of persona z, and given τ and b the rows are a mixture of known densities
(:func:`rows_log_likelihood`).

References:
    Plummer (2015), Cuts in Bayesian graphical models, doi:10.1007/s11222-014-9503-z; Jacob et al. (2017), Better
    together? Statistical learning in models made of modules, arXiv:1708.08719; Prentice & Pyke (1979),
    doi:10.1093/biomet/66.3.403 (references as a case-control sample); Patrini et al. (2017), Making deep neural
    networks robust to label noise, arXiv:1609.03683 (M as a correction of the likelihood);
    Guo et al. (2017), On calibration of modern neural networks, arXiv:1706.04599; Alexandari, Kundaje & Shrikumar
    (2020), Maximum likelihood with bias-corrected calibration is hard to beat at label shift adaptation,
    arXiv:1901.06852; Saerens, Latinne & Decaestecker (2002), doi:10.1162/089976602753284446 (label shift by EM);
    Qin (1999), Empirical likelihood ratio based confidence intervals for mixture proportions,
    doi:10.1214/aos/1017938930 (this likelihood for two components).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve

from simulacra.formalism.arrays import Array, Float, Int

__all__ = [
    "Texts",
    "log_density_ratios",
    "points_density_ratios",
    "pooled_weights",
    "prompt_weights",
    "references_log_likelihood",
    "rows_log_likelihood",
    "texts_log_likelihood",
    "texts_log_probs",
    "texts_responsibilities",
]

_PSEUDOCOUNT = 0.5  # of every persona in the common mixture; keeps it inside the simplex, where it is smooth
_NEWTON_STEPS = 30
_TO_BOUNDARY = 0.9  # largest fraction of the way to zero of a Newton step
_CONVERGED = 1e-6  # relative change of the last step; the error after it is about its square


class Texts(NamedTuple):
    """Log-likelihoods of texts under every persona, NumPy or JAX arrays.

    A *point* is one or more texts of one cell and one measurement pattern.

    Attributes:
        cell: of every point.
        pattern: of every point, an index into the measurement patterns.
        total: texts of every point.
        scored: 1, or 0 for texts without log-likelihoods, whose text carries no evidence.
        log_likelihoods: ℓ minus its largest entry, nats.
        reference_persona: the persona whose prompt elicited each reference.
        reference_label: the persona of each reference according to a judge; -1 if it was not judged.
        reference_total: texts of every reference point.
        reference_log_likelihoods: as ``log_likelihoods``.
    """

    cell: Int[Array | np.ndarray, " point"]
    pattern: Int[Array | np.ndarray, " point"]
    total: Float[Array | np.ndarray, " point"]
    scored: Float[Array | np.ndarray, " point"]
    log_likelihoods: Float[Array | np.ndarray, "point persona"]
    reference_persona: Int[Array | np.ndarray, " reference"]
    reference_label: Int[Array | np.ndarray, " reference"]
    reference_total: Float[Array | np.ndarray, " reference"]
    reference_log_likelihoods: Float[Array | np.ndarray, "reference persona"]

    @property
    def num_personas(self) -> int:
        """K, the number of personas."""
        return self.log_likelihoods.shape[1]

    @property
    def calibrated(self) -> bool:
        """Whether there are references."""
        return len(self.reference_persona) > 0


def log_density_ratios(
    log_likelihoods: Float[Array | np.ndarray, "text persona"],
    temperature: Float[Array, ""],
    offset: Float[Array, " persona"],
) -> Float[Array, "persona text"]:
    """Log of K softmax(τ ℓ + b): log density of every persona relative to the even mixture of them, in nats.

    ``exp`` of it sums to K over personas. Adding a constant to all log-likelihoods of a text changes nothing.
    """
    logits = _logits(log_likelihoods, temperature, offset)
    return jax.nn.log_softmax(logits, axis=0) + jnp.log(len(offset))


def points_density_ratios(
    texts: Texts, temperature: Float[Array, ""], offset: Float[Array, " persona"]
) -> Float[Array, "persona point"]:
    """The exp of :func:`log_density_ratios` (nats) of every point; 1 if it was not scored."""
    logits = _logits(texts.log_likelihoods, temperature, offset)
    return jnp.where(jnp.asarray(texts.scored)[None] > 0, len(offset) * jax.nn.softmax(logits, axis=0), 1.0)


def _logits(log_likelihoods: Array | np.ndarray, temperature: Array, offset: Array) -> Array:
    """τ ℓ + b of every persona and text."""
    return temperature * jnp.asarray(log_likelihoods).T + offset[:, None]


def pooled_weights(
    ratios: Float[Array, "persona text"],
    counts: Float[Array, " text"],
    start: Float[Array, " persona"] | None = None,
) -> Float[Array, " persona"]:
    """ρ of the best common mixture: maximises Σ n log Σ_z ρ_z r_z, with half a pseudo-count per persona; sums to one.

    Newton's method on a convex problem of K numbers; derivatives are those of the implicit function. ``start`` is the
    initial value, even weights by default; the result does not depend on it.
    """
    counts = counts / (counts.sum() + _PSEUDOCOUNT * len(ratios))
    prior = (1 - counts.sum()) / len(ratios)

    def slope(weights: Array) -> Array:
        return 1 - ratios @ (counts / (weights @ ratios)) - prior / weights

    def minimise(_: object, start: Array) -> Array:
        return jax.lax.while_loop(_unfinished, improve, (start, jnp.asarray(jnp.inf, start.dtype), jnp.asarray(0)))[0]

    def improve(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        weights, _, step = state
        scaled = ratios / (weights @ ratios)[None]
        curvature = (scaled * counts[None]) @ scaled.T + jnp.diag(prior / weights**2)
        move = -solve(curvature, 1 - scaled @ counts - prior / weights, assume_a="pos")
        furthest = jnp.maximum((-move / weights).max() / _TO_BOUNDARY, 1.0)
        return weights + move / furthest, jnp.abs(move / weights).max(), step + 1

    begin = jnp.full(len(ratios), 1 / len(ratios), ratios.dtype) if start is None else start
    return jax.lax.custom_root(slope, begin, minimise, lambda g, y: solve(jax.jacobian(g)(y), y, assume_a="pos"))


def _unfinished(state: tuple[Array, Array, Array]) -> Array:
    _, change, step = state
    return (change > _CONVERGED) & (step < _NEWTON_STEPS)


def references_log_likelihood(
    texts: Texts,
    temperature: Float[Array, ""],
    offset: Float[Array, " persona"],
    purity: Float[Array, " persona"],
) -> Float[Array, ""]:
    """Log probability of the prompts of all references given their texts, in nats; see the module.

    Personas without references do not enter. ``purity`` is ρ; other arguments as :func:`texts_log_likelihood`.
    """
    if not texts.calibrated:
        return jnp.zeros(())
    numbers = jnp.zeros(texts.num_personas).at[texts.reference_persona].add(texts.reference_total)
    log_r = log_density_ratios(texts.reference_log_likelihoods, temperature, offset)
    every = (numbers[:, None] * prompt_weights(purity)) @ jnp.exp(log_r)
    own = _references_log_probs(texts, log_r, purity) + jnp.log(numbers)[texts.reference_persona]
    return jnp.dot(texts.reference_total, own - _log(every.sum(axis=0)))


def rows_log_likelihood(
    texts: Texts,
    log_w: Float[Array, "cell persona"],
    log_f: Float[Array, "persona pattern"],
    temperature: Float[Array, ""],
    offset: Float[Array, " persona"],
) -> Float[Array, ""]:
    """Log likelihood of texts and measurements at a given calibration, in nats, relative to the even mixture."""
    ratios = points_density_ratios(texts, temperature, offset)
    return jnp.dot(texts.total, _points_log_probs(texts, log_w, log_f, ratios))


def prompt_weights(
    purity: Float[Array | np.ndarray, " persona"], lapse: Float[Array | np.ndarray, " persona"] | None = None
) -> Float[Array, "persona persona"]:
    """M, the weights of the personas in what every prompt elicits, shape ``(K, K)``; rows sum to one.

    Args:
        purity: ρ.
        lapse: positive weights in proportion to which a prompt elicits the other personas; the model has even ones.
    """
    size = len(purity)
    own, missing = jnp.eye(size, dtype=bool), (1 - purity)[:, None]
    if lapse is None:
        return jnp.where(own, purity[:, None], missing / (size - 1))
    others = jnp.where(own, 0.0, lapse)
    return jnp.where(own, purity[:, None], missing * others / others.sum(axis=1, keepdims=True))


def _references_log_probs(texts: Texts, log_r: Array, purity: Array) -> Array:
    """Log density of every reference under the mixture of its prompt, or under its label with the weight of that."""
    weights = prompt_weights(purity)[jnp.asarray(texts.reference_persona)].T
    judged = jnp.asarray(texts.reference_label)
    chosen = (judged < 0)[None] | (jnp.arange(texts.num_personas)[:, None] == judged[None])
    return _log((chosen * weights * jnp.exp(log_r)).sum(axis=0))


def texts_log_likelihood(
    texts: Texts,
    log_w: Float[Array, "cell persona"],
    log_f: Float[Array, "persona pattern"],
    temperature: Float[Array, ""],
    offset: Float[Array, " persona"],
    purity: Float[Array, " _"],
    start: Float[Array, " persona"] | None = None,
) -> Float[Array, ""]:
    """Log likelihood of all texts, measurements and references together, in nats; see the module.

    Args:
        texts: log-likelihoods by point, and references.
        log_w: log weights of every cell.
        log_f: log f_z of every measurement pattern, eq. (3).
        temperature: τ.
        offset: b.
        purity: ρ, shape ``(K,)``; not used without references.
        start: initial weights of the common mixture; values near the best one save time.
    """
    points, references = texts_log_probs(texts, log_w, log_f, temperature, offset, purity, start)
    return jnp.dot(texts.total, points) + jnp.dot(texts.reference_total, references)


def texts_log_probs(
    texts: Texts,
    log_w: Float[Array, "cell persona"],
    log_f: Float[Array, "persona pattern"],
    temperature: Float[Array, ""],
    offset: Float[Array, " persona"],
    purity: Float[Array, " _"],
    start: Float[Array, " persona"] | None = None,
) -> tuple[Float[Array, " point"], Float[Array, " reference"]]:
    """Log density of one text of every point, with its measurements, and of every reference, in nats.

    Densities are relative to the best common mixture of all texts; arguments as :func:`texts_log_likelihood`.
    """
    own = points_density_ratios(texts, temperature, offset)
    log_known = log_density_ratios(texts.reference_log_likelihoods, temperature, offset)
    ratios = jnp.concatenate([own, jnp.exp(log_known)], axis=1)
    counts = jnp.concatenate([texts.total * texts.scored, texts.reference_total])
    pooled = _log(pooled_weights(ratios, counts, start) @ ratios)
    size = len(texts.cell)
    known = _references_log_probs(texts, log_known, purity) if texts.calibrated else jnp.zeros(0)
    return _points_log_probs(texts, log_w, log_f, own) - pooled[:size], known - pooled[size:]


def texts_responsibilities(
    texts: Texts,
    log_w: Float[Array, "cell persona"],
    log_f: Float[Array, "persona pattern"],
    temperature: Float[Array, ""],
    offset: Float[Array, " persona"],
) -> Float[Array, "point persona"]:
    """P(persona | text, measurements) of every point; sums to one over personas."""
    ratios = points_density_ratios(texts, temperature, offset)
    joint = _joint(texts, log_w, log_f - log_f.max(axis=0, keepdims=True), ratios)
    return (joint / joint.sum(axis=0, keepdims=True)).T


def _points_log_probs(texts: Texts, log_w: Array, log_f: Array, ratios: Array) -> Array:
    """Log Σ_z w_z f_z r_z of one text of every point."""
    shift = jax.lax.stop_gradient(log_f.max(axis=0))
    joint = _joint(texts, log_w, log_f - shift[None], ratios)
    return _log(joint.sum(axis=0)) + shift[texts.pattern]


def _joint(texts: Texts, log_w: Array, log_f: Array, ratios: Array) -> Array:
    """The product w f r of every persona and point, with exponentials per cell and pattern instead of per point."""
    return jnp.exp(log_w).T[:, texts.cell] * jnp.exp(log_f)[:, texts.pattern] * ratios


def _log(value: Array) -> Array:
    return jnp.log(jnp.maximum(value, np.finfo(value.dtype).tiny))
