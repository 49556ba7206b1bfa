r"""Persona shifts predicted from training data, eq. (5), and compared with estimated shifts.

A training set scored under every persona predicts, before any completion is sampled, which weights will grow and in
which order over fine-tunes (:func:`predict_shifts`). The size of the shifts depends on one parameter, λ, the effective
number of training examples. :func:`fit_conditioning` fits it to the estimated shifts, in ILR coordinates with their
posterior covariance C, as a meta-regression,

.. math:: \hat{Δη} \sim \mathrm{Normal}(λ E, C + σ^2 I),

in which σ is the discrepancy that a common λ leaves unexplained. Every condition is then predicted from the others.

References:
    Higgins, Thompson & Spiegelhalter (2009), A re-evaluation of random-effects meta-analysis,
    doi:10.1111/j.1467-985X.2008.00552.x.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import scipy  # loads scipy.stats when it is used
import xarray as xr

from simulacra.analysis.checks import expect_passed, expect_result, numbers_of
from simulacra.analysis.meta_regression import MetaRegression
from simulacra.formalism.conditioning import conditioned_log_weights, weight_velocity
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.formalism.simplex import ilr_basis
from simulacra.inference.result import Result
from simulacra.inference.tables import CI_PROB, bounds, chosen_probability, ends

__all__ = ["Conditioning", "fit_conditioning", "predict_shifts"]

_FEWEST = 3
_NOTHING = 1e-9  # nats per example
_SHIFTS = ("left_out", "left_out_predictive", "estimated")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Conditioning:
    """Shifts predicted from training data and estimated from completions.

    Attributes:
        tree: an ``xarray.DataTree`` with the group ``posterior``: draws of ``strength`` (λ, examples), ``discrepancy``
            (σ, nats), ``condition_strength`` (λ of each condition alone, given σ), and shifts of weights, dims
            ``condition, persona``: ``predicted`` with the λ of all conditions, ``left_out`` with the λ of the other
            conditions, ``left_out_predictive`` (the same, with the discrepancy σ added) and ``estimated``. Draws of λ
            and σ are independent.
        ci_prob: probability of the intervals of its tables, by default: that of the fit.
    """

    tree: xr.DataTree
    ci_prob: float = CI_PROB

    def __repr__(self) -> str:
        posterior = self.tree["posterior"].to_dataset()
        strength, rest = posterior["strength"], posterior["discrepancy"]
        return card(
            f"Conditioning: shifts of {posterior.sizes['condition']} conditions predicted from training data",
            f"conditions: {listing(posterior['condition'].to_numpy())}",
            f"personas: {listing(posterior['persona'].to_numpy())}",
            f"λ {float(strength.mean()):.3g} ± {float(strength.std()):.2g} examples; σ {float(rest.mean()):.2g} nats "
            "(means and standard deviation)",
            "next: .table(), .strengths(), .explained(); .tree has the draws",
        )

    def table(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """Predicted and estimated shift of every condition and persona.

        Columns ``condition, persona, predicted, predicted_lb, predicted_ub, estimated, eti89_lb, eti89_ub, covered,
        same_direction``. ``predicted`` is the posterior mean with the λ of the other conditions; its equal-tailed
        interval includes σ. ``covered``: the interval of the difference between the two shifts contains zero.
        ``same_direction`` is None if the interval of the estimated shift contains zero.
        """
        ci_prob = chosen_probability(ci_prob, self.ci_prob)
        posterior, quantiles, (lower, upper) = self.tree["posterior"], ends(ci_prob), bounds(ci_prob)
        arrays = {name: posterior[name].to_numpy() for name in _SHIFTS}
        draws = {name: array.reshape(-1, array.shape[2] * array.shape[3]) for name, array in arrays.items()}
        places = pd.MultiIndex.from_product([posterior[name].to_numpy() for name in ("condition", "persona")])
        table = places.set_names(["condition", "persona"]).to_frame(index=False)
        table["predicted"] = draws["left_out"].mean(axis=0)
        table["predicted_lb"], table["predicted_ub"] = np.quantile(draws["left_out_predictive"], quantiles, axis=0)
        table["estimated"] = draws["estimated"].mean(axis=0)
        table[lower], table[upper] = np.quantile(draws["estimated"], quantiles, axis=0)
        low, high = np.quantile(draws["left_out_predictive"] - draws["estimated"], quantiles, axis=0)
        table["covered"] = (low <= 0) & (high >= 0)
        excludes_zero = (table[lower] > 0) | (table[upper] < 0)
        same = np.sign(table["predicted"]) == np.sign(table["estimated"])
        table["same_direction"] = same.astype(object).where(excludes_zero, None)
        return table

    def strengths(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """λ of all conditions together and of each condition alone, in training examples.

        Columns ``condition`` (``"all"`` first), ``mean, eti89_lb, eti89_ub``. If fine-tuning were conditioning and
        nothing else, λ would vary only with the dose.
        """
        posterior = self.tree["posterior"]
        each = posterior["condition_strength"]
        names = each["condition"].to_numpy()
        draws = {"all": posterior["strength"].to_numpy(), **dict(zip(names, each.to_numpy().T, strict=True))}
        return _summary("condition", draws, chosen_probability(ci_prob, self.ci_prob))

    def explained(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """Proportion of the squared shifts of weights that the prediction explains, and how well it predicts the order.

        Columns ``what, mean, eti89_lb, eti89_ub``. ``shifts`` is 1 - Σ (estimated - predicted)² / Σ estimated² over
        conditions and personas, each predicted from the other conditions (posterior mean): 1 for a perfect prediction,
        0 if predicting no shift does equally well, negative if that does better. ``order of <persona>`` is Spearman's
        rank correlation over conditions, all predicted with one λ; NaN if all predictions are equal. Intervals are
        equal-tailed, over draws of the estimated shifts.
        """
        posterior = self.tree["posterior"]
        left_out, predicted = (posterior[name].mean(("chain", "draw")).to_numpy() for name in ("left_out", "predicted"))
        estimated = posterior["estimated"].to_numpy().reshape(-1, *left_out.shape)
        missed = ((estimated - left_out) ** 2).sum(axis=(1, 2)) / (estimated**2).sum(axis=(1, 2))
        found = {"shifts": 1 - missed}
        for index, persona in enumerate(posterior["persona"].to_numpy()):
            ranks = _standard_ranks(predicted[None, :, index]) * _standard_ranks(estimated[:, :, index])
            found[f"order of {persona}"] = ranks.mean(axis=1)
        return _summary("what", found, chosen_probability(ci_prob, self.ci_prob))


def predict_shifts(
    result: Result, evidence: pd.DataFrame, *, over: Mapping[str, str] | None = None, ci_prob: float | None = None
) -> pd.DataFrame:
    """Direction and order of small persona shifts, from training data and the weights before training.

    Args:
        result: a fit that includes the baseline. For an actual prediction, fit the baseline alone: other conditions
            enter through the parameters that a joint fit shares, and as the starting points named in ``over``.
        evidence: one row per fine-tune, one column per persona: e(D) in nats, from
            :func:`~simulacra.formalism.conditioning.mean_evidence`, or the evidence of training examples beyond their
            contexts. Only differences between personas matter.
        over: for fine-tunes that did not start from the baseline, the condition of the fit that they started from.
        ci_prob: probability of the intervals. Default: that of the fit.

    Returns:
        Columns ``condition, persona, evidence`` (nats, relative to the mean over personas), ``velocity`` (posterior
        mean of dw/dλ at zero, :func:`~simulacra.formalism.conditioning.weight_velocity`), ``eti89_lb, eti89_ub,
        p_gt_0`` (posterior probability that the weight initially increases) and ``rank`` over fine-tunes: 1 grows
        fastest, ties share the lower rank number.

    Raises:
        InputError: the fit failed its checks, or the evidence does not match it.
    """
    rows = _evidence(result, evidence)
    ci_prob = chosen_probability(ci_prob, result.ci_prob)
    lower, upper = bounds(ci_prob)
    before = _before(result, _starts(result, evidence, over))
    with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
        velocity = np.asarray(weight_velocity(jnp.asarray(before), jnp.broadcast_to(rows, before.shape)))
    flat = velocity.reshape(-1, *rows.shape)
    places = pd.MultiIndex.from_product([evidence.index.astype(str), result.personas], names=["condition", "persona"])
    table = pd.DataFrame(index=places).reset_index()
    table["evidence"] = rows.ravel()
    table["velocity"] = flat.mean(axis=0).ravel()
    table[lower], table[upper] = np.quantile(flat, ends(ci_prob), axis=0).reshape(2, -1)
    table["p_gt_0"] = (flat > 0).mean(axis=0).ravel()
    table["rank"] = table.groupby("persona")["velocity"].rank(ascending=False, method="min").astype(int)
    return table


def fit_conditioning(
    result: Result,
    evidence: pd.DataFrame,
    *,
    over: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Conditioning:
    """Fit λ of eq. (5) to estimated shifts, and predict every condition from the others.

    When a condition is predicted, fine-tunes that started from it are left out as well, because their shifts are
    measured from it.

    The prior of λ is normal with mean zero, so the data can show that training had the opposite effect; its standard
    deviation is three times the ratio of the lengths of shifts and evidence. The prior of σ is half-normal, its scale
    the root mean square of a shift.

    Args:
        result: a fit of the conditions.
        evidence: as in :func:`predict_shifts`; at least three fine-tunes of similar dose, all in the fit.
        over: for fine-tunes that did not start from the baseline, the condition that they started from.
        seed: random seed of all draws; their number is that of the result.

    Raises:
        InputError: the fit failed its checks; there are fewer than three conditions, or fewer than two to predict a
            condition from; the evidence does not match the fit or is the same for all personas.

    When not to trust it: shifts enter as Gaussians in log-ratios, a rough approximation for personas that no completion
    shows; their variance is large, so they have little influence. Estimated shifts are shrunken by their prior and
    limited by the resolution of the completions, so λ of a condition whose weights are near 0 and 1 is rather a lower
    bound. A λ fitted to these training sets carries no information about other models or schedules.
    """
    expect_whole(seed, "seed", "fit_conditioning")
    rows = _evidence(result, evidence)
    names = [str(name) for name in evidence.index]
    known = [str(name) for name in result.posterior["condition"].to_numpy()]
    if not set(names) <= set(known) or len(names) < _FEWEST:
        raise InputError(
            f"fit_conditioning: expected evidence on at least {_FEWEST} conditions of the fit "
            f"({', '.join(known[1:])}); got {', '.join(names)}",
            argument="evidence",
        )
    starts = _starts(result, evidence, over)
    before, after = _before(result, starts), result.draws("weights").sel(condition=names).to_numpy()
    basis = ilr_basis(rows.shape[1])
    regression = MetaRegression((np.log(after) - np.log(before)) @ basis.T, rows @ basis.T)
    rng = np.random.default_rng([seed, 2])
    (chains, draws), every = before.shape[:2], np.arange(len(names))
    strength, discrepancy = regression.sample(every, chains * draws, rng)
    scale, _ = regression.scales(every)
    own = [regression.sample_strength(every[[index]], discrepancy, scale, rng) for index in every]
    others = [regression.sample(rest, chains * draws, rng) for rest in _others(names, starts)]
    apart, spread = (np.stack(part, axis=-1).reshape(chains, draws, -1) for part in zip(*others, strict=True))
    together = np.broadcast_to(strength.reshape(chains, draws, 1), apart.shape)
    noise = spread[..., None] * rng.standard_normal((*spread.shape, len(basis))) @ basis
    evidence_of = np.broadcast_to(rows, before.shape)
    left_out = _after(np.log(before), evidence_of, apart)
    dims = ("chain", "draw", "condition", "persona")
    posterior = xr.Dataset(
        {
            "strength": (dims[:2], strength.reshape(chains, draws)),
            "discrepancy": (dims[:2], discrepancy.reshape(chains, draws)),
            "condition_strength": (dims[:3], np.stack(own, axis=-1).reshape(chains, draws, -1)),
            "predicted": (dims, np.exp(_after(np.log(before), evidence_of, together)) - before),
            "left_out": (dims, np.exp(left_out) - before),
            "left_out_predictive": (dims, np.exp(_after(left_out, noise, np.ones(spread.shape))) - before),
            "estimated": (dims, after - before),
        },
        coords={"condition": names, "persona": list(result.personas)},
    )
    return Conditioning(xr.DataTree.from_dict({"/posterior": posterior}), result.ci_prob)


def _evidence(result: Result, evidence: pd.DataFrame) -> np.ndarray:
    """Validated evidence, centred, with personas in the order of the result, ``(M, K)``."""
    expect_result(result, "Conditioning")
    expect_type(evidence, pd.DataFrame, "evidence", "Conditioning", expected="a DataFrame with one row per fine-tune")
    expect_passed(result, "Shifts cannot be compared with evidence", "shifts")
    if set(evidence.columns) != set(result.personas) or evidence.index.has_duplicates:
        raise InputError(
            f"Evidence: expected one row per fine-tune and the columns {', '.join(result.personas)}; got columns "
            f"{', '.join(map(str, evidence.columns))}"
            + (" and duplicate rows" if evidence.index.has_duplicates else ""),
            argument="evidence",
        )
    if evidence.empty:
        raise InputError("Evidence: there are no rows", expected="one row per fine-tune", argument="evidence")
    rows = numbers_of(evidence[list(result.personas)], "Evidence", "evidence")
    unusable = evidence.index[np.flatnonzero(~np.isfinite(rows).all(axis=1))]
    if len(unusable):
        raise InputError(
            f"Evidence on {', '.join(map(str, unusable))}: expected finite numbers for every persona. Average only "
            "over examples that were scored",
            argument="evidence",
        )
    rows = rows - rows.mean(axis=1, keepdims=True)  # only differences matter, and large numbers lose precision
    flat = evidence.index[np.flatnonzero(np.abs(rows).max(axis=1) < _NOTHING)]
    if len(flat):
        raise InputError(
            f"Evidence on {', '.join(map(str, flat))} is the same for all personas, so it predicts no shift. Score "
            "the examples under a separate prompt for every persona",
            argument="evidence",
        )
    return rows


def _starts(result: Result, evidence: pd.DataFrame, over: Mapping[str, str] | None) -> list[str]:
    """The condition that every fine-tune started from."""
    expected = "the condition that a fine-tune started from, such as {'untargeted': 'narrow'}"
    expect_type(over, (Mapping, type(None)), "over", "Conditioning", expected=expected)
    known = [str(name) for name in result.posterior["condition"].to_numpy()]
    names = [str(name) for name in evidence.index]
    unknown = [name for name in over or {} if name not in names]
    if unknown:
        raise InputError(
            f"over: {unknown[0]!r} is not a row of the evidence; the rows are {', '.join(names)}", argument="over"
        )
    starts = [(over or {}).get(name, result.model.baseline) for name in names]
    for name, start in zip(names, starts, strict=True):
        if start not in known or start == name:
            raise InputError(
                f"over: {name} started from {start!r}, which is {'itself' if start == name else 'not in the fit'}; "
                f"expected another of {', '.join(known)}",
                argument="over",
            )
    return starts


def _before(result: Result, starts: list[str]) -> np.ndarray:
    """Draws of the weights that every fine-tune started from, ``(chain, draw, M, K)``."""
    return result.draws("weights").sel(condition=starts).to_numpy()


def _others(names: list[str], starts: list[str]) -> list[np.ndarray]:
    """For every condition, the indices of the others whose shifts are not measured from it."""
    rest = [[other for other, start in enumerate(starts) if names[other] != name and start != name] for name in names]
    if min(map(len, rest)) < _FEWEST - 1:
        fewest = names[min(range(len(rest)), key=lambda index: len(rest[index]))]
        raise InputError(
            f"fit_conditioning: {fewest} is predicted from the conditions that are not measured from it, and there "
            f"are fewer than {_FEWEST - 1} of these",
            remedy="add conditions",
            argument=("evidence", "over"),
        )
    return [np.array(one) for one in rest]


def _after(log_w: np.ndarray, evidence: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Log weights after conditioning on evidence."""
    with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
        return np.asarray(conditioned_log_weights(*map(jnp.asarray, (log_w, evidence, strength))))


def _summary(what: str, draws: Mapping[str, np.ndarray], ci_prob: float) -> pd.DataFrame:
    """Mean and interval of draws, one row per name."""
    rows = [(str(name), one.mean(), *np.quantile(one, ends(ci_prob))) for name, one in draws.items()]
    return pd.DataFrame(rows, columns=[what, "mean", *bounds(ci_prob)])


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis with mean 0 and variance 1; NaN if all are tied."""
    ranks = scipy.stats.rankdata(values, axis=-1)
    spread = ranks.std(axis=-1, keepdims=True)
    return (ranks - ranks.mean(axis=-1, keepdims=True)) / np.where(spread > 0, spread, np.nan)
