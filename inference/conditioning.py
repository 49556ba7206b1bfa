r"""Were persona shifts foretold by the training data? Eq. (5) against estimated weights.

Before any completion is drawn, a training set scored under every persona says which weights will grow and in which
order over fine-tunes (:func:`predict_shifts`). How far they move takes one number, λ, the effective number of training
examples. :func:`fit_conditioning` fits it to the estimated shifts, in ILR coordinates with their posterior covariance
C, as a meta-regression,

.. math:: \hat{Δη} \sim \mathrm{Normal}(λ E, C + σ^2 I),

in which σ is what one λ for all leaves unexplained. Every condition is then predicted from the others.

References:
    Higgins, Thompson & Spiegelhalter (2009), A re-evaluation of random-effects meta-analysis,
    doi:10.1111/j.1467-985X.2008.00552.x.
"""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from simulacra.formalism.conditioning import conditioned_log_weights, weight_velocity
from simulacra.formalism.simplex import ilr_basis
from simulacra.inference.meta_regression import MetaRegression
from simulacra.inference.result import INTERVAL, Result

__all__ = ["Conditioning", "fit_conditioning", "predict_shifts"]

_ENDS = [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]
_FEWEST = 3
_WIDE = 3.0


@dataclasses.dataclass(frozen=True, eq=False)
class Conditioning:
    """How well shifts follow from training data.

    Attributes:
        tree: draws of ``strength`` (λ, examples), ``discrepancy`` (σ, nats), ``condition_strength`` (λ of each
            condition by itself, given σ), and shifts of weights, dims ``condition, persona``: ``predicted`` from the
            other conditions, ``expected`` (the same without σ) and ``estimated``; an ``xarray.DataTree`` with the group
            ``posterior``. Draws of λ and σ are independent.
    """

    tree: xr.DataTree

    def table(self) -> pd.DataFrame:
        """Predicted beside estimated shift of every condition and persona.

        Columns ``condition, persona, predicted, predicted_lb, predicted_ub, estimated, eti89_lb, eti89_ub, covered,
        same_direction``. Intervals are 89 % equal-tailed; the predicted one allows for σ. ``covered``: the estimate
        lies in it. ``same_direction`` is None where the estimated shift's interval holds zero.
        """
        posterior = self.tree["posterior"]
        parts = {}
        for name in ("predicted", "estimated"):
            draws = posterior[name]
            parts[name] = np.stack([draws.mean(("chain", "draw")), *draws.quantile(_ENDS, ("chain", "draw"))], axis=-1)
        predicted, estimated = (part.reshape(-1, 3) for part in parts.values())
        places = pd.MultiIndex.from_product([posterior[name].to_numpy() for name in ("condition", "persona")])
        table = pd.DataFrame(
            np.hstack([predicted, estimated]),
            columns=["predicted", "predicted_lb", "predicted_ub", "estimated", "eti89_lb", "eti89_ub"],
        )
        table.insert(0, "condition", places.get_level_values(0))
        table.insert(1, "persona", places.get_level_values(1))
        sure = (table["eti89_lb"] > 0) | (table["eti89_ub"] < 0)
        same = np.sign(table["predicted"]) == np.sign(table["estimated"])
        table["covered"] = table["estimated"].between(table["predicted_lb"], table["predicted_ub"]).astype(object)
        table["same_direction"] = same.astype(object).where(sure, None)
        return table

    def strengths(self) -> pd.DataFrame:
        """λ of all conditions together and of each by itself, in training examples.

        Columns ``condition`` (``"all"`` first), ``mean, eti89_lb, eti89_ub``. Were fine-tuning conditioning and nothing
        else, λ would differ only with the dose.
        """
        posterior = self.tree["posterior"]
        each = posterior["condition_strength"]
        names = each["condition"].to_numpy()
        draws = {"all": posterior["strength"], **{name: each.sel(condition=name) for name in names}}
        rows = [(str(name), float(one.mean()), *np.quantile(one, _ENDS)) for name, one in draws.items()]
        return pd.DataFrame(rows, columns=["condition", "mean", "eti89_lb", "eti89_ub"])

    def explained(self) -> pd.DataFrame:
        """Share of the squared shifts of weights that is predicted, and how well their order is.

        Columns ``what, mean, eti89_lb, eti89_ub``. ``shifts`` is 1 - Σ (estimated - predicted)² / Σ estimated² over
        conditions and personas: 1 if all is foretold, 0 if "nothing moves" does as well, negative if it does better.
        ``order of <persona>`` is Spearman's rank correlation over conditions.
        """
        posterior = self.tree["posterior"]
        centre, estimated = (
            posterior[name].to_numpy().reshape(-1, *posterior[name].shape[2:]) for name in ("expected", "estimated")
        )
        missed = ((estimated - centre) ** 2).sum(axis=(1, 2)) / (estimated**2).sum(axis=(1, 2))
        found = {"shifts": 1 - missed}
        for index, persona in enumerate(posterior["persona"].to_numpy()):
            ranks = [stats.rankdata(part[:, :, index], axis=1) for part in (centre, estimated)]
            ranks = [(rank - rank.mean(axis=1, keepdims=True)) / rank.std(axis=1, keepdims=True) for rank in ranks]
            found[f"order of {persona}"] = (ranks[0] * ranks[1]).mean(axis=1)
        rows = [(name, draws.mean(), *np.quantile(draws, _ENDS)) for name, draws in found.items()]
        return pd.DataFrame(rows, columns=["what", "mean", "eti89_lb", "eti89_ub"])


def predict_shifts(result: Result, evidence: pd.DataFrame, *, over: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Direction and order of persona shifts, from training data and the weights before training alone.

    Args:
        result: a fit that holds the baseline; nothing of other conditions is used, they need not be there.
        evidence: a row for every fine-tune, a column for every persona: e(D) in nats, as
            :func:`~simulacra.formalism.conditioning.mean_evidence` gives it, or what training examples say beyond
            their contexts. Only differences between personas count.
        over: what a fine-tune started from, where that is not the baseline; a condition of the fit.

    Returns:
        Columns ``condition, persona, evidence`` (nats, relative to the mean over personas), ``velocity`` (posterior
        mean of dw/dλ at zero, :func:`~simulacra.formalism.conditioning.weight_velocity`), ``eti89_lb, eti89_ub,
        p_gt_0`` (posterior probability that the weight grows at first) and ``rank`` over fine-tunes, 1 grows fastest.

    Raises:
        ValueError: the fit failed its checks, or evidence that does not match it.
    """
    rows = _evidence(result, evidence)
    before = _before(result, evidence, over)
    velocity = np.asarray(weight_velocity(jnp.asarray(before), jnp.broadcast_to(rows, before.shape)))
    flat = velocity.reshape(-1, *rows.shape)
    places = pd.MultiIndex.from_product([evidence.index.astype(str), result.personas], names=["condition", "persona"])
    table = pd.DataFrame(index=places).reset_index()
    table["evidence"] = (rows - rows.mean(axis=1, keepdims=True)).ravel()
    table["velocity"] = flat.mean(axis=0).ravel()
    table["eti89_lb"], table["eti89_ub"] = np.quantile(flat, _ENDS, axis=0).reshape(2, -1)
    table["p_gt_0"] = (flat > 0).mean(axis=0).ravel()
    table["rank"] = table.groupby("persona")["velocity"].rank(ascending=False).astype(int)
    return table


def fit_conditioning(
    result: Result,
    evidence: pd.DataFrame,
    *,
    over: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Conditioning:
    """Fit λ of eq. (5) to estimated shifts, and predict every condition from the others.

    The prior of λ is symmetric about zero, so that the data may say that training did not do what its evidence
    predicts; its standard deviation is three times the ratio of the lengths of shifts and evidence, that of σ's
    half-normal prior the root mean square of a shift.

    Args:
        result: a fit of the conditions.
        evidence: as in :func:`predict_shifts`; fine-tunes of like dose, at least three, all in the fit.
        over: what a fine-tune started from, where that is not the baseline.
        seed: of all draws, of which there are as many as the result has.

    Raises:
        ValueError: the fit failed its checks, fewer than three conditions, or evidence that does not match the fit.

    When not to trust it: shifts enter as Gaussians in log-ratios, which is rough for personas that no completion shows;
    their variance is large and they count for little. A λ that fits the training sets at hand says nothing about other
    models or schedules.
    """
    rows = _evidence(result, evidence)
    names = [str(name) for name in evidence.index]
    known = [str(name) for name in result.weights()["condition"].to_numpy()]
    if not set(names) <= set(known) or len(names) < _FEWEST:
        raise ValueError(
            f"fit_conditioning: expected evidence on at least {_FEWEST} conditions of the fit "
            f"({', '.join(known[1:])}); got {', '.join(names)}."
        )
    before = _before(result, evidence, over)
    after = result.weights().sel(condition=names).to_numpy()
    basis = ilr_basis(rows.shape[1])
    shifts = (np.log(after) - np.log(before)) @ basis.T
    regression = MetaRegression(shifts, rows @ basis.T)
    rng = np.random.default_rng([seed, 2])
    (chains, draws), every = before.shape[:2], np.arange(len(names))
    strength, discrepancy = regression.sample(every, chains * draws, rng)
    own = [regression.sample_strength(every[index : index + 1], discrepancy, rng) for index in every]
    others = [regression.sample(np.delete(every, index), chains * draws, rng) for index in every]
    apart, spread = (np.stack(part, axis=-1).reshape(chains, draws, -1) for part in zip(*others, strict=True))
    expected = _after(np.log(before), np.broadcast_to(rows, before.shape), apart)
    noise = spread[..., None] * rng.standard_normal((*spread.shape, len(basis))) @ basis
    noisy = _after(expected, noise, np.ones(spread.shape))
    dims = ("chain", "draw", "condition", "persona")
    posterior = xr.Dataset(
        {
            "strength": (dims[:2], strength.reshape(chains, draws)),
            "discrepancy": (dims[:2], discrepancy.reshape(chains, draws)),
            "condition_strength": (dims[:3], np.stack(own, axis=-1).reshape(chains, draws, -1)),
            "expected": (dims, np.exp(expected) - before),
            "predicted": (dims, np.exp(noisy) - before),
            "estimated": (dims, after - before),
        },
        coords={"condition": names, "persona": list(result.personas)},
    )
    return Conditioning(xr.DataTree.from_dict({"/posterior": posterior}))


def _evidence(result: Result, evidence: pd.DataFrame) -> np.ndarray:
    """Evidence with personas in the order of the result, ``(M, K)``, once the result may be used."""
    if not result.ok:
        raise ValueError(
            "Shifts cannot be compared with evidence: this fit failed its checks: "
            + "; ".join(check.name for check in result.failed)
        )
    if set(evidence.columns) != set(result.personas) or evidence.index.has_duplicates:
        raise ValueError(
            f"Evidence: expected one row a fine-tune and the columns {', '.join(result.personas)}; got columns "
            f"{', '.join(map(str, evidence.columns))}"
            + (" and rows that repeat." if evidence.index.has_duplicates else ".")
        )
    rows = evidence[list(result.personas)].to_numpy(dtype=float)
    unusable = ~np.isfinite(rows).all(axis=1)
    if unusable.any():
        raise ValueError(
            f"Evidence on {', '.join(map(str, evidence.index[unusable]))}: expected finite numbers for every persona. "
            "Average only examples that were scored."
        )
    return rows


def _before(result: Result, evidence: pd.DataFrame, over: Mapping[str, str] | None) -> np.ndarray:
    """Draws of the weights that every fine-tune started from, ``(chain, draw, M, K)``."""
    weights = result.weights()
    baseline = result.prepared.model.baseline
    starts = {str(name): (over or {}).get(str(name), baseline) for name in evidence.index}
    for name, start in starts.items():
        if start not in weights["condition"]:
            raise ValueError(
                f"over: {name} started from {start!r}, which is not in the fit; it has "
                f"{', '.join(map(str, weights['condition'].to_numpy()))}."
            )
    return weights.sel(condition=list(starts.values())).to_numpy()


def _after(log_w: np.ndarray, evidence: np.ndarray, strength: np.ndarray) -> np.ndarray:
    return np.asarray(conditioned_log_weights(*map(jnp.asarray, (log_w, evidence, strength))))
