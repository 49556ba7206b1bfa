r"""Additivity of the evidence in a context: eq. (6) compared with a model's answers after each turn.

After the turns x₁ … x_s, a simulator is predicted to answer as persona z with log odds

.. math:: η = η_0 + τ \textstyle\sum_{t \le s} \log f_z(x_t).

The model's answers, each attributed to a persona, are counted per context, and η₀ and τ are fitted to the counts. The
likelihood is Dirichlet-multinomial, because contexts differ in more than their evidence and the counts are
overdispersed.

References:
    Xie et al. (2022), An explanation of in-context learning as implicit Bayesian inference, arXiv:2111.02080; Minka
    (2000), Estimating a Dirichlet distribution (the Dirichlet-multinomial).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import xarray as xr
from numpyro.infer import MCMC, NUTS
from scipy import special

from simulacra.analysis.clustered_rate import clustered_rate
from simulacra.formalism.arrays import Array
from simulacra.formalism.conditioning import conditioned_log_weights
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.simplex import log_weights
from simulacra.inference.diagnostics import Check, Thresholds, check_sampling, convergence
from simulacra.inference.tables import CI_PROB, bounds, ends

__all__ = ["InContext", "fit_in_context"]

_SEEN_PRIOR = 0.5
_LEAST = 1e-6  # a weight may underflow, a concentration may not


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class InContext:
    """A model's answers predicted from the evidence in its context.

    Attributes:
        tree: an ``xarray.DataTree`` with the groups ``posterior``, ``sample_stats`` and ``observed_data``: draws of
            ``temperature`` (τ), ``coordinates`` (η₀, ILR), ``concentration`` (of the Dirichlet-multinomial; large if
            contexts differ in their evidence only) and ``weights`` predicted for every context.
        checks: the convergence checks.
    """

    tree: xr.DataTree
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        weights = self.tree["posterior"]["weights"]
        failed = [check.name for check in self.checks if not check.passed]
        passed = len(self.checks) - len(failed)
        return card(
            f"InContext: answers in {weights.sizes['context']} contexts; {passed} of {len(self.checks)} checks passed",
            f"personas: {listing(weights['persona'].to_numpy())}",
            f"failed: {listing(failed)}; numbers are withheld" if failed else "",
            "next: .temperature(), .table(by), .checks; .tree has the draws",
        )

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def temperature(self, *, ci_prob: float = CI_PROB) -> pd.Series:
        """τ: ``mean, eti89_lb, eti89_ub``; NaN if a check failed. 1 is exact inference, 0 no use of the evidence."""
        draws = self.tree["posterior"]["temperature"].to_numpy()
        found = [draws.mean(), *np.quantile(draws, ends(ci_prob))]
        return pd.Series(found if self.ok else np.nan, index=["mean", *bounds(ci_prob)])

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
    seed: int = 0,
    num_warmup: int = 500,
    num_samples: int = 1000,
    num_chains: int = 4,
    thresholds: Thresholds | None = None,
) -> InContext:
    """Fit η₀ and τ of eq. (6) to the personas of a model's answers in many contexts.

    Args:
        evidence: one row per context, one column per persona: Σ log f_z of its turns in nats, zeros for a context
            without turns.
        answers: the same rows and columns: the number of the model's answers attributed to each persona.
        seed: random seed of all draws.
        num_warmup: warm-up iterations per chain, discarded.
        num_samples: draws per chain.
        num_chains: number of chains.
        thresholds: thresholds of the convergence checks.

    Priors: τ normal with mean 0 and standard deviation 3, so the data can show that turns have no effect, too large an
    effect or the opposite effect; η₀ normal with standard deviation 3; the concentration log-normal with median 50.

    Raises:
        InputError: columns or rows that differ, evidence that is not finite, counts that are negative or not whole
            numbers, or a context without answers.

    When not to trust it: contexts that continue one another, such as the turns of a conversation, are treated as
    independent, so the interval of τ is too narrow. To see by how much, fit one context per conversation.
    """
    _check(evidence, answers)
    counts = answers[list(evidence.columns)].to_numpy(dtype=float)
    ell = evidence.to_numpy(dtype=float)
    ell = ell - ell.mean(axis=1, keepdims=True)
    mcmc = MCMC(
        NUTS(_model, dense_mass=True, target_accept_prob=0.9),
        num_warmup=num_warmup,
        num_samples=num_samples,
        num_chains=num_chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
        mcmc.run(jax.random.key(seed), jnp.asarray(ell), jnp.asarray(counts), extra_fields=("diverging", "energy"))
        draws = {name: np.asarray(value) for name, value in mcmc.get_samples(group_by_chain=True).items()}
        stats = mcmc.get_extra_fields(group_by_chain=True)
    dims = ("chain", "draw")
    posterior = xr.Dataset(
        {
            "temperature": (dims, draws["temperature"]),
            "concentration": (dims, draws["concentration"]),
            "coordinates": ((*dims, "coordinate"), draws["coordinates"]),
            "weights": ((*dims, "context", "persona"), draws["weights"]),
        },
        coords={"persona": list(map(str, evidence.columns))},
    )
    sample_stats = xr.Dataset({name: (dims, np.asarray(value)) for name, value in stats.items()})
    gated = ["temperature", "concentration", "coordinates"]
    checks = check_sampling(convergence(posterior, gated), posterior[gated], sample_stats, thresholds or Thresholds())
    observed = xr.Dataset({"answers": (("context", "persona"), counts)})
    tree = xr.DataTree.from_dict({"/posterior": posterior, "/sample_stats": sample_stats, "/observed_data": observed})
    return InContext(tree, tuple(checks))


def _model(evidence: Array, answers: Array) -> None:
    coordinates = numpyro.sample("coordinates", dist.Normal(0.0, 3.0).expand([evidence.shape[1] - 1]).to_event(1))
    temperature = numpyro.sample("temperature", dist.Normal(0.0, 3.0))
    concentration = numpyro.sample("concentration", dist.LogNormal(jnp.log(50.0), 1.5))
    before = jnp.broadcast_to(log_weights(jnp.asarray(coordinates)), evidence.shape)
    log_w = conditioned_log_weights(before, evidence, jnp.broadcast_to(jnp.asarray(temperature), len(evidence)))
    weights = numpyro.deterministic("weights", jnp.exp(log_w))
    with numpyro.plate("context", len(evidence)):
        total = answers.sum(axis=-1)
        numpyro.sample(
            "answers", dist.DirichletMultinomial(concentration * weights + _LEAST, total_count=total), obs=answers
        )


def _check(evidence: pd.DataFrame, answers: pd.DataFrame) -> None:
    for name, table in (("evidence", evidence), ("answers", answers)):
        expect_type(table, pd.DataFrame, name, "fit_in_context", expected="a DataFrame with one row per context")
    if evidence.shape[1] < 2:
        found = f"fit_in_context: evidence has {evidence.shape[1]} column(s)"
        raise InputError(found, expected="one column per persona, at least two", argument="evidence")
    if set(evidence.columns) != set(answers.columns) or not evidence.index.equals(answers.index):
        raise InputError(
            "fit_in_context: expected evidence and answers with the same personas as columns and the same "
            f"contexts as rows; got {len(evidence)} rows of {', '.join(map(str, evidence.columns))} and "
            f"{len(answers)} rows of {', '.join(map(str, answers.columns))}",
            argument=("evidence", "answers"),
        )
    finite = np.isfinite(evidence.to_numpy(dtype=float)).all(axis=1)
    counts = answers.to_numpy(dtype=float)
    counted = ((counts >= 0) & (counts == np.round(counts))).all(axis=1)
    for good, what in (
        (finite, "evidence that is not finite"),
        (counted, "answers that are not counts"),
        (counts.sum(axis=1) > 0, "no answers"),
    ):
        if not good.all():
            place = evidence.index[int(good.argmin())]
            raise InputError(
                f"fit_in_context: context {place!r} has {what}",
                remedy="leave it out or score it again",
                argument=("evidence", "answers"),
            )
