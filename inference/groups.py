"""Groups that a user names: a condition with its contexts, or a mean of several, as shares of the groups of a fit.

A contrast is a linear combination of groups, so every group that is asked for becomes a vector of shares that sum to
one, and a contrast the difference of two such vectors.

References:
    Searle, Speed & Milliken (1980), Population marginal means in the linear model, doi:10.1080/00031305.1980.10483031
    (linear combinations of groups).
"""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from simulacra.formalism.display import place
from simulacra.formalism.errors import InputError, expect_type

__all__ = ["Group", "find_group", "mean_label", "names_of", "shares_of"]

Group = str | Mapping[Any, Any] | Sequence[Any]
"""A group as text, ``"ft"`` or ``"condition=ft, trigger=on"``, or as a mapping of columns to values; the mean of groups
as a list of them, ``["ft-a", "ft-b"]``, or as a mapping of groups to shares, ``{"ft-a": 0.9, "ft-b": 0.1}``."""


def shares_of(groups: pd.DataFrame, asked: Group, argument: str) -> np.ndarray:
    """The share of every group in the mean that is asked for, shape ``(G,)``; shares sum to one.

    Args:
        groups: one row per group, its columns text: the condition and contexts; for weights, also ``persona``.
        asked: a group or several; the groups of a list have equal shares.
        argument: name of the argument in messages.

    Raises:
        InputError: an unknown column, none or several groups with the values of one that is asked for, no groups, or
            shares that are negative or do not sum to one.
    """
    if isinstance(asked, Mapping) and not set(asked) & set(groups) and _are_numbers(asked.values()):
        parts = [(part, float(share)) for part, share in asked.items()]
    elif isinstance(asked, (list, tuple)):
        parts = [(part, 1 / len(asked)) for part in asked]
    else:
        parts = [(asked, 1.0)]
    total = sum(share for _, share in parts)
    if abs(total - 1) > 1e-6 or min(share for _, share in parts) < 0:
        raise InputError(
            f"contrast: the shares of {asked!r} sum to {total:g}",
            expected="one group or more, with shares that are not negative and sum to 1",
            argument=argument,
        )
    shares = np.zeros(len(groups))
    for part, share in parts:
        shares[find_group(groups, part, argument)] += share
    return shares


def _are_numbers(values: Any) -> bool:
    return all(isinstance(value, numbers.Real) for value in values)


def find_group(groups: pd.DataFrame, asked: Group, argument: str) -> int:
    """The row of the group that is asked for.

    Args:
        groups: as for :func:`shares_of`.
        asked: the group; a text without ``=``, or the exact name of a condition, is a condition. The text between the
            brackets of a citation's key is always understood.
        argument: name of the argument in messages.

    Raises:
        InputError: an unknown column, or none or several groups with these values.
    """
    shown = names_of(groups)
    if isinstance(asked, str) and asked in shown:
        return shown.index(asked)
    named = isinstance(asked, str) and asked in groups["condition"].tolist()
    wanted = {"condition": asked} if named else _parsed(asked, argument)
    unknown = [name for name in wanted if name not in groups]
    if unknown:
        raise InputError(
            f"contrast: {asked!r} names {unknown[0]!r}",
            expected=f"columns among {', '.join(map(str, groups))}",
            argument=argument,
        )
    fits = np.ones(len(groups), dtype=bool)
    for name, value in wanted.items():
        fits &= (groups[name].astype(str) == value).to_numpy()
    if fits.sum() != 1:
        listed = "; ".join(", ".join(f"{name}={own}" for name, own in row.items()) for row in groups.to_dict("records"))
        many = "no group has" if not fits.any() else f"{fits.sum()} groups have"
        raise InputError(
            f"contrast: {many} {', '.join(f'{name}={own}' for name, own in wanted.items()) or 'no values'}",
            expected=f"one of {listed}",
            argument=argument,
        )
    return int(fits.argmax())


def _parsed(asked: Any, argument: str) -> dict[str, str]:
    expected = (
        "a group such as 'ft', 'condition=ft, trigger=on' or {'condition': 'ft', 'trigger': 'on'}, or a list of groups"
    )
    expect_type(asked, (str, Mapping), argument, "contrast", expected=expected)
    if isinstance(asked, Mapping):
        return {str(name): str(value) for name, value in asked.items()}
    parts = [part.strip() for part in asked.split(",")] if "=" in asked else [asked]
    pairs = [part.partition("=") if "=" in part else ("condition", "=", part) for part in parts]
    return {name.strip(): value.strip() for name, _, value in pairs}


def names_of(groups: pd.DataFrame) -> list[str]:
    """Every group as in keys of citations, ``"ft, trigger=on"``."""
    rows = groups.to_dict("records")
    return [place({str(name): value for name, value in row.items()}) for row in rows]


def mean_label(groups: pd.DataFrame, shares: np.ndarray, kind: str) -> str:
    """The name of an estimate or of a mean of estimates: ``"rate[ft, trigger=on]"``, ``"mean(rate[a], rate[b])"``.

    Args:
        groups: as for :func:`shares_of`.
        shares: the share of every group, shape ``(G,)``.
        kind: the quantity, such as ``"rate"``.
    """
    rows = np.flatnonzero(shares)
    names = [f"{kind}[{name}]" for name in names_of(groups.iloc[rows])]
    if len(rows) == 1:
        return names[0]
    if np.ptp(shares[rows]) < 1e-9:
        return f"mean({', '.join(names)})"
    return f"({' + '.join(f'{share:g} {name}' for share, name in zip(shares[rows], names, strict=True))})"
