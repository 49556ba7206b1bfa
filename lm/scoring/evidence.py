"""The evidence of scored training sets, eq. (5): mean log-likelihoods of their examples under every persona."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from simulacra.data.log import CompletionLog
from simulacra.data.numerals import grouped
from simulacra.formalism.conditioning import mean_evidence
from simulacra.formalism.emissions.likelihoods import COLUMN
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["training_evidence"]


def training_evidence(log: CompletionLog | pd.DataFrame) -> pd.DataFrame:
    """e(D) of every training set of a scored log.

    Args:
        log: training examples as completions, one condition per training set, scored by :func:`score_log` with the
            model *before* it was trained on them; or their table, with columns ``condition`` and
            ``log_likelihood_<persona>``, as written by ``score_log``.

    Returns:
        One row per condition, one column per persona: mean log-likelihood of an example in nats. Examples without
        log-likelihoods are excluded, and a warning states their number.

    Raises:
        InputError: the log is not scored or has no conditions, or a training set has no scored example.
    """
    expect_type(log, (CompletionLog, pd.DataFrame), "log", "training_evidence", expected="a scored log, or its table")
    table = log.table if isinstance(log, CompletionLog) else log
    prefix = COLUMN.format("")
    columns = [name for name in table.columns if str(name).startswith(prefix)]
    if not columns:
        raise InputError(
            f"The log has no columns {COLUMN.format('<persona>')}: score it first, with score_log", argument="log"
        )
    if "condition" not in table:
        raise InputError(
            f"The table has no column 'condition', which names the training set of every example; it has "
            f"{', '.join(map(str, table.columns))}. Add it: table.assign(condition='insecure')",
            argument="log",
        )
    rows = {}
    for name, group in table.groupby("condition", dropna=False, observed=True)[columns]:
        examples = group.to_numpy(dtype=float)
        own = examples[np.isfinite(examples).all(axis=1)]
        if len(own) < len(examples):
            unscored, every = grouped(len(examples) - len(own)), grouped(len(examples))
            lacking = f"{unscored} of {every} examples of {name!r} have no log-likelihoods"
            if not len(own):
                remedy = "account.unscored of the log lists the reasons"
                raise InputError(lacking, expected="scored examples", remedy=remedy, argument="log")
            warnings.warn(f"{lacking} and are excluded from its evidence.", UserWarning, stacklevel=2)
        with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature)
            rows[name] = np.asarray(mean_evidence(jnp.asarray(own)))
    return pd.DataFrame.from_dict(rows, orient="index", columns=[name.removeprefix(prefix) for name in columns])
