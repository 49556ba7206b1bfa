"""Loading of checkpoints: from a folder or by name, checked, and without running any code that they bring."""

# pyright: reportMissingImports=false
# (torch and transformers come with an extra)

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.bars import transformers_bars
from simulacra.lm.scoring.identity import WEIGHT_FILES
from simulacra.lm.scoring.language_model import LanguageModel

__all__ = ["load_language_model", "load_tokenizer"]

_HUB_SECONDS = 3.0  # until the hub counts as unreachable and only what was downloaded before is used


def load_language_model(
    source: str | Path,
    *,
    device: str | None = None,
    device_map: str | Mapping[str, Any] | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress_bar: bool = True,
) -> LanguageModel:
    """Load a model from a folder, or by its name on the hub.

    Args:
        source: a folder with configuration, weights and tokenizer (or a PEFT adapter), or a hub name.
        device: device to run on. Default: CUDA, otherwise Apple's GPU, otherwise the CPU.
        device_map: devices of the parts of a model that is larger than one, as in ``from_pretrained``: ``"auto"``
            fills GPUs, then memory, then disk.
        dtype: number type of the weights, ``"float32"``, ``"bfloat16"`` … Default: the checkpoint's type on a GPU,
            float32 on the CPU.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run Python code that the checkpoint brings. Pickled weights never run code.
        progress_bar: show the progress of downloading and loading the weights.

    Raises:
        InputError: an incomplete or unreadable folder, weights that do not match the configuration, an unknown name,
            a hub that cannot be reached, a device that is absent or too small, or a checkpoint that needs its own code.
    """
    if device is not None and device_map is not None:
        raise InputError("both device= and device_map=", expected="one of them", argument=("device", "device_map"))
    place = device or _best_device()
    kind = dtype or ("float32" if place == "cpu" else "auto")
    if kind != "auto" and not isinstance(getattr(torch, kind, None), torch.dtype):
        raise InputError(
            f"dtype={kind!r}: expected a number type of torch, such as float32, bfloat16 or float16", argument="dtype"
        )
    if device_map is None:
        _check_device(place)
    given = _source_arguments(source, revision, trust_remote_code=trust_remote_code)
    _check_weights(source)
    with _readable(source, "a causal language model"), transformers_bars(shown=progress_bar):
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **given)
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
            source, dtype=kind, device_map=device_map, weights_only=True, output_loading_info=True, **given
        )
    network, found = loaded
    if found["missing_keys"]:
        first = sorted(found["missing_keys"])
        raise InputError(
            f"{source}: the weights lack {len(first)} of the model's tensors, {first[0]!r} first; they would be "
            "initialised at random",
            expected="weights saved from this architecture with a language-model head",
            argument="model",
        )
    return LanguageModel(_moved(network, None if device_map is not None else place).eval(), tokenizer, str(source))


def load_tokenizer(source: str | Path, *, revision: str | None = None, trust_remote_code: bool = False) -> Any:
    """Load the tokenizer of a model from a folder, or by its name on the hub.

    Raises:
        InputError: as :func:`load_language_model`.
    """
    given = _source_arguments(source, revision, trust_remote_code=trust_remote_code)
    with _readable(source, "a tokenizer"):
        return transformers.AutoTokenizer.from_pretrained(source, **given)


def _source_arguments(source: str | Path, revision: str | None, *, trust_remote_code: bool) -> dict[str, Any]:
    """What every call of ``from_pretrained`` is given."""
    given: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    folder = Path(source).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise InputError(
                f"revision={revision!r}: {source} is a folder",
                expected="a revision only with a name on the hub",
                argument="revision",
            )
        base = _base_of_adapter(folder)
        return given | ({"local_files_only": True} if base and not _reachable(base, None) else {})
    if isinstance(source, Path) or str(source).startswith((".", "/", "~")) or str(source).count("/") > 1:
        raise InputError(
            f"{source}: there is no such folder",
            expected="a folder with a model, or a name on the hub",
            argument="model",
        )
    if revision is not None:
        given["revision"] = revision
    return given | ({} if _reachable(str(source), revision) else {"local_files_only": True})


def _reachable(name: str, revision: str | None) -> bool:
    """Whether the hub answers; without this question, an absent network costs a minute of repeated attempts.

    Raises:
        InputError: the hub answers that it has no such model.
    """
    try:
        HfApi().model_info(name, revision=revision, timeout=_HUB_SECONDS)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise InputError(
            f"{name}: the hub has no such model{'' if revision is None else f' or revision {revision!r}'}",
            expected="a folder with a model, or a name on the hub",
            remedy="for a private or gated model, log in first: hf auth login",
            argument=("model", "revision"),
        ) from error
    except Exception:  # of the network, of a proxy, or an offline mode; what was downloaded before may do
        return False
    return True


def _base_of_adapter(folder: Path) -> str | None:
    """The hub name that an adapter is for; None if the folder has its own weights, or the base is a folder too."""
    file = folder / "adapter_config.json"
    if not file.is_file():
        return None
    try:
        name = json.loads(file.read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        return None  # transformers will report it
    return name if isinstance(name, str) and name and not Path(name).is_dir() else None


def _check_weights(source: str | Path) -> None:
    folder = Path(source).expanduser()
    if not folder.is_dir():
        return
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        raise InputError(
            f"{source}: has no config.json", expected="a folder written by save_pretrained", argument="model"
        )
    if not any(any(folder.glob(pattern)) for pattern in WEIGHT_FILES):
        raise InputError(
            f"{source}: has no weights",
            expected="model.safetensors or pytorch_model.bin next to config.json",
            argument="model",
        )


@contextlib.contextmanager
def _readable(source: str | Path, what: str) -> Iterator[None]:
    """Turn the errors of transformers, tokenizers, safetensors, torch and the hub into one that a user can act on."""
    try:
        yield
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise InputError(
                f"{source}: needs Python code that comes with the checkpoint, which was not run",
                expected="an architecture and a tokenizer that transformers knows",
                remedy="read that code first, then allow it with trust_remote_code=True",
                argument="trust_remote_code",
            ) from error
        if isinstance(error, OSError) and not Path(source).expanduser().is_dir():
            raise InputError(
                f"{source}: cannot be loaded from the hub, and was not downloaded before: {error}",
                remedy="check the name and the network, or pass a folder",
                argument="model",
            ) from error
        raise InputError(
            f"{source}: cannot be loaded as {what}: {error}",
            expected="configuration, tokenizer and weights as save_pretrained writes them",
            remedy="check that the folder was copied completely, or name another model",
            argument="model",
        ) from error


def _moved(network: Any, place: str | None) -> Any:
    try:
        return network if place is None else network.to(place)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        raise InputError(
            f"the model does not fit on {place} ({str(error).partition(chr(10))[0]})",
            remedy="use a smaller number type (dtype='bfloat16'), another device, or device_map='auto'",
            argument=("dtype", "device", "device_map"),
        ) from error


def _check_device(name: str) -> None:
    try:
        torch.empty(0, device=name)
        if torch.device(name).type == "meta":
            raise ValueError("it holds no numbers")
    except Exception as error:  # an unknown name, or a device that the machine or the build of torch lacks
        raise InputError(
            f"device={name!r} cannot be used ({str(error).partition(chr(10))[0]})",
            expected="a device that is available to torch, such as 'cpu', 'cuda' or 'mps'",
            argument="device",
        ) from error


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
