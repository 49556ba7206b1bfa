"""Texts in inference: an initial calibration, log density and responsibilities by draw, and notes.

Sampling starts from a calibration by bias-corrected temperature scaling of the references alone.

References:
    Alexandari, Kundaje & Shrikumar (2020), arXiv:1901.06852.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from simulacra.data.numerals import grouped
from simulacra.formalism.arrays import Array
from simulacra.formalism.density_ratios import (
    Texts,
    log_density_ratios,
    points_density_ratios,
    pooled_weights,
    texts_log_likelihood,
    texts_log_probs,
    texts_responsibilities,
)
from simulacra.formalism.mixture import PersonaMixture, pattern_log_components
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.prior import Prior, calibrated, normal_log_density
from simulacra.formalism.simplex import log_weights
from simulacra.inference.prepare import Prepared, on_design

__all__ = ["Calibration", "calibrate", "describe_texts", "pair_log_likelihood", "point_responsibilities"]


class Calibration(NamedTuple):
    """Initial temperature and offsets, and quantities derived from them.

    Attributes:
        temperature: τ.
        offset: b, shape ``(K,)``; ``None`` without references.
        ratios: density ratios of every point, shape ``(K, Q)``.
        common: weights of the best common mixture, shape ``(K,)``.
    """

    temperature: np.ndarray
    offset: np.ndarray | None
    ratios: np.ndarray
    common: np.ndarray


def calibrate(texts: Texts, prior: Prior) -> Calibration:
    """Maximum a posteriori temperature and offsets given the references; without references, the prior mode."""
    size = texts.num_personas
    share = np.bincount(texts.reference_persona, minlength=size) + 0.5

    @jax.jit
    @jax.value_and_grad
    def negative(point: Array) -> Array:
        log_r = log_density_ratios(texts.reference_log_likelihoods, *calibrated(point, size))
        log_resp = jax.nn.log_softmax(log_r + jnp.log(share)[:, None], axis=0)
        own = log_resp[texts.reference_persona, jnp.arange(len(texts.reference_persona))]
        log_prior = normal_log_density(point, prior.calibration_location, prior.calibration_spread)
        return jnp.asarray(-log_prior - own.sum())

    found = optimize.minimize(
        lambda point: tuple(map(np.asarray, negative(point))), prior.calibration_location, jac=True
    )
    temperature, offset = calibrated(jnp.asarray(found.x), size)
    ratios = points_density_ratios(texts, temperature, offset)
    common = np.asarray(pooled_weights(ratios, jnp.asarray(texts.total * texts.scored)))
    return Calibration(
        np.asarray(temperature), np.asarray(offset) if texts.calibrated else None, np.asarray(ratios), common
    )


def pair_log_likelihood(prepared: Prepared, texts: Texts, parameters: Parameters, occurs: np.ndarray) -> np.ndarray:
    """Mean log density of the completions of every occurring (cell, pattern), ``(chain, draw, obs_id)``, in nats."""
    number = {(cell, pattern): index for index, (cell, pattern) in enumerate(occurs.tolist())}
    pair = np.array([number[key] for key in zip(texts.cell.tolist(), texts.pattern.tolist(), strict=True)])
    share = jnp.asarray(texts.total / np.bincount(pair, weights=texts.total)[pair])

    def mean(*state: Array) -> Array:
        points, _ = texts_log_probs(texts, *state)
        return jax.ops.segment_sum(points * share, pair, num_segments=len(occurs))

    return _over_draws(prepared, parameters, mean)


def point_responsibilities(prepared: Prepared, texts: Texts, parameters: Parameters) -> np.ndarray:
    """P(persona | completion) of every point, averaged over draws, shape ``(Q, K)``."""
    return _over_draws(prepared, parameters, functools.partial(texts_responsibilities, texts), average=True)


def _over_draws(prepared: Prepared, parameters: Parameters, function: Any, *, average: bool = False) -> np.ndarray:
    """``function(log_w, log_f, τ, b)`` for all draws, shape ``(chain, draw, ...)``, or its average over them."""
    with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
        flat = jax.tree.map(lambda draws: jnp.asarray(draws.reshape(-1, *draws.shape[2:])), parameters)
        apply = jax.jit(lambda draw: function(*_state(prepared, draw)))
        if average:
            first = jax.tree.map(lambda draws: draws[0], flat)
            total, _ = jax.lax.scan(lambda sum_, draw: (sum_ + apply(draw), None), jnp.zeros_like(apply(first)), flat)
            return np.asarray(total / len(flat.temperature))
        values = np.asarray(jax.lax.map(apply, flat))
    return values.reshape(*parameters.temperature.shape, *values.shape[1:])


def _state(prepared: Prepared, parameters: Parameters) -> tuple[Array, Array, Array, Array]:
    """Return log w of cells, log f of patterns, τ and b of one draw."""
    size = len(prepared.model.personas)
    log_w = log_weights(prepared.design.logits(jnp.asarray(parameters.latents)))
    tables = [jnp.log(table) for table in parameters.probabilities]
    offset = jnp.zeros(size) if parameters.offset is None else jnp.asarray(parameters.offset)
    log_f = pattern_log_components(tables, prepared.patterns, size)
    return log_w, log_f, jnp.asarray(parameters.temperature), offset


def describe_texts(prepared: Prepared, parameters: Parameters) -> list[str]:
    """Notes for display: how texts were processed, and how their temperature was calibrated."""
    collapsed, points = prepared.collapsed.texts, prepared.texts
    if collapsed is None or points is None:
        return []
    notes = [_calibration_note(points, prepared.model)]
    if collapsed.unscored or collapsed.unscored_references:
        notes.append(
            f"{grouped(collapsed.unscored)} completion(s) without log-likelihoods enter with their measurements only; "
            f"{grouped(collapsed.unscored_references)} reference(s) without log-likelihoods were excluded."
        )
    if collapsed.bin_width and collapsed.rows is not None:
        with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
            state = _state(prepared, jax.tree.map(lambda draws: draws.mean(axis=(0, 1)), parameters))
            evaluate = jax.jit(texts_log_likelihood)
            moved = float(evaluate(on_design(collapsed.rows, prepared.design), *state) - evaluate(points, *state))
        texts = grouped(len(collapsed.rows.cell))
        notes.append(
            f"{texts} texts were grouped into {grouped(len(points.cell))} points, in bins of {collapsed.bin_width:.3g} "
            f"nats: this changed the log likelihood at the posterior mean by {moved:.2g} nats "
            f"(at most {collapsed.bound:.2g} at any temperature up to 1)."
        )
    return notes


def _calibration_note(points: Texts, model: PersonaMixture) -> str:
    if not points.calibrated:
        return (
            "the temperature of the log-likelihoods is not calibrated: without references, it has a prior only, and "
            "the offsets of the personas are assumed to be 0. Weights depend on both: add completions elicited by the "
            "prompt of each persona, and name their column in LikelihoodEmission(reference=...)."
        )
    numbers = np.bincount(points.reference_persona, minlength=points.num_personas)
    each = ", ".join(f"{number} of {name}" for name, number in zip(model.names, numbers, strict=True))
    lacking = [name for name, number in zip(model.names, numbers, strict=True) if not number]
    more = f" The offset of {', '.join(lacking)} has a prior only." if lacking else ""
    return f"temperature and offsets of the log-likelihoods were calibrated with references: {each}.{more}"
