"""Tables that a result computes once for each set of arguments: a report asks for some of them five times."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec

import pandas as pd

__all__ = ["computed_once"]

P = ParamSpec("P")


def computed_once(method: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """The method, which keeps its tables in the attribute ``_tables`` of its object, a dict, and returns copies."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def table(*args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        try:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            own: Any
            own, *_ = bound.arguments.values()
            for name in {"ci_prob", "rope"} & bound.arguments.keys():
                if bound.arguments[name] is None:  # the default is that of the fit
                    bound.arguments[name] = getattr(own, name)
            _, *values = bound.arguments.values()
            key = (method.__name__, *values)
            known = own._tables.get(key)
        except TypeError:  # a wrong call, or a scope in proportions, which has no hash
            return method(*args, **kwargs)
        if known is None:
            known = own._tables[key] = method(*args, **kwargs)
        return known.copy()

    return table
