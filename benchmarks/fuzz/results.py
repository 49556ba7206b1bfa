"""Saved results that are damaged or forged: what ``Result.load`` says about thousands of mutants.

Run with ``python -m benchmarks.fuzz.results RESULT [--mutants 2000] [--forged 500] [--seed 0]``; ``RESULT`` is the
output folder of a fit. Three kinds of mutants: of the bytes of ``fit.nc``; of the bytes of ``fit.json``; and of the
values of the record, with its hash made to match. Each must be refused with an ``InputError``, or have the draws of the
original.
"""

import argparse
import collections
import json
import random
import resource
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from simulacra.formalism import InputError
from simulacra.inference import Result
from simulacra.inference.store import _digest

_VALUES = (None, [], {}, "x", -1, 1e308, 0, True, "nan", "../../x", [[1]], {"a": 1}, 10**30)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bytes with one to five of them changed, replaced or cut off, most often near the beginning."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        most = len(found) if rng.random() < 0.4 else min(len(found), rng.choice((100, 3000, 60_000)))
        place = rng.randrange(most)
        match rng.randrange(4):
            case 0:
                found[place] = rng.randrange(256)
            case 1:
                found[place] ^= 1 << rng.randrange(8)
            case 2:
                found[place : place + 8] = rng.randbytes(8)
            case _:
                del found[max(1, place) :]
    return bytes(found)


def forged(content: bytes, rng: random.Random) -> bytes:
    """The record with one value at any depth replaced or removed, and a hash that matches."""
    record = json.loads(content)
    owner, key = rng.choice([place for place in _places(record) if place[1] not in ("record_sha256", "arrays_sha256")])
    value = rng.choice((*_VALUES, ...))
    if value is ...:
        del owner[key]
    else:
        owner[key] = value
    return json.dumps({**record, "record_sha256": _digest(record)}).encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


FORGED = "values of fit.json, hash made to match"
KINDS: dict[str, tuple[str, Callable[[bytes, random.Random], bytes]]] = {
    "bytes of fit.nc": ("fit.nc", damaged),
    "bytes of fit.json": ("fit.json", damaged),
    FORGED: ("fit.json", forged),
}


def attack(result: Path, kind: str, mutants: int, seed: int) -> tuple[collections.Counter[str], float]:
    """Read mutants of a result; returns how they ended, and the longest time in processor seconds."""
    name, mutate = KINDS[kind]
    rng, ends, longest = random.Random(f"{kind} {seed}"), collections.Counter[str](), 0.0
    original, tree = (result / name).read_bytes(), Result.load(result).tree
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for file in ("fit.nc", "fit.json"):
            (folder / file).write_bytes((result / file).read_bytes())
        for _ in range(mutants):
            (folder / name).write_bytes(mutate(original, rng))
            start = time.process_time()
            ends[_end(folder, tree)] += 1
            longest = max(longest, time.process_time() - start)
    return ends, longest


def _end(folder: Path, tree: xr.DataTree) -> str:
    try:
        loaded = Result.load(folder)
    except InputError:
        return "refused"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"UNCAUGHT {type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {str(error)[:80]}"
    return "read, draws as written" if loaded.tree.identical(tree) else "READ WITH OTHER DRAWS"


def main() -> None:
    """Attack a result, and print how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--forged", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for kind in KINDS:
        mutants = arguments.forged if kind == FORGED else arguments.mutants
        ends, longest = attack(arguments.result, kind, mutants, arguments.seed)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{kind}: {dict(ends)}; at most {longest:.2f} processor seconds each, {memory:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
