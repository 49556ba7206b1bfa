r"""Texts that no persona's likelihood covers: rows unlike the references, by the ratios of their log-likelihoods.

Calibration by references assumes that the texts of a persona are distributed alike in references and rows. It cannot
show that a condition writes something else: a persona without a prompt, or a known one with other words. But then its
rows differ from the references to which they are most similar.

Texts are attributed to the persona with the largest r (``simulacra.formalism.density_ratios``). The nonconformity of
a text is its mean distance from the nearest three references of the same attribution, in log-likelihood ratios (nats).
The model predicts its distribution over the rows of a condition with weights w: that over references i, weighted by

.. math:: u_i \propto \frac{\sum_z w_z r_{iz}}{\sum_z n_z \sum_k M_{zk} r_{ik}}.

A row is *uncovered* if its nonconformity exceeds all but a share α of these, the smallest share of .05 or more that the
effective number m of references allows. Given the references, a row is then uncovered with a probability that is
Beta(j, m + 1 - j) distributed, with j = α (m + 1). The excess of uncovered rows over the mean of this beta-binomial
distribution is the estimated share of texts that no persona covers. Its p-value is the smallest of all personas, times
their number.

References:
    Tibshirani et al. (2019), Conformal prediction under covariate shift, arXiv:1904.06019 (the weights); Bates et al.
    (2023), Testing for outliers with conformal p-values, arXiv:2104.08279, section 2 (the distribution given the
    references).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.spatial import KDTree

from simulacra.formalism.density_ratios import Texts, log_density_ratios, prompt_weights
from simulacra.inference.prepare import Prepared

__all__ = ["uncovered_texts"]

_LEVEL = 0.05
_NEAREST = 3
_FEWEST = 2 * _NEAREST
"""Effective number of references below which the rows of a persona are not examined."""


class _Compared(NamedTuple):
    """Rows that are attributed to one persona: examined, uncovered, expected by chance, and the p-value."""

    examined: float = 0.0
    uncovered: float = 0.0
    expected: float = 0.0
    p_value: float = 1.0


def uncovered_texts(prepared: Prepared, texts: Texts, posterior: xr.Dataset) -> xr.Dataset:
    """Uncovered texts of every condition at the posterior means of weights and calibration.

    Args:
        prepared: data and model.
        texts: its texts, with references.
        posterior: the posterior group of the fit.

    Returns:
        Dim ``condition``: ``texts``, the number examined; ``uncovered``, how many of them are unlike the references;
        ``expected``, the mean number by chance; ``excess``, the share of the difference; ``p_value``, the probability
        of as many by chance.
    """
    draws = posterior[["weights", "temperature", "offset", "purity"]]
    mean = draws.assign(temperature=np.log(draws["temperature"])).mean(("chain", "draw"))
    calibration = jnp.exp(mean["temperature"].to_numpy()), jnp.asarray(mean["offset"].to_numpy())
    points, known, total = map(np.asarray, (texts.log_likelihoods, texts.reference_log_likelihoods, texts.total))
    ratios, densities = (np.exp(np.asarray(log_density_ratios(values, *calibration))) for values in (points, known))
    attributed, elicited = ratios.argmax(axis=0), densities.argmax(axis=0)
    numbers = np.bincount(texts.reference_persona, minlength=texts.num_personas)
    sampled = numbers @ np.asarray(prompt_weights(mean["purity"].to_numpy())) @ densities
    points, known = (values - values.mean(axis=1, keepdims=True) for values in (points, known))  # only ratios matter
    found = []
    for condition, weights in enumerate(mean["weights"].to_numpy()):
        own = (prepared.condition[texts.cell] == condition) & (np.asarray(texts.scored) > 0)
        importance = weights @ densities / sampled
        parts = [
            _compare(points[rows], total[rows], known[elicited == persona], importance[elicited == persona])
            for persona in range(texts.num_personas)
            for rows in [own & (attributed == persona)]
        ]
        found.append([*np.sum([part[:3] for part in parts], axis=0), min(part.p_value for part in parts)])
    examined, uncovered, expected, p_value = np.transpose(found)
    values = {
        "texts": examined,
        "uncovered": uncovered,
        "expected": expected,
        "excess": np.maximum(uncovered - expected, 0) / np.maximum(examined, 1),
        "p_value": np.minimum(p_value * texts.num_personas, 1),
    }
    variables = {name: ("condition", value) for name, value in values.items()}
    return xr.Dataset(variables, coords={"condition": np.array(prepared.conditions)})


def _compare(rows: np.ndarray, total: np.ndarray, references: np.ndarray, importance: np.ndarray) -> _Compared:
    """Compare rows with references of the same attribution, shapes ``(n, K)``; ``total`` texts a row."""
    from scipy import stats  # takes longer to import than all else here

    effective = importance.sum() ** 2 / (importance**2).sum() if len(importance) else 0.0
    if not len(rows) or effective < _FEWEST:
        return _Compared()
    tree = KDTree(references)
    among = tree.query(references, k=_NEAREST + 1)[0][:, 1:].mean(axis=1)  # the nearest is the reference itself
    rank = np.ceil(_LEVEL * (effective + 1))
    order = np.argsort(-among)
    beyond = np.cumsum(importance[order]) * effective / importance.sum()  # references at least as far, of all
    limit = among[order][np.flatnonzero(beyond >= rank - 1e-9)[0]]
    far = float(total @ (tree.query(rows, k=_NEAREST)[0].mean(axis=1) > limit))
    by_chance = stats.betabinom(round(float(total.sum())), rank, effective + 1 - rank)
    return _Compared(float(total.sum()), far, float(by_chance.mean()), float(by_chance.sf(far - 1)))
