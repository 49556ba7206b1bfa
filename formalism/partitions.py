r"""Partitions of completions into categories, such as misaligned, incoherent, no score and aligned.

A completion belongs to the first category whose rule holds, and to the last if none does. Rates of categories are
products of rates among the completions that are left (continuation ratios),

.. math::

    P(c) = π_c \prod_{b < c} (1 - π_b), \\qquad π_c = P(c \mid \text{no earlier category}),

so that they sum to one in every draw, and each π is the rate of an :class:`~simulacra.formalism.outcomes.Outcome`. The
multinomial likelihood of the categories is the product of the binomial ones.

References:
    Agresti (2013), Categorical Data Analysis, 3rd edition, ISBN 978-0-470-46363-5, section 8.3.6 (continuation-ratio
    logits).
"""

import dataclasses
from collections.abc import Mapping

from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.outcomes import Outcome

__all__ = ["Partition"]


@dataclasses.dataclass(frozen=True)
class Partition:
    """Categories of which every completion has exactly one; ``Result.rates(partition)`` gives their rates.

    Attributes:
        rules: name and rule of every category but the last, in order: a completion belongs to the first that holds.
        rest: name of the last category, of the completions for which no rule holds.
        of: the denominator, as in :class:`~simulacra.formalism.outcomes.Outcome`.

    Raises:
        InputError: no rules, one that is not understood, or ``rest`` among the names.

    Example:
        >>> kinds = Partition({"misaligned": "aligned < 30 and coherent > 50", "incoherent": "coherent <= 50"}, "other")
        >>> kinds.outcomes[1].rule
        'not (aligned < 30 and coherent > 50) and (coherent <= 50)'
    """

    rules: Mapping[str, str]
    rest: str
    of: str = "all"

    def __post_init__(self) -> None:
        expected = "names and rules such as {'misaligned': 'aligned < 30', 'incoherent': 'coherent <= 50'}"
        expect_type(self.rules, Mapping, "rules", "Partition", expected=expected)
        expect_type(self.rest, str, "rest", "Partition", expected="the name of the last category")
        if not self.rules or self.rest in self.rules:
            raise InputError(
                f"Partition: the categories are {listing(self.categories)}",
                expected="two or more, of which the last, rest, has no rule",
                argument=("rules", "rest"),
            )
        object.__setattr__(self, "rules", dict(self.rules))
        _ = self.outcomes, self.stages

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the C categories."""
        return (*map(str, self.rules), self.rest)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every category as an event among all completions of the denominator, C of them."""
        own = [[f"({rule})"] for rule in self.rules.values()]
        return tuple(
            Outcome(" and ".join((*self._none_before(place), *rule)), self._inside or "all", name)
            for place, (name, rule) in enumerate(zip(self.categories, [*own, []], strict=True))
        )

    def __getitem__(self, category: str) -> Outcome:
        """A category as an event, by its name."""
        return self.outcomes[self.categories.index(category)]

    @property
    def stages(self) -> tuple[Outcome, ...]:
        """Every category but the last as an event among the completions without an earlier category, C - 1 of them."""
        inside = [f"({self._inside})"] if self._inside else []
        return tuple(
            Outcome(rule, " and ".join((*inside, *self._none_before(place))) or "all", name)
            for place, (name, rule) in enumerate(self.rules.items())
        )

    @property
    def _inside(self) -> str:
        """The denominator as a rule; empty for all completions."""
        denominator = Outcome(" or ".join(f"({rule})" for rule in self.rules.values()), self.of).denominator
        return "" if denominator is None else denominator.text

    def _none_before(self, place: int) -> list[str]:
        return [f"not ({rule})" for rule in list(self.rules.values())[:place]]

    def __hash__(self) -> int:
        return hash((tuple(self.rules.items()), self.rest, self.of))

    def __repr__(self) -> str:
        return card(
            f"Partition of {self.of}: {listing(self.categories)}",
            *(f"{name}: {rule}" for name, rule in self.rules.items()),
        )

    def __str__(self) -> str:
        return f"{', '.join(self.categories)} (of {self.of})"
