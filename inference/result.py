"""The fitted result: draws in the ArviZ schema, tables for people, and the warrant for each number."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import pandas as pd
import xarray as xr

from simulacra.data import Account, CollapsedLog, CompletionLog
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, html_card, listing
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.weights import WeightDesign
from simulacra.inference import tables
from simulacra.inference.citation import Citable, Citation, citable, citable_tables, find, lost_names, provenance_of
from simulacra.inference.diagnostics import Check, Thresholds, checks_html, convergence
from simulacra.inference.draws import chosen_outcome, take_draws
from simulacra.inference.prepare import Prepared
from simulacra.inference.responsibilities import collapse_again, row_responsibilities
from simulacra.inference.store import Stored, read_result, write_result
from simulacra.inference.tables import CI_PROB, Terms

__all__ = ["Result"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What follows from a model and a log.

    ``result.weights()`` is a table, a DataFrame; ``result.draws("weights")`` are the draws that it summarises. The same
    holds for ``shifts``, ``rates``, ``contrasts``, ``outcome_given_persona``, ``emissions`` and ``scales``.

    Attributes:
        tree: all draws and data, an ``xarray.DataTree`` in the ArviZ schema.
        prepared: model, evaluated formula and counts.
        checks: every check and whether it passed.
        settings: how it was sampled: seed, engine, numbers of draws.
        notes: what was left out or changed on the way, for people.

    Tables withhold what did not pass: the number is NaN and ``status`` says why. ``withhold=False`` shows it all the
    same; then the responsibility is yours. ``ci_prob`` is the probability of their intervals, which are equal-tailed
    and named after it: ``ci_prob=0.95`` gives the columns ``eti95_lb`` and ``eti95_ub``. One outside (0, 1) raises
    ``InputError``.
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
        """The checks that failed, each with the usual remedy."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def posterior(self) -> xr.Dataset:
        """The posterior group."""
        return self.tree["posterior"].to_dataset()

    @property
    def model(self) -> PersonaMixture:
        """The model that was fitted, without personas that had nothing to explain."""
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
        """What reading the log did: renamed columns, values read as missing, rows left out, duplicates."""
        return self.collapsed.account

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions, the baseline first."""
        return self.prepared.conditions

    @property
    def personas(self) -> tuple[str, ...]:
        """Names of the personas as they stand after the name gates."""
        return tuple(map(str, self.posterior["persona"].to_numpy()))

    @functools.cached_property
    def diagnostics(self) -> xr.Dataset:
        """R-hat and bulk and tail ESS of weights, rates, emissions and scales, along ``diagnostic``."""
        names = [name for name in self.posterior.data_vars if name != "latents"]
        return convergence(self.posterior, [str(name) for name in names])

    @overload
    def draws(self, name: Literal["emissions"]) -> xr.Dataset: ...
    @overload
    def draws(
        self,
        name: Literal["weights", "shifts", "rates", "contrasts", "outcome_given_persona", "scales"],
        *,
        by: str = ...,
        outcome: Outcome | None = ...,
    ) -> xr.DataArray: ...
    def draws(self, name: str, *, by: str = "condition", outcome: Outcome | None = None) -> xr.DataArray | xr.Dataset:
        """The draws that the table of the same name summarises, dims ``(chain, draw, ...)``; nothing is withheld.

        Args:
            name: ``"weights"``, dims ``condition, persona``, in [0, 1], summing to one over personas; ``"shifts"``,
                the same less the baseline's; ``"rates"``, implied, dim ``condition``; ``"contrasts"``, the same less
                the baseline's; ``"outcome_given_persona"``, dim ``persona``; ``"scales"``, dim ``term``; or
                ``"emissions"``, a Dataset with a variable for every measurement, dims ``persona, <name>_category``.
            by: of weights: ``"condition"``, averaged over the condition's logged completions; or ``"cell"``, dim
                ``cell`` with the cell's columns as coordinates.
            outcome: of rates, contrasts and ``outcome_given_persona``; the model's own when left out.

        Raises:
            InputError: an unknown name or ``by``; an argument that the quantity does not have; or no outcome.
        """
        return take_draws(name, self.posterior, self.prepared, by=by, outcome=outcome)

    def weights(self, *, ci_prob: float = CI_PROB, withhold: bool = True) -> pd.DataFrame:
        """Weight of every persona in every condition, averaged over the condition's logged completions.

        Columns ``condition, persona, mean, eti89_lb, eti89_ub, ess_bulk, ess_tail, r_hat, status``.
        """
        weights = self.draws("weights")
        size = weights.mean(("chain", "draw")).to_numpy()
        terms = self._terms(ci_prob, withhold=withhold)
        return tables.summary_table(weights, terms, diagnostics=self.diagnostics["weights"], size=size)

    def shifts(self, *, ci_prob: float = CI_PROB, withhold: bool = True) -> pd.DataFrame:
        """δ of eq. (8): weight minus the baseline's, for every other condition and persona.

        Columns ``condition, persona, mean, eti89_lb, eti89_ub, p_gt_0, log_ratio, ess_bulk, ess_tail, r_hat,
        status``; ``log_ratio`` is the mean shift of the centred log-ratio in nats. A shift of weights alone is not
        news: read ``contrasts()`` for what may be claimed.
        """
        return tables.shift_table(self.draws("weights"), self.model.baseline, self._terms(ci_prob, withhold=withhold))

    def contrasts(
        self,
        outcome: Outcome | None = None,
        *,
        rope: float = 0.01,
        ci_prob: float = CI_PROB,
        withhold: bool = True,
    ) -> pd.DataFrame:
        """What may be claimed of every condition against the baseline.

        Args:
            outcome: the model's own when left out.
            rope: half-width of the region of practical equivalence of the rate difference, a probability.
            ci_prob: probability of the intervals. ``increase`` says that the interval lies above ``rope``,
                ``decrease`` that it lies below ``-rope``, so the claims follow it: ``equivalent`` takes a probability
                of ``(1 + ci_prob) / 2`` within ``rope``.
            withhold: leave out numbers whose checks failed.

        Columns ``condition, rate_difference, eti89_lb, eti89_ub, claim, judged, total_variation, jensen_shannon,
        ess_bulk, ess_tail, r_hat, status``. ``claim`` is ``increase``, ``decrease``, ``equivalent`` or ``undecided``;
        Jensen-Shannon is in nats. ``judged`` is the share of the condition's completions in which the event could be
        seen (:attr:`~simulacra.formalism.outcomes.Outcome.judged`). Where it is small, ``equivalent`` and ``decrease``
        say little: gibberish is never misaligned.

        Raises:
            InputError: no outcome, or one that the model's bins cannot answer.
        """
        chosen = chosen_outcome(outcome, self.prepared)
        rates, terms = self.draws("rates", outcome=chosen), self._terms(ci_prob, withhold=withhold)
        return tables.contrast_table(rates, self.draws("weights"), self.prepared, chosen, rope, terms)

    def rates(self, outcome: Outcome | None = None, *, ci_prob: float = CI_PROB, withhold: bool = True) -> pd.DataFrame:
        """Observed and implied rate of every condition, eq. (7), side by side.

        Args:
            outcome: event and denominator; the model's own when left out.
            ci_prob: probability of both kinds of intervals.
            withhold: leave out implied rates whose checks failed. Observed rates are always shown.

        Columns ``condition, events, total, judged, observed, observed_lb, observed_ub, implied, eti89_lb, eti89_ub,
        ess_bulk, ess_tail, r_hat, status``; ``judged`` as in :meth:`contrasts`. The observed interval is a
        Korn-Graubard interval clustered by base question, the implied one an equal-tailed posterior interval for
        these questions, not for new ones.

        Raises:
            InputError: no outcome, or one that the model's bins cannot answer.
        """
        chosen = chosen_outcome(outcome, self.prepared)
        rates, terms = self.draws("rates", outcome=chosen), self._terms(ci_prob, withhold=withhold)
        return tables.rate_table(rates, self.prepared, chosen, terms)

    def emissions(self, *, ci_prob: float = CI_PROB, withhold: bool = True) -> pd.DataFrame:
        """What every persona does: P(category | persona) of every measurement, and P(outcome | persona).

        Columns ``measurement, persona, category, mean, eti89_lb, eti89_ub, ess_bulk, ess_tail, r_hat, status``; the
        last rows have ``outcome_given_persona`` in place of a measurement, where the model has an outcome.
        """
        own = {str(name): draws for name, draws in self.draws("emissions").data_vars.items()}
        diagnostics = {name: self.diagnostics[f"{name}_probs"] for name in own}
        for name in {"outcome_given_persona"} & set(self.posterior.data_vars):
            own[name], diagnostics[name] = self.draws("outcome_given_persona"), self.diagnostics[name]
        return tables.emission_table(own, diagnostics, self._terms(ci_prob, withhold=withhold))

    def outcome_given_persona(
        self, outcome: Outcome | None = None, *, ci_prob: float = CI_PROB, withhold: bool = True
    ) -> pd.DataFrame:
        """P(outcome | persona), μ of eq. (7); the model's own outcome when left out.

        Columns ``persona, mean, eti89_lb, eti89_ub, ess_bulk, ess_tail, r_hat, status``.

        Raises:
            InputError: no outcome, or one that the model's bins cannot answer.
        """
        draws = self.draws("outcome_given_persona", outcome=outcome)
        return tables.summary_table(draws, self._terms(ci_prob, withhold=withhold))

    def scales(self, *, ci_prob: float = CI_PROB, withhold: bool = True) -> pd.DataFrame:
        """Standard deviation σ of the effects of every group-specific term of the formula, in ILR coordinates.

        Columns ``term, mean, eti89_lb, eti89_ub, ess_bulk, ess_tail, r_hat, status``.

        Raises:
            InputError: the formula has no such term.
        """
        return tables.summary_table(self.draws("scales"), self._terms(ci_prob, withhold=withhold))

    def responsibilities(self, log: CompletionLog | None = None) -> pd.DataFrame:
        """P(persona | completion) for every row of the log: scikit-learn's ``predict_proba``, rows in log order.

        Posterior means over draws; every row sums to one, or is NaN for references, whose persona is known.

        Args:
            log: the log that was fitted. A fresh result knows its rows; one that was loaded, or fitted to counts,
                needs the log.

        Raises:
            InputError: the rows are not known and no log was given, or it is not the log that was fitted.
        """
        collapsed = self.collapsed if log is None else collapse_again(self.prepared, log)
        mean = row_responsibilities(self.posterior, self.prepared, collapsed)
        return pd.DataFrame(mean, columns=list(self.personas))

    def summary(self, *, var_names: Sequence[str] | None = None, ci_prob: float = CI_PROB) -> pd.DataFrame:
        """ArviZ's summary (mean, sd, interval, ESS, R-hat, MCSE) of weights, rates, emissions and scales.

        ArviZ's view of the draws: it withholds nothing, whatever failed, no more than :attr:`tree` does. Numbers for a
        paper come from :meth:`cite` and the other tables, which withhold what did not pass.
        """
        names = list(var_names) if var_names else [str(name) for name in self.posterior.data_vars if name != "latents"]
        return tables.arviz_table(self.tree, names, ci_prob)

    @property
    def citable(self) -> tuple[str, ...]:
        """The keys that :meth:`cite` knows, withheld ones too."""
        return citable(self._citable(CI_PROB))

    def cite(self, key: str, *, ci_prob: float = CI_PROB) -> Citation:
        """One estimate with all that a reader needs to believe it.

        Args:
            key: ``weight[condition, persona]``, ``shift[condition, persona]``, ``outcome_given_persona[persona]``,
                ``implied_rate[condition]``, ``observed_rate[condition]`` or ``rate_difference[condition]``; the last
                four of the model's own outcome. :attr:`citable` lists them.
            ci_prob: probability of the interval.

        Raises:
            InputError: no such key, with those that exist; a number that is withheld, with the reason; or a rate of no
                completions.

        Example:
            ``str(result.cite("shift[insecure, misaligned]"))`` is
            ``"0.312 (89% ETI 0.273–0.350; R̂ 1.00, ESS 2 113; simulacra 0.1.0, data 3f9a61c2…)"``.
        """
        version = str(self.tree.attrs["inference_library_version"])
        provenance = provenance_of(self.prepared, self.personas, seed=int(self.settings["seed"]), version=version)
        renamed = lost_names(self.model.names, self.personas, self.failed)
        return find(key, self._citable(ci_prob), provenance, probability=ci_prob, renamed=renamed)

    def save(self, path: str | Path) -> Path:
        """Write the result to ``path`` (netCDF) and its settings beside it (JSON); whole or not at all.

        Raises:
            InputError: ``path`` does not end in ``.nc``, or an emission could not be rebuilt from its configuration.
        """
        return write_result(Stored(self.tree, self.prepared, self.checks, self.settings, self.notes), Path(path))

    @classmethod
    def load(cls, path: str | Path) -> "Result":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: one of the two files is missing, damaged or of another format version, or they hold an emission
                of unknown kind.
        """
        return cls(**read_result(Path(path))._asdict())

    def __repr__(self) -> str:
        settings = self.settings
        return card(
            self._headline(),
            f"conditions: {listing(self.conditions)}",
            f"personas: {listing(self.personas)}",
            f"outcome: {self.model.outcome or 'none'}; baseline: {self.model.baseline}",
            f"failed: {listing(dict.fromkeys(check.name for check in self.failed))}; what they concern is withheld"
            if self.failed
            else "",
            f"{settings['num_chains']} chains of {grouped(settings['num_samples'])} draws by {settings['engine']}, "
            f"seed {settings['seed']}",
            "next: result.contrasts(), .rates(), .shifts(), .weights(), .emissions(), .failed,",
            f'{"  " * 3}.draws("weights"), .cite(key), .save(path); write_report(result, path)',
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

    def _terms(self, ci_prob: float, *, withhold: bool) -> Terms:
        return Terms(self.failed, Thresholds(**self.settings["thresholds"]), ci_prob, withhold)

    @functools.cached_property
    def _cited(self) -> dict[float, dict[str, Citable]]:
        """What can be cited, by the probability of intervals; filled on demand."""
        return {}

    def _citable(self, ci_prob: float) -> dict[str, Citable]:
        if ci_prob not in self._cited:
            rated = self.model.outcome is not None
            self._cited[ci_prob] = citable_tables(
                lambda name: getattr(self, name)(ci_prob=ci_prob), ci_prob, rated=rated
            )
        return self._cited[ci_prob]
