"""The engine that the options of ``simulacra score`` name, and the values of these options."""

from collections.abc import Sequence
from typing import Any

from simulacra.data.extras import import_extra
from simulacra.formalism.errors import InputError

__all__ = ["chosen_engine", "parse_shard"]


def chosen_engine(
    model: str,
    *,
    server: str | None,
    vllm: bool,
    tokenizer: str | None,
    local_only: Sequence[tuple[str, Any]],
    revision: str | None,
    trust_remote_code: bool,
) -> Any:
    """What is passed as the model: its name if it runs in this process, otherwise an engine.

    Args:
        model: a folder, or a name on the hub or on the server.
        server: address of a server.
        vllm: run the model with vLLM.
        tokenizer: a folder or name with the tokenizer of a model on a server. Default: ``model``.
        local_only: options, with their values, that only a model in this process has.
        revision: branch, tag or commit of model and tokenizer on the hub.
        trust_remote_code: run Python code that they bring.

    Raises:
        InputError: options that exclude each other, or a tokenizer that cannot be loaded.
    """
    if server is not None and vllm:
        raise InputError("--server and --vllm: expected one of them")
    if tokenizer is not None and server is None:
        raise InputError("--tokenizer: expected only with --server; other models have their own")
    if server is None and not vllm:
        return model
    for option, value in local_only:
        if value is not None:
            raise InputError(f"{option}: expected only without {'--vllm' if vllm else '--server'}, which decides it")
    load_tokenizer = import_extra("simulacra.lm.scoring.loading", "lm").load_tokenizer
    given = {"revision": revision, "trust_remote_code": trust_remote_code}
    own = load_tokenizer(tokenizer or model, **given)
    if server is not None:
        return import_extra("simulacra.lm.scoring.backends.server", "lm").ServerBackend(server, model, own)
    return import_extra("simulacra.lm.scoring.backends.vllm", "vllm").VllmBackend(model, own, **given)


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """``"2/4"`` as the second of four shards.

    Raises:
        InputError: any other text.
    """
    if text is None:
        return None
    own, slash, shards = text.partition("/")
    if not (slash and own.isdecimal() and shards.isdecimal()):
        raise InputError(f"--shard {text!r}: expected I/N, such as 2/4 for the second of four shards")
    return int(own), int(shards)
