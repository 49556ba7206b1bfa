"""The parts of a vector of coordinates: what :mod:`~simulacra.inference.sampling.problem` puts into it, and where."""

from typing import Any, NamedTuple

__all__ = ["Coordinates", "Layout", "split"]


class Layout(NamedTuple):
    """Where the parts of the vector are: their slices, and the shapes of emissions and latents."""

    parts: tuple[slice, ...]
    shapes: tuple[tuple[int, ...], ...]


class Coordinates(NamedTuple):
    """The parts of vectors, with any leading axes: u, the coordinates of τ, b and ρ, log σ, and z.

    Shapes ``(..., K, categories)``, ``(..., calibration)``, ``(..., T)``, and ``(..., K - 1, latents)``.
    """

    gammas: Any
    calibration: Any
    log_scales: Any
    shared: Any
    own: Any


def split(layout: Layout, vector: Any) -> Coordinates:
    """The parts of vectors with any leading axes, NumPy or JAX arrays."""
    lead = vector.shape[:-1]
    return Coordinates(
        *(vector[..., part].reshape(lead + shape) for part, shape in zip(layout.parts, layout.shapes, strict=True))
    )
