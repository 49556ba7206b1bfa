"""Versions of the software that computed a result."""

import importlib.metadata
import platform

__all__ = ["library_versions"]

_LIBRARIES = ("simulacra", "jax", "jaxlib", "numpyro", "numpy", "scipy", "pandas", "xarray", "arviz-stats", "formulae")


def library_versions() -> dict[str, str]:
    """The installed versions of Python and of the libraries that compute results."""
    installed = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **installed}
