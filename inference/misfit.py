"""What the personas leave unexplained: a posterior predictive check of the patterns of every group.

A group is a condition, in one context if it was sampled in several. For every group, N completions are drawn from its
predictive distribution, for many draws of the parameters, and compared with the logged ones in two ways.

* The *unexplained share* is the total variation distance between logged and predicted shares of patterns beyond what
  replicated logs of this size show: the smallest proportion of completions that would have to change for the model to
  fit as well as it fits its own logs. It is also given for every measurement by itself.
* The *p-value* is the proportion of replicated logs whose discrepancy Σ (n - E)² / max(E, ½) is at least that of the
  log, over the categories of every measurement and over the event of the outcome with its complement. Single
  measurements cannot reveal that judges depend on one another given the persona; the event, a joint pattern, can.

The data are used twice, to fit and to check, which makes the p-value conservative: where the model holds it is hardly
ever below .2, so that .05 is a strict threshold.

If the data support several readings (:mod:`simulacra.inference.readings`), each has an unexplained share and a p-value
of its own, because each is another account of the same completions.

References:
    Gelman, Meng & Stern (1996), Posterior predictive assessment of model fitness via realized discrepancies,
    Statistica Sinica 6:733-807; Bayarri & Berger (2000), P values for composite null models,
    doi:10.1080/01621459.2000.10474309 (why such p-values are conservative).
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.mixture import PersonaMixture, component_probabilities
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.shifts import total_variation
from simulacra.inference.draws import group_weights
from simulacra.inference.posterior import parameters_of
from simulacra.inference.prepare import Prepared
from simulacra.inference.rates import groups_of
from simulacra.inference.readings import in_each_reading

__all__ = [
    "MOST_PATTERNS",
    "described",
    "every_pattern",
    "in_points",
    "misfit",
    "misfit_of_counts",
    "misfit_of_readings",
    "misfit_table",
    "pattern_bins",
]

_REPLICATES = 500
_LEAST_EXPECTED = 0.5
MOST_PATTERNS = 4096
"""Combinations of categories up to which all are listed."""


def misfit_of_readings(prepared: Prepared, readings: Sequence[xr.Dataset], *, seed: int) -> xr.Dataset:
    """The result of :func:`misfit` for a posterior; for several, along ``reading``, numbered from 1."""
    found = [
        misfit(prepared, group_weights(own, prepared), parameters_of(own, prepared).probabilities, seed=seed)
        for own in readings
    ]
    return found[0] if len(found) == 1 else xr.concat(found, dim=pd.RangeIndex(1, len(found) + 1, name="reading"))


def misfit(prepared: Prepared, weights: np.ndarray, probabilities: tuple[np.ndarray, ...], *, seed: int) -> xr.Dataset:
    """The unexplained share and the p-value of every group.

    Args:
        prepared: model and data of the fit.
        weights: weights of every group, shape ``(chain, draw, G, K)``.
        probabilities: emission probabilities, shapes ``(chain, draw, K, J)``.
        seed: random seed of the replicated logs.

    Returns:
        Dims ``group, measurement, pattern``: ``unexplained`` (jointly; with more than 4096 combinations of categories,
        the largest of single measurements and the event) and ``unexplained_in`` (by measurement), in [0, 1];
        ``p_value``; and ``excess``, the logged minus the predicted share of every pattern.
    """
    rng = np.random.default_rng([seed, 2])
    flat = weights.reshape(-1, *weights.shape[2:])
    chosen = rng.choice(len(flat), size=min(_REPLICATES, len(flat)), replace=False)
    tables = [table.reshape(-1, *table.shape[2:])[chosen] for table in probabilities]
    emissions = prepared.model.emissions
    patterns, logged = every_pattern(emissions, prepared.patterns, prepared.group_counts)
    predicted = flat[chosen] @ component_probabilities(tables, patterns)
    sizes, bins = logged.sum(axis=1).astype(int), pattern_bins(emissions, prepared.model.outcome, patterns)
    shares, mean = logged / sizes[:, None], predicted.mean(axis=0)
    if len(patterns) == _combinations(emissions):
        predicted = predicted / predicted.sum(axis=-1, keepdims=True)
        replicated, mean = rng.multinomial(sizes, predicted), predicted.mean(axis=0)
        replicated_bins, mean_bins = [replicated @ own for own in bins], [mean @ own for own in bins]
        joint = [_unexplained_share(shares, replicated / sizes[:, None], mean)]
    else:
        replicated_bins, mean_bins = _replicated_bins(prepared.model, flat[chosen], tables, sizes, rng)
        joint = []
    in_bins = [
        _unexplained_share(shares @ own, drawn / sizes[:, None], expected)
        for own, drawn, expected in zip(bins, replicated_bins, mean_bins, strict=True)
    ]
    discrepancy = sum(
        _discrepancy(logged @ own, sizes, expected) for own, expected in zip(bins, mean_bins, strict=True)
    )
    of_replicates = sum(
        _discrepancy(drawn, sizes, expected) for drawn, expected in zip(replicated_bins, mean_bins, strict=True)
    )
    return xr.Dataset(
        {
            "unexplained": ("group", np.max(joint or in_bins, axis=0)),
            "unexplained_in": (("group", "measurement"), np.stack(in_bins[: len(emissions)], axis=1)),
            "p_value": ("group", np.mean(of_replicates >= discrepancy, axis=0)),
            "excess": (("group", "pattern"), shares - mean),
        },
        coords={
            **{str(name): ("group", own.astype(str).to_numpy(str)) for name, own in prepared.groups.items()},
            "measurement": np.asarray(prepared.model.measurements, dtype=str),
            **{name: ("pattern", patterns[:, column]) for column, name in enumerate(prepared.model.measurements)},
        },
    )


def _replicated_bins(
    model: PersonaMixture,
    weights: np.ndarray,
    tables: Sequence[np.ndarray],
    sizes: np.ndarray,
    rng: np.random.Generator,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Replicated counts ``(R, G, B)`` and predicted shares ``(G, B)`` of the sets of :func:`pattern_bins`.

    For more combinations of categories than can be listed. Measurements are drawn independently given the persona, as
    the model says; the event is drawn by itself, without its dependence on the categories.

    Args:
        model: the model.
        weights: draws of the weights of groups, shape ``(R, G, K)``.
        tables: draws of emission probabilities, shapes ``(R, K, J)``.
        sizes: completions of every group, shape ``(G,)``.
        rng: random generator.
    """
    given = list(tables)
    if model.outcome is not None:
        event = model.outcome.numerator.probability(model.emissions, tables)
        given.append(np.stack([event, 1 - event], axis=-1))
    personas = rng.multinomial(sizes, weights)
    drawn = [rng.multinomial(personas, own[:, None]).sum(axis=-2) for own in given]
    return drawn, [(weights @ own).mean(axis=0) for own in given]


def _combinations(emissions: Sequence[AbstractEmission]) -> int:
    """The number of combinations of categories."""
    return math.prod(len(emission.categories) for emission in emissions)


def _unexplained_share(shares: np.ndarray, replicated: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Total variation of shares ``(G, B)`` from the mean beyond that of replicates ``(R, G, B)``, shape ``(G,)``."""
    return np.maximum(total_variation(shares, mean) - total_variation(replicated, mean).mean(axis=0), 0)


def misfit_of_counts(counts: np.ndarray, predicted: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """The unexplained share of one group, and the proportion of replicated logs that deviate as much.

    Args:
        counts: completions by pattern, shape ``(P,)``.
        predicted: draws of the distribution over patterns that the mixture predicts, shape ``(S, P)``.
        rng: random generator.
    """
    mean, size = predicted.mean(axis=0), max(round(counts.sum()), 1)
    replicated = rng.multinomial(size, predicted / predicted.sum(axis=-1, keepdims=True)) / size
    shares = counts / counts.sum()
    share = _unexplained_share(shares[None], replicated[:, None], mean[None])[0]
    deviating = (total_variation(replicated, mean) >= total_variation(shares, mean)).sum()
    return float(share), float((1 + deviating) / (1 + len(replicated)))


def every_pattern(
    emissions: Sequence[AbstractEmission], patterns: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All combinations of categories, shape ``(P, measurements)``, and their counts by group, shape ``(G, P)``.

    If there are too many, only the given ones.
    """
    sizes = [len(emission.categories) for emission in emissions]
    if _combinations(emissions) > MOST_PATTERNS:
        return patterns, counts
    every = np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes), axis=1)
    spread = np.zeros((len(counts), len(every)))
    spread[:, np.ravel_multi_index(tuple(patterns.T), sizes)] = counts
    return every, spread


def pattern_bins(
    emissions: Sequence[AbstractEmission], outcome: Outcome | None, patterns: np.ndarray
) -> list[np.ndarray]:
    """Sets of bins of patterns, each ``(P, B)`` of zeros and ones: the categories of every measurement, and the event.

    The last has the event of the outcome and its complement; it is absent without an outcome.
    """
    bins = [np.eye(len(emission.categories))[patterns[:, column]] for column, emission in enumerate(emissions)]
    if outcome is None:
        return bins
    event = outcome.numerator.holds(emissions, patterns)
    return [*bins, np.stack([event, ~event], axis=1).astype(float)]


def _discrepancy(counts: np.ndarray, sizes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Σ (n - E)² / max(E, ½) of every group, from counts ``(..., G, B)`` and expected shares ``(G, B)``."""
    expected = sizes[:, None] * shares
    return np.asarray(((counts - expected) ** 2 / np.maximum(expected, _LEAST_EXPECTED)).sum(axis=-1))


def misfit_table(misfit: xr.Dataset, emissions: Sequence[AbstractEmission]) -> pd.DataFrame:
    """The result of :func:`misfit_of_readings` by group; see :meth:`simulacra.inference.Result.unexplained`."""
    tables = [_table(own, emissions) for own in in_each_reading(misfit)]
    if len(tables) == 1:
        return tables[0]
    for number, table in enumerate(tables, start=1):
        table.insert(list(table).index("unexplained"), "reading", number)
    return pd.concat(tables, ignore_index=True)


def _table(misfit: xr.Dataset, emissions: Sequence[AbstractEmission]) -> pd.DataFrame:
    table = groups_of(misfit).assign(unexplained=misfit["unexplained"].to_numpy())
    for name in misfit["measurement"].to_numpy():
        table[f"in_{name}"] = misfit["unexplained_in"].sel(measurement=name).to_numpy()
    table["p_value"] = misfit["p_value"].to_numpy()
    excess = misfit["excess"].to_numpy()
    missed = np.abs(excess).argmax(axis=1)
    codes = np.stack([misfit[emission.measurement].to_numpy() for emission in emissions], axis=1)
    table["most_missed"] = [
        in_points(emissions, codes[pattern], own[pattern]) for own, pattern in zip(excess, missed, strict=True)
    ]
    return table


def in_points(emissions: Sequence[AbstractEmission], codes: np.ndarray, difference: float) -> str:
    """A pattern in words, from its ``codes``, shape ``(measurements,)``, with a difference of shares."""
    return f"{described(emissions, codes)}: {f'{100 * difference:+.1f}'.replace('-', '−')} points"


def described(emissions: Sequence[AbstractEmission], codes: np.ndarray) -> str:
    """A pattern in words: the category of every measurement, from their ``codes``, shape ``(measurements,)``."""
    return ", ".join(f"{own.measurement} {own.categories[code]}" for own, code in zip(emissions, codes, strict=True))
