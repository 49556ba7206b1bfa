"""What a language model thinks of a text under every persona's prompt: sequence log-likelihoods as evidence, eq. (4).

Unlike a judge's score this has no categories. Its factor of eq. (3) is a tempered density ratio, whose mathematics is
in :mod:`simulacra.formalism.density_ratios`.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["OFFSET_SD", "LikelihoodEmission"]

OFFSET_SD = 2.0
"""Prior standard deviation of every ILR coordinate of the offsets b, nats."""

_COLUMNS = (
    "a pattern such as 'log_likelihood_{}', or a column of its own for every persona, such as {'villain': 'll_villain'}"
)


@dataclasses.dataclass(frozen=True, repr=False)
class LikelihoodEmission:
    r"""Log-likelihoods of every completion under the prompts of all personas, as ``score_log`` writes them.

    The factor of persona z for text x with log-likelihoods ℓ (nats) is

    .. math:: f_z(x) / \bar f(x) = K\, \mathrm{softmax}_z(τ ℓ + b),

    with a temperature 0 < τ ≤ 1 and offsets b that *references* calibrate: completions whose persona is known because
    its prompt elicited them. Without references b is 0, τ has its prior, and the result says so.

    Attributes:
        columns: the column of each persona: a pattern with ``{}`` for the persona's name, or persona name to column.
        reference: a context column that names, in the rows that are references, the persona whose prompt elicited
            the completion, and is empty elsewhere. References calibrate and count to no condition.
        median_temperature: prior median of τ.
        temperature_spread: prior standard deviation of logit τ. Left as they are, 89% of the prior lies between
            τ = .03 and .79: sums over tens to hundreds of dependent tokens overstate evidence by about so much.
        bin_width: texts of one cell and pattern whose log-likelihood ratios fall into the same box of this width (nats)
            are represented by their mean. 0 keeps every text; left out, the widest for which the total log likelihood
            provably changes by at most half a nat at any τ ≤ 1.

    Raises:
        InputError: a pattern without ``{}``, one column for two personas, a median outside (0, 1), a spread that is
            not positive, or a negative width.

    When not to trust it: where the prompted personas of the scoring model are not those that the fine-tunes run, as no
    reference can show that. Read weights beside a judge's scores.
    """

    columns: str | tuple[tuple[str, str], ...] = "log_likelihood_{}"
    reference: str | None = None
    median_temperature: float = 0.25
    temperature_spread: float = 1.5
    bin_width: float | None = None

    def __init__(
        self,
        columns: str | Mapping[str, str] = "log_likelihood_{}",
        *,
        reference: str | None = None,
        median_temperature: float = 0.25,
        temperature_spread: float | int = 1.5,
        bin_width: float | int | None = None,
    ) -> None:
        expect_type(columns, (str, Mapping), "columns", "LikelihoodEmission", expected=_COLUMNS)
        pairs = columns if isinstance(columns, str) else tuple(dict(columns).items())
        clear = "{}" in pairs if isinstance(pairs, str) else len({column for _, column in pairs}) == len(pairs)
        if not clear:
            raise InputError(f"LikelihoodEmission: columns is {columns!r}", expected=_COLUMNS, argument="columns")
        if not (0 < median_temperature < 1 and 0 < temperature_spread < math.inf):
            raise InputError(
                "LikelihoodEmission: expected 0 < median_temperature < 1 and temperature_spread > 0; "
                f"got {median_temperature} and {temperature_spread}",
                argument=("median_temperature", "temperature_spread"),
            )
        if bin_width is not None and not 0 <= bin_width < math.inf:
            raise InputError(
                f"LikelihoodEmission: expected a bin_width of 0 or more nats; got {bin_width}", argument="bin_width"
            )
        object.__setattr__(self, "columns", pairs)
        object.__setattr__(self, "reference", reference)
        object.__setattr__(self, "median_temperature", float(median_temperature))
        object.__setattr__(self, "temperature_spread", float(temperature_spread))
        object.__setattr__(self, "bin_width", None if bin_width is None else float(bin_width))

    def __repr__(self) -> str:
        pairs = [f"{name}: {column}" for name, column in ([] if isinstance(self.columns, str) else self.columns)]
        columns = self.columns if isinstance(self.columns, str) else listing(pairs, 40)
        width = "chosen" if self.bin_width is None else f"{self.bin_width:g} nats"
        return card(
            f"{type(self).__name__}: log-likelihoods in {columns}",
            f"reference: {self.reference or 'none, so the temperature has only its prior'}",
            f"temperature: median {self.median_temperature:g}, spread {self.temperature_spread:g}; bin width: {width}",
        )

    def columns_of(self, personas: Sequence[str]) -> tuple[str, ...]:
        """The column of every persona, in their order.

        Raises:
            InputError: a persona that has none.
        """
        if isinstance(self.columns, str):
            return tuple(self.columns.replace("{}", name) for name in personas)
        known = dict(self.columns)
        for name in personas:
            if name not in known:
                raise InputError(
                    f"LikelihoodEmission: persona {name!r} has no column; there are columns for {', '.join(known)}",
                    expected="the log-likelihood under the prompt of every persona",
                    remedy="score the log for it, or leave the persona out",
                    argument="columns",
                )
        return tuple(known[name] for name in personas)

    @property
    def temperature_prior(self) -> tuple[float, float]:
        """Mean and standard deviation of logit τ: a Gaussian there, so that 0 < τ < 1 needs no truncation."""
        return math.log(self.median_temperature / (1 - self.median_temperature)), self.temperature_spread

    def configuration(self) -> Mapping[str, object]:
        """What rebuilds the emission, in plain JSON types."""
        columns = self.columns if isinstance(self.columns, str) else dict(self.columns)
        return {**{field.name: getattr(self, field.name) for field in dataclasses.fields(self)}, "columns": columns}
