"""A causal language model with its tokenizer, loaded so that nothing of it is left to chance."""

# pyright: reportMissingImports=false
# (torch and transformers come with an extra)

import dataclasses
import functools
import hashlib
from pathlib import Path
from typing import Any

import torch
import transformers

from simulacra.formalism.display import card
from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.bars import transformers_bars

__all__ = ["LanguageModel", "load_language_model"]

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "adapter_model*")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LanguageModel:
    """A network that predicts the next token, and the tokenizer that it was trained with.

    Attributes:
        network: a causal language model of transformers.
        tokenizer: its tokenizer.
        name: where it came from, for records.
    """

    network: Any
    tokenizer: Any
    name: str = "in memory"

    def __repr__(self) -> str:
        limit = "no limit" if self.context is None else f"{self.context} tokens"
        return card(
            f"LanguageModel {self.name}: {type(self.network).__name__} in {self.dtype}, context: {limit}",
            "next: score_log(log, model=model, personas=...)",
        )

    @property
    def context(self) -> int | None:
        """The longest text, in tokens, that the network was made for; None if its configuration sets no limit."""
        return getattr(self.network.config.get_text_config(), "max_position_embeddings", None)

    @property
    def dtype(self) -> str:
        """The number type of the weights, such as ``"bfloat16"``."""
        return str(self.network.dtype).removeprefix("torch.")

    @functools.cached_property
    def weights_hash(self) -> str:
        """SHA-256, hexadecimal, of all weights as loaded."""
        digest = hashlib.sha256()
        for name, values in self.network.state_dict().items():
            digest.update(f"{name}{tuple(values.shape)}{values.dtype}".encode())
            if values.numel():
                digest.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()


def load_language_model(
    source: str | Path, *, device: str | None = None, dtype: str | None = None, progress_bar: bool = True
) -> LanguageModel:
    """Load a model from a folder, or by its name on the hub.

    Args:
        source: a folder with configuration, weights and tokenizer (or a PEFT adapter), or a hub name.
        device: where it runs. Default: CUDA, else Apple's GPU, else the processor.
        dtype: number type of the weights, ``"float32"``, ``"bfloat16"`` … Default: the checkpoint's own on a GPU,
            float32 on the processor.
        progress_bar: show how the weights are fetched and loaded.

    Raises:
        InputError: a folder that lacks something, weights that do not fit the configuration, or an unknown name.
    """
    place = device or _best_device()
    kind = dtype or ("float32" if place == "cpu" else "auto")
    if kind != "auto" and not isinstance(getattr(torch, kind, None), torch.dtype):
        raise InputError(
            f"dtype={kind!r}: expected a number type of torch, such as float32, bfloat16 or float16", argument="dtype"
        )
    place = _usable_device(place)
    _check_folder(source)
    try:
        with transformers_bars(shown=progress_bar):
            tokenizer = transformers.AutoTokenizer.from_pretrained(source)
            loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
                source, dtype=kind, output_loading_info=True
            )
    except Exception as error:  # of transformers, tokenizers, safetensors or torch, depending on the file
        raise InputError(
            f"{source}: cannot be loaded as a causal language model: {error}",
            expected="configuration, tokenizer and weights as save_pretrained writes them",
            remedy="check that the folder was copied whole, or name another model",
            argument="model",
        ) from error
    network, found = loaded
    if found["missing_keys"]:
        first = sorted(found["missing_keys"])
        raise InputError(
            f"{source}: the weights lack {len(first)} of the model's tensors, {first[0]!r} first, which would be "
            "random",
            expected="weights saved from this architecture with a language-model head",
            argument="model",
        )
    return LanguageModel(network.to(place).eval(), tokenizer, str(source))


def _check_folder(source: str | Path) -> None:
    folder = Path(source).expanduser()
    if not folder.is_dir():
        if isinstance(source, Path) or str(source).startswith((".", "/", "~")) or str(source).count("/") > 1:
            raise InputError(
                f"{source}: there is no such folder",
                expected="one with a model, or a name on the hub",
                argument="model",
            )
        return
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        raise InputError(
            f"{source}: has no config.json", expected="a folder written by save_pretrained", argument="model"
        )
    if not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        raise InputError(
            f"{source}: has no weights",
            expected="model.safetensors or pytorch_model.bin beside config.json",
            argument="model",
        )


def _usable_device(name: str) -> str:
    try:
        torch.empty(0, device=name)
    except Exception as error:  # an unknown name, or a device that this machine or this build of torch lacks
        raise InputError(
            f"device={name!r} cannot be used ({str(error).partition(chr(10))[0]})",
            expected="a device that torch finds here, such as 'cpu', 'cuda' or 'mps'",
            argument="device",
        ) from error
    return name


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
