"""The device on which trajectories are computed: the processor with NumPy, or a GPU with JAX.

On the processor, NumPy is as fast as a compiled program and needs no compilation. A GPU takes about the same time for
small problems as for large ones, because it spends it between operations. It is therefore used from the size on at
which it is faster, compilation included. Random numbers, and the decisions which proposals are accepted, are NumPy's on
both, so that draws of the same seed differ only by rounding, until trajectories that have come apart are.
"""

import math
from typing import Any, Literal

import jax
from scipy import sparse

from simulacra.formalism.errors import InputError
from simulacra.inference.sampling.problem import Problem
from simulacra.inference.sampling.space import Space

__all__ = ["Devices", "chosen_device", "described", "expect_gpu", "placed"]

Devices = Literal["auto", "cpu", "gpu"]
"""The argument ``device`` of :func:`~simulacra.inference.fit`."""

_LARGE = 50_000
"""Entries of the array of persona by cell by pattern of a chain, from which an H100 is faster than two cores."""

_COPIES = 64
"""Arrays of the size of persona by cell by pattern, and of cell by shared effect, that a trajectory needs at most."""


def chosen_device(problem: Problem, wanted: Devices) -> Any:
    """The device of JAX for the trajectories of scores and labels, or None for NumPy; texts have none.

    Args:
        problem: data and prior of the fit.
        wanted: ``"auto"`` is a GPU if JAX sees one, and the problem is large but fits into its memory.
    """
    device, entries = next(iter(_gpus()), None), problem.counts.size * problem.num_personas
    if device is None or problem.texts is not None or wanted == "cpu":
        return None
    limit = (device.memory_stats() or {}).get("bytes_limit", math.inf)
    fitting = entries >= _LARGE and 8 * _COPIES * (entries + problem.shared.size) <= limit
    return device if fitting or wanted == "gpu" else None


def expect_gpu(*, texts: bool) -> None:
    """Check that trajectories can be computed on a GPU.

    Args:
        texts: whether the model has log-likelihoods.

    Raises:
        InputError: JAX sees no GPU, or there are log-likelihoods.
    """
    if texts:
        raise InputError(
            "fit: the model has texts with log-likelihoods",
            expected="device='gpu' for scores and labels only",
            remedy="leave out device",
            argument="device",
        )
    if not _gpus():
        raise InputError(
            "fit: JAX sees no GPU",
            expected="a GPU that JAX can use, for device='gpu'",
            remedy="install JAX for GPUs (pip install 'jax[cuda13]'), or leave out device",
            argument="device",
        )


def _gpus() -> list[Any]:
    return [device for device in jax.devices() if device.platform == "gpu"]


def described(device: Any) -> str:
    """The name of a device of JAX; ``"cpu"`` for None."""
    return "cpu" if device is None else str(device.device_kind)


def placed(space: Space, device: Any) -> Space:
    """The space with its arrays on a device of JAX; sparse matrices become dense, which are small there."""
    with jax.enable_x64(True):  # noqa: FBT003 (JAX's signature; the setting belongs to a thread)
        own = space._replace(device=None)
        return jax.device_put(
            jax.tree.map(lambda array: array.toarray() if sparse.issparse(array) else array, own), device
        )
