r"""Planning: how many base questions, samples of each, and judges until a difference of rates would be claimed.

A design is planned by simulation. In every trial, the rates of two groups on new base questions are drawn from the rate
model (:mod:`simulacra.formalism.rates`), completions are drawn at these rates, the rate model is fitted to them with
the package's own sampler, and the rules of :meth:`~simulacra.inference.Result.contrasts` decide what is claimed, about
these questions and about new ones. The power of a design is the proportion of trials with the expected claim.

The truth is either guessed (:class:`Guess`) or comes from a fit. From a fit, every trial has the parameters of one
posterior draw, so that the power is averaged over what is not known about them (assurance).

The difference for new questions is limited by the number of base questions: no number of samples replaces a question
that was not asked. Every design is therefore shown with its *ceiling*, the power of unlimited samples on as many
questions.

If J judges score every completion and agree with intraclass correlation κ (Cohen's kappa of two judges of an event),
their average is worth as much as J / (1 + (J − 1) κ) completions with one judge. What all judges have in common, such
as a bias, is not reduced.

References:
    O'Hagan, Stevens & Campbell (2005), Assurance in clinical trial design, doi:10.1002/pst.175; Gelman & Carlin (2014),
    Beyond power calculations, doi:10.1177/1745691614551642 (design analysis by simulation); Kish (1965), Survey
    Sampling, chapter 5 (design effect of clusters); Miller (2024), arXiv:2411.00640 (questions as the unit).
"""

import concurrent.futures
import dataclasses
import itertools
import numbers
import os
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
import xarray as xr
from scipy import optimize, special

from simulacra.analysis.checks import expect_result
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.rates import RatePrior, new_question_rate, rate_prior
from simulacra.formalism.shifts import claim
from simulacra.inference.claims import SHOWN, claim_for_new, sure_of_sign
from simulacra.inference.groups import Group
from simulacra.inference.result import Result
from simulacra.inference.sampling.rates import sample_rates
from simulacra.inference.tables import CI_PROB, ends

__all__ = ["Guess", "Plan", "plan"]

_UNLIMITED = 10_000
"""Completions of a base question and group that leave no noise."""
_WARMUP, _DRAWS = 60, 330
"""Iterations of a trial; successive draws are almost independent.

A sign that must have a probability of .995 may be wrong in one of 330 draws, and one of .99 in three. Both happen in
about half of the trials in which the probability is exactly that, so that few draws hardly bias the power.
"""
_WIDEST = 10.0
"""Scale, in logits, beyond which all rates are near zero or one."""
_SCOPES = ("these", "new")
_GROUPS = 2


@dataclasses.dataclass(frozen=True)
class Guess:
    """A guess of the rates of two groups.

    Attributes:
        rate: mean rate of the event over questions of the kind, in the group that is subtracted, in (0, 1).
        difference: the difference of the other group from it, a difference of probabilities; zero plans a claim of
            equivalence.
        question_scale: standard deviation, in logits, of the effects of base questions that both groups share.
        cell_scale: standard deviation, in logits, of the effects of base questions on one group. The defaults of both
            are medians of the prior of the rate model.

    Raises:
        InputError: rates outside (0, 1), or a scale that is not positive or above 10.
    """

    rate: float
    difference: float
    question_scale: float = RatePrior().question[0]
    cell_scale: float = RatePrior().cell[0]

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("rate", "difference", "question_scale", "cell_scale"):
            expect_type(getattr(self, name), numbers.Real, name, "Guess", expected="a number")
        if not (0 < self.rate < 1 and 0 < self.rate + self.difference < 1):
            raise InputError(
                f"Guess: the rates are {self.rate:g} and {self.rate + self.difference:g}",
                expected="rates between 0 and 1, such as 0.02 for two percent",
                remedy="for an event that was never seen, state a small rate, such as 0.001",
                argument=("rate", "difference"),
            )
        if not all(0 < own <= _WIDEST for own in (self.question_scale, self.cell_scale)):
            raise InputError(
                f"Guess: the scales are {self.question_scale:g} and {self.cell_scale:g}",
                expected=f"positive numbers of {_WIDEST:g} at most, in logits",
                argument=("question_scale", "cell_scale"),
            )


class _Truth(NamedTuple):
    """Parameters of the rate model for T trials: μ ``(T, 2)``, the subtracted group first; σ ``(T,)``; τ ``(T, 2)``."""

    location: np.ndarray
    question_scale: np.ndarray
    cell_scale: np.ndarray

    def rates(self, questions: int, rng: np.random.Generator) -> np.ndarray:
        """Rates on new base questions, shape ``(T, 2, questions)``."""
        common = self.question_scale[:, None] * rng.standard_normal((len(self.location), questions))
        own = self.cell_scale[:, :, None] * rng.standard_normal((*self.location.shape, questions))
        return np.asarray(special.expit(self.location[:, :, None] + common[:, None] + own))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """What designs would lead to.

    Attributes:
        trials: ``claim`` and ``width`` (of the interval of the difference) of every trial, dims ``scope, design,
            trial``, with the coordinates ``questions, samples, judges`` of the designs. A design with infinitely many
            samples is the ceiling of designs with as many questions.
        expected: the claim that is planned: ``increase``, ``decrease`` or ``equivalent``.
        words: what the truth of the trials is, in words.
        ci_prob: probability of the intervals.
    """

    trials: xr.Dataset
    expected: str
    words: str
    ci_prob: float

    def __repr__(self) -> str:
        table, number = self.table(), grouped(self.trials.sizes["trial"])
        sizes = [f"{name} {listing(table[name].unique())}" for name in ("questions", "samples", "judges")]
        return card(
            f"Plan: a claim of {self.expected}, {number} trials of {len(table) // 2} designs",
            f"truth: {self.words}",
            f"designs: {'; '.join(sizes)}",
            *(self._limit(scope, table) for scope in _SCOPES),
            "next: .table(), .smallest(0.8), .best()",
        )

    def table(self) -> pd.DataFrame:
        """One row per scope and design.

        Columns ``scope, questions, samples`` (completions per base question and group), ``judges, completions`` (of
        both groups), ``judgements, power, mcse`` (its Monte Carlo standard error), ``ceiling`` (the power of unlimited
        samples on as many questions) and ``width`` (the median width of the interval).
        """
        designs = self.trials.coords.to_dataset()[["questions", "samples", "judges"]].to_dataframe()
        parts = []
        for scope in _SCOPES:
            own = self.trials.sel(scope=scope)
            power = (own["claim"] == self.expected).mean("trial").to_numpy()
            part = designs[["questions", "samples", "judges"]].assign(scope=scope, power=power)
            part["width"] = own["width"].median("trial").to_numpy()
            unlimited = np.isinf(part["samples"])
            part["ceiling"] = part["questions"].map(part[unlimited].set_index("questions")["power"])
            parts.append(part[~unlimited])
        table = pd.concat(parts, ignore_index=True)
        table["samples"] = table["samples"].astype(int)
        table["completions"] = _GROUPS * table["questions"] * table["samples"]
        table["judgements"] = table["completions"] * table["judges"]
        table["mcse"] = np.sqrt(table["power"] * (1 - table["power"]) / self.trials.sizes["trial"])
        columns = ["scope", "questions", "samples", "judges", "completions", "judgements"]
        return table[[*columns, "power", "mcse", "ceiling", "width"]]

    def smallest(self, probability: float = 0.8, *, scope: str = "new") -> pd.Series:
        """The design with the fewest completions, then judgements, whose power is at least ``probability``.

        Args:
            probability: the least power.
            scope: ``"these"`` or ``"new"`` questions.

        Raises:
            InputError: no design has this power; the message says whether more samples or only more questions would
                help. Or a probability outside (0, 1), or another scope.
        """
        expected = "a power between 0 and 1, such as 0.8"
        expect_type(probability, numbers.Real, "probability", "smallest", expected=expected)
        if not 0 < probability < 1:
            raise InputError(f"smallest: probability is {probability!r}", expected=expected, argument="probability")
        table = self._about(scope)
        enough = table[table["power"] >= probability].sort_values(["completions", "judgements", "questions"])
        if enough.empty:
            raise InputError(
                f"No design has a power of {probability:g} {_words(scope)}: the largest is {table['power'].max():.2f}",
                remedy=self._remedy(probability, table),
                argument=("questions", "samples"),
            )
        return enough.iloc[0]

    def best(self, *, scope: str = "new") -> pd.Series:
        """The design with the largest power; for a budget, the best split into questions and samples.

        Other designs whose power differs by less than about two ``mcse`` may be as good.

        Raises:
            InputError: another scope.
        """
        table = self._about(scope)
        return table.sort_values(["power", "completions"], ascending=[False, True], kind="stable").iloc[0]

    def _about(self, scope: str) -> pd.DataFrame:
        if scope not in _SCOPES:
            raise InputError(f"There is no scope {scope!r} in a plan", expected="'these' or 'new'", argument="scope")
        table = self.table()
        return table[table["scope"] == scope]

    def _remedy(self, probability: float, table: pd.DataFrame) -> str:
        ceilings = table.groupby("questions")["ceiling"].first()
        most = max(ceilings.index)
        if ceilings.max() < probability:
            return (
                f"plan more base questions: with {most} of them, more samples will not help, because even unlimited "
                f"samples give {ceilings[most]:.2f}"
            )
        least = min(ceilings.index[ceilings >= probability])
        return f"plan more samples of {least} base questions or more: unlimited ones give {ceilings[least]:.2f}"

    def _limit(self, scope: str, table: pd.DataFrame) -> str:
        own = table[table["scope"] == scope]
        few = own.sort_values("questions").iloc[0]
        powers = f"power {own['power'].min():.2f} to {own['power'].max():.2f}"
        return f"{_words(scope)}: {powers}; at most {few['ceiling']:.2f} with {few['questions']} questions"


def _words(scope: str) -> str:
    return "on these questions" if scope == "these" else "for new questions"


def plan(
    source: Result | Guess,
    group: Group | None = None,
    minus: Group | None = None,
    *,
    difference: float | None = None,
    outcome: Outcome | str | None = None,
    questions: int | Sequence[int] = (4, 8, 16, 32),
    samples: int | Sequence[int] | None = None,
    budget: int | None = None,
    judges: int | Sequence[int] = (1,),
    agreement: float = 0.8,
    rope: float = 0.01,
    ci_prob: float = CI_PROB,
    trials: int = 300,
    seed: int = 0,
) -> Plan:
    """The power of designs to claim a difference of rates, about these and about new questions.

    Args:
        source: a guess, or a fit of a first log.
        group: for a fit, the group whose rate is compared, as in ``Result.contrast``.
        minus: for a fit, the group that is subtracted. Default: the baseline.
        difference: for a fit, the difference for new questions to be claimed. Default: that of each posterior draw.
        outcome: for a fit. Default: the outcome of the model.
        questions: numbers of base questions; one number or several, like ``samples`` and ``judges``.
        samples: numbers of completions per base question and group. Default: 10 and 50.
        budget: number of completions of both groups together; instead of ``samples``, every number of questions gets as
            many as it allows, which gives the frontier of splits into questions and samples.
        judges: numbers of judges per completion, whose verdicts are averaged.
        agreement: intraclass correlation of the judges' verdicts, in [0, 1].
        rope: half-width of the region of practical equivalence.
        ci_prob: probability of the intervals.
        trials: simulated logs of every design; the Monte Carlo standard error of a power is at most 1 / (2 √trials).
        seed: random seed.

    Raises:
        InputError: a difference within the region of practical equivalence that is not zero; numbers that are not
            positive integers; a budget below one completion per question and group, or together with samples; an
            agreement outside [0, 1]; groups with a guess; a mean of groups; and whatever ``Result.contrast`` raises.

    When not to trust it: the trials assume that the rate model holds, with questions that are sampled from their kind;
    for questions chosen because the event occurs on them, only their own rates mean anything. A guess of the scales
    matters as much as one of the rates: plan with several. A fit with further conditions learns slightly more about
    questions than the two groups of a trial.
    """
    numbers_of = {
        name: _counts(values, name)
        for name, values in {
            "questions": questions,
            "samples": (10, 50) if samples is None else samples,
            "judges": judges,
        }.items()
    }
    if budget is not None and samples is not None:
        raise InputError("plan: a budget determines the samples", remedy="pass one of them", argument="samples")
    expect_type(agreement, numbers.Real, "agreement", "plan", expected="a number in [0, 1]")
    expect_whole(seed, "seed", "plan")
    expect_whole(trials, "trials", "plan", least=1)
    expect_whole(1 if budget is None else budget, "budget", "plan", least=1)
    expect_type(difference, (numbers.Real, type(None)), "difference", "plan", expected="a number such as 0.05")
    expect_type(rope, numbers.Real, "rope", "plan", expected="a number such as 0.01")
    if not 0 <= rope < 1:
        raise InputError(f"plan: rope is {rope!r}", expected="a number in [0, 1)", argument="rope")
    if not 0 <= agreement <= 1:
        raise InputError(f"plan: agreement is {agreement!r}", expected="a number in [0, 1]", argument="agreement")
    ends(ci_prob)
    rng = np.random.default_rng([seed, 0])
    if isinstance(source, Guess):
        if any(given is not None for given in (group, minus, difference, outcome)):
            own = "plan: a guess has no groups or outcomes, and states its difference"
            raise InputError(own, argument=("group", "minus", "difference", "outcome"))
        truth, aim, words = _guessed(source, trials)
    else:
        truth, aim, words = _fitted(source, group, minus, difference, outcome, trials, rng)
    if 0 < abs(aim) <= rope:
        raise InputError(
            f"plan: a difference of {aim:+.4f} lies within the region of practical equivalence, ±{rope:g}, so neither "
            "direction can be claimed",
            expected="a larger difference, or 0 to plan a claim of equivalence",
            remedy="or a smaller rope",
            argument=("difference", "rope"),
        )
    expected = "equivalent" if aim == 0 else "increase" if aim > 0 else "decrease"
    designs = _designs(numbers_of["questions"], numbers_of["samples"], budget, numbers_of["judges"])

    def simulated(design: tuple[int, float, int]) -> tuple[np.ndarray, np.ndarray]:
        number, size, each = design
        own = truth.rates(number, np.random.default_rng([seed, 1, number]))  # the same for all designs with as many
        worth = _UNLIMITED if np.isinf(size) else max(round(size * each / (1 + (each - 1) * agreement)), 1)
        return _claims(own, worth, rope, ci_prob, seed)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(simulated, designs))
    dims = ("design", "scope", "trial")
    said, widths = (np.stack(each) for each in zip(*found, strict=True))
    data = {"claim": (dims, said), "width": (dims, widths)}
    names = ("questions", "samples", "judges")
    coords = {name: ("design", list(values)) for name, values in zip(names, zip(*designs, strict=True), strict=True)}
    return Plan(xr.Dataset(data, coords={**coords, "scope": list(_SCOPES)}), expected, words, ci_prob)


def _counts(values: int | Sequence[int], argument: str) -> Sequence[int]:
    """One positive integer or several as a sequence."""
    expected = "positive integers, such as [8, 16]"
    expect_type(values, (numbers.Integral, list, tuple, range), argument, "plan", expected=expected)
    several = values if isinstance(values, (list, tuple, range)) else [cast("int", values)]
    if not several or not all(isinstance(own, (int, np.integer)) and own > 0 for own in several):
        raise InputError(f"plan: {argument} is {values}", expected=expected, argument=argument)
    return several


def _designs(
    questions: Sequence[int], samples: Sequence[int], budget: int | None, judges: Sequence[int]
) -> list[tuple[int, float, int]]:
    """Numbers of questions, of samples and of judges; for every number of questions, also unlimited samples."""
    designs: list[tuple[int, float, int]] = []
    for number in dict.fromkeys(questions):
        sizes = dict.fromkeys(samples) if budget is None else [budget // (_GROUPS * number)]
        if not all(sizes):
            raise InputError(
                f"plan: a budget of {budget} completions is not enough for {number} base questions in two groups",
                expected=f"at least {_GROUPS * number}",
                remedy="plan fewer questions",
                argument=("budget", "questions"),
            )
        designs += [(number, float(size), each) for size, each in itertools.product(sizes, dict.fromkeys(judges))]
        designs.append((number, np.inf, 1))
    return designs


def _guessed(guess: Guess, trials: int) -> tuple[_Truth, float, str]:
    rates = guess.rate, guess.rate + guess.difference
    location = [_location(rate, guess.question_scale, guess.cell_scale) for rate in rates]
    cell, question = np.full((trials, _GROUPS), guess.cell_scale), np.full(trials, guess.question_scale)
    scales = f"scales {guess.question_scale:g} of questions, {guess.cell_scale:g} of cells"
    truth = _Truth(np.tile(location, (trials, 1)), question, cell)
    return truth, guess.difference, f"rates {rates[0]:.3g} and {rates[1]:.3g}; {scales}"


def _fitted(
    result: Result,
    group: Group | None,
    minus: Group | None,
    difference: float | None,
    outcome: Outcome | str | None,
    trials: int,
    rng: np.random.Generator,
) -> tuple[_Truth, float, str]:
    expect_result(result, "plan")
    if group is None:
        raise InputError("plan: a fit needs the group to compare", remedy="plan(result, 'tuned')", argument="group")
    contrast = result.contrast(group, result.model.baseline if minus is None else minus, scope="new", outcome=outcome)
    rows = [int(np.flatnonzero(contrast.coefficients == sign)[0]) for sign in (-1, 1) if sign in contrast.coefficients]
    if len(rows) < _GROUPS or contrast.compared.rates is None:
        found = f"plan: {contrast.name} compares means of groups"
        raise InputError(found, expected="two single groups", argument=("group", "minus"))
    fitted = contrast.compared.rates
    location, cell = (fitted[name].to_numpy().reshape(-1, fitted.sizes["group"]) for name in ("location", "cell_scale"))
    drawn = rng.choice(len(location), size=trials)
    location, cell = location[drawn][:, rows], cell[drawn][:, rows]
    question = fitted["question_scale"].to_numpy().ravel()[drawn]
    mean = float(contrast.draws.mean())
    words = f"posterior of {contrast.name}, on average {mean:+.3f}".replace("-", "−")
    if difference is None:
        return _Truth(location, question, cell), mean, words
    aim = new_question_rate(location[:, 0], question, cell[:, 0]) + difference
    if not 0 < np.median(aim) < 1:
        raise InputError(
            f"plan: with a difference of {difference:+g}, the rate of {group} would be {np.median(aim):.3f}",
            expected="a rate between 0 and 1",
            argument="difference",
        )
    moved = np.vectorize(_location)(np.clip(aim, 1e-4, 1 - 1e-4), question, cell[:, 1])
    location = np.stack([location[:, 0], moved], axis=1)
    words = f"posterior of {contrast.name}, moved to {difference:+.3f}".replace("-", "−")
    return _Truth(location, question, cell), difference, words


def _location(rate: float, question_scale: float, cell_scale: float) -> float:
    """The μ at which the mean rate over new questions is ``rate``."""

    def excess(location: float) -> float:
        mean = new_question_rate(np.array(location), np.array(question_scale), np.array(cell_scale))
        return float(mean) - rate

    return float(optimize.root_scalar(excess, bracket=(-60.0, 60.0)).root)


def _claims(rates: np.ndarray, size: int, rope: float, ci_prob: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Claims and widths of intervals for both scopes, two arrays ``(2, T)``, from logs with rates ``(T, 2, Q)``."""
    trials, _, questions = rates.shape
    events = np.random.default_rng([seed, 2, questions, size]).binomial(size, rates)
    drawn = next(
        sample_rates(
            events,
            np.full(events.shape, size),
            rate_prior(questions),
            num_samples=_DRAWS,
            num_warmup=_WARMUP,
            seed=seed,
        )
    )
    these = special.expit(drawn.logits).mean(axis=-1)
    new = new_question_rate(drawn.location, drawn.question_scale[..., None], drawn.cell_scale)
    said, widths = np.empty((2, trials), dtype="<U10"), np.empty((2, trials))
    shares = events / size
    for place, (scope, values) in enumerate(zip(_SCOPES, (these, new), strict=True)):
        differences = values[..., 1] - values[..., 0]
        sure = sure_of_sign(differences.T[None], scope)
        limits = np.quantile(differences, ends(ci_prob), axis=1).T
        for trial, ((lower, upper), certain) in enumerate(zip(limits.tolist(), sure.tolist(), strict=True)):
            if scope == "new":
                (lower, upper), said[place, trial] = claim_for_new(
                    (lower, upper),
                    shares[trial, 1] - shares[trial, 0],
                    sure=certain,
                    reduced=bool(shares[trial, 0].mean() > SHOWN),
                    rope=rope,
                    ci_prob=ci_prob,
                )
            else:
                said[place, trial] = claim(lower, upper, rope=rope, sure=certain)
            widths[place, trial] = upper - lower
    return said, widths
