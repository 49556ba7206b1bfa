"""A small server with the completions interface of OpenAI, which echoes log-probabilities of prompts by a network."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch


@contextlib.contextmanager
def serve(
    network: Any, change: Callable[[int, dict], tuple[int, dict]] = lambda _, answer: (200, answer)
) -> Iterator[str]:
    """The address of a server, which ends with the context.

    Args:
        network: a causal language model.
        change: given the number of a request and its answer, the status and the answer that are sent.
    """
    count = iter(range(1_000_000))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"data": [{"id": "tiny", "max_model_len": network.config.max_position_embeddings + 1}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert (self.path, asked["echo"], asked["logprobs"]) == ("/v1/completions", True, 1)
            answer = {"choices": [choice(network, ids, index) for index, ids in enumerate(asked["prompt"])][::-1]}
            self._send(*change(next(count), answer))

        def _send(self, status: int, answer: dict) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def choice(network: Any, ids: list[int], index: int) -> dict:
    """What such a server says of a prompt: a log-probability for every token but the first, and for a new one."""
    with torch.no_grad():
        after = torch.log_softmax(network(input_ids=torch.tensor([ids])).logits[0].double(), dim=-1)
    own = [after[step, token].item() for step, token in enumerate(ids[1:])]
    return {"index": index, "text": "", "logprobs": {"token_logprobs": [None, *own, after[-1].max().item()]}}
