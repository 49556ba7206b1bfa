"""Rates of the categories of a partition, which sum to one in every draw.

Each stage of a :class:`~simulacra.formalism.partitions.Partition` is an outcome with a rate model of its own, fitted
with random numbers of its own: given the counts, stages are independent. The probability of a category in a cell is the
product over stages, and every scope follows from the cells as for a single outcome.

References:
    Agresti (2013), Categorical Data Analysis, 3rd edition, ISBN 978-0-470-46363-5, section 8.3.6 (continuation-ratio
    logits).
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.partitions import Partition
from simulacra.inference.prepare import Prepared
from simulacra.inference.rates import Scope, count_events, rates_in

__all__ = ["by_category", "partition_draws"]


def partition_draws(stages: Sequence[xr.Dataset], partition: Partition, scope: Scope) -> xr.DataArray:
    """Draws of the rates of all categories, dims ``(chain, draw, group, category)``, in [0, 1].

    Args:
        stages: posteriors of the rate model for the stages of the partition.
        partition: the partition.
        scope: as for :func:`~simulacra.inference.rates.rates_in`.

    Raises:
        InputError: as :func:`~simulacra.inference.rates.rates_in`.
    """
    names = pd.Index(partition.categories, name="category")
    draws, _ = _in_categories(stages, scope)
    return xr.concat(draws, dim=names).transpose("chain", "draw", "group", "category").rename("rates")


def _in_categories(stages: Sequence[xr.Dataset], scope: Scope) -> tuple[list[xr.DataArray], list[xr.Dataset]]:
    """Draws of the rates of every category, and its posterior with the logits of its cells; new questions need none."""
    least = min(stage.sizes["draw"] for stage in stages)
    stages = [
        stage.isel(draw=np.linspace(0, stage.sizes["draw"] - 1, least).astype(int)).assign_coords(draw=range(least))
        for stage in stages
    ]
    if scope == "new":
        draws = _products([rates_in(stage, "new") for stage in stages])
        return draws, [stages[0].drop_vars("logits")] * len(draws)
    cells = _products([stage["logits"].copy(data=special.expit(stage["logits"].astype(float))) for stage in stages])
    posteriors = [stages[0].assign(logits=cell.copy(data=special.logit(cell))) for cell in cells]
    return [rates_in(own, scope) for own in posteriors], posteriors


def _products(stages: Sequence[xr.DataArray]) -> list[xr.DataArray]:
    """Probabilities of the categories from those of the stages, one more than these."""
    left: xr.DataArray | float = 1.0
    found: list[xr.DataArray] = []
    for stage in stages:
        found.append(left * stage)
        left = left * (1 - stage)
    return [*found, left * xr.ones_like(stages[0])]


def by_category(
    stages: Sequence[xr.Dataset],
    partition: Partition,
    prepared: Prepared,
    scope: Scope,
    table: Callable[[Outcome, xr.DataArray, xr.Dataset], pd.DataFrame],
) -> pd.DataFrame:
    """The tables of all categories as one, a row for every group and category, with the column ``category``.

    Args:
        stages: posteriors of the rate model for the stages of the partition.
        partition: the partition.
        prepared: the data.
        scope: the scope.
        table: returns the table of a category from its outcome, the draws of its rates, dims ``(chain, draw, group)``,
            and a posterior of the rate model with its counts.
    """
    tables = []
    for name, outcome, draws, posterior in zip(
        partition.categories, partition.outcomes, *_in_categories(stages, scope), strict=True
    ):
        counts = count_events(prepared, outcome)
        events, judged = posterior["events"].copy(data=counts.events), ("group", counts.judged)
        found = table(outcome, draws, posterior.assign(events=events, judged=judged))
        found.insert(list(found).index("scope"), "category", name)
        tables.append(found)
    return pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
