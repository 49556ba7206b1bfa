r"""Models compared by how well they predict questions that they were not fitted to.

A model must generalise to new questions, so cross-validation leaves out whole base questions, with all their formats
and conditions. In every fold, :func:`~simulacra.inference.fit` fits each model to the other questions D, and the fit
predicts the completions of every cell of the fold, a condition that was asked a question
(:mod:`simulacra.analysis.held_out`). There are two scores, sums over cells, in nats:

* *adapted*: the completions of a cell are divided at random into halves a and b, and each is predicted given the other,
  log p(a | b, D) + log p(b | a, D) = 2 log p(a, b | D) - log p(a | D) - log p(b | D). The weights of a new question
  are learnt from one half, so that the score is mostly about what does not depend on questions: what the personas do;
* *plain*: log p(a, b | D). The completions of a new question are predicted together, before any of them is seen. This
  score also asks whether the weights of new questions are predicted well, and is noisier for that.

The difference of two models is a sum over base questions, which are its independent units
(:mod:`simulacra.analysis.verdicts`).

References:
    Roberts et al. (2017), Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic
    structure, doi:10.1111/ecog.02881 (leaving out blocks); Vehtari, Gelman & Gabry (2017),
    doi:10.1007/s11222-016-9696-4 (elpd and paired standard errors).
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from simulacra.analysis.folds import SCORES, folds_of, part_of, predictive_of, refit, scores
from simulacra.analysis.verdicts import LEVEL, Verdict, judge
from simulacra.data import CollapsedLog, CompletionLog, ScannedLog, collapse
from simulacra.data.counting.collapse import expect_log
from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, shorten
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.weights import named_columns
from simulacra.inference.prepare import prepare
from simulacra.inference.versions import library_versions

__all__ = ["Comparison", "compare"]

_MOST_R_HAT = 1.1
_SHOWN = 4
_COLUMNS = [
    "score",
    "model",
    "elpd",
    "se",
    "elpd_diff",
    "dse",
    "questions",
    "effective_questions",
    "verdict",
    "power",
    "detectable",
    "questions_needed",
    "mcse",
    "status",
]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Models compared by cross-validation over base questions. Returned by :func:`compare`.

    Attributes:
        pointwise: one row per score, model and cell: ``score, model, condition, base_question, question_id,
            completions, elpd`` (log predictive density, nats).
        mcse: Monte Carlo standard error of the sum over a fold, nats: one row per fold, score and model, ``fold, score,
            model, mcse``.
        against: the model with which the others are compared.
        folds: the fold of every base question.
        r_hat: the largest R-hat of any fit of a model, by model.
        data_hash: SHA-256 of the counts.
        seed: random seed.
    """

    pointwise: pd.DataFrame
    mcse: pd.DataFrame
    against: str
    folds: Mapping[str, int]
    r_hat: Mapping[str, float]
    data_hash: str
    seed: int

    def table(self, against: str | None = None) -> pd.DataFrame:
        """One row per score and model, the adapted score first, the best model first.

        Columns ``score, model, elpd, se, elpd_diff, dse`` (the difference from ``against``, nats, and its standard
        error over base questions), ``questions, effective_questions`` (how many base questions make up the difference),
        ``verdict`` (``supported``, ``rejected`` or ``undecided``), ``power`` (the probability that as many questions
        decide, if mean and spread over questions are as estimated), ``detectable`` (the difference that they would
        decide with a probability of .8), ``questions_needed`` (how many decide this difference with a probability of
        .8; infinite beyond 10 000), ``mcse`` (Monte Carlo standard error of the difference) and ``status``.

        Args:
            against: the model with which the others are compared. Default: as in the call of ``compare``.

        Raises:
            InputError: there is no such model.
        """
        reference = self._known(against or self.against, "against")
        rows = [self._row(score, model, reference) for score in SCORES for model in self.r_hat]
        table = pd.DataFrame(rows).reindex(columns=_COLUMNS)
        return table.sort_values(["score", "elpd"], ascending=[True, False], ignore_index=True)  # adapted, plain

    def differences(self, model: str, against: str | None = None, *, by: str = "base_question") -> pd.DataFrame:
        """The difference of the elpd of two models, nats, by base question or another column of ``pointwise``.

        Args:
            model: a model.
            against: the model that is subtracted. Default: as in the call of ``compare``.
            by: the column, such as ``condition``.

        Returns:
            One row per value of the column, one column per score.

        Raises:
            InputError: there is no such model or column.
        """
        names = [self._known(model, "model"), self._known(against or self.against, "against")]
        columns = ["base_question", "condition", "question_id"]
        if by not in columns:
            raise InputError(f"differences: by is {by!r}", expected=f"one of {', '.join(columns)}", argument="by")
        sums = self.pointwise.pivot_table(index=by, columns=["score", "model"], values="elpd", aggfunc="sum")
        return pd.DataFrame({score: sums[score, names[0]] - sums[score, names[1]] for score in SCORES})

    def verdict(self, model: str, against: str | None = None, *, score: str = "adapted") -> Verdict:
        """What the comparison says about a model: the difference, its power and the verdict.

        Raises:
            InputError: there is no such model or score, or the comparison is withheld (with the reason).
        """
        if score not in SCORES:
            raise InputError(f"verdict: score is {score!r}", expected="'adapted' or 'plain'", argument="score")
        differences = self.differences(model, against)[score]
        failed = self._failed(model, against or self.against)
        if failed:
            raise InputError(f"The comparison of {model!r} and {against or self.against!r} is withheld: {failed}")
        return judge(differences.to_numpy())

    def cite(self, model: str, against: str | None = None, *, score: str = "adapted") -> str:
        """The comparison of two models in one line, with provenance.

        Raises:
            InputError: there is no such model or score, or the comparison is withheld (with the reason).
        """
        found, reference = self.verdict(model, against, score=score), against or self.against
        folds = len(set(self.folds.values()))
        return (
            f"{model} minus {reference}: {_signed(found)} nats of {score} log score over "
            f"{len(self.folds)} held-out base questions ({found.verdict}; power {found.power:.2f} at {LEVEL:.0%}; "
            f"{folds}-fold cross-validation; simulacra {library_versions()['simulacra']}, data {self.data_hash[:8]}…)"
        )

    def __repr__(self) -> str:
        said = [self._line(name) for name in self.r_hat if name != self.against]
        rest = len(said) - _SHOWN
        return card(
            f"Comparison of {len(self.r_hat)} models over {grouped(len(self.folds))} base questions in "
            f"{len(set(self.folds.values()))} folds",
            f"differences from {shorten(self.against)} in log score, nats ± standard error:",
            *said[:_SHOWN],
            f"… {rest} more" if rest > 0 else "",
            "next: .table(), .differences(model), .verdict(model), .cite(model), .pointwise",
        )

    def _line(self, model: str) -> str:
        if self._failed(model, self.against):
            return f"{shorten(model)}: withheld"
        adapted, plain = (self.verdict(model, score=score) for score in SCORES)
        return f"{shorten(model)}: {adapted.verdict}; adapted {_signed(adapted)}, plain {_signed(plain)}"

    def _row(self, score: str, model: str, reference: str) -> dict[str, Any]:
        own = self.pointwise[(self.pointwise["score"] == score) & (self.pointwise["model"] == model)]
        by_question = own.groupby("base_question")["elpd"].sum()
        row: dict[str, Any] = {"score": score, "model": model, "questions": len(by_question)}
        failed = self._failed(model, reference)
        if not self._failed(model, model):
            row["elpd"], row["se"] = by_question.sum(), np.sqrt(len(by_question) * by_question.var(ddof=1))
        if failed:
            return {**row, "verdict": "withheld", "status": f"withheld: {failed}"}
        if model == reference:
            return {**row, "verdict": "reference", "status": "ok"}
        found = self.verdict(model, reference, score=score)
        noise = self.mcse[(self.mcse["score"] == score) & self.mcse["model"].isin([model, reference])]["mcse"]
        return {
            **row,
            "elpd_diff": found.mean,
            "dse": found.se,
            "effective_questions": found.effective,
            "power": found.power,
            "detectable": found.detectable,
            "questions_needed": found.needed,
            "mcse": np.sqrt((noise**2).sum()),
            "verdict": found.verdict,
            "status": "ok",
        }

    def _failed(self, model: str, reference: str) -> str:
        """Why two models cannot be compared; empty if they can."""
        worst = max((model, reference), key=self.r_hat.__getitem__)
        if self.r_hat[worst] <= _MOST_R_HAT:
            return ""
        return f"a fit of {worst!r} did not converge (R-hat {self.r_hat[worst]:.2f}, required: {_MOST_R_HAT:g})"

    def _known(self, name: str, argument: str) -> str:
        if name not in self.r_hat:
            raise InputError(
                f"There is no model {name!r}", expected=f"one of {', '.join(self.r_hat)}", argument=argument
            )
        return name


def compare(
    models: Mapping[str, PersonaMixture],
    log: CompletionLog | ScannedLog | CollapsedLog,
    *,
    against: str | None = None,
    num_folds: int = 8,
    seed: int = 0,
    num_warmup: int = 200,
    num_samples: int = 200,
    num_chains: int = 4,
) -> Comparison:
    """Compare models of the same measurements by cross-validation over base questions.

    Args:
        models: the models by name, two or more, with the same emissions. They may differ in personas and in the formula
            of the weights.
        log: the log, or its counts.
        against: the model with which the others are compared. Default: the first.
        num_folds: number of folds, at least 2; as many as there are base questions, if these are fewer.
        seed: random seed of folds, halves and fits.
        num_warmup: warm-up iterations per chain of every fit.
        num_samples: draws per chain of every fit. They need not determine tails, only a mean over draws.
        num_chains: chains of every fit.

    Raises:
        InputError: fewer than two models, two that are the same, other measurements or categories, log-likelihoods of
            texts, fewer than 4 base questions, a condition that was asked the questions of one fold only, or an
            argument out of range.

    When not to trust it: cells are predicted one at a time, so that a difference between conditions which is small
    compared with the differences between questions is hardly rewarded; ``Result.contrasts`` answers whether conditions
    differ. Folds share most of their questions, so that the standard error of a difference is somewhat too small, and
    with fewer than about 16 questions it is itself uncertain. All models may be bad; the unexplained share of a fit
    says whether its personas account for the log. A model that predicts better need not have the better names.
    """
    _check_models(models)
    reference = against or next(iter(models))
    if reference not in models:
        found = f"compare: there is no model {reference!r}"
        raise InputError(found, expected=f"one of {', '.join(models)}", argument="against")
    for name, value, least in (
        ("num_folds", num_folds, 2),
        ("seed", seed, 0),
        ("num_warmup", num_warmup, 200),
        ("num_samples", num_samples, 50),
        ("num_chains", num_chains, 2),
    ):
        expect_whole(value, name, "compare", least=least)
    counts = _collapsed(models, log)
    for model in models.values():
        prepare(model, counts)  # raises before anything is fitted
    folds = folds_of(counts, num_folds, seed)
    settings = {"seed": seed, "num_warmup": num_warmup, "num_samples": num_samples, "num_chains": num_chains}
    fold = counts.base_questions.map(folds).to_numpy()
    rows, noise, r_hat = [], [], dict.fromkeys(models, 1.0)
    for number, (name, model) in itertools.product(range(fold.max() + 1), models.items()):
        rest, held_out = part_of(counts, fold != number), part_of(counts, fold == number)
        result = refit(model, rest, settings)
        r_hat[name] = max(r_hat[name], next(check.value for check in result.checks if check.name == "r_hat"))
        rng = np.random.default_rng([seed, number])  # the same halves for all models
        own, mcse = scores(predictive_of(result, held_out), held_out, (num_chains, num_samples), rng)
        rows.append(own.assign(model=name))
        noise += [{"fold": number, "score": score, "model": name, "mcse": mcse[score]} for score in SCORES]
    columns = ["score", "model", "condition", "base_question", "question_id", "completions", "elpd"]
    pointwise = pd.concat(rows, ignore_index=True)[columns]
    return Comparison(pointwise, pd.DataFrame(noise), reference, folds, r_hat, counts.content_hash, seed)


def _check_models(models: object) -> None:
    expect_type(models, Mapping, "models", "compare", expected="models by name, such as {'five': model}")
    assert isinstance(models, Mapping)
    for model in models.values():
        expect_type(model, PersonaMixture, "models", "compare", expected="PersonaMixture by name")
    if len(models) < 2:
        raise InputError(f"compare: {len(models)} model(s)", expected="two or more", argument="models")
    first = next(iter(models))
    for name, model in models.items():
        if model.likelihood is not None or not model.measurements:
            raise InputError(
                f"compare: {name!r} describes log-likelihoods of texts, whose densities are known up to a factor only",
                expected="models of scores or labels",
                argument="models",
            )
        if model.emissions != models[first].emissions:
            raise InputError(
                f"compare: {name!r} and {first!r} have other measurements, or other categories of them",
                expected="the same emissions in all models, since the probabilities of other data cannot be compared",
                argument=("models", "emissions"),
            )
    for one, other in itertools.combinations(models, 2):
        if (models[one].personas, models[one].weights) == (models[other].personas, models[other].weights):
            raise InputError(
                f"compare: {other!r} and {one!r} predict the same: they have the same personas and weights",
                argument="models",
            )


def _collapsed(models: Mapping[str, PersonaMixture], log: CompletionLog | ScannedLog | CollapsedLog) -> CollapsedLog:
    """Counts in cells by all columns that a formula names."""
    expect_log(log, "compare")
    if isinstance(log, CollapsedLog):
        return log
    named = [name for model in models.values() for name in named_columns(model.weights)]
    by = tuple(dict.fromkeys(("condition", "question_id", "base_question", *named)))
    return collapse(log, next(iter(models.values())).emissions, by=by)


def _signed(found: Verdict) -> str:
    return f"{found.mean:+.0f} ± {found.se:.0f}".replace("-", "−")
