"""Batches by length: which prompts are cached together, and which of their completions are scored in one pass."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["Plan", "first_plan"]


class Plan(NamedTuple):
    """A set of prompts whose prefixes are computed in one pass, and batches of their completions.

    Attributes:
        prompts: indices of prompts.
        batches: indices of completions, longest first.
    """

    prompts: list[int]
    batches: list[list[int]]


def first_plan(
    rows: Sequence[int], prompt_of: Sequence[int], prompts: Sequence[int], completions: Sequence[int], budget: int
) -> Plan:
    """Plan the first batches of the completions that remain to be scored.

    Args:
        rows: indices of these completions; at least one.
        prompt_of: the prompt of every completion.
        prompts: number of tokens of every prompt.
        completions: number of tokens of every completion.
        budget: maximum number of positions in a batch, including padding and cached prefix. A single completion may
            exceed it.
    """
    waiting = sorted({prompt_of[row] for row in rows}, key=lambda prompt: (-prompts[prompt], prompt))
    width = prompts[waiting[0]]
    chosen = waiting[: max(1, budget // width)]
    inside = set(chosen)
    mine = sorted((row for row in rows if prompt_of[row] in inside), key=lambda row: (-completions[row], row))
    return Plan(chosen, list(_fill(mine, completions, width, budget)))


def _fill(rows: Sequence[int], completions: Sequence[int], width: int, budget: int) -> Iterator[list[int]]:
    start = 0
    while start < len(rows):
        size = max(1, budget // (width + completions[rows[start]]))
        yield list(rows[start : start + size])
        start += size
