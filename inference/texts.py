"""Texts in inference: log density and responsibilities by draw, eq. (4), and notes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from simulacra.data.numerals import grouped
from simulacra.formalism.arrays import Array
from simulacra.formalism.density_ratios import (
    Texts,
    texts_log_likelihood,
    texts_log_probs,
    texts_responsibilities,
)
from simulacra.formalism.mixture import PersonaMixture, pattern_log_components
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.simplex import log_weights
from simulacra.inference.prepare import Prepared, on_design

__all__ = ["describe_texts", "pair_log_likelihood", "point_responsibilities"]


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

    def responsible(log_w: Array, log_f: Array, temperature: Array, offset: Array, purity: Array) -> Array:
        del purity  # of what prompts elicit, which the rows are not
        return texts_responsibilities(texts, log_w, log_f, temperature, offset)

    return _over_draws(prepared, parameters, responsible, average=True)


def _over_draws(prepared: Prepared, parameters: Parameters, function: Any, *, average: bool = False) -> np.ndarray:
    """``function(log_w, log_f, τ, b, ρ)`` for all draws, shape ``(chain, draw, ...)``, or its average over them."""
    with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
        flat = jax.tree.map(lambda draws: jnp.asarray(draws.reshape(-1, *draws.shape[2:])), parameters)
        apply = jax.jit(lambda draw: function(*_state(prepared, draw)))
        if average:
            first = jax.tree.map(lambda draws: draws[0], flat)
            total, _ = jax.lax.scan(lambda sum_, draw: (sum_ + apply(draw), None), jnp.zeros_like(apply(first)), flat)
            return np.asarray(total / len(flat.temperature))
        values = np.asarray(jax.lax.map(apply, flat))
    return values.reshape(*parameters.temperature.shape, *values.shape[1:])


def _state(prepared: Prepared, parameters: Parameters) -> tuple[Array, Array, Array, Array, Array]:
    """Return log w of cells, log f of patterns, τ, b and ρ of one draw."""
    size = len(prepared.model.personas)
    log_w = log_weights(prepared.design.logits(jnp.asarray(parameters.latents)))
    tables = [jnp.log(table) for table in parameters.probabilities]
    known = parameters.offset is not None
    offset, purity = (parameters.offset, parameters.purity) if known else (np.zeros(size), np.zeros(0))
    log_f = pattern_log_components(tables, prepared.patterns, size)
    return log_w, log_f, jnp.asarray(parameters.temperature), jnp.asarray(offset), jnp.asarray(purity)


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
    judged = int((np.asarray(points.reference_label) >= 0).sum())
    purity = f"was measured with {grouped(judged)} labelled references" if judged else "has a prior only"
    return (
        f"temperature and offsets of the log-likelihoods were calibrated with references: {each}.{more} Weights are "
        "shares of texts of a persona, not of texts like those that its prompt elicits; the share of its own persona "
        f"in what a prompt elicits {purity}."
    )
