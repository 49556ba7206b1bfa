"""Citations: single estimates of a result with interval, diagnostics and provenance."""

import dataclasses
import difflib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, place
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.partitions import Partition
from simulacra.inference.diagnostics import Check
from simulacra.inference.draws import chosen_outcome
from simulacra.inference.prepare import Prepared
from simulacra.inference.rate_tables import rest_is_clear
from simulacra.inference.rates import in_common
from simulacra.inference.tables import bounds, level

__all__ = [
    "Citable",
    "Citation",
    "Provenance",
    "WithheldError",
    "citable",
    "citable_mix",
    "citable_rates",
    "citable_tables",
    "cited",
    "decimals",
    "find",
    "lost_names",
    "provenance_of",
]


class WithheldError(InputError):
    """An estimate that failed its checks, so that it cannot be cited.

    Attributes:
        status: ``"withheld: "`` and the reason.
    """

    def __init__(self, what: str, *, remedy: str | None = None, status: str = "withheld") -> None:
        super().__init__(what, remedy=remedy)
        self.status = status


def decimals(lower: float, upper: float) -> int:
    """Number of decimals of a probability in tables, reports and citations, given its interval.

    Three (tenths of a percentage point), or four if the interval is narrower than one percentage point.
    """
    return 4 if upper - lower < 0.01 else 3


@dataclasses.dataclass(frozen=True)
class Provenance:
    """The origin of the numbers of a result.

    Attributes:
        model: the fitted model, in one line.
        data_hash: SHA-256 of the fitted counts, hexadecimal.
        seed: random seed of the fit.
        version: version of simulacra that fitted the model.
        loosened: the thresholds of checks that were looser than the defaults, for display; empty if none.
    """

    model: str
    data_hash: str
    seed: int
    version: str
    loosened: str = ""


@dataclasses.dataclass(frozen=True, repr=False)
class Citation:
    """One estimate, ready to be cited. ``str()`` gives it in one line; ``simulacra.report`` formats it.

    Attributes:
        key: the quantity, for example ``"shift[insecure, misaligned]"``.
        value: the estimate, a probability or a difference of two probabilities.
        lower: lower end of the interval.
        upper: upper end of the interval.
        interval: kind of the interval: ``"ETI"``, equal-tailed.
        interval_probability: probability of the interval.
        r_hat: rank-normalised split R-hat.
        ess_bulk: bulk effective sample size.
        ess_tail: tail effective sample size.
        status: ``"ok"``, or the reason why R-hat and ESS were not checked.
        scope: the questions that the estimate is about, in words; empty for a property of a persona.
        provenance: model, data, seed and version.
        comparisons: for a comparison, the number of comparisons in its table.
    """

    key: str
    value: float
    lower: float
    upper: float
    interval: str
    interval_probability: float
    r_hat: float
    ess_bulk: float
    ess_tail: float
    status: str
    scope: str
    provenance: Provenance
    comparisons: int = 1

    def __repr__(self) -> str:
        ends = f"{self.rounded(self.lower)} to {self.rounded(self.upper)}"
        return card(
            f"Citation of {self.key}",
            f"{self.rounded(self.value)}, {level(self.interval_probability)} {self.interval} {ends}; "
            f"R-hat {self.r_hat:.2f}, ESS {grouped(self.ess)}",
            "; ".join(filter(None, (self.scope, self.family))),
            f"status: {self.status}",
            f"model: {self.provenance.model}",
            f"seed {self.provenance.seed}, data {self.provenance.data_hash[:8]}…, simulacra {self.provenance.version}",
            'next: str(citation), format_citation(citation, "latex")',
        )

    @property
    def in_brief(self) -> str:
        """The number and its interval, as ``"0.175 (89% ETI 0.161–0.189)"``."""
        return f"{self.rounded(self.value)} ({level(self.interval_probability)} {self.interval} {self._ends})"

    @property
    def _ends(self) -> str:
        dash = "–" if min(self.value, self.lower) >= 0 else " to "
        return f"{self.rounded(self.lower)}{dash}{self.rounded(self.upper)}"

    def __str__(self) -> str:
        scope = f" {self.scope}" if self.scope else ""
        caveat = f" {self.caveat};" if self.caveat else ""
        return (
            f"{self.rounded(self.value)}{scope} ({level(self.interval_probability)} {self.interval} "
            f"{self._ends}; R̂ {self.r_hat:.2f}, ESS {grouped(self.ess)};"
            f"{caveat} simulacra {self.provenance.version}, data {self.provenance.data_hash[:8]}…)"
        )

    @property
    def ess(self) -> float:
        """The smaller of bulk and tail ESS, which is displayed."""
        return min(self.ess_bulk, self.ess_tail)

    @property
    def caveat(self) -> str:
        """The size of the family, why R-hat and ESS were not checked, and thresholds that were loosened, if any."""
        unchecked = "" if self.status == "ok" else self.status
        return "; ".join(filter(None, (self.family, unchecked, self.provenance.loosened)))

    @property
    def family(self) -> str:
        """The size of the family of comparisons, ``"one of 15 comparisons"``; empty if there is only one."""
        return f"one of {grouped(self.comparisons)} comparisons" if self.comparisons > 1 else ""

    def rounded(self, value: float) -> str:
        """``value`` with the number of decimals given by :func:`decimals`, and a typographic minus sign."""
        text = f"{value:.{decimals(self.lower, self.upper)}f}"
        return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


class Citable(NamedTuple):
    """A table with citable numbers: its dims in order, the columns of value and interval, and the scope in words."""

    table: pd.DataFrame
    dims: tuple[str, ...]
    value: str
    between: tuple[str, str]
    scope: str


_ROPE = 0.01
"""Difference between a rate and the implied one above which a citation states it, if its interval excludes zero."""
_IMPLIED, _UNEXPLAINED = ("implied_lb", "implied_ub"), ("unexplained_lb", "unexplained_ub")


def citable_tables(
    table: Callable[..., pd.DataFrame], scope: Callable[[str], str], ci_prob: float, *, rated: bool
) -> dict[str, Citable]:
    """Tables with citable numbers, by kind of key.

    Args:
        table: returns the table of the draws of a given name, and scope if it has one, with intervals of probability
            ``ci_prob``.
        scope: the words for a scope.
        ci_prob: probability of the intervals.
        rated: whether the model has an outcome, and therefore rates.
    """
    limits, these = bounds(ci_prob), scope("these")
    of_weights = ("condition", "persona")
    kinds = {
        "weight": Citable(table("weights"), of_weights, "mean", limits, these),
        "shift": Citable(table("shifts"), of_weights, "mean", limits, these),
    }
    if not rated:
        return kinds
    kinds["outcome_given_persona"] = Citable(table("outcome_given_persona"), ("persona",), "mean", limits, "")
    kinds |= citable_rates(table, scope, ci_prob)
    (rates, dims, *_), (contrasts, *_) = kinds["rate"], kinds["rate_difference"]
    implied = _implied(rates, table("implied_rates"))
    unexplained = _unexplained(contrasts, table("implied_contrasts"))
    kinds["implied_rate"] = Citable(implied, dims, "implied", _IMPLIED, these)
    kinds["unexplained"] = Citable(unexplained, dims, "unexplained", _UNEXPLAINED, these)
    return kinds


def citable_rates(
    table: Callable[..., pd.DataFrame], scope: Callable[[str], str], ci_prob: float
) -> dict[str, Citable]:
    """Tables with citable rates and claims on these and for new questions; arguments as above."""
    kinds, limits = {}, bounds(ci_prob)
    for prefix, name in (("", "these"), ("new_", "new")):
        rates, contrasts = table("rates", scope=name), table("contrasts", scope=name)
        dims = tuple(map(str, rates))[: list(rates).index("scope")]
        kinds[f"{prefix}rate"] = Citable(rates, dims, "rate", limits, scope(name))
        kinds[f"{prefix}rate_difference"] = Citable(contrasts, dims, "rate_difference", limits, scope(name))
    return kinds


def citable_mix(rates: pd.DataFrame, contrasts: pd.DataFrame, scope: str, ci_prob: float) -> dict[str, Citable]:
    """Tables with citable numbers for a mix that the user states, by kind of key; ``scope`` is the mix in words."""
    dims = tuple(map(str, rates))[: list(rates).index("scope")]
    return {
        "mix_rate": Citable(rates, dims, "rate", bounds(ci_prob), scope),
        "mix_rate_difference": Citable(contrasts, dims, "rate_difference", bounds(ci_prob), scope),
    }


def _implied(rates: pd.DataFrame, implied: pd.DataFrame) -> pd.DataFrame:
    """Rates with the diagnostics and the status of the implied rates, whose draws are others."""
    apart, own = rest_is_clear(rates, _ROPE), rates["implied_status"]
    columns = [
        [f"{100 * own:+.1f}".replace("-", "−") for own in rates[name]] for name in ("unexplained", *_UNEXPLAINED)
    ]
    said = [
        f"{own} ({low} to {high}) points of the rate are not explained by personas"
        for own, low, high in zip(*columns, strict=True)
    ]
    rest = pd.Series(said, index=rates.index)
    status = own.where(~apart, rest.where(own == "ok", own + "; " + rest))
    status = status.where(rates["total"] > 0, rates["status"])
    return rates.assign(**{name: implied[name] for name in ("ess_bulk", "ess_tail", "r_hat")}, status=status)


def _unexplained(contrasts: pd.DataFrame, implied: pd.DataFrame) -> pd.DataFrame:
    """Contrasts with the worse of their own diagnostics and those of the implied contrasts."""
    return contrasts.assign(
        ess_bulk=np.minimum(contrasts["ess_bulk"], implied["ess_bulk"]),
        ess_tail=np.minimum(contrasts["ess_tail"], implied["ess_tail"]),
        r_hat=np.maximum(contrasts["r_hat"], implied["r_hat"]),
        status=contrasts["status"].where(contrasts["status"] != "ok", contrasts["implied_status"]),
    )


def provenance_of(
    prepared: Prepared,
    personas: Sequence[str],
    outcome: Outcome | Partition | str | None = None,
    *,
    seed: int,
    version: str,
    loosened: str = "",
) -> Provenance:
    """Provenance of the numbers of a fit; personas have their names after the name gates.

    ``outcome`` is that of the number, by default the outcome of the model.
    """
    model = prepared.model
    chosen = model.outcome if outcome is None else chosen_outcome(outcome, prepared)
    event = ", ".join(map(str, chosen.outcomes)) if isinstance(chosen, Partition) else chosen and str(chosen)
    one_line = (
        f"{len(personas)} personas ({', '.join(personas)}); "
        f"measurements {', '.join(model.observables)}; "
        f"weights {prepared.design.formula}; baseline {model.baseline}"
    )
    if event is not None:
        one_line += f"; {event}"
    return Provenance(one_line, prepared.collapsed.content_hash, seed, version, loosened)


def lost_names(names: Sequence[str], personas: Sequence[str], failed: Sequence[Check]) -> dict[str, str]:
    """Names that changed at the name gates, each with a sentence that explains the change."""
    reasons = {check.name: str(check) for check in reversed(failed)}  # the first gate that failed
    return {
        old: f"{old!r} is reported as {new!r}. "
        + reasons.get(f"name: {old}", f"It passes the name gates of {new!r} instead.")
        for old, new in zip(names, personas, strict=True)
        if new != old
    }


def _entries(tables: Mapping[str, Citable]) -> Iterator[tuple[str, Citable, int]]:
    """Every key with its table and the number of its row."""
    for name, source in tables.items():
        for number, own in enumerate(zip(*(source.table[dim] for dim in source.dims), strict=True)):
            yield f"{name}[{place(dict(zip(source.dims, own, strict=True)))}]", source, number


def citable(tables: Mapping[str, Citable]) -> tuple[str, ...]:
    """Every key, such as ``"weight[base, aligned]"``."""
    return tuple(key for key, *_ in _entries(tables))


def find(
    key: str,
    tables: Mapping[str, Citable],
    provenance: Provenance,
    *,
    probability: float,
    renamed: Mapping[str, str],
) -> Citation:
    """The citation for a key; spaces and case are ignored.

    Args:
        key: for example ``"weight[base, aligned]"``.
        tables: tables with citable numbers, by kind of key.
        provenance: provenance of the numbers.
        probability: probability of the intervals.
        renamed: names that changed at the name gates, each with a sentence that explains the change.

    Raises:
        InputError: the key does not exist (the message lists those that do), or the number is withheld (with the
            reason).
    """
    expect_type(key, str, "key", "cite", expected="a key such as 'weight[base, aligned]'")
    known = {_normal(own): (own, source, number) for own, source, number in _entries(tables)}
    if _normal(key) not in known:
        raise InputError(_unknown(key, tables, renamed), argument="key")
    own, source, number = known[_normal(key)]
    (row,) = source.table.iloc[[number]].to_dict("records")
    return cited(own, row, (source.value, *source.between), source.scope, provenance, probability=probability)


def cited(
    key: str,
    row: Mapping[Hashable, Any],
    columns: tuple[str, str, str],
    scope: str,
    provenance: Provenance,
    *,
    probability: float,
) -> Citation:
    """The citation of one row of a table.

    Args:
        key: the quantity.
        row: the row, with ``r_hat, ess_bulk, ess_tail, status``, and for comparisons with ``questions, asked`` and
            ``comparisons``.
        columns: its columns with the estimate and the ends of its interval.
        scope: the scope in words.
        provenance: provenance of the numbers.
        probability: probability of the interval.

    Raises:
        WithheldError: the estimate is withheld (with the reason).
    """
    status = str(row["status"])
    if status.startswith("withheld"):
        raise WithheldError(
            f"{key} is {status}. An estimate that failed its checks cannot be cited",
            remedy="Result.failed lists the checks with their remedies",
            status=status,
        )
    value, lower, upper = (float(row[name]) for name in columns)
    return Citation(
        key=key,
        value=value,
        lower=lower,
        upper=upper,
        interval="ETI",
        interval_probability=probability,
        r_hat=float(row["r_hat"]),
        ess_bulk=float(row["ess_bulk"]),
        ess_tail=float(row["ess_tail"]),
        status=status,
        scope=in_common(scope, row),
        provenance=provenance,
        comparisons=int(row.get("comparisons", 1)),
    )


def _normal(key: str) -> str:
    return "".join(key.split()).casefold()


def _unknown(key: str, tables: Mapping[str, Citable], renamed: Mapping[str, str]) -> str:
    asked = _normal(key).partition("[")[2].rstrip("]").split(",")
    for name, reason in renamed.items():
        if _normal(name) in asked:
            return f"There is no number {key!r} in this result. {reason}"
    near = difflib.get_close_matches(key, citable(tables), n=3)
    meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    shapes = [
        f"{name}[{', '.join(' | '.join(place({d: own}) for own in source.table[d].unique()) for d in source.dims)}]"
        for name, source in tables.items()
    ]
    return "\n  ".join([f"There is no number {key!r} in this result.{meant} These can be cited:", *shapes])
