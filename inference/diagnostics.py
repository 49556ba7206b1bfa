"""Checks that a fit must pass before its numbers are shown: convergence, identification, names, and fit.

Every check says what it found, the threshold, where it was worst, and what usually mends it.

References:
    Vehtari et al. (2021), Rank-normalization, folding, and localization: an improved R-hat, doi:10.1214/20-BA1221;
    Betancourt (2016), Diagnosing suboptimal cotangent disintegrations (E-BFMI), arXiv:1604.00695.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import arviz_stats
import numpy as np
import xarray as xr

from simulacra.formalism.emissions.base import AbstractEmission
from simulacra.formalism.outcomes import Rule
from simulacra.formalism.personas import Gate, Persona
from simulacra.inference.initialise import Start
from simulacra.inference.rates import ObservedRate

__all__ = [
    "Check",
    "Thresholds",
    "check_implied",
    "check_modes",
    "check_names",
    "check_sampling",
    "convergence",
    "fitting_name",
]


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Where the checks draw their lines.

    Attributes:
        r_hat: largest rank-normalised split R-hat.
        ess: smallest bulk and tail effective sample size.
        e_bfmi: smallest energy fraction of missing information of any chain.
        small_weight: weights whose posterior mean is below this are reported apart and not gated.
        mode_gap: log evidence in nats by which the best mode must beat any that says something else.
        mode_distance: largest difference of any persona weight at which two modes say the same.
        implied: largest |implied - observed| rate.
    """

    r_hat: float = 1.01
    ess: float = 400
    e_bfmi: float = 0.3
    small_weight: float = 0.01
    mode_gap: float = 10.0
    mode_distance: float = 0.05
    implied: float = 0.02


@dataclasses.dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what was checked, for example ``"r_hat"`` or ``"name: misaligned"``.
        passed: whether it holds.
        value: what was found.
        threshold: where the line is.
        where: what was worst.
        remedy: what usually mends it.
        subject: the condition or persona that a failure concerns; ``None`` concerns every estimate.
    """

    name: str
    passed: bool
    value: float
    threshold: float
    where: str
    remedy: str
    subject: str | None = None

    def __str__(self) -> str:
        sign = "ok" if self.passed else "FAILED"
        text = f"{self.name}: {sign} ({self.value:.4g}, threshold {self.threshold:g}; {self.where})"
        return text if self.passed else f"{text}. {self.remedy}"


_NAME_CHECK = "name: "
_LONGER = "Sample longer (num_samples, num_warmup); if it stays, the data do not settle this: fewer personas help."


def convergence(posterior: xr.Dataset, variables: Sequence[str]) -> xr.Dataset:
    """R-hat and bulk and tail ESS, one variable each along a new dimension ``diagnostic``."""
    chosen = posterior[list(variables)]
    parts = {
        "r_hat": arviz_stats.rhat(chosen),
        "ess_bulk": arviz_stats.ess(chosen, method="bulk"),
        "ess_tail": arviz_stats.ess(chosen, method="tail", prob=(0.05, 0.95)),
    }
    joined = xr.concat(list(parts.values()), dim="diagnostic", coords="minimal", compat="override")
    return joined.assign_coords(diagnostic=list(parts))


def check_sampling(
    diagnostics: xr.Dataset, posterior: xr.Dataset, sample_stats: xr.Dataset, thresholds: Thresholds
) -> list[Check]:
    """R-hat, ESS, divergences and E-BFMI."""
    flat: dict[str, tuple[float, float, float]] = {}
    for name, table in diagnostics.data_vars.items():
        stacked = table.stack(item=[dim for dim in table.dims if dim != "diagnostic"]) if table.ndim > 1 else table
        gated = np.ones(table.sizes.get("diagnostic", 3) and int(table.size / 3), dtype=bool)
        if name == "weights":
            mean = posterior["weights"].mean(("chain", "draw")).stack(item=[d for d in table.dims if d != "diagnostic"])
            gated = mean.to_numpy() >= thresholds.small_weight
        values = stacked.to_numpy().reshape(3, -1)
        labels = _labels(table)
        for column in np.flatnonzero(gated):
            if np.isfinite(values[:, column]).all():
                flat[f"{name}{labels[column]}"] = (values[0, column], values[1, column], values[2, column])
    checks = []
    for row, (name, limit) in enumerate(
        [("r_hat", thresholds.r_hat), ("ess_bulk", thresholds.ess), ("ess_tail", thresholds.ess)]
    ):
        worst = (max if row == 0 else min)(flat, key=lambda item: flat[item][row])
        value = float(flat[worst][row])
        passed = value <= limit if row == 0 else value >= limit
        checks.append(Check(name, passed, value, limit, f"worst at {worst}", _LONGER))
    divergent = int(sample_stats["diverging"].sum())
    remedy = "Raise target_accept_prob (0.9, 0.95); if it stays, drop a persona or an effect that the data do not settle."
    checks.append(Check("divergences", divergent == 0, divergent, 0, "all chains", remedy))
    energy = sample_stats["energy"].to_numpy()
    bfmi = (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1)
    where = f"chain {int(bfmi.argmin())}"
    checks.append(Check("e_bfmi", bool(bfmi.min() >= thresholds.e_bfmi), float(bfmi.min()), thresholds.e_bfmi, where, _LONGER))
    return checks


def _labels(table: xr.DataArray) -> list[str]:
    dims = [dim for dim in table.dims if dim != "diagnostic"]
    if not dims:
        return [""]
    index = table.stack(item=dims).indexes["item"]
    return [f"[{', '.join(map(str, key if isinstance(key, tuple) else (key,)))}]" for key in index]


def check_modes(starts: Sequence[Start], thresholds: Thresholds) -> Check:
    """Whether a mode that says something else comes near the best one in log evidence."""
    best = starts[0]
    rivals = [s for s in starts[1:] if np.abs(s.weights - best.weights).max() > thresholds.mode_distance]
    gap = best.log_evidence - rivals[0].log_evidence if rivals else float("inf")
    where = f"{len(rivals)} of {len(starts)} starts ended elsewhere"
    remedy = (
        "The data allow two readings. Anchor the personas with surer archetypes (Archetype.concentration), or use a "
        "smaller persona set, and report both readings."
    )
    return Check("competing modes", gap >= thresholds.mode_gap, gap, thresholds.mode_gap, where, remedy)


def check_names(
    personas: Sequence[Persona], emissions: Sequence[AbstractEmission], probabilities: Sequence[np.ndarray]
) -> list[Check]:
    """Whether every persona does what its name says, or what the name says that it may take otherwise.

    Args:
        personas: with their gates.
        emissions: the emissions.
        probabilities: posterior mean emission probabilities, shapes ``(K, J)``.

    Returns:
        One check a gate. Its ``name`` ends in the name the gate stands for, its ``subject`` is the persona's own.
    """
    checks = []
    for index, persona in enumerate(personas):
        own = [_check_gate(persona, persona, gate, index, emissions, probabilities) for gate in persona.gates]
        if persona.otherwise is not None and not all(check.passed for check in own):
            other = [
                _check_gate(persona, persona.otherwise, gate, index, emissions, probabilities)
                for gate in persona.otherwise.gates
            ]
            own = other if all(check.passed for check in other) else own
        checks += own
    return checks


def _check_gate(
    persona: Persona,
    named: Persona,
    gate: Gate,
    index: int,
    emissions: Sequence[AbstractEmission],
    probabilities: Sequence[np.ndarray],
) -> Check:
    rule = Rule(gate.rule)
    unmeasured = set(rule.measurements) - {emission.measurement for emission in emissions}
    value = float("nan") if unmeasured else float(rule.probability(emissions, probabilities)[index])
    where = f"P({gate.rule} | {persona.name})"
    if unmeasured:
        where += f", but {', '.join(sorted(unmeasured))} is not measured"
    remedy = (
        "This persona does something else, so it loses its name. The log may hold no such persona: leave it out, or "
        "try another persona set."
    )
    passed = not unmeasured and value >= gate.at_least
    return Check(f"{_NAME_CHECK}{named.name}", passed, value, float(gate.at_least), where, remedy, persona.name)


def fitting_name(persona: Persona, index: int, checks: Sequence[Check]) -> str:
    """The name whose gates hold: the persona's own, the one it takes otherwise, or ``unnamed-<number>``."""
    own = [check for check in checks if check.subject == persona.name and check.name.startswith(_NAME_CHECK)]
    if not all(check.passed for check in own):
        return f"unnamed-{index + 1}"
    return own[0].name.removeprefix(_NAME_CHECK) if own else persona.name


def check_implied(
    observed: Mapping[str, ObservedRate], implied: Mapping[str, float], thresholds: Thresholds
) -> list[Check]:
    """|implied - observed| of every condition."""
    remedy = (
        "The personas do not account for this condition's rate; believe the observed one. A larger persona set "
        "(emergent-misalignment-6) or a bin edge nearer to the rule's threshold usually mends it."
    )
    checks = []
    for name, rate in observed.items():
        gap = abs(implied[name] - rate.rate)
        where = f"{name}: implied {implied[name]:.2%}, observed {rate.rate:.2%}"
        passed = gap <= thresholds.implied or not rate.total
        checks.append(Check("implied rate", passed, gap, thresholds.implied, where, remedy, name))
    return checks
