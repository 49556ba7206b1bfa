"""A path of a rate or a weight over an ordered covariate: its table, crossings and steps.

See :mod:`simulacra.analysis.dynamics` for the assumptions and what they mean.
"""

import dataclasses
import functools
import itertools
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.analysis.fragility import ratio_set
from simulacra.formalism.display import card, listing
from simulacra.formalism.dynamics import first_crossing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference.citation import Citation, cited
from simulacra.inference.claims import sure_of_sign
from simulacra.inference.compared import Compared
from simulacra.inference.convergence import convergence
from simulacra.inference.rates import asked_by_all, in_common
from simulacra.inference.tables import bounds, ends, summary_table

__all__ = ["SCALES", "Alone", "TrainingPath"]

SCALES: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "linear": (np.asarray, np.asarray),
    "log": (np.log, np.exp),
    "log1p": (np.log1p, np.expm1),
}
"""Scales of a covariate: the function to it, and its inverse."""

_NO_CHANGE = "the path may not change at all"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TrainingPath:
    """A rate or a weight along an ordered covariate. Returned by :func:`training_path`.

    Attributes:
        draws: draws of the path at the checkpoints, dims ``(draw, checkpoint)``, in [0, 1], with the values of the
            covariate as a coordinate.
        dense: draws of the path between the checkpoints as well, dims ``(draw, <covariate>)``.
        covariate: name of the covariate.
        scale: scale on which it is evenly spaced: ``"linear"``, ``"log"`` or ``"log1p"``.
        shape: ``"walk"`` or ``"monotone"``.
        persona: whose weight, or None for a rate.
        alone: the estimates of the fit, each checkpoint by itself.
    """

    draws: xr.DataArray
    dense: xr.DataArray
    covariate: str
    scale: str
    shape: str
    persona: str | None
    alone: "Alone"

    def __repr__(self) -> str:
        means = [
            f"{own} {mean:.2f}" for own, mean in zip(self._values, self.draws.mean("draw").to_numpy(), strict=True)
        ]
        return card(
            f"TrainingPath of {self._what} over {len(means)} values of {self.covariate} ({self.shape})",
            self.alone.words,
            f"{self.covariate}: {listing(means)}",
            "next: .table(), .crossing(level), .steps(), .steepest(), .cite(checkpoint); .draws",
        )

    @property
    def _what(self) -> str:
        return "the rate" if self.persona is None else f"the weight of {self.persona}"

    @property
    def _values(self) -> np.ndarray:
        return self.draws[self.covariate].to_numpy()

    def table(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per checkpoint.

        Columns ``checkpoint, <covariate>, scope, mean, eti89_lb, eti89_ub`` (the path), ``alone, alone_lb, alone_ub``
        (the estimate of the fit for this checkpoint by itself), ``ess_bulk, ess_tail, r_hat, status``. Neighbours
        inform each other, so a path is withheld as a whole if the estimate of one of its checkpoints is; a monotone
        path also if two checkpoints contradict its direction with near certainty.

        Raises:
            InputError: a probability outside (0, 1).
        """
        ci_prob = self._probability(ci_prob)
        lower, upper = bounds(ci_prob)
        alone = self.alone.table(ci_prob)
        low, high = np.quantile(self.draws.to_numpy(), ends(ci_prob), axis=0)
        table = pd.DataFrame(
            {
                "checkpoint": self.draws["checkpoint"].to_numpy(),
                self.covariate: self._values,
                "scope": "these",
                "mean": self.draws.mean("draw").to_numpy(),
                lower: low,
                upper: high,
                "alone": alone["mean"],
                "alone_lb": alone[lower],
                "alone_ub": alone[upper],
                **{name: alone[name] for name in ("ess_bulk", "ess_tail", "r_hat", "status")},
            }
        )
        withheld = self._withheld
        if withheld:
            table[["mean", lower, upper]] = np.nan
            own = table["status"].str.startswith("withheld")
            table.loc[~own, "status"] = withheld
        return table

    def crossing(
        self, level: float | int | None = None, *, share: float | int | None = None, ci_prob: float | None = None
    ) -> pd.DataFrame:
        """When the path first reaches a level, or a share of its total change.

        A level is reached in the direction of the total change; if that may be zero, from the side of the start.

        Between checkpoints, a random walk is a Brownian bridge, and a monotone path a gamma bridge, whose change may
        be even or a single jump.

        Args:
            level: a probability.
            share: a share of the change from the first to the last checkpoint, such as 0.5 for the dose of half of the
                effect (ED50), or 0.9 for where a ceiling is nearly reached. Exactly one of both is needed.
            ci_prob: probability of the interval.

        Returns:
            One row: ``crossing, direction, scope, median, eti89_lb, eti89_ub``, in units of the covariate, infinite if
            beyond the last checkpoint; ``p_before``, the probability that the path starts at the level or past it;
            ``p_crossed``, that it reaches it by the last checkpoint; ``ess_bulk, ess_tail, r_hat, status``.

        Raises:
            InputError: neither or both of level and share, or one outside (0, 1); or a probability outside (0, 1).
        """
        if (level is None) == (share is None):
            raise InputError(
                f"crossing: level is {level!r} and share is {share!r}",
                expected="exactly one of them",
                argument=("level", "share"),
            )
        name, target = ("level", level) if share is None else ("share", share)
        expect_type(target, numbers.Real, name, "crossing", expected="a number between 0 and 1")
        if not 0 < float(target or 0) < 1:
            raise InputError(f"crossing: {name} is {target!r}", expected="a number between 0 and 1", argument=name)
        sign = self._sign if level is None else self._sign_to(float(level))
        draws = self._crossing_draws(level, share, sign)
        first, ci_prob = float(self._values[0]), self._probability(ci_prob)
        # infinity is a value like any other: quantiles are draws, not means of two
        middle, low, high = np.quantile(draws, [0.5, *ends(ci_prob)], method="inverted_cdf")
        status = self._withheld or ("" if share is None or self._changes else f"withheld: {_NO_CHANGE}")
        numbers_ = [middle, low, high, (draws <= first).mean(), np.isfinite(draws).mean()]
        values = dict(zip(("median", *bounds(ci_prob), "p_before", "p_crossed"), numbers_, strict=True))
        row = {
            "crossing": f"{target:g}" if share is None else f"{target:g} of the change",
            "direction": "increase" if sign > 0 else "decrease",
            "scope": "these",
            **(dict.fromkeys(values, np.nan) if status else values),
            **self.alone.worst,
            "status": status or "ok",
        }
        return pd.DataFrame([row])

    def _crossing_draws(self, level: float | int | None, share: float | int | None, sign: int) -> np.ndarray:
        """The first value of the covariate at which every draw reaches the level, or the share; shape ``(draw,)``."""
        paths, positions = self.dense.to_numpy(), SCALES[self.scale][0](self.dense[self.covariate].to_numpy())
        if share is not None:
            change = paths[:, -1] - paths[:, 0]
            change = np.where(change * sign > 0, change, np.nan)  # a draw without the change never reaches it
            found = first_crossing(positions, (paths - paths[:, :1]) / change[:, None], share)
        else:
            found = first_crossing(positions, sign * paths, sign * float(level or 0))
        return np.asarray(SCALES[self.scale][1](found))

    def steps(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per step between neighbouring checkpoints: how much of the total change falls into it.

        Columns ``step_from, step_to`` (values of the covariate), ``scope, change`` (posterior mean of the change in
        this step), ``share, eti89_lb, eti89_ub`` (its share of the total change), ``even`` (the share that it would
        have on a straight path over the scale of the covariate), ``p_steepest`` (the probability that no other step
        has a larger share), ``ess_bulk, ess_tail, r_hat, status``. Shares are withheld unless the sign of the total
        change is as certain as a claim about its direction requires.

        Raises:
            InputError: a probability outside (0, 1).
        """
        ci_prob = self._probability(ci_prob)
        lower, upper = bounds(ci_prob)
        paths, positions = self.draws.to_numpy(), SCALES[self.scale][0](self._values)
        steps, total = np.diff(paths, axis=1), paths[:, -1] - paths[:, 0]
        sets = [ratio_set(step, total, ci_prob) for step in steps.T]
        status = self._withheld
        if not status and not (self._changes and all(own.bounded for own in sets)):
            status = f"withheld: {_NO_CHANGE}, so no share of the change can be estimated"
        largest = (self._sign * steps).argmax(axis=1)
        table = pd.DataFrame(
            {
                "step_from": self._values[:-1],
                "step_to": self._values[1:],
                "scope": "these",
                "change": steps.mean(axis=0),
                "share": [own.estimate for own in sets],
                lower: [own.lower for own in sets],
                upper: [own.upper for own in sets],
                "even": np.diff(positions) / np.ptp(positions),
                "p_steepest": np.bincount(largest, minlength=steps.shape[1]) / len(steps),
                **self.alone.worst,
                "status": status or "ok",
            }
        )
        if status:
            table[["share", lower, upper, "p_steepest"]] = np.nan
        if self._withheld:
            table["change"] = np.nan
        return table

    def steepest(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """The row of :meth:`steps` with the step that most probably has the largest share of the change.

        The change is sudden if most of it falls into one step although a straight path would put little there: compare
        ``share`` and its interval with ``even``.

        Raises:
            InputError: a probability outside (0, 1).
        """
        steps = self.steps(ci_prob=ci_prob)
        place = int(steps["p_steepest"].fillna(0).to_numpy().argmax())
        return steps.iloc[[place]].reset_index(drop=True)

    def cite(self, checkpoint: str, *, ci_prob: float | None = None) -> Citation:
        """The path at one checkpoint, with its interval, scope and provenance.

        Raises:
            InputError: there is no such checkpoint, or the path is withheld (with the reason).
        """
        table = self.table(ci_prob=ci_prob)
        own = table[table["checkpoint"] == checkpoint]
        if own.empty:
            expected = f"one of {', '.join(table['checkpoint'])}"
            raise InputError(f"cite: there is no checkpoint {checkpoint!r}", expected=expected, argument="checkpoint")
        return self._cited("path", checkpoint, own, "mean", ci_prob)

    def cite_crossing(
        self, level: float | int | None = None, *, share: float | int | None = None, ci_prob: float | None = None
    ) -> Citation:
        """The value of the covariate at which the path reaches a level, or a share of its change.

        Raises:
            InputError: as :meth:`crossing`; or the interval reaches beyond the last checkpoint.
        """
        table = self.crossing(level, share=share, ci_prob=ci_prob)
        row = table.iloc[0]
        if np.isinf(row[bounds(self._probability(ci_prob))[1]]):
            raise InputError(
                f"cite_crossing: {self._what} reaches {row['crossing']} within the observed range with probability "
                f"{row['p_crossed']:.2f}, so the interval has no upper end",
                remedy="log later checkpoints, or state p_crossed of the table",
            )
        return self._cited("crossing", row["crossing"], table, "median", ci_prob)

    def cite_steepest(self, *, ci_prob: float | None = None) -> Citation:
        """The share of the total change that falls into the steepest step.

        Raises:
            InputError: it is withheld (with the reason).
        """
        table = self.steepest(ci_prob=ci_prob)
        start, end = table[["step_from", "step_to"]].to_numpy()[0]
        return self._cited("share", f"{self.covariate} {start:g} to {end:g}", table, "share", ci_prob)

    def _cited(self, quantity: str, place: str, table: pd.DataFrame, value: str, ci_prob: float | None) -> Citation:
        ci_prob = self._probability(ci_prob)
        row, columns = table.to_dict("records")[0], (value, *bounds(ci_prob))
        own = self.alone.compared
        kind = "rate" if self.persona is None else self.persona
        return cited(
            f"{quantity}[{kind}, {place}]", row, columns, self.alone.words, own.provenance, probability=ci_prob
        )

    def _probability(self, ci_prob: float | None) -> float:
        return self.alone.compared.terms.at(ci_prob).ci_prob

    @property
    def _sign(self) -> int:
        return 1 if self.alone.difference().mean() >= 0 else -1

    def _sign_to(self, level: float) -> int:
        """The direction in which a level is reached: that of the change or, if there is none, away from the start."""
        return self._sign if self._changes else 1 if self.draws.to_numpy()[:, 0].mean() < level else -1

    @property
    def _changes(self) -> bool:
        """Whether the sign of the change, as the fit estimates it, is as certain as a claim requires."""
        return bool(sure_of_sign(self.alone.difference(), "these"))

    @property
    def _withheld(self) -> str:
        """Why the path is withheld; empty if it is not."""
        table = self.alone.table()
        for name, status in zip(self.draws["checkpoint"].to_numpy(), table["status"], strict=True):
            if status.startswith("withheld"):
                return f"withheld: the estimate of {name} is withheld ({status.removeprefix('withheld: ')})"
        return self._turns_back if self.shape == "monotone" else ""

    @functools.cached_property
    def _turns_back(self) -> str:
        """Which checkpoints contradict a monotone path; empty if none do with near certainty."""
        for first, second in itertools.combinations(range(len(self._values)), 2):
            back = self.alone.difference(second, first)
            if self._sign * back.mean() < 0 and sure_of_sign(back, "these"):
                start, end = self._values[[first, second]]
                return f"withheld: the path is not monotone, it turns back from {self.covariate} {start:g} to {end:g}"
        return ""


@dataclasses.dataclass(frozen=True, eq=False)
class Alone:
    """The estimates of the fit at the checkpoints.

    Attributes:
        compared: the quantity in all groups of the fit.
        rows: the groups of the checkpoints, in their order.
    """

    compared: Compared
    rows: tuple[int, ...]

    @property
    def words(self) -> str:
        """The scope in words, which says if not all checkpoints were asked the same base questions."""
        asked = self.compared.asked
        return self.compared.words if asked is None else in_common(self.compared.words, asked_by_all(asked, self.rows))

    @property
    def draws(self) -> np.ndarray:
        """Draws at the checkpoints, shape ``(draw, S)``."""
        return self.compared.draws.to_numpy()[..., list(self.rows)].reshape(-1, len(self.rows))

    def difference(self, later: int = -1, earlier: int = 0) -> np.ndarray:
        """Draws of one checkpoint minus another, by default the last minus the first, shape ``(chain, draw)``."""
        values = self.compared.draws.to_numpy()
        return np.asarray(values[..., self.rows[later]] - values[..., self.rows[earlier]])

    def table(self, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per checkpoint: ``mean``, interval, ``ess_bulk, ess_tail, r_hat, status``."""
        terms = self.compared.terms.at(ci_prob)
        own, *others = (self._at(draws) for draws in (self.compared.draws, *self.compared.others))
        size = own.mean(("chain", "draw")).to_numpy() if self.compared.of == "weights" else None
        return summary_table(own, terms, diagnostics=self._diagnostics, size=size, others=others)

    @functools.cached_property
    def _diagnostics(self) -> xr.DataArray:
        return convergence(self._at(self.compared.draws).to_dataset(name="draws"), ["draws"])["draws"]

    @property
    def worst(self) -> dict[str, float]:
        """The smallest effective sample sizes and the largest R-hat of the checkpoints."""
        table = self.table()
        return {"ess_bulk": table["ess_bulk"].min(), "ess_tail": table["ess_tail"].min(), "r_hat": table["r_hat"].max()}

    def _at(self, draws: xr.DataArray) -> xr.DataArray:
        groups = self.compared.groups.iloc[list(self.rows)]
        coords = {str(name): ("group", groups[name].to_numpy(str)) for name in groups}
        return draws.isel(group=list(self.rows)).assign_coords(coords)
