"""What decides whether two runs give the same numbers: weights and tokenizer, by contents and not by path."""

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

__all__ = ["WEIGHT_FILES", "hash_files", "hash_tokenizer", "hash_weights", "library_versions"]

WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin", "adapter_model*")
"""Patterns of the files that hold weights in a folder."""

_LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "vllm", "simulacra")


def hash_weights(network: Any) -> str:
    """SHA-256, hexadecimal, of all weights of a network as loaded, also of those that are kept on disk."""
    import torch

    weights = network.state_dict()
    if any(values.is_meta for values in weights.values()):  # offloaded: loaded again, module by module
        from accelerate.utils.modeling import get_state_dict_offloaded_model

        weights = get_state_dict_offloaded_model(network)
    digest = hashlib.sha256()
    for name, values in weights.items():
        digest.update(f"{name}{tuple(values.shape)}{values.dtype}".encode())
        if values.numel():
            digest.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def hash_files(folder: Path) -> str:
    """SHA-256, hexadecimal, of configuration and files of weights, for engines that do not show what they loaded."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in ("config.json", *WEIGHT_FILES) for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def hash_tokenizer(tokenizer: Any) -> str:
    """SHA-256, hexadecimal, of everything that turns a text into token ids, without the chat template."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        what = {"class": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()}
    else:
        what = json.loads(backend.to_str())
        for state in ("truncation", "padding"):  # of the last call
            what.pop(state, None)
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that compute the numbers; they may change the last digits."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
