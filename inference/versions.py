"""Versions of what computed a result."""

import importlib.metadata
import platform

__all__ = ["library_versions"]

_LIBRARIES = ("simulacra", "jax", "jaxlib", "numpyro", "numpy", "scipy", "pandas", "xarray", "arviz-stats", "formulae")


def library_versions() -> dict[str, str]:
    """Python's version and those of the libraries that numbers come from, as installed now."""
    installed = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **installed}
