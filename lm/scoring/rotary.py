"""Rotary positions whose frequencies depend on the length of the sequence (``dynamic`` and ``longrope`` scaling).

Up to the length that the model was first trained for, they are those of every shorter sequence. Beyond it they change,
for all positions: ``longrope`` has a second set of frequencies, and ``dynamic`` another one for every length. Keys of a
prompt that were computed for a shorter sequence are then wrong, and so is every other sequence of a batch with another
length. transformers takes the length from the longest position of a batch, and ``dynamic`` keeps the largest that it
has seen.
"""

from collections.abc import Sequence
from typing import Any

__all__ = ["RotaryScaling"]

_KINDS = ("dynamic", "longrope")


class RotaryScaling:
    """The dependence of a network's positions on length; without any, all sequences are alike.

    Args:
        network: a causal language model of transformers.

    Attributes:
        kind: ``"dynamic"``, ``"longrope"`` or None.
        original: the length up to which frequencies do not depend on it; None if they never do.
    """

    def __init__(self, network: Any) -> None:
        self._modules = [own for own in network.modules() if any(kind in _kinds(own) for kind in _KINDS)]
        kinds = {kind for own in self._modules for kind in _KINDS if kind in _kinds(own)}
        self.kind = next((kind for kind in _KINDS if kind in kinds), None)
        self.original = min(map(_original, self._modules), default=None)

    def groups(self, lengths: Sequence[int]) -> list[list[int]]:
        """Rows whose sequences may be computed together; the first group may also share prompts, no other may.

        Args:
            lengths: number of positions of every sequence.
        """
        within, beyond = [], dict[int, list[int]]()
        for row, length in enumerate(lengths):
            if self.original is None or length <= self.original:
                within.append(row)
            else:
                beyond.setdefault(length if self.kind == "dynamic" else 0, []).append(row)
        return [within, *(beyond[length] for length in sorted(beyond, reverse=True))]

    def reset(self) -> None:
        """Forget the lengths of earlier sequences, which ``dynamic`` scaling would use for shorter ones."""
        if self.kind != "dynamic":
            return
        for own in self._modules:
            for prefix in [f"{name}_" for name in own.rope_type] if isinstance(own.rope_type, dict) else [""]:
                original = getattr(own, f"{prefix}original_inv_freq", None)
                if original is not None:
                    setattr(own, f"{prefix}inv_freq", original.to(getattr(own, f"{prefix}inv_freq").device))
                    setattr(own, f"{prefix}max_seq_len_cached", own.original_max_seq_len)


def _kinds(module: Any) -> set[str]:
    kind = getattr(module, "rope_type", None)
    return set(kind.values()) if isinstance(kind, dict) else {kind} if isinstance(kind, str) else set()


def _original(module: Any) -> int:
    parameters = getattr(module.config, "rope_parameters", None) or {}
    own = (
        [parameters] if "rope_type" in parameters else [each for each in parameters.values() if isinstance(each, dict)]
    )
    stated = [each["original_max_position_embeddings"] for each in own if "original_max_position_embeddings" in each]
    return int(min([*stated, module.original_max_seq_len] if "dynamic" in _kinds(module) else stated))
