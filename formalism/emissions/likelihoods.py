"""Log-likelihoods of a text under the prompts of all personas, given by a language model, as evidence, eq. (4).

Unlike a judge score, this emission has no categories. Its factor of eq. (3) is a tempered density ratio, defined in
:mod:`simulacra.formalism.density_ratios`.
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
    "a pattern such as 'log_likelihood_{}', or a different column for every persona, such as {'villain': 'll_villain'}"
)


@dataclasses.dataclass(frozen=True, repr=False)
class LikelihoodEmission:
    r"""Log-likelihoods of every completion under the prompts of all personas, as ``score_log`` writes them.

    The factor of persona z for text x with log-likelihoods ℓ (nats) is

    .. math:: f_z(x) / \bar f(x) = K\, \mathrm{softmax}_z(τ ℓ + b),

    with a temperature 0 < τ ≤ 1 and offsets b that *references* calibrate: completions whose persona is known because
    its prompt elicited them. Without references b is 0, τ is determined by its prior alone, and a note of the result
    reports it.

    Attributes:
        columns: the column of each persona: a pattern with ``{}`` for the persona's name, or persona name to column.
        reference: a context column that contains, in the rows that are references, the persona whose prompt elicited
            the completion, and is empty elsewhere. References are used for calibration and not counted in any
            condition.
        median_temperature: prior median of τ.
        temperature_spread: prior standard deviation of logit τ. With the defaults, 89% of the prior lies between
            τ = 0.03 and 0.79, since sums over tens to hundreds of dependent tokens overstate evidence by about such
            factors.
        bin_width: texts of one cell and pattern whose log-likelihood ratios fall into the same box of this width (nats)
            are represented by their mean. 0 keeps every text; the default is the widest for which the total log
            likelihood provably changes by at most half a nat at any τ ≤ 1.

    Raises:
        InputError: a pattern without ``{}``, one column for two personas, a median outside (0, 1), a spread that is
            not positive, or a negative width.

    Limitation: the prompted personas of the scoring model may differ from those of the fine-tunes, which references
    cannot show. Compare the weights with judge scores.
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
        width = "automatic" if self.bin_width is None else f"{self.bin_width:g} nats"
        return card(
            f"{type(self).__name__}: log-likelihoods in {columns}",
            f"reference: {self.reference or 'none; the temperature is not calibrated'}",
            f"temperature: median {self.median_temperature:g}, spread {self.temperature_spread:g}; bin width: {width}",
        )

    def columns_of(self, personas: Sequence[str]) -> tuple[str, ...]:
        """The column of every persona, in their order.

        Raises:
            InputError: a persona without a column.
        """
        if isinstance(self.columns, str):
            return tuple(self.columns.replace("{}", name) for name in personas)
        known = dict(self.columns)
        for name in personas:
            if name not in known:
                raise InputError(
                    f"LikelihoodEmission: persona {name!r} has no column; there are columns for {', '.join(known)}",
                    expected="the log-likelihood under the prompt of every persona",
                    remedy="score the log for it, or remove the persona",
                    argument="columns",
                )
        return tuple(known[name] for name in personas)

    @property
    def temperature_prior(self) -> tuple[float, float]:
        """Mean and standard deviation of the Gaussian prior of logit τ, under which 0 < τ < 1."""
        return math.log(self.median_temperature / (1 - self.median_temperature)), self.temperature_spread

    def configuration(self) -> Mapping[str, object]:
        """The fields of the emission in plain JSON types."""
        columns = self.columns if isinstance(self.columns, str) else dict(self.columns)
        return {**{field.name: getattr(self, field.name) for field in dataclasses.fields(self)}, "columns": columns}
