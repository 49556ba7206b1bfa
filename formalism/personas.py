"""Personas as named archetypes: the expected distribution of a persona's scores, and its concentration.

An archetype is an initial value and a weak prior, not a definition: with thousands of completions, the data determine
the scores of a persona. Whether the name still applies is checked by its *name gate*, a condition on the fitted
emission ("the misaligned persona scores below 40 at least 60% of the time"). A persona that fails its gate is reported
as unnamed.
"""

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence

from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["Archetype", "Gate", "Persona"]


@dataclasses.dataclass(frozen=True, repr=False)
class Archetype:
    """The expected distribution of a measurement under one persona.

    Attributes:
        knots: for a score, the edges of intervals (one more than masses); for labels, the values (one per mass).
        masses: relative weight of every interval or value, uniform within an interval.
        missing: probability that there is no value.
        concentration: weight of the archetype relative to the data, in pseudo-completions.

    Raises:
        InputError: lengths that do not match, a negative mass, or a probability outside [0, 1).
    """

    knots: tuple[float | int | str, ...]
    masses: tuple[float | int, ...]
    missing: float | int = 0.005
    concentration: float | int = 20.0

    def __post_init__(self) -> None:
        for name, expected in (("knots", "a tuple of numbers or words"), ("masses", "a tuple of numbers")):
            expect_type(getattr(self, name), (tuple, list), name, "Archetype", expected=expected)
        if len(self.knots) - len(self.masses) not in (0, 1) or not self.masses:
            raise InputError(
                "Archetype: expected one knot more than masses (intervals of a score) or equal numbers (values); "
                f"got {len(self.knots)} knots and {len(self.masses)} masses",
                argument=("knots", "masses"),
            )
        for mass in self.masses:
            expect_type(mass, numbers.Real, "masses", "Archetype", expected="numbers")
        expect_type(self.missing, numbers.Real, "missing", "Archetype", expected="a probability such as 0.005")
        expected = "a number of completions such as 20"
        expect_type(self.concentration, numbers.Real, "concentration", "Archetype", expected=expected)
        if min(self.masses) < 0 or not 0 < math.fsum(self.masses) < math.inf:
            raise InputError(
                f"Archetype: expected masses >= 0 with a positive sum; got {self.masses}", argument="masses"
            )
        if not 0 <= self.missing < 1 or not self.concentration > 0:
            raise InputError(
                "Archetype: expected missing in [0, 1) and concentration > 0; "
                f"got missing={self.missing}, concentration={self.concentration}",
                argument=("missing", "concentration"),
            )

    def __repr__(self) -> str:
        kind = "values" if len(self.knots) == len(self.masses) else "intervals between"
        return card(
            f"Archetype: {len(self.masses)} {kind} {listing(self.knots, 50)}",
            f"masses: {listing((f'{mass:g}' for mass in self.masses), 70)}",
            f"missing: {self.missing:g}; concentration: {self.concentration:g} pseudo-completions",
        )


@dataclasses.dataclass(frozen=True)
class Gate:
    """A name gate: a minimum probability of a rule under the fitted persona.

    Attributes:
        rule: a rule as in :class:`~simulacra.formalism.outcomes.Outcome`, for example ``"aligned < 40"`` or
            ``"missing(aligned)"``.
        at_least: minimum probability of the rule under the fitted persona (posterior mean).

    Raises:
        InputError: a rule that is not text, or a probability that is not a number. Rules are parsed when the persona
            is used in a model.
    """

    rule: str
    at_least: float | int

    def __post_init__(self) -> None:
        expect_type(self.rule, str, "rule", "Gate", expected="a rule such as 'aligned < 40'")
        expect_type(self.at_least, numbers.Real, "at_least", "Gate", expected="a probability such as 0.6")


@dataclasses.dataclass(frozen=True, repr=False)
class Persona:
    """A named way of answering, one component of the mixture.

    Attributes:
        name: one word; a coordinate of the result.
        description: one sentence for display.
        scores: archetype of every measurement that characterises the persona.
        gates: name gates, which the fitted persona must pass to be reported under its name.
        evidence: a rule that completions of the persona satisfy. If hardly any completion of any condition satisfies
            it, the persona is left out of the fit, because its component would otherwise be used for something else.
        otherwise: the persona under whose name it is reported if its own gates fail and those of that persona pass.
    """

    name: str
    description: str
    scores: Mapping[str, Archetype] = dataclasses.field(default_factory=dict)
    gates: Sequence[Gate] = ()
    evidence: str | None = None
    otherwise: "Persona | None" = None

    def __post_init__(self) -> None:
        for name, kinds in (("name", str), ("description", str), ("evidence", (str, type(None)))):
            expect_type(getattr(self, name), kinds, name, "Persona", expected="text")
        expected = "a dictionary of measurement to Archetype"
        expect_type(self.scores, Mapping, "scores", "Persona", expected=expected)
        for measurement, archetype in self.scores.items():
            expect_type(archetype, Archetype, f"scores[{measurement!r}]", "Persona", expected="an Archetype")
        expect_type(
            self.gates, (tuple, list), "gates", "Persona", expected="a list such as [Gate('aligned < 40', 0.6)]"
        )
        for gate in self.gates:
            expect_type(gate, Gate, "gates", "Persona", expected="a list such as [Gate('aligned < 40', 0.6)]")

    def with_concentration(self, concentration: float | int) -> "Persona":
        """The same persona with this weight of all its archetypes relative to the data, in pseudo-completions.

        Raises:
            InputError: it is not positive.
        """
        scores = {name: dataclasses.replace(own, concentration=concentration) for name, own in self.scores.items()}
        return dataclasses.replace(self, scores=scores)

    def __repr__(self) -> str:
        gates = (f"{gate.rule} ({gate.at_least:g})" for gate in self.gates)
        return card(
            f"Persona {self.name!r}: {self.description}",
            f"scores: {listing(self.scores)}",
            f"gates: {listing(gates, 76)}",
            f"evidence: {self.evidence}" if self.evidence else "",
            f"otherwise: {self.otherwise.name}" if self.otherwise else "",
        )
