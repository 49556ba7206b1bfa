r"""Additivity of the evidence in a context: eq. (6) compared with a model's answers after each turn.

After N turns x₁ … x_N, a simulator is predicted to answer as persona z with weight

.. math:: w = (1 - ε) \operatorname{softmax}\bigl(η + τ N^{-α} \textstyle\sum_t \log f_z(x_t)\bigr)
    + ε \operatorname{softmax}(η),

where η are the log weights of the model without the context. The model's answers, each attributed to a persona, are
counted per context, and the parameters are fitted to the counts. Several models, such as a base model and its
fine-tunes, may answer in the same contexts: each then has an η, and if training and context add up in log odds, τ, α
and ε are common to all. With the evidence of their training sets, η = η₀ + λ e(D), which joins eqs. (5) and (6).

References:
    Xie et al. (2022), An explanation of in-context learning as implicit Bayesian inference, arXiv:2111.02080; Bigelow
    et al. (2025), Belief dynamics reveal the dual nature of in-context learning and activation steering,
    arXiv:2511.00617.
"""

import dataclasses

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from simulacra.analysis.clustered_rate import clustered_rate
from simulacra.analysis.context_model import ContextModel, ContextSampler, conversation_log_likelihood
from simulacra.analysis.contexts import Column, Contexts, read_contexts
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.inference.convergence import convergence
from simulacra.inference.diagnostics import Check, Thresholds, check_sampling
from simulacra.inference.tables import CI_PROB, Terms, bounds, ends, summary_table

__all__ = ["InContext", "fit_contexts", "fit_in_context"]

_SEEN_PRIOR = 0.5
_PARAMETERS = ("temperature", "exponent", "lapse", "strength", "concentration")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class InContext:
    """A model's answers predicted from the evidence in its context.

    Attributes:
        model: the terms of eq. (6) that were fitted.
        tree: an ``xarray.DataTree`` with the groups ``posterior``, ``sample_stats``, ``log_likelihood`` (of the answers
            of every conversation, nats) and ``observed_data``: draws of ``temperature`` (τ), ``exponent`` (α),
            ``lapse`` (ε), ``strength`` (λ, examples), as far as the model has them, ``coordinates`` (η, ILR),
            ``concentration`` (of the Dirichlet-multinomial; large if contexts differ in their evidence only) and
            ``weights`` predicted for every context.
        checks: the convergence checks.
    """

    model: ContextModel
    tree: xr.DataTree
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        weights = self.tree["posterior"]["weights"]
        failed = [check.name for check in self.checks if not check.passed]
        passed = len(self.checks) - len(failed)
        return card(
            f"InContext: answers in {weights.sizes['context']} contexts; {passed} of {len(self.checks)} checks passed",
            f"personas: {listing(weights['persona'].to_numpy())}",
            f"terms: {listing(self.model.terms)}",
            f"failed: {listing(failed)}; numbers are withheld" if failed else "",
            "next: .parameters(), .table(by), .checks; .tree has the draws",
        )

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def parameters(self, *, ci_prob: float = CI_PROB) -> pd.DataFrame:
        """τ, α, ε, λ and the concentration: ``parameter, condition, mean, eti89_lb, eti89_ub, ess_bulk, …, status``.

        The parameters that the model has; ``condition`` is empty if one is common to all. τ of 1 is exact inference, 0
        no use of the evidence. Estimates are NaN if a check failed.
        """
        posterior = self.tree["posterior"].to_dataset()
        terms = Terms(self._failed, Thresholds(r_hat=np.inf, ess=0), ci_prob)  # the checks have decided
        parts = []
        for name in _PARAMETERS:
            if name in posterior:
                part = summary_table(posterior[name].expand_dims(parameter=[name], axis=2), terms)
                parts.append(part.rename(columns={"trained": "condition"}))
        table = pd.concat(parts, ignore_index=True)
        table.insert(1, "condition", table.pop("condition").fillna("") if "condition" in table else "")
        return table

    @property
    def _failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def table(self, by: pd.DataFrame, *, ci_prob: float = CI_PROB) -> pd.DataFrame:
        """Predicted and measured weights and log odds, by group of contexts.

        Args:
            by: one row per context, in the order of the contexts; contexts with equal values in all columns form a
                group, for example those with the same author and number of turns.
            ci_prob: probability of the intervals.

        Returns:
            The columns of ``by`` and ``persona, predicted, eti89_lb, eti89_ub, measured, measured_lb, measured_ub,
            predicted_log_odds, measured_log_odds`` (of the persona against all others, nats). The predicted interval
            is equal-tailed, the measured one a Korn-Graubard interval clustered by context; the measured log odds add
            half a count to every persona. Predictions are NaN if a check failed.

        Raises:
            InputError: ``by`` does not have one row per context.
        """
        weights, (lower, upper) = self.tree["posterior"]["weights"], bounds(ci_prob)
        draws = weights.to_numpy().reshape(-1, *weights.shape[2:])
        counts = self.tree["observed_data"]["answers"].to_numpy()
        if len(by) != len(counts):
            raise InputError(
                f"table(by=...): expected one row for each of {len(counts)} contexts; got {len(by)}", argument="by"
            )
        parts = []
        groups = by.reset_index(drop=True).groupby(list(by.columns), sort=False, dropna=False).indices
        for key, rows in groups.items():
            seen = counts[rows].sum(axis=0) + _SEEN_PRIOR
            share = counts[rows].sum(axis=1) / counts[rows].sum()
            drawn = np.einsum("c,sck->sk", share, draws[:, rows])
            part = pd.DataFrame({"persona": weights["persona"].to_numpy(), "predicted": drawn.mean(axis=0)})
            part[lower], part[upper] = np.quantile(drawn, ends(ci_prob), axis=0)
            part["measured"] = counts[rows].sum(axis=0) / counts[rows].sum()
            rates = [clustered_rate(own, counts[rows].sum(axis=1), ci_prob) for own in counts[rows].T]
            part["measured_lb"], part["measured_ub"] = [rate.lower for rate in rates], [rate.upper for rate in rates]
            part["predicted_log_odds"] = special.logit(drawn).mean(axis=0)
            part["measured_log_odds"] = special.logit(seen / seen.sum())
            for position, (name, value) in enumerate(
                zip(by.columns, key if isinstance(key, tuple) else (key,), strict=True)
            ):
                part.insert(position, name, value)  # pyright: ignore[reportArgumentType] (a key of groups is a scalar)
            parts.append(part)
        table = pd.concat(parts, ignore_index=True)
        withheld = ["predicted", lower, upper, "predicted_log_odds"]
        return table if self.ok else table.assign(**dict.fromkeys(withheld, np.nan))


def fit_in_context(
    evidence: pd.DataFrame,
    answers: pd.DataFrame,
    *,
    turns: Column | None = None,
    conversations: Column | None = None,
    conditions: Column | None = None,
    training: pd.DataFrame | None = None,
    model: ContextModel | None = None,
    seed: int = 0,
    num_warmup: int = 300,
    num_samples: int = 500,
    num_chains: int = 4,
    thresholds: Thresholds | None = None,
) -> InContext:
    """Fit eq. (6) to the personas of a model's answers in many contexts.

    Args:
        evidence: one row per context, one column per persona: Σ log f_z of its turns in nats, zeros for a context
            without turns.
        answers: the same rows and columns: the number of the model's answers attributed to each persona.
        turns: the number of turns of every context; required for an exponent.
        conversations: the conversation to which every context belongs, the unit of cross-validation
            (:func:`~simulacra.analysis.compare_in_context`). Default: every context is a conversation.
        conditions: the model that answered in every context. Default: a single model.
        training: evidence of the training set of every condition, as ``training_evidence`` returns it, with zeros for a
            model that was not trained; required for a model in which it predicts the shifts.
        model: the terms of eq. (6). Default: a lapse, no exponent.
        seed: random seed of all draws.
        num_warmup: warm-up iterations per chain, discarded.
        num_samples: draws per chain.
        num_chains: number of chains.
        thresholds: thresholds of the convergence checks.

    Priors: τ normal with mean 0 and standard deviation 3, so the data can show that turns have no effect, too large an
    effect or the opposite effect; α standard normal; ε beta with parameters 1 and 9; η normal with standard deviation
    3; λ normal with mean 0 and the standard deviation that moves log odds by 10 nats; the concentration log-normal with
    median 50.

    Raises:
        InputError: columns, rows or lengths that differ, evidence that is not finite, counts that are negative or not
            whole numbers, a context without answers, missing values, an exponent without turns, a model with training
            without its evidence, or fewer than 50 draws or two chains.

    When not to trust it: contexts that continue one another, such as the turns of a conversation, are treated as
    independent given the parameters, so intervals are too narrow. To see by how much, fit one context per conversation.
    A lapse and a τ that is too small both flatten the response; they differ only where evidence is strong, so contexts
    with little evidence do not determine ε.
    """
    contexts = read_contexts(
        evidence,
        answers,
        turns=turns,
        conversations=conversations,
        conditions=conditions,
        training=training,
        call="fit_in_context",
    )
    chosen = ContextModel() if model is None else model
    lengths = {"num_warmup": num_warmup, "num_samples": num_samples, "num_chains": num_chains}
    return fit_contexts(contexts, ContextSampler(chosen, contexts, **lengths), seed, thresholds)


def fit_contexts(
    contexts: Contexts, sampler: ContextSampler, seed: int, thresholds: Thresholds | None = None
) -> InContext:
    """Fit a model to validated contexts.

    Raises:
        InputError: a seed that is not a whole number, or other thresholds.
    """
    expect_whole(seed, "seed", "In-context model")
    expected = "Thresholds, such as Thresholds(ess=200)"
    expect_type(thresholds, (Thresholds, type(None)), "thresholds", "In-context model", expected=expected)
    posterior, stats = sampler.run(contexts, seed)
    gated = [str(name) for name in posterior if name != "weights"]
    checks = check_sampling(convergence(posterior, gated), posterior[gated], stats, thresholds or Thresholds())
    likelihood = conversation_log_likelihood(posterior, contexts).to_dataset()
    observed = xr.Dataset({"answers": (("context", "persona"), contexts.answers)})
    groups = {"posterior": posterior, "sample_stats": stats, "log_likelihood": likelihood, "observed_data": observed}
    tree = xr.DataTree.from_dict({f"/{name}": own for name, own in groups.items()})
    return InContext(sampler.model, tree, tuple(checks))
