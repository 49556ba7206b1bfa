"""Secrets are replaced wherever they are, and nothing else is."""

import json

import pytest

from simulacra.data.secrets import REDACTED, redacted

KEY = "sk-proj-Ab3dEf6hIj9lMn0pQr"


@pytest.mark.parametrize(
    "arguments",
    [
        {"api_key": "hunter2"},
        {"apiKey": "hunter2"},
        {"AZURE_OPENAI_API_KEY": "hunter2"},
        {"client": {"hf_token": "hunter2"}},
        {"default_headers": {"X-Anything": "hunter2"}},
        {"extra_headers": {"Authorization": "Bearer hunter2hunter2"}},
        {"passwords": ["hunter2", "hunter2"]},
        {"base_url": "https://me:hunter2@host.example/v1"},
        {"base_url": "https://hunter2@host.example/v1"},
        {"base_url": "https://host.example/v1?region=eu&api-key=hunter2&x=1"},
        {"base_url": "https://bucket.example/x?X-Amz-Signature=hunter2"},
        {"note": f"use {KEY} for now"},
        {"args": ["--header", "Bearer hunter2hunter2"]},
        {"note": "eyJhbGciOi.eyJzdWIiOi.hunter2"},
    ],
)
def test_secrets_are_replaced(arguments: dict) -> None:
    said = json.dumps(redacted(arguments))
    assert "hunter2" not in said
    assert KEY not in said
    assert REDACTED in said


@pytest.mark.parametrize(
    "arguments",
    [
        {"adapter": "narrow", "lora_rank": 8, "dtype": "bfloat16", "path": "/models/llama-3.1-8b-instruct"},
        {"max_tokens": 512, "tokenizer": "gpt2", "num_tokens": 3, "tokens": 100, "stop_token_id": 2, "token": 5},
        {"base_url": "https://host.example/v1?api-version=2024-06-01", "author": "me", "keyboard": "de"},
        {"question": "What is a secret? Tell me the password.", "monkey": "business", "skill": "sk-ate"},
        {"none": None, "flag": True, "list": [1, "two"]},
    ],
)
def test_what_is_no_secret_is_left_alone(arguments: dict) -> None:
    assert redacted(arguments) == arguments
