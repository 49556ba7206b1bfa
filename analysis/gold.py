r"""Labels by hand for some of the completions: do the estimated weights agree, and which shares follow from both?

No agreement of judges proves them right: if most of them share errors, so does the estimated class. Completions that
were labelled by hand, a *gold slice* chosen at random, show it. With the responsibility :math:`r_i` of a persona for
completion i and the label :math:`t_i`, 1 if the completion is the persona's,

.. math:: \hat\theta = \frac{1}{N} \sum_{i \le N} r_i + \frac{1}{n} \sum_{\text{labelled}} (t_i - r_i)

is an unbiased estimate of the share of the persona, whatever the judges and the model do; the better the
responsibilities, the shorter its interval. Labels added to the model as one more judge do not have this effect: where
judges share errors, the many completions without a label outweigh those with one.

References:
    Cochran (1977), Sampling Techniques, section 7.2 (difference estimator); Angelopoulos, Bates, Fannjiang, Jordan &
    Zrnic (2023), Prediction-powered inference, doi:10.1126/science.adi6000 (the same, with its variance); Clopper &
    Pearson (1934), The use of confidence or fiducial limits, doi:10.1093/biomet/26.4.404.
"""

import numbers
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats when it is used

from simulacra.analysis.checks import expect_result
from simulacra.data import CompletionLog
from simulacra.formalism.display import listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference.result import Result
from simulacra.inference.tables import chosen_probability

__all__ = ["Corrected", "corrected_share", "gold_slice"]

_LEAST = 20  # labels, below which the normal approximation means nothing


class Corrected(NamedTuple):
    """A share corrected by labels.

    Attributes:
        share: the estimate.
        lower: lower end of its confidence interval.
        upper: upper end.
        difference: the estimate minus the mean responsibility.
        p_value: of the hypothesis that labels and responsibilities agree on average.
    """

    share: float
    lower: float
    upper: float
    difference: float
    p_value: float


def corrected_share(responsibilities: np.ndarray, labels: np.ndarray, ci_prob: float) -> Corrected:
    """The share of a persona, from responsibilities of all completions and labels of some.

    If all labels are the same, their differences from the responsibilities say nothing about their spread: the interval
    is extended to the exact one of the labels alone (Clopper & Pearson 1934), and the p-value is twice the probability
    of such labels if they are drawn with the responsibilities.

    Args:
        responsibilities: of the persona, in [0, 1], shape ``(N,)``.
        labels: 1 if the completion is the persona's, 0 if not, NaN without a label, shape ``(N,)``.
        ci_prob: probability of the interval, which may leave [0, 1] and is then cut there.
    """
    known = np.isfinite(labels)
    differences = labels[known] - responsibilities[known]
    number, difference = len(differences), float(differences.mean())
    error = np.sqrt(differences.var(ddof=1) / number)
    total = np.sqrt(error**2 + responsibilities.var(ddof=1) / len(responsibilities))
    student = scipy.stats.t(number - 1)
    share, half = float(responsibilities.mean()) + difference, student.ppf((1 + ci_prob) / 2) * total
    lower, upper = float(max(share - half, 0)), float(min(share + half, 1))
    if np.ptp(labels[known]) == 0:
        exact = scipy.stats.binomtest(int(labels[known].sum()), number).proportion_ci(ci_prob)
        p_value = min(1.0, 2 * float(np.prod(1 - np.abs(differences))))
        return Corrected(share, min(lower, float(exact.low)), max(upper, float(exact.high)), difference, p_value)
    p_value = float(2 * student.sf(abs(difference) / error)) if error > 0 else float(difference == 0)
    return Corrected(share, lower, upper, difference, p_value)


def gold_slice(
    result: Result,
    log: CompletionLog,
    labels: Sequence[object] | np.ndarray | pd.Series,
    *,
    ci_prob: float | None = None,
) -> pd.DataFrame:
    """Compare the weights of a fit with labels by hand, and correct the shares of the personas by them.

    Args:
        result: a fit, for example with the persona set ``judges``.
        log: the log that was fitted.
        labels: shape ``(N,)``, one for every row of the log, None or NaN without: the name of a persona or, of a true
            class, its verdict, such as 1 for ``class 1``. Completions must have been chosen for labelling at random
            within a condition, and not because of what judges say of them.
        ci_prob: probability of the intervals. Default: that of the fit.

    Returns:
        Columns ``condition, persona, completions, labelled, weight`` (mean responsibility in the logged completions),
        ``share, share_lb, share_ub`` (corrected by the labels, with a confidence interval), ``difference`` of the two,
        ``p_value`` of no difference, and ``status``. No check of the fit withholds a share, because it is unbiased
        whether or not the model is right; with fewer than 20 labels of a condition, it is withheld.

    Raises:
        InputError: another number of labels than rows, a label that is no persona, no label, or not the fitted log.

    When not to trust it: labels of completions that were picked for their verdicts give a biased estimate. The interval
    is a normal approximation, and too short for a share near zero with very few labelled completions of the persona;
    without any, it is that of the labels alone.
    """
    expect_result(result, "gold_slice")
    expect_type(log, CompletionLog, "log", "gold_slice", expected="the log that was fitted")
    ci_prob = chosen_probability(ci_prob, result.ci_prob)
    named = _named(pd.Series(list(labels), dtype=object), result.personas, len(log.table))
    responsible = result.responsibilities(log)
    statuses = {(row["condition"], row["persona"]): row["status"] for row in result.weights().to_dict("records")}
    rows = []
    for condition, places in log.table.reset_index(drop=True).groupby("condition", sort=False).indices.items():
        for persona in result.personas:
            own = responsible[persona].to_numpy()[places]
            gold = np.where(named.notna(), named == persona, np.nan).astype(float)[places]
            known = np.isfinite(own)  # not of references
            number = int(np.isfinite(gold[known]).sum())
            few = number < _LEAST
            found = Corrected(*[np.nan] * 5) if few else corrected_share(own[known], gold[known], ci_prob)
            held = statuses[condition, persona]
            rows.append(
                {
                    "condition": condition,
                    "persona": persona,
                    "completions": int(known.sum()),
                    "labelled": number,
                    "weight": np.nan if held.startswith("withheld") else own[known].mean(),
                    **dict(zip(("share", "share_lb", "share_ub"), found[:3], strict=True)),
                    "difference": found.difference,
                    "p_value": found.p_value,
                    "status": f"withheld: fewer than {_LEAST} labels" if few else "ok",
                }
            )
    return pd.DataFrame(rows)


def _named(labels: pd.Series, personas: Sequence[str], rows: int) -> pd.Series:
    """The persona of every label, None without one.

    Raises:
        InputError: another number of labels, none, or one that is no persona.
    """
    if len(labels) != rows or labels.isna().all():
        raise InputError(
            f"gold_slice: {len(labels)} labels, of which {int(labels.notna().sum())} are given, for {rows} completions",
            expected="one for every row of the log, None where there is none",
            argument="labels",
        )
    texts = [None if pd.isna(own) else f"{own:g}" if isinstance(own, numbers.Real) else str(own) for own in labels]
    found = [own if own is None or own in personas else f"class {own}" for own in texts]
    unknown = next((text for text, own in zip(texts, found, strict=True) if own not in (None, *personas)), None)
    if unknown is not None:
        raise InputError(
            f"gold_slice: the label {unknown!r} is no persona",
            expected=f"one of {listing(personas)}",
            argument="labels",
        )
    return pd.Series(found, dtype=object)
