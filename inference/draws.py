"""Posterior draws of every quantity that a table of a result summarises, by the name of the table.

``Result.weights()`` is a table and ``Result.draws("weights")`` returns the draws that it summarises, and likewise for
every name in :data:`DRAWS`. Differences are computed draw by draw.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import overload

import numpy as np
import xarray as xr

from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Outcome, as_outcome, implied_rates
from simulacra.formalism.partitions import Partition
from simulacra.formalism.scales import bounds_of, coherent_on_scale
from simulacra.inference.posterior import average_weights, weights_of_cells
from simulacra.inference.prepare import Prepared
from simulacra.inference.rates import Scope, against_baseline, rates_in

__all__ = [
    "DRAWS",
    "by_condition",
    "by_group",
    "chosen_outcome",
    "differences",
    "group_weights",
    "take_draws",
    "weight_draws",
]


def take_draws(
    name: str,
    posterior: xr.Dataset,
    prepared: Prepared,
    rates_of: Callable[[Outcome], xr.Dataset],
    *,
    by: str = "condition",
    outcome: Outcome | str | None = None,
    scope: Scope = "these",
) -> xr.DataArray | xr.Dataset:
    """The draws of one quantity, dims ``(chain, draw, ...)``; see :meth:`simulacra.inference.Result.draws`.

    ``rates_of`` returns the posterior of the rate model for an outcome.

    Raises:
        InputError: an unknown name; ``by``, ``outcome`` or ``scope`` for a quantity that does not have them; no outcome
            for a quantity that needs one; or a formula without the quantity.
    """
    if name not in DRAWS:
        near = difflib.get_close_matches(str(name), DRAWS, n=1)
        raise InputError(
            f"There are no draws {name!r}",
            expected=f"one of {', '.join(map(repr, DRAWS))}",
            remedy=f"did you mean {near[0]!r}?" if near else None,
            argument="name",
        )
    if by != "condition" and name != "weights":
        raise InputError(
            f"draws({name!r}, by={by!r}): only draws('weights') are available by cell",
            remedy="remove by=",
            argument="by",
        )
    if name in _OF_EVENTS:
        return _OF_EVENTS[name](rates_of(chosen_outcome(outcome, prepared)), prepared, scope)
    if scope != "these":
        raise InputError(
            f"draws({name!r}, scope=...): only {', '.join(map(repr, _OF_EVENTS))} have a scope",
            remedy="remove scope=",
            argument="scope",
        )
    if name in _OF_OUTCOME:
        return _OF_OUTCOME[name](posterior, prepared, chosen_outcome(outcome, prepared))
    if outcome is not None:
        raise InputError(
            f"draws({name!r}, outcome=...): only {', '.join(map(repr, (*_OF_EVENTS, *_OF_OUTCOME)))} have an outcome",
            remedy="remove outcome=",
            argument="outcome",
        )
    return weight_draws(posterior, prepared, by) if name == "weights" else _OTHERS[name](posterior, prepared)


@overload
def chosen_outcome(outcome: Outcome | str | None, prepared: Prepared) -> Outcome: ...
@overload
def chosen_outcome(outcome: Outcome | Partition | str | None, prepared: Prepared) -> Outcome | Partition: ...
def chosen_outcome(outcome: Outcome | Partition | str | None, prepared: Prepared) -> Outcome | Partition:
    """The given outcome, rule or partition, or the outcome of the model.

    The denominator ``"coherent"`` is on the scale of that score; thresholds in rules remain as they are.

    Raises:
        InputError: there is neither.
    """
    if outcome is None:
        if prepared.model.outcome is None:
            raise InputError(
                "This model has no outcome; pass one, for example Outcome('grade <= 2', name='bad')",
                argument="outcome",
            )
        return prepared.model.outcome
    given = outcome if isinstance(outcome, Partition) else as_outcome(outcome, "Result")
    return coherent_on_scale(given, bounds_of(prepared.model.emissions))


def differences(draws: xr.DataArray, baseline: str) -> xr.DataArray:
    """Draws of every other condition minus those of the baseline: eqs. (8) and (7).

    The dims remain ``(chain, draw, condition, ...)``.
    """
    others = [name for name in draws["condition"].to_numpy() if name != baseline]
    return draws.sel(condition=others) - draws.sel(condition=baseline, drop=True)


def weight_draws(posterior: xr.Dataset, prepared: Prepared, by: str = "condition") -> xr.DataArray:
    """Persona weights, dims ``(chain, draw, condition or cell, persona)``, in [0, 1], summing to one over personas.

    Raises:
        InputError: ``by`` has another value.
    """
    if by == "condition":
        return posterior["weights"]
    if by != "cell":
        raise InputError(f"draws('weights', by={by!r})", expected="'condition' or 'cell'", argument="by")
    values = weights_of_cells(prepared.design, posterior["latents"].to_numpy())
    cells = {name: ("cell", prepared.design.cells[name].astype(str).to_numpy(str)) for name in prepared.design.cells}
    coords = {"persona": posterior["persona"].to_numpy(), **cells}
    return xr.DataArray(values, dims=("chain", "draw", "cell", "persona"), coords=coords, name="weights")


def _shifts(posterior: xr.Dataset, prepared: Prepared) -> xr.DataArray:
    return differences(posterior["weights"], prepared.model.baseline).rename("shifts")


def group_weights(posterior: xr.Dataset, prepared: Prepared) -> np.ndarray:
    """Weights of every group, averaged over its logged completions, shape ``(chain, draw, G, K)``; they sum to one."""
    if not prepared.contexts:
        return posterior["weights"].to_numpy()
    return average_weights(prepared.design, posterior["latents"].to_numpy(), prepared.group_shares)


def by_condition(draws: xr.DataArray) -> xr.DataArray:
    """Draws along ``group`` with the condition as their dim, if groups are conditions."""
    contexts = [name for name, own in draws.coords.items() if own.dims == ("group",) and name != "condition"]
    return draws if contexts else draws.swap_dims(group="condition")


def by_group(draws: xr.DataArray) -> xr.DataArray:
    """The inverse of :func:`by_condition`: draws with dims ``(chain, draw, group)``."""
    return draws if "group" in draws.dims else draws.swap_dims(condition="group")


def _rates(rates: xr.Dataset, prepared: Prepared, scope: Scope) -> xr.DataArray:
    return by_condition(rates_in(rates, scope))


def _contrasts(rates: xr.Dataset, prepared: Prepared, scope: Scope) -> xr.DataArray:
    return by_condition(against_baseline(rates_in(rates, scope), prepared.model.baseline))


def _implied(posterior: xr.Dataset, prepared: Prepared, outcome: Outcome) -> xr.DataArray:
    """Implied rates by group, dims ``(chain, draw, group)``."""
    tables = tuple(posterior[f"{name}_probs"].to_numpy() for name in prepared.model.measurements)
    values = implied_rates(outcome, prepared.model.emissions, group_weights(posterior, prepared), tables)
    names = {name: ("group", own.astype(str).to_numpy(str)) for name, own in prepared.groups.items()}
    return xr.DataArray(values, dims=("chain", "draw", "group"), coords=names, name="rates")


def _implied_rates(posterior: xr.Dataset, prepared: Prepared, outcome: Outcome) -> xr.DataArray:
    return by_condition(_implied(posterior, prepared, outcome)).rename("implied_rates")


def _implied_contrasts(posterior: xr.Dataset, prepared: Prepared, outcome: Outcome) -> xr.DataArray:
    own = against_baseline(_implied(posterior, prepared, outcome), prepared.model.baseline)
    return by_condition(own).rename("implied_contrasts")


def _outcome_given_persona(posterior: xr.Dataset, prepared: Prepared, outcome: Outcome) -> xr.DataArray:
    if outcome == prepared.model.outcome:
        return posterior["outcome_given_persona"]
    tables = [posterior[f"{name}_probs"].to_numpy() for name in prepared.model.measurements]
    values = outcome.numerator.probability(prepared.model.emissions, tables)
    coords = {"persona": posterior["persona"].to_numpy()}
    return xr.DataArray(values, dims=("chain", "draw", "persona"), coords=coords, name="outcome_given_persona")


def _emissions(posterior: xr.Dataset, prepared: Prepared) -> xr.Dataset:
    names = {f"{name}_probs": name for name in prepared.model.measurements}
    return posterior[list(names)].rename(names)


def _scales(posterior: xr.Dataset, prepared: Prepared) -> xr.DataArray:
    if "scale" not in posterior:
        raise InputError(
            f"The weights {prepared.design.formula!r} have no group-specific term, so there is no scale",
            argument="name",
        )
    return posterior["scale"].rename("scales")


_OF_EVENTS: Mapping[str, Callable[[xr.Dataset, Prepared, Scope], xr.DataArray]] = {
    "rates": _rates,
    "contrasts": _contrasts,
}
_OF_OUTCOME: Mapping[str, Callable[[xr.Dataset, Prepared, Outcome], xr.DataArray]] = {
    "implied_rates": _implied_rates,
    "implied_contrasts": _implied_contrasts,
    "outcome_given_persona": _outcome_given_persona,
}
_OTHERS: Mapping[str, Callable[[xr.Dataset, Prepared], xr.DataArray | xr.Dataset]] = {
    "shifts": _shifts,
    "emissions": _emissions,
    "scales": _scales,
}
DRAWS = ("weights", "shifts", *_OF_EVENTS, *_OF_OUTCOME, "emissions", "scales")
"""The quantities of a result, each available as draws (``Result.draws("weights")``), and most of them as a table of the
same name (``Result.weights()``)."""
