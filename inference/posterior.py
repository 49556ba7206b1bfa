"""Posterior draws and data as an ``xarray.DataTree``, in the groups of the ArviZ schema.

All variables have named dimensions and coordinates. What ArviZ's functions need beyond the draws, such as a pointwise
log likelihood, follows from them and is computed on request (:mod:`simulacra.inference.datatree`).
:func:`build_tree` makes these groups:

``posterior``
    Weights of conditions, latents, scales and emissions; with an outcome, also implied rates and P(outcome | persona).
``sample_stats``
    Statistics of the sampler: log density, energy, acceptance rate, step size, divergences.
``log_prior``
    Log prior densities by part of the model, for power-scaling sensitivity analysis.
``prior``, ``posterior_predictive``
    Draws of the parameters from the prior, without latents, and replicated counts of score categories by condition.
``observed_data``, ``constant_data``
    The data: observed counts, cells, patterns, and points of texts. ``obs_id`` stands for the pairs of a cell and a
    pattern that occur, of which ``count`` gives the completions.

Draws have the digits that their distribution determines (:mod:`simulacra.inference.precision`).

Whatever is computed from weights of cells is computed in blocks of draws, because these weights are too many to keep.

References:
    Kumar et al. (2019), ArviZ a unified library for exploratory analysis of Bayesian models in Python,
    doi:10.21105/joss.01143 (the schema).
"""

import datetime
import importlib.metadata
import itertools
from collections.abc import Iterator, Mapping

import jax
import numpy as np
import xarray as xr

from simulacra.formalism.mixture import component_probabilities
from simulacra.formalism.outcomes import implied_rates
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.prior import log_prior, sample_prior
from simulacra.formalism.simplex import inverse_ilr
from simulacra.formalism.weights import WeightDesign
from simulacra.inference.precision import proportions, significant
from simulacra.inference.prepare import Prepared
from simulacra.inference.versions import library_versions

__all__ = [
    "average_weights",
    "build_tree",
    "chain_blocks",
    "parameters_of",
    "pattern_probabilities",
    "posterior_dataset",
    "weights_of_cells",
]

_PRIOR_DRAWS = 500
_BLOCK = 2_000_000
"""Weights or probabilities of cells that are held at once by a thread."""


def weights_of_cells(design: WeightDesign, latents: np.ndarray) -> np.ndarray:
    """Persona weights of every cell, eq. (2), shape ``(..., C, K)``, from latents ``(..., L, K - 1)``."""
    return inverse_ilr(design.logits(latents))


def pattern_probabilities(prepared: Prepared, parameters: Parameters) -> np.ndarray:
    """Probability of every pattern in every cell, eq. (1), shape ``(..., C, P)``, at parameters without texts."""
    components = component_probabilities(parameters.probabilities, prepared.patterns)
    return weights_of_cells(prepared.design, parameters.latents) @ components


def average_weights(design: WeightDesign, latents: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Weights averaged over cells with shares ``(G, C)``, shape ``(..., G, K)``; they sum to one."""
    lead, (*_, number, coordinates) = latents.shape[:-2], latents.shape
    flat = latents.reshape(-1, number, coordinates)
    blocks = _blocks(len(flat), len(design.cells) * (coordinates + 1))
    averages = [shares @ weights_of_cells(design, flat[block]) for block in blocks]
    return np.concatenate(averages).reshape(*lead, len(shares), coordinates + 1)


def _blocks(draws: int, size: int) -> list[slice]:
    """Blocks of draws, each of which takes ``size`` numbers."""
    length = max(_BLOCK // size, 1)
    return [slice(start, start + length) for start in range(0, draws, length)]


def chain_blocks(
    prepared: Prepared, parameters: Parameters, of_cell: int
) -> Iterator[tuple[tuple[int, slice], Parameters]]:
    """The draws of all chains in blocks, with the place of every block; a cell takes ``of_cell`` numbers per draw."""
    chains, draws = parameters.latents.shape[:2]
    for chain, block in itertools.product(range(chains), _blocks(draws, len(prepared.design.cells) * of_cell)):
        place = (chain, block)
        yield place, jax.tree.map(lambda values, place=place: values[place], parameters)


def build_tree(
    prepared: Prepared, parameters: Parameters, sample_stats: Mapping[str, np.ndarray], seed: int
) -> xr.DataTree:
    """Assemble the tree with all groups that the module describes.

    Args:
        prepared: data, design and model.
        parameters: posterior draws, leading axes ``(chain, draw)``.
        sample_stats: statistics of the sampler, shapes ``(chain, draw)``.
        seed: random seed of the prior and predictive draws.
    """
    rng = np.random.default_rng([seed, 1])
    coords = _coords(prepared)
    occurs = np.argwhere(prepared.counts > 0)
    groups = {
        "posterior": _parameters_dataset(prepared, parameters, coords),
        "sample_stats": _dataset({name: (("chain", "draw"), value) for name, value in sample_stats.items()}, coords),
        "log_prior": _log_prior(prepared, parameters),
        "posterior_predictive": _posterior_predictive(prepared, parameters, coords, rng),
        "prior": _parameters_dataset(prepared, _prior_draws(prepared, rng), coords).drop_vars("latents"),
        "observed_data": _observed(prepared, coords, occurs),
        "constant_data": _constant(prepared, coords, occurs),
    }
    attrs = {
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "creation_library": "simulacra",
        "creation_library_version": importlib.metadata.version("simulacra"),
        "creation_library_language": "Python",
        "inference_library": "simulacra",
        "inference_library_version": importlib.metadata.version("simulacra"),
        "sample_dims": ["chain", "draw"],
        "versions": [f"{name} {version}" for name, version in library_versions().items()],
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **{f"/{name}": data for name, data in groups.items()}})


def posterior_dataset(prepared: Prepared, parameters: Parameters) -> xr.Dataset:
    """The posterior group of the tree: weights, latents, scales, emissions, and with an outcome what they imply.

    Args:
        prepared: data, design and model.
        parameters: posterior draws, leading axes ``(chain, draw)``.
    """
    return _parameters_dataset(prepared, parameters, _coords(prepared))


def parameters_of(posterior: xr.Dataset, prepared: Prepared) -> Parameters:
    """The parameters in a posterior group of :func:`build_tree`, with the leading axes of its draws."""
    arrays = {
        name: posterior[name].to_numpy() if name in posterior else None
        for name in ("scale", "temperature", "offset", "purity")
    }
    scales = arrays.pop("scale")
    tables = tuple(posterior[f"{name}_probs"].to_numpy() for name in prepared.model.measurements)
    latents = posterior["latents"].to_numpy()
    return Parameters(tables, latents, np.empty((*latents.shape[:-2], 0)) if scales is None else scales, **arrays)


def _coords(prepared: Prepared) -> dict[str, np.ndarray]:
    model = prepared.model
    size = len(model.personas)
    coords = {
        "condition": _text(prepared.conditions),
        "persona": _text(model.names),
        "term": _text(prepared.design.terms),
        "latent": _text(prepared.design.latents),
        "coordinate": np.arange(size - 1),
        "cell": np.arange(len(prepared.design.cells)),
        "pattern": np.arange(len(prepared.patterns)),
        "measurement": _text(model.measurements),
    }
    for emission in model.emissions:
        coords[f"{emission.measurement}_category"] = _text(emission.categories)
    return coords


def _text(values: object) -> np.ndarray:
    return np.asarray(list(values), dtype=str)  # type: ignore[call-overload]


def _dataset(variables: Mapping[str, tuple], coords: Mapping[str, np.ndarray]) -> xr.Dataset:
    # The layout in memory is that of a file read back, so that sums round identically.
    dataset = xr.Dataset({name: (dims, np.ascontiguousarray(values)) for name, (dims, values) in variables.items()})
    own = {name: coords[str(name)] for name in dataset.dims if name in coords}
    numbered = {name: np.arange(size) for name, size in dataset.sizes.items() if name not in coords}
    return dataset.assign_coords({**own, **numbered})


def _parameters_dataset(prepared: Prepared, parameters: Parameters, coords: Mapping[str, np.ndarray]) -> xr.Dataset:
    draws = ("chain", "draw")
    weights = average_weights(prepared.design, parameters.latents, prepared.shares)
    variables: dict[str, tuple] = {
        "weights": ((*draws, "condition", "persona"), weights),
        "latents": ((*draws, "latent", "coordinate"), parameters.latents),
    }
    if prepared.design.terms:
        variables["scale"] = ((*draws, "term"), parameters.scales)
    for emission, table in zip(prepared.model.emissions, parameters.probabilities, strict=True):
        name = emission.measurement
        variables[f"{name}_probs"] = ((*draws, "persona", f"{name}_category"), table)
    if parameters.temperature is not None:
        variables["temperature"] = (draws, parameters.temperature)
    if parameters.offset is not None:
        variables["offset"] = ((*draws, "persona"), parameters.offset)
        variables["purity"] = ((*draws, "persona"), parameters.purity)
    outcome = prepared.model.outcome
    if outcome is not None:
        implied = implied_rates(outcome, prepared.model.emissions, weights, parameters.probabilities)
        variables["implied_rate"] = ((*draws, "condition"), implied)
        event = outcome.numerator.probability(prepared.model.emissions, parameters.probabilities)
        variables["outcome_given_persona"] = ((*draws, "persona"), event)
    wholes = {"weights", *(f"{emission.measurement}_probs" for emission in prepared.model.emissions)}
    rounded = {
        name: (dims, proportions(values) if name in wholes else significant(values))
        for name, (dims, values) in variables.items()
        if name != "latents"
    }
    return _dataset(variables | rounded, coords)


def _log_prior(prepared: Prepared, parameters: Parameters) -> xr.Dataset:
    shape = parameters.latents.shape[:2]
    found: dict[str, np.ndarray] = {}
    for place, own in chain_blocks(prepared, parameters, len(prepared.model.personas)):
        for name, values in log_prior(prepared.model, prepared.design, own).items():
            found.setdefault(name, np.empty(shape))[place] = values
    return _dataset({name: (("chain", "draw"), values) for name, values in found.items()}, {})


def _prior_draws(prepared: Prepared, rng: np.random.Generator) -> Parameters:
    references = prepared.texts is not None and prepared.texts.calibrated
    return sample_prior(prepared.model, prepared.design, rng, (1, _PRIOR_DRAWS), references=references)


def _posterior_predictive(
    prepared: Prepared,
    parameters: Parameters,
    coords: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> xr.Dataset:
    """Replicated counts of the categories of every measurement, by condition."""
    totals, in_condition = prepared.counts.sum(axis=1).astype(int), prepared.in_condition.astype(float)
    size = (*parameters.latents.shape[:2], len(in_condition), len(prepared.model.personas))
    by_condition = np.empty(size, dtype=int)
    for place, own in chain_blocks(prepared, parameters, len(prepared.model.personas)):
        drawn = rng.multinomial(totals, weights_of_cells(prepared.design, own.latents))
        by_condition[place] = in_condition @ drawn
    variables = {}
    for emission, table in zip(prepared.model.emissions, parameters.probabilities, strict=True):
        table = table / table.sum(axis=-1, keepdims=True)
        name, chains = emission.measurement, zip(by_condition, table[:, :, None], strict=True)
        replicated = np.stack([rng.multinomial(counts, chances).sum(axis=-2) for counts, chances in chains])
        variables[name] = (("chain", "draw", "condition", f"{name}_category"), replicated)
    return _dataset(variables, coords)


def _observed(prepared: Prepared, coords: Mapping[str, np.ndarray], occurs: np.ndarray) -> xr.Dataset:
    variables: dict[str, tuple] = {"completion": (("obs_id",), occurs[:, 1])}
    in_condition = prepared.in_condition.astype(int)
    for column, emission in enumerate(prepared.model.emissions):
        one_hot = np.eye(len(emission.categories))[prepared.patterns[:, column]]
        name = emission.measurement
        counts = (in_condition @ prepared.counts @ one_hot).round().astype(int)
        variables[name] = (("condition", f"{name}_category"), counts)
    return _dataset(variables, coords)


def _constant(prepared: Prepared, coords: Mapping[str, np.ndarray], occurs: np.ndarray) -> xr.Dataset:
    variables: dict[str, tuple] = {
        "count": (("obs_id",), prepared.counts[occurs[:, 0], occurs[:, 1]]),
        "obs_cell": (("obs_id",), occurs[:, 0]),
        "patterns": (("pattern", "measurement"), prepared.patterns),
    }
    for column in prepared.design.cells:
        variables[f"cell_{column}"] = (("cell",), _text(prepared.design.cells[column].astype(str)))
    if prepared.collapsed.texts is not None:
        for name, values in prepared.collapsed.texts.points._asdict().items():
            kind = "reference" if name.startswith("reference") else "point"
            variables[f"text_{name}"] = ((kind, "persona")[: values.ndim], values)
    return _dataset(variables, coords)
