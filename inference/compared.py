"""Quantities that contrasts compare: rates, implied rates, weights or predicted rates, with their draws by group.

References:
    Searle, Speed & Milliken (1980), Population marginal means in the linear model, doi:10.1080/00031305.1980.10483031
    (linear combinations of groups).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Outcome
from simulacra.inference.citation import Provenance
from simulacra.inference.draws import by_group, chosen_outcome, group_weights, take_draws
from simulacra.inference.groups import mean_label, names_of
from simulacra.inference.marks import (
    CONDITION_DRIVEN,
    PRIOR_DRIVEN,
    PURITY_DRIVEN,
    graded_personas,
    marks_of_contrast,
)
from simulacra.inference.prepare import Prepared
from simulacra.inference.purity import purity_sensitivity
from simulacra.inference.quantities import Quantities
from simulacra.inference.rates import Scope, groups_of, logged_shares, scope_in_words, scope_name
from simulacra.inference.sensitivity import prior_sensitivity
from simulacra.inference.tables import ROPE, Terms

__all__ = ["Compared", "compared"]

_KINDS = {
    "rates": "rate",
    "implied_rates": "implied_rate",
    "weights": "weight",
    "predicted_rates": "predicted_rate",
}
"""What is compared, and how it is called in keys of citations."""


_Marks = Callable[[np.ndarray, tuple[float, float], float], tuple[str, tuple[float, float]]]


def _no_marks(coefficients: np.ndarray, limits: tuple[float, float], ci_prob: float) -> tuple[str, tuple[float, float]]:
    """Only weights have marks."""
    del coefficients, ci_prob
    return "", limits


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Compared:
    """The quantity that contrasts compare, with its draws in every group.

    Attributes:
        of: ``"rates"``, ``"implied_rates"``, ``"weights"`` or ``"predicted_rates"``.
        scope: ``"these"``, ``"new"`` or a mix.
        words: the scope in words.
        groups: the groups, one row each, as text: condition and contexts; for weights, also ``persona``.
        draws: dims ``(chain, draw, group)``, in [0, 1].
        others: the same in the other readings, if the data support several (:mod:`simulacra.inference.readings`).
        asked: whether a group was asked a base question, shape ``(G, Q)``; ``None`` if that does not matter, as for a
            mix.
        rates: counts of events, for rates on these or new questions.
        terms: what is withheld.
        provenance: model, data, seed and version.
        marks: returns the marks of a contrast and the interval that is shown, from its coefficients, shape ``(G,)``,
            interval and its probability.
        rope: half-width of the region of practical equivalence that was asked for when the model was fitted.
    """

    of: str
    scope: Scope
    words: str
    groups: pd.DataFrame
    draws: xr.DataArray
    others: tuple[xr.DataArray, ...]
    asked: np.ndarray | None
    rates: xr.Dataset | None
    terms: Terms
    provenance: Provenance
    marks: _Marks = _no_marks
    rope: float | int = ROPE

    def equals(self, other: "Compared") -> bool:
        """Whether this is the same quantity, outcome, scope and fit, so that contrasts of both can be subtracted."""
        own, theirs = (self.of, self.scope, self.provenance), (other.of, other.scope, other.provenance)
        return own == theirs and np.array_equal(self.draws, other.draws, equal_nan=True)

    def label(self, shares: np.ndarray) -> str:
        """The name of a mean of groups, as in keys of citations; ``shares`` have the shape ``(G,)``."""
        prefix = "" if self.scope == "these" else f"{scope_name(self.scope)}_"
        return mean_label(self.groups, shares, f"{prefix}{_KINDS[self.of]}")

    def __repr__(self) -> str:
        return card(f"Compared: {self.of} {self.words}", f"groups: {listing(names_of(self.groups))}")


def compared(
    of: str,
    persona: str | None,
    scope: Scope,
    outcome: Outcome | str | None,
    quantities: Quantities,
    *,
    terms: Callable[[str], Terms],
    provenance: Provenance,
    absent: Sequence[str],
    rope: float | int,
) -> Compared:
    """The quantity ``of`` in all groups of a fit; arguments as in :meth:`simulacra.inference.Result.contrast`.

    ``quantities`` are its draws, and ``absent`` the absent personas.

    Raises:
        InputError: an unknown quantity, persona or scope; or no outcome.
    """
    posteriors, prepared, rates_of = quantities.posteriors, quantities.prepared, quantities.rates_of
    personas = list(map(str, posteriors[0]["persona"].to_numpy()))
    if of not in ("rates", "implied_rates", "weights"):
        raise InputError(f"contrast: of={of!r}", expected="'rates', 'implied_rates' or 'weights'", argument="of")
    if (persona in personas) != (of == "weights"):
        raise InputError(
            f"contrast(of={of!r}, persona={persona!r})",
            expected=f"for weights, one of {', '.join(personas)}; otherwise no persona",
            argument="persona",
        )
    if of != "rates" and scope != "these":
        raise InputError(
            f"contrast(of={of!r}, scope={scope!r})",
            expected="scope 'these'; rates can be compared for 'new' questions and for a mix",
            argument="scope",
        )
    asked: np.ndarray | None = prepared.asked
    rates = None
    if of == "weights":
        draws, *others = (_weights(posterior, prepared, personas) for posterior in posteriors)
        groups = prepared.groups.astype(str).loc[np.repeat(np.arange(len(prepared.groups)), len(personas))]
        groups = groups.assign(persona=personas * len(prepared.groups)).reset_index(drop=True)
        asked = np.repeat(prepared.asked, len(personas), axis=0)
    else:
        draws, *others = (
            _taken(of, posterior, prepared, rates_of, outcome, scope)
            for posterior in (posteriors[:1] if of == "rates" else posteriors)
        )
        groups = groups_of(draws)
    if of == "rates":
        rates = rates_of(chosen_outcome(outcome, prepared)) if isinstance(scope, str) else None
        asked = None if rates is None else np.isfinite(logged_shares(rates))
    plain, *plain_others = (own.reset_coords(drop=True) for own in (draws, *others))
    words = scope_in_words(prepared, scope)
    marks = _marks(posteriors[0], prepared, rates_of, absent, quantities.left_out) if of == "weights" else _no_marks
    return Compared(
        of, scope, words, groups, plain, tuple(plain_others), asked, rates, terms(of), provenance, marks, rope
    )


def _marks(
    posterior: xr.Dataset,
    prepared: Prepared,
    rates_of: Callable[[Outcome], xr.Dataset],
    absent: Sequence[str],
    left_out: xr.DataArray,
) -> _Marks:
    """The marks of contrasts of weights."""
    model, personas = prepared.model, list(map(str, posterior["persona"].to_numpy()))
    weights = xr.DataArray(group_weights(posterior, prepared), dims=("chain", "draw", "group", "persona"))
    prior_driven = prior_sensitivity(weights, posterior, model)
    rates = None if model.outcome is None else rates_of(model.outcome)

    def marks(coefficients: np.ndarray, limits: tuple[float, float], ci_prob: float) -> tuple[str, tuple[float, float]]:
        moved = {
            PRIOR_DRIVEN: prior_driven,
            PURITY_DRIVEN: purity_sensitivity(weights, posterior, prepared, ci_prob),
            CONDITION_DRIVEN: left_out,
        }
        return marks_of_contrast(
            coefficients,
            limits,
            ci_prob,
            moved={mark: own.to_numpy() for mark, own in moved.items() if own is not None},
            personas=personas,
            absent=absent,
            graded=graded_personas(personas, model),
            rates=rates,
        )

    return marks


def _weights(posterior: xr.Dataset, prepared: Prepared, personas: Sequence[str]) -> xr.DataArray:
    """Weights of every group and persona along one dim, ``group``; NaN for personas that have another name."""
    named = posterior["persona"].to_numpy() == np.asarray(personas)
    weights = np.where(named, group_weights(posterior, prepared), np.nan)
    return xr.DataArray(weights.reshape(*weights.shape[:2], -1), dims=("chain", "draw", "group"))


def _taken(
    of: str,
    posterior: xr.Dataset,
    prepared: Prepared,
    rates_of: Callable[[Outcome], xr.Dataset],
    outcome: Outcome | str | None,
    scope: Scope,
) -> xr.DataArray:
    taken: Any = take_draws(of, posterior, prepared, rates_of, outcome=outcome, scope=scope)
    return by_group(taken)
