r"""What each judge adds, how it errs, and which judges depend on one another.

A judge is one measurement of eq. (3), by itself or in a family (:class:`~simulacra.formalism.FamilyEmission`). With
weights :math:`\bar w` averaged over the logged completions, verdicts y and personas z have a joint distribution, and

* the *information* of judge j is the mutual information :math:`I(z; y_j)`, what its verdict alone says of the persona;
* what it *adds* is :math:`I(z; y_j \mid y_{-j})`, the expected reduction of the entropy of responsibilities by its
  verdict once those of all others are known;
* by how much it *moves* weights is the largest total variation, over conditions, between the weights of maximal
  likelihood with and without it, emissions held at their posterior means.

A judge that answers at random has no information and moves nothing.

References:
    Lindley (1956), On a measure of the information provided by an experiment, doi:10.1214/aoms/1177728069; Dawid &
    Skene (1979), doi:10.2307/2346806; Benjamini & Yekutieli (2001), The control of the false discovery rate in multiple
    testing under dependency, doi:10.1214/aos/1013699998 (pairs of judges).
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats when it is used
import xarray as xr
from scipy import special

from simulacra.analysis.checks import expect_result, withheld_emissions
from simulacra.formalism.display import card, listing
from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.errors import InputError, expect_whole
from simulacra.formalism.shifts import total_variation
from simulacra.inference.misfit import misfit_of_counts
from simulacra.inference.result import Result
from simulacra.inference.sampling.initialise import weights_given
from simulacra.inference.tables import Terms, bounds, ends, summary_table

__all__ = ["Judges", "judges"]

_DRAWS, _MOST_PATTERNS = 300, 20_000
_REPLICATES = 20_000  # of a pair: a small p-value has to survive the adjustment for all pairs
_NEGLIGIBLE = 0.01  # of the entropy of personas


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Judges:
    """The judges of a fit; see :func:`judges`.

    Attributes:
        names: the judges.
        families: the measurement of the model to which each belongs: a family, or the judge itself.
        sizes: number of categories of each judge.
        joint: draws of P(persona, verdicts), shape ``(S, K, J_1, ..., J_n)``.
        tables: draws of P(verdict | persona) of every judge in every reading, the first first, dims ``chain, draw,
            persona, category``.
        counts: completions by condition and pattern, shape ``(M, P)``.
        patterns: codes of every judge in every pattern, int, shape ``(P, n)``.
        emissions: posterior mean of P(verdicts | persona), shape ``(K, J_1, ..., J_n)``.
        terms: what is withheld from the confusions.
        withheld: why what depends on a measurement is withheld, by measurement; those without a reason are absent.
    """

    names: tuple[str, ...]
    families: tuple[str, ...]
    sizes: tuple[int, ...]
    joint: np.ndarray
    tables: tuple[tuple[xr.DataArray, ...], ...]
    counts: np.ndarray
    patterns: np.ndarray
    emissions: np.ndarray
    terms: Terms
    withheld: Mapping[str, str]

    def table(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per judge: ``judge, family, information, added, moves, worth, status``.

        ``information`` and ``added`` are in nats, each followed by an equal-tailed interval of probability ``ci_prob``,
        such as ``information_eti89_lb, information_eti89_ub``; ``moves`` is a difference of probabilities. ``worth`` is
        ``"worthless"`` if the interval of the information lies below 1% of the entropy of the personas; ``"redundant"``
        if that of what the judge adds does; otherwise ``"adds"``. Where the emissions of a judge failed a check, its
        information is withheld, and with it all that depends on several judges: ``added``, ``moves`` and ``worth`` of
        every judge. What is withheld is NaN, or ``"withheld"`` in the column ``worth``.

        Raises:
            InputError: a probability outside (0, 1).
        """
        ci_prob = self.terms.at(ci_prob).ci_prob
        prior = self.joint.reshape(*self.joint.shape[:2], -1).sum(axis=-1)
        least = _NEGLIGIBLE * float(special.entr(prior).sum(axis=1).mean())
        whole, rows = _information(self.joint), []
        for place, name in enumerate(self.names):
            others = tuple(2 + other for other in range(len(self.names)) if other != place)
            own, added = _information(self.joint.sum(axis=others)), whole - _information(self.joint.sum(axis=2 + place))
            ranges = [np.quantile(draws, ends(ci_prob)) for draws in (own, added)]
            worth = "worthless" if ranges[0][1] < least else "redundant" if ranges[1][1] < least else "adds"
            found = (own.mean(), *ranges[0], added.mean(), *ranges[1])
            status = self._status(self.families[place])
            rows.append((name, self.families[place], *map(float, found), self._moves(place), worth, status))
        suffixes = ("", *(f"_{end}" for end in bounds(ci_prob)))
        information, added_names = ([f"{name}{suffix}" for suffix in suffixes] for name in ("information", "added"))
        columns = ["judge", "family", *information, *added_names, "moves", "worth", "status"]
        table = pd.DataFrame(rows, columns=columns)
        table.loc[table["status"] != "ok", information] = np.nan
        if self.withheld:
            table[[*added_names, "moves"]], table["worth"] = np.nan, "withheld"
            table["status"] = table["status"].where(table["status"] != "ok", f"all but information {self._status()}")
        return table

    def _status(self, *measurements: str) -> str:
        """``"ok"``, or why what depends on these measurements, by default on all, is withheld."""
        reasons = (own for name, own in self.withheld.items() if name in (measurements or self.families))
        return next(reasons, "ok")

    def _moves(self, place: int) -> float:
        """Largest change of the weights of a condition if a judge is left out."""
        components = self.emissions[:, *self.patterns.T]
        kept = np.delete(self.patterns, place, axis=1)
        without = self.emissions.sum(axis=1 + place)[:, *kept.T]
        return float(total_variation(_weights(self.counts, components), _weights(self.counts, without)).max())

    def confusions(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """P(verdict | persona) of every judge, in families or not, as in :meth:`~simulacra.inference.Result.emissions`.

        Columns ``judge, persona, category, mean, eti89_lb, eti89_ub, ess_bulk, ess_tail, r_hat, status``.

        Raises:
            InputError: a probability outside (0, 1).
        """
        terms = self.terms.at(ci_prob)
        parts = [summary_table(draws, terms, others=others) for draws, *others in self.tables]
        return pd.concat(parts, keys=self.names, names=["judge"]).reset_index(0).reset_index(drop=True)

    def pairs(self, *, seed: int = 0) -> pd.DataFrame:
        """Judges of different families that agree more or less often than independence given the persona allows.

        Columns ``judge, other, agreement``, the share of completions with the same verdict, or with none by either, NaN
        if the categories of the two differ; ``excess``, its difference from the predicted share; ``unexplained``, the
        share of completions whose pair of verdicts the model does not account for; ``p_value``, the proportion of
        replicated logs that deviate as much (:mod:`simulacra.inference.misfit`); ``p_adjusted``, the smallest false
        discovery rate at which this pair is found, whatever the dependence between pairs (Benjamini and Yekutieli);
        and ``status``. A small ``p_adjusted`` means that two judges share errors: join them in a family. Pairs are
        withheld if emissions of either judge failed a check.

        Raises:
            InputError: a seed that is not a whole number.
        """
        expect_whole(seed, "seed", "pairs")
        rng, rows = np.random.default_rng([seed, 3]), []
        counts = self.counts.sum(axis=0)
        for first, second in itertools.combinations(range(len(self.names)), 2):
            if self.families[first] == self.families[second]:
                continue
            others = tuple(2 + other for other in range(len(self.names)) if other not in (first, second))
            predicted = self.joint.sum(axis=(1, *others))
            logged = np.zeros(predicted.shape[1:])
            np.add.at(logged, (self.patterns[:, first], self.patterns[:, second]), counts)
            drawn = predicted.reshape(len(predicted), -1)[rng.integers(len(predicted), size=_REPLICATES)]
            unexplained, p_value = misfit_of_counts(logged.ravel(), drawn, rng)
            same = self.tables[first][0]["category"].equals(self.tables[second][0]["category"])
            agreement = float(np.trace(logged) / logged.sum()) if same else np.nan
            excess = agreement - float(np.trace(predicted.mean(axis=0)))
            status = self._status(self.families[first], self.families[second])
            rows.append((self.names[first], self.names[second], agreement, excess, unexplained, p_value, status))
        table = pd.DataFrame(
            rows, columns=["judge", "other", "agreement", "excess", "unexplained", "p_value", "status"]
        )
        shown = table["status"] == "ok"
        table.loc[~shown, ["excess", "unexplained", "p_value"]] = np.nan
        table.insert(6, "p_adjusted", np.nan)
        if shown.any():
            found = scipy.stats.false_discovery_control(table.loc[shown, "p_value"], method="by")
            table.loc[shown, "p_adjusted"] = found
        return table

    def __repr__(self) -> str:
        worth = self.table().set_index("judge")["worth"]
        return card(
            f"Judges: {listing(self.names)}",
            *(f"{kind}: {listing(map(str, worth.index[worth == kind]))}" for kind in dict.fromkeys(worth)),
            "next: judges.table(), .confusions(), .pairs()",
        )


def judges(result: Result) -> Judges:
    """The judges of a fit: what each adds, how it errs, and which depend on one another.

    Args:
        result: a fit of two or more measurements, such as the verdicts of several judges (persona set ``"judges"``).

    Raises:
        InputError: fewer than two measurements; a model of texts; or more than 20 000 patterns of verdicts.

    A failed check of the fit withholds what depends on it, with the reason, and nothing else.

    When not to trust it: everything follows from the fitted model. If judges share errors and are not in a family,
    their agreement is taken for the truth; see :meth:`Judges.pairs`.
    """
    expect_result(result, "judges")
    model, posterior = result.model, result.posterior
    own = [(part, emission) for emission in model.emissions for part in emission.parts]
    sizes = tuple(len(part.categories) for part, _ in own)
    if len(own) < 2 or model.likelihood is not None or math.prod(sizes) > _MOST_PATTERNS:
        raise InputError(
            f"judges: the measurements are {listing(part.measurement for part, _ in own) or 'texts'}, with "
            f"{math.prod(sizes)} patterns",
            expected=f"two or more, without texts, with at most {_MOST_PATTERNS} patterns",
            argument="result",
        )
    shapes = [tuple(len(part.categories) for part in emission.parts) for emission in model.emissions]
    numbers = result.readings()["reading"].unique().tolist()
    readings = [result.draws("emissions", reading=number) for number in numbers]
    probabilities = [posterior[f"{name}_probs"] for name in model.measurements]
    weights = posterior["weights"].to_numpy()
    flat = weights.reshape(-1, *weights.shape[2:])
    chosen = np.linspace(0, len(flat) - 1, min(_DRAWS, len(flat))).astype(int)
    counts = np.asarray(result.prepared.in_condition @ result.prepared.counts)
    pooled = np.einsum("smk,m->sk", flat[chosen], counts.sum(axis=1) / counts.sum())
    drawn = [each.to_numpy().reshape(-1, *each.shape[2:])[chosen] for each in probabilities]
    means = [each.mean(("chain", "draw")).to_numpy()[None] for each in probabilities]
    codes = np.asarray(result.prepared.patterns)
    return Judges(
        names=tuple(part.measurement for part, _ in own),
        families=tuple(emission.measurement for _, emission in own),
        sizes=sizes,
        joint=pooled.reshape(*pooled.shape, *[1] * len(sizes)) * _product(drawn, shapes),
        tables=tuple(
            tuple(
                _of_judge(reading[emission.measurement], part, emission.part_codes(part.measurement))
                for reading in readings
            )
            for part, emission in own
        ),
        counts=counts,
        patterns=np.stack(
            [
                emission.part_codes(part.measurement)[codes[:, place]]
                for place, emission in enumerate(model.emissions)
                for part in emission.parts
            ],
            axis=1,
        ),
        emissions=_product(means, shapes)[0],
        terms=Terms(result.failed, result.thresholds, result.ci_prob, absent=result.absent).of("emissions"),
        withheld=withheld_emissions(result),
    )


def _product(tables: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Π_j f_zj of eq. (3) for every pattern: ``(S, K, J_1, ..., J_n)`` from ``(S, K, J)`` of every measurement."""
    joint = np.ones(tables[0].shape[:2])
    for table, shape in zip(tables, shapes, strict=True):
        own = table.reshape(*table.shape[:2], *[1] * (joint.ndim - 2), *shape)
        joint = joint.reshape(*joint.shape, *[1] * len(shape)) * own
    return joint


def _of_judge(draws: xr.DataArray, judge: AbstractEmission, codes: np.ndarray) -> xr.DataArray:
    """P(verdict | persona) of one judge of a measurement, summed over those of the others."""
    table = draws.to_numpy() @ np.eye(len(judge.categories))[codes]
    coords = {"persona": draws["persona"].to_numpy(), "category": list(judge.categories)}
    return xr.DataArray(table, dims=("chain", "draw", "persona", "category"), coords=coords, name=judge.measurement)


def _information(joint: np.ndarray) -> np.ndarray:
    """Mutual information of personas and verdicts, in nats: ``(S,)`` from P(persona, verdicts) ``(S, K, ...)``."""
    flat = joint.reshape(*joint.shape[:2], -1)
    entropies = (special.entr(part).reshape(len(flat), -1).sum(axis=1) for part in (flat.sum(2), flat.sum(1), flat))
    of_personas, of_verdicts, of_both = entropies
    return np.asarray(np.maximum(of_personas + of_verdicts - of_both, 0))


def _weights(counts: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Weights of maximal likelihood of every condition, ``(M, K)``, given P(pattern | persona), ``(K, P)``."""
    equal = np.full((len(counts), len(components)), 1 / len(components))
    return weights_given(counts, components, equal, pseudocounts=0.0)
