"""Citations: single estimates of a result with interval, diagnostics and provenance."""

import dataclasses
import difflib
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from simulacra.data.numerals import grouped
from simulacra.formalism.display import card
from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference.diagnostics import Check
from simulacra.inference.prepare import Prepared
from simulacra.inference.tables import bounds, level

__all__ = [
    "Citable",
    "Citation",
    "Provenance",
    "citable",
    "citable_tables",
    "decimals",
    "find",
    "lost_names",
    "provenance_of",
]


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
    """

    model: str
    data_hash: str
    seed: int
    version: str


@dataclasses.dataclass(frozen=True, repr=False)
class Citation:
    """One estimate, ready to be cited. ``str()`` gives it in one line; ``simulacra.report`` formats it.

    Attributes:
        key: the quantity, for example ``"shift[insecure, misaligned]"``.
        value: the estimate, a probability or a difference of two probabilities.
        lower: lower end of the interval.
        upper: upper end of the interval.
        interval: kind of the interval: ``"ETI"`` or ``"Korn-Graubard CI"``.
        interval_probability: probability of the interval.
        r_hat: rank-normalised split R-hat; ``None`` for observed rates.
        ess_bulk: bulk effective sample size; ``None`` for observed rates.
        ess_tail: tail effective sample size; ``None`` for observed rates.
        status: ``"ok"``, ``"observed"``, or the reason why R-hat and ESS were not checked.
        provenance: model, data, seed and version.
    """

    key: str
    value: float
    lower: float
    upper: float
    interval: str
    interval_probability: float
    r_hat: float | None
    ess_bulk: float | None
    ess_tail: float | None
    status: str
    provenance: Provenance

    def __repr__(self) -> str:
        ends = f"{self.rounded(self.lower)} to {self.rounded(self.upper)}"
        mixing = "" if self.r_hat is None or self.ess is None else f"; R-hat {self.r_hat:.2f}, ESS {grouped(self.ess)}"
        return card(
            f"Citation of {self.key}",
            f"{self.rounded(self.value)}, {level(self.interval_probability)} {self.interval} {ends}{mixing}",
            f"status: {self.status}",
            f"model: {self.provenance.model}",
            f"seed {self.provenance.seed}, data {self.provenance.data_hash[:8]}…, simulacra {self.provenance.version}",
            'next: str(citation), format_citation(citation, "latex")',
        )

    def __str__(self) -> str:
        dash = "–" if min(self.value, self.lower) >= 0 else " to "
        mixing = "" if self.r_hat is None or self.ess is None else f" R̂ {self.r_hat:.2f}, ESS {grouped(self.ess)};"
        mixing += f" {self.caveat};" if self.caveat else ""
        return (
            f"{self.rounded(self.value)} ({level(self.interval_probability)} {self.interval} "
            f"{self.rounded(self.lower)}{dash}{self.rounded(self.upper)};{mixing} "
            f"simulacra {self.provenance.version}, data {self.provenance.data_hash[:8]}…)"
        )

    @property
    def ess(self) -> float | None:
        """The smaller of bulk and tail ESS, which is displayed; ``None`` for observed rates."""
        return None if self.ess_bulk is None or self.ess_tail is None else min(self.ess_bulk, self.ess_tail)

    @property
    def caveat(self) -> str:
        """Why R-hat and ESS were not checked; empty if they were, and for observed rates."""
        return "" if self.status in ("ok", "observed") else self.status

    def rounded(self, value: float) -> str:
        """``value`` with the number of decimals given by :func:`decimals`, and a typographic minus sign."""
        text = f"{value:.{decimals(self.lower, self.upper)}f}"
        return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


class Citable(NamedTuple):
    """A table with citable numbers: its dims in order, and the columns of value and interval."""

    table: pd.DataFrame
    dims: tuple[str, ...]
    value: str = "mean"
    between: tuple[str, str] = bounds()
    interval: str = "ETI"


_OBSERVED = ("observed_lb", "observed_ub")
_WEIGHTS: Mapping[str, tuple] = {  # kind of key: name of the table, its dims, the cited column
    "weight": ("weights", ("condition", "persona")),
    "shift": ("shifts", ("condition", "persona")),
}
_RATES: Mapping[str, tuple] = {
    "outcome_given_persona": ("outcome_given_persona", ("persona",)),
    "implied_rate": ("rates", ("condition",), "implied"),
    "observed_rate": ("rates", ("condition",), "observed"),
    "rate_difference": ("contrasts", ("condition",), "rate_difference"),
}


def citable_tables(table: Callable[[str], pd.DataFrame], ci_prob: float, *, rated: bool) -> dict[str, Citable]:
    """Tables with citable numbers, by kind of key.

    Args:
        table: returns the table of a given name, with intervals of probability ``ci_prob``.
        ci_prob: probability of the intervals.
        rated: whether the model has an outcome, and therefore rates.
    """
    kinds = {**_WEIGHTS, **(_RATES if rated else {})}
    made = {name: table(name) for name in dict.fromkeys(name for name, *_ in kinds.values())}
    observed = {"between": _OBSERVED, "interval": "Korn-Graubard CI"}
    return {
        kind: Citable(made[name], *where, **(observed if "observed" in where else {"between": bounds(ci_prob)}))
        for kind, (name, *where) in kinds.items()
    }


def provenance_of(prepared: Prepared, personas: Sequence[str], *, seed: int, version: str) -> Provenance:
    """Provenance of the numbers of a fit; personas have their names after the name gates."""
    model = prepared.model
    one_line = (
        f"{len(personas)} personas ({', '.join(personas)}); "
        f"measurements {', '.join(model.observables)}; "
        f"weights {prepared.design.formula}; baseline {model.baseline}"
    )
    if model.outcome is not None:
        one_line += f"; {model.outcome}"
    return Provenance(one_line, prepared.collapsed.content_hash, seed, version)


def lost_names(names: Sequence[str], personas: Sequence[str], failed: Sequence[Check]) -> dict[str, str]:
    """Names that changed at the name gates, each with a sentence that explains the change."""
    reasons = {check.name: str(check) for check in reversed(failed)}  # the first gate that failed
    return {
        old: f"{old!r} is reported as {new!r}. "
        + reasons.get(f"name: {old}", f"It passes the name gates of {new!r} instead.")
        for old, new in zip(names, personas, strict=True)
        if new != old
    }


def _entries(tables: Mapping[str, Citable]) -> Iterator[tuple[str, Citable, dict[Hashable, Any]]]:
    for name, source in tables.items():
        for row in source.table.to_dict("records"):
            yield f"{name}[{', '.join(str(row[dim]) for dim in source.dims)}]", source, row


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
        InputError: the key does not exist (the message lists those that do), the number is withheld (with the reason),
            or the rate has no completions.
    """
    expect_type(key, str, "key", "cite", expected="a key such as 'weight[base, aligned]'")
    known = {_normal(own): (own, source, row) for own, source, row in _entries(tables)}
    if _normal(key) not in known:
        raise InputError(_unknown(key, tables, renamed), argument="key")
    own, source, row = known[_normal(key)]
    observed = source.interval != "ETI"
    status = "observed" if observed else str(row["status"])
    if status.startswith("withheld"):
        raise InputError(
            f"{own} is {status}. An estimate that failed its checks cannot be cited",
            remedy="Result.failed lists the checks with their remedies",
        )
    value, lower, upper = (float(row[name]) for name in (source.value, *source.between))
    if math.isnan(value):
        raise InputError(
            f"{own} cannot be cited because its denominator contains no completions",
            remedy="choose another denominator, such as of='all'",
        )
    r_hat, bulk, tail = (None if observed else float(row[name]) for name in ("r_hat", "ess_bulk", "ess_tail"))
    return Citation(
        key=own,
        value=value,
        lower=lower,
        upper=upper,
        interval=source.interval,
        interval_probability=probability,
        r_hat=r_hat,
        ess_bulk=bulk,
        ess_tail=tail,
        status=status,
        provenance=provenance,
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
        f"{name}[{', '.join(' | '.join(map(str, source.table[dim].unique())) for dim in source.dims)}]"
        for name, source in tables.items()
    ]
    return "\n  ".join([f"There is no number {key!r} in this result.{meant} These can be cited:", *shapes])
