"""Description of the machine and of package versions of a measurement."""

import importlib.metadata
import os
import platform
from pathlib import Path

__all__ = ["describe_machine"]

_PACKAGES = ("simulacra", "jax", "numpyro", "pymc", "nutpie", "numba", "stepmix", "pyarrow", "numpy", "arviz-stats")


def describe_machine() -> dict[str, object]:
    """Processor, cores, memory, load, Python and package versions."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "versions": versions,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
