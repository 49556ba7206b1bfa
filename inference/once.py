"""What a result computes once for each set of arguments: a report asks for some of its tables five times."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import pandas as pd
import xarray as xr

__all__ = ["computed_once"]

P = ParamSpec("P")
Value = TypeVar("Value", bound=pd.DataFrame | xr.DataArray | xr.Dataset | dict[str, Any])


def computed_once(method: Callable[P, Value]) -> Callable[P, Value]:
    """The method, which keeps its values in the attribute ``_computed`` of its object, a dict, and returns copies."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def value(*args: P.args, **kwargs: P.kwargs) -> Value:
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
            known = key in own._computed
        except TypeError:  # a wrong call, or a scope in proportions, which has no hash
            return method(*args, **kwargs)
        if not known:
            own._computed[key] = method(*args, **kwargs)
        copied: Value = own._computed[key].copy()
        return copied

    return value
