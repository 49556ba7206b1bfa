r"""Binning of texts with log-likelihoods into points, with a bound on the change of the likelihood.

The likelihood depends on a text through its cell, its measurement pattern and its log-likelihoods ℓ under K personas,
of which only differences matter. Texts of one cell and pattern that fall into one box of a grid are represented by
their mean. Let d_i be the distance of text i from its mean. The log of a mixture,
:math:`\log \sum_z a_z e^{τ ℓ_z}`, has gradient τp and Hessian τ²(diag p - ppᵀ) for probabilities p, for any a_z; the
distances of a point sum to zero, so that

.. math:: 0 \le \text{exact} - \text{binned} \le \tfrac{τ^2}{2} \sum_i \mathrm{Var}_p(d_i)
    \le \tfrac{τ^2}{8} \sum_i (\max_z d_{iz} - \min_z d_{iz})^2

by Taylor's theorem and Popoviciu's inequality. The same holds for the best common mixture of all texts, which is
subtracted, so the total log likelihood changes by at most this bound in either direction.
"""

import dataclasses

import numpy as np
import pandas as pd

from simulacra.data.counting.refusals import refuse_unknown
from simulacra.data.errors import LogError
from simulacra.data.log import CompletionLog
from simulacra.formalism.density_ratios import Texts
from simulacra.formalism.emissions import LikelihoodEmission

__all__ = ["CollapsedTexts", "ReadTexts", "bin_texts", "read_texts"]

_TOLERANCE = 0.5  # nats of the total log likelihood that a width chosen here may change at any τ <= 1
_LOWEST = -1e4  # nats below a text's best persona at which log-likelihoods are cut off; so far down e^(τ ℓ) is 0


@dataclasses.dataclass(frozen=True, eq=False)
class CollapsedTexts:
    """Texts as points.

    Attributes:
        points: the points; cells and patterns as in the :class:`~simulacra.data.CollapsedLog` it belongs to.
        columns: the column of every persona.
        bin_width: of the grid, nats; 0 merges only identical texts.
        bound: largest change of the total log likelihood through binning, at any τ ≤ 1, nats.
        unscored_references: number of references without log-likelihoods, which are excluded.
        rows: every text as a separate point; None for texts read from the file of a result.
        row_point: the point of every row of the log, int64, shape ``(N,)``; -1 for references; None if ``rows`` is.
    """

    points: Texts
    columns: tuple[str, ...]
    bin_width: float
    bound: float
    unscored_references: int
    rows: Texts | None = None
    row_point: np.ndarray | None = None

    @property
    def unscored(self) -> int:
        """Texts without log-likelihoods."""
        return round(float((self.points.total * (1 - self.points.scored)).sum()))


@dataclasses.dataclass(frozen=True, eq=False)
class ReadTexts:
    """Log-likelihoods of every row of a log.

    Attributes:
        log_likelihoods: less the row's largest, nats; 0 where not scored; shape ``(N, K)``.
        scored: bool, shape ``(N,)``.
        reference: the persona whose prompt elicited the row, -1 if it is not known, shape ``(N,)``.
        label: the persona of the row according to a judge, -1 if it was not judged, shape ``(N,)``.
        columns: the column of every persona.
    """

    log_likelihoods: np.ndarray
    scored: np.ndarray
    reference: np.ndarray
    label: np.ndarray
    columns: tuple[str, ...]


def read_texts(log: CompletionLog, emission: LikelihoodEmission, personas: tuple[str, ...]) -> ReadTexts:
    """The log-likelihoods and references of every row.

    Raises:
        LogError: a column that does not exist or contains text, a row with likelihoods for some personas only, one
            that is infinite for all, an unknown persona among the references or their labels, or only references.
        InputError: a persona has no column.
    """
    columns = emission.columns_of(personas)
    refuse_unknown(columns, (*log.measurements, *log.contexts), "measurement", log.account.set_aside)
    for name in columns:
        if log.table[name].dtype == object:
            row = next(index for index, value in enumerate(log.table[name]) if value is not None)
            raise _refuse(log, row, name, f"{log.table[name].iloc[row]!r} is not a log-likelihood", "a number of nats")
    values = log.table[list(columns)].to_numpy(dtype=float)
    missing = np.isnan(values)
    for row in np.flatnonzero(missing.any(axis=1) & ~missing.all(axis=1))[:1]:
        column = columns[int(missing[row].argmax())]
        raise _refuse(log, int(row), column, "no log-likelihood, but other personas have one", "all personas or none")
    best = np.where(missing[:, 0], 0.0, values.max(axis=1))
    for row in np.flatnonzero(np.isinf(best))[:1]:
        what = f"the largest log-likelihood of all personas is {best[row]:g}"
        raise _refuse(log, int(row), columns[int(values[row].argmax())], what, "a finite one for at least one persona")
    relative = np.maximum(np.where(missing, 0.0, values - best[:, None]), _LOWEST)
    none = np.full(len(log), -1)
    reference, label = emission.reference, emission.label
    known = none if reference is None else _persona_of_rows(log, reference, personas, "reference", none == -1)
    if (known >= 0).all():
        raise LogError(
            "every row is a reference, so no completions are left to explain",
            column=reference,
            expected="the column to be empty for completions whose persona is not known",
        )
    judged = none if label is None else _persona_of_rows(log, label, personas, "label of a reference", known >= 0)
    return ReadTexts(relative, ~missing[:, 0], known, judged, columns)


def _persona_of_rows(
    log: CompletionLog, column: str, personas: tuple[str, ...], what: str, among: np.ndarray
) -> np.ndarray:
    """The persona that a column names in the rows ``among`` which it counts, an index; -1 in others and if empty."""
    refuse_unknown([column], log.contexts, "cell column", log.account.set_aside)
    named = log.table[column].where(among)
    known = named.map({persona: index for index, persona in enumerate(personas)})
    for row in np.flatnonzero((known.isna() & named.notna()).to_numpy())[:1]:
        said = f"the {what} {str(named.iloc[row])!r} is not a persona of the model"
        raise _refuse(log, int(row), column, said, f"one of {', '.join(personas)}, or an empty value")
    return known.fillna(-1).to_numpy(dtype=np.int64)


def _refuse(log: CompletionLog, row: int, column: str, what: str, expected: str) -> LogError:
    own = next((own for own, canonical in log.account.renamed.items() if canonical == column), column)
    place = log.table.iloc[row]
    return LogError(what, file=place["source"], line=int(place["record"]), column=own, expected=expected)


def bin_texts(
    read: ReadTexts, row_cell: np.ndarray, row_pattern: np.ndarray, bin_width: float | None
) -> CollapsedTexts:
    """Bin texts of one cell, pattern and grid box into points.

    Args:
        read: of every row, N of them.
        row_cell: the cell of every row, -1 for references, shape ``(N,)``.
        row_pattern: the pattern of every row, likewise, shape ``(N,)``.
        bin_width: of the grid, nats; ``None`` chooses it.
    """
    own = read.reference < 0
    keys = np.stack([row_cell[own], row_pattern[own], read.scored[own]], axis=1)
    vectors = read.log_likelihoods[own]
    width = _widest(keys, vectors) if bin_width is None else bin_width
    point, means = _bin(keys, vectors, width)
    first = np.unique(point, return_index=True)[1]
    known = np.flatnonzero(~own & read.scored)
    references = (read.reference[known], read.label[known], np.ones(len(known)), read.log_likelihoods[known])
    every = Texts(keys[:, 0], keys[:, 1], np.ones(len(keys)), keys[:, 2].astype(float), vectors, *references)
    cell, pattern, scored = keys[first].T
    points = Texts(cell, pattern, np.bincount(point).astype(float), scored.astype(float), means, *references)
    row_point = np.full(len(own), -1)
    row_point[own] = point
    lost = int((~own & ~read.scored).sum())
    return CollapsedTexts(points, read.columns, width, _bound(vectors, point, means), lost, every, row_point)


def _bin(keys: np.ndarray, vectors: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """The point of every row, and the mean of every point."""
    boxes = vectors if width == 0 else np.floor(vectors / width)
    grid = pd.DataFrame(np.column_stack([keys, boxes]))
    point = grid.groupby(list(grid.columns), sort=True).ngroup().to_numpy()
    sums = np.stack([np.bincount(point, weights=column) for column in vectors.T], axis=1)
    return point, sums / np.bincount(point)[:, None]


def _bound(vectors: np.ndarray, point: np.ndarray, means: np.ndarray) -> float:
    return float((np.ptp(vectors - means[point], axis=1) ** 2).sum() / 8)


def _widest(keys: np.ndarray, vectors: np.ndarray) -> float:
    """The widest grid, up to a factor of two, whose bound is within the tolerance; 0 if no two texts share a box."""
    width = np.sqrt(8 * _TOLERANCE / vectors.size)  # the extent of the boxes guarantees this one
    chosen = 0.0
    while width < -_LOWEST and _bound(vectors, *_bin(keys, vectors, width)) <= _TOLERANCE:
        chosen, width = float(width), 2 * width
    return chosen
