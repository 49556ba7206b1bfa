"""Engines that compute log-likelihoods of token ids: this process, vLLM, or a server."""

from simulacra.lm.scoring.backends.base import AbstractBackend as AbstractBackend
from simulacra.lm.scoring.backends.local import LocalBackend as LocalBackend
