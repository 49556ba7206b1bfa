"""Rates of an event, estimated without personas, for three scopes: these questions, new questions, a mix.

The completions of every condition, and of every context in which it was sampled, are counted by base question; the
formats of one question are pooled, because the base question is the unit that a log samples from its kind. The rate
model (:mod:`simulacra.formalism.rates`) is fitted to these counts. Each scope is a function of its posterior:

* ``"these"``: the logged questions in their logged proportions, the quantity that events / total estimates;
* ``"new"``: the mean over new questions of the same kind;
* a mapping such as ``{"trigger": {"on": 0.01, "off": 0.99}}``: proportions of contexts, of base questions, or of both
  independently, that the user states, such as the mix expected in deployment (poststratification).

References:
    Miller (2024), Adding error bars to evals, arXiv:2411.00640 (questions as the unit); Gelman & Little (1997),
    Poststratification into many categories using hierarchical logistic regression, Survey Methodology 23:127-135.
"""

import dataclasses
import itertools
import math
import numbers
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from simulacra.data.numerals import grouped
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.outcomes import Outcome, Rule, quoted
from simulacra.formalism.rates import new_question_rate, rate_prior
from simulacra.inference.convergence import convergence
from simulacra.inference.diagnostics import Thresholds
from simulacra.inference.precision import coarse, significant, steps
from simulacra.inference.prepare import Prepared
from simulacra.inference.sampling.rates import CHAINS, sample_rates

__all__ = [
    "EventCounts",
    "Scope",
    "against_baseline",
    "asked_by_all",
    "baseline_pairs",
    "common_questions",
    "count_events",
    "fit_rates",
    "groups_of",
    "in_common",
    "logged_shares",
    "rate_diagnostics",
    "rates_in",
    "scope_in_words",
    "scope_name",
]

Scope = str | Mapping[str, Mapping[Hashable, float]]
"""``"these"``, ``"new"``, or proportions of the levels of columns."""

_FEWEST = 50  # draws per chain
_BLOCKS = 4
"""Draws are added up to this multiple of the first number if R-hat or ESS fails."""
_QUESTION = "base_question"


@dataclasses.dataclass(frozen=True)
class EventCounts:
    """Events and completions of every group by base question.

    Attributes:
        groups: one row per group, G of them: the condition, and the contexts in which it was sampled; the baseline
            first.
        questions: names of the Q base questions.
        events: completions for which the event happened, shape ``(G, Q)``.
        totals: completions in the denominator, shape ``(G, Q)``; none in a group in which no completion has a value of
            a measurement that the event requires, because its rate is then unknown, not zero.
        completions: all completions of the group, shape ``(G,)``.
        judged: proportion of them that can show the event, shape ``(G,)``; see
            :attr:`~simulacra.formalism.outcomes.Outcome.judged`.
    """

    groups: pd.DataFrame
    questions: tuple[str, ...]
    events: np.ndarray
    totals: np.ndarray
    completions: np.ndarray
    judged: np.ndarray


def count_events(prepared: Prepared, outcome: Outcome, *, pooled: bool = True) -> EventCounts:
    """Count the completions of every group that show the event, and those in its denominator.

    Args:
        prepared: the log.
        outcome: event and denominator.
        pooled: whether the formats of a base question are counted together; otherwise each is a question of its own.

    Raises:
        InputError: a threshold of the outcome is not a bin edge.
    """
    emissions, patterns = prepared.model.emissions, prepared.patterns
    everywhere = np.ones(len(patterns), dtype=bool)
    inside = everywhere if outcome.denominator is None else outcome.denominator.holds(emissions, patterns)
    judged = everywhere if outcome.judged is None else outcome.judged.holds(emissions, patterns)
    counts, group = np.asarray(prepared.collapsed.counts), prepared.group
    question, names = prepared.logged_questions if pooled else pd.factorize(prepared.collapsed.cells["question_id"])
    shape = (len(prepared.groups), len(names))

    def tabulated(chosen: np.ndarray) -> np.ndarray:
        table = np.zeros(shape, dtype=int)
        np.add.at(table, (group, question), counts @ chosen)
        return table

    required = () if outcome.judged is None else outcome.judged.measurements
    has_value = [Rule(f"not missing({quoted(name)})").holds(emissions, patterns) for name in required]
    scored = np.all([tabulated(own).any(axis=1) for own in has_value], axis=0)
    return EventCounts(
        groups=prepared.groups,
        questions=tuple(map(str, names)),
        events=tabulated(outcome.numerator.holds(emissions, patterns)),
        totals=tabulated(inside) * np.reshape(scored, (-1, 1)),
        completions=tabulated(everywhere).sum(axis=1),
        judged=tabulated(judged).sum(axis=1) / tabulated(everywhere).sum(axis=1),
    )


def fit_rates(counts: EventCounts, thresholds: Thresholds, *, num_draws: int = 4000, seed: int) -> xr.Dataset:
    """Posterior of the rate model: ``logits, location, cell_scale, question_scale``, with the counts.

    Dims ``chain, draw, group, base_question``; the groups have the coordinates ``condition`` and those of the contexts.
    There are ``num_draws`` draws at least, in 8 chains. They continue until R-hat and ESS of all rates, and of
    their differences from the first group, pass the thresholds for both scopes, or to four times this number.
    """
    prior, each = rate_prior(len(counts.questions)), max(math.ceil(num_draws / CHAINS), _FEWEST)
    sampling = sample_rates(counts.events, counts.totals, prior, num_samples=each, seed=seed)
    rates = xr.Dataset()
    for drawn in itertools.islice(sampling, _BLOCKS):
        draws, logits = ("chain", "draw"), drawn.logits
        rates = xr.Dataset(
            {
                "logits": ((*draws, "group", _QUESTION), coarse(logits, steps(logits.std(axis=(0, 1), dtype=float)))),
                "location": ((*draws, "group"), significant(drawn.location)),
                "cell_scale": ((*draws, "group"), significant(drawn.cell_scale)),
                "question_scale": (draws, significant(drawn.question_scale)),
                "events": (("group", _QUESTION), counts.events),
                "totals": (("group", _QUESTION), counts.totals),
                "completions": (("group",), counts.completions),
                "judged": (("group",), counts.judged),
            },
            coords={
                _QUESTION: np.asarray(counts.questions, dtype=str),
                **{name: ("group", counts.groups[name].astype(str).to_numpy(str)) for name in counts.groups},
            },
        )
        if _converged(rates, thresholds):
            break
    return rates


def rate_diagnostics(rates: xr.Dataset) -> xr.DataArray:
    """R-hat, bulk and tail ESS of every rate, dims ``(diagnostic, scope, group)``; NaN for a rate of no completions."""
    return _diagnosed(_in_both_scopes(rates))


def _in_both_scopes(rates: xr.Dataset) -> xr.DataArray:
    scopes = pd.Index(["these", "new"], name="scope")
    return xr.concat([rates_in(rates, scope) for scope in scopes], scopes)


def _diagnosed(draws: xr.DataArray) -> xr.DataArray:
    possible = np.isfinite(draws.isel(chain=0, draw=0, drop=True))
    return convergence(draws.to_dataset(name="rate"), ["rate"])["rate"].where(possible)


def _converged(rates: xr.Dataset, thresholds: Thresholds) -> bool:
    """Whether R-hat and ESS of all rates pass, and those of their differences from the first group."""
    drawn = _in_both_scopes(rates)
    others = drawn.isel(group=slice(1, None))
    for own in (drawn, others.copy(data=others.to_numpy() - drawn.isel(group=[0]).to_numpy())):
        if not np.isfinite(own).any():  # there is one group, or no completion of the first
            continue
        found = _diagnosed(own)
        least = found.sel(diagnostic=["ess_bulk", "ess_tail"]).min()
        if not (found.sel(diagnostic="r_hat").max() <= thresholds.r_hat and least >= thresholds.ess):
            return False
    return True


def rates_in(rates: xr.Dataset, scope: Scope) -> xr.DataArray:
    """Draws of the rate of every group in a scope, dims ``(chain, draw, group)``, in [0, 1].

    NaN for these questions if the denominator has no completions. For a mix over a context, the groups are those of the
    other columns.

    Raises:
        InputError: an unknown scope; a mix over an unknown column or level, or with proportions that are negative or do
            not sum to one; or a mix over levels that a group was not sampled at.
    """
    if scope == "new":
        values = new_question_rate(
            rates["location"].to_numpy(), rates["question_scale"].to_numpy()[..., None], rates["cell_scale"].to_numpy()
        )
        return rates["location"].copy(data=values).rename("rates")
    if scope == "these":
        return _weighted(rates, rates["totals"])
    mix = _mix(rates, scope)
    asked = mix.pop(_QUESTION, None)
    weight = rates["totals"]
    if asked is not None:
        share = xr.DataArray([asked.get(name, 0.0) for name in rates[_QUESTION].to_numpy()], dims=_QUESTION)
        weight = share * (rates["totals"].sum(_QUESTION) > 0)
    own = _weighted(rates, weight)
    for column, proportions in mix.items():
        own = _over_context(own, column, proportions)
    return own


def _weighted(rates: xr.Dataset, weight: xr.DataArray) -> xr.DataArray:
    total = weight.sum(_QUESTION).transpose("group").to_numpy()
    share = weight.transpose("group", _QUESTION).to_numpy() / np.where(total > 0, total, np.nan)[:, None]
    logits = rates["logits"].to_numpy()
    values = [special.expit(logits[:, :, group]) @ own for group, own in enumerate(share)]
    return rates["location"].copy(data=np.stack(values, axis=-1)).rename("rates")


def _stated(scope: object) -> Mapping[str, Mapping[Hashable, float]]:
    """The columns of a mix and their proportions, which are numbers."""
    expected = "'these', 'new', or proportions of columns such as {'trigger': {'on': 0.01, 'off': 0.99}}"
    if not isinstance(scope, Mapping) or not scope:
        raise InputError(f"There is no scope {scope!r}", expected=expected, argument="scope")
    for column, proportions in scope.items():
        if not isinstance(proportions, Mapping):
            raise InputError(f"scope: {column!r} has no proportions", expected=expected, argument="scope")
        for share in proportions.values():
            expect_type(share, numbers.Real, "scope", "rates", expected=expected)
    return scope


def _mix(rates: xr.Dataset, scope: object) -> dict[str, dict[str, float]]:
    return {column: _shares(rates, column, proportions) for column, proportions in _stated(scope).items()}


def _shares(rates: xr.Dataset, column: str, proportions: Mapping[Hashable, float]) -> dict[str, float]:
    columns = [*_contexts(rates), _QUESTION]
    if column not in columns:
        found = f"The scope names {column!r}, which is not a context of the fit"
        raise InputError(found, expected=f"one of {', '.join(columns)}", argument="scope")
    levels = list(dict.fromkeys(rates[column].to_numpy().tolist()))
    shares = {str(level): float(share) for level, share in proportions.items()}
    unknown = sorted(set(shares) - set(levels))
    if unknown:
        raise InputError(
            f"scope: {column} has no level {', '.join(map(repr, unknown))}",
            expected=f"levels among {', '.join(map(repr, levels))}",
            argument="scope",
        )
    if not (min(shares.values(), default=-1) >= 0 and abs(sum(shares.values()) - 1) <= 1e-6):
        raise InputError(
            f"scope: the proportions of {column} sum to {sum(shares.values()):g}",
            expected="proportions that are not negative and sum to 1",
            argument="scope",
        )
    return shares


def _over_context(own: xr.DataArray, column: str, proportions: Mapping[str, float]) -> xr.DataArray:
    """Rates of the groups of the other columns, for a mix of the levels of one context."""
    kept = ["condition", *(name for name in _contexts(own) if name != column)]
    parts: list[xr.DataArray] = []
    for place, rows in groups_of(own).groupby(kept, sort=False):
        at = dict(zip(rows[column], rows.index, strict=True))
        absent = [level for level, share in proportions.items() if share and level not in at]
        if absent:
            raise InputError(
                f"scope: {place[0]} was not sampled with {column}={absent[0]}",
                remedy=f"log completions of it with {column}={absent[0]}, or choose other proportions",
                argument="scope",
            )
        levels = [level for level, share in proportions.items() if share]
        shares = xr.DataArray([proportions[level] for level in levels], dims="group")
        rates_at = own.isel(group=[at[level] for level in levels]).drop_vars([column, *kept])
        mixed = (rates_at * shares).sum("group", skipna=False)
        parts.append(mixed.assign_coords(dict(zip(kept, place, strict=True))))
    return xr.concat(parts, dim="group").transpose("chain", "draw", "group").rename("rates")


def groups_of(draws: xr.DataArray | xr.Dataset) -> pd.DataFrame:
    """The coordinates of the groups as a table, one row per group: ``condition`` and contexts.

    Args:
        draws: draws or counts with the dim ``group``.
    """
    own = {str(name): values.to_numpy() for name, values in draws.coords.items() if values.dims == ("group",)}
    return pd.DataFrame({"condition": own.pop("condition"), **own})


def _contexts(rates: xr.DataArray | xr.Dataset) -> list[str]:
    return [str(name) for name in groups_of(rates) if name != "condition"]


def baseline_pairs(groups: pd.DataFrame, baseline: str) -> list[tuple[int, int | None]]:
    """Rows of every group of another condition, and of the baseline in the same context; None if it is absent there."""
    contexts = groups.drop(columns="condition").itertuples(index=False, name=None)
    places = (
        list(zip(groups["condition"], contexts, strict=True))
        if groups.shape[1] > 1
        else [(name, ()) for name in groups["condition"]]
    )
    row_of = {place: row for row, place in enumerate(places)}
    return [(row, row_of.get((baseline, context))) for (name, context), row in row_of.items() if name != baseline]


def against_baseline(draws: xr.DataArray, baseline: str) -> xr.DataArray:
    """Every other condition minus the baseline in the same context; the dims, of which one is ``group``, remain.

    NaN where the baseline was not sampled in that context.
    """
    pairs = baseline_pairs(groups_of(draws), baseline)
    others, base = draws.isel(group=[row for row, _ in pairs]), draws.isel(group=[row or 0 for _, row in pairs])
    present = xr.DataArray([row is not None for _, row in pairs], dims="group")
    return others.copy(data=(others.to_numpy() - base.where(present).to_numpy())).rename("contrasts")


def logged_shares(rates: xr.Dataset) -> np.ndarray:
    """Events / total of every group by base question, shape ``(G, Q)``; NaN where a group was not asked a question."""
    return (rates["events"] / rates["totals"].where(rates["totals"] > 0)).transpose("group", _QUESTION).to_numpy()


def scope_name(scope: Scope) -> str:
    """The scope in tables and keys: ``"these"``, ``"new"`` or ``"mix"``."""
    return scope if isinstance(scope, str) else "mix"


def common_questions(coefficients: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of base questions that all groups of a contrast were asked, and that any was; two of shape ``(R,)``.

    Args:
        coefficients: the coefficient of every group, shape ``(R, G)``.
        asked: whether a group was asked a base question, shape ``(G, Q)``.
    """
    used = (coefficients != 0).astype(int)
    times = used @ asked.astype(int)
    return (times == used.sum(axis=1)[:, None]).sum(axis=1), (times > 0).sum(axis=1)


def asked_by_all(asked: np.ndarray, groups: Sequence[int]) -> dict[str, int]:
    """``questions``, the number of base questions that all of these groups were asked, and ``asked``, that any was.

    Args:
        asked: whether a group was asked a base question, shape ``(G, Q)``.
        groups: rows of ``asked``.
    """
    questions, any_asked = common_questions(np.isin(np.arange(len(asked)), groups)[None], asked)
    return {"questions": int(questions[0]), "asked": int(any_asked[0])}


def in_common(words: str, row: Mapping[Any, Any]) -> str:
    """A scope in words, for a comparison of groups that were not all asked the same questions.

    Args:
        words: the scope in words.
        row: ``questions``, the number of base questions that all groups were asked, and ``asked``, the number that any
            of them was asked; neither if it is not known.
    """
    if row.get("questions") == row.get("asked"):
        return words
    own = "on the questions that each was asked" if words.startswith("on ") else words
    return f"{own}, {grouped(row['questions'])} of {grouped(row['asked'])} base questions in common"


def scope_in_words(prepared: Prepared, scope: Scope) -> str:
    """The scope as it is displayed: ``"on these 24 questions (8 base questions)"``.

    Raises:
        InputError: an unknown scope.
    """
    questions, bases = len(prepared.collapsed.questions), len(set(prepared.base_question))
    nested = f" ({grouped(bases)} base questions)" if bases < questions else ""
    if scope == "these":
        return f"on these {grouped(questions)} questions{nested}" if questions > 1 else "on this question"
    if scope == "new":
        return "for new questions of this kind"
    mixes = []
    for column, proportions in _stated(scope).items():
        shares = ", ".join(f"{share:.3g} {level}" for level, share in proportions.items())
        mixes.append(f"{column}: {shares}")
    return f"for a mix of {'; '.join(mixes)}"
