"""Contrasts that a user states: differences between groups or means of groups, and differences of differences.

``result.contrast("backdoor, trigger=on", "backdoor, trigger=off")`` compares two groups. Contrasts can be subtracted
from one another: a base model may react to a trigger as well, so the effect of the trigger on a fine-tune is the
difference between the fine-tune's contrast and the base model's. Every contrast is a linear combination of groups,
computed draw by draw.

References:
    Angrist & Pischke (2009), Mostly Harmless Econometrics, doi:10.1515/9781400829828, chapter 5 (differences of
    differences); Lenth (2024), emmeans: estimated marginal means (contrasts of means of groups, families of pairs).
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference.citation import Citation, cited
from simulacra.inference.claims import supported
from simulacra.inference.compared import Compared
from simulacra.inference.groups import Group, names_of, shares_of
from simulacra.inference.rate_tables import no_common_question
from simulacra.inference.rates import asked_by_all, in_common, scope_name
from simulacra.inference.tables import Terms, bounds, chosen_rope, summary_table

__all__ = ["Contrast", "Contrasts", "all_pairs", "contrast_of"]

_REMEDY = "choose another denominator, such as of='all', or other groups or, for rates, scope='new'"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Contrast:
    """A difference of rates or weights, or a difference of such differences; see ``Result.contrast``.

    Attributes:
        name: the contrast, such as ``"rate[ft, trigger=on] − rate[ft, trigger=off]"``.
        coefficients: the coefficient of every group, shape ``(G,)``; they sum to zero.
        compared: the quantity that is compared, and its groups.
        comparisons: the number of contrasts in the family to which this one belongs.
    """

    name: str
    coefficients: np.ndarray
    compared: Compared
    comparisons: int = 1

    def __sub__(self, other: "Contrast") -> "Contrast":
        """The difference of two contrasts of the same quantity, outcome, scope and fit.

        Raises:
            InputError: they are of different quantities, outcomes, scopes or fits, or equal.
        """
        expect_type(other, Contrast, "other", "Contrast", expected="a Contrast, as Result.contrast returns")
        own, theirs = self.compared, other.compared
        if not own.equals(theirs):
            raise InputError(
                f"{self.name} ({own.of}, {own.words}) and {other.name} ({theirs.of}, {theirs.words}) cannot be "
                "subtracted",
                expected="contrasts of the same quantity, outcome and scope, from the same fit",
            )
        return _stated(f"({self.name}) − ({other.name})", self.coefficients - other.coefficients, own)

    @property
    def draws(self) -> xr.DataArray:
        """Its draws, dims ``(chain, draw)``, a difference of probabilities."""
        return self._combined(self.compared.draws)

    def _combined(self, draws: xr.DataArray) -> xr.DataArray:
        used = np.flatnonzero(self.coefficients)
        return xr.DataArray(draws.to_numpy()[..., used] @ self.coefficients[used], dims=("chain", "draw"))

    @property
    def words(self) -> str:
        """The scope in words."""
        return in_common(self.compared.words, self._questions)

    @property
    def impossible(self) -> str:
        """Why there is no estimate at all; empty if there is one."""
        used = np.flatnonzero(self.coefficients)
        names = names_of(self.compared.groups.iloc[used])
        asked = None if self.compared.asked is None else self.compared.asked[used]
        empty = np.isnan(self.compared.draws.to_numpy()[0, 0, used])
        empty |= False if asked is None else ~asked.any(axis=1)
        if empty.any():
            return f"{names[empty.argmax()]} has no scored completions in the denominator of the outcome"
        if self.compared.scope == "these" and self._questions.get("questions") == 0:
            return no_common_question(names)
        return ""

    @property
    def _questions(self) -> dict[str, int]:
        """``questions``, which all of its groups were asked, and ``asked``, which any was; if they matter."""
        if self.compared.asked is None:
            return {}
        return asked_by_all(self.compared.asked, np.flatnonzero(self.coefficients).tolist())

    def table(self, *, rope: float | int | None = None, ci_prob: float | None = None) -> pd.DataFrame:
        """One row: ``contrast, scope, questions, asked, mean, eti89_lb, eti89_ub, claim, comparisons, ess_bulk, …``.

        ``questions``, ``asked``, ``claim`` and ``comparisons`` as in :meth:`~simulacra.inference.Result.contrasts`,
        followed by ``ess_bulk, ess_tail, r_hat, status``; ``claim`` follows from the interval and the sign. There is no
        claim for weights and implied rates, because a difference of weights alone does not support one; the status of
        weights has the marks of :meth:`~simulacra.inference.Result.shifts`, which may extend the interval. For new
        questions, the interval is extended to that of a paired t-test over base questions if a group that is subtracted
        shows the event, or if there are 20 of them. The region of practical equivalence and the probability of the
        interval are by default those of the fit.

        Raises:
            InputError: a probability outside (0, 1), or a negative ``rope``.
        """
        terms, rope = self._terms.at(ci_prob), chosen_rope(rope, self.compared.rope)
        numbers = ["mean", *bounds(terms.ci_prob)]
        draws, *others = (
            self._combined(own).expand_dims(contrast=[self.name], axis=-1)
            for own in (self.compared.draws, *self.compared.others)
        )
        table = summary_table(draws, terms, others=others)
        said: dict[str, Any] = {}
        if self.compared.of == "rates":
            coefficients, rates, scope = self.coefficients[None], self.compared.rates, self.compared.scope
            limits = table[numbers[1:]].to_numpy()
            limits, claims = supported(draws.to_numpy(), limits, coefficients, rates, scope, rope, terms.ci_prob)
            table[numbers[1:]], said = limits, {"claim": claims}
        if self.impossible:
            table[numbers], table["status"] = np.nan, f"withheld: {self.impossible}"
        held = table["status"].iloc[0].startswith("withheld")
        if said and held:
            said = {"claim": "withheld"}
        if not held:
            found, shown = self.compared.marks(self.coefficients, tuple(table[numbers[1:]].iloc[0]), terms.ci_prob)
            table[numbers[1:]], table["status"] = [shown], found or table["status"]
        about: dict[str, Any] = {"scope": scope_name(self.compared.scope), **self._questions}
        table = table.assign(**about, **said, comparisons=self.comparisons)
        return table[["contrast", *about, *numbers, *said, "comparisons", "ess_bulk", "ess_tail", "r_hat", "status"]]

    def cite(self, *, ci_prob: float | None = None) -> Citation:
        """The contrast with its interval, scope, diagnostics and provenance.

        Raises:
            InputError: it is withheld (with the reason).
        """
        probability = self._terms.at(ci_prob).ci_prob
        row = self.table(ci_prob=probability).to_dict("records")[0]
        columns = ("mean", *bounds(probability))
        return cited(self.name, row, columns, self.compared.words, self.compared.provenance, probability=probability)

    @property
    def _terms(self) -> Terms:
        """Every failed check that concerns any of the groups."""
        rows = self.compared.groups[self.coefficients != 0].to_dict("records")
        failed = [
            dataclasses.replace(check, persona=None, condition=None)
            for check in self.compared.terms.failed
            if any(
                check.persona in (None, row.get("persona")) and check.condition in (None, row["condition"])
                for row in rows
            )
        ]
        return dataclasses.replace(self.compared.terms, failed=tuple(failed))

    def __repr__(self) -> str:
        row = self.table().to_dict("records")[0]
        mean, lower, upper = (f"{row[name]:+.4f}".replace("-", "−") for name in ("mean", *bounds(self._terms.ci_prob)))
        return card(
            f"Contrast {self.name}",
            f"{mean} ({lower} to {upper}) {self.words}",
            f"claim: {row['claim']}" if "claim" in row else "",
            f"one of {self.comparisons} comparisons" if self.comparisons > 1 else "",
            f"status: {row['status']}",
            "next: contrast.table(), .cite(), .draws; contrast - other",
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Contrasts(Sequence[Contrast]):
    """A family of contrasts, which states its size in every row and citation; see ``Result.pairs``.

    The interval and the claim of a contrast are those of this contrast alone, whatever the size of the family. In a
    family of 20, one interval of 95% is expected to miss.

    Attributes:
        members: the contrasts, in any order; by position or name, ``family[0]`` or ``family["rate[a] − rate[b]"]``.
    """

    members: Sequence[Contrast]

    def __post_init__(self) -> None:
        """Every member states the size of the family."""
        counted = [dataclasses.replace(contrast, comparisons=len(self.members)) for contrast in self.members]
        object.__setattr__(self, "members", tuple(counted))

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Contrast]:
        return iter(self.members)

    def __getitem__(self, key: int | str) -> Contrast:  # type: ignore[override]
        names = [contrast.name for contrast in self.members]
        if isinstance(key, str) and key not in names:
            raise InputError(f"There is no contrast {key!r} among {len(names)}", expected=listing(names, 300))
        return self.members[names.index(key) if isinstance(key, str) else key]

    def table(self, *, rope: float | int | None = None, ci_prob: float | None = None) -> pd.DataFrame:
        """One row per contrast, with the columns of :meth:`Contrast.table`.

        Raises:
            InputError: a probability outside (0, 1), or a negative ``rope``.
        """
        return pd.concat([each.table(rope=rope, ci_prob=ci_prob) for each in self.members], ignore_index=True)

    def __repr__(self) -> str:
        return card(
            f"Contrasts: {len(self.members)} comparisons",
            listing(contrast.name for contrast in self.members),
            "next: contrasts.table(); contrasts[0].cite()",
        )


def contrast_of(compared: Compared, group: Group, minus: Group, persona: str | None) -> Contrast:
    """The difference between two groups, or means of groups.

    Raises:
        InputError: an unknown group, the same group twice, groups without completions, or without a common question.
    """
    own = np.ones(len(compared.groups), dtype=bool)
    if persona is not None:
        own = (compared.groups["persona"] == persona).to_numpy()
    places = compared.groups[own].drop(columns="persona", errors="ignore").reset_index(drop=True)
    shares = np.zeros((2, len(own)))
    shares[0, own], shares[1, own] = shares_of(places, group, "group"), shares_of(places, minus, "minus")
    return _stated(" − ".join(map(compared.label, shares)), shares[0] - shares[1], compared)


def all_pairs(compared: Compared, persona: str | None) -> Contrasts:
    """Every pair of conditions in the same context, the later minus the earlier one.

    Raises:
        InputError: there is no pair.
    """
    contexts = [name for name in compared.groups if name != "condition"]
    chosen = compared.groups if persona is None else compared.groups[compared.groups["persona"] == persona]
    places = [chosen.index] if not contexts else [own.index for _, own in chosen.groupby(contexts, sort=False)]
    found = []
    for first, second in itertools.chain.from_iterable(itertools.combinations(own, 2) for own in places):
        minus, plus = np.eye(len(compared.groups))[[first, second]]
        found.append(Contrast(f"{compared.label(plus)} − {compared.label(minus)}", plus - minus, compared))
    if not found:
        raise InputError("pairs: there are no two conditions in the same context", remedy="use Result.contrast")
    return Contrasts(found)


def _stated(name: str, coefficients: np.ndarray, compared: Compared) -> Contrast:
    """A contrast that exists.

    Raises:
        InputError: it compares a group with itself, or there is no estimate.
    """
    coefficients = np.where(np.abs(coefficients) > 1e-12, coefficients, 0.0)  # what cancels, cancels exactly
    if not coefficients.any():
        raise InputError(f"contrast: {name} is zero, because both sides are the same", argument="minus")
    contrast = Contrast(name, coefficients, compared)
    if contrast.impossible:
        raise InputError(f"contrast: {contrast.impossible}", remedy=_REMEDY, argument=("outcome", "scope"))
    return contrast
