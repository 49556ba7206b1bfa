"""Running through blocks: those of a shard, those that an earlier run has left, and putting them together."""

import concurrent.futures
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.parts import Parts
from simulacra.lm.scoring.progress import Progress
from simulacra.lm.scoring.work import NOT_FINITE, Work

__all__ = ["block_ranges", "merge_parts", "refuse_broken", "score_blocks", "shard_blocks"]

_ELSEWHERE = "in a part of another shard"


def block_ranges(completions: int, block_rows: int) -> list[range]:
    """The completions of every block."""
    return [range(start, min(start + block_rows, completions)) for start in range(0, completions, block_rows)]


def shard_blocks(blocks: int, shard: tuple[int, int] | None) -> list[int]:
    """The blocks of shard i of n, counted from 1: every n-th, so that shards take equally long.

    Raises:
        InputError: no such shard, or more shards than blocks.
    """
    if shard is None:
        return list(range(blocks))
    own, shards = shard
    if not 1 <= own <= shards:
        raise InputError(f"shard={own}/{shards}", expected="i/n with i from 1 to n", argument="shard")
    if shards > blocks:
        raise InputError(
            f"shard={own}/{shards}: the log has {blocks} block(s) of completions",
            expected="at most as many shards",
            remedy="make blocks smaller with block_rows=",
            argument=("shard", "block_rows"),
        )
    return list(range(own - 1, blocks, shards))


def score_blocks(
    scorer: Any, work: Work, missing: Sequence[int], parts: Parts, ranges: Sequence[range], progress: Progress
) -> None:
    """Score blocks; the next block is encoded while the network processes the current one."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as ahead:
        encoded = [ahead.submit(scorer.encode, work, ranges[number]) for number in missing[:1]]
        for number, following in itertools.zip_longest(missing, missing[1:]):
            block = encoded.pop().result()
            if following is not None:
                encoded.append(ahead.submit(scorer.encode, work, ranges[following]))
            table = scorer.score(block, progress)
            if number == missing[0]:
                refuse_broken(table)
            parts.write(number, table)


def merge_parts(parts: Parts, ranges: Sequence[range]) -> tuple[pd.DataFrame, bool]:
    """The table of all completions, and whether it is complete; rows of absent parts have a reason and no numbers."""
    found = [parts.read(number) for number in range(len(ranges))]
    some = next((table for table in found if table is not None), pd.DataFrame({"unscored": []}))
    tables = [_absent(some, len(rows)) if table is None else table for table, rows in zip(found, ranges, strict=True)]
    return pd.concat(tables, ignore_index=True), all(table is not None for table in found)


def refuse_broken(table: pd.DataFrame) -> None:
    """Check that the first block has a finite likelihood.

    Raises:
        InputError: it has none, which indicates a broken model.
    """
    if (table["unscored"] == NOT_FINITE).any() and not table["unscored"].isna().any():
        raise InputError(
            "the model gave no finite log-likelihood for any completion of the first block",
            expected="finite numbers",
            remedy="try dtype='float32', and check that the weights are complete",
            argument="dtype",
        )


def _absent(like: pd.DataFrame, rows: int) -> pd.DataFrame:
    empty = {
        name: np.zeros(rows, dtype=bool) if kind == np.dtype(bool) else np.full(rows, np.nan)
        for name, kind in like.dtypes.items()
    }
    return pd.DataFrame(empty).assign(unscored=pd.Series([_ELSEWHERE] * rows, dtype=object))
