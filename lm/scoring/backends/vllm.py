"""vLLM in this process: log-probabilities of prompts, of which completions are the ends."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulacra.data.extras import import_extra
from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.backends.base import AbstractBackend, no_progress
from simulacra.lm.scoring.identity import hash_files

__all__ = ["VllmBackend"]


class VllmBackend(AbstractBackend):
    """``vllm.LLM`` with ``SamplingParams(prompt_logprobs=1)``.

    Written against the documented interface of vLLM and tested with an imitation of it, because vLLM needs a GPU.

    Args:
        source: a folder, or a name on the hub.
        tokenizer: the model's tokenizer, of transformers.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run Python code that the checkpoint brings.
        options: further arguments of ``vllm.LLM``, such as ``tensor_parallel_size``.

    Raises:
        InputError: vLLM cannot load the model.
    """

    def __init__(
        self,
        source: str | Path,
        tokenizer: Any,
        *,
        revision: str | None = None,
        trust_remote_code: bool = False,
        **options: Any,
    ) -> None:
        self._vllm = import_extra("vllm", "vllm")
        self.name, self.tokenizer = str(source), tokenizer
        self._revision = revision
        try:
            self._engine = self._vllm.LLM(
                model=str(source), revision=revision, trust_remote_code=trust_remote_code, **options
            )
        except Exception as error:  # of vLLM, torch, transformers or the hub
            raise InputError(f"{source}: vLLM cannot load it: {error}", argument="model") from error
        settings = self._engine.llm_engine.model_config
        self.context = settings.max_model_len - 1  # one token must be generated
        self.dtype = str(settings.dtype).removeprefix("torch.")

    def identity(self) -> dict[str, Any]:
        """The hash of the files of a folder; for a name on the hub the name and revision."""
        folder = Path(self.name).expanduser()
        if folder.is_dir():
            return {"weights": hash_files(folder), "engine": "vllm"}
        return {"weights": None, "engine": "vllm", "served": self.name, "revision": self._revision}

    def log_likelihoods(
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        prompt_of: Sequence[int],
        progress: Callable[[int, int], None] = no_progress,
    ) -> np.ndarray:
        """See :class:`AbstractBackend`."""
        asked = [
            self._vllm.TokensPrompt(prompt_token_ids=[*prompts[own], *ids])
            for own, ids in zip(prompt_of, completions, strict=True)
        ]
        wanted = self._vllm.SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=1, detokenize=False)
        sums = np.empty(len(asked))
        for row, answer in enumerate(self._engine.generate(asked, wanted, use_tqdm=False)):
            start = len(prompts[prompt_of[row]])
            after = answer.prompt_logprobs[start : start + len(completions[row])]
            sums[row] = sum(found[token].logprob for found, token in zip(after, completions[row], strict=True))
        progress(len(sums), sum(map(len, completions)))
        return sums
