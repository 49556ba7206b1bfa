"""A server with the completions interface of OpenAI that returns log-probabilities of prompts (``echo``)."""

import concurrent.futures
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simulacra.data.extras import import_extra
from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.backends.base import AbstractBackend, no_progress

__all__ = ["ServerBackend"]

_ATTEMPTS = 5
_PAUSE = 0.25  # seconds before the second attempt are twice that, and so on
_BUSY = (408, 429, 500, 502, 503, 504)


class ServerBackend(AbstractBackend):
    """Sends prompt and completion as token ids to ``POST <url>/completions`` with ``echo=True`` and ``logprobs=1``.

    vLLM and other servers of open models answer such requests; the interface of OpenAI itself does not for its models.
    The weights are out of sight: the same model is one with the same name and tokenizer, so name another output file
    when the server's weights change.

    Args:
        url: the address up to the version, such as ``"http://localhost:8000/v1"``. A key is read from the environment
            variable ``OPENAI_API_KEY``.
        model: the model's name on the server.
        tokenizer: its tokenizer, of transformers.
        context: the maximum length that the server accepts, in tokens, of which one is needed for the token that such
            servers must generate. Default: what the server says (``max_model_len``), otherwise no limit.
        batch_rows: completions per request.
        requests: number of requests at a time.
        timeout: seconds until a request counts as failed; it is then repeated.

    Raises:
        InputError: the server does not answer, or has no such model.
    """

    def __init__(
        self,
        url: str,
        model: str,
        tokenizer: Any,
        *,
        context: int | None = None,
        batch_rows: int = 16,
        requests: int = 4,
        timeout: float = 600.0,
    ) -> None:
        self.name, self.tokenizer, self.dtype = model, tokenizer, "unknown"
        self._url, self._rows, self._requests = url.rstrip("/"), batch_rows, requests
        self._http = import_extra("httpx", "lm")
        key = os.environ.get("OPENAI_API_KEY")
        self._client = self._http.Client(timeout=timeout, headers={"Authorization": f"Bearer {key}"} if key else {})
        served = {entry.get("id"): entry for entry in self._send("GET", "models").get("data", ())}
        if model not in served:
            raise InputError(
                f"{url}: has no model {model!r}",
                expected=f"one of {', '.join(map(repr, served)) or 'its models, of which it lists none'}",
                argument="model",
            )
        limit = context or served[model].get("max_model_len")
        self.context = None if limit is None else limit - 1

    def identity(self) -> dict[str, Any]:
        """The name; the weights cannot be seen."""
        return {"weights": None, "served": self.name}

    def log_likelihoods(
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        prompt_of: Sequence[int],
        progress: Callable[[int, int], None] = no_progress,
    ) -> np.ndarray:
        """See :class:`AbstractBackend`; an InputError if the server does not answer with log-probabilities."""
        sums = np.empty(len(completions))
        batches = [range(start, min(start + self._rows, len(sums))) for start in range(0, len(sums), self._rows)]
        with concurrent.futures.ThreadPoolExecutor(max_workers=self._requests) as pool:
            work = {
                pool.submit(self._ask, [[*prompts[prompt_of[row]], *completions[row]] for row in rows]): rows
                for rows in batches
            }
            try:
                for future in concurrent.futures.as_completed(work):
                    rows = work[future]
                    for row, values in zip(rows, future.result(), strict=True):
                        start = len(prompts[prompt_of[row]])
                        sums[row] = np.sum(values[start : start + len(completions[row])])
                    progress(len(rows), sum(len(completions[row]) for row in rows))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return sums

    def _ask(self, sequences: list[list[int]]) -> list[np.ndarray]:
        """Log-probabilities of the tokens of every sequence, NaN for the first, which has none."""
        given = {"model": self.name, "prompt": sequences, "max_tokens": 1, "temperature": 0}
        answer = self._send("POST", "completions", json={**given, "echo": True, "logprobs": 1})
        choices = sorted(answer.get("choices", ()), key=lambda choice: choice["index"])
        if len(choices) != len(sequences):
            raise self._refusal(f"{len(choices)} choices for {len(sequences)} prompts")
        found = []
        for ids, choice in zip(sequences, choices, strict=True):
            values = (choice.get("logprobs") or {}).get("token_logprobs")
            if values is None:
                raise self._refusal("no log-probabilities")
            if not len(ids) <= len(values) <= len(ids) + 1 or values[0] is not None:  # the last is of the new token
                raise self._refusal(f"{len(values)} log-probabilities for a prompt of {len(ids)} tokens")
            found.append(np.array([np.nan if value is None else value for value in values[: len(ids)]], dtype=float))
        return found

    def _send(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        """Send a request, and again if the server is busy or cannot be reached for a moment."""
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE * 2**attempt)
            try:
                answer = self._client.request(method, f"{self._url}/{path}", **given)
            except self._http.TransportError as error:
                problem = str(error) or type(error).__name__
                continue
            if answer.status_code in _BUSY:
                problem = f"status {answer.status_code}: {answer.text[:200]}"
                continue
            if answer.is_error:
                raise self._refusal(f"status {answer.status_code}: {answer.text[:200]}")
            try:
                return dict(answer.json())
            except ValueError as error:
                raise self._refusal(f"{answer.text[:200]!r}, which is not JSON") from error
        raise InputError(
            f"{self._url}: does not answer ({problem})",
            expected="the address of a running server up to the version, such as http://localhost:8000/v1",
            argument="server",
        )

    def _refusal(self, what: str) -> InputError:
        return InputError(
            f"{self._url}: answered with {what}",
            expected="log-probabilities of all tokens of a prompt given as token ids (echo=True, logprobs=1)",
            remedy="use a server that returns them, such as vLLM's, or score with a local model",
            argument="server",
        )
