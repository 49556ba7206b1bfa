"""The fitted result: draws in the ArviZ schema, tables for people, and the warrant for each number."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr

from simulacra.data import CollapsedLog, CompletionLog, collapse
from simulacra.data.numerals import grouped
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.mixture import responsibilities
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.shifts import claim, jensen_shannon, log_ratio, total_variation
from simulacra.inference.citation import Citable, Citation, Provenance, citable, find
from simulacra.inference.diagnostics import Check, Thresholds, check_implied, convergence
from simulacra.inference.posterior import weights_of_cells
from simulacra.inference.prepare import Prepared
from simulacra.inference.rates import implied_rates, judged_shares, observed_rates
from simulacra.inference.sampling.initialise import component_probabilities
from simulacra.inference.store import Stored, read_result, write_result
from simulacra.inference.texts import point_responsibilities

__all__ = ["Result"]

INTERVAL = 0.89
"""Probability of every reported interval: equal-tailed, ArviZ's default, columns ``eti89_lb`` and ``eti89_ub``."""
ENDS = ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2)
"""The quantiles at which these intervals begin and end."""


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What follows from a model and a log.

    Attributes:
        tree: all draws and data, an ``xarray.DataTree`` in the ArviZ schema.
        prepared: model, evaluated formula and counts.
        checks: every check and whether it passed.
        settings: how it was sampled: seed, engine, numbers of draws.
        notes: what was left out or changed on the way, for people.

    Tables withhold what did not pass: the number is NaN and ``status`` says why. ``withhold=False`` shows it all the
    same; then the responsibility is yours.
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
        """The checks that failed, each with what usually mends it."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def posterior(self) -> xr.Dataset:
        """The posterior group."""
        return self.tree["posterior"].to_dataset()

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

    def weights(self, *, by: str = "condition") -> xr.DataArray:
        """Persona weights, dims ``(chain, draw, condition, persona)``, in [0, 1], summing to one over personas.

        Args:
            by: ``"condition"``, averaged over the condition's logged completions; or ``"cell"``, dims
                ``(chain, draw, cell, persona)`` with the cell's columns as coordinates.

        Raises:
            InputError: another ``by``.
        """
        if by == "condition":
            return self.posterior["weights"]
        if by != "cell":
            raise InputError(f"weights(by={by!r}): expected 'condition' or 'cell'", argument="by")
        values = weights_of_cells(self.prepared.design.basis, self.posterior["latents"].to_numpy())
        cells = {
            name: ("cell", self.tree["constant_data"][f"cell_{name}"].to_numpy()) for name in self.prepared.design.cells
        }
        coords = {"persona": list(self.personas), **cells}
        return xr.DataArray(values, dims=("chain", "draw", "cell", "persona"), coords=coords, name="weights")

    def weight_table(self, *, withhold: bool = True) -> pd.DataFrame:
        """Weight of every persona in every condition: mean, 89% interval, diagnostics and status."""
        weights = self.posterior["weights"]
        size = weights.mean(("chain", "draw")).to_numpy()
        return self._table(weights, self.diagnostics["weights"], size=size, withhold=withhold)

    def shifts(self, *, withhold: bool = True) -> pd.DataFrame:
        """δ of eq. (8): weight minus the baseline's, for every other condition and persona.

        Columns ``condition, persona, mean, eti89_lb, eti89_ub, p_gt_0, log_ratio, ess_bulk, ess_tail, r_hat,
        status``; ``log_ratio`` is the mean shift of the centred log-ratio in nats. A shift of weights alone is not
        news: read ``contrasts()`` for what may be claimed.
        """
        weights = self.posterior["weights"]
        baseline = weights.sel(condition=self.prepared.model.baseline, drop=True)
        others = weights.sel(condition=list(self.conditions[1:]))
        difference = others - baseline
        diagnostics = convergence(difference.to_dataset(name="shift"), ["shift"])["shift"]
        size = np.maximum(others.mean(("chain", "draw")).to_numpy(), baseline.mean(("chain", "draw")).to_numpy())
        table = self._table(difference, diagnostics, size=size, withhold=withhold)
        ratios = log_ratio(others.to_numpy(), baseline.to_numpy()[:, :, None, :]).mean(axis=(0, 1)).ravel()
        table.insert(5, "p_gt_0", (difference > 0).mean(("chain", "draw")).to_numpy().ravel())
        table.insert(6, "log_ratio", ratios)
        if withhold:
            table.loc[table["status"].str.startswith("withheld"), ["p_gt_0", "log_ratio"]] = np.nan
        return table

    def contrasts(self, outcome: Outcome | None = None, *, rope: float = 0.01, withhold: bool = True) -> pd.DataFrame:
        """What may be claimed of every condition against the baseline.

        Args:
            outcome: the model's own when left out.
            rope: half-width of the region of practical equivalence of the rate difference, a probability.
            withhold: leave out numbers whose checks failed.

        Columns ``condition, rate_difference, eti89_lb, eti89_ub, claim, judged, total_variation, jensen_shannon,
        ess_bulk, ess_tail, r_hat, status``. ``claim`` is ``increase``, ``decrease``, ``equivalent`` or ``undecided``;
        Jensen-Shannon is in nats. ``judged`` is the share of the condition's completions in which the event could be
        seen (:attr:`~simulacra.formalism.outcomes.Outcome.judged`). Where it is small, ``equivalent`` and ``decrease``
        say little: gibberish is never misaligned.

        Raises:
            InputError: no outcome, or one that the model's bins cannot answer.
        """
        outcome = self._outcome(outcome)
        rate = self._implied(outcome)
        difference = rate.sel(condition=list(self.conditions[1:])) - rate.sel(
            condition=self.prepared.model.baseline, drop=True
        )
        table = self._table(
            difference,
            convergence(difference.to_dataset(name="rate"), ["rate"])["rate"],
            against=self.prepared.model.baseline,
            failed=self._failed_for(outcome, rate),
            withhold=withhold,
        ).rename(columns={"mean": "rate_difference"})
        weights = self.posterior["weights"]
        baseline = weights.sel(condition=self.prepared.model.baseline).to_numpy()[:, :, None, :]
        others = weights.sel(condition=list(self.conditions[1:])).to_numpy()
        claims = [claim(difference.sel(condition=name).to_numpy(), rope=rope) for name in self.conditions[1:]]
        table.insert(4, "claim", claims)
        table.insert(5, "judged", judged_shares(self.prepared, outcome)[1:])
        table.insert(6, "total_variation", total_variation(others, baseline).mean(axis=(0, 1)))
        table.insert(7, "jensen_shannon", jensen_shannon(others, baseline).mean(axis=(0, 1)))
        if withhold:
            held = table["status"].str.startswith("withheld")
            table.loc[held, ["total_variation", "jensen_shannon"]] = np.nan
            table.loc[held, "claim"] = "withheld"
        return table

    def rates(self, outcome: Outcome | None = None, *, withhold: bool = True) -> pd.DataFrame:
        """Observed and implied rate of every condition, eq. (7), side by side.

        Args:
            outcome: event and denominator; the model's own when left out.
            withhold: leave out implied rates whose checks failed. Observed rates are always shown.

        Columns ``condition, events, total, judged, observed, observed_lb, observed_ub, implied, eti89_lb, eti89_ub,
        ess_bulk, ess_tail, r_hat, status``; ``judged`` as in :meth:`contrasts`. The observed interval is an 89%
        Korn-Graubard interval clustered by base question, the implied one an 89% equal-tailed posterior interval for
        these questions, not for new ones.

        Raises:
            InputError: no outcome, or one that the model's bins cannot answer.
        """
        outcome = self._outcome(outcome)
        implied = self._implied(outcome)
        table = self._table(
            implied,
            convergence(implied.to_dataset(name="rate"), ["rate"])["rate"],
            failed=self._failed_for(outcome, implied),
            withhold=withhold,
        ).rename(columns={"mean": "implied"})
        observed = observed_rates(self.prepared, outcome, probability=INTERVAL)
        rows = [observed[name] for name in self.conditions]
        table.insert(1, "events", [row.events for row in rows])
        table.insert(2, "total", [row.total for row in rows])
        table.insert(3, "judged", judged_shares(self.prepared, outcome))
        table.insert(4, "observed", [row.rate for row in rows])
        table.insert(5, "observed_lb", [row.lower for row in rows])
        table.insert(6, "observed_ub", [row.upper for row in rows])
        return table

    def emissions(self, *, withhold: bool = True) -> pd.DataFrame:
        """What every persona does: P(category | persona) of every measurement, and P(outcome | persona)."""
        parts = []
        names = [f"{name}_probs" for name in self.prepared.model.measurements]
        for name in [*names, *(["outcome_given_persona"] if "outcome_given_persona" in self.posterior else [])]:
            table = self._table(self.posterior[name], self.diagnostics[name], withhold=withhold)
            table.insert(0, "measurement", name.removesuffix("_probs"))
            parts.append(table.rename(columns={f"{name.removesuffix('_probs')}_category": "category"}))
        nothing = pd.DataFrame(columns=["measurement", "persona", "mean", "status"])
        return pd.concat(parts, ignore_index=True) if parts else nothing

    def responsibilities(self, log: CompletionLog | None = None) -> pd.DataFrame:
        """P(persona | completion) for every row of the log: scikit-learn's ``predict_proba``, rows in log order.

        Posterior means over draws; every row sums to one, or is NaN for references, whose persona is known.

        Args:
            log: the log that was fitted. A fresh result knows its rows; one that was loaded, or fitted to counts,
                needs the log.

        Raises:
            InputError: the rows are not known and no log was given, or it is not the log that was fitted.
        """
        collapsed = self.prepared.collapsed if log is None else self._collapse_again(log)
        if collapsed.row_cell is None or collapsed.row_pattern is None:
            raise InputError(
                "responsibilities(): this result holds counts, not rows: it was loaded from a file, or fitted to a "
                "scanned log. Pass the log: responsibilities(read_completions(...))",
                argument="log",
            )
        if self.prepared.texts is not None and collapsed.texts is not None:
            mean = point_responsibilities(self.prepared, self.prepared.texts, self._parameters())
            padded = np.vstack([mean, np.full(mean.shape[1], np.nan)])  # the last row is that of references
            return pd.DataFrame(padded[collapsed.texts.row_point], columns=list(self.personas))
        weights = self.weights(by="cell").to_numpy()
        total = np.zeros((weights.shape[2], len(self.prepared.patterns), weights.shape[3]))
        tables = [self.posterior[f"{name}_probs"].to_numpy() for name in self.prepared.model.measurements]
        for chain, draw in np.ndindex(weights.shape[:2]):
            components = component_probabilities([table[chain, draw] for table in tables], self.prepared.patterns)
            total += responsibilities(weights[chain, draw], components)
        mean = total / weights.shape[0] / weights.shape[1]
        rows = self.prepared.design.rows[collapsed.row_cell]
        return pd.DataFrame(mean[rows, collapsed.row_pattern], columns=list(self.personas))

    def _collapse_again(self, log: CompletionLog) -> CollapsedLog:
        own = self.prepared.collapsed
        model = self.prepared.model
        by = tuple(own.cells.columns)
        again = collapse(log, model.emissions, by, likelihood=model.likelihood, personas=model.names)
        if again.content_hash != own.content_hash:
            raise InputError(
                f"This is not the log that was fitted: its counts hash to {again.content_hash[:12]}…, those of the fit "
                f"to {own.content_hash[:12]}…. Read the same files with the same options",
                argument="log",
            )
        return again

    def summary(self, *, var_names: Sequence[str] | None = None) -> pd.DataFrame:
        """ArviZ's summary (mean, sd, eti89, ESS, R-hat, MCSE) of weights, rates, emissions and scales.

        ArviZ's view of the draws: it withholds nothing, whatever failed, no more than :attr:`tree` does. Numbers for a
        paper come from :meth:`cite` and the other tables, which withhold what did not pass.
        """
        names = list(var_names) if var_names else [str(name) for name in self.posterior.data_vars if name != "latents"]
        table = arviz_stats.summary(  # type: ignore[attr-defined, unused-ignore]
            self.tree,
            var_names=names,
            ci_prob=INTERVAL,
            ci_kind="eti",
            round_to="none",  # pyright: ignore[reportArgumentType] (its documented value)
        )
        return pd.DataFrame(table)

    @property
    def citable(self) -> tuple[str, ...]:
        """The keys that :meth:`cite` knows, withheld ones too."""
        return citable(self._citable)

    def cite(self, key: str) -> Citation:
        """One estimate with all that a reader needs to believe it.

        Args:
            key: ``weight[condition, persona]``, ``shift[condition, persona]``, ``outcome_given_persona[persona]``,
                ``implied_rate[condition]``, ``observed_rate[condition]`` or ``rate_difference[condition]``; the last
                four of the model's own outcome. :attr:`citable` lists them.

        Raises:
            InputError: no such key, with those that exist; a number that is withheld, with the reason; or a rate of no
                completions.

        Example:
            ``str(result.cite("shift[insecure, misaligned]"))`` is
            ``"0.312 (89% ETI 0.273–0.350; R̂ 1.00, ESS 2 113; simulacra 0.1.0, data 3f9a61c2…)"``.
        """
        model = self.prepared.model
        one_line = (
            f"{len(self.personas)} personas ({', '.join(self.personas)}); "
            f"measurements {', '.join(model.observables)}; "
            f"weights {self.prepared.design.formula}; baseline {model.baseline}"
        )
        if model.outcome is not None:
            one_line += f"; {model.outcome}"
        version = str(self.tree.attrs["inference_library_version"])
        provenance = Provenance(one_line, self.prepared.collapsed.content_hash, int(self.settings["seed"]), version)
        return find(key, self._citable, provenance, probability=INTERVAL, renamed=self._renamed)

    @property
    def _renamed(self) -> dict[str, str]:
        """Names that personas lost, each with what became of it, a sentence."""
        failed = {check.name: str(check) for check in reversed(self.failed)}  # the first gate that failed
        return {
            old: f"{old!r} is called {new!r}. "
            + failed.get(f"name: {old}", f"Its scores pass the gates of {new!r} instead.")
            for old, new in zip(self.prepared.model.names, self.personas, strict=True)
            if new != old
        }

    @functools.cached_property
    def _citable(self) -> dict[str, Citable]:
        weights = ("condition", "persona")
        tables = {"weight": Citable(self.weight_table(), weights), "shift": Citable(self.shifts(), weights)}
        if self.prepared.model.outcome is None:
            return tables
        emissions, rates, one = self.emissions(), self.rates(), ("condition",)
        emissions = emissions[emissions["measurement"] == "outcome_given_persona"]
        observed = ("observed", "observed_lb", "observed_ub", "Korn-Graubard CI")
        return tables | {
            "outcome_given_persona": Citable(emissions, ("persona",)),
            "implied_rate": Citable(rates, one, "implied"),
            "observed_rate": Citable(rates, one, *observed),
            "rate_difference": Citable(self.contrasts(), one, "rate_difference"),
        }

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

    def _parameters(self) -> Parameters:
        posterior = self.posterior
        arrays = {
            name: posterior[name].to_numpy() if name in posterior else None
            for name in ("scale", "temperature", "offset")
        }
        scales = arrays.pop("scale")
        tables = tuple(posterior[f"{name}_probs"].to_numpy() for name in self.prepared.model.measurements)
        latents = posterior["latents"].to_numpy()
        return Parameters(tables, latents, np.empty((*latents.shape[:2], 0)) if scales is None else scales, **arrays)

    def _outcome(self, outcome: Outcome | None) -> Outcome:
        expect_type(
            outcome, (Outcome, type(None)), "outcome", "Result", expected="an Outcome, such as Outcome('aligned < 30')"
        )
        chosen = outcome or self.prepared.model.outcome
        if chosen is None:
            raise InputError(
                "This model has no outcome of its own; pass one, for example Outcome('grade <= 2', name='bad')",
                argument="outcome",
            )
        return chosen

    def _failed_for(self, outcome: Outcome, implied: xr.DataArray) -> tuple[Check, ...]:
        """The failed checks that concern the rates of an outcome: its own rates are compared with those observed."""
        if outcome == self.prepared.model.outcome:
            return self.failed
        means = implied.mean(("chain", "draw")).to_numpy()
        limits = Thresholds(**self.settings["thresholds"])
        own = check_implied(
            observed_rates(self.prepared, outcome), dict(zip(self.conditions, map(float, means), strict=True)), limits
        )
        others = (check for check in self.failed if check.name != "implied rate")
        return (*others, *(check for check in own if not check.passed))

    def _implied(self, outcome: Outcome) -> xr.DataArray:
        posterior = self.posterior
        tables = tuple(posterior[f"{name}_probs"].to_numpy() for name in self.prepared.model.measurements)
        values = implied_rates(self.prepared, outcome, posterior["weights"].to_numpy(), tables)
        coords = {"condition": posterior["condition"].to_numpy()}
        return xr.DataArray(values, dims=("chain", "draw", "condition"), coords=coords, name="rate")

    def _table(
        self,
        draws: xr.DataArray,
        diagnostics: xr.DataArray,
        *,
        size: np.ndarray | None = None,
        against: str | None = None,
        failed: Sequence[Check] | None = None,
        withhold: bool,
    ) -> pd.DataFrame:
        """One row for every coordinate of ``draws``: mean, interval, diagnostics and whether it may be believed.

        ``size`` is the weight that a row is about, in the order of the rows: small ones are not gated. ``against``
        names a condition whose failed checks concern every row. ``failed`` are the checks that failed, the result's
        own when left out.
        """
        dims = [str(dim) for dim in draws.dims if dim not in ("chain", "draw")]
        index = pd.MultiIndex.from_product([draws[dim].to_numpy() for dim in dims], names=dims)
        bounds = np.quantile(draws.to_numpy(), ENDS, axis=(0, 1)).reshape(2, -1)
        table = index.to_frame(index=False)
        table["mean"] = draws.mean(("chain", "draw")).to_numpy().ravel()
        table["eti89_lb"], table["eti89_ub"] = bounds
        for name in ("ess_bulk", "ess_tail", "r_hat"):
            table[name] = diagnostics.sel(diagnostic=name).to_numpy().ravel()
        sizes = np.ones(len(table)) if size is None else size.ravel()
        table["status"] = [
            self._status({**row, "against": against}, weight, self.failed if failed is None else failed)
            for (_, row), weight in zip(table.iterrows(), sizes, strict=True)
        ]
        if withhold:
            table.loc[table["status"].str.startswith("withheld"), ["mean", "eti89_lb", "eti89_ub"]] = np.nan
        return table

    def _status(self, row: Mapping[Any, Any], weight: float, failed: Sequence[Check]) -> str:
        """Why a table's row is withheld, or that it is small, or ``"ok"``."""
        for check in failed:
            if check.name == "implied rate":  # concerns a condition's rate, not what personas weigh or do
                mine = "persona" not in row and check.subject in (row.get("condition"), row["against"])
            else:
                mine = check.subject is not None and check.subject == row.get("persona")
            if mine or check.name in ("divergences", "e_bfmi", "competing modes"):
                return f"withheld: {check.name} failed"
        limits = Thresholds(**self.settings["thresholds"])
        ess = min(row["ess_bulk"], row["ess_tail"])
        if row["r_hat"] <= limits.r_hat and ess >= limits.ess:
            return "ok"
        if weight < limits.small_weight:
            return f"small: below {limits.small_weight:g}, not gated"
        return f"withheld: R-hat {row['r_hat']:.3f}, ESS {grouped(ess)}"
