"""Variants of eq. (6) compared by cross-validation over conversations.

Contexts that continue one another share what eq. (6) leaves out, so whole conversations are left out: every
conversation is predicted from the others, by Pareto-smoothed importance sampling, and by a new fit where the importance
weights are unreliable (k > 0.7, or less for few draws). The standard error of a difference is over conversations.

References:
    Vehtari, Gelman & Gabry (2017), Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC,
    doi:10.1007/s11222-016-9696-4; Roberts et al. (2017), Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure, doi:10.1111/ecog.02881 (leaving out blocks).
"""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from simulacra.analysis.context_model import ContextModel, ContextSampler, conversation_log_likelihood
from simulacra.analysis.contexts import Column, Contexts, read_contexts
from simulacra.analysis.in_context import InContext, fit_contexts
from simulacra.analysis.verdicts import judge
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference.diagnostics import Thresholds

__all__ = ["VARIANTS", "ContextComparison", "compare_in_context"]

VARIANTS: Mapping[str, ContextModel] = {
    "none": ContextModel(lapse=False),
    "exponent": ContextModel(lapse=False, exponent=True),
    "lapse": ContextModel(),
    "both": ContextModel(exponent=True),
}
"""Variants of eq. (6): neither lapse nor exponent, one of them, both."""

_FEWEST = 8
_UNRELIABLE = 0.7


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ContextComparison:
    """Variants of eq. (6), fitted to the same contexts and compared.

    Attributes:
        fits: the fit of every variant, by name.
        elpd: expected log predictive density of every conversation, nats: one row per conversation, one column per
            variant.
        refitted: conversations that were predicted by a new fit, by variant.
    """

    fits: Mapping[str, InContext]
    elpd: pd.DataFrame
    refitted: Mapping[str, int]

    def __repr__(self) -> str:
        table = self.table()
        rows = [f"{row.variant} {row.elpd_diff:+.1f} ± {row.dse:.1f}" for row in table.itertuples()]
        return card(
            f"ContextComparison of {len(rows)} variants over {len(self.elpd)} conversations",
            f"elpd difference from the best, ± standard error: {listing(rows)}",
            "next: .table(), .difference(variant, minus), .fits[variant], .elpd",
        )

    def table(self) -> pd.DataFrame:
        """One row per variant, the best first: ``variant, rank, elpd, se, elpd_diff, dse, refitted, status``.

        ``elpd`` is the sum over conversations in nats, ``elpd_diff`` its difference from the best variant (not
        positive), ``se`` and ``dse`` their standard errors over conversations, ``refitted`` the number of conversations
        that were predicted by a new fit. NaN if a fit failed its checks.
        """
        total = self.elpd.sum().sort_values(ascending=False)
        best = str(total.index[0])
        rows = [
            {
                "variant": name,
                "rank": rank,
                "elpd": total[name],
                "se": _standard_error(self.elpd[name]),
                **self.difference(str(name), best).rename({"mean": "elpd_diff", "se": "dse"}),
                "refitted": self.refitted[str(name)],
                "status": "ok" if self.fits[str(name)].ok else "withheld: a check of the fit failed",
            }
            for rank, name in enumerate(total.index)
        ]
        table = pd.DataFrame(rows)
        numbers = ["elpd", "se", "elpd_diff", "dse"]
        table.loc[table["status"] != "ok", numbers] = np.nan
        return table

    def difference(self, variant: str, minus: str) -> pd.Series:
        """Difference of the elpd of two variants, nats: ``mean, se``.

        Raises:
            InputError: there is no such variant.
        """
        each = self._differences(variant, minus)
        return pd.Series({"mean": each.sum(), "se": _standard_error(each)})

    def verdict(self, variant: str, minus: str) -> str:
        """``"supported"``, ``"rejected"`` or ``"undecided"``: whether a variant predicts conversations better.

        Supported or rejected if the difference of elpd is clear (:mod:`simulacra.analysis.verdicts`), with
        conversations as units.

        Raises:
            InputError: there is no such variant.
        """
        return judge(self._differences(variant, minus).to_numpy()).verdict

    def _differences(self, variant: str, minus: str) -> pd.Series:
        """The difference of every conversation, nats."""
        for name, argument in ((variant, "variant"), (minus, "minus")):
            if name not in self.elpd:
                found = f"difference: there is no variant {name!r}"
                raise InputError(found, expected=f"one of {', '.join(map(str, self.elpd))}", argument=argument)
        return self.elpd[variant] - self.elpd[minus]


def compare_in_context(
    evidence: pd.DataFrame,
    answers: pd.DataFrame,
    *,
    conversations: Column,
    turns: Column | None = None,
    conditions: Column | None = None,
    training: pd.DataFrame | None = None,
    variants: Mapping[str, ContextModel] = VARIANTS,
    seed: int = 0,
    num_warmup: int = 300,
    num_samples: int = 500,
    num_chains: int = 4,
    thresholds: Thresholds | None = None,
) -> ContextComparison:
    """Fit variants of eq. (6) to the same contexts and compare them by leaving out conversations.

    Args:
        evidence: as for :func:`~simulacra.analysis.fit_in_context`, like all arguments that are not listed here.
        answers: likewise.
        conversations: the conversation to which every context belongs; at least 8. Contexts of several conditions that
            share their turns belong to one conversation.
        turns: likewise.
        conditions: likewise.
        training: likewise.
        variants: the models, by name. Default: neither lapse nor exponent, one of them, both.
        seed: random seed of all draws.
        num_warmup: warm-up iterations per chain, discarded.
        num_samples: draws per chain.
        num_chains: number of chains.
        thresholds: thresholds of the convergence checks.

    Raises:
        InputError: as :func:`~simulacra.analysis.fit_in_context`; fewer than two variants, or fewer than 8
            conversations.

    When not to trust it: with few conversations the standard error of a difference is itself uncertain. Differences of
    less than 4 nats say nothing.
    """
    expect_type(variants, Mapping, "variants", "compare_in_context", expected="ContextModel by name")
    for one in variants.values():
        expect_type(one, ContextModel, "variants", "compare_in_context", expected="ContextModel by name")
    if len(variants) < 2:
        raise InputError(f"compare_in_context: {len(variants)} variants", expected="at least 2", argument="variants")
    contexts = read_contexts(
        evidence,
        answers,
        turns=turns,
        conversations=conversations,
        conditions=conditions,
        training=training,
        call="compare_in_context",
    )
    number = contexts.conversation.max() + 1
    if number < _FEWEST:
        raise InputError(
            f"compare_in_context: there are {number} conversations",
            expected=f"at least {_FEWEST}, because they are the unit of cross-validation",
            argument="conversations",
        )
    lengths = {"num_warmup": num_warmup, "num_samples": num_samples, "num_chains": num_chains}
    fits, elpd, refitted = {}, {}, {}
    for name, model in variants.items():
        sampler = ContextSampler(model, contexts, **lengths)
        fits[name] = fit_contexts(contexts, sampler, seed, thresholds)
        elpd[name], refitted[name] = _left_out(fits[name], sampler, contexts, seed)
    return ContextComparison(fits, pd.DataFrame(elpd), refitted)


def _left_out(fit: InContext, sampler: ContextSampler, contexts: Contexts, seed: int) -> tuple[np.ndarray, int]:
    """Expected log predictive density of every conversation, and the number that were predicted by a new fit."""
    from arviz_stats.loo import loo  # ArviZ takes longer to import than all else here

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto", UserWarning)  # fitted again below
        found: Any = loo(fit.tree, pointwise=True, var_name="answers")
    each = found.elpd_i.to_numpy().copy()
    unreliable = found.pareto_k.to_numpy() > min(_UNRELIABLE, found.good_k)
    for conversation in np.flatnonzero(unreliable):
        posterior, _ = sampler.run(contexts, seed, contexts.conversation != conversation)
        density = conversation_log_likelihood(posterior, contexts).to_numpy()[..., conversation]
        each[conversation] = special.logsumexp(density) - np.log(density.size)
    return each, int(unreliable.sum())


def _standard_error(each: pd.Series) -> float:
    return float(np.sqrt(len(each) * each.var(ddof=1)))
