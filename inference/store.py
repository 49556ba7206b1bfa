"""Files of a result: netCDF for arrays and JSON for everything else; pickle is not used.

``fit.nc`` contains every group of the tree; ``fit.json`` next to it contains model, design, counts, checks, settings,
notes and versions. Both are written to temporary files first and then moved into place. The JSON file stores the
SHA-256 of the netCDF file and of itself: draws are never read with the record of another fit, and neither is read if a
byte of the draws or a value of the record was edited. Checks are computed again from the draws when a result is read.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from simulacra.data import CollapsedLog
from simulacra.data.account import Account
from simulacra.data.counting.texts import CollapsedTexts
from simulacra.data.staging import staging
from simulacra.formalism.density_ratios import Texts
from simulacra.formalism.emissions import AbstractEmission, LikelihoodEmission, rebuild_emission
from simulacra.formalism.errors import InputError
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.personas import Archetype, Gate, Persona
from simulacra.inference.checks import check_again, check_draws, with_fitting_names
from simulacra.inference.diagnostics import Check, Thresholds
from simulacra.inference.prepare import Prepared, assemble, design_of
from simulacra.inference.versions import library_versions

__all__ = ["FORMAT_VERSION", "Stored", "model_record", "read_result", "write_result"]

FORMAT_VERSION = 6
"""Format version of the files that are written."""
_READ = (5, FORMAT_VERSION)
"""Versions that are read; others are rejected. Version 5 also contained a log likelihood, computed on request since."""

_RECORD, _ARRAYS = "record_sha256", "arrays_sha256"
_RESTORE = "restore the two files that the same Result.save wrote, or fit again"


class Stored(NamedTuple):
    """The parts of a result that its files contain; named as in :class:`~simulacra.inference.result.Result`."""

    tree: xr.DataTree
    prepared: Prepared
    checks: tuple[Check, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...]


def write_result(stored: Stored, path: Path) -> Path:
    """Write ``path`` (netCDF) and ``path`` with suffix ``.json``.

    Raises:
        InputError: ``path`` does not end in ``.nc``.
    """
    if path.suffix != ".nc":
        raise InputError(f"Expected a file name that ends in .nc; got {path}", argument="path")
    arrays = _netcdf(stored.tree)
    record = {**_record(stored), _ARRAYS: hashlib.sha256(arrays).hexdigest()}
    record = json.loads(json.dumps(record, default=_plain, allow_nan=False))
    text = json.dumps({**record, _RECORD: _digest(record)}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with staging(path.parent) as folder:
        for target, content in ((path.with_suffix(".json"), text.encode()), (path, arrays)):
            (folder / target.name).write_bytes(content)
        for target in (path.with_suffix(".json"), path):
            (folder / target.name).replace(target)
    return path


def _netcdf(tree: xr.DataTree) -> memoryview:
    """The tree as the bytes of a netCDF file, made in memory because HDF5 crashes where a disk is full."""
    packed = {"zlib": True, "complevel": 4, "shuffle": True}  # the digits that were rounded away are bytes of zeros
    encoding = {
        f"/{name}": {str(own): packed for own, data in group.data_vars.items() if data.ndim}
        for name, group in tree.children.items()
    }
    return tree.to_netcdf(engine="h5netcdf", encoding=encoding)


def _digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of the values of a record, whatever their order and the spacing of the file."""
    own = {name: value for name, value in record.items() if name != _RECORD}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def read_result(path: Path) -> Stored:
    """Read the files of :func:`write_result`; ``path`` is the ``.nc`` file, or the folder that contains ``fit.nc``.

    Raises:
        InputError: there is no such path; one of the files is missing, damaged or of another format version; or they
            were not written together.
    """
    made = "the folder that the command 'simulacra fit' wrote, its fit.nc, or a file that Result.save wrote"
    if not path.exists():
        raise InputError(f"{path}: there is no such folder or file", expected=made, argument="path")
    if path.is_file() and path.suffix != ".nc":
        raise InputError(f"{path}: is not a result", expected=made, argument="path")
    arrays = path / "fit.nc" if path.is_dir() else path
    settings = arrays.with_suffix(".json")
    for file in (arrays, settings):
        if not file.is_file():
            raise InputError(
                f"{file}: no such file. A result consists of two files, {arrays.name} and {settings.name}, written by "
                "Result.save or by the command 'simulacra fit'",
                argument="path",
            )
    record = _read_record(settings)
    with arrays.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != record[_ARRAYS]:
            raise InputError(
                f"{arrays}: not the draws that were written with {settings.name}: the two are from different fits, or "
                "the file was edited or is damaged",
                remedy=_RESTORE,
            )
    try:
        tree = xr.open_datatree(arrays, engine="h5netcdf")
        if record["format_version"] < FORMAT_VERSION:
            tree = tree.filter(lambda node: node.name != "log_likelihood")
            tree["prior"] = tree["prior"].to_dataset().drop_vars("latents", errors="ignore")
        tree = tree.load()
        tree.close()
        return _stored(record, tree)
    except InputError:
        raise
    except Exception as error:  # a record whose hash was made to match has values of any kind at any place
        raise InputError(
            f"{settings}: not what Result.save writes ({type(error).__name__}: {error})", remedy=_RESTORE
        ) from error


def _read_record(path: Path) -> dict[str, Any]:
    """The record of the format version that this version of simulacra reads, if it is as it was written."""
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not the JSON that Result.save writes ({error})", remedy=_RESTORE) from error
    version = record.get("format_version") if isinstance(record, dict) else None
    if version not in _READ:
        versions = record.get("versions") if version else None
        writer = versions.get("simulacra") if isinstance(versions, dict) else None
        raise InputError(
            f"{path}: format version {version!r}, but this version of simulacra reads {' and '.join(map(str, _READ))}",
            remedy=f"fit again, or read it with {f'simulacra {writer}' if writer else 'the version that wrote it'}",
        )
    if record.get(_RECORD) != _digest(record) or _ARRAYS not in record:
        raise InputError(f"{path}: not as it was written: the file was edited or is damaged", remedy=_RESTORE)
    return record


def _stored(record: Mapping[str, Any], tree: xr.DataTree) -> Stored:
    prepared, settings = _prepared(record["prepared"], tree), record["settings"]
    stored = [Check(**_numbers(check)) for check in record["checks"]]
    found = check_draws(prepared, tree, Thresholds(**settings["thresholds"]))
    return Stored(
        tree=tree,
        prepared=prepared,
        checks=check_again(stored, with_fitting_names(found, prepared)[0]),
        settings={**settings, "seed": int(settings["seed"])},
        notes=tuple(map(str, record["notes"])),
    )


def _record(stored: Stored) -> dict[str, Any]:
    prepared = stored.prepared
    return {
        "format_version": FORMAT_VERSION,
        "versions": library_versions(),
        "data_hash": prepared.collapsed.content_hash,
        "settings": stored.settings,
        "notes": stored.notes,
        "ok": all(check.passed for check in stored.checks),
        "checks": [_check_record(check) for check in stored.checks],
        "prepared": {
            "model": model_record(prepared.model),
            "formula": prepared.design.formula,
            "cells": prepared.collapsed.cells.to_dict("list"),
            "patterns": prepared.patterns.tolist(),
            "counts": np.asarray(prepared.collapsed.counts).tolist(),
            "categories": prepared.collapsed.categories,
            "account": prepared.collapsed.account.to_dict(),
            "texts": _texts_record(prepared.collapsed.texts),
            "notes": prepared.notes,
        },
    }


def model_record(model: PersonaMixture) -> dict[str, Any]:
    """Everything that determines a model, in types that JSON has.

    Raises:
        InputError: an emission of a class of the user does not state how to rebuild it.
    """
    return {
        "personas": [dataclasses.asdict(persona) for persona in model.personas],
        "emissions": [_emission_record(emission) for emission in model.emissions],
        "likelihood": None if model.likelihood is None else model.likelihood.configuration(),
        "weights": model.weights,
        "baseline": model.baseline,
        "outcome": None if model.outcome is None else dataclasses.asdict(model.outcome),
    }


def _texts_record(texts: CollapsedTexts | None) -> dict[str, Any] | None:
    """Facts about texts, except their points, which are in the tree, and their rows, which are not stored."""
    if texts is None:
        return None
    return {
        "columns": texts.columns,
        "bin_width": texts.bin_width,
        "bound": texts.bound,
        "unscored_references": texts.unscored_references,
    }


def _texts(record: Mapping[str, Any], tree: xr.DataTree) -> CollapsedTexts:
    constant = tree["constant_data"]
    points = Texts(**{name: constant[f"text_{name}"].to_numpy() for name in Texts._fields})
    return CollapsedTexts(points, **{**record, "columns": tuple(record["columns"])})


def _prepared(record: Mapping[str, Any], tree: xr.DataTree) -> Prepared:
    model = _model(record["model"])
    cells = pd.DataFrame(record["cells"])
    collapsed = CollapsedLog(
        cells=cells,
        patterns=np.asarray(record["patterns"], dtype=np.int64).reshape(len(record["patterns"]), -1),
        counts=np.asarray(record["counts"]),
        measurements=model.measurements,
        categories=tuple(map(tuple, record["categories"])),
        account=Account.from_dict(record["account"]),
        texts=_texts(record["texts"], tree) if record.get("texts") else None,
    )
    design = design_of(record["formula"], collapsed)
    return assemble(model, design, collapsed, tuple(record["notes"]))


def _model(record: Mapping[str, Any]) -> PersonaMixture:
    return PersonaMixture(
        [_persona(persona) for persona in record["personas"]],
        emissions=[
            *(rebuild_emission(emission) for emission in record["emissions"]),
            *([LikelihoodEmission(**record["likelihood"])] if record.get("likelihood") else []),
        ],
        weights=record["weights"],
        baseline=record["baseline"],
        outcome=None if record["outcome"] is None else Outcome(**record["outcome"]),
    )


def _emission_record(emission: AbstractEmission) -> Mapping[str, object]:
    """The configuration that rebuilds the emission; raises if it does not, because the file could not be read back."""
    record = emission.configuration()
    try:
        found: object = rebuild_emission(json.loads(json.dumps(record)))
    except (TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
    if found != emission:
        raise InputError(
            f"The result cannot be saved: {emission!r} has the configuration {dict(record)}, which gives {found}",
            expected="the kind of the class and its fields as plain JSON types, and a from_configuration that returns "
            "an equal emission",
            argument="emissions",
        )
    return record


def _persona(record: Mapping[str, Any]) -> Persona:
    scores = {
        name: Archetype(tuple(own["knots"]), tuple(own["masses"]), own["missing"], own["concentration"])
        for name, own in record["scores"].items()
    }
    otherwise = None if record["otherwise"] is None else _persona(record["otherwise"])
    gates = tuple(Gate(**gate) for gate in record["gates"])
    return Persona(record["name"], record["description"], scores, gates, record["evidence"], otherwise)


def _check_record(check: Check) -> dict[str, Any]:
    """A check as JSON, which has neither infinity nor NaN: these are written as text that ``float`` reads."""
    record = dataclasses.asdict(check)
    limits = {name: float(record[name]) for name in ("value", "threshold")}
    return record | {name: value if math.isfinite(value) else str(value) for name, value in limits.items()}


def _numbers(check: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: float(check[name]) for name in ("value", "threshold")}
    return {**check, **numbers, **{name: tuple(check[name]) for name in ("argument", "withholds")}}


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
