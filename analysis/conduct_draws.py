"""Draws behind :mod:`simulacra.analysis.conduct`: emissions and weights of every condition, and what follows from them.

Arrays have the axes ``(draw, condition, persona)``.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from simulacra.data.counting.elicited import ElicitedCounts
from simulacra.data.numerals import grouped
from simulacra.formalism.conduct import split_change
from simulacra.inference.diagnostics import Thresholds
from simulacra.inference.known_personas import sample_emissions, sample_weights
from simulacra.inference.misfit import misfit_of_counts
from simulacra.inference.variation import sample_variation

__all__ = ["ConductSamples", "too_few"]

_FEWEST = 10  # completions of a persona in a condition below which nothing is said about it


def too_few(counts: ElicitedCounts) -> dict[tuple[str, str], str]:
    """The conditions and personas about which nothing is said, each with the reason."""
    reasons = {}
    for condition, rows, plain in zip(counts.conditions, counts.rows, counts.plain, strict=True):
        for persona, number in zip(counts.personas, rows, strict=True):
            if number < _FEWEST:
                what = f"{grouped(int(number))} completions of {persona} in {condition}, fewer than {_FEWEST}"
                reasons[condition, persona] = what
                reasons.setdefault((condition, ""), what)
        if plain.sum() < _FEWEST:
            reasons[condition, ""] = f"{condition} has fewer than {_FEWEST} completions that no prompt elicited"
    return reasons


class ConductSamples:
    """Draws of the emissions and weights of all conditions.

    Args:
        counts: completions by condition, persona and pattern.
        size: number of draws.
        rng: random generator.

    Attributes:
        emissions: shape ``(draw, condition, persona, pattern)``.
        weights: shape ``(draw, condition, persona)``.
        unexplained: the unexplained share and its p-value by condition, once :meth:`unmixed` was called.
    """

    def __init__(self, counts: ElicitedCounts, size: int, rng: np.random.Generator) -> None:
        self._counts, self._size, self._rng = counts, size, rng
        self.emissions = sample_emissions(counts.elicited, size, rng)
        self.weights = np.stack(
            [sample_weights(own, self.emissions[:, row], rng) for row, own in enumerate(counts.plain)], axis=1
        )
        self.unexplained: dict[str, tuple[float, float]] = {}

    def unmixed(self, few: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
        """The conditions whose completions are not a mixture of the known personas."""
        limits, reasons = Thresholds(), {}
        for row, condition in enumerate(self._counts.conditions):
            if (condition, "") in few:
                continue
            predicted = np.einsum("sk,skp->sp", self.weights[:, row], self.emissions[:, row])
            share, p_value = misfit_of_counts(self._counts.plain[row], predicted, self._rng)
            self.unexplained[condition] = share, p_value
            if share > limits.unexplained and p_value < limits.misfit_p:
                reasons[condition, ""] = (
                    f"{100 * share:.1f}% of the completions of {condition} are not explained by the known personas"
                )
        return reasons

    def variation(
        self, baseline: str, others: Sequence[str], few: Mapping[tuple[str, str], str]
    ) -> tuple[np.ndarray, dict[tuple[str, str], float]]:
        """Total variation of every emission from that in the baseline, and p-values of equality.

        Args:
            baseline: the condition that the others are compared with.
            others: the other conditions.
            few: the conditions and personas with too few completions, whose draws are NaN.

        Returns:
            Draws of the distances, shape ``(draw, condition, persona)``, and p-values by condition and persona.
        """
        counts, p_values = self._counts, {}
        base = counts.conditions.index(baseline)
        draws = np.full((self._size, len(others), len(counts.personas)), np.nan)
        for row, condition in enumerate(others):
            own = counts.elicited[counts.conditions.index(condition)]
            for column, persona in enumerate(counts.personas):
                if (condition, persona) not in few and (baseline, persona) not in few:
                    draws[:, row, column], p_values[condition, persona] = sample_variation(
                        own[column], counts.elicited[base, column], self._size, self._rng
                    )
        return draws, p_values

    def of_event(self, event: np.ndarray, baseline: str, others: Sequence[str]) -> dict[str, np.ndarray]:
        """P(event | persona), its change, and the split of the change of the rate, as draws by quantity.

        Args:
            event: whether the event holds, by pattern, shape ``(P,)``.
            baseline: the condition that the others are compared with.
            others: the other conditions.
        """
        conditions = self._counts.conditions
        base, rows = conditions.index(baseline), [conditions.index(name) for name in others]
        outcomes = self.emissions @ event
        logged = sample_emissions(self._counts.plain, self._size, self._rng) @ event
        selection, acted = split_change(
            self.weights[:, rows], outcomes[:, rows], self.weights[:, [base]], outcomes[:, [base]]
        )
        implied = (selection + acted).sum(axis=-1)
        return {
            "outcome_given_persona": outcomes,
            "outcome_change": outcomes[:, rows] - outcomes[:, [base]],
            "selection": selection,
            "conduct": acted,
            "implied": implied,
            "unexplained": logged[:, rows] - logged[:, [base]] - implied,
        }
