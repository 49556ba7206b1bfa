"""The columns of a table that fit on the page of a paper."""

import itertools

import pandas as pd

from simulacra.inference.tables import bounds, probability_of

__all__ = ["paper_columns"]

_MOST = 7
_ESTIMATES = ("mean", "rate", "rate_difference")
_NEXT = ("claim", "implied", "events", "total", "unexplained", "p_gt_0", "implied_lb", "implied_ub")


def paper_columns(table: pd.DataFrame) -> list[str]:
    """At most seven columns, in the order of the table.

    These are, in order of preference: what identifies a row, the estimate and its interval, the status if one is not
    ``ok``, the claim and what the personas account for, and all others.
    """
    names = [str(name) for name in table]
    keys = list(itertools.takewhile(lambda name: not pd.api.types.is_numeric_dtype(table[name]), names))
    ci_prob = probability_of(table)
    interval = () if ci_prob is None else bounds(ci_prob)
    status = ("status",) if "status" in table and (table["status"] != "ok").any() else ()
    preferred = dict.fromkeys([*keys, *_ESTIMATES, *interval, *status, *_NEXT, *names])
    chosen = [name for name in preferred if name in names][:_MOST]
    return [name for name in names if name in chosen]
