"""Draws of a fit in every reading, its rate models, and what sensitivity moves; none of it depends on what is withheld.

Tables summarise these draws, and checks decide what tables withhold (:class:`~simulacra.inference.Result`).
"""

import dataclasses
import functools
from typing import Any

import xarray as xr

from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.partitions import Partition
from simulacra.inference.diagnostics import Thresholds
from simulacra.inference.draws import by_group, take_draws
from simulacra.inference.influence import of_conditions, weights_left_out
from simulacra.inference.marks import CONDITION_DRIVEN, PRIOR_DRIVEN, PURITY_DRIVEN
from simulacra.inference.once import computed_once
from simulacra.inference.prepare import Prepared
from simulacra.inference.purity import purity_sensitivity
from simulacra.inference.rates import Scope, count_events, fit_rates
from simulacra.inference.readings import READING
from simulacra.inference.sensitivity import implied_sensitivity

__all__ = ["Quantities"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Quantities:
    """The draws of a fit; what takes long is computed when it is first asked for, and kept.

    Attributes:
        tree: all draws and data, in the ArviZ schema.
        prepared: model, evaluated formula and counts.
        thresholds: thresholds of the checks, which rate models are sampled to meet.
        seed: random seed of the fit.
    """

    tree: xr.DataTree
    prepared: Prepared
    thresholds: Thresholds
    seed: int

    @functools.cached_property
    def posteriors(self) -> list[xr.Dataset]:
        """The posterior of every reading, the first first."""
        others = sorted(name for name in self.tree.children if name.startswith(READING))
        return [self.tree[name].to_dataset() for name in ("posterior", *others)]

    @computed_once
    def rates_of(self, outcome: Outcome, stage: int = 0) -> xr.Dataset:
        """The posterior of the rate model for an outcome: that of the fit, or fitted now.

        Stages of a partition have random numbers of their own, because their draws are multiplied.

        Args:
            outcome: event and denominator.
            stage: number of the stage, if it is one of a partition.
        """
        if outcome == self.prepared.model.outcome and stage == 0:
            return self.tree["rates"].to_dataset()
        counts, draws = count_events(self.prepared, outcome), self.posteriors[0].sizes
        num_draws = draws["chain"] * draws["draw"]
        return fit_rates(counts, self.thresholds, num_draws=num_draws, seed=self.seed + stage)

    def stages(self, partition: Partition) -> list[xr.Dataset]:
        """The posterior of the rate model for every stage of a partition."""
        return [self.rates_of(outcome, stage) for stage, outcome in enumerate(partition.stages)]

    def in_readings(self, name: str, *, outcome: Outcome | str | None = None) -> list[Any]:
        """Draws of a quantity that depends on the personas in every reading, the first first.

        Args:
            name: as for :meth:`simulacra.inference.Result.draws`.
            outcome: for quantities that have one. Default: the outcome of the model.
        """
        return [take_draws(name, own, self.prepared, self.rates_of, outcome=outcome) for own in self.posteriors]

    def implied(self, outcome: Outcome, scope: Scope) -> list[xr.DataArray]:
        """Implied rates, eq. (7), in every reading, dims ``(chain, draw, group)``; none but on these questions."""
        if scope != "these":
            return []
        return [by_group(own) for own in self.in_readings("implied_rates", outcome=outcome)]

    @computed_once
    def implied_moved(self, outcome: Outcome) -> xr.DataArray:
        """Means of the implied rates with other archetypes and with none, in [0, 1], dims ``factor, group``."""
        return implied_sensitivity(self.implied(outcome, "these")[0], outcome, self.posteriors[0], self.prepared)

    @functools.cached_property
    def left_out(self) -> xr.DataArray:
        """Mean weights of groups with one condition left out of the emissions, dims ``left_out, group, persona``."""
        return weights_left_out(self.prepared, self.posteriors[0])

    def weights_moved(self, ci_prob: float) -> dict[str, xr.DataArray]:
        """Mean weights by mark, in the alternatives that it concerns: the first dim, then ``condition, persona``.

        Args:
            ci_prob: probability of the interval of the purities that are tried.
        """
        posterior = self.posteriors[0]
        moved = {
            PRIOR_DRIVEN: self.tree["sensitivity"].to_dataset()["weights"],
            PURITY_DRIVEN: purity_sensitivity(posterior["weights"], posterior, self.prepared, ci_prob),
            CONDITION_DRIVEN: of_conditions(self.prepared, self.left_out),
        }
        return {mark: own for mark, own in moved.items() if own is not None}

    @functools.cached_property
    def _computed(self) -> dict[tuple[Any, ...], Any]:
        """Values by method and arguments; filled on demand by :func:`~simulacra.inference.once.computed_once`."""
        return {}
