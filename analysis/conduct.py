r"""Known-persona conduct: does the persona that a prompt elicits do the same in a fine-tune as in the base model?

Simulator Theory claims that fine-tuning moves the weights of personas and hardly changes what each of them does.
Completions that the prompt of a persona elicited, in both models, show what that persona does in each: every
difference between them is *conduct*, with no model of how personas may change. Two quantities describe it: the total
variation between the emissions of a persona in the two models (:mod:`simulacra.inference.variation`), and the change
of P(outcome | persona). Any fine-tuning changes a persona a little, so both are also given relative to a benign
control.

With the emissions of every condition known, the weights in completions that no prompt elicited follow
(:mod:`simulacra.inference.known_personas`), and the change of the rate of an outcome is split exactly, draw by draw,
into selection and conduct, eq. (9) (:mod:`simulacra.formalism.conduct`).

A prompt may elicit another persona than its own, and after fine-tuning more often so: a fine-tune in which one persona
dominates gives the answers of this persona under the prompts of all others. Without a judge's label of the persona,
such a change of weights looks like conduct.

References:
    Kitagawa (1955), Components of a difference between two rates, doi:10.1080/01621459.1955.10501299; Plummer (2015),
    Cuts in Bayesian graphical models, doi:10.1007/s11222-014-9503-z; janus (2022), Simulators.
"""

import dataclasses
import importlib.metadata
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.analysis.conduct_draws import ConductSamples, too_few
from simulacra.data.counting.elicited import ElicitedCounts, count_elicited
from simulacra.data.log import CompletionLog
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, listing, place
from simulacra.formalism.emissions import AbstractEmission
from simulacra.formalism.emissions_by_name import emission_by_name
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.formalism.outcomes import Outcome, as_outcome
from simulacra.formalism.scales import bounds_of, coherent_on_scale
from simulacra.formalism.shifts import claim
from simulacra.inference.citation import Citation, Provenance, cited
from simulacra.inference.claims import sure_of_sign
from simulacra.inference.diagnostics import Thresholds
from simulacra.inference.tables import CI_PROB, Terms, bounds, summary_table

__all__ = ["Conduct", "conduct"]

_CHAINS, _DRAWS = 4, 500
_LEAST = {"num_samples": 2, "num_chains": 1, "seed": 0}
_OF_PERSONAS = (
    "outcome_given_persona",
    "total_variation",
    "outcome_change",
    "total_variation_over_control",
    "outcome_change_over_control",
)
_OF_CONDITIONS = ("selection", "conduct", "implied", "unexplained")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Conduct:
    """What every persona does in every condition, compared with the baseline.

    Attributes:
        draws: draws by quantity, dims ``(chain, draw, condition, persona)``: ``weights``, ``outcome_given_persona``,
            ``total_variation``, ``outcome_change``, the latter two also with ``_over_control``, and the parts of every
            persona in ``selection`` and ``conduct``; without the dim ``persona``, ``implied``, the sum of both, and
            ``unexplained``, the logged difference minus that. What a table withholds is not to be used.
        counts: the completions by condition, persona and pattern of measurements.
        unexplained: by condition, how far its completions are from a mixture of the personas: the unexplained share
            and its p-value.
        p_values: by condition and persona, the p-value of the hypothesis that the emission is that of the baseline.
        withheld: why an estimate is withheld, by condition and persona; of a split, with an empty persona.
        baseline: the condition that the others are compared with.
        control: the benign fine-tune, if there is one.
        words: the scope in words.
        provenance: data, seed and version.
    """

    draws: Mapping[str, xr.DataArray]
    counts: ElicitedCounts
    unexplained: Mapping[str, tuple[float, float]]
    p_values: Mapping[tuple[str, str], float]
    withheld: Mapping[tuple[str, str], str]
    baseline: str
    control: str | None
    words: str
    provenance: Provenance

    def __repr__(self) -> str:
        counts = self.counts
        kept = grouped(int(counts.rows.sum()))
        labelled = f" of {grouped(int(counts.prompted.sum()))}" if counts.labelled else ""
        return card(
            f"Conduct of {len(counts.personas)} personas in {len(counts.conditions)} conditions {self.words}",
            f"conditions: {listing(counts.conditions)}",
            f"baseline: {self.baseline}; control: {self.control or 'none'}",
            f"personas: {listing(counts.personas)}",
            f"completions of a known persona: {kept}{labelled} elicited",
            f"not compared, without elicited completions: {listing(counts.left_out)}" if counts.left_out else "",
            f"quantities: {listing(self.draws)}",
            "next: .table(), .split(), .weights(), .cite(quantity, condition, persona); .draws",
        )

    def table(self, *, rope: float = 0.01, ci_prob: float = CI_PROB) -> pd.DataFrame:
        """One row per quantity, condition and persona: what each persona does, and how that differs.

        Columns ``quantity, condition, persona, scope, completions, purity, mean, eti89_lb, eti89_ub, p_value, claim,
        comparisons, ess_bulk, ess_tail, r_hat, status``. Quantities are ``total_variation``, the distance of the
        persona's emission from that in the baseline; ``outcome_given_persona`` and ``outcome_change``, its difference
        from the baseline, if there is an outcome; and those of differences with ``_over_control``, minus the same
        difference of the control, if there is one. ``completions`` are those of a known persona, ``purity`` is their
        share in what the prompt of the persona elicited; NaN without labels. The interval of a total variation is a
        confidence interval. ``claim`` is as for contrasts of rates, and ``changed`` for a total variation that is
        clearly greater than ``rope``. Draws are independent, so ESS is their number.

        Raises:
            InputError: a probability outside (0, 1), or a negative ``rope``.
        """
        parts = [self._summary(name, rope, ci_prob) for name in _OF_PERSONAS if name in self.draws]
        return pd.concat(parts, ignore_index=True)

    def split(self, *, rope: float = 0.01, ci_prob: float = CI_PROB) -> pd.DataFrame:
        """One row per quantity and condition: the change of the rate of the outcome, split by eq. (9).

        Columns ``quantity, condition, scope, mean, eti89_lb, eti89_ub, claim, comparisons, ess_bulk, ess_tail, r_hat,
        status``. Quantities are ``selection`` and ``conduct``, their sum ``implied``, and ``unexplained``, the logged
        difference of rates minus this sum. A split is withheld if a persona has too few completions in the condition
        or the baseline, or if the completions of either are not a mixture of the known personas.

        Raises:
            InputError: there is no outcome, a probability outside (0, 1), or a negative ``rope``.
        """
        self._expect_outcome("split")
        parts = [self._summary(name, rope, ci_prob) for name in _OF_CONDITIONS]
        return pd.concat(parts, ignore_index=True)

    def weights(self, *, ci_prob: float = CI_PROB) -> pd.DataFrame:
        """Weights of the known personas in completions that no prompt elicited, with the unexplained share.

        Columns ``condition, persona, mean, eti89_lb, eti89_ub, unexplained, p_value, ess_bulk, ess_tail, r_hat,
        status``.

        Raises:
            InputError: a probability outside (0, 1).
        """
        table = self._estimates("weights", ci_prob)
        for column, name in enumerate(("unexplained", "p_value")):
            own = {condition: found[column] for condition, found in self.unexplained.items()}
            table.insert(list(table).index("ess_bulk"), name, table["condition"].map(own))
        return table

    def cite(self, quantity: str, condition: str, persona: str | None = None, *, ci_prob: float = CI_PROB) -> Citation:
        """One estimate with its interval, scope and provenance.

        Args:
            quantity: a quantity of :meth:`table`, or of :meth:`split`.
            condition: the condition.
            persona: the persona, for quantities of :meth:`table`.
            ci_prob: probability of the interval.

        Raises:
            InputError: there is no such row, or it is withheld (with the reason).
        """
        key = {"condition": condition, **({} if persona is None else {"persona": persona})}
        known = _OF_CONDITIONS if persona is None else _OF_PERSONAS
        if quantity in known and quantity in self.draws:
            table = self._summary(quantity, 0.01, ci_prob)
            own = table[np.logical_and.reduce([table[name] == value for name, value in key.items()])]
            if not own.empty:
                columns, name = ("mean", *bounds(ci_prob)), f"{quantity}[{place(key)}]"
                row = own.to_dict("records")[0]
                return cited(name, row, columns, self.words, self.provenance, probability=ci_prob)
        raise InputError(
            f"cite: there is no {quantity!r} of {place(key)}",
            expected=f"a quantity among {', '.join(name for name in known if name in self.draws)} of a condition among "
            f"{listing(self.counts.conditions)}"
            + ("" if persona is None else f" and a persona among {listing(self.counts.personas)}"),
            argument=("quantity", "condition", "persona"),
        )

    def _summary(self, quantity: str, rope: float, ci_prob: float) -> pd.DataFrame:
        """The rows of a quantity in :meth:`table` or :meth:`split`."""
        claim(0.0, 0.0, rope=rope)  # raises also if all rows are withheld
        table = self._estimates(quantity, ci_prob)
        limits, sure = table[list(bounds(ci_prob))].to_numpy(), sure_of_sign(self._summed(quantity).to_numpy(), "these")
        said = [
            "withheld" if np.isnan(low) else claim(low, high, rope=rope, sure=bool(own))
            for (low, high), own in zip(limits.tolist(), sure.ravel(), strict=True)
        ]
        if quantity == "total_variation":
            said = ["changed" if own == "increase" else own for own in said]
        table = table.assign(
            quantity=quantity,
            scope="these",
            claim="" if quantity == "outcome_given_persona" else said,
            comparisons=len(table),
        )
        place, tested = ["quantity", "condition", "scope"], ["claim", "comparisons"]
        if quantity in _OF_PERSONAS:
            pairs = pd.MultiIndex.from_frame(table[["condition", "persona"]])
            table = pd.concat([table, self._known.reindex(pairs).reset_index(drop=True)], axis=1)
            if quantity != "total_variation":
                table["p_value"] = np.nan
            place, tested = [*place[:2], "persona", "scope", "completions", "purity"], ["p_value", *tested]
        return table[[*place, "mean", *bounds(ci_prob), *tested, "ess_bulk", "ess_tail", "r_hat", "status"]]

    @property
    def _known(self) -> pd.DataFrame:
        """Completions of a known persona, their share, and the p-value, by condition and persona."""
        counts = self.counts
        pairs = pd.MultiIndex.from_product([counts.conditions, counts.personas])
        rows, prompted = counts.rows.ravel(), counts.prompted.ravel()
        purity = np.where((prompted > 0) & counts.labelled, rows / np.maximum(prompted, 1), np.nan)
        p_values = [self.p_values.get(pair, np.nan) for pair in pairs]
        return pd.DataFrame({"completions": rows, "purity": purity, "p_value": p_values}, index=pairs)

    def _summed(self, quantity: str) -> xr.DataArray:
        """The draws of a quantity; selection and conduct summed over personas."""
        draws = self.draws[quantity]
        return draws.sum("persona", skipna=False) if quantity in ("selection", "conduct") else draws

    def _estimates(self, quantity: str, ci_prob: float) -> pd.DataFrame:
        """Mean, interval, diagnostics and status of a quantity; estimates that are withheld are NaN."""
        draws = self._summed(quantity)
        size = float(draws.sizes["chain"] * draws.sizes["draw"])
        shape = draws.shape[2:]
        diagnostics = xr.DataArray(
            np.stack([np.full(shape, 1.0), np.full(shape, size), np.full(shape, size)]),
            dims=("diagnostic", *draws.dims[2:]),
            coords={**{dim: draws[dim] for dim in draws.dims[2:]}, "diagnostic": ["r_hat", "ess_bulk", "ess_tail"]},
        )
        table = summary_table(draws, Terms((), Thresholds(), ci_prob), diagnostics=diagnostics)
        of_split = "persona" not in draws.dims or quantity == "weights"
        against = [] if quantity in ("weights", "outcome_given_persona") else [self.baseline]
        if quantity.endswith("over_control"):
            against.append(str(self.control))
        for row, own in enumerate(table.to_dict("records")):
            about = "" if of_split else own["persona"]
            reasons = [self.withheld.get((name, about)) for name in (own["condition"], *against)]
            for reason in filter(None, reversed(reasons)):
                table.loc[row, "status"] = f"withheld: {reason}"
        hidden = table["status"].str.startswith("withheld")
        table.loc[hidden, ["mean", *bounds(ci_prob)]] = np.nan
        return table

    def _expect_outcome(self, call: str) -> None:
        if "selection" not in self.draws:
            raise InputError(
                f"{call}: no outcome was given, so there is no rate to split",
                expected="conduct(..., outcome=Outcome('aligned < 30 and coherent > 50'))",
                argument="outcome",
            )


def conduct(
    log: CompletionLog,
    emissions: Sequence[AbstractEmission | str],
    *,
    baseline: str = "base",
    outcome: Outcome | str | None = None,
    control: str | None = None,
    elicited_by: str = "elicited_by",
    label: str | None = None,
    num_samples: int = _DRAWS,
    num_chains: int = _CHAINS,
    seed: int = 0,
) -> Conduct:
    """Compare what known personas do in fine-tunes and in the base model.

    Args:
        log: a log with elicited completions of the baseline and of at least one other condition. Completions that no
            prompt elicited are used for weights and for the split of eq. (9).
        emissions: how measurements are cut into categories, as for ``PersonaMixture``; a score that is only named has
            the usual bins. Patterns of categories are counted, so few categories, such as the bins that the outcome
            needs, suffice and give shorter intervals.
        baseline: the condition that the others are compared with.
        outcome: the event of the rates, or its rule. Completions outside of its denominator are not used. Default:
            none.
        control: a benign fine-tune, to whose changes those of the other conditions are compared.
        elicited_by: a context column with the persona whose prompt elicited the completion, empty if none did.
        label: a context column with the persona of a completion according to a judge. Elicited completions with another
            label, or none, are then not used.
        num_samples: draws per chain.
        num_chains: number of chains. Draws are independent; chains only have the usual format.
        seed: random seed.

    Raises:
        LogError: a measurement that the log does not have, or a value outside of the categories.
        InputError: a log that is not in memory, no elicited completions, those of a single condition, an unknown
            baseline or control, no completions of any persona in the baseline, or no question in common.

    When not to trust it: without a label, prompts must elicit their persona as often in every condition as in the
    baseline; otherwise a change of weights is reported as conduct. With a label that was given for the same property
    that the emissions measure, conduct is removed by selection of completions. Conduct is about the logged questions
    and about completions under a prompt; personas may act differently without one. The split assumes that they do not,
    and it is withheld where the completions without prompt are not a mixture of those with one.
    """
    expect_type(log, CompletionLog, "log", "conduct", expected="a log in memory, as read_completions returns")
    for argument, number in (("num_samples", num_samples), ("num_chains", num_chains), ("seed", seed)):
        expect_whole(number, argument, "conduct", least=_LEAST[argument])
    expected = "a list such as ['aligned', ScoreEmission('coherent')]"
    expect_type(emissions, (list, tuple), "emissions", "conduct", expected=expected)
    outcome = None if outcome is None else as_outcome(outcome, "conduct")
    rules = [] if outcome is None else [outcome.event]
    own = [emission_by_name(each, (), rules) if isinstance(each, str) else each for each in emissions]
    if outcome is not None:
        outcome = coherent_on_scale(outcome, bounds_of(own))
    denominator = None if outcome is None else outcome.denominator
    counts = count_elicited(log, own, elicited_by=elicited_by, label=label, denominator=denominator)
    _expect_conditions(counts, baseline, control)
    samples = ConductSamples(counts, num_samples * num_chains, np.random.default_rng([seed, 5]))
    few = too_few(counts)
    others = [name for name in counts.conditions if name != baseline]
    draws = {"weights": samples.weights}
    draws["total_variation"], p_values = samples.variation(baseline, others, few)
    withheld = few | samples.unmixed(few)
    if outcome is not None:
        draws |= samples.of_event(outcome.event.holds(own, counts.patterns), baseline, others)
    shaped = {name: _labelled(own, counts, others, num_chains) for name, own in draws.items()}
    for name in ("total_variation", "outcome_change"):
        if control is not None and name in shaped:
            change = shaped[name]
            shaped[f"{name}_over_control"] = change.drop_sel(condition=control) - change.sel(
                condition=control, drop=True
            )
    model = (
        f"known-persona conduct; personas {', '.join(counts.personas)}; "
        f"measurements {', '.join(each.measurement for each in own)}; baseline {baseline}"
        + ("" if outcome is None else f"; {outcome}")
        + ("" if label is None else f"; personas labelled by {label}")
    )
    provenance = Provenance(model, log.content_hash, seed, importlib.metadata.version("simulacra"))
    return Conduct(
        shaped, counts, samples.unexplained, p_values, withheld, baseline, control, _in_words(counts), provenance
    )


def _in_words(counts: ElicitedCounts) -> str:
    """The scope for display."""
    number = len(counts.questions)
    if number < counts.asked:
        return f"on {grouped(number)} of {grouped(counts.asked)} questions, which all conditions were asked"
    return f"on these {grouped(number)} questions" if number > 1 else "on this question"


def _expect_conditions(counts: ElicitedCounts, baseline: str, control: str | None) -> None:
    """Refuse a comparison without a baseline, without another condition, or with an unknown control."""
    conditions = counts.conditions
    if baseline not in conditions:
        raise InputError(
            f"conduct: the baseline {baseline!r} has no elicited completions",
            expected=f"one of {', '.join(conditions)}",
            argument="baseline",
        )
    if len(conditions) < 2:
        raise InputError(
            f"conduct: only {baseline!r} has elicited completions",
            expected="those of at least one other condition, to compare with it",
            argument="log",
        )
    if control is not None and (control not in conditions or control == baseline or len(conditions) < 3):
        raise InputError(
            f"conduct: control is {control!r}",
            expected="a condition with elicited completions other than the baseline, and a third one to compare with "
            f"it; there are {', '.join(conditions)}",
            argument="control",
        )
    if not counts.rows[conditions.index(baseline)].any():
        raise InputError(
            f"conduct: the baseline {baseline!r} has no completions of a known persona",
            expected="labels that agree with the prompts, and completions in the denominator of the outcome",
            argument=("label", "outcome"),
        )


def _labelled(draws: np.ndarray, counts: ElicitedCounts, others: Sequence[str], num_chains: int) -> xr.DataArray:
    """Draws with dims ``(chain, draw, condition)``, and ``persona`` if they have it."""
    conditions = others if draws.shape[1] == len(others) else counts.conditions
    coords = {"condition": list(conditions), **({"persona": list(counts.personas)} if draws.ndim > 2 else {})}
    return xr.DataArray(draws.reshape(num_chains, -1, *draws.shape[1:]), dims=("chain", "draw", *coords), coords=coords)
