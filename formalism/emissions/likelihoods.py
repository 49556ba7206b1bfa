"""Log-likelihoods of a text under the prompts of all personas, given by a language model, as evidence, eq. (4).

Unlike a judge score, this emission has no categories. Its factor of eq. (3) is a tempered density ratio, defined in
:mod:`simulacra.formalism.density_ratios`.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["COLUMN", "OFFSET_SD", "LikelihoodEmission"]

COLUMN = "log_likelihood_{}"
"""The measurement with log f_z(completion | question) of a persona, in nats."""

OFFSET_SD = 2.0
"""Prior standard deviation of every ILR coordinate of the offsets b, nats."""

_COLUMNS = f"a pattern such as {COLUMN!r}, or a different column for every persona, such as {{'villain': 'll_villain'}}"


@dataclasses.dataclass(frozen=True, repr=False)
class LikelihoodEmission:
    r"""Log-likelihoods of every completion under the prompts of all personas, as ``score_log`` writes them.

    The factor of persona z for text x with log-likelihoods ℓ (nats) is

    .. math:: f_z(x) / \bar f(x) = K\, \mathrm{softmax}_z(τ ℓ + b),

    with a temperature τ > 0 and offsets b that *references* calibrate: completions that the prompt of a known persona
    elicited. Without references b is 0, τ has a prior only, and a note of the result reports it.

    A prompt may elicit other personas than its own: in the miniature organism 87 to 96% of what a prompt elicits is its
    persona. Weights are shares of texts *of a persona*, not of texts like those that its prompt elicits; the two differ
    by the *purity* ρ_z, the share of persona z in what its prompt elicits. It has a prior, or is measured by a judge's
    label of the references.

    Attributes:
        columns: the column of each persona: a pattern with ``{}`` for the persona's name, or persona name to column.
        reference: a context column that contains, in the rows that are references, the persona whose prompt elicited
            the completion, and is empty elsewhere. References are used for calibration and not counted in any
            condition.
        label: a context column with the persona of a reference according to a judge; empty where it was not judged.
            Rows that are not references may have one, which is not used.
        calibration: ``"cut"``: τ, b and ρ have their posterior given the references alone, and its uncertainty is
            propagated to the weights. ``"joint"``: their posterior given references and rows. **Warning**: the joint
            posterior is right only if the texts of every condition are distributed as the references of their personas
            are. Fine-tuning changes how a persona writes, and a thousand such rows then outvote a hundred references:
            estimates of *all* conditions are wrong, that of the baseline included. The check ``references`` fails
            where this is visible.
        median_temperature: prior median of τ. Sums over tens to hundreds of dependent tokens overstate evidence
            (τ < 1); impure prompts, which make personas look more alike than they are, understate it (τ > 1).
        temperature_spread: prior standard deviation of log τ. With the defaults, 89% of the prior lies between
            τ = 0.10 and 2.5.
        median_purity: prior median of ρ_z.
        purity_spread: prior standard deviation of logit ρ_z. With the defaults, 89% of the prior lies between
            ρ = 0.81 and 0.98. The intervals of weights contain what both would give.
        bin_width: texts of one cell and pattern whose log-likelihood ratios fall into the same box of this width (nats)
            are represented by their mean. 0 keeps every text; the default is the widest for which the total log
            likelihood provably changes by at most half a nat at any τ ≤ 1.

    Raises:
        InputError: a pattern without ``{}``, one column for two personas, a median or a spread that is not positive, a
            median purity outside (0, 1), a negative width, a label without references, or another calibration.

    Limitation: the prompted personas of the scoring model may differ from those of the fine-tunes, which references
    cannot show. Compare the weights with judge scores; the check ``uncovered texts`` counts rows unlike any reference.
    """

    columns: str | tuple[tuple[str, str], ...] = COLUMN
    reference: str | None = None
    label: str | None = None
    calibration: Literal["cut", "joint"] = "cut"
    median_temperature: float = 0.5
    temperature_spread: float = 1.0
    median_purity: float = 0.93
    purity_spread: float = 0.7
    bin_width: float | None = None

    def __init__(
        self,
        columns: str | Mapping[str, str] = COLUMN,
        *,
        reference: str | None = None,
        label: str | None = None,
        calibration: Literal["cut", "joint"] = "cut",
        median_temperature: float | int = 0.5,
        temperature_spread: float | int = 1.0,
        median_purity: float = 0.93,
        purity_spread: float | int = 0.7,
        bin_width: float | int | None = None,
    ) -> None:
        expect_type(columns, (str, Mapping), "columns", "LikelihoodEmission", expected=_COLUMNS)
        pairs = columns if isinstance(columns, str) else tuple(dict(columns).items())
        clear = "{}" in pairs if isinstance(pairs, str) else len({column for _, column in pairs}) == len(pairs)
        if not clear:
            raise InputError(f"LikelihoodEmission: columns is {columns!r}", expected=_COLUMNS, argument="columns")
        if calibration not in ("cut", "joint"):
            raise InputError(
                f"LikelihoodEmission: expected calibration 'cut' or 'joint'; got {calibration!r}",
                argument="calibration",
            )
        if label is not None and reference is None:
            raise InputError(
                f"LikelihoodEmission: label is {label!r}, but there are no references for it to judge",
                remedy="name the column of the references in reference=",
                argument=("label", "reference"),
            )
        for name, value, most in (
            ("median_temperature", median_temperature, math.inf),
            ("temperature_spread", temperature_spread, math.inf),
            ("median_purity", median_purity, 1.0),
            ("purity_spread", purity_spread, math.inf),
        ):
            if not 0 < value < most:
                expected = f"{name} > 0" if most == math.inf else f"0 < {name} < 1"
                raise InputError(f"LikelihoodEmission: expected {expected}; got {value}", argument=name)
            object.__setattr__(self, name, float(value))
        if bin_width is not None and not 0 <= bin_width < math.inf:
            raise InputError(
                f"LikelihoodEmission: expected a bin_width of 0 or more nats; got {bin_width}", argument="bin_width"
            )
        object.__setattr__(self, "columns", pairs)
        object.__setattr__(self, "reference", reference)
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "calibration", calibration)
        object.__setattr__(self, "bin_width", None if bin_width is None else float(bin_width))

    def __repr__(self) -> str:
        pairs = [f"{name}: {column}" for name, column in ([] if isinstance(self.columns, str) else self.columns)]
        columns = self.columns if isinstance(self.columns, str) else listing(pairs, 40)
        width = "automatic" if self.bin_width is None else f"{self.bin_width:g} nats"
        return card(
            f"{type(self).__name__}: log-likelihoods in {columns}",
            f"reference: {self.reference or 'none; the temperature is not calibrated'}",
            f"calibration: {self.calibration}; purity: {f'from {self.label}' if self.label else 'prior only'}",
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
        """Mean and standard deviation of the Gaussian prior of log τ."""
        return math.log(self.median_temperature), self.temperature_spread

    @property
    def purity_prior(self) -> tuple[float, float]:
        """Mean and standard deviation of the Gaussian prior of logit ρ of every persona."""
        return math.log(self.median_purity / (1 - self.median_purity)), self.purity_spread

    def configuration(self) -> Mapping[str, object]:
        """The fields of the emission in plain JSON types."""
        columns = self.columns if isinstance(self.columns, str) else dict(self.columns)
        return {**{field.name: getattr(self, field.name) for field in dataclasses.fields(self)}, "columns": columns}
