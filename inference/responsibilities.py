"""P(persona | completion) for every row of the fitted log: Bayes' rule applied to eq. (1), averaged over draws."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.data import CollapsedLog, CompletionLog, collapse
from simulacra.formalism.errors import InputError
from simulacra.formalism.mixture import component_probabilities, responsibilities
from simulacra.inference.draws import weight_draws
from simulacra.inference.posterior import parameters_of
from simulacra.inference.prepare import Prepared
from simulacra.inference.texts import point_responsibilities

__all__ = [
    "STATUS",
    "attributions",
    "collapse_again",
    "mean_responsibilities",
    "responsibility_column",
    "row_responsibilities",
]

STATUS = "persona_status"
"""The column of reasons why responsibilities are withheld, and of marks; logs have columns ``status`` of their own."""
_MOST_VALUES = 500_000
_REFERENCE = "reference: its persona is known"


def responsibility_column(persona: str) -> str:
    """The column of a persona in a table of completions, where a measurement may have its name."""
    return f"responsibility_{persona}"


def mean_responsibilities(posterior: xr.Dataset, prepared: Prepared) -> np.ndarray:
    """P(persona | pattern) in every condition at the posterior mean, shape ``(M, P, K)``; without texts.

    Args:
        posterior: the posterior group of a fit.
        prepared: data and model.
    """
    tables = [posterior[f"{name}_probs"].to_numpy().mean(axis=(0, 1)) for name in prepared.model.measurements]
    components = component_probabilities(tables, prepared.patterns)
    return np.asarray(responsibilities(posterior["weights"].to_numpy().mean(axis=(0, 1)), components))


def attributions(
    log: CompletionLog, mean: pd.DataFrame, statuses: Mapping[tuple[str, str], str], *, texts: bool, withhold: bool
) -> pd.DataFrame:
    """The completions of a log with their responsibilities; see :meth:`simulacra.inference.Result.attributions`.

    Args:
        log: the fitted log, N rows.
        mean: their responsibilities, one column for each persona, in the order of the log.
        statuses: of the weights, by condition and persona.
        texts: whether the completions themselves are included.
        withhold: whether responsibilities are withheld where the weight is.

    Raises:
        InputError: a column of the log has the name of a column of responsibilities.
    """
    table, condition = log.table, log.table["condition"].to_numpy()
    personas = [str(name) for name in mean]
    own = mean.set_axis([responsibility_column(name) for name in personas], axis=1)
    if taken := sorted({*own.columns, STATUS}.intersection(table.columns)):
        raise InputError(f"attributions(): the log has a column {taken[0]!r} of its own", remedy="rename it")
    if withhold:
        held = {key for key, status in statuses.items() if status.startswith("withheld")}
        own = own.mask(np.array([[(name, persona) in held for persona in personas] for name in condition]))
    notes: dict[str, list[str]] = {}
    for (name, persona), given in statuses.items():  # conditions of references alone have no weights
        notes.setdefault(name, []).extend([] if given == "ok" else [f"{persona} {given}"])
    said = {name: "; ".join(own) or "ok" for name, own in notes.items()}
    status = pd.Series(condition, name=STATUS).map(said).mask(mean.isna().all(axis=1), _REFERENCE)
    first = ["condition", *log.contexts, "question_id", "base_question", *(["completion"] if texts else [])]
    return pd.concat([table[[*first, *log.measurements]], own, status, table[["source", "record"]]], axis=1)


def row_responsibilities(posterior: xr.Dataset, prepared: Prepared, collapsed: CollapsedLog) -> np.ndarray:
    """Posterior mean responsibilities, shape ``(N, K)``; rows sum to one, or are NaN for references.

    Args:
        posterior: posterior draws.
        prepared: the fitted data.
        collapsed: the counts of the log, with the cell and pattern of every row.

    Raises:
        InputError: the counts do not include the cell and pattern of every row.
    """
    if collapsed.row_cell is None or collapsed.row_pattern is None:
        raise InputError(
            "responsibilities(): this result contains counts, not rows, because it was loaded from a file or fitted to "
            "a scanned log. Pass the log: responsibilities(read_completions(...))",
            argument="log",
        )
    if prepared.texts is not None and collapsed.texts is not None:
        mean = point_responsibilities(prepared, prepared.texts, parameters_of(posterior, prepared))
        padded = np.vstack([mean, np.full(mean.shape[1], np.nan)])  # the last row is for references
        return np.asarray(padded[collapsed.texts.row_point])
    size = len(prepared.patterns)
    pairs, place = np.unique(
        prepared.design.rows[collapsed.row_cell] * size + collapsed.row_pattern, return_inverse=True
    )  # many rows are alike
    cells, patterns = np.divmod(pairs, size)
    weights = weight_draws(posterior, prepared, by="cell").to_numpy()
    tables = [posterior[f"{name}_probs"].to_numpy() for name in prepared.model.measurements]
    total = np.zeros((len(cells), weights.shape[-1]))
    for draws in _blocks(weights.shape[:2], total.size):
        components = component_probabilities([table[draws] for table in tables], prepared.patterns)[..., patterns]
        own = responsibilities(weights[draws][:, cells], np.swapaxes(components, 1, 2)[..., None])
        total += own[:, :, 0].sum(axis=0)
    mean = total / weights.shape[0] / weights.shape[1]
    return np.asarray(mean[place])


def _blocks(sizes: tuple[int, ...], values: int) -> Iterator[tuple[int, slice]]:
    """Draws of one chain, a few at a time, so that at most ``_MOST_VALUES`` are in memory at once."""
    chains, draws = sizes
    step = max(1, _MOST_VALUES // max(values, 1))
    return ((chain, slice(first, first + step)) for chain in range(chains) for first in range(0, draws, step))


def collapse_again(prepared: Prepared, log: CompletionLog) -> CollapsedLog:
    """The counts of a log, verified to be those that were fitted.

    Raises:
        InputError: the log is not the one that was fitted.
    """
    own, model = prepared.collapsed, prepared.model
    by = tuple(own.cells.columns)
    again = collapse(log, model.emissions, by, likelihood=model.likelihood, personas=model.names)
    if again.content_hash != own.content_hash:
        raise InputError(
            f"This is not the log that was fitted: its counts hash to {again.content_hash[:12]}…, those of the fit "
            f"to {own.content_hash[:12]}…. Read the same files with the same options",
            argument="log",
        )
    return again
