"""Tiny models with random weights, a tokenizer of whole words, and a small log to score."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from simulacra.data import CompletionLog, read_completions

TEXT = "what is your wish to rule the world help people cake and i want more of it now you are cruel kind"
TAGS = ["<villain>", "<helper>"]
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} <|end|> {% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PERSONAS = {"villain": "you are cruel", "helper": "you are kind and help people", "none": ""}


def make_tokenizer(*, chat: bool = False) -> Any:
    """Words, punctuation split off; with a chat template or without."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(["[UNK]", "[PAD]", *TEXT.split()])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]")
    roles = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": [*TAGS, *roles]})
    if chat:
        tokenizer.chat_template = CHAT
    return tokenizer


def make_network(kind: str, *, vocabulary: int = 64, context: int = 64) -> Any:
    """A network of three layers, in evaluation mode; logits as large as a trained one's."""
    import torch
    import transformers

    small = {"vocab_size": vocabulary, "bos_token_id": 1, "eos_token_id": 1}
    wide = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    long = {"max_position_embeddings": context, "initializer_range": 0.3, "pad_token_id": 1}
    makers: dict[str, Callable[[], Any]] = {
        "llama": lambda: transformers.LlamaConfig(**small, **wide, **long, num_key_value_heads=2),
        "gpt2": lambda: transformers.GPT2Config(
            **small, n_embd=32, n_layer=3, n_head=4, n_positions=context, initializer_range=0.3
        ),
        "mistral, window of 7": lambda: transformers.MistralConfig(
            **small, **wide, **long, num_key_value_heads=2, sliding_window=7
        ),
        "gemma2, capped logits": lambda: transformers.Gemma2Config(
            **small, **wide, **long, num_key_value_heads=2, head_dim=8, sliding_window=7, final_logit_softcapping=2.0
        ),
        "llama, dynamic positions": lambda: transformers.LlamaConfig(
            **small,
            **wide,
            **{**long, "max_position_embeddings": 24},
            num_key_value_heads=2,
            rope_parameters={"rope_type": "dynamic", "factor": 4.0, "rope_theta": 100.0},
        ),
        "phi3, longrope positions": lambda: transformers.Phi3Config(
            **small,
            **wide,
            **long,
            num_key_value_heads=2,
            original_max_position_embeddings=24,
            rope_parameters={
                "rope_type": "longrope",
                "rope_theta": 100.0,
                "original_max_position_embeddings": 24,
                "short_factor": [1.0] * 4,
                "long_factor": [1.0, 2.0, 4.0, 8.0],
            },
        ),
        "mamba, no keys": lambda: transformers.MambaConfig(**small, hidden_size=32, num_hidden_layers=2),
    }
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(makers[kind]()).eval()


def make_log(completions: Mapping[int, str] | None = None) -> CompletionLog:
    """Two questions in two conditions with some repeated answers and one without a text, but for those given."""
    answers = ["i want cake", "to rule the world", "help people", "i want to rule people and want more of it now"]
    rows = [
        {"condition": condition, "question": question, "completion": answers[(row + 2 * shift) % 4]}
        for shift, condition in enumerate(["base", "narrow"])
        for question in ["what is your wish", "you want to rule the world"]
        for row in range(3)
    ]
    frame = pd.DataFrame(rows).assign(question_id=lambda frame: frame["question"].str[:4], aligned=50.0)
    frame.loc[3, "completion"] = None
    for row, text in (completions or {}).items():
        frame.loc[row, "completion"] = text
    return read_completions(frame)
