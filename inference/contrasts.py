"""Contrasts that a user states: differences between any two groups, and differences of differences.

``result.contrast("backdoor, trigger=on", "backdoor, trigger=off")`` compares two groups. Contrasts can be subtracted
from one another: a base model may react to a trigger as well, so the effect of the trigger on a fine-tune is the
difference between the fine-tune's contrast and the base model's. All are computed draw by draw.

References:
    Angrist & Pischke (2009), Mostly Harmless Econometrics, doi:10.1515/9781400829828, chapter 5 (differences of
    differences).
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.formalism.display import card, place
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.shifts import claim
from simulacra.inference.citation import Citation, Provenance, cited
from simulacra.inference.rate_tables import about_new, sure_of_sign
from simulacra.inference.rates import extended_interval
from simulacra.inference.tables import CI_PROB, Terms, bounds, summary_table

__all__ = ["Contrast", "Group", "find_group", "label"]

Group = str | Mapping[str, object]
"""A group as text, ``"ft"`` or ``"condition=ft, trigger=on"``, or as a mapping of columns to values."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Contrast:
    """A difference of rates or weights, or a difference of such differences; see ``Result.contrast``.

    Attributes:
        name: the contrast, such as ``"rate[ft, trigger=on] − rate[ft, trigger=off]"``.
        of: the quantity: ``"rates"``, ``"implied_rates"`` or ``"weights"``.
        scope: ``"these"`` or ``"new"``.
        words: the scope in words.
        draws: its draws, dims ``(chain, draw)``, a difference of probabilities.
        by_question: the same contrast of logged proportions by base question, shape ``(Q,)``, NaN for questions that
            not all groups were asked; for new questions only.
        raised: whether a group that is added shows the event in more than 1% of its completions.
        reduced: whether one that is subtracted does, so that questions can disagree in sign.
        terms: what is withheld.
        provenance: model, data, seed and version.
    """

    name: str
    of: str
    scope: str
    words: str
    draws: xr.DataArray
    by_question: np.ndarray
    raised: bool
    reduced: bool
    terms: Terms
    provenance: Provenance

    def __sub__(self, other: "Contrast") -> "Contrast":
        """The difference of two contrasts of the same quantity, outcome, scope and fit.

        Raises:
            InputError: they are of different quantities, outcomes, scopes or fits.
        """
        expect_type(other, Contrast, "other", "Contrast", expected="a Contrast, as Result.contrast returns")
        if (self.of, self.scope, self.provenance) != (other.of, other.scope, other.provenance):
            raise InputError(
                f"{self.name} ({self.of}, {self.words}) and {other.name} ({other.of}, {other.words}) cannot be "
                "subtracted",
                expected="contrasts of the same quantity, outcome and scope, from the same fit",
            )
        return dataclasses.replace(
            self,
            name=f"({self.name}) − ({other.name})",
            draws=self.draws - other.draws,
            by_question=self.by_question - other.by_question,
            raised=self.raised or other.reduced,
            reduced=self.reduced or other.raised,
            terms=dataclasses.replace(self.terms, failed=(*self.terms.failed, *other.terms.failed)),
        )

    def table(self, *, rope: float = 0.01, ci_prob: float = CI_PROB) -> pd.DataFrame:
        """One row: ``contrast, scope, mean, eti89_lb, eti89_ub, claim, ess_bulk, ess_tail, r_hat, status``.

        ``claim`` follows from the interval and the sign as in :meth:`~simulacra.inference.Result.contrasts`. There is
        none for weights and implied rates, because a difference of weights alone does not support one. For new
        questions, the interval is extended to that of a paired t-test over base questions if a group that is subtracted
        shows the event, or if there are 20 of them.

        Raises:
            InputError: a probability outside (0, 1), or a negative ``rope``.
        """
        lower, upper = bounds(ci_prob)
        terms = dataclasses.replace(self.terms, ci_prob=ci_prob)
        table = summary_table(self.draws.expand_dims(contrast=[self.name], axis=-1), terms)
        if self.scope == "new":
            limits = (float(table[lower].iloc[0]), float(table[upper].iloc[0]))
            extended = extended_interval(limits, self.by_question, ci_prob, reduced=self.reduced)
            table[lower], table[upper] = extended
        table.insert(1, "scope", self.scope)
        if self.of == "rates":
            sure = bool(sure_of_sign(self.draws.to_numpy(), self.scope))
            said: str = claim(float(table[lower].iloc[0]), float(table[upper].iloc[0]), rope=rope, sure=sure)
            said = about_new(said, int(np.isfinite(self.by_question).sum())) if self.scope == "new" else said
            withheld = table["status"].iloc[0].startswith("withheld")
            table.insert(5, "claim", "withheld" if withheld else said)
        return table

    def cite(self, *, ci_prob: float = CI_PROB) -> Citation:
        """The contrast with its interval, scope, diagnostics and provenance.

        Raises:
            InputError: it is withheld (with the reason).
        """
        row = self.table(ci_prob=ci_prob).to_dict("records")[0]
        columns = ("mean", *bounds(ci_prob))
        return cited(self.name, row, columns, self.words, self.provenance, probability=ci_prob)

    def __repr__(self) -> str:
        row = self.table().to_dict("records")[0]
        mean, lower, upper = (f"{row[name]:+.4f}".replace("-", "−") for name in ("mean", *bounds()))
        return card(
            f"Contrast {self.name}",
            f"{mean} ({lower} to {upper}) {self.words}",
            f"claim: {row['claim']}" if "claim" in row else "",
            f"status: {row['status']}",
            "next: contrast.table(), .cite(), .draws; contrast - other",
        )


def find_group(groups: pd.DataFrame, asked: Group, argument: str) -> int:
    """The row of the group that is asked for.

    Args:
        groups: conditions with their contexts, as :func:`~simulacra.inference.rates.groups_of` returns.
        asked: the group; a text without ``=``, or the exact name of a condition, is a condition.
        argument: name of the argument in messages.

    Raises:
        InputError: an unknown column, or none or several groups with these values.
    """
    wanted = {"condition": asked} if asked in groups["condition"].tolist() else _parsed(asked, argument)
    unknown = [name for name in wanted if name not in groups]
    if unknown:
        raise InputError(
            f"contrast: {asked!r} names {unknown[0]!r}",
            expected=f"columns among {', '.join(map(str, groups))}",
            argument=argument,
        )
    fits = np.ones(len(groups), dtype=bool)
    for name, value in wanted.items():
        fits &= (groups[name].astype(str) == value).to_numpy()
    if fits.sum() != 1:
        listed = "; ".join(", ".join(f"{name}={own}" for name, own in row.items()) for row in groups.to_dict("records"))
        many = "no group has" if not fits.any() else f"{fits.sum()} groups have"
        raise InputError(
            f"contrast: {many} {', '.join(f'{name}={own}' for name, own in wanted.items()) or 'no values'}",
            expected=f"one of {listed}",
            argument=argument,
        )
    return int(fits.argmax())


def _parsed(asked: Group, argument: str) -> dict[str, str]:
    expected = "a group such as 'ft', 'condition=ft, trigger=on' or {'condition': 'ft', 'trigger': 'on'}"
    expect_type(asked, (str, Mapping), argument, "contrast", expected=expected)
    if isinstance(asked, Mapping):
        return {str(name): str(value) for name, value in asked.items()}
    parts = [part.strip() for part in asked.split(",")] if "=" in asked else [asked]
    pairs = [part.partition("=") if "=" in part else ("condition", "=", part) for part in parts]
    return {name.strip(): value.strip() for name, _, value in pairs}


def label(groups: pd.DataFrame, row: int, kind: str, persona: str | None = None) -> str:
    """The name of an estimate, as in keys of citations: ``"rate[ft, trigger=on]"``."""
    own = {str(name): value for name, value in groups.iloc[row].items()}
    return f"{kind}[{place(own | ({'persona': persona} if persona else {}))}]"
