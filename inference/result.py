"""The fitted result: draws in the ArviZ schema, tables for display, checks, and citations."""

import dataclasses
import functools
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.data import Account, CollapsedLog, CompletionLog
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, html_card, listing
from simulacra.formalism.errors import InputError
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.partitions import Partition
from simulacra.formalism.weights import WeightDesign
from simulacra.inference import tables
from simulacra.inference.citation import (
    Citable,
    Citation,
    Provenance,
    citable,
    citable_mix,
    citable_rates,
    citable_tables,
    find,
    lost_names,
    provenance_of,
)
from simulacra.inference.compared import Compared, compared
from simulacra.inference.contrasts import Contrast, Contrasts, all_pairs, contrast_of
from simulacra.inference.convergence import convergence
from simulacra.inference.datatree import Unit, to_datatree
from simulacra.inference.diagnostics import Check, Thresholds, checks_html
from simulacra.inference.draws import by_condition, chosen_outcome, differences, take_draws
from simulacra.inference.groups import Group
from simulacra.inference.marks import (
    marked,
    marked_prior,
    same_outcome,
)
from simulacra.inference.misfit import misfit_table
from simulacra.inference.names import absent_personas, find_evidence
from simulacra.inference.once import computed_once
from simulacra.inference.partitions import by_category, partition_draws
from simulacra.inference.prepare import Prepared
from simulacra.inference.quantities import Quantities
from simulacra.inference.rate_tables import contrast_table, rate_table
from simulacra.inference.rates import (
    Scope,
    against_baseline,
    rates_in,
    scope_in_words,
    scope_name,
)
from simulacra.inference.responsibilities import attributions, collapse_again, row_responsibilities
from simulacra.inference.sensitivity import outcome_sensitivity
from simulacra.inference.store import Stored, read_result, write_result
from simulacra.inference.tables import CI_PROB, ROPE, Terms, chosen_probability, chosen_rope

__all__ = ["Result"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The result of fitting a model to a log.

    ``result.weights()`` returns a table, a DataFrame, and ``result.draws("weights")`` the draws that it summarises. The
    same holds for ``shifts``, ``rates``, ``contrasts``, ``outcome_given_persona``, ``emissions`` and ``scales``.

    Rates and claims are *known* from the events alone. Persona weights *explain* them, as far as ``contrasts`` shows,
    and ``unexplained`` contains what no weights of these personas account for.

    Attributes:
        tree: all draws and data, an ``xarray.DataTree`` in the ArviZ schema.
        prepared: model, evaluated formula and counts.
        checks: all checks, passed and failed.
        settings: settings of the fit: seed, engine, numbers of draws, probability of intervals.
        notes: what was changed or left out, as sentences for display.

    Tables withhold estimates that failed a check: the number is NaN, and ``status`` states the reason.
    ``withhold=False`` shows these estimates; use it only to diagnose a problem. ``ci_prob`` is the probability of the
    intervals, which are equal-tailed; by default that of the fit (:attr:`ci_prob`). Columns are named after it, so
    0.95 gives ``eti95_lb`` and ``eti95_ub``. A probability outside (0, 1) raises ``InputError``.
    """

    tree: xr.DataTree
    prepared: Prepared
    checks: tuple[Check, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The failed checks, each with the usual remedy."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def posterior(self) -> xr.Dataset:
        """The posterior group of the tree."""
        return self.tree["posterior"].to_dataset()

    @property
    def model(self) -> PersonaMixture:
        """The fitted model, without the personas that were left out."""
        return self.prepared.model

    @property
    def design(self) -> WeightDesign:
        """The weight formula, evaluated on the cells of the log."""
        return self.prepared.design

    @property
    def collapsed(self) -> CollapsedLog:
        """The counts that were fitted."""
        return self.prepared.collapsed

    @property
    def account(self) -> Account:
        """The account of the data, with renamed columns, values read as missing, excluded rows and duplicates."""
        return self.collapsed.account

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of the checks."""
        return Thresholds(**self.settings["thresholds"])

    @property
    def ci_prob(self) -> float:
        """The probability of intervals that was asked for when the model was fitted, the default of all tables.

        Claims follow from these intervals, names of personas do not.
        """
        return float(self.settings.get("ci_prob", CI_PROB))  # a file of an earlier version does not state it

    @property
    def rope(self) -> float:
        """The half-width of the region of practical equivalence that was asked for when the model was fitted."""
        return float(self.settings.get("rope", ROPE))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions, the baseline first."""
        return self.prepared.conditions

    @functools.cached_property
    def personas(self) -> tuple[str, ...]:
        """Names of the personas after the name gates."""
        return tuple(map(str, self.posterior["persona"].to_numpy()))

    @functools.cached_property
    def absent(self) -> tuple[str, ...]:
        """Personas to which hardly any completions are attributed; their emissions are withheld."""
        evidence = find_evidence(self.prepared, self.posterior, self.thresholds)
        return tuple(self.personas[index] for index in absent_personas(self.model, evidence, self.thresholds))

    @functools.cached_property
    def _quantities(self) -> Quantities:
        return Quantities(self.tree, self.prepared, self.thresholds, int(self.settings["seed"]))

    @property
    def posteriors(self) -> list[xr.Dataset]:
        """The posterior of every reading, the first first."""
        return self._quantities.posteriors

    @functools.cached_property
    def diagnostics(self) -> xr.Dataset:
        """R-hat, bulk ESS and tail ESS of weights, implied rates, emissions and scales, along ``diagnostic``."""
        names = [name for name in self.posterior.data_vars if name != "latents"]
        return convergence(self.posterior, [str(name) for name in names])

    @overload
    def draws(self, name: Literal["emissions"], *, reading: int = ...) -> xr.Dataset: ...
    @overload
    def draws(
        self,
        name: Literal[
            "weights",
            "shifts",
            "rates",
            "contrasts",
            "implied_rates",
            "implied_contrasts",
            "outcome_given_persona",
            "scales",
        ],
        *,
        by: str = ...,
        outcome: Outcome | Partition | str | None = ...,
        scope: Scope = ...,
        reading: int = ...,
    ) -> xr.DataArray: ...
    def draws(
        self,
        name: str,
        *,
        by: str = "condition",
        outcome: Outcome | Partition | str | None = None,
        scope: Scope = "these",
        reading: int = 1,
    ) -> xr.DataArray | xr.Dataset:
        """The draws that the table of the same name summarises, dims ``(chain, draw, ...)``; nothing is withheld.

        Args:
            name: ``"weights"``, dims ``condition, persona``, in [0, 1], summing to one over personas; ``"shifts"``,
                the same minus the baseline; ``"rates"``, dim ``condition``, or ``group`` with the coordinates
                ``condition`` and those of the contexts; ``"contrasts"``, the same minus the baseline;
                ``"implied_rates"`` and ``"implied_contrasts"``, what the personas imply for them, eq. (7);
                ``"outcome_given_persona"``, dim ``persona``; ``"scales"``, dim ``term``; or ``"emissions"``, a Dataset
                with one variable per measurement, dims ``persona, <name>_category``. Chains of the rate model are not
                those of the personas.
            by: for weights: ``"condition"``, averaged over the logged completions of the condition; or ``"cell"``, dim
                ``cell`` with the columns of the cells as coordinates.
            outcome: for rates, contrasts and ``outcome_given_persona``. Default: the outcome of the model. Rates and
                contrasts of a partition have the additional dim ``category``.
            scope: for rates and contrasts, as in :meth:`rates`.
            reading: number of the reading, for quantities that depend on personas (:meth:`readings`).

        Raises:
            InputError: an unknown name, ``by``, scope or reading; an argument that the quantity does not have; or no
                outcome.
        """
        if isinstance(outcome, Partition):
            if name not in ("rates", "contrasts") or by != "condition":
                raise InputError(f"draws({name!r}): only 'rates' and 'contrasts' have a partition", argument="outcome")
            partition = chosen_outcome(outcome, self.prepared)
            assert isinstance(partition, Partition)
            drawn = partition_draws(self._quantities.stages(partition), partition, scope)
            return by_condition(drawn if name == "rates" else against_baseline(drawn, self.model.baseline))
        if not 1 <= reading <= len(self.posteriors):
            raise InputError(
                f"draws({name!r}, reading={reading!r})", expected=f"1 to {len(self.posteriors)}", argument="reading"
            )
        posterior = self.posteriors[reading - 1]
        return take_draws(
            name, posterior, self.prepared, self._quantities.rates_of, by=by, outcome=outcome, scope=scope
        )

    @computed_once
    def readings(self, *, ci_prob: float | None = None) -> pd.DataFrame:
        """Weight of every persona in every reading: the solutions that the data support, usually only one.

        Columns ``reading, condition, persona, mean, eti89_lb, eti89_ub, ess_bulk, ess_tail, r_hat``. Personas are named
        by their gates in that reading. Nothing is withheld: the table exists to compare readings, and none of them can
        be cited by itself (:mod:`simulacra.inference.readings`).
        """
        terms = Terms((), self.thresholds, self.ci_prob, withhold=False).at(ci_prob)
        parts = [tables.summary_table(posterior["weights"], terms) for posterior in self.posteriors]
        return pd.concat(parts, keys=range(1, len(parts) + 1), names=["reading"]).reset_index(0).drop(columns="status")

    @computed_once
    def weights(self, *, ci_prob: float | None = None, withhold: bool = True) -> pd.DataFrame:
        """Weight of every persona in every condition, averaged over the logged completions of the condition.

        Columns ``condition, persona, mean, eti89_lb, eti89_ub, unexplained, ess_bulk, ess_tail, r_hat, status``;
        ``unexplained`` is the share of the condition's completions that no weights of these personas account for, the
        largest over its contexts and, with several readings, over these (:meth:`unexplained`); NaN if the model has no
        measurements. A ``status`` of ``prior-driven`` gives the range of the mean with half and twice the concentration
        of the archetypes, which exceeds the interval (:mod:`simulacra.inference.sensitivity`); ``purity-driven``, from
        log-likelihoods, its range with prompts as impure and as pure as the prior allows
        (:mod:`simulacra.inference.purity`), to which the interval is extended, because that of the draws is too narrow;
        ``condition-driven`` its range with and without the condition's own completions in the emissions
        (:mod:`simulacra.inference.influence`); ``absent`` means that hardly any completions are attributed to the
        persona (:attr:`absent`). With several readings (:meth:`readings`), these marks are those of the first.
        """
        weights = self.draws("weights")
        size = weights.mean(("chain", "draw")).to_numpy()
        terms = self._terms(ci_prob, withhold=withhold).of("weights")
        others = self._quantities.in_readings("weights")[1:]
        table = tables.summary_table(weights, terms, diagnostics=self.diagnostics["weights"], size=size, others=others)
        table = marked(table, self._quantities.weights_moved(terms.ci_prob), terms, absent=self.absent)
        shares = self.unexplained() if self.model.measurements else pd.DataFrame({"condition": [], "unexplained": []})
        largest = shares.groupby("condition")["unexplained"].max()
        table.insert(5, "unexplained", table["condition"].map(largest).astype(float))
        return table

    @computed_once
    def shifts(self, *, ci_prob: float | None = None, withhold: bool = True) -> pd.DataFrame:
        """δ of eq. (8): weight minus the weight in the baseline, for every other condition and persona.

        Columns ``condition, persona, mean, eti89_lb, eti89_ub, p_gt_0, log_ratio, comparisons, ess_bulk, ess_tail,
        r_hat, status``; ``log_ratio`` is the mean shift of the centred log-ratio in nats, and ``comparisons`` as in
        :meth:`contrasts`. A shift of weights alone does not support a claim (see :meth:`contrasts`), and ``status``
        states where the rate of the outcome does not differ: the judge may have used its scale differently. Other marks
        are those of :meth:`weights`.
        """
        terms = self._terms(ci_prob, withhold=withhold).of("shifts")
        table = tables.shift_table(self._quantities.in_readings("weights"), self.model.baseline, terms)
        moved = {
            mark: differences(own, self.model.baseline)
            for mark, own in self._quantities.weights_moved(terms.ci_prob).items()
        }
        outcome = self.model.outcome
        same = (
            {}
            if outcome is None
            else same_outcome(self._quantities.rates_of(outcome), self.model, self.personas, terms.ci_prob)
        )
        return marked(table, moved, terms, absent=self.absent, same=same)

    @computed_once
    def contrasts(
        self,
        outcome: Outcome | Partition | str | None = None,
        *,
        against: str | None = None,
        scope: Scope = "these",
        rope: float | int | None = None,
        ci_prob: float | None = None,
        withhold: bool = True,
    ) -> pd.DataFrame:
        """Claims about the rate of every condition relative to the baseline, and how much the personas explain.

        Args:
            outcome: event and denominator, or a partition into categories, each of which has a row of its own, named in
                the column ``category``. Default: the outcome of the model.
            against: the condition that the others are compared with. Default: the baseline of the model.
            scope: as in :meth:`rates`.
            rope: half-width of the region of practical equivalence of the rate difference, a probability. Default: that
                of the fit.
            ci_prob: probability of the intervals, which also determines the claims: ``increase`` means that the
                interval lies above ``rope``, ``decrease`` that it lies below ``-rope``, both with a posterior
                probability of the sign of at least 0.995 (0.99 for new questions, about whose sign the logged ones
                must agree if the baseline shows the event), and ``equivalent`` that the interval lies within the
                region.
            withhold: withhold estimates that failed a check.

        Columns ``condition``, the contexts if the log has any, ``scope, questions, asked, rate_difference, eti89_lb,
        eti89_ub, claim, comparisons, implied, implied_lb, implied_ub, explained, explained_lb, explained_ub,
        unexplained, unexplained_lb, unexplained_ub, implied_status, judged, total_variation, jensen_shannon, ess_bulk,
        ess_tail, r_hat, status``; ``questions``, ``asked`` and ``judged`` not for a mix. In every context, a condition
        is compared with the baseline in the same context. ``claim`` is ``increase``, ``decrease``, ``equivalent`` or
        ``undecided``; it follows from the interval of this comparison alone, and ``comparisons`` is the number of
        comparisons in the table, some of which are expected to miss (:meth:`pairs` compares all conditions with one
        another).
        ``implied`` is the part of the difference that the persona weights account for, ``explained`` its proportion of
        the difference (where the interval of the difference excludes zero), and ``unexplained`` the rest; a difference
        that they do not account for is no evidence about personas. All exist for these questions only, with a status of
        their own, ``implied_status``, as in :meth:`rates`.
        Every rate is that of the questions that its group was asked, in their logged proportions: where two groups were
        asked different questions, part of a difference is that of their questions. ``questions`` is the number of base
        questions that both were asked, ``asked`` that of those that either was. If there is none that both were asked,
        a difference on these questions is withheld, and nothing is claimed about new ones. On these questions, a claim
        also needs to hold on the questions that both were asked, in the same proportions.
        Jensen-Shannon is in nats. ``judged`` is the proportion of the completions of the condition that can show the
        event (:attr:`~simulacra.formalism.outcomes.Outcome.judged`). If it is small, ``equivalent`` and ``decrease``
        carry little information, because incoherent text never counts as misaligned.

        For new questions, nothing is claimed with fewer than four base questions, and equivalence not with fewer than
        32: too large a part of the kind is unseen (:func:`simulacra.formalism.rates.unseen_share`).

        Raises:
            InputError: there is no outcome, one of its thresholds is not a bin edge, or an unknown condition or scope.
        """
        baseline = self.model.baseline if against is None else against
        if baseline not in self.conditions:
            found = f"contrasts: there is no condition {against!r}"
            raise InputError(found, expected=f"one of {', '.join(self.conditions)}", argument="against")
        terms = self._terms(ci_prob, withhold=withhold)

        def table(chosen: Outcome, draws: xr.DataArray, rates: xr.Dataset) -> pd.DataFrame:
            found = contrast_table(
                against_baseline(draws, baseline),
                [against_baseline(own, baseline) for own in self._quantities.implied(chosen, scope)],
                self._quantities.in_readings("weights"),
                self.diagnostics["weights"],
                rates,
                baseline,
                scope_name(scope),
                chosen_rope(rope, self.rope),
                terms,
            )
            return self._with_implied_marks(found, chosen, baseline)

        chosen = chosen_outcome(outcome, self.prepared)
        if isinstance(chosen, Partition):
            every = by_category(self._quantities.stages(chosen), chosen, self.prepared, scope, table)
            return every.assign(comparisons=len(every))
        rates = self._quantities.rates_of(chosen)
        return table(chosen, rates_in(rates, scope), rates)

    def contrast(
        self,
        group: Group,
        minus: Group,
        *,
        of: str = "rates",
        persona: str | None = None,
        scope: Scope = "these",
        outcome: Outcome | str | None = None,
    ) -> Contrast:
        """The difference between any two groups or means of groups; contrasts can be subtracted from one another.

        Args:
            group: a condition, with its context if the log has contexts: ``"ft"``, ``"condition=ft, trigger=on"`` or a
                mapping. A list stands for the mean of its groups, ``["ft-a", "ft-b"]``, and a mapping of groups to
                shares for a weighted mean, ``{"ft-a": 0.9, "ft-b": 0.1}``.
            minus: the group or mean that is subtracted.
            of: the quantity that is compared: ``"rates"``, ``"implied_rates"`` or ``"weights"``.
            persona: for weights, whose.
            scope: as for :meth:`rates`; rates can be compared in every scope, other quantities on these questions.
            outcome: for rates. Default: the outcome of the model.

        Raises:
            InputError: an unknown group, quantity, persona or scope; no outcome; the same groups on both sides; a group
                without completions in the denominator; or, for these questions, groups without a common question.

        Example:
            The effect of a trigger on a fine-tune beyond its effect on the base model is
            ``result.contrast("ft, trigger=on", "ft, trigger=off") - result.contrast("base, trigger=on", "base,
            trigger=off")``.
        """
        return contrast_of(self._compared(of, persona, scope, outcome), group, minus, persona)

    def pairs(
        self,
        *,
        of: str = "rates",
        persona: str | None = None,
        scope: Scope = "these",
        outcome: Outcome | str | None = None,
    ) -> Contrasts:
        """The difference between every two conditions, in the same context; arguments as for :meth:`contrast`.

        Of two conditions, that which comes first in :attr:`conditions` is subtracted. The size of the family is stated
        in every row and citation; intervals and claims are those of single contrasts.

        Raises:
            InputError: an unknown quantity, persona or scope; no outcome; or a single condition.

        Example:
            ``result.pairs(scope="new").table()`` has one row for every pair, and ``result.pairs()["rate[a] −
            rate[b]"].cite()`` cites one of them.
        """
        return all_pairs(self._compared(of, persona, scope, outcome), persona)

    @computed_once
    def rates(
        self,
        outcome: Outcome | Partition | str | None = None,
        *,
        scope: Scope = "these",
        ci_prob: float | None = None,
        withhold: bool = True,
    ) -> pd.DataFrame:
        """Rate of every condition, in every context in which it was sampled, and the rate that the personas imply.

        Args:
            outcome: event and denominator, or a partition into categories. Default: the outcome of the model.
            scope: the questions that the rates are about: ``"these"``, the logged questions in their logged
                proportions; ``"new"``, new questions of the same kind; or proportions that you state, such as
                ``{"trigger": {"on": 0.01, "off": 0.99}}``, of contexts, of ``"base_question"``, or of both.
            ci_prob: probability of the intervals.
            withhold: withhold estimates that failed a check.

        Columns ``condition``, the contexts if the log has any, ``scope, events, total, judged, rate, eti89_lb,
        eti89_ub, implied, implied_lb, implied_ub, unexplained, unexplained_lb, unexplained_ub, implied_status,
        ess_bulk, ess_tail, r_hat, status``; ``judged`` as in :meth:`contrasts`. ``rate`` is estimated from the events
        alone, without personas (:mod:`simulacra.formalism.rates`), so no check of the personas withholds it.
        ``implied`` is Σ w μ of eq. (7) and ``unexplained`` the rest of the rate, both for these questions;
        ``implied_status`` is why both are withheld, or ``prior-driven`` with the range of the implied rate with other
        archetypes and with none, which exceeds its interval (:mod:`simulacra.inference.sensitivity`). Where personas
        miss two rates by as much, the difference appears explained in :meth:`contrasts`, and the rates do not here. For
        a partition, there is a row for every category, named in the column ``category``; the rates of a group sum to
        one.

        Raises:
            InputError: there is no outcome, one of its thresholds is not a bin edge, or an unknown scope.
        """
        terms = self._terms(ci_prob, withhold=withhold)

        def table(chosen: Outcome, draws: xr.DataArray, rates: xr.Dataset) -> pd.DataFrame:
            found = rate_table(draws, self._quantities.implied(chosen, scope), rates, scope_name(scope), terms)
            return self._with_implied_marks(found, chosen)

        chosen = chosen_outcome(outcome, self.prepared)
        if isinstance(chosen, Partition):
            return by_category(self._quantities.stages(chosen), chosen, self.prepared, scope, table)
        rates = self._quantities.rates_of(chosen)
        return table(chosen, rates_in(rates, scope), rates)

    def in_words(self, scope: Scope = "these") -> str:
        """A scope in words, for display: ``"on these 24 questions (8 base questions)"``.

        Raises:
            InputError: an unknown scope.
        """
        return scope_in_words(self.prepared, scope)

    @computed_once
    def unexplained(self) -> pd.DataFrame:
        """What the personas do not account for in every condition and context, by measurement and jointly.

        ``print(result.unexplained().to_string())`` shows the whole table, of which pandas leaves columns out.

        Columns ``condition``, the contexts if the log has any, ``unexplained``, one column ``in_<measurement>`` per
        measurement, ``p_value, most_missed``. ``unexplained`` is the total variation distance between logged and
        predicted shares of patterns beyond what logs of this size show by chance; ``p_value`` the proportion of
        replicated logs that deviate as much (:mod:`simulacra.inference.misfit`); ``most_missed`` the pattern whose
        share differs most. With several readings (:meth:`readings`), each has rows of its own, numbered in the column
        ``reading`` before ``unexplained``; a condition that any of them leaves unexplained fails the check.

        Raises:
            InputError: the model has no measurements.
        """
        if "misfit" not in self.tree.children:
            raise InputError("The model has no measurements, so there are no patterns to compare")
        return misfit_table(self.tree["misfit"].to_dataset(), self.model.emissions)

    def uncovered(self) -> pd.DataFrame:
        """Texts of every condition that are unlike the references (:mod:`simulacra.inference.uncovered`).

        Columns ``condition``; ``texts``, the number examined; ``uncovered``, how many of them are further from the
        references than texts like these would be; ``expected``, the mean number of such texts by chance; ``excess``,
        the share of the difference; ``p_value``, the probability of as many by chance.

        Raises:
            InputError: the model has no log-likelihoods of texts, or no references.
        """
        if "uncovered" not in self.tree.children:
            raise InputError("The model has no references, so there are no texts to compare with")
        return self.tree["uncovered"].to_dataset().to_dataframe().reset_index()

    @computed_once
    def emissions(self, *, ci_prob: float | None = None, withhold: bool = True) -> pd.DataFrame:
        """Behaviour of every persona: P(category | persona) of every measurement, and P(outcome | persona).

        Columns ``measurement, persona, category, mean, eti89_lb, eti89_ub, ess_bulk, ess_tail, r_hat, status``. If the
        model has an outcome, the last rows have ``outcome_given_persona`` in place of a measurement.
        """
        own = {name: [each[f"{name}_probs"] for each in self.posteriors] for name in self.model.measurements}
        diagnostics = {name: self.diagnostics[f"{name}_probs"] for name in own}
        terms = self._terms(ci_prob, withhold=withhold).of("emissions")
        table = tables.emission_table(own, diagnostics, terms)
        if self.model.outcome is None:
            return table
        events = self.outcome_given_persona(ci_prob=ci_prob, withhold=withhold)
        events.insert(0, "measurement", "outcome_given_persona")
        return pd.concat([table, events], ignore_index=True)

    @computed_once
    def outcome_given_persona(
        self, outcome: Outcome | str | None = None, *, ci_prob: float | None = None, withhold: bool = True
    ) -> pd.DataFrame:
        """P(outcome | persona), μ of eq. (7); by default for the outcome of the model.

        Columns ``persona, mean, eti89_lb, eti89_ub, ess_bulk, ess_tail, r_hat, status``. A ``status`` of
        ``prior-driven`` gives the range of the mean with other archetypes and with none, which exceeds the interval:
        the archetype, and not the log, says how often the persona shows the event
        (:mod:`simulacra.inference.sensitivity`). With several readings, marks are those of the first.

        Raises:
            InputError: there is no outcome, or one of its thresholds is not a bin edge.
        """
        draws, *others = self._quantities.in_readings("outcome_given_persona", outcome=outcome)
        terms = self._terms(ci_prob, withhold=withhold).of("outcome_given_persona")
        table = tables.summary_table(draws, terms, others=others)
        moved = outcome_sensitivity(draws, chosen_outcome(outcome, self.prepared), self.posterior, self.prepared)
        return marked_prior(table, moved.to_numpy(), tables.bounds(terms.ci_prob))

    @computed_once
    def scales(self, *, ci_prob: float | None = None, withhold: bool = True) -> pd.DataFrame:
        """Standard deviation σ of the effects of every group-specific term of the formula, in ILR coordinates.

        Columns ``term, mean, eti89_lb, eti89_ub, ess_bulk, ess_tail, r_hat, status``.

        Raises:
            InputError: the formula has no such term.
        """
        draws, *others = self._quantities.in_readings("scales")
        terms = self._terms(ci_prob, withhold=withhold).of("scales")
        return tables.summary_table(draws, terms, others=others, distance=np.inf)

    def responsibilities(self, log: CompletionLog | None = None) -> pd.DataFrame:
        """P(persona | completion) for every row of the log, as in scikit-learn's ``predict_proba``; rows in log order.

        Posterior means over draws; every row sums to one, or is NaN for references, whose persona is known.

        Args:
            log: the fitted log. Required if the result was loaded from a file or fitted to counts or a scanned log.

        Raises:
            InputError: the log is required and not given, or it is not the log that was fitted.
        """
        collapsed = self.collapsed if log is None else collapse_again(self.prepared, log)
        mean = row_responsibilities(self.posterior, self.prepared, collapsed)
        return pd.DataFrame(mean, columns=list(self.personas))

    def attributions(self, log: CompletionLog, *, texts: bool = True, withhold: bool = True) -> pd.DataFrame:
        """The completions of the log, each with the responsibility of every persona; rows in log order.

        Columns ``condition, <contexts>, question_id, base_question, completion, <measurements>``, a column
        ``responsibility_<persona>`` for every persona, and ``persona_status, source, record``. A responsibility
        is withheld (NaN) wherever the weight of the persona in the condition is, since weights are averages of
        responsibilities; ``persona_status`` gives the reason, and the marks of :meth:`weights`. The
        responsibilities of one completion follow from its measurements, not from its text, so that completions with the
        same measurements on the same question have the same; they do not include the uncertainty of the posterior, of
        which they are the mean.

        Args:
            log: the log that was fitted.
            texts: whether to include the completions themselves.
            withhold: whether estimates that failed a check are withheld.

        Raises:
            InputError: it is not the log that was fitted.
        """
        statuses = {(row["condition"], row["persona"]): row["status"] for row in self.weights().to_dict("records")}
        return attributions(log, self.responsibilities(log), statuses, texts=texts, withhold=withhold)

    def summary(self, *, var_names: Sequence[str] | None = None, ci_prob: float | None = None) -> pd.DataFrame:
        """ArviZ's summary (mean, sd, interval, ESS, R-hat, MCSE) of weights, implied rates, emissions and scales.

        Nothing is withheld, even if checks failed, and intervals are those of the draws. For numbers in a paper use
        :meth:`cite` or the other tables, which withhold estimates that failed a check and extend some intervals.
        """
        names = list(var_names) if var_names else [str(name) for name in self.posterior.data_vars if name != "latents"]
        return tables.arviz_table(self.tree, names, chosen_probability(ci_prob, self.ci_prob))

    def to_datatree(self, *, log_likelihood: Unit | None = None) -> xr.DataTree:
        """The result for ArviZ's functions (:mod:`simulacra.inference.datatree`); nothing is withheld.

        Unlike :attr:`tree`, ``observed_data`` and ``posterior_predictive`` have one value per completion, the code of
        its category, and latents are left out. Rates have chains of their own, and are not contained:
        ``result.draws("rates").to_dataset()``.

        Args:
            log_likelihood: the unit of the group of that name, which is left out by default. ``"completion"``, for
                ``loo``: prediction of another completion to a question that was logged; draws of all groups are
                thinned if there would be more than 34 million values. ``"question"``, all completions to a base
                question, for ``psense``. Do not pass this to ``loo``: without the completions to a question its effect
                is unknown, and importance sampling fails (Pareto k). :func:`simulacra.analysis.compare` predicts new
                questions by refitting.

        Raises:
            InputError: an unknown unit, or ``"completion"`` for log-likelihoods of texts.
        """
        return to_datatree(self.tree, self.prepared, log_likelihood)

    @property
    def citable(self) -> tuple[str, ...]:
        """The keys that :meth:`cite` accepts, including those of withheld estimates."""
        return citable(self._citable(self.ci_prob))

    def cite(
        self,
        key: str,
        *,
        outcome: Outcome | Partition | str | None = None,
        scope: Mapping[str, Mapping[Hashable, float]] | None = None,
        ci_prob: float | None = None,
    ) -> Citation:
        """One estimate with its interval, diagnostics and provenance.

        Args:
            key: ``weight[condition, persona]``, ``shift[condition, persona]``, ``outcome_given_persona[persona]``,
                ``rate[condition]`` and ``rate_difference[condition]`` on these questions, ``new_rate[condition]`` and
                ``new_rate_difference[condition]`` for new ones, ``implied_rate[condition]`` or
                ``unexplained[condition]``; if the log has contexts, as in ``rate[condition, trigger=on]``. All but the
                first two refer to the outcome of the model. :attr:`citable` lists all keys. For a mix,
                ``mix_rate[condition]`` or ``mix_rate_difference[condition]``.
            outcome: another outcome, for rates and their differences; or a partition, whose keys name a category,
                ``rate[condition, category=incoherent]``.
            scope: proportions, as in :meth:`rates`; only for the keys of a mix.
            ci_prob: probability of the interval.

        Raises:
            InputError: the key does not exist (the message lists those that do), or the estimate is withheld (with the
                reason).

        Example:
            ``str(result.cite("rate_difference[insecure]"))`` is ``"0.175 on these 24 questions (8 base questions) (89%
            ETI 0.161–0.189; R̂ 1.00, ESS 2 113; one of 4 comparisons; simulacra 0.1.0, data 3f9a61c2…)"``.
        """
        ci_prob = chosen_probability(ci_prob, self.ci_prob)
        renamed = lost_names(self.model.names, self.personas, self.failed)
        if scope is not None:
            tables = self._citable_mix(scope, ci_prob, outcome)
        elif outcome is not None:
            tables = citable_rates(functools.partial(self._table, ci_prob, outcome=outcome), self.in_words, ci_prob)
        else:
            tables = self._citable(ci_prob)
        return find(key, tables, self.provenance(outcome), probability=ci_prob, renamed=renamed)

    def provenance(self, outcome: Outcome | Partition | str | None = None) -> Provenance:
        """Model, data, seed and version of the numbers of this result, for the outcome of the model or another."""
        version, seed = str(self.tree.attrs["inference_library_version"]), int(self.settings["seed"])
        loosened = self.thresholds.loosened
        return provenance_of(self.prepared, self.personas, outcome, seed=seed, version=version, loosened=loosened)

    def save(self, path: str | Path) -> Path:
        """Write the draws to ``path`` (netCDF) and everything else next to it (JSON).

        If writing fails, existing files remain unchanged.

        Raises:
            InputError: ``path`` does not end in ``.nc``, or an emission could not be rebuilt from its configuration.
        """
        return write_result(Stored(self.tree, self.prepared, self.checks, self.settings, self.notes), Path(path))

    @classmethod
    def load(cls, path: str | Path) -> "Result":
        """Read a result written by :meth:`save`.

        Raises:
            InputError: one of the two files is missing, damaged or of another format version, they were not written
                together, or they contain an emission of an unknown kind.
        """
        return cls(**read_result(Path(path))._asdict())

    def __repr__(self) -> str:
        settings = self.settings
        said = f"; what was changed or left out: .notes ({len(self.notes)})" if self.notes else ""
        return card(
            self._headline(),
            f"conditions: {listing(self.conditions)}",
            f"personas: {listing(self.personas)}",
            f"outcome: {self.model.outcome or 'none'}; baseline: {self.model.baseline}",
            f"failed: {listing(dict.fromkeys(check.name for check in self.failed))}; affected estimates are withheld"
            if self.failed
            else "",
            f"{settings['num_chains']} chains of {grouped(settings['num_samples'])} draws, {settings['engine']}, "
            f"seed {settings['seed']}{said}",
            "next: result.contrasts(), .rates(), .shifts(), .weights(), .unexplained(), .failed,",
            '.draws("weights"), .cite(key), .save(path); write_report(result, path)',
        )

    def _repr_html_(self) -> str:
        claims = "" if self.model.outcome is None else tables.claims_html(self.contrasts(), self.model.baseline)
        return html_card(self._headline(), claims, checks_html(self.checks))

    def _headline(self) -> str:
        passed = len(self.checks) - len(self.failed)
        return (
            f"Result: {len(self.personas)} personas in {len(self.conditions)} conditions, "
            f"{grouped(len(self.collapsed))} completions; {passed} of {len(self.checks)} checks passed"
        )

    def _terms(self, ci_prob: float | None = None, *, withhold: bool = True) -> Terms:
        return Terms(self.failed, self.thresholds, self.ci_prob, withhold, self.absent).at(ci_prob)

    def _compared(self, of: str, persona: str | None, scope: Scope, outcome: Outcome | str | None) -> Compared:
        return compared(
            of,
            persona,
            scope,
            outcome,
            self._quantities,
            terms=self._terms().of,
            provenance=self.provenance(outcome),
            absent=self.absent,
            rope=self.rope,
        )

    def _with_implied_marks(self, table: pd.DataFrame, outcome: Outcome, baseline: str | None = None) -> pd.DataFrame:
        """A table of rates, or of their contrasts with a baseline, with marks of what the personas imply for them."""
        if "implied" not in table:
            return table
        moved = self._quantities.implied_moved(outcome)
        means = moved if baseline is None else against_baseline(moved, baseline)
        return marked_prior(table, means.to_numpy(), ("implied_lb", "implied_ub"), "implied_status")

    @functools.cached_property
    def _computed(self) -> dict[tuple[Any, ...], Any]:
        """Values by method and arguments; filled on demand by :func:`~simulacra.inference.once.computed_once`."""
        return {}

    @computed_once
    def _citable(self, ci_prob: float) -> dict[str, Citable]:
        rated = self.model.outcome is not None
        return citable_tables(functools.partial(self._table, ci_prob), self.in_words, ci_prob, rated=rated)

    def _citable_mix(
        self,
        scope: Mapping[str, Mapping[Hashable, float]],
        ci_prob: float,
        outcome: Outcome | Partition | str | None,
    ) -> dict[str, Citable]:
        rates = self.rates(outcome, scope=scope, ci_prob=ci_prob)
        contrasts = self.contrasts(outcome, scope=scope, ci_prob=ci_prob)
        return citable_mix(rates, contrasts, self.in_words(scope), ci_prob)

    def _table(self, ci_prob: float, name: str, **arguments: Any) -> pd.DataFrame:
        """The table of the draws of a name; for those that have no method, mean, interval and diagnostics."""
        if name not in ("implied_rates", "implied_contrasts"):
            table: pd.DataFrame = getattr(self, name)(ci_prob=ci_prob, **arguments)
            return table
        draws, *others = self._quantities.in_readings(name)
        return tables.summary_table(draws, self._terms(ci_prob).of("implied_rates"), others=others)
