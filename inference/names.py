r"""Names of personas: whether the log, and not only the archetype, supports them.

A persona that no completion shows keeps the scores of its archetype, and with them every gate of its name. Two
probabilities are therefore required for each gate, a statement :math:`π_z \ge g` about the probability :math:`π_z` of a
rule under the persona:

* the posterior probability of the gate, the proportion of draws in which it holds; and
* its probability given the *attributed completions* alone, without the archetype: :math:`P(π \ge g)` for
  :math:`π \sim \mathrm{Beta}(\tfrac12 + n_+, \tfrac12 + n_-)`, with n₊ attributed completions that satisfy the rule and
  n₋ that do not.

A completion y counts :math:`r_z(y)^2` towards persona z, its squared responsibility: in a mixture, the Fisher
information about the emission of z is that of :math:`Σ r_z(y)^2` completions whose persona is known.

A persona is *absent* if the log attributes too little to it for the second probability, and its weight may be near
zero in every condition. It keeps its name, because its weights are those of its archetype; its emissions, about which
the log says nothing, are withheld. A persona with evidence (``Persona.evidence``) cannot be absent: it is in the model
because completions show that evidence, and if they are not attributed to it, its name fails.

References:
    Louis (1982), Finding the observed information matrix when using the EM algorithm,
    doi:10.1111/j.2517-6161.1982.tb01203.x (information that is lost if the component is unknown).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy  # loads scipy.stats when it is used
import xarray as xr

from simulacra.data.numerals import grouped
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.outcomes import Rule
from simulacra.formalism.personas import Gate, Persona
from simulacra.inference.diagnostics import Check, Thresholds
from simulacra.inference.prepare import Prepared
from simulacra.inference.responsibilities import mean_responsibilities
from simulacra.inference.tables import CI_PROB, ends

__all__ = ["Evidence", "absent_personas", "check_names", "describe_absent", "find_evidence", "fitting_name"]

_NAME = "name: "
_WITHHOLDS = ("weights", "shifts", "outcome_given_persona", "emissions")
_JEFFREYS = 0.5


class Evidence(NamedTuple):
    """What the log says about every persona apart from its archetype.

    Attributes:
        patterns: category codes of the measurement patterns, shape ``(P, E)``.
        attributed: attributed completions by persona and pattern, Σ r², shape ``(K, P)``.
        rare: whether a persona has no evidence and its weight may be near zero in every condition, shape ``(K,)``.
    """

    patterns: np.ndarray
    attributed: np.ndarray
    rare: np.ndarray


def find_evidence(prepared: Prepared, posterior: xr.Dataset, thresholds: Thresholds) -> Evidence | None:
    """The evidence at the posterior mean; ``None`` if texts tie every persona to its prompt."""
    if prepared.texts is not None:
        return None
    weights = posterior["weights"].to_numpy()
    responsible = mean_responsibilities(posterior, prepared)
    counts = prepared.in_condition @ prepared.counts
    least = np.quantile(weights, ends(CI_PROB)[0], axis=(0, 1)).max(axis=0)
    without = np.array([persona.evidence is None for persona in prepared.model.personas])
    return Evidence(
        patterns=prepared.patterns,
        attributed=np.einsum("mp,mpk->kp", counts, responsible**2),
        rare=without & (least < thresholds.small_weight),
    )


def check_names(
    model: PersonaMixture, probabilities: Sequence[np.ndarray], evidence: Evidence | None, thresholds: Thresholds
) -> list[Check]:
    """Whether every persona meets the gates of its name, or else those of its declared alternative name.

    Args:
        model: the model, with the gates of its personas.
        probabilities: draws of the emission probabilities, shapes ``(chain, draw, K, J)``.
        evidence: what the log says apart from the archetypes, if that is required.
        thresholds: the probability with which a gate has to hold.

    Returns:
        One check per gate. Its ``name`` ends in the name that the gate belongs to; its ``persona`` is the name that the
        persona has in the model.
    """

    def gated(index: int, named: Persona) -> list[Check]:
        return [
            _check_gate(model, index, named, gate, probabilities, evidence, thresholds) for gate in model.gates(named)
        ]

    checks = []
    for index, persona in enumerate(model.personas):
        own = gated(index, persona)
        if persona.otherwise is not None and not all(check.passed for check in own):
            other = gated(index, persona.otherwise)
            own = other if all(check.passed for check in other) else own
        checks += own
    return checks


def _check_gate(
    model: PersonaMixture,
    index: int,
    named: Persona,
    gate: Gate,
    probabilities: Sequence[np.ndarray],
    evidence: Evidence | None,
    thresholds: Thresholds,
) -> Check:
    name, persona, limit = f"{_NAME}{named.name}", model.names[index], float(thresholds.gate)
    statement = f"P({gate.rule} | {persona}) >= {gate.at_least:g}"
    if lacking := " and ".join(model.unmeasured(gate)):
        where = f"{statement}, but {lacking} is not measured"
        remedy = (
            f"The name of this persona requires {lacking}, which the model does not measure, so the name cannot be "
            f"verified and its estimates are withheld. Have the completions judged for {lacking} and include that "
            "score in the model, or give the persona another name."
        )
        return Check(
            name, passed=False, value=float("nan"), threshold=limit, where=where, remedy=remedy, withholds=_WITHHOLDS,
            persona=persona, argument=("personas",),
        )  # fmt: skip
    rule = Rule(gate.rule)
    drawn = rule.probability(model.emissions, probabilities)[..., index]
    value, where = float((drawn >= gate.at_least).mean()), f"{statement}; mean {drawn.mean():.2f}"
    name_of_set = model.personas[index].name
    remedy = (
        "This persona does not behave as its name states, so it is reported as unnamed. The log may contain no such "
        f"persona: leave it out (without=['{name_of_set}']), or try another persona set. Alternatively, the wrong "
        "column may have been read as the score: name the intended one when reading, "
        f"columns={{'{rule.measurements[0]}': '<its name>'}}."
    )
    if evidence is not None:
        alone = _alone(gate, model, evidence, index)
        where += f"; {_count(evidence, index)} completions"
        if alone < min(value, limit) and not evidence.rare[index]:
            value = alone
            remedy = (
                "The completions that are attributed to this persona do not show, without its archetype, that it "
                f"behaves as its name states, so it is reported as unnamed. {remedy.partition('. ')[2]}"
            )
    argument = ("without", "personas", "columns")
    return Check(name, value >= limit, value, limit, where, remedy, _WITHHOLDS, persona=persona, argument=argument)


def _alone(gate: Gate, model: PersonaMixture, evidence: Evidence, index: int) -> float:
    """The probability of a gate given the attributed completions alone, with Jeffreys' prior."""
    holds, attributed = Rule(gate.rule).holds(model.emissions, evidence.patterns), evidence.attributed[index]
    yes, no = attributed[holds].sum(), attributed[~holds].sum()
    return float(scipy.stats.beta.sf(gate.at_least, _JEFFREYS + yes, _JEFFREYS + no))


def _count(evidence: Evidence, index: int) -> str:
    attributed = float(evidence.attributed[index].sum())
    return f"{attributed:.1f}" if attributed < 100 else grouped(attributed)


def absent_personas(model: PersonaMixture, evidence: Evidence | None, thresholds: Thresholds) -> tuple[int, ...]:
    """Indices of the personas that are rare and whose names the attributed completions alone do not support."""
    if evidence is None:
        return ()
    return tuple(
        index for index in np.flatnonzero(evidence.rare).tolist() if not _supported(model, evidence, index, thresholds)
    )


def describe_absent(model: PersonaMixture, evidence: Evidence | None, thresholds: Thresholds) -> list[str]:
    """A note on every absent persona."""
    if evidence is None:
        return []
    return [
        f"the persona {model.names[index]!r} is absent: hardly any completions are attributed to it "
        f"({_count(evidence, index)}), so its emissions are those of its archetype and are withheld."
        for index in absent_personas(model, evidence, thresholds)
    ]


def _supported(model: PersonaMixture, evidence: Evidence, index: int, thresholds: Thresholds) -> bool:
    """Whether the attributed completions alone support all gates of a name of the persona."""
    persona = model.personas[index]
    return any(
        all(_alone(gate, model, evidence, index) >= thresholds.gate for gate in model.gates(named))
        for named in filter(None, (persona, persona.otherwise))
        if not any(model.unmeasured(gate) for gate in model.gates(named))
    )


def fitting_name(persona: Persona, index: int, checks: Sequence[Check]) -> str:
    """The name whose gates pass: the persona's name, its alternative name, or ``unnamed-<number>``."""
    own = [check for check in checks if check.persona == persona.name and check.name.startswith(_NAME)]
    if not all(check.passed for check in own):
        return f"unnamed-{index + 1}"
    return own[0].name.removeprefix(_NAME) if own else persona.name
